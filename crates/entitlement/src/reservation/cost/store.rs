use chrono::{DateTime, Utc};
use identity::{KeyId, TenantId};
use sqlx::PgConnection;

use crate::{ReservationId, limit::Spent};

/// The line in which all admissions of a tenant stand that are limited by what they cost, until the transaction ends.
pub(super) async fn lock(
    conn: &mut PgConnection,
    tenant: TenantId,
    storefront: &str,
) -> sqlx::Result<()> {
    sqlx::query!(
        "select pg_advisory_xact_lock(hashtextextended($1, 0))",
        format!("entitlement:cost:{tenant}:{storefront}")
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Writes down what admitted work may cost.
pub(in crate::reservation) async fn note(
    conn: &mut PgConnection,
    id: ReservationId,
    most: i64,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update entitlement.reservation set most_cost = $2 where id = $1",
        id as ReservationId,
        most,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Of a tenant at a storefront since. Both sums are of one instant, so work that ends is in exactly one of them.
pub(super) async fn of_tenant(
    conn: &mut PgConnection,
    tenant: TenantId,
    storefront: &str,
    since: DateTime<Utc>,
) -> sqlx::Result<Spent> {
    sqlx::query_as!(
        Spent,
        r#"select (select coalesce(sum(cost_nano_usd), 0)::bigint from entitlement.usage
                   where tenant_id = $1 and storefront = $2 and at >= $3) as "settled!",
                  (select coalesce(sum(most_cost), 0)::bigint from entitlement.reservation
                   where tenant_id = $1 and storefront = $2 and state = 'open') as "under_way!""#,
        tenant as TenantId,
        storefront,
        since,
    )
    .fetch_one(conn)
    .await
}

/// Of the work that a key asked for since.
pub(super) async fn of_key(
    conn: &mut PgConnection,
    key: KeyId,
    since: DateTime<Utc>,
) -> sqlx::Result<Spent> {
    sqlx::query_as!(
        Spent,
        r#"select (select coalesce(sum(cost_nano_usd), 0)::bigint from entitlement.usage
                   where key_id = $1 and created_at >= $2) as "settled!",
                  (select coalesce(sum(most_cost), 0)::bigint from entitlement.reservation
                   where key_id = $1 and created_at >= $2 and state = 'open') as "under_way!""#,
        key as KeyId,
        since,
    )
    .fetch_one(conn)
    .await
}
