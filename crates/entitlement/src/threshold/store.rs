use chrono::{DateTime, Utc};
use identity::TenantId;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Level, Moved, PeriodStock};

/// Tenants' units with blocks that are open or were closed since, in the order of their names.
pub(super) async fn moved_after(
    conn: &mut PgConnection,
    (tenant, unit): &(TenantId, String),
    since: DateTime<Utc>,
    most: i64,
) -> sqlx::Result<Vec<Moved>> {
    sqlx::query_as!(
        Moved,
        r#"select tenant_id as "tenant: TenantId", unit, min(storefront) as "storefront!" from entitlement.block
           where (state = 'open' or closed_at > $3) and (tenant_id, unit) > ($1, $2)
           group by tenant_id, unit order by tenant_id, unit limit $4"#,
        *tenant as TenantId,
        unit,
        since,
        most,
    )
    .fetch_all(conn)
    .await
}

/// What was used of blocks that are open, of these periods, and is not yet in the books.
pub(super) async fn unsettled(
    conn: &mut PgConnection,
    stocks: &[PeriodStock],
) -> sqlx::Result<Vec<(TenantId, String, i64)>> {
    let tenants: Vec<Uuid> = stocks.iter().map(|stock| stock.tenant.0).collect();
    let units: Vec<String> = stocks.iter().map(|stock| stock.unit.clone()).collect();
    let since: Vec<DateTime<Utc>> = stocks.iter().map(|stock| stock.since).collect();
    sqlx::query!(
        r#"select b.tenant_id as "tenant: TenantId", b.unit, sum(u.amount)::bigint as "used!"
           from unnest($1::uuid[], $2::text[], $3::timestamptz[]) as s (tenant, unit, since)
           join entitlement.block b on b.tenant_id = s.tenant and b.unit = s.unit and b.state = 'open' and b.created_at >= s.since
           join entitlement.usage u on u.block_id = b.id
           group by b.tenant_id, b.unit"#,
        &tenants,
        &units,
        &since,
    )
    .map(|row| (row.tenant, row.unit, row.used))
    .fetch_all(conn)
    .await
}

/// The highest share that is noted of each.
pub(super) async fn highest_noted(
    conn: &mut PgConnection,
    levels: &[Level],
) -> sqlx::Result<Vec<(TenantId, String, i16)>> {
    let tenants: Vec<Uuid> = levels.iter().map(|level| level.moved.tenant.0).collect();
    let units: Vec<String> = levels
        .iter()
        .map(|level| level.moved.unit.clone())
        .collect();
    let ends: Vec<DateTime<Utc>> = levels.iter().map(|level| level.until).collect();
    sqlx::query!(
        r#"select t.tenant_id as "tenant: TenantId", t.unit, max(t.percent) as "percent!"
           from unnest($1::uuid[], $2::text[], $3::timestamptz[]) as l (tenant, unit, period_end)
           join entitlement.threshold t on t.tenant_id = l.tenant and t.unit = l.unit and t.period_end = l.period_end
           group by t.tenant_id, t.unit"#,
        &tenants,
        &units,
        &ends,
    )
    .map(|row| (row.tenant, row.unit, row.percent))
    .fetch_all(conn)
    .await
}

/// Notes shares and returns those that nobody noted before.
pub(super) async fn note(
    conn: &mut PgConnection,
    level: &Level,
    percents: &[i16],
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<i16>> {
    sqlx::query_scalar!(
        "insert into entitlement.threshold (tenant_id, unit, period_end, percent, storefront, reached_at)
         select $1, $2, $3, p, $5, $6 from unnest($4::smallint[]) as p order by p
         on conflict (tenant_id, unit, period_end, percent) do nothing
         returning percent",
        level.moved.tenant as TenantId,
        level.moved.unit,
        level.until,
        percents,
        level.moved.storefront,
        now,
    )
    .fetch_all(conn)
    .await
}

/// Forgets what was told of periods that ended before `before`.
pub(super) async fn clear(
    conn: &mut PgConnection,
    before: DateTime<Utc>,
    most: i64,
) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from entitlement.threshold
         where ctid = any(array(select ctid from entitlement.threshold where period_end < $1 limit $2))",
        before,
        most,
    )
    .execute(conn)
    .await
    .map(drop)
}
