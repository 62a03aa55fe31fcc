mod acquire;
mod keeper;
mod store;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration as Wait,
};

use api::{SuggestedTopUp, Suggestion};
use chrono::{DateTime, Duration, Utc};
use identity::{Principal, TenantId};
use sqlx::PgConnection;
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    Entitlement, Error, ReservationId, Work,
    block::BlockId,
    holding::{Back, Holding, Taken},
    lease::{LeaseId, Load},
    limit::{InUse, Limit, Limits},
    standing::Standing,
};

pub(crate) use keeper::close;

/// How long somebody waits for what others hold and don't use.
const RECALL: Wait = Wait::from_secs(1);

/// Says that a piece of work goes on although the process that admitted it is gone.
pub async fn outlives(
    conn: &mut PgConnection,
    id: ReservationId,
    lease_until: DateTime<Utc>,
) -> sqlx::Result<()> {
    store::renew(conn, &[id.0], lease_until).await
}

/// All that this process has taken of tenants' limits, and the work that it admitted.
#[derive(Debug)]
pub(crate) struct Desk {
    node: Uuid,
    counters: Mutex<HashMap<TenantId, Vec<Arc<Counter>>>>,
    open: Mutex<HashMap<ReservationId, Out>>,
    is_kept: AtomicBool,
    /// Whether others can call it, over a connection that is there. It is lost in the moment in which the database is.
    is_in_touch: AtomicBool,
    is_closed: AtomicBool,
}

/// One tenant at one storefront.
#[derive(Debug)]
struct Counter {
    tenant: TenantId,
    storefront: String,
    /// Those who change what is taken stand in it.
    line: Arc<tokio::sync::Mutex<()>>,
    /// How many round trips were begun.
    begun: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    holding: Option<Holding>,
    /// The newest refusal, and which round trip it is of.
    refused: Option<(u64, String, Refusal)>,
}

/// A piece of work under way.
#[derive(Debug)]
struct Out {
    counter: Arc<Counter>,
    taken: Taken,
    amount: i64,
    phase: Phase,
    /// Nobody keeps it any more; its row says what became of it.
    is_doubted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// In memory only.
    Fresh,
    /// In a transaction of which nobody knows yet whether it commits.
    Recorded,
    /// In the database.
    Confirmed,
}

/// Why nothing is admitted, for all who asked meanwhile.
#[derive(Clone, Debug)]
enum Refusal {
    Rate {
        per_minute: u32,
        free_at: DateTime<Utc>,
        suggestion: Option<Suggestion>,
    },
    Concurrency {
        concurrent: u32,
        suggestion: Option<Suggestion>,
    },
    Quota {
        unit: String,
        resets_at: Option<DateTime<Utc>>,
        suggestion: Option<Suggestion>,
        topup: Option<Box<SuggestedTopUp>>,
    },
    Budget {
        unit: String,
        limit: Limit,
        resets_at: DateTime<Utc>,
    },
}

impl Refusal {
    const fn is_of_places(&self) -> bool {
        matches!(self, Self::Concurrency { .. })
    }

    fn into_error(self, now: DateTime<Utc>) -> Error {
        match self {
            Self::Rate {
                per_minute,
                free_at,
                suggestion,
            } => Error::RateExceeded {
                per_minute,
                retry_after_secs: u64::try_from((free_at - now).num_milliseconds())
                    .unwrap_or_default()
                    .div_ceil(1000)
                    .max(1),
                suggestion,
            },
            Self::Budget {
                unit,
                limit,
                resets_at,
            } => Error::BudgetReached {
                unit,
                monthly: limit.monthly,
                by_house: limit.by_house,
                retry_after_secs: u64::try_from((resets_at - now).num_seconds() + 1).unwrap_or(1),
            },
            Self::Concurrency {
                concurrent,
                suggestion,
            } => Error::ConcurrencyExceeded {
                concurrent,
                suggestion,
            },
            Self::Quota {
                unit,
                resets_at,
                suggestion,
                topup,
            } => Error::QuotaExhausted {
                unit,
                resets_at,
                retry_after_secs: resets_at
                    .and_then(|at| u64::try_from((at - now).num_seconds() + 1).ok()),
                suggestion,
                topup,
            },
        }
    }
}

