use chrono::{DateTime, Utc};
use sqlx::PgConnection;

/// How far a schedule is.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) name: String,
    pub(super) last_tick: DateTime<Utc>,
    pub(super) last_run_at: Option<DateTime<Utc>>,
}

pub(super) async fn known(conn: &mut PgConnection) -> sqlx::Result<Vec<Known>> {
    sqlx::query_as!(Known, "select name, last_tick, last_run_at from jobs.cron")
        .fetch_all(conn)
        .await
}

/// Begins with a schedule that was not there before.
pub(super) async fn meet(
    conn: &mut PgConnection,
    name: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into jobs.cron (name, last_tick) values ($1, $2) on conflict do nothing",
        name,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Moves a schedule on from `last`, unless somebody did.
pub(super) async fn move_on(
    conn: &mut PgConnection,
    name: &str,
    last: DateTime<Utc>,
    tick: DateTime<Utc>,
    ran_at: Option<DateTime<Utc>>,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update jobs.cron set last_tick = $3, last_run_at = coalesce($4, last_run_at)
         where name = $1 and last_tick = $2",
        name,
        last,
        tick,
        ran_at,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}
