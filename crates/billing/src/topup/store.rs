use chrono::{DateTime, Utc};
use entitlement::TopUpVersionId;
use identity::TenantId;
use serde_json::Value;
use sqlx::PgConnection;

use super::{Kept, TopUpOrder};
use crate::order::OrderId;

/// An order to keep.
#[derive(Debug)]
pub(super) struct New<'a> {
    pub(super) order: &'a TopUpOrder,
    pub(super) tenant: TenantId,
    pub(super) livemode: bool,
    pub(super) version: TopUpVersionId,
    pub(super) wording: i32,
    pub(super) shown: Value,
    pub(super) now: DateTime<Utc>,
}

pub(super) async fn insert(conn: &mut PgConnection, new: &New<'_>) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into billing.order_shown (id, tenant_id, livemode, storefront, topup_version_id, kind, wording, shown,
             created_at, expires_at)
         values ($1, $2, $3, $4, $5, 'topup', $6, $7, $8, $9)",
        new.order.id as OrderId,
        new.tenant as TenantId,
        new.livemode,
        new.order.storefront,
        new.version as TopUpVersionId,
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
        r#"select topup_version_id as "version!: TopUpVersionId", expires_at
           from billing.order_shown where id = $1 and tenant_id = $2 and livemode = $3 and kind = 'topup'"#,
        id as OrderId,
        tenant as TenantId,
        livemode,
    )
    .fetch_optional(conn)
    .await
}

/// None when the tenant has no such order.
pub(super) async fn is_paid(
    conn: &mut PgConnection,
    id: OrderId,
    tenant: TenantId,
) -> sqlx::Result<Option<bool>> {
    sqlx::query_scalar!(
        r#"select exists (select from billing.payment p where p.order_id = o.id) as "paid!"
           from billing.order_shown o where o.id = $1 and o.tenant_id = $2 and o.kind = 'topup'"#,
        id as OrderId,
        tenant as TenantId,
    )
    .fetch_optional(conn)
    .await
}
