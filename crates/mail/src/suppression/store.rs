use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::Topic;

pub(super) async fn insert(
    conn: &mut PgConnection,
    address_hash: &[u8],
    topic: Topic,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into mail.suppression (address_hash, topic, created_at) values ($1, $2, $3) on conflict do nothing",
        address_hash,
        topic.as_str(),
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn exists(
    conn: &mut PgConnection,
    address_hash: &[u8],
    topic: Topic,
) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from mail.suppression where address_hash = $1 and topic = $2) as "exists!""#,
        address_hash,
        topic.as_str(),
    )
    .fetch_one(conn)
    .await
}
