use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgConnection;

use super::{Row, View};
use crate::{PasskeyId, UserId};

pub(super) async fn list(conn: &mut PgConnection, user: UserId) -> sqlx::Result<Vec<View>> {
    sqlx::query_as!(
        View,
        r#"select id as "id: PasskeyId", name, created_at, last_used_at
           from identity.passkey where user_id = $1 order by created_at, id"#,
        user as UserId,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn credential_ids(
    conn: &mut PgConnection,
    user: UserId,
) -> sqlx::Result<Vec<Vec<u8>>> {
    sqlx::query_scalar!(
        "select credential_id from identity.passkey where user_id = $1 order by created_at, id",
        user as UserId,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn lock_user(conn: &mut PgConnection, user: UserId) -> sqlx::Result<()> {
    sqlx::query_scalar!(
        r#"select 1 as "one!" from identity.app_user where id = $1 for no key update"#,
        user as UserId,
    )
    .fetch_optional(conn)
    .await
    .map(drop)
}

pub(super) async fn insert(conn: &mut PgConnection, row: &Row<'_>) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into identity.passkey (id, user_id, credential_id, credential, name, created_at)
         values ($1, $2, $3, $4, $5, $6)",
        row.id as PasskeyId,
        row.user as UserId,
        row.credential_id,
        row.credential,
        row.name,
        row.created_at,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// A passkey of a user who is still there, locked until the transaction ends.
pub(super) async fn lock(
    conn: &mut PgConnection,
    user: UserId,
    credential_id: &[u8],
) -> sqlx::Result<Option<(PasskeyId, Value)>> {
    sqlx::query!(
        r#"select p.id as "id: PasskeyId", p.credential
           from identity.passkey p
           join identity.app_user u on u.id = p.user_id
           where p.credential_id = $2 and p.user_id = $1 and u.deleted_at is null
           for update of p"#,
        user as UserId,
        credential_id,
    )
    .map(|row| (row.id, row.credential))
    .fetch_optional(conn)
    .await
}

pub(super) async fn used(
    conn: &mut PgConnection,
    id: PasskeyId,
    credential: &Value,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.passkey set credential = $2, last_used_at = $3 where id = $1",
        id as PasskeyId,
        credential,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn delete(
    conn: &mut PgConnection,
    user: UserId,
    id: PasskeyId,
) -> sqlx::Result<bool> {
    sqlx::query!(
        "delete from identity.passkey where id = $2 and user_id = $1",
        user as UserId,
        id as PasskeyId,
    )
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1)
}