/// What the memory says of a piece of work that ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// Its block has other work or gives to more.
    Stays,
    /// Its block is to be closed with it.
    Closes(BlockId),
    /// It is no work of this process.
    Unknown,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The limits and what is in use of them, as far as this process knows.
pub(crate) fn in_use(
    room: &Entitlement,
    caller: Principal,
    storefront: &str,
    now: DateTime<Utc>,
) -> Option<(Limits, InUse)> {
    let counters = lock(&room.desk.counters);
    let counter = counters
        .get(&caller.tenant)?
        .iter()
        .find(|counter| counter.storefront == storefront)?;
    let state = lock(&counter.state);
    let holding = state.holding.as_ref()?;
    let used = holding.in_use(now)?;
    Some((holding.standing.plan.terms.limits, used))
}

/// Notes what the rows say of the others.
pub(crate) fn heard(
    room: &Entitlement,
    tenant: TenantId,
    storefront: &str,
    loads: &[Load],
    now: DateTime<Utc>,
    took: Duration,
) {
    let counters = lock(&room.desk.counters);
    let of_tenant = counters.get(&tenant).into_iter().flatten();
    for counter in of_tenant.filter(|counter| counter.storefront == storefront) {
        if let Some(holding) = &mut lock(&counter.state).holding {
            holding.heard(loads, now, took);
        }
    }
}

/// A piece of work, the standing that admitted it, what was taken for it, and when.
type Admitted = (ReservationId, Arc<Standing>, Taken, DateTime<Utc>);

/// Takes what a piece of work needs, from memory if it is there. Whoever asked has to give it back.
pub(crate) async fn take(
    room: &Entitlement,
    caller: Principal,
    work: &Work<'_>,
) -> Result<Admitted, Error> {
    let counter = room.desk.counter(caller.tenant, work.storefront);
    let seen = counter.begun.load(Ordering::Acquire);
    if let Some(taken) = room.desk.try_take(room, &counter, caller, work) {
        return Ok(taken);
    }
    keeper::ensure(room);
    let deadline = Instant::now() + RECALL;
    let mut pause = Wait::from_millis(10);
    let mut line = Arc::clone(&counter.line).lock_owned().await;
    loop {
        if let Some(taken) = room.desk.try_take(room, &counter, caller, work) {
            return Ok(taken);
        }
        // somebody's round trip that began after we came has found that there is none
        if let Some(refusal) = counter.refused_since(seen, work.unit) {
            return Err(refusal.into_error(room.cx.clock.now()));
        }
        let wish = acquire::Wish {
            caller,
            unit: work.unit.to_owned(),
            amount: work.amount,
        };
        let task = acquire::acquire(room.clone(), Arc::clone(&counter), wish);
        // a task of its own, so that memory and rows agree also when the caller goes away in the middle
        let trip = tokio::spawn(async move { (task.await, line) });
        let (outcome, back) = trip
            .await
            .map_err(|e| kernel::Fault::internal("a round trip for limits broke", e))?;
        line = back;
        if let Err(refused) = outcome? {
            // whoever saw in the rows that work has ended is not to be refused because memory hears of it a moment later
            let will_be_free = refused.refusal.is_of_places() && counter.frees_a_place();
            if (refused.idle_elsewhere || will_be_free) && Instant::now() < deadline {
                tokio::time::sleep(pause).await;
                pause *= 2;
                continue;
            }
            let mut state = lock(&counter.state);
            state.refused = Some((refused.trip, work.unit.to_owned(), refused.refusal.clone()));
            return Err(refused.refusal.into_error(room.cx.clock.now()));
        }
    }
}

impl Counter {
    /// Whether a place is free, or the end of the work that has it is being written.
    fn frees_a_place(&self) -> bool {
        let state = lock(&self.state);
        state.holding.as_ref().is_some_and(Holding::frees_a_place)
    }

