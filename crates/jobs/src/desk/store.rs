use chrono::{DateTime, Utc};
use kernel::PageRequest;
use sqlx::PgConnection;

use super::{JobFilter, JobState, JobView, KindStatistics};
use crate::JobId;

pub(super) async fn list(
    conn: &mut PgConnection,
    filter: &JobFilter,
    request: &PageRequest,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<JobView>> {
    let after = request.after;
    sqlx::query!(
        r#"with shown as (
               select *, case
                   when state <> 'queued' then state
                   when attempt > 0 and last_error is not null then 'failed'
                   when run_at > $1 then 'scheduled'
                   else 'ready' end as shows
               from jobs.job
           )
           select id as "id: JobId", kind, shows as "shows!", attempt, max_attempts, run_at, lease_until, progress,
                  last_error, dedupe_key, created_at
           from shown
           where ($2::text is null and state in ('queued', 'running', 'dead') or shows = $2)
             and ($3::text is null or kind = $3)
             and ($4::timestamptz is null or (created_at, id) < ($4, $5))
           order by created_at desc, id desc
           limit $6"#,
        now,
        filter.state.map(JobState::as_str),
        filter.kind,
        after.map(|cursor| cursor.at),
        after.map(|cursor| cursor.id),
        request.limit + 1,
    )
    .map(|row| JobView {
        id: row.id,
        kind: row.kind,
        state: JobState::from_stored(&row.shows),
        attempt: row.attempt,
        max_attempts: row.max_attempts,
        run_at: row.run_at,
        lease_until: row.lease_until,
        progress: row.progress,
        last_error: row.last_error,
        dedupe_key: row.dedupe_key,
        created_at: row.created_at,
    })
    .fetch_all(conn)
    .await
}

pub(super) async fn statistics(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<KindStatistics>> {
    sqlx::query_as!(
        KindStatistics,
        r#"select kind, count(*) filter (where state = 'queued' and run_at <= $1) as "ready!",
                  count(*) filter (where state = 'running') as "running!", count(*) filter (where state = 'dead') as "dead!",
                  extract(epoch from $1 - min(run_at) filter (where state = 'queued' and run_at <= $1))::bigint
                      as oldest_ready_seconds
           from jobs.job where state in ('queued', 'running', 'dead') group by kind order by kind"#,
        now,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn revive(
    conn: &mut PgConnection,
    id: JobId,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update jobs.job set state = 'queued', attempt = 0, run_at = $2, closed_at = null
         where id = $1 and state = 'dead'",
        id as JobId,
        now,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn in_line(
    conn: &mut PgConnection,
    kind: &str,
    keys: &[String],
) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar!(
        r#"select distinct dedupe_key as "key!" from jobs.job
           where kind = $1 and dedupe_key = any($2) and state in ('queued', 'running')"#,
        kind,
        keys,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn cancel(
    conn: &mut PgConnection,
    id: JobId,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update jobs.job
         set state = 'cancelled', closed_at = $2, lease_until = null, lease_id = null
         where id = $1 and state in ('queued', 'running', 'dead')",
        id as JobId,
        now,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn remove(
    conn: &mut PgConnection,
    done_before: DateTime<Utc>,
    dead_before: DateTime<Utc>,
    most: i64,
) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "delete from jobs.job where id in (
             select id from jobs.job
             where state in ('done', 'dead', 'cancelled') and closed_at < case state when 'dead' then $2::timestamptz else $1::timestamptz end
             limit $3)",
        done_before,
        dead_before,
        most,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
