use chrono::{DateTime, Utc};
use sqlx::PgConnection;

/// Keeps a new key unless there is one.
pub(super) async fn insert_key(
    conn: &mut PgConnection,
    purpose: &str,
    secret: &[u8],
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into identity.signing_key (purpose, secret, created_at) values ($1, $2, $3)
         on conflict (purpose) do nothing",
        purpose,
        secret,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn key(conn: &mut PgConnection, purpose: &str) -> sqlx::Result<Vec<u8>> {
    sqlx::query_scalar!(
        "select secret from identity.signing_key where purpose = $1",
        purpose
    )
    .fetch_one(conn)
    .await
}
