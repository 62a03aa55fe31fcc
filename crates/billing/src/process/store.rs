use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::Claimed;

/// How many events are to be worked on, and since when the oldest is.
pub(super) async fn open(conn: &mut PgConnection) -> sqlx::Result<(i64, Option<DateTime<Utc>>)> {
    let row = sqlx::query!(
        r#"select count(*) as "count!", min(received_at) as oldest from billing.event where state in ('queued', 'working')"#
    )
    .fetch_one(conn)
    .await?;
    Ok((row.count, row.oldest))
}

/// Gives up events whose last try ended with the node that made it.
pub(super) async fn bury_lost(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    tries: i32,
) -> sqlx::Result<Vec<(String, String)>> {
    sqlx::query!(
        r#"update billing.event
           set state = 'dead', lease_until = null, lease_id = null, note = 'the node died'
           where state = 'working' and coalesce(lease_until, next_at) <= $1 and attempts >= $2
           returning id, type as kind"#,
        now,
        tries,
    )
    .map(|row| (row.id, row.kind))
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
               select id from billing.event
               where state in ('queued', 'working') and coalesce(lease_until, next_at) <= $2
               order by coalesce(lease_until, next_at), id
               limit $4
               for update skip locked
           )
           update billing.event
           set state = 'working', attempts = attempts + 1, lease_id = $1, lease_until = $3
           from due where event.id = due.id
           returning event.id, type as kind, object_type, object_id, customer, attempts"#,
        lease,
        now,
        until,
        most,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn close(
    conn: &mut PgConnection,
    id: &str,
    lease: Uuid,
    state: &str,
    note: Option<&str>,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update billing.event
         set state = $3, note = $4, closed_at = $5, lease_until = null, lease_id = null
         where id = $1 and lease_id = $2 and state = 'working'",
        id,
        lease,
        state,
        note,
        now,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn wait(
    conn: &mut PgConnection,
    id: &str,
    lease: Uuid,
    customer: &str,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update billing.event
         set state = 'waiting', customer = $3, note = 'its customer is not known', lease_until = null, lease_id = null
         where id = $1 and lease_id = $2 and state = 'working'",
        id,
        lease,
        customer,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn again(
    conn: &mut PgConnection,
    id: &str,
    lease: Uuid,
    at: DateTime<Utc>,
    why: &str,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update billing.event
         set state = 'queued', next_at = $3, note = $4, lease_until = null, lease_id = null
         where id = $1 and lease_id = $2 and state = 'working'",
        id,
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
    id: &str,
    lease: Uuid,
    why: &str,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update billing.event
         set state = 'dead', note = $3, lease_until = null, lease_id = null
         where id = $1 and lease_id = $2 and state = 'working'",
        id,
        lease,
        why,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}
