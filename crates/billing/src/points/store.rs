use chrono::{DateTime, Utc};
use identity::TenantId;
use sqlx::PgConnection;

use super::{Redemption, RedemptionId, lot_of};

pub(super) async fn insert(
    conn: &mut PgConnection,
    tenant: TenantId,
    done: &Redemption,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into billing.redemption (id, tenant_id, exchange, times, points, unit, amount, lot_id, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        done.id as RedemptionId,
        tenant as TenantId,
        done.exchange,
        i32::try_from(done.times).unwrap_or(i32::MAX),
        done.points,
        done.unit,
        done.amount,
        lot_of(done.id),
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}
