use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::{DeviceId, UserId};

pub(super) async fn find(
    conn: &mut PgConnection,
    user: UserId,
    token_hash: &[u8],
    used_since: DateTime<Utc>,
) -> sqlx::Result<Option<DeviceId>> {
    sqlx::query_scalar!(
        r#"select id as "id: DeviceId" from identity.device
           where token_hash = $1 and user_id = $2 and last_used_at > $3"#,
        token_hash,
        user as UserId,
        used_since,
    )
    .fetch_optional(conn)
    .await
}

/// The cookie that it replaces, if there is one, says which browser it is.
pub(super) async fn insert(
    conn: &mut PgConnection,
    id: DeviceId,
    user: UserId,
    token_hash: &[u8],
    replaces: Option<&[u8]>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into identity.device (id, user_id, token_hash, browser, created_at, last_used_at)
         values ($1, $2, $3, coalesce((select browser from identity.device where token_hash = $4), $1), $5, $5)",
        id as DeviceId,
        user as UserId,
        token_hash,
        replaces,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn used(
    conn: &mut PgConnection,
    id: DeviceId,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.device set last_used_at = $2 where id = $1",
        id as DeviceId,
        now
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn any(conn: &mut PgConnection, user: UserId) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from identity.device where user_id = $1) as "any!""#,
        user as UserId
    )
    .fetch_one(conn)
    .await
}

pub(super) async fn delete_all(conn: &mut PgConnection, user: UserId) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from identity.device where user_id = $1",
        user as UserId
    )
    .execute(conn)
    .await
    .map(drop)
}
