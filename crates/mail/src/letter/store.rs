use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::Letter;
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
