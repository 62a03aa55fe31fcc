//! Batches: a file of requests, answered when there is room. Each line is an ordinary run of whoever brought it, with its
//! limits and its bill, and waits for whatever is asked live.
//!
//! What becomes of a line is written by compare-and-set in the transaction of what it changes, so a line is answered once
//! however many processes work on its batch, and a process that dies leaves nothing that another can't go on with.

mod end;
pub(crate) mod http;
mod line;
mod store;
mod validate;
mod work;

use std::time::Duration;

use chrono::{DateTime, Utc};
use identity::{KeyId, TenantId, UserId};
use jobs::{Attempt, Job, JobError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Gateway, file::FileId};

kernel::id!(
    /// A batch.
    BatchId, "batch"
);

/// How long a batch may take until what is left of it is given up.
const WINDOW: chrono::Duration = chrono::Duration::hours(24);
/// The most batches of a tenant that are under way.
const MOST_OPEN: i64 = 20;
/// How many batches one process works on at once; its other jobs have the rest of its places.
pub(crate) const AT_ONCE: usize = 4;

/// What the lines of a batch ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endpoint {
    Chat,
    Embeddings,
    Responses,
}

impl Endpoint {
    const ALL: [Self; 3] = [Self::Chat, Self::Embeddings, Self::Responses];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Embeddings => "/v1/embeddings",
            Self::Responses => "/v1/responses",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }
}

/// Where a batch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
enum Status {
    Validating,
    InProgress,
    Cancelling,
    Completed,
    Failed,
    Expired,
    Cancelled,
}

impl Status {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Validating => "validating",
            Self::InProgress => "in_progress",
            Self::Cancelling => "cancelling",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A batch as it is kept.
#[derive(Clone, Debug)]
struct Batch {
    id: BatchId,
    tenant: TenantId,
    key: Option<KeyId>,
    user: Option<UserId>,
    storefront: String,
    endpoint: String,
    input_file: FileId,
    output_file: FileId,
    error_file: FileId,
    status: Status,
    metadata: Option<Value>,
    trouble: Option<Value>,
    total: i32,
    completed: i32,
    failed: i32,
    tokens_in: i64,
    tokens_out: i64,
    tokens_cached: i64,
    tokens_thought: i64,
    keep_seconds: i32,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    in_progress_at: Option<DateTime<Utc>>,
    cancelling_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
}

/// Works on a batch for a while, and then stands in line again, so that others have their turn. Safe to run twice.
#[derive(Debug, Serialize, Deserialize)]
pub struct RunBatch {
    tenant: Uuid,
    batch: Uuid,
}

impl RunBatch {
    fn of(batch: &Batch) -> Self {
        Self {
            tenant: batch.tenant.0,
            batch: batch.id.0,
        }
    }
}

impl Job for RunBatch {
    const NAME: &'static str = "gateway.run_batch";
    // a batch outlives what ails the house for a while; its window ends it
    const ATTEMPTS: u16 = 2_000;
    const PRIORITY: i16 = -10;
    const LIMIT: Duration = Duration::from_mins(15);
    type Room = Gateway;

    fn key(&self) -> Option<String> {
        Some(self.batch.to_string())
    }

    fn wait_after(attempt: u16) -> Duration {
        Duration::from_secs(u64::from(attempt).min(60))
    }

    async fn run(&self, room: &Gateway, _: &Attempt) -> Result<(), JobError> {
        let again = match room.node.batches.try_acquire() {
            Err(_) => Some(Duration::from_secs(1)),
            Ok(_seat) => {
                let worked = work::advance(room, TenantId(self.tenant), BatchId(self.batch)).await;
                worked.map_err(|error| JobError::Retry(error.to_string()))?
            }
        };
        if let Some(wait) = again {
            let cx = &room.cx;
            let wait = chrono::Duration::from_std(wait).unwrap_or_default();
            let mut tx = cx.db.begin(db::Scope::House("a batch goes on")).await?;
            self.enqueue_at(&mut tx, cx, cx.clock.now() + wait).await?;
            tx.commit().await?;
        }
        Ok(())
    }
}

/// Removes what is kept of a tenant that goes, in the caller's transaction.
pub(crate) async fn forget(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<()> {
    store::delete_all(conn, tenant).await
}
