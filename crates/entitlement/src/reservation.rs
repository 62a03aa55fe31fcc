mod store;

use api::Suggestion;
use chrono::{DateTime, Duration, Utc};
use db::{Ctx, Scope};
use identity::{Principal, TenantId};
use kernel::Yen;
use ledger::{HoldId, NewHold};
use sqlx::PgConnection;

use crate::{
    Entitlement, Error, Usage, grant,
    plan::{Catalogue, Plan, Terms, plan_of},
    usage,
};

kernel::id!(
    /// Admission of one piece of work.
    ReservationId, "rsv"
);

/// The longest that a piece of work may keep units set aside.
const LONGEST: Duration = Duration::minutes(30);

/// A piece of work that asks to be admitted.
#[derive(Clone, Debug)]
pub struct Work<'a> {
    pub storefront: &'a str,
    pub unit: &'a str,
    pub amount: i64,
    /// What the units are for, such as a run's id.
    pub reference: &'a str,
    /// Without a renewal until then the work is given up for dead.
    pub lease_until: DateTime<Utc>,
    /// The most pieces of work in a day that the caller's API key may ask for.
    pub daily_cap: Option<i64>,
}

/// Work that was admitted, and the plan that admitted it.
#[derive(Clone, Debug)]
pub struct Reservation {
    pub id: ReservationId,
    pub plan: Plan,
}

/// Decides rate, concurrency and quota at once and sets the units aside, in the caller's transaction.
///
/// All callers of one tenant and storefront stand in a line for it, on whatever node they are, so it is exact: never one
/// over, and never a refusal that the books don't show.
///
/// # Errors
/// `RateExceeded`, `ConcurrencyExceeded`, `QuotaExhausted`, each with what would make it pass.
pub async fn reserve(
    conn: &mut PgConnection,
    room: &Entitlement,
    caller: Principal,
    work: &Work<'_>,
) -> Result<Reservation, Error> {
    let cx = &room.cx;
    let now = cx.clock.now();
    store::lock(conn, caller.tenant, work.storefront).await?;
    let catalogue = room.catalogue.read().await;
    let plan = plan_of(conn, &catalogue, caller, work.storefront).await?;

    let load = store::load(conn, caller.tenant, work.storefront, now).await?;
    check_limits(&load, &plan, &catalogue, now)?;
    check_key(conn, cx, caller, work).await?;

    grant::ensure(conn, cx, caller.tenant, &plan).await?;
    let id: ReservationId = cx.ids.new_id();
    let hold = NewHold {
        id: HoldId(id.0),
        tenant: caller.tenant,
        unit: work.unit,
        amount: work.amount,
        reference: work.reference,
        expires_at: now + LONGEST,
    };
    match ledger::hold(conn, cx, &hold).await {
        Ok(()) => {}
        Err(ledger::Error::Insufficient { .. }) => {
            let resets_at = grant::resets_at(conn, cx, caller.tenant, &plan, work.unit).await?;
            return Err(Error::QuotaExhausted {
                unit: work.unit.to_owned(),
                resets_at,
                retry_after_secs: resets_at
                    .and_then(|at| u64::try_from((at - now).num_seconds() + 1).ok()),
                suggestion: suggest(&catalogue, &plan, |terms| {
                    granted(terms, work.unit) > granted(&plan.terms, work.unit)
                }),
            });
        }
        Err(error) => return Err(grant::unexpected(error)),
    }
    store::insert(conn, id, caller, work, now).await?;
    metrics_admitted(work.storefront);
    Ok(Reservation { id, plan })
}

/// Counts what the caller's key asked for today, unless it may ask for as much as the plan has. What failed and was given
/// back counts too: the cap is on asking.
async fn check_key(
    conn: &mut PgConnection,
    cx: &Ctx,
    caller: Principal,
    work: &Work<'_>,
) -> Result<(), Error> {
    let (Some(key), Some(cap)) = (caller.key, work.daily_cap) else {
        return Ok(());
    };
    let today = grant::today(conn, cx, caller.tenant).await?;
    if store::asked_since(conn, key, today.start).await? < cap {
        return Ok(());
    }
    let seconds = (today.end - cx.clock.now()).num_seconds() + 1;
    Err(Error::KeyCapReached {
        cap,
        retry_after_secs: u64::try_from(seconds).unwrap_or(1),
    })
}

