use std::sync::{Arc, atomic::Ordering};

use api::Suggestion;
use chrono::{DateTime, Duration, Utc};
use identity::Principal;
use sqlx::PgConnection;

use super::{Counter, Refusal, keeper, lock};
use crate::{
    Entitlement, Error, Every,
    block::{self, BlockId, store as blocks},
    budget, grant,
    holding::{Holding, Own, Short, Stack, decide},
    lease::{
        self, CHANNEL, LASTS, LeaseId, Load, MINUTE,
        store::{self, NewLease},
    },
    plan::{Catalogue, Plan, Terms, suggestion},
    standing::{Standing, plan_of},
};

/// What a round trip is made for.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) caller: Principal,
    pub(super) unit: String,
    pub(super) amount: i64,
}

/// A round trip that found too little.
#[derive(Debug)]
pub(super) struct Refused {
    /// Which round trip of the counter it was.
    pub(super) trip: u64,
    pub(super) refusal: Refusal,
    /// Whether others hold some of it that they don't use; they have been asked for it.
    pub(super) idle_elsewhere: bool,
}

/// What this process holds before the trip.
#[derive(Clone, Debug, Default)]
struct Before {
    lease: Option<LeaseId>,
    own: Own,
    chunk: u32,
    has_units: bool,
    /// Blocks of ours that are only to be closed: what they keep is needed.
    leftover: Vec<BlockId>,
}

/// The one round trip: plan, what the others hold, what is left, and a share of that. The caller stands in the counter's line.
pub(super) async fn acquire(
    room: Entitlement,
    counter: Arc<Counter>,
    wish: Wish,
) -> Result<Result<(), Refused>, Error> {
    let trip = counter.begun.fetch_add(1, Ordering::AcqRel) + 1;
    keeper::clear_doubts(&room, Some(&counter)).await?;
    let (caller, cx) = (wish.caller, &room.cx);
    let now = cx.clock.now();
    let mut before = before(&counter, &wish, now);
    let mut tx = cx.db.begin_aside(caller.scope()).await?;
    store::lock(&mut tx, counter.tenant, &counter.storefront).await?;
    let catalogue = room.catalogue.now();
    let standing = plan_of(&mut tx, &catalogue, caller, &counter.storefront, now).await?;
    let (tenant, storefront, node) = (counter.tenant, &counter.storefront, room.desk.node);
    store::let_go(&mut tx, tenant, storefront, node, now).await?;
    let (mut loads, counting) = lease::count(&mut tx, cx, tenant, storefront).await?;
    let id = same_lease(&mut tx, &room, &mut before, &mut loads).await?;
    let others: Vec<Load> = loads
        .iter()
        .filter(|load| load.lease != id)
        .cloned()
        .collect();
    let limits = standing.plan.terms.limits;
    let decision = decide(limits, before.own, &others, before.chunk);
    let mut missing = decision.short.map(|short| (short, decision.idle_elsewhere));
    blocks::lock_all(&mut tx, &before.leftover).await?;
    let zone = grant::ensure(&mut tx, cx, counter.tenant, &standing.plan).await?;
    let (mut opened, mut closed, mut at_budget) = (None, Vec::new(), None);
    if !before.has_units {
        closed = close_leftover(&mut tx, &room, &before.leftover).await?;
    }
    if missing.is_none() && !before.has_units {
        match units(&mut tx, &room, &counter, &wish, (id, before.chunk)).await? {
            Ok(stack) => opened = Some(stack),
            Err(left) => {
                at_budget = left;
                let idle = blocks::idle_elsewhere(&mut tx, counter.tenant, &wish.unit, id).await?;
                missing = Some((Short::Units, idle));
            }
        }
    }
    if let Some((short, idle_elsewhere)) = missing {
        let oldest = loads.iter().filter_map(|load| load.oldest).min();
        let refusal = match short {
            Short::Units => {
                let at = grant::resets_at(&standing, &wish.unit, zone, now)?;
                no_units(&catalogue, &standing, &wish, at, at_budget)
            }
            short => no_room(&catalogue, &standing.plan, short, oldest, now),
        };
        tx.commit().await?;
        for block in closed {
            room.desk.block_closed(block, None);
        }
        if idle_elsewhere {
            recall(&room, &counter).await?;
        }
        return Ok(Err(Refused {
            trip,
            refusal,
            idle_elsewhere,
        }));
    }
    let new = NewLease {
        id,
        tenant: counter.tenant,
        storefront: &counter.storefront,
        node: room.desk.node,
        totals: decision.totals,
        until: now + LASTS,
    };
    store::write(&mut tx, &new).await?;
    tx.commit().await?;
    for block in closed {
        room.desk.block_closed(block, None);
    }
    let granted = Granted {
        standing,
        guest: caller.is_guest(),
        opened,
        others,
        counting,
    };
    apply(&counter, &new, granted, now);
    // plans that were taken up meanwhile count from the next piece of work on
    if !Arc::ptr_eq(&catalogue, &room.catalogue.now())
        && let Some(holding) = &mut lock(&counter.state).holding
    {
        holding.distrust(now);
    }
    Ok(Ok(()))
}

