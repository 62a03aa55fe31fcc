use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::Claimed;
use crate::LetterId;

/// Letters that are to go now or later.
pub(super) async fn waiting(conn: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from mail.letter where state in ('queued', 'sending')"#
    )
    .fetch_one(conn)
    .await
}

/// Gives up letters whose last try ended with the node that made it.
pub(super) async fn bury_lost(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    clear_at: DateTime<Utc>,
    tries: i32,
) -> sqlx::Result<Vec<(LetterId, String)>> {
    sqlx::query!(
        r#"update mail.letter
           set state = 'dead', lease_until = null, lease_id = null, next_at = $2, last_error = 'the node died'
           where state = 'sending' and coalesce(lease_until, next_at) <= $1 and attempts >= $3
           returning id as "id: LetterId", template"#,
        now,
        clear_at,
        tries,
    )
    .map(|row| (row.id, row.template))
    .fetch_all(conn)
    .await
}

/// Takes what is due and nobody else is taking, also from nodes whose lease has run out.
pub(super) async fn claim(
    conn: &mut PgConnection,
    lease: Uuid,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
    most: i64,
) -> sqlx::Result<Vec<Claimed>> {
    sqlx::query_as!(
        Claimed,
        r#"with due as materialized (
               select id from mail.letter
               where state in ('queued', 'sending') and coalesce(lease_until, next_at) <= $2
               order by coalesce(lease_until, next_at), id
               limit $4
               for update skip locked
           )
           update mail.letter
           set state = 'sending', attempts = attempts + 1, lease_id = $1, lease_until = $3
           from due where letter.id = due.id
           returning letter.id as "id: LetterId", to_address as "to!", lang, template, data as "data!", attempts,
                     created_at"#,
        lease,
        now,
        until,
        most,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn renew(
    conn: &mut PgConnection,
    id: LetterId,
    lease: Uuid,
    until: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update mail.letter set lease_until = $3 where id = $1 and lease_id = $2 and state = 'sending'",
        id as LetterId,
        lease,
        until,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Closes a letter that went, and forgets to whom and what.
pub(super) async fn sent(
    conn: &mut PgConnection,
    id: LetterId,
    lease: Uuid,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update mail.letter
         set state = 'sent', sent_at = $3, lease_until = null, lease_id = null, last_error = null,
             to_address = null, data = null
         where id = $1 and lease_id = $2 and state = 'sending'",
        id as LetterId,
        lease,
        now,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn suppressed(
    conn: &mut PgConnection,
    id: LetterId,
    lease: Uuid,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update mail.letter
         set state = 'suppressed', lease_until = null, lease_id = null, last_error = null,
             to_address = null, data = null
         where id = $1 and lease_id = $2 and state = 'sending'",
        id as LetterId,
        lease,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn again(
    conn: &mut PgConnection,
    id: LetterId,
    lease: Uuid,
    at: DateTime<Utc>,
    why: &str,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update mail.letter
         set state = 'queued', next_at = $3, lease_until = null, lease_id = null, last_error = $4
         where id = $1 and lease_id = $2 and state = 'sending'",
        id as LetterId,
        lease,
        at,
        why,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn dead(
    conn: &mut PgConnection,
    id: LetterId,
    lease: Uuid,
    clear_at: DateTime<Utc>,
    why: &str,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update mail.letter
         set state = 'dead', next_at = $3, lease_until = null, lease_id = null, last_error = $4
         where id = $1 and lease_id = $2 and state = 'sending'",
        id as LetterId,
        lease,
        clear_at,
        why,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Forgets to whom dead letters were and what they said.
pub(super) async fn clear(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    most: i64,
) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "with due as materialized (
             select id from mail.letter
             where state = 'dead' and data is not null and next_at <= $1
             order by next_at limit $2
             for update skip locked
         )
         update mail.letter set to_address = null, data = null from due where letter.id = due.id",
        now,
        most,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
