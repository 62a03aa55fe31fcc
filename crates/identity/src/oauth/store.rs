use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::{TenantId, UserId};

pub(super) async fn void_codes(
    conn: &mut PgConnection,
    user: UserId,
    tenant: Option<TenantId>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.oauth_code set used_at = $3
         where user_id = $1 and used_at is null and ($2::uuid is null or tenant_id = $2)",
        user as UserId,
        tenant as Option<TenantId>,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}
