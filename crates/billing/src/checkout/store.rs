use chrono::{DateTime, Utc};
use entitlement::PlanVersionId;
use identity::TenantId;
use sqlx::PgConnection;

use super::{CheckoutId, Open};
use crate::order::OrderId;

pub(super) async fn open(
    conn: &mut PgConnection,
    tenant: TenantId,
    storefront: &str,
    livemode: bool,
) -> sqlx::Result<Option<Open>> {
    sqlx::query_as!(
        Open,
        r#"select id as "id: CheckoutId", plan_version_id as "version: PlanVersionId", order_id as "order: OrderId",
                  stripe_id, url, expires_at
           from billing.checkout
           where tenant_id = $1 and storefront = $2 and livemode = $3 and state = 'open'"#,
        tenant as TenantId,
        storefront,
        livemode,
    )
    .fetch_optional(conn)
    .await
}

pub(super) async fn insert(
    conn: &mut PgConnection,
    open: &Open,
    tenant: TenantId,
    storefront: &str,
    livemode: bool,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into billing.checkout (id, tenant_id, livemode, storefront, plan_version_id, created_at, expires_at,
             order_id)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        open.id as CheckoutId,
        tenant as TenantId,
        livemode,
        storefront,
        open.version as PlanVersionId,
        now,
        open.expires_at,
        open.order as Option<OrderId>,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn answered(
    conn: &mut PgConnection,
    id: CheckoutId,
    stripe_id: &str,
    url: &str,
    expires_at: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update billing.checkout set stripe_id = $2, url = $3, expires_at = $4 where id = $1",
        id as CheckoutId,
        stripe_id,
        url,
        expires_at,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn close(conn: &mut PgConnection, id: CheckoutId) -> sqlx::Result<()> {
    sqlx::query!(
        "update billing.checkout set state = 'closed' where id = $1",
        id as CheckoutId
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn close_session(conn: &mut PgConnection, session: &str) -> sqlx::Result<()> {
    sqlx::query!(
        "update billing.checkout set state = 'closed' where stripe_id = $1",
        session
    )
    .execute(conn)
    .await
    .map(drop)
}
