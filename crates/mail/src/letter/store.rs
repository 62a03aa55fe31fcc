use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{DeadLetter, Letter};
use crate::LetterId;

/// Without a conflict target, since naming one needs the right to read the key, which a tenant does not have.
pub(super) async fn insert(
    conn: &mut PgConnection,
    id: LetterId,
    letter: &Letter<'_>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into mail.letter (id, key, to_address, lang, template, data, next_at, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $7)
         on conflict do nothing",
        id as LetterId,
        letter.key,
        letter.to,
        letter.lang.as_str(),
        letter.template.as_str(),
        letter.data,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn dead(conn: &mut PgConnection, most: i64) -> sqlx::Result<Vec<DeadLetter>> {
    sqlx::query_as!(
        DeadLetter,
        r#"select id as "id: LetterId", template, attempts, coalesce(last_error, '') as "last_error!", created_at
           from mail.letter where state = 'dead' and data is not null
           order by created_at desc, id desc limit $1"#,
        most,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn revive(
    conn: &mut PgConnection,
    id: LetterId,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update mail.letter set state = 'queued', attempts = 0, next_at = $2
         where id = $1 and state = 'dead' and data is not null",
        id as LetterId,
        now,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}
