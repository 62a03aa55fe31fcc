use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgConnection;

use super::{FIRST, PersonaVersionView};

/// The number of the persona that was published last.
pub(super) async fn newest(conn: &mut PgConnection) -> sqlx::Result<i32> {
    let newest = sqlx::query_scalar!("select max(version) from misaki.persona")
        .fetch_one(conn)
        .await?;
    Ok(newest.unwrap_or(FIRST))
}

pub(super) async fn find(
    conn: &mut PgConnection,
    version: i32,
) -> sqlx::Result<Option<(Value, DateTime<Utc>)>> {
    let row = sqlx::query!(
        "select card, published_at from misaki.persona where version = $1",
        version
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| (row.card, row.published_at)))
}

/// Publishes the next one; those who publish at the same time stand in a line.
pub(super) async fn publish(
    conn: &mut PgConnection,
    card: &Value,
    now: DateTime<Utc>,
) -> sqlx::Result<i32> {
    sqlx::query!("select pg_advisory_xact_lock(hashtextextended('misaki.persona', 0))")
        .execute(&mut *conn)
        .await?;
    sqlx::query_scalar!(
        "insert into misaki.persona (version, card, published_at)
         select coalesce(max(version), $1) + 1, $2, $3 from misaki.persona returning version",
        FIRST,
        card,
        now,
    )
    .fetch_one(conn)
    .await
}

pub(super) async fn versions(conn: &mut PgConnection) -> sqlx::Result<Vec<PersonaVersionView>> {
    sqlx::query_as!(
        PersonaVersionView,
        r#"select version, coalesce(card -> 'data' ->> 'name', '') as "name!", published_at as "published_at?"
           from misaki.persona order by version desc limit 50"#
    )
    .fetch_all(conn)
    .await
}
