use std::sync::Arc;

use entitlement::{Reservation, TRIES};
use identity::{InferenceCaller, KeyLimits, Principal, UserId};

use super::{
    Admitted, Ask, RunId, RunView,
    admit::{admit, work},
    limits,
    note::Note,
    ready, store, way, weigh,
    writer::{Beginning, Found, Start, Step, What},
};
use crate::{Error, Gateway, State, Target};

/// What a run that is not written yet may have to be admitted by once more.
#[derive(Debug)]
pub(super) struct Unwritten {
    pub(super) start: Arc<Start>,
    principal: Principal,
    member: Option<UserId>,
    unit: String,
    tries: usize,
}

/// Admits a run that stands alone and writes it together with others that begin at the same time. Then
/// [`launch`](super::launch) it.
///
/// # Errors
/// As [`admit`].
pub async fn begin(
    room: &Gateway,
    caller: &InferenceCaller,
    start: impl Into<Ask>,
) -> Result<(Admitted, RunView), Error> {
    let mut ask: Ask = start.into();
    let id: RunId = ask.id.unwrap_or_else(|| room.cx.ids.new_id());
    ask.id = Some(id);
    for _ in 0..TRIES {
        let Some(decided) = decide(room, caller, id, &mut ask).await? else {
            return Box::pin(begin_in_line(room, caller, ask)).await;
        };
        let Decided {
            start,
            route,
            targets,
        } = decided;
        let start = Arc::new(start);
        let step = Step {
            id,
            tenant: caller.principal.tenant,
            first: Some(Arc::clone(&start)),
            events: Vec::new(),
            what: What::Beat {
                seq: 0,
                model: start.run.model.clone(),
            },
            is_awaited: true,
        };
        if room.writer.write(step).await? == Found::Unadmitted {
            continue;
        }
        let view = fresh(&start.run);
        let reservation = start.reservation().id;
        let mut admitted = ready(room, caller, ask, (id, reservation), &route, targets)?;
        admitted.kept = kept(start);
        return Ok((admitted, view));
    }
    Err(entitlement::Error::LeasesUnsettled.into())
}

/// As [`begin`], for somebody who waits for the answer: the run is written with the first that it has to say, or after a moment.
/// One of which nothing was written when the process dies was never answered, and costs nothing.
pub(crate) async fn begin_later(
    room: &Gateway,
    caller: &InferenceCaller,
    mut ask: Ask,
) -> Result<Admitted, Error> {
    // while nothing can be written down, nobody is to be asked anything
    if !room.writer.is_well() || !room.entitlement.is_in_touch() {
        return Ok(Box::pin(begin(room, caller, ask)).await?.0);
    }
    let id: RunId = ask.id.unwrap_or_else(|| room.cx.ids.new_id());
    ask.id = Some(id);
    let Some(decided) = decide(room, caller, id, &mut ask).await? else {
        return Ok(Box::pin(begin_in_line(room, caller, ask)).await?.0);
    };
    let Decided {
        start,
        route,
        targets,
    } = decided;
    let unit = ask.purpose.clone();
    let ids = (id, start.reservation().id);
    let mut admitted = ready(room, caller, ask, ids, &route, targets)?;
    admitted.unwritten = Some(Unwritten {
        start: Arc::new(start),
        principal: caller.principal,
        member: caller.member(),
        unit,
        tries: TRIES,
    });
    Ok(admitted)
}

/// What is decided before anything is written.
struct Decided {
    start: Start,
    route: String,
    targets: Vec<Target>,
}

/// Admits from memory; none where it depends on what others of its line did.
async fn decide(
    room: &Gateway,
    caller: &InferenceCaller,
    id: RunId,
    ask: &mut Ask,
) -> Result<Option<Decided>, Error> {
    // the caps of a key are counted in a line of their own
    let has_cap = |key: &KeyLimits| key.daily_cap.is_some() || key.daily_cost_nano_usd.is_some();
    if caller.key.as_ref().is_some_and(has_cap) {
        return Ok(None);
    }
    let now = room.cx.clock.now();
    let reference = id.to_string();
    let work = work(
        &caller.storefront,
        &ask.purpose,
        &reference,
        now,
        caller.member(),
    );
    let admission = entitlement::admit(&room.entitlement, caller.principal, &work).await?;
    if admission.is_counted() {
        return Ok(None);
    }
    // what is refused here was never recorded, and is given back at once
    let (route, mut targets) = way(room, caller, admission.reservation.plan(), &ask.way()).await?;
    limits::keep_to(&targets, &mut ask.request, ask.terms.max_cost)?;
    weigh(&mut targets, &ask.request, now);
    let first = targets
        .first()
        .ok_or_else(|| Error::ModelNotConfigured(route.clone()))?;
    let run = Beginning {
        id,
        tenant: caller.principal.tenant,
        storefront: caller.storefront.clone(),
        route: route.clone(),
        model: first.model.clone(),
        node: room.node.id,
        now,
        note: Note::of(room, caller, id, ask)?,
    };
    Ok(Some(Decided {
        start: Start { run, admission },
        route,
        targets,
    }))
}

impl Unwritten {
    /// Admits the run once more, whose admission is no more: the plan was looked at again, or the process was away for long.
    pub(super) async fn again(self, room: &Gateway) -> Result<Self, Error> {
        let unsettled = || Error::from(entitlement::Error::LeasesUnsettled);
        let tries = self.tries.checked_sub(1).ok_or_else(unsettled)?;
        let start = Arc::into_inner(self.start).ok_or_else(unsettled)?;
        let Start { run, admission } = start;
        let plan = admission.reservation.plan().version_id;
        drop(admission);
        let reference = run.id.to_string();
        let now = room.cx.clock.now();
        let work = work(&run.storefront, &self.unit, &reference, now, self.member);
        let admission = entitlement::admit(&room.entitlement, self.principal, &work).await?;
        // another plan may lead elsewhere, and what is counted with others is not decided here: the caller may ask again
        if admission.is_counted() || admission.reservation.plan().version_id != plan {
            return Err(unsettled());
        }
        metrics::counter!("gateway_runs_admitted_again_total").increment(1);
        Ok(Self {
            start: Arc::new(Start { run, admission }),
            tries,
            ..self
        })
    }

    /// What keeps its place, now that it is written.
    pub(super) fn written(self) -> Option<Reservation> {
        kept(self.start)
    }
}

fn kept(start: Arc<Start>) -> Option<Reservation> {
    Some(Arc::into_inner(start)?.admission.reservation)
}

/// Begins a run in a transaction of its own, since what it may do depends on what others of its line did.
async fn begin_in_line(
    room: &Gateway,
    caller: &InferenceCaller,
    ask: Ask,
) -> Result<(Admitted, RunView), Error> {
    let mut tx = room.cx.db.begin(caller.principal.scope()).await?;
    let admitted = admit(&mut tx, room, caller, ask).await?;
    let view = store::find(&mut tx, room.identity.vault(), admitted.id).await?;
    tx.commit().await?;
    Ok((admitted, view.ok_or(Error::RunNotFound)?))
}

/// A run that nothing has happened to yet.
fn fresh(run: &Beginning) -> RunView {
    RunView {
        id: run.id,
        state: State::Queued,
        reason: None,
        model: run.model.clone(),
        route: run.route.clone(),
        tokens_in: 0,
        tokens_out: 0,
        cost_nano_usd: 0,
        output: String::new(),
        is_closed: false,
        created_at: run.now,
        started_at: None,
        ended_at: None,
        last_event_id: 0,
    }
}
