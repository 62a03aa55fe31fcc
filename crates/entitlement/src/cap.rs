//! What an operator of the house lets a tenant use in a month. The tenant reads it, and can't raise it.

pub(crate) mod http;
mod store;

use chrono::{DateTime, Utc};
use db::Scope;
use identity::{AuditAction, TenantId};
use serde::Serialize;
use serde_json::json;

use crate::{
    Entitlement, Error, Giver, budget, lease,
    unit::{is_unit, storefront_of},
};

/// The most that a tenant may use of a unit in a month, by the house.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Cap {
    pub unit: String,
    pub monthly: i64,
    /// In the running month of the tenant's own time zone.
    pub used: i64,
    /// An operator's id, or `operator` for the command line.
    pub set_by: String,
    pub set_at: DateTime<Utc>,
}

/// The caps of a tenant, by the names of their units.
///
/// # Errors
/// `TenantNotFound`.
pub async fn caps_of(room: &Entitlement, tenant: TenantId) -> Result<Vec<Cap>, Error> {
    let mut tx = room.cx.db.begin(Scope::House("caps of a tenant")).await?;
    if !identity::tenant_exists(&mut tx, tenant).await? {
        return Err(Error::TenantNotFound);
    }
    let mut caps = store::list(&mut tx, tenant).await?;
    for cap in &mut caps {
        cap.used = budget::used(&mut tx, &room.cx, tenant, &cap.unit).await?;
    }
    tx.commit().await?;
    Ok(caps)
}

/// Sets a cap, or takes it away; every process goes by it from its next piece of work on.
///
/// # Errors
/// `TenantNotFound`, and `NoBudget` for what is no unit, or when there is no cap to take away.
pub async fn set_cap(
    room: &Entitlement,
    by: Giver<'_>,
    (tenant, unit): (TenantId, &str),
    monthly: Option<i64>,
) -> Result<Option<Cap>, Error> {
    if !is_unit(unit) || monthly.is_some_and(|most| most < 0) {
        return Err(Error::NoBudget);
    }
    let (cx, storefront) = (&room.cx, storefront_of(unit));
    let mut tx = cx.db.begin(Scope::House("a tenant's cap")).await?;
    if !identity::tenant_exists(&mut tx, tenant).await? {
        return Err(Error::TenantNotFound);
    }
    lease::store::lock(&mut tx, tenant, storefront).await?;
    let before = store::find(&mut tx, tenant, unit).await?;
    let actor = by.actor();
    let mut action = AuditAction::new("cap.change", unit);
    if let Some(before) = before {
        action = action.before(json!({ "monthly": before }));
    }
    let after = match monthly {
        Some(monthly) => {
            action = action.after(json!({ "monthly": monthly }));
            let cap = Cap {
                unit: unit.to_owned(),
                monthly,
                used: budget::used(&mut tx, cx, tenant, unit).await?,
                set_by: actor.clone(),
                set_at: cx.clock.now(),
            };
            store::write(&mut tx, tenant, &cap).await?;
            Some(cap)
        }
        None if before.is_none() => return Err(Error::NoBudget),
        None => {
            store::delete(&mut tx, tenant, unit).await?;
            None
        }
    };
    action
        .record_as(&mut tx, cx, by.meta, Some(tenant), &actor)
        .await?;
    lease::changed(&mut tx, tenant, storefront).await?;
    tx.commit().await?;
    Ok(after)
}
