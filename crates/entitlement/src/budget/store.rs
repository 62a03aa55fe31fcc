use chrono::{DateTime, Utc};
use identity::TenantId;
use sqlx::PgConnection;

use super::{Budget, Kept};

/// What may be used of a unit in a month: as the tenant has set it, and as the house has.
pub(super) async fn limits(
    conn: &mut PgConnection,
    tenant: TenantId,
    unit: &str,
) -> sqlx::Result<(Option<i64>, Option<i64>)> {
    sqlx::query!(
        "select (select monthly from entitlement.budget where tenant_id = $1 and unit = $2) as own,
                (select monthly from entitlement.cap where tenant_id = $1 and unit = $2) as cap",
        tenant as TenantId,
        unit,
    )
    .map(|row| (row.own, row.cap))
    .fetch_one(conn)
    .await
}

/// What was set aside since and is not given back.
pub(super) async fn taken(
    conn: &mut PgConnection,
    tenant: TenantId,
    unit: &str,
    since: DateTime<Utc>,
) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select coalesce(sum(case state when 'open' then amount else used end), 0)::bigint as "taken!"
           from entitlement.block where tenant_id = $1 and unit = $2 and created_at >= $3"#,
        tenant as TenantId,
        unit,
        since,
    )
    .fetch_one(conn)
    .await
}

/// What was used since.
pub(super) async fn used(
    conn: &mut PgConnection,
    tenant: TenantId,
    storefront: &str,
    unit: &str,
    since: DateTime<Utc>,
) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select coalesce(sum(amount), 0)::bigint as "used!" from entitlement.usage
           where tenant_id = $1 and storefront = $2 and unit = $3 and at >= $4"#,
        tenant as TenantId,
        storefront,
        unit,
        since,
    )
    .fetch_one(conn)
    .await
}

/// What was spent since, in billionths of a US dollar.
pub(super) async fn cost(
    conn: &mut PgConnection,
    tenant: TenantId,
    storefront: &str,
    since: DateTime<Utc>,
) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select coalesce(sum(cost_nano_usd), 0)::bigint as "cost!" from entitlement.usage
           where tenant_id = $1 and storefront = $2 and at >= $3"#,
        tenant as TenantId,
        storefront,
        since,
    )
    .fetch_one(conn)
    .await
}

/// Notes that a limit refused work, unless it was changed meanwhile.
pub(crate) async fn stopped(
    conn: &mut PgConnection,
    tenant: TenantId,
    unit: &str,
    monthly: i64,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update entitlement.budget set stopped_at = $4 where tenant_id = $1 and unit = $2 and monthly = $3",
        tenant as TenantId,
        unit,
        monthly,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn of_tenant(
    conn: &mut PgConnection,
    tenant: TenantId,
) -> sqlx::Result<Vec<Kept>> {
    sqlx::query_as!(
        Kept,
        r#"select tenant_id as "tenant!: TenantId", unit as "unit!", b.monthly as "monthly?", c.monthly as "cap?",
                  coalesce(b.alerts, '{}') as "alerts!", b.stopped_at as "stopped_at?", b.tenant_id is not null as "is_own!"
           from (select * from entitlement.budget where tenant_id = $1) b
           full join (select * from entitlement.cap where tenant_id = $1) c using (tenant_id, unit)
           order by unit limit 100"#,
        tenant as TenantId,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn find(
    conn: &mut PgConnection,
    tenant: TenantId,
    unit: &str,
) -> sqlx::Result<Option<Kept>> {
    sqlx::query_as!(
        Kept,
        r#"select tenant_id as "tenant!: TenantId", unit as "unit!", b.monthly as "monthly?", c.monthly as "cap?",
                  coalesce(b.alerts, '{}') as "alerts!", b.stopped_at as "stopped_at?", b.tenant_id is not null as "is_own!"
           from (select * from entitlement.budget where tenant_id = $1 and unit = $2) b
           full join (select * from entitlement.cap where tenant_id = $1 and unit = $2) c using (tenant_id, unit)"#,
        tenant as TenantId,
        unit,
    )
    .fetch_optional(conn)
    .await
}

pub(super) async fn write(
    conn: &mut PgConnection,
    kept: &Kept,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into entitlement.budget (tenant_id, unit, monthly, alerts, changed_at) values ($1, $2, $3, $4, $5)
         on conflict (tenant_id, unit) do update set monthly = $3, alerts = $4, changed_at = $5, stopped_at = null",
        kept.tenant as TenantId,
        kept.unit,
        kept.monthly,
        &kept.alerts,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn delete(
    conn: &mut PgConnection,
    tenant: TenantId,
    unit: &str,
) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from entitlement.budget where tenant_id = $1 and unit = $2",
        tenant as TenantId,
        unit,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Budgets of which something was used lately, in the order of their names.
pub(super) async fn moved_after(
    conn: &mut PgConnection,
    (tenant, unit): &(TenantId, String),
    since: DateTime<Utc>,
    most: i64,
) -> sqlx::Result<Vec<Kept>> {
    sqlx::query_as!(
        Kept,
        r#"select b.tenant_id as "tenant: TenantId", b.unit, b.monthly, null::bigint as "cap?", b.alerts, b.stopped_at,
                  true as "is_own!"
           from entitlement.budget b
           where (b.tenant_id, b.unit) > ($1, $2) and exists (
               select from entitlement.block k
               where k.tenant_id = b.tenant_id and (k.unit = b.unit or k.storefront || '.cost' = b.unit) and (k.state = 'open' or k.closed_at > $3))
           order by b.tenant_id, b.unit limit $4"#,
        *tenant as TenantId,
        unit,
        since,
        most,
    )
    .fetch_all(conn)
    .await
}

/// Notes amounts and returns those that nobody noted before.
pub(super) async fn note(
    conn: &mut PgConnection,
    tenant: TenantId,
    budget: &Budget,
    amounts: &[i64],
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<i64>> {
    sqlx::query_scalar!(
        "insert into entitlement.budget_notice (tenant_id, unit, period_end, amount, reached_at)
         select $1, $2, $3, a, $5 from unnest($4::bigint[]) as a order by a
         on conflict do nothing
         returning amount",
        tenant as TenantId,
        budget.unit,
        budget.resets_at,
        amounts,
        now,
    )
    .fetch_all(conn)
    .await
}

/// Forgets what was told of months that ended before `before`.
pub(super) async fn clear(
    conn: &mut PgConnection,
    before: DateTime<Utc>,
    most: i64,
) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from entitlement.budget_notice
         where ctid = any(array(select ctid from entitlement.budget_notice where period_end < $1 limit $2))",
        before,
        most,
    )
    .execute(conn)
    .await
    .map(drop)
}