    fn refused_since(&self, seen: u64, unit: &str) -> Option<Refusal> {
        match &lock(&self.state).refused {
            Some((trip, of, refusal)) if *trip > seen && of == unit => Some(refusal.clone()),
            _ => None,
        }
    }
}

impl Desk {
    pub(crate) fn new(node: Uuid) -> Self {
        Self {
            node,
            counters: Mutex::default(),
            open: Mutex::default(),
            is_kept: AtomicBool::new(false),
            is_in_touch: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
        }
    }

    pub(crate) fn is_in_touch(&self) -> bool {
        self.is_in_touch.load(Ordering::Acquire)
    }

    fn counter(&self, tenant: TenantId, storefront: &str) -> Arc<Counter> {
        let mut counters = lock(&self.counters);
        let of_tenant = counters.entry(tenant).or_default();
        if let Some(found) = of_tenant
            .iter()
            .find(|counter| counter.storefront == storefront)
        {
            return Arc::clone(found);
        }
        let counter = Arc::new(Counter {
            tenant,
            storefront: storefront.to_owned(),
            line: Arc::default(),
            begun: AtomicU64::new(0),
            state: Mutex::default(),
        });
        of_tenant.push(Arc::clone(&counter));
        counter
    }

    fn try_take(
        &self,
        room: &Entitlement,
        counter: &Arc<Counter>,
        caller: Principal,
        work: &Work<'_>,
    ) -> Option<Admitted> {
        let now = room.cx.clock.now();
        let (taken, standing) = {
            let mut state = lock(&counter.state);
            let holding = state.holding.as_mut()?;
            let taken = holding
                .take(now, caller.is_guest(), work.unit, work.amount)
                .ok()?;
            (taken, Arc::clone(&holding.standing))
        };
        let id: ReservationId = room.cx.ids.new_id();
        let out = Out {
            counter: Arc::clone(counter),
            taken,
            amount: work.amount,
            phase: Phase::Fresh,
            is_doubted: false,
        };
        lock(&self.open).insert(id, out);
        metrics::counter!("entitlement_admitted_total", "storefront" => counter.storefront.clone())
            .increment(1);
        Some((id, standing, taken, now))
    }

    /// It is being written.
    pub(crate) fn recording(&self, id: ReservationId) {
        self.with(id, |out| out.phase = Phase::Recorded);
    }

    /// Its row is there for certain.
    pub(crate) fn confirmed(&self, id: ReservationId) {
        self.with(id, |out| out.phase = Phase::Confirmed);
    }

    /// It was refused to be written: what it was admitted by is no more.
    pub(crate) fn fenced(&self, id: ReservationId, now: DateTime<Utc>) {
        self.with(id, |out| {
            out.phase = Phase::Fresh;
            if let Some(holding) = &mut lock(&out.counter.state).holding
                && holding.id == out.taken.lease
            {
                holding.distrust(now);
                holding.seal(out.taken.block);
            }
        });
    }

    /// It is over, and has yet to be written.
    pub(crate) fn vacate(&self, id: ReservationId) {
        self.with(id, |out| {
            if let Some(holding) = &mut lock(&out.counter.state).holding {
                holding.vacate(&mut out.taken);
            }
        });
    }

    /// Nobody keeps it any more.
    pub(crate) fn dropped(&self, id: ReservationId) {
        let mut open = lock(&self.open);
        let Some(out) = open.get_mut(&id) else {
            return;
        };
        if out.phase != Phase::Fresh {
            out.is_doubted = true;
            return;
        }
        if let Some(out) = open.remove(&id) {
            drop(open);
            out.give(None);
        }
    }

