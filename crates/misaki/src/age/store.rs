use chrono::{DateTime, Utc};
use identity::TenantId;
use sqlx::PgConnection;

pub(super) async fn find(
    conn: &mut PgConnection,
    tenant: TenantId,
) -> sqlx::Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar!(
        "select confirmed_at from misaki.age where tenant_id = $1",
        tenant as TenantId
    )
    .fetch_optional(conn)
    .await
}

pub(super) async fn insert(
    conn: &mut PgConnection,
    tenant: TenantId,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into misaki.age (tenant_id, confirmed_at) values ($1, $2) on conflict do nothing",
        tenant as TenantId,
        now
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn delete(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from misaki.age where tenant_id = $1",
        tenant as TenantId
    )
    .execute(conn)
    .await
    .map(drop)
}
