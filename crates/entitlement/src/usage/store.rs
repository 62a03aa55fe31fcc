use identity::TenantId;
use kernel::PageRequest;
use sqlx::PgConnection;

use super::{DayRow, HouseUsage, HouseUsageKey, UsageRow};
use crate::{block::BlockId, period::Period};

pub(super) async fn list(
    conn: &mut PgConnection,
    tenant: TenantId,
    storefront: &str,
    block: Option<BlockId>,
    page: &PageRequest,
) -> sqlx::Result<Vec<UsageRow>> {
    sqlx::query_as!(
        UsageRow,
        r#"select u.ref as run_id, u.at, u.model, u.tokens_in, u.tokens_out, u.cost_nano_usd, u.unit, u.amount, u.outcome,
                  u.block_id as "block_id: BlockId", u.reservation_id as id
           from entitlement.usage u
           where u.tenant_id = $1 and u.storefront = $2
             and ($3::timestamptz is null or (u.at, u.reservation_id) < ($3, $4))
             and ($6::uuid is null or u.block_id = $6)
           order by u.at desc, u.reservation_id desc limit $5"#,
        tenant as TenantId,
        storefront,
        page.after.map(|cursor| cursor.at),
        page.after.map(|cursor| cursor.id),
        page.limit + 1,
        block as Option<BlockId>,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn all(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<Vec<UsageRow>> {
    sqlx::query_as!(
        UsageRow,
        r#"select u.ref as run_id, u.at, u.model, u.tokens_in, u.tokens_out, u.cost_nano_usd, u.unit, u.amount, u.outcome,
                  u.block_id as "block_id: BlockId", u.reservation_id as id
           from entitlement.usage u
           where u.tenant_id = $1
           order by u.at, u.reservation_id"#,
        tenant as TenantId,
    )
    .fetch_all(conn)
    .await
}

/// Sums of a month by day and unit, in this order.
pub(super) async fn days(
    conn: &mut PgConnection,
    tenant: TenantId,
    storefront: &str,
    zone: &str,
    month: Period,
) -> sqlx::Result<Vec<DayRow>> {
    sqlx::query_as!(
        DayRow,
        r#"select (at at time zone $3)::date as "day!", unit, count(*) as "requests!", sum(amount)::bigint as "amount!",
                  sum(tokens_in)::bigint as "tokens_in!", sum(tokens_out)::bigint as "tokens_out!",
                  sum(cost_nano_usd)::bigint as "cost_nano_usd!"
           from entitlement.usage
           where tenant_id = $1 and storefront = $2 and at >= $4 and at < $5
           group by 1, unit order by 1, unit"#,
        tenant as TenantId,
        storefront,
        zone,
        month.start,
        month.end,
    )
    .fetch_all(conn)
    .await
}

/// Sums of a month by tenant, storefront and unit, in this order.
pub(super) async fn of_the_house(
    conn: &mut PgConnection,
    month: Period,
    most: i64,
    after: Option<&HouseUsageKey>,
) -> sqlx::Result<Vec<HouseUsage>> {
    sqlx::query_as!(
        HouseUsage,
        r#"select tenant_id as "tenant_id: TenantId", '' as "tenant_name!", storefront, unit, sum(amount)::bigint as "amount!",
                  count(*) as "requests!", sum(tokens_in)::bigint as "tokens_in!", sum(tokens_out)::bigint as "tokens_out!",
                  sum(cost_nano_usd)::bigint as "cost_nano_usd!"
           from entitlement.usage
           where at >= $1 and at < $2
             and ($3::uuid is null or (tenant_id, storefront, unit) > ($3, $4, $5))
           group by tenant_id, storefront, unit order by tenant_id, storefront, unit limit $6"#,
        month.start,
        month.end,
        after.map(|key| key.tenant.0),
        after.map(|key| key.storefront.as_str()),
        after.map(|key| key.unit.as_str()),
        most,
    )
    .fetch_all(conn)
    .await
}
