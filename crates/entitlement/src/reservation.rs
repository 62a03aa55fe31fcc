mod cost;
mod store;

use std::{collections::HashSet, sync::Arc};

use chrono::{DateTime, Duration, Utc};
use db::{Ctx, Scope};
use identity::{KeyId, Principal, TenantId, UserId};
use sqlx::PgConnection;

use crate::{
    Entitlement, Error, Plan, ReservationId, Usage, Work, block,
    block::{BlockId, Closed as BlockClosed},
    desk::{self, Desk, Leaving},
    lease,
    lease::LeaseId,
    member, period,
    standing::Standing,
};

/// How often an admission begins again whose lease was lost on the way.
pub const TRIES: usize = 5;

/// Work that was admitted, and the plan that admitted it. Whoever keeps this keeps the work alive: dropped before the work
/// was settled, it counts until its row is closed, or until it is certain that there is none.
#[derive(Debug)]
pub struct Reservation {
    pub id: ReservationId,
    standing: Arc<Standing>,
    desk: Arc<Desk>,
}

impl Reservation {
    /// The plan that admitted it.
    pub fn plan(&self) -> &Plan {
        &self.standing.plan
    }

    /// Says that the transaction that recorded it has committed.
    pub fn confirm(&self) {
        self.desk.confirmed(self.id);
    }

    /// Says that the work is over and its caller was answered, though it has yet to be recorded: others may have its place.
    pub fn vacate(&self) {
        self.desk.vacate(self.id);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.desk.dropped(self.id);
    }
}

/// Work that was admitted from memory and is to be recorded with [`record_all`].
#[derive(Debug)]
pub struct Admission {
    pub reservation: Reservation,
    row: Row,
    /// The most that it may cost, where that is limited.
    most_cost: Option<i64>,
    counts_cost: bool,
    is_members: bool,
}

impl Admission {
    /// Whether it is counted with what others of its line do: by its cost, or for a member who is limited. Then it is
    /// recorded with [`record`], and says before what it may cost.
    pub const fn is_counted(&self) -> bool {
        self.counts_cost || self.is_members
    }

    /// Says what it may cost at most, in billionths of a US dollar; nothing is reckoned where nobody asks.
    #[must_use]
    pub fn costing(mut self, most: impl FnOnce() -> i64) -> Self {
        if self.counts_cost {
            self.most_cost = Some(most().max(0));
        }
        self
    }
}

/// A reservation to be written.
#[derive(Clone, Debug)]
struct Row {
    id: ReservationId,
    tenant: TenantId,
    storefront: String,
    unit: String,
    amount: i64,
    reference: String,
    lease_until: DateTime<Utc>,
    created_at: DateTime<Utc>,
    key: Option<KeyId>,
    member: Option<UserId>,
    lease: LeaseId,
    block: BlockId,
}

/// Decides rate, concurrency and quota at once, and records it in the caller's transaction: from memory, or after one round
/// trip when this process holds too little of the tenant's limits.
///
/// However many processes admit, it is exact: never one over, and never a refusal that the books don't show.
///
/// # Errors
/// `RateExceeded`, `ConcurrencyExceeded`, `QuotaExhausted`, `BudgetReached`, `MemberBudgetReached`, `KeyCapReached`, each with
/// what would make it pass; what costs and is limited by cost goes by way of [`admit`] and [`record`].
pub async fn reserve(
    conn: &mut PgConnection,
    room: &Entitlement,
    caller: Principal,
    work: &Work<'_>,
) -> Result<Reservation, Error> {
    for _ in 0..TRIES {
        let admission = admit(room, caller, work).await?;
        if let Some(reservation) = record(conn, room, caller, work, admission).await? {
            return Ok(reservation);
        }
    }
    Err(Error::LeasesUnsettled)
}

/// Records an admission in the caller's transaction; none when it was admitted by a lease that is no more, and is to be
/// admitted again.
///
/// # Errors
/// `KeyCapReached`, `CostLimitReached`, `MemberBudgetReached`, `MemberCostReached`, `KeyCostReached`.
pub async fn record(
    conn: &mut PgConnection,
    room: &Entitlement,
    caller: Principal,
    work: &Work<'_>,
    admission: Admission,
) -> Result<Option<Reservation>, Error> {
    let most = admission.most_cost.unwrap_or(0);
    // the lines of the tenant, the member and the key, in this order for everybody
    if admission.counts_cost {
        cost::check(conn, room, caller, work, most).await?;
    }
    if admission.is_members {
        member::check(conn, &room.cx, caller, work, most).await?;
    }
    if admission.counts_cost {
        cost::check_key(conn, room, caller, work, most).await?;
    }
    check_key(conn, &room.cx, caller, work).await?;
    let recorded = record_all(conn, room, &[&admission]).await?;
    if let (Some(most), [id]) = (admission.most_cost, recorded.as_slice()) {
        cost::note(conn, *id, most).await?;
    }
    Ok((!recorded.is_empty()).then_some(admission.reservation))
}

