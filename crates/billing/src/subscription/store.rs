use entitlement::PlanVersionId;
use identity::TenantId;
use sqlx::PgConnection;

use super::Row;

pub(crate) async fn next_reading(conn: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar!(r#"select nextval('billing.reading') as "reading!""#)
        .fetch_one(conn)
        .await
}

/// The line in which all changes of a tenant's subscriptions and payments stand, until the transaction ends.
pub(crate) async fn lock(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<()> {
    sqlx::query!(
        "select pg_advisory_xact_lock(hashtextextended($1, 0))",
        format!("billing:{tenant}")
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(crate) async fn find(conn: &mut PgConnection, id: &str) -> sqlx::Result<Option<Row>> {
    sqlx::query_as!(
        Row,
        r#"select id, tenant_id as "tenant: TenantId", livemode, storefront, plan_version_id as "version: PlanVersionId",
                  next_version_id as "next_version: PlanVersionId", changes_at, price, status, period_start, period_end, cancel_at, owed_since, ended_at, created_at, reading
           from billing.subscription where id = $1"#,
        id,
    )
    .fetch_optional(conn)
    .await
}

pub(crate) async fn of_storefront(
    conn: &mut PgConnection,
    tenant: TenantId,
    storefront: &str,
    livemode: bool,
) -> sqlx::Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        r#"select id, tenant_id as "tenant: TenantId", livemode, storefront, plan_version_id as "version: PlanVersionId",
                  next_version_id as "next_version: PlanVersionId", changes_at, price, status, period_start, period_end, cancel_at, owed_since, ended_at, created_at, reading
           from billing.subscription where tenant_id = $1 and storefront = $2 and livemode = $3"#,
        tenant as TenantId,
        storefront,
        livemode,
    )
    .fetch_all(conn)
    .await
}

pub(crate) async fn of_tenant(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        r#"select id, tenant_id as "tenant: TenantId", livemode, storefront, plan_version_id as "version: PlanVersionId",
                  next_version_id as "next_version: PlanVersionId", changes_at, price, status, period_start, period_end, cancel_at, owed_since, ended_at, created_at, reading
           from billing.subscription where tenant_id = $1 order by created_at desc, id limit 100"#,
        tenant as TenantId,
    )
    .fetch_all(conn)
    .await
}

/// Writes what was read, unless something younger stands there.
pub(crate) async fn upsert(conn: &mut PgConnection, row: &Row) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into billing.subscription as s (id, tenant_id, livemode, storefront, plan_version_id, price, status,
             period_start, period_end, cancel_at, owed_since, ended_at, created_at, reading,
             next_version_id, changes_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
         on conflict (id) do update
         set storefront = $4, plan_version_id = $5, price = $6, status = $7, period_start = $8, period_end = $9,
             cancel_at = $10, owed_since = $11, ended_at = $12, reading = $14, next_version_id = $15, changes_at = $16
         where s.reading < $14 and s.tenant_id = $2",
        row.id,
        row.tenant as TenantId,
        row.livemode,
        row.storefront,
        row.version as PlanVersionId,
        row.price,
        row.status,
        row.period_start,
        row.period_end,
        row.cancel_at,
        row.owed_since,
        row.ended_at,
        row.created_at,
        row.reading,
        row.next_version as Option<PlanVersionId>,
        row.changes_at,
    )
    .execute(conn)
    .await
    .map(drop)
}
