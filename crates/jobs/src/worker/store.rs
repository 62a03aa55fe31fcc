use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::Claimed;
use crate::JobId;

/// Gives up jobs whose last try ended with the node that made it.
pub(super) async fn bury_lost(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<(JobId, String)>> {
    sqlx::query!(
        r#"update jobs.job
           set state = 'dead', closed_at = $1, lease_until = null, lease_id = null,
               last_error = 'the node that ran it did not come back'
           where id in (
               select id from jobs.job
               where state in ('queued', 'running') and state = 'running' and lease_until <= $1 and attempt >= max_attempts
               for update skip locked
           )
           returning id as "id: JobId", kind"#,
        now,
    )
    .map(|row| (row.id, row.kind))
    .fetch_all(conn)
    .await
}

/// Takes what is due and nobody else is taking, also from nodes whose lease has run out. Of jobs with the same key the next
/// waits until the one that runs is done.
pub(super) async fn claim(
    conn: &mut PgConnection,
    kinds: &[String],
    lease: Uuid,
    (now, until): (DateTime<Utc>, DateTime<Utc>),
    most: i64,
) -> sqlx::Result<Vec<Claimed>> {
    sqlx::query!(
        r#"with due as materialized (
               select job.id, job.state = 'running' as rescued from jobs.job
               where job.state in ('queued', 'running') and coalesce(job.lease_until, job.run_at) <= $2
                 and job.kind = any($5) and job.attempt < job.max_attempts
                 and (job.state = 'running' or job.dedupe_key is null or not exists (
                     select from jobs.job other
                     where other.kind = job.kind and other.dedupe_key = job.dedupe_key and other.state = 'running'))
               order by job.priority desc, coalesce(job.lease_until, job.run_at), job.id
               limit $4
               for update of job skip locked
           )
           update jobs.job
           set state = 'running', attempt = attempt + 1, lease_id = $1, lease_until = $3, progress = null
           from due where job.id = due.id
           returning job.id as "id: JobId", job.kind, job.payload, job.attempt, job.max_attempts, due.rescued as "rescued!""#,
        lease,
        now,
        until,
        most,
        kinds,
    )
    .map(|row| Claimed {
        id: row.id,
        kind: row.kind,
        payload: row.payload,
        attempt: row.attempt,
        max_attempts: row.max_attempts,
        rescued: row.rescued,
    })
    .fetch_all(conn)
    .await
}

/// Keeps a job for longer, unless its time has run out: then it is anybody's.
pub(super) async fn renew(
    conn: &mut PgConnection,
    id: JobId,
    lease: Uuid,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update jobs.job set lease_until = $4
         where id = $1 and lease_id = $2 and state = 'running' and lease_until > $3",
        id as JobId,
        lease,
        now,
        until,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn done(
    conn: &mut PgConnection,
    id: JobId,
    lease: Uuid,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update jobs.job
         set state = 'done', closed_at = $3, lease_until = null, lease_id = null, last_error = null
         where id = $1 and lease_id = $2 and state = 'running' and lease_until > $3",
        id as JobId,
        lease,
        now,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn dead(
    conn: &mut PgConnection,
    id: JobId,
    lease: Uuid,
    now: DateTime<Utc>,
    why: &str,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update jobs.job
         set state = 'dead', closed_at = $3, lease_until = null, lease_id = null, last_error = $4
         where id = $1 and lease_id = $2 and state = 'running' and lease_until > $3",
        id as JobId,
        lease,
        now,
        why,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Puts a job back in line for another try; where one with its key waits already, that one is the other try.
pub(super) async fn again(
    conn: &mut PgConnection,
    id: JobId,
    lease: Uuid,
    (now, at): (DateTime<Utc>, DateTime<Utc>),
    why: &str,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "with waits as (
             select exists (
                 select from jobs.job mine join jobs.job other on other.kind = mine.kind and other.dedupe_key = mine.dedupe_key
                 where mine.id = $1 and other.state = 'queued') as another
         )
         update jobs.job
         set state = case when another then 'done' else 'queued' end,
             closed_at = case when another then $3 end,
             run_at = $4, lease_until = null, lease_id = null, last_error = $5
         from waits
         where id = $1 and lease_id = $2 and state = 'running' and lease_until > $3",
        id as JobId,
        lease,
        now,
        at,
        why,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Puts a job back in line as if this try had not been.
pub(super) async fn give_back(
    conn: &mut PgConnection,
    id: JobId,
    lease: Uuid,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "with waits as (
             select exists (
                 select from jobs.job mine join jobs.job other on other.kind = mine.kind and other.dedupe_key = mine.dedupe_key
                 where mine.id = $1 and other.state = 'queued') as another
         )
         update jobs.job
         set state = case when another then 'done' else 'queued' end,
             closed_at = case when another then $3 end,
             attempt = attempt - 1, run_at = $3, lease_until = null, lease_id = null
         from waits
         where id = $1 and lease_id = $2 and state = 'running' and lease_until > $3",
        id as JobId,
        lease,
        now,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}