/// Admits without recording: what is not recorded by [`record_all`] is given back when it is dropped. A key's daily cap is
/// looked at by [`reserve`] alone.
///
/// # Errors
/// As [`reserve`].
pub async fn admit(
    room: &Entitlement,
    caller: Principal,
    work: &Work<'_>,
) -> Result<Admission, Error> {
    let (id, standing, taken, at) = desk::take(room, caller, work).await?;
    let reservation = Reservation {
        id,
        standing,
        desk: Arc::clone(&room.desk),
    };
    let row = Row {
        id: reservation.id,
        tenant: caller.tenant,
        storefront: work.storefront.to_owned(),
        unit: work.unit.to_owned(),
        amount: work.amount,
        reference: work.reference.to_owned(),
        lease_until: work.lease_until,
        created_at: at,
        key: caller.key,
        member: work.member,
        lease: taken.lease,
        block: taken.block,
    };
    let standing = &reservation.standing;
    let limited = work
        .member
        .and_then(|user| standing.limited.iter().find(|one| one.user == user));
    let counts_cost =
        standing.limits_cost || work.daily_cost.is_some() || limited.is_some_and(|one| one.by_cost);
    let is_members = limited.is_some();
    Ok(Admission {
        reservation,
        row,
        most_cost: None,
        counts_cost,
        is_members,
    })
}

/// Records admissions in the caller's transaction. Those that are not returned were admitted by a lease that is no more, and
/// are to be dropped and admitted again.
///
/// # Errors
/// When the database is away.
pub async fn record_all(
    conn: &mut PgConnection,
    room: &Entitlement,
    admissions: &[&Admission],
) -> Result<Vec<ReservationId>, Error> {
    let open: Vec<_> = admissions.iter().map(|one| (*one, None)).collect();
    record_each(conn, room, &open).await
}

/// As [`record_all`], each with what it used where it is over already: then it is to be settled by [`settle_each`] in the same
/// transaction.
///
/// # Errors
/// When the database is away.
pub async fn record_each(
    conn: &mut PgConnection,
    room: &Entitlement,
    admissions: &[(&Admission, Option<&Usage>)],
) -> Result<Vec<ReservationId>, Error> {
    let (mut under_way, mut over) = (Vec::new(), Vec::new());
    for (admission, used) in admissions {
        room.desk.recording(admission.reservation.id);
        match used {
            None => under_way.push(&admission.row),
            Some(used) => over.push((&admission.row, *used)),
        }
    }
    let now = room.cx.clock.now();
    let mut recorded = store::insert(conn, &under_way, now).await?;
    recorded.extend(store::insert_over(conn, &over, now).await?);
    if recorded.len() < admissions.len() {
        let known: HashSet<&ReservationId> = recorded.iter().collect();
        let ids = admissions.iter().map(|(admission, _)| admission.row.id);
        for id in ids.filter(|id| !known.contains(id)) {
            room.desk.fenced(id, now);
        }
    }
    Ok(recorded)
}

/// Counts what the caller's key asked for today, unless it may ask for as much as the plan has. What failed and was given
/// back counts too: the cap is on asking. All admissions of the key stand in a line until their transaction ends.
async fn check_key(
    conn: &mut PgConnection,
    cx: &Ctx,
    caller: Principal,
    work: &Work<'_>,
) -> Result<(), Error> {
    let (Some(key), Some(cap)) = (caller.key, work.daily_cap) else {
        return Ok(());
    };
    store::lock_key(conn, key).await?;
    let today = period::today(conn, cx, caller.tenant).await?;
    if store::asked_since(conn, key, today.start).await? < cap {
        return Ok(());
    }
    let seconds = (today.end - cx.clock.now()).num_seconds() + 1;
    Err(Error::KeyCapReached {
        cap,
        retry_after_secs: u64::try_from(seconds).unwrap_or(1),
    })
}

/// Ends a reservation with what was used, and writes the usage row. Once the transaction has committed, say so with
/// [`Settled::done`].
///
/// # Errors
/// `ReservationClosed` when it ended before.
pub async fn settle(
    conn: &mut PgConnection,
    room: &Entitlement,
    id: ReservationId,
    used: &Usage,
) -> Result<Settled, Error> {
    let settled = settle_all(conn, room, &[(id, used.clone())]).await?;
    if settled.closed.is_empty() {
        return Err(Error::ReservationClosed);
    }
    Ok(settled)
}

