use chrono::{DateTime, Utc};
use entitlement::PlanVersionId;
use identity::TenantId;
use serde_json::Value;
use sqlx::PgConnection;

use super::{Kept, Order, OrderId};

/// An order to keep.
#[derive(Debug)]
pub(super) struct New<'a> {
    pub(super) order: &'a Order,
    pub(super) tenant: TenantId,
    pub(super) livemode: bool,
    pub(super) version: PlanVersionId,
    pub(super) price_before: Option<&'a str>,
    pub(super) wording: i32,
    pub(super) shown: Value,
    pub(super) now: DateTime<Utc>,
}

pub(super) async fn insert(conn: &mut PgConnection, new: &New<'_>) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into billing.order_shown (id, tenant_id, livemode, storefront, plan_version_id, kind, subscription,
             price_before, wording, shown, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        new.order.id as OrderId,
        new.tenant as TenantId,
        new.livemode,
        new.order.storefront,
        new.version as PlanVersionId,
        new.order.kind.as_str(),
        new.order.subscription,
        new.price_before,
        new.wording,
        new.shown,
        new.now,
        new.order.expires_at,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn find(
    conn: &mut PgConnection,
    id: OrderId,
    tenant: TenantId,
    livemode: bool,
) -> sqlx::Result<Option<Kept>> {
    sqlx::query_as!(
        Kept,
        r#"select plan_version_id as "version!: PlanVersionId", kind, subscription, price_before, created_at, expires_at
           from billing.order_shown where id = $1 and tenant_id = $2 and livemode = $3 and kind not in ('topup', 'auto')"#,
        id as OrderId,
        tenant as TenantId,
        livemode,
    )
    .fetch_optional(conn)
    .await
}

pub(super) async fn all_of(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<Vec<Value>> {
    sqlx::query_scalar!(
        "select shown from billing.order_shown where tenant_id = $1 order by created_at desc, id limit 1000",
        tenant as TenantId,
    )
    .fetch_all(conn)
    .await
}
