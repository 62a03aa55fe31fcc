use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{Ceremony, Kind, Row};
use crate::{CeremonyId, UserId};

pub(super) async fn insert(conn: &mut PgConnection, row: &Row) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into identity.ceremony (id, kind, token_hash, user_id, state, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7)",
        row.id as CeremonyId,
        row.kind.as_str(),
        row.token_hash,
        row.user as Option<UserId>,
        row.state,
        row.created_at,
        row.expires_at,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn find(
    conn: &mut PgConnection,
    kind: Kind,
    token_hash: &[u8],
    now: DateTime<Utc>,
) -> sqlx::Result<Option<Ceremony>> {
    sqlx::query_as!(
        Ceremony,
        r#"select user_id as "user: UserId", state from identity.ceremony
           where token_hash = $1 and kind = $2 and used_at is null and expires_at > $3"#,
        token_hash,
        kind.as_str(),
        now,
    )
    .fetch_optional(conn)
    .await
}

pub(super) async fn take(
    conn: &mut PgConnection,
    kind: Kind,
    token_hash: &[u8],
    now: DateTime<Utc>,
) -> sqlx::Result<Option<Ceremony>> {
    sqlx::query_as!(
        Ceremony,
        r#"update identity.ceremony set used_at = $3
           where token_hash = $1 and kind = $2 and used_at is null and expires_at > $3
           returning user_id as "user: UserId", state"#,
        token_hash,
        kind.as_str(),
        now,
    )
    .fetch_optional(conn)
    .await
}

pub(super) async fn delete_before(
    conn: &mut PgConnection,
    before: DateTime<Utc>,
    most: i64,
) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from identity.ceremony where id in
             (select id from identity.ceremony where expires_at < $1 limit $2)",
        before,
        most
    )
    .execute(conn)
    .await
    .map(drop)
}