    /// Its end is being written.
    pub(crate) fn leaving(&self, id: ReservationId, used: i64, now: DateTime<Utc>) -> Leaving {
        let open = lock(&self.open);
        let Some(out) = open.get(&id).filter(|out| !out.is_doubted) else {
            return Leaving::Unknown;
        };
        let mut state = lock(&out.counter.state);
        match &mut state.holding {
            Some(holding) if holding.id == out.taken.lease => {
                if holding.leave(now, out.taken.block, out.amount, used) {
                    Leaving::Closes(out.taken.block)
                } else {
                    Leaving::Stays
                }
            }
            _ => Leaving::Unknown,
        }
    }

    /// Its end was not written.
    pub(crate) fn stays(&self, id: ReservationId) {
        self.with(id, |out| {
            if let Some(holding) = &mut lock(&out.counter.state).holding
                && holding.id == out.taken.lease
                && !out.is_doubted
            {
                holding.stay(out.taken.block, out.amount);
            }
        });
    }

    /// Its end is written.
    pub(crate) fn settled(&self, id: ReservationId, used: i64, now: DateTime<Utc>) {
        let out = lock(&self.open).remove(&id);
        if let Some(out) = out {
            out.give(Some((used, now)));
        }
    }

    /// A block is closed; what was under way goes on in another one.
    pub(crate) fn block_closed(&self, block: BlockId, goes_on_in: Option<BlockId>) {
        let mut open = lock(&self.open);
        if let Some(next) = goes_on_in {
            for out in open.values_mut().filter(|out| out.taken.block == block) {
                out.taken.block = next;
            }
        }
        drop(open);
        for counter in self.all() {
            if let Some(holding) = &mut lock(&counter.state).holding {
                holding.closed(block, goes_on_in);
            }
        }
    }

    /// Nothing more is admitted by the plans that were read before.
    pub(crate) fn distrust(&self, now: DateTime<Utc>) {
        for counter in self.all() {
            if let Some(holding) = &mut lock(&counter.state).holding {
                holding.distrust(now);
            }
        }
    }

    fn with(&self, id: ReservationId, change: impl FnOnce(&mut Out)) {
        if let Some(out) = lock(&self.open).get_mut(&id) {
            change(out);
        }
    }

    fn all(&self) -> Vec<Arc<Counter>> {
        lock(&self.counters).values().flatten().cloned().collect()
    }

    /// The work of which only the rows know what became of it: of one counter, or all.
    fn doubts(&self, of: Option<&Counter>) -> Vec<(ReservationId, Phase, Arc<Counter>)> {
        lock(&self.open)
            .iter()
            .filter(|(_, out)| {
                out.is_doubted && of.is_none_or(|of| std::ptr::eq(of, &raw const *out.counter))
            })
            .map(|(id, out)| (*id, out.phase, Arc::clone(&out.counter)))
            .collect()
    }

    /// A doubt is over: the row is closed, or there will never be one.
    fn cleared(&self, id: ReservationId) {
        let out = lock(&self.open).remove(&id);
        if let Some(out) = out {
            if let Some(holding) = &mut lock(&out.counter.state).holding {
                // what was used of the block is what the rows say
                holding.seal(out.taken.block);
            }
            out.give(None);
        }
    }

    /// The ids of the work that is under way and kept.
    fn kept(&self) -> Vec<Uuid> {
        lock(&self.open)
            .iter()
            .filter(|(_, out)| !out.is_doubted && out.phase == Phase::Confirmed)
            .map(|(id, _)| id.0)
            .collect()
    }

    /// The counter that holds a lease.
    fn holder(&self, lease: LeaseId) -> Option<Arc<Counter>> {
        self.all().into_iter().find(|counter| {
            lock(&counter.state)
                .holding
                .as_ref()
                .is_some_and(|holding| holding.id == lease)
        })
    }
}

impl Out {
    /// Gives back what it took; none means that it never began.
    fn give(&self, ended: Option<(i64, DateTime<Utc>)>) {
        if let Some(holding) = &mut lock(&self.counter.state).holding {
            match ended {
                Some((used, now)) => holding.give(now, &self.taken, self.amount, Back::Ended(used)),
                None => holding.give_unbegun(&self.taken, self.amount),
            }
        }
    }
}
