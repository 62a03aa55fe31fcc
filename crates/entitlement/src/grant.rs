use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use db::Ctx;
use identity::{Principal, TenantId};
use kernel::Yen;
use ledger::{Grant, Source};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    Entitlement, Error, Every, block,
    error::unexpected,
    period::{Period, months_after, period, zone_of},
    plan::{PeriodicGrant, Plan},
    standing::{Standing, plan_of},
};

/// Posts what the plan grants for the running period, unless it was posted; a lot ends with its period. Returns the tenant's time zone.
///
/// The grant's id comes from tenant, plan, unit and period, so a period grants once however often and wherever it is asked.
pub(crate) async fn ensure(
    conn: &mut PgConnection,
    cx: &Ctx,
    tenant: TenantId,
    plan: &Plan,
) -> Result<Tz, Error> {
    let zone = zone_of(conn, tenant).await?;
    for periodic in plan
        .terms
        .grants
        .iter()
        .filter(|grant| grant.every != Every::Invoice)
    {
        let period = period(periodic.every, cx.clock.now(), zone)?;
        let id = grant_id(tenant, plan, periodic, period);
        if ledger::is_granted(conn, id).await? {
            continue;
        }
        let reason = format!("{}/{}", plan.storefront, plan.id);
        let grant = Grant {
            id,
            tenant,
            unit: &periodic.unit,
            amount: i64::from(periodic.amount),
            source: if plan.terms.price_yen > Yen::ZERO {
                Source::Paid
            } else {
                Source::Free
            },
            priority: 0,
            reason: &reason,
            expires_at: Some(period.end),
        };
        let lot = ledger::grant(conn, cx, &grant).await.map_err(unexpected)?;
        if let Some(roll) = periodic.roll_over {
            let until = months_after(period.end, roll.months, zone)?;
            let roll = ledger::RollOver {
                most: i64::from(roll.most),
                until,
            };
            ledger::roll_over(conn, (lot, tenant), roll).await?;
        }
    }
    Ok(zone)
}

/// What of a unit is left to be used, also where a process has set it aside for work to come; what the running period grants is
/// granted first.
///
/// # Errors
/// When the database is away, or the storefront has no plan.
pub async fn available(
    conn: &mut PgConnection,
    room: &Entitlement,
    caller: Principal,
    (storefront, unit): (&str, &str),
) -> Result<i64, Error> {
    let now = room.cx.clock.now();
    let catalogue = room.catalogue.now();
    let standing = plan_of(conn, &catalogue, caller, storefront, now).await?;
    ensure(conn, &room.cx, caller.tenant, &standing.plan).await?;
    let stock = ledger::stock(conn, caller.tenant, unit, now).await?;
    let apart = block::unsettled(conn, caller.tenant, unit).await?;
    Ok(stock.available + apart.idle)
}

/// The end of the running period of `unit`, when it is granted again; what comes with an invoice comes when that is paid.
pub(crate) fn resets_at(
    standing: &Standing,
    unit: &str,
    zone: Tz,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, Error> {
    let grants = &standing.plan.terms.grants;
    match grants.iter().find(|grant| grant.unit == unit) {
        None => Ok(None),
        Some(grant) if grant.every == Every::Invoice => Ok(standing.expires_at),
        Some(grant) => Ok(Some(period(grant.every, now, zone)?.end)),
    }
}

fn grant_id(tenant: TenantId, plan: &Plan, grant: &PeriodicGrant, period: Period) -> Uuid {
    let name = format!(
        "{}:{}:{}:{}",
        plan.storefront,
        plan.id,
        grant.unit,
        period.start.timestamp()
    );
    Uuid::new_v5(&tenant.0, name.as_bytes())
}