/// Asks the others for what they don't use. Apart from the trip that found too little: whoever gives back locks its lease before the
/// books, which the trip has locked.
async fn recall(room: &Entitlement, counter: &Counter) -> Result<(), Error> {
    let mut tx = room.cx.db.begin_aside(counter.scope()).await?;
    store::recall(&mut tx, counter.tenant, &counter.storefront, room.desk.node).await?;
    store::notify(&mut tx, CHANNEL, counter.tenant).await?;
    tx.commit().await?;
    Ok(())
}

/// The lease that this process goes on with: its own, where memory and row are of the same one, or else a new one.
async fn same_lease(
    tx: &mut PgConnection,
    room: &Entitlement,
    before: &mut Before,
    loads: &mut [Load],
) -> Result<LeaseId, Error> {
    let kept = loads
        .iter_mut()
        .find(|load| load.node == Some(room.desk.node));
    match (before.lease, kept) {
        (Some(lease), Some(load)) if load.lease == lease => Ok(lease),
        (_, other) => {
            // both are given up, and what is under way counts by itself
            if let Some(load) = other {
                store::delete(tx, load.lease).await?;
                load.node = None;
            }
            *before = Before {
                chunk: before.chunk,
                leftover: std::mem::take(&mut before.leftover),
                ..Before::default()
            };
            Ok(room.cx.ids.new_id())
        }
    }
}

fn before(counter: &Counter, wish: &Wish, now: DateTime<Utc>) -> Before {
    match &mut lock(&counter.state).holding {
        Some(holding) if holding.until() > now => Before {
            lease: Some(holding.id),
            own: holding.own(now),
            chunk: holding.chunk(now),
            has_units: holding.has_units(&wish.unit, wish.amount, now),
            leftover: holding.leftover(),
        },
        _ => Before {
            chunk: 1,
            ..Before::default()
        },
    }
}

async fn close_leftover(
    conn: &mut PgConnection,
    room: &Entitlement,
    leftover: &[BlockId],
) -> Result<Vec<BlockId>, Error> {
    let mut closed = Vec::with_capacity(leftover.len());
    for id in leftover {
        if block::close(conn, &room.cx, *id, false).await? == block::Closed::Whole {
            closed.push(*id);
        }
    }
    Ok(closed)
}

/// A new block, within the tenant's own budget; or none, and the budget if that is why.
async fn units(
    conn: &mut PgConnection,
    room: &Entitlement,
    counter: &Counter,
    wish: &Wish,
    (lease, chunk): (LeaseId, u32),
) -> Result<Result<Stack, Option<budget::Left>>, Error> {
    let left = budget::left(conn, &room.cx, counter.tenant, &wish.unit).await?;
    if let Some(left) = left.filter(|left| left.units < wish.amount) {
        return Ok(Err(Some(left)));
    }
    let most = i64::from(chunk).max(wish.amount);
    let most = left.map_or(most, |left| most.min(left.units));
    let opened = open_block(conn, room, counter, wish, lease, most).await?;
    Ok(opened.ok_or(None))
}

