use chrono::{DateTime, Utc};
use identity::TenantId;
use sqlx::PgConnection;

use super::Row;

pub(super) async fn insert(
    conn: &mut PgConnection,
    tenant: TenantId,
    livemode: bool,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into billing.customer (tenant_id, livemode, created_at) values ($1, $2, $3)
         on conflict (tenant_id, livemode) do nothing",
        tenant as TenantId,
        livemode,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn find(
    conn: &mut PgConnection,
    tenant: TenantId,
    livemode: bool,
) -> sqlx::Result<Row> {
    sqlx::query_as!(
        Row,
        "select stripe_id, created_at from billing.customer where tenant_id = $1 and livemode = $2",
        tenant as TenantId,
        livemode,
    )
    .fetch_one(conn)
    .await
}

/// None when there is no row, and none within when it has no customer yet.
pub(super) async fn stripe_id(
    conn: &mut PgConnection,
    tenant: TenantId,
    livemode: bool,
) -> sqlx::Result<Option<Option<String>>> {
    sqlx::query_scalar!(
        "select stripe_id from billing.customer where tenant_id = $1 and livemode = $2",
        tenant as TenantId,
        livemode,
    )
    .fetch_optional(conn)
    .await
}

pub(super) async fn tenant(
    conn: &mut PgConnection,
    customer: &str,
    livemode: bool,
) -> sqlx::Result<Option<TenantId>> {
    sqlx::query_scalar!(
        r#"select tenant_id as "tenant: TenantId" from billing.customer where stripe_id = $1 and livemode = $2"#,
        customer,
        livemode,
    )
    .fetch_optional(conn)
    .await
}

pub(super) async fn link(
    conn: &mut PgConnection,
    tenant: TenantId,
    livemode: bool,
    customer: &str,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update billing.customer set stripe_id = $3 where tenant_id = $1 and livemode = $2 and stripe_id is null",
        tenant as TenantId,
        livemode,
        customer,
    )
    .execute(conn)
    .await
    .map(drop)
}