/// As [`settle`], for several at once; one that ended before is passed over.
///
/// # Errors
/// When the database is away or the books refuse.
pub async fn settle_all(
    conn: &mut PgConnection,
    room: &Entitlement,
    endings: &[(ReservationId, Usage)],
) -> Result<Settled, Error> {
    settle_each(conn, room, endings, &[]).await
}

/// As [`settle_all`], together with those of `over` that were recorded with their end.
///
/// # Errors
/// When the database is away or the books refuse.
pub async fn settle_each(
    conn: &mut PgConnection,
    room: &Entitlement,
    endings: &[(ReservationId, Usage)],
    over: &[(&Admission, &Usage)],
) -> Result<Settled, Error> {
    let cx = &room.cx;
    let now = cx.clock.now();
    let mut closed = if endings.is_empty() {
        Vec::new()
    } else {
        store::close(conn, endings, now).await?
    };
    closed.extend(over.iter().map(|(admission, used)| Closed {
        id: admission.row.id,
        tenant: admission.row.tenant,
        unit: admission.row.unit.clone(),
        block: admission.row.block,
        used: used.amount,
    }));
    // one order for everybody, so that two transactions don't wait for each other
    closed.sort_by(|a, b| (a.tenant, &a.unit, a.block).cmp(&(b.tenant, &b.unit, b.block)));
    let mut settled = Settled {
        room: room.clone(),
        closed: Vec::with_capacity(closed.len()),
        blocks: Vec::new(),
        is_done: false,
    };
    let mut to_close: Vec<(BlockId, bool)> = Vec::new();
    for row in &closed {
        settled.closed.push((row.id, row.used));
        match room.desk.leaving(row.id, row.used, now) {
            Leaving::Stays => {}
            Leaving::Closes(block) => to_close.push((block, false)),
            Leaving::Unknown => to_close.push((row.block, true)),
        }
    }
    to_close.dedup();
    if !to_close.is_empty() {
        let ids: Vec<BlockId> = to_close.iter().map(|(block, _)| *block).collect();
        block::store::lock_all(conn, &ids).await?;
    }
    for (block, foreign) in to_close {
        if foreign {
            block::close_dead(conn, cx, block).await?;
        } else {
            let ended = block::close(conn, cx, block, false).await?;
            settled.blocks.push((block, ended));
        }
    }
    Ok(settled)
}

/// Reservations that are settled once the transaction has committed.
#[derive(Debug)]
#[must_use = "say that it is done once the transaction has committed"]
pub struct Settled {
    room: Entitlement,
    closed: Vec<(ReservationId, i64)>,
    blocks: Vec<(BlockId, BlockClosed)>,
    is_done: bool,
}

impl Settled {
    /// The transaction has committed: what was taken for the work is free again.
    pub fn done(mut self) {
        self.is_done = true;
        let now = self.room.cx.clock.now();
        for (id, used) in &self.closed {
            self.room.desk.settled(*id, *used, now);
        }
        for (block, ended) in &self.blocks {
            if *ended == BlockClosed::Whole {
                self.room.desk.block_closed(*block, None);
            }
        }
    }
}

impl Drop for Settled {
    fn drop(&mut self) {
        if !self.is_done {
            for (id, _) in &self.closed {
                self.room.desk.stays(*id);
            }
        }
    }
}

/// Gives back what reservations keep whose work died, and what processes keep that died, at most `most` of each; returns how
/// many reservations it were. The owner of the work has `grace` after its lease to end it in its own words.
///
/// # Errors
/// When the database is away.
pub async fn lapse_due(cx: &Ctx, grace: Duration, most: i64) -> Result<usize, Error> {
    let mut tx = cx.db.begin(Scope::House("lapse of reservations")).await?;
    let due = store::due(&mut tx, cx.clock.now() - grace, most).await?;
    // long after they count, so that nobody who is asked about them waits for the sweep
    let before = cx.clock.now() - lease::MINUTE - lease::LASTS;
    lease::store::delete_all_over(&mut tx, before, most).await?;
    tx.commit().await?;
    let mut lapsed = 0;
    for (id, tenant) in due {
        let mut tx = cx
            .db
            .begin(Scope::Tenant {
                tenant: tenant.0,
                user: None,
            })
            .await?;
        if let Some(block) = store::lapse(&mut tx, id, cx.clock.now()).await? {
            block::close_dead(&mut tx, cx, block).await?;
            lapsed += 1;
        }
        tx.commit().await?;
    }
    block::close_dead_ones(cx, most).await?;
    Ok(lapsed)
}

/// A closed reservation's own facts.
#[derive(Debug)]
struct Closed {
    id: ReservationId,
    tenant: TenantId,
    unit: String,
    block: BlockId,
    used: i64,
}