async fn open_block(
    conn: &mut PgConnection,
    room: &Entitlement,
    counter: &Counter,
    wish: &Wish,
    lease: LeaseId,
    most: i64,
) -> Result<Option<Stack>, Error> {
    // what the dead kept comes back first
    let now = room.cx.clock.now();
    for dead in blocks::dead_of(conn, counter.tenant, &wish.unit, now).await? {
        block::close(conn, &room.cx, dead, false).await?;
    }
    let wanted = block::Wish {
        tenant: counter.tenant,
        storefront: &counter.storefront,
        unit: &wish.unit,
        lease,
        most,
        least: wish.amount,
    };
    let opened = block::open(conn, &room.cx, &wanted).await?;
    Ok(opened.map(|(block, amount)| Stack::new(block.id, &wish.unit, amount, block.usable_until)))
}

/// What a round trip brought.
struct Granted {
    standing: Standing,
    guest: bool,
    opened: Option<Stack>,
    others: Vec<Load>,
    /// How long it took to count what these have in use.
    counting: Duration,
}

fn apply(counter: &Counter, new: &NewLease<'_>, granted: Granted, now: DateTime<Utc>) {
    let Granted {
        standing,
        guest,
        opened,
        others,
        counting,
    } = granted;
    let standing = Arc::new(standing);
    let mut state = lock(&counter.state);
    let holding = match &mut state.holding {
        Some(holding) if holding.id == new.id => holding,
        other => other.insert(Holding::new(new.id, Arc::clone(&standing), guest, now)),
    };
    holding.granted(now, standing, guest, new.totals, opened);
    holding.heard(&others, now, counting);
}

fn no_room(
    catalogue: &Catalogue,
    plan: &Plan,
    short: Short,
    oldest: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Refusal {
    let limits = plan.terms.limits;
    if short == Short::Places {
        return Refusal::Concurrency {
            concurrent: limits.concurrent,
            suggestion: suggest(catalogue, plan, |terms| {
                terms.limits.concurrent > limits.concurrent
            }),
        };
    }
    Refusal::Rate {
        per_minute: limits.per_minute,
        free_at: oldest.map_or(now, |oldest| oldest + MINUTE),
        suggestion: suggest(catalogue, plan, |terms| {
            terms.limits.per_minute > limits.per_minute
        }),
    }
}

fn no_units(
    catalogue: &Catalogue,
    standing: &Standing,
    wish: &Wish,
    resets_at: Option<DateTime<Utc>>,
    at_budget: Option<budget::Left>,
) -> Refusal {
    let unit = wish.unit.as_str();
    if let Some(left) = at_budget {
        return Refusal::Budget {
            unit: unit.to_owned(),
            limit: left.limit,
            resets_at: left.resets_at,
        };
    }
    let plan = &standing.plan;
    Refusal::Quota {
        unit: unit.to_owned(),
        resets_at,
        suggestion: suggest(catalogue, plan, |terms| {
            granted(terms, unit) > granted(&plan.terms, unit)
        }),
        topup: catalogue.topup_for(plan, unit, wish.amount),
    }
}

fn granted(terms: &Terms, unit: &str) -> u64 {
    terms
        .grants
        .iter()
        .filter(|grant| grant.unit == unit)
        .map(|grant| u64::from(grant.amount) * if grant.every == Every::Day { 30 } else { 1 })
        .sum()
}

/// The cheapest plan that is `better`, and where to get it.
fn suggest(
    catalogue: &Catalogue,
    plan: &Plan,
    better: impl Fn(&Terms) -> bool,
) -> Option<Suggestion> {
    catalogue.cheapest(plan, better).map(suggestion)
}
