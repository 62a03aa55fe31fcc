use chrono::{DateTime, Utc};
use sqlx::PgConnection;

/// Lets one process at a time look whether there is a key.
pub(super) async fn lock(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!(
        r#"select pg_advisory_xact_lock(hashtextextended('noren.seal_key', 0))::text as "locked""#
    )
    .fetch_one(conn)
    .await
    .map(drop)
}

/// The ids of the keys that this database's secrets may be sealed under.
pub(super) async fn known(conn: &mut PgConnection) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar!("select id from noren.seal_key order by first_seen_at, id")
        .fetch_all(conn)
        .await
}

pub(super) async fn note(
    conn: &mut PgConnection,
    ids: &[String],
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into noren.seal_key (id, first_seen_at) select id, $2 from unnest($1::text[]) as id
         on conflict (id) do nothing",
        ids,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Forgets all keys but these.
pub(super) async fn keep_only(conn: &mut PgConnection, ids: &[String]) -> sqlx::Result<()> {
    sqlx::query!("delete from noren.seal_key where id <> all($1)", ids)
        .execute(conn)
        .await
        .map(drop)
}