/// Ends a reservation with what was used, and writes the usage row.
///
/// # Errors
/// `ReservationClosed` when it ended before.
pub async fn settle(
    conn: &mut PgConnection,
    cx: &Ctx,
    id: ReservationId,
    used: &Usage,
) -> Result<(), Error> {
    let now = cx.clock.now();
    let state = if used.amount > 0 {
        "settled"
    } else {
        "released"
    };
    let Some(closed) = store::close(conn, id, state, now).await? else {
        return Err(Error::ReservationClosed);
    };
    let hold = HoldId(id.0);
    let ended = if used.amount > 0 {
        ledger::settle(conn, cx, hold, used.amount).await
    } else {
        ledger::release(conn, cx, hold).await
    };
    ended.map_err(grant::unexpected)?;
    usage::store::insert(conn, id, &closed, used, now).await?;
    Ok(())
}

/// Says that the work is alive.
pub async fn renew(
    conn: &mut PgConnection,
    id: ReservationId,
    lease_until: DateTime<Utc>,
) -> sqlx::Result<()> {
    store::renew(conn, id, lease_until).await
}

/// Gives back what reservations keep whose work died, at most `most` of them; returns how many it did. The owner of the
/// work has `grace` after its lease to end it in its own words.
pub async fn lapse_due(cx: &Ctx, grace: Duration, most: i64) -> Result<usize, Error> {
    let mut tx = cx.db.begin(Scope::House("lapse of reservations")).await?;
    let due = store::due(&mut tx, cx.clock.now() - grace, most).await?;
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
        if store::close(&mut tx, id, "lapsed", cx.clock.now())
            .await?
            .is_some()
        {
            ledger::release(&mut tx, cx, HoldId(id.0))
                .await
                .map_err(grant::unexpected)?;
            lapsed += 1;
        }
        tx.commit().await?;
    }
    Ok(lapsed)
}

/// What a tenant has under way and began of late.
#[derive(Clone, Copy, Debug)]
struct Load {
    open: i64,
    last_minute: i64,
    /// When the oldest of the last minute began.
    oldest: Option<DateTime<Utc>>,
}

/// A closed reservation's own facts.
#[derive(Debug)]
pub(crate) struct Closed {
    pub(crate) tenant: TenantId,
    pub(crate) storefront: String,
    pub(crate) unit: String,
    pub(crate) reference: String,
}

fn check_limits(
    load: &Load,
    plan: &Plan,
    catalogue: &Catalogue,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let limits = plan.terms.limits;
    if load.open >= i64::from(limits.concurrent) {
        return Err(Error::ConcurrencyExceeded {
            concurrent: limits.concurrent,
            suggestion: suggest(catalogue, plan, |terms| {
                terms.limits.concurrent > limits.concurrent
            }),
        });
    }
    if load.last_minute >= i64::from(limits.per_minute) {
        let free_at = load.oldest.unwrap_or(now) + Duration::seconds(60);
        return Err(Error::RateExceeded {
            per_minute: limits.per_minute,
            retry_after_secs: u64::try_from((free_at - now).num_milliseconds())
                .unwrap_or_default()
                .div_ceil(1000)
                .max(1),
            suggestion: suggest(catalogue, plan, |terms| {
                terms.limits.per_minute > limits.per_minute
            }),
        });
    }
    Ok(())
}

fn granted(terms: &Terms, unit: &str) -> u64 {
    terms
        .grants
        .iter()
        .filter(|grant| grant.unit == unit)
        .map(|grant| {
            u64::from(grant.amount)
                * if grant.every == crate::Every::Day {
                    30
                } else {
                    1
                }
        })
        .sum()
}

fn suggest(
    catalogue: &Catalogue,
    plan: &Plan,
    better: impl Fn(&Terms) -> bool,
) -> Option<Suggestion> {
    let found = catalogue.cheapest(plan, better)?;
    let url = if found.terms.price_yen == Yen::ZERO {
        "/sign-up"
    } else {
        "/account"
    };
    Some(Suggestion {
        plan: found.id.clone(),
        title: found.terms.title.clone(),
        url: url.to_owned(),
    })
}

fn metrics_admitted(storefront: &str) {
    metrics::counter!("entitlement_admitted_total", "storefront" => storefront.to_owned())
        .increment(1);
}
