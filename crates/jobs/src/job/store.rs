use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{JobId, NewJob};

/// Without a conflict target, since naming one needs the right to read the key, which a tenant does not have.
pub(super) async fn insert(conn: &mut PgConnection, job: &NewJob) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "insert into jobs.job (id, kind, payload, dedupe_key, priority, max_attempts, run_at, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict do nothing",
        job.id as JobId,
        job.kind,
        job.payload,
        job.key,
        job.priority,
        i32::from(job.attempts),
        job.run_at,
        job.now,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn hold(
    conn: &mut PgConnection,
    id: JobId,
    lease: Uuid,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let held = sqlx::query_scalar!(
        "select 1 from jobs.job
         where id = $1 and lease_id = $2 and state = 'running' and lease_until > $3
         for update",
        id as JobId,
        lease,
        now,
    )
    .fetch_optional(conn)
    .await?;
    Ok(held.is_some())
}

pub(super) async fn progress(conn: &mut PgConnection, id: JobId, percent: i16) -> sqlx::Result<()> {
    sqlx::query!(
        "update jobs.job set progress = $2 where id = $1",
        id as JobId,
        percent,
    )
    .execute(conn)
    .await
    .map(drop)
}
