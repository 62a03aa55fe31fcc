use chrono::{DateTime, Duration, Utc};
use identity::{KeyId, Principal, TenantId};
use sqlx::PgConnection;

use super::{Closed, Load, Work};
use crate::ReservationId;

/// The line in which all admissions of a tenant at a storefront stand, until the transaction ends.
pub(super) async fn lock(
    conn: &mut PgConnection,
    tenant: TenantId,
    storefront: &str,
) -> sqlx::Result<()> {
    sqlx::query!(
        "select pg_advisory_xact_lock(hashtextextended($1, 0))",
        format!("entitlement:{tenant}:{storefront}")
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn load(
    conn: &mut PgConnection,
    tenant: TenantId,
    storefront: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<Load> {
    sqlx::query_as!(
        Load,
        r#"select
             (select count(*) from entitlement.reservation
              where tenant_id = $1 and storefront = $2 and state = 'open' and lease_until > $3) as "open!",
             count(*) as "last_minute!", min(created_at) as oldest
           from entitlement.reservation
           where tenant_id = $1 and storefront = $2 and created_at > $4"#,
        tenant as TenantId,
        storefront,
        now,
        now - Duration::seconds(60),
    )
    .fetch_one(conn)
    .await
}

pub(super) async fn insert(
    conn: &mut PgConnection,
    id: ReservationId,
    caller: Principal,
    work: &Work<'_>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into entitlement.reservation (id, tenant_id, storefront, unit, amount, ref, created_at, lease_until, key_id)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        id as ReservationId,
        caller.tenant as TenantId,
        work.storefront,
        work.unit,
        work.amount,
        work.reference,
        now,
        work.lease_until,
        caller.key as Option<KeyId>,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// How many pieces of work a key asked for.
pub(super) async fn asked_since(
    conn: &mut PgConnection,
    key: KeyId,
    since: DateTime<Utc>,
) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from entitlement.reservation where key_id = $1 and created_at >= $2"#,
        key as KeyId,
        since,
    )
    .fetch_one(conn)
    .await
}

/// Closes an open reservation; none when it was closed before.
pub(super) async fn close(
    conn: &mut PgConnection,
    id: ReservationId,
    state: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<Closed>> {
    sqlx::query_as!(
        Closed,
        r#"update entitlement.reservation set state = $2, closed_at = $3 where id = $1 and state = 'open'
           returning tenant_id as "tenant: TenantId", storefront, unit, ref as reference"#,
        id as ReservationId,
        state,
        now,
    )
    .fetch_optional(conn)
    .await
}

pub(super) async fn renew(
    conn: &mut PgConnection,
    id: ReservationId,
    lease_until: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update entitlement.reservation set lease_until = $2 where id = $1 and state = 'open'",
        id as ReservationId,
        lease_until,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn due(
    conn: &mut PgConnection,
    before: DateTime<Utc>,
    most: i64,
) -> sqlx::Result<Vec<(ReservationId, TenantId)>> {
    sqlx::query!(
        r#"select id as "id: ReservationId", tenant_id as "tenant: TenantId" from entitlement.reservation
           where state = 'open' and lease_until <= $1
           order by lease_until limit $2"#,
        before,
        most,
    )
    .map(|row| (row.id, row.tenant))
    .fetch_all(conn)
    .await
}
