use chrono::{DateTime, Utc};
use identity::TenantId;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::ReservationId;

/// Says that pieces of work are alive.
pub(super) async fn renew(
    conn: &mut PgConnection,
    ids: &[Uuid],
    lease_until: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update entitlement.reservation set lease_until = $2
         where id in (select id from entitlement.reservation where id = any($1) and state = 'open' for update skip locked)",
        ids,
        lease_until,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Makes sure that an admission of which nobody knows whether it was written is either there or can never be. Work that was over when
/// it was first written is counted by its usage row, which is refused once its block is closed.
pub(super) async fn forestall(
    conn: &mut PgConnection,
    id: ReservationId,
    tenant: TenantId,
    storefront: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into entitlement.reservation (id, tenant_id, storefront, unit, amount, ref, created_at, lease_until, state, closed_at)
         values ($1, $2, $3, 'none', 1, 'never begun', 'epoch', 'epoch', 'released', $4)
         on conflict (id) do nothing",
        id as ReservationId,
        tenant as TenantId,
        storefront,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Which of these are open.
pub(super) async fn open_among(
    conn: &mut PgConnection,
    ids: &[Uuid],
) -> sqlx::Result<Vec<ReservationId>> {
    sqlx::query_scalar!(
        r#"select id as "id: ReservationId" from entitlement.reservation where id = any($1) and state = 'open'"#,
        ids,
    )
    .fetch_all(conn)
    .await
}
