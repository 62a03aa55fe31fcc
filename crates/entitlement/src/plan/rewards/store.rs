use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{PgConnection, types::Json};

use super::Rewards;

pub(super) async fn newest(conn: &mut PgConnection) -> sqlx::Result<Option<(i32, Value)>> {
    sqlx::query!(
        "select version, terms from entitlement.rewards_version order by version desc limit 1"
    )
    .map(|row| (row.version, row.terms))
    .fetch_optional(conn)
    .await
}

pub(super) async fn insert(
    conn: &mut PgConnection,
    version: i32,
    rewards: &Rewards,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into entitlement.rewards_version (version, terms, created_at) values ($1, $2, $3)",
        version,
        Json(rewards) as Json<&Rewards>,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}
