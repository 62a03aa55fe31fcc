mod store;

use chrono::{DateTime, Utc};
use db::{Ctx, Scope};
use kernel::{Cursor, Fault, Page, PageRequest};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use crate::JobId;

/// What a job waits for, or how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// For a free node.
    Ready,
    Running,
    /// For its next try.
    Failed,
    /// For nothing: it was given up.
    Dead,
    /// For its time.
    Scheduled,
    Done,
    Cancelled,
}

impl JobState {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Failed => "failed",
            Self::Dead => "dead",
            Self::Scheduled => "scheduled",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
        }
    }

    fn from_stored(text: &str) -> Self {
        match text {
            "running" => Self::Running,
            "failed" => Self::Failed,
            "dead" => Self::Dead,
            "scheduled" => Self::Scheduled,
            "done" => Self::Done,
            "cancelled" => Self::Cancelled,
            _ => Self::Ready,
        }
    }
}

/// Which jobs to list.
#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    /// None: all that are not done or called off.
    pub state: Option<JobState>,
    pub kind: Option<String>,
}

/// A job as the operator sees it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct JobView {
    pub id: JobId,
    pub kind: String,
    pub state: JobState,
    pub attempt: i32,
    pub max_attempts: i32,
    pub run_at: DateTime<Utc>,
    #[schema(required)]
    pub lease_until: Option<DateTime<Utc>>,
    /// How far it says to be, 0 to 100.
    #[schema(required)]
    pub progress: Option<i16>,
    #[schema(required)]
    pub last_error: Option<String>,
    #[schema(required)]
    pub dedupe_key: Option<String>,
    pub created_at: DateTime<Utc>,
}

/// What is in line of one kind.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct KindStatistics {
    pub kind: String,
    pub ready: i64,
    pub running: i64,
    pub dead: i64,
    /// How long the first in line has waited.
    #[schema(required)]
    pub oldest_ready_seconds: Option<i64>,
}

/// What became of a wish to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retried {
    InLine,
    /// There is none, or it is not dead.
    NotDead,
    /// One with the same key waits already.
    AnotherWaits,
}

async fn begin(cx: &Ctx) -> Result<db::Tx, Fault> {
    cx.db
        .begin(Scope::House("the operator's look at jobs"))
        .await
        .map_err(db::fault)
}

/// Jobs, newest first.
///
/// # Errors
/// When the database is away.
pub async fn list(
    cx: &Ctx,
    filter: &JobFilter,
    request: &PageRequest,
) -> Result<Page<JobView>, Fault> {
    let mut tx = begin(cx).await?;
    let rows = store::list(&mut tx, filter, request, cx.clock.now())
        .await
        .map_err(db::fault)?;
    tx.commit().await.map_err(db::fault)?;
    Ok(Page::from_rows(rows, request, |row| Cursor {
        at: row.created_at,
        id: row.id.0,
    }))
}

/// What is in line, by kind.
///
/// # Errors
/// When the database is away.
pub async fn statistics(cx: &Ctx) -> Result<Vec<KindStatistics>, Fault> {
    let mut tx = begin(cx).await?;
    let found = store::statistics(&mut tx, cx.clock.now())
        .await
        .map_err(db::fault)?;
    tx.commit().await.map_err(db::fault)?;
    Ok(found)
}

/// Puts a dead job back in line with all its tries, in the caller's transaction.
///
/// # Errors
/// The database's own.
pub async fn retry(conn: &mut PgConnection, cx: &Ctx, id: JobId) -> sqlx::Result<Retried> {
    match store::revive(conn, id, cx.clock.now()).await {
        Ok(true) => Ok(Retried::InLine),
        Ok(false) => Ok(Retried::NotDead),
        Err(error) => match error.as_database_error().and_then(|e| e.constraint()) {
            Some("job_one_waits") => Ok(Retried::AnotherWaits),
            _ => Err(error),
        },
    }
}

/// Which of these keys have a job of a kind that waits or runs, as far as the caller's transaction sees.
///
/// # Errors
/// The database's own.
pub async fn in_line(
    conn: &mut PgConnection,
    kind: &str,
    keys: &[String],
) -> sqlx::Result<Vec<String>> {
    store::in_line(conn, kind, keys).await
}

/// Calls a job off, in the caller's transaction; the result of one that runs does not count any more. False when there is
/// none or it has ended.
///
/// # Errors
/// The database's own.
pub async fn cancel(conn: &mut PgConnection, cx: &Ctx, id: JobId) -> sqlx::Result<bool> {
    store::cancel(conn, id, cx.clock.now()).await
}

/// Removes what ended long ago.
pub(crate) async fn remove(
    conn: &mut PgConnection,
    done_before: DateTime<Utc>,
    dead_before: DateTime<Utc>,
    most: i64,
) -> sqlx::Result<u64> {
    store::remove(conn, done_before, dead_before, most).await
}
