use chrono::{DateTime, Utc};
use entitlement::{Admission, TRIES, Work, record};
use identity::{InferenceCaller, UserId};
use sqlx::PgConnection;

use super::{Admitted, Ask, RunId, bound, limits, note::Note, ready, store, way, weigh};
use crate::{Error, Gateway, LEASE, Target};

/// Admits a run in the caller's transaction: reservation and row commit together with whatever the caller writes, or not
/// at all. Then [`launch`](super::launch) it. Should the process die in between, [`rescue`](super::rescue) ends the run and gives
/// the units back.
///
/// # Errors
/// Whatever entitlement refuses; `SecretClosed` without a sealing key, `RouteNotFound`, `ModelUnknown`, `ModelNotInPlan`,
/// `ModelNotConfigured`, `DocumentsUnreadable`, `NothingSaid`, and `ModelNotAllowed` to the caller's key.
pub async fn admit(
    conn: &mut PgConnection,
    room: &Gateway,
    caller: &InferenceCaller,
    start: impl Into<Ask>,
) -> Result<Admitted, Error> {
    let mut wanted = Wanted::of(room, caller, start.into())?;
    let decided = wanted.decide(room, caller).await?;
    wanted.record(conn, room, caller, decided).await
}

/// Runs that stand or fall together, each admitted as far as memory knows. What is dropped before it is recorded is given back.
pub(crate) struct Together(Vec<(Wanted, Decided)>);

impl Together {
    /// Looks whether all of them may begin; nothing is written yet, and no connection is held meanwhile.
    ///
    /// # Errors
    /// As [`admit`]; `TooManyChoices` where the plan never has room for all of them at once.
    pub(crate) async fn decide(
        room: &Gateway,
        caller: &InferenceCaller,
        asks: Vec<Ask>,
    ) -> Result<Self, Error> {
        let many = asks.len();
        let mut all = Vec::with_capacity(many);
        for ask in asks {
            let mut wanted = Wanted::of(room, caller, ask)?;
            let decided = wanted.decide(room, caller).await?;
            let limits = &decided.admission.reservation.plan().terms.limits;
            let most = limits.concurrent.min(limits.per_minute);
            if usize::try_from(most).is_ok_and(|most| most < many) {
                return Err(Error::TooManyChoices { most });
            }
            all.push((wanted, decided));
        }
        Ok(Self(all))
    }

    /// Records them in the caller's transaction, as [`admit`] does one.
    ///
    /// # Errors
    /// As [`admit`].
    pub(crate) async fn record(
        self,
        conn: &mut PgConnection,
        room: &Gateway,
        caller: &InferenceCaller,
    ) -> Result<Vec<Admitted>, Error> {
        let mut admitted = Vec::with_capacity(self.0.len());
        for (wanted, decided) in self.0 {
            admitted.push(wanted.record(conn, room, caller, decided).await?);
        }
        Ok(admitted)
    }
}

/// A run that is to be admitted.
struct Wanted {
    id: RunId,
    reference: String,
    ask: Ask,
    note: Note,
}

/// What admits it, as far as memory knows, and where it may go.
struct Decided {
    admission: Admission,
    route: String,
    targets: Vec<Target>,
}

impl Wanted {
    fn of(room: &Gateway, caller: &InferenceCaller, ask: Ask) -> Result<Self, Error> {
        let id: RunId = ask.id.unwrap_or_else(|| room.cx.ids.new_id());
        Ok(Self {
            id,
            reference: id.to_string(),
            note: Note::of(room, caller, id, &ask)?,
            ask,
        })
    }

    fn work<'a>(&'a self, room: &Gateway, caller: &'a InferenceCaller) -> Work<'a> {
        let key = caller.key.as_ref();
        Work {
            daily_cap: key.and_then(|key| key.daily_cap),
            daily_cost: key.and_then(|key| key.daily_cost_nano_usd),
            ..work(
                &caller.storefront,
                &self.ask.purpose,
                &self.reference,
                room.cx.clock.now(),
                caller.member(),
            )
        }
    }

    async fn decide(&mut self, room: &Gateway, caller: &InferenceCaller) -> Result<Decided, Error> {
        let work = self.work(room, caller);
        let admission = entitlement::admit(&room.entitlement, caller.principal, &work).await?;
        // what is refused here was never recorded, and is given back at once
        let plan = admission.reservation.plan();
        let (route, mut targets) = way(room, caller, plan, &self.ask.way()).await?;
        limits::keep_to(&targets, &mut self.ask.request, self.ask.terms.max_cost)?;
        weigh(&mut targets, &self.ask.request, room.cx.clock.now());
        let admission = admission.costing(|| bound(&targets, &self.ask.request).cost.0);
        Ok(Decided {
            admission,
            route,
            targets,
        })
    }

    async fn record(
        mut self,
        conn: &mut PgConnection,
        room: &Gateway,
        caller: &InferenceCaller,
        decided: Decided,
    ) -> Result<Admitted, Error> {
        let mut decided = decided;
        let mut tries = 0;
        let (kept, route, targets) = loop {
            let work = self.work(room, caller);
            let admission = decided.admission;
            let recorded =
                record(conn, &room.entitlement, caller.principal, &work, admission).await?;
            if let Some(kept) = recorded {
                break (kept, decided.route, decided.targets);
            }
            tries += 1;
            if tries == TRIES {
                return Err(entitlement::Error::LeasesUnsettled.into());
            }
            decided = self.decide(room, caller).await?;
        };
        let first = targets
            .first()
            .ok_or_else(|| Error::ModelNotConfigured(route.clone()))?;
        let now = room.cx.clock.now();
        let row = store::NewRun {
            id: self.id,
            tenant: caller.principal.tenant,
            reservation: kept.id,
            storefront: &caller.storefront,
            route: &route,
            model: &first.model,
            node: room.node.id,
            lease_until: now + LEASE,
            created_at: now,
            now,
            last_event: 0,
            note: &self.note,
        };
        store::insert_all(conn, &[(row, None)]).await?;
        let ids = (self.id, kept.id);
        let mut admitted = ready(room, caller, self.ask, ids, &route, targets)?;
        admitted.kept = Some(kept);
        Ok(admitted)
    }
}

/// What a run is admitted as.
pub(super) fn work<'a>(
    storefront: &'a str,
    unit: &'a str,
    reference: &'a str,
    now: DateTime<Utc>,
    member: Option<UserId>,
) -> Work<'a> {
    Work {
        storefront,
        unit,
        amount: 1,
        reference,
        lease_until: now + LEASE,
        daily_cap: None,
        daily_cost: None,
        member,
    }
}
