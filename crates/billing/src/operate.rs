pub(crate) mod http;
mod store;

use chrono::{DateTime, Utc};
use db::Scope;
use identity::TenantId;
use kernel::{Cursor, Page, PageRequest};
use serde::Serialize;
use uuid::Uuid;

use crate::{Billing, Error};

/// An event of Stripe's as the operator sees it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct EventView {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    /// queued, working, waiting, done, ignored or dead.
    state: String,
    attempts: i32,
    received_at: DateTime<Utc>,
    /// What went wrong last, or why it has no effect.
    #[schema(required)]
    last_error: Option<String>,
    /// Its place among those of the same instant.
    #[serde(skip)]
    place: Uuid,
}

/// A subscription as the operator sees it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct TenantSubscription {
    id: String,
    #[schema(value_type = String)]
    tenant: TenantId,
    storefront: String,
    plan: String,
    /// As Stripe says it.
    status: String,
    #[schema(required)]
    period_end: Option<DateTime<Utc>>,
    #[schema(required)]
    cancel_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    #[serde(skip)]
    place: Uuid,
}

async fn events(
    room: &Billing,
    state: Option<&str>,
    request: PageRequest,
) -> Result<Page<EventView>, Error> {
    let mut tx = begin(room).await?;
    let rows = store::events(&mut tx, state, &request).await?;
    tx.commit().await?;
    Ok(Page::from_rows(rows, &request, |event| Cursor {
        at: event.received_at,
        id: event.place,
    }))
}

async fn subscriptions(
    room: &Billing,
    storefront: Option<&str>,
    status: Option<&str>,
    request: PageRequest,
) -> Result<Page<TenantSubscription>, Error> {
    let mut tx = begin(room).await?;
    let mut rows = store::subscriptions(&mut tx, storefront, status, &request).await?;
    for row in &mut rows {
        let version = row.plan.parse::<Uuid>().unwrap_or_default();
        let plan = entitlement::plan_version(&mut tx, entitlement::PlanVersionId(version)).await?;
        row.plan = plan.map_or_else(String::new, |plan| plan.id);
    }
    tx.commit().await?;
    Ok(Page::from_rows(rows, &request, |row| Cursor {
        at: row.created_at,
        id: row.place,
    }))
}

async fn begin(room: &Billing) -> sqlx::Result<db::Tx> {
    room.cx
        .db
        .begin(Scope::House("the operator's look at billing"))
        .await
}
