use chrono::{DateTime, Utc};
use identity::{TenantId, UserId};
use sqlx::PgConnection;

use super::{Kept, LimitedMember, MemberBudget};
use crate::limit::Spent;

/// Whose work is summed up, and since when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Of<'a> {
    pub(super) tenant: TenantId,
    pub(super) user: UserId,
    pub(super) storefront: &'a str,
    pub(super) since: DateTime<Utc>,
}

pub(super) async fn limited(
    conn: &mut PgConnection,
    tenant: TenantId,
    storefront: &str,
    cost: &str,
) -> sqlx::Result<Vec<LimitedMember>> {
    sqlx::query_as!(
        LimitedMember,
        r#"select user_id as "user: UserId", bool_or(unit = $3) as "by_cost!" from entitlement.member_budget
           where tenant_id = $1 and split_part(unit, '.', 1) = $2 group by user_id"#,
        tenant as TenantId,
        storefront,
        cost,
    )
    .fetch_all(conn)
    .await
}

/// The line in which all work of a limited member stands, until the transaction ends.
pub(super) async fn lock(
    conn: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
) -> sqlx::Result<()> {
    sqlx::query!(
        "select pg_advisory_xact_lock(hashtextextended($1, 0))",
        format!("entitlement:member:{tenant}:{user}")
    )
    .execute(conn)
    .await
    .map(drop)
}

/// The limits of these units that are set for a member.
pub(super) async fn of_member(
    conn: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    units: &[&str],
) -> sqlx::Result<Vec<Kept>> {
    let units: Vec<String> = units.iter().map(|unit| (*unit).to_owned()).collect();
    sqlx::query_as!(
        Kept,
        "select unit, monthly from entitlement.member_budget
         where tenant_id = $1 and user_id = $2 and unit = any($3) order by unit",
        tenant as TenantId,
        user as UserId,
        &units,
    )
    .fetch_all(conn)
    .await
}

/// Units that a member's work used and may yet use. Both sums are of one instant, so work that ends is in exactly one of them.
pub(super) async fn units(conn: &mut PgConnection, of: &Of<'_>, unit: &str) -> sqlx::Result<Spent> {
    sqlx::query_as!(
        Spent,
        r#"select (select coalesce(sum(amount), 0)::bigint from entitlement.usage
                   where tenant_id = $1 and storefront = $2 and at >= $3 and created_at >= $3 and member_id = $4 and unit = $5)
                      as "settled!",
                  (select coalesce(sum(amount), 0)::bigint from entitlement.reservation
                   where tenant_id = $1 and storefront = $2 and created_at >= $3 and member_id = $4 and unit = $5 and state = 'open')
                      as "under_way!""#,
        of.tenant as TenantId,
        of.storefront,
        of.since,
        of.user as UserId,
        unit,
    )
    .fetch_one(conn)
    .await
}

/// As [`units`], for what the work costs, in billionths of a US dollar.
pub(super) async fn cost(conn: &mut PgConnection, of: &Of<'_>) -> sqlx::Result<Spent> {
    sqlx::query_as!(
        Spent,
        r#"select (select coalesce(sum(cost_nano_usd), 0)::bigint from entitlement.usage
                   where tenant_id = $1 and storefront = $2 and at >= $3 and created_at >= $3 and member_id = $4) as "settled!",
                  (select coalesce(sum(most_cost), 0)::bigint from entitlement.reservation
                   where tenant_id = $1 and storefront = $2 and created_at >= $3 and member_id = $4 and state = 'open')
                      as "under_way!""#,
        of.tenant as TenantId,
        of.storefront,
        of.since,
        of.user as UserId,
    )
    .fetch_one(conn)
    .await
}

/// What members used in a period, by unit and by storefronts' costs, and what is set for them.
pub(super) async fn list(
    conn: &mut PgConnection,
    tenant: TenantId,
    whose: Option<UserId>,
    (since, until): (DateTime<Utc>, DateTime<Utc>),
) -> sqlx::Result<Vec<MemberBudget>> {
    sqlx::query_as!(
        MemberBudget,
        r#"with done as (
               select member_id as user_id, storefront, unit, sum(amount)::bigint as units, sum(cost_nano_usd)::bigint as cost
               from entitlement.usage
               where tenant_id = $1 and at >= $3 and created_at >= $3 and member_id is not null and ($2::uuid is null or member_id = $2)
               group by 1, 2, 3
           ), used as (
               select user_id, unit, units as used from done
               union all
               select user_id, storefront || '.cost', sum(cost)::bigint from done group by 1, 2
           ), kept as (
               select user_id, unit, monthly from entitlement.member_budget
               where tenant_id = $1 and ($2::uuid is null or user_id = $2)
           )
           select user_id as "user!: UserId", unit as "unit!", kept.monthly as "monthly?",
                  coalesce(used.used, 0) as "used!", $4::timestamptz as "resets_at!"
           from used full join kept using (user_id, unit) order by 1, 2 limit 10000"#,
        tenant as TenantId,
        whose as Option<UserId>,
        since,
        until,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn write(
    conn: &mut PgConnection,
    (tenant, user): (TenantId, UserId),
    unit: &str,
    monthly: i64,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into entitlement.member_budget (tenant_id, user_id, unit, monthly, changed_at) values ($1, $2, $3, $4, $5)
         on conflict (tenant_id, user_id, unit) do update set monthly = $4, changed_at = $5",
        tenant as TenantId,
        user as UserId,
        unit,
        monthly,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn delete(
    conn: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    unit: &str,
) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from entitlement.member_budget where tenant_id = $1 and user_id = $2 and unit = $3",
        tenant as TenantId,
        user as UserId,
        unit,
    )
    .execute(conn)
    .await
    .map(drop)
}
