mod store;

use std::{future::Future, time::Duration};

use chrono::{DateTime, Utc};
use db::Ctx;
use kernel::Fault;
use serde::{Serialize, de::DeserializeOwned};
use sqlx::PgConnection;
use uuid::Uuid;

kernel::id!(
    /// A job.
    JobId, "job"
);

/// One kind of work: a few ids, and what to do about them. It may be run again after it was done, so it looks first.
pub trait Job: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// `room.verb_noun`, never used again for something else.
    const NAME: &'static str;
    /// After so many failed tries it is dead.
    const ATTEMPTS: u16 = 5;
    /// The higher goes first.
    const PRIORITY: i16 = 0;
    /// A try that takes longer has failed.
    const LIMIT: Duration = Duration::from_mins(1);
    /// What the work needs.
    type Room: Clone + Send + Sync + 'static;

    /// Of the jobs of this kind with the same key one waits and one runs at most. None: each is its own.
    fn key(&self) -> Option<String> {
        None
    }

    /// How long to wait after the try of this number failed; a tenth more or less is added by lot.
    fn wait_after(attempt: u16) -> Duration {
        let doubled = 5_u64.saturating_mul(4_u64.saturating_pow(u32::from(attempt.max(1)) - 1));
        Duration::from_secs(doubled.min(3600))
    }

    /// Does the work.
    fn run(
        &self,
        room: &Self::Room,
        attempt: &Attempt,
    ) -> impl Future<Output = Result<(), JobError>> + Send;

    /// Puts the job in line in the caller's transaction, be it a tenant's or the house's; none when one with its key waits
    /// already.
    fn enqueue(
        &self,
        conn: &mut PgConnection,
        cx: &Ctx,
    ) -> impl Future<Output = sqlx::Result<Option<JobId>>> + Send {
        self.enqueue_at(conn, cx, cx.clock.now())
    }

    /// As [`Self::enqueue`], to be run at `at` or later.
    fn enqueue_at(
        &self,
        conn: &mut PgConnection,
        cx: &Ctx,
        at: DateTime<Utc>,
    ) -> impl Future<Output = sqlx::Result<Option<JobId>>> + Send {
        let payload = serde_json::to_value(self);
        let key = self.key();
        async move {
            let new = NewJob {
                id: cx.ids.new_id(),
                kind: Self::NAME,
                payload: payload.map_err(|error| sqlx::Error::Encode(Box::new(error)))?,
                key,
                priority: Self::PRIORITY,
                attempts: Self::ATTEMPTS,
                run_at: at,
                now: cx.clock.now(),
            };
            let inserted = store::insert(conn, &new).await?;
            Ok(inserted.then_some(new.id))
        }
    }
}

/// A job as it is written.
#[derive(Debug)]
pub(crate) struct NewJob {
    pub(crate) id: JobId,
    pub(crate) kind: &'static str,
    pub(crate) payload: serde_json::Value,
    pub(crate) key: Option<String>,
    pub(crate) priority: i16,
    pub(crate) attempts: u16,
    pub(crate) run_at: DateTime<Utc>,
    pub(crate) now: DateTime<Utc>,
}

pub(crate) async fn insert(conn: &mut PgConnection, job: &NewJob) -> sqlx::Result<bool> {
    store::insert(conn, job).await
}

/// How a try ended when it did not end well.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// It may work later.
    #[error("{0}")]
    Retry(String),
    /// It never will.
    #[error("{0}")]
    Fail(String),
    /// Another node has the job by now, so whatever this one found out is not to be written.
    #[error("the lease was lost")]
    Lost,
}

impl From<Fault> for JobError {
    fn from(fault: Fault) -> Self {
        Self::Retry(chain(&fault))
    }
}

impl From<sqlx::Error> for JobError {
    fn from(error: sqlx::Error) -> Self {
        db::fault(error).into()
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(error.source(), |&e| e.source())
        .fold(error.to_string(), |all, cause| format!("{all}: {cause}"))
}

/// One try of a job by one node.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub job: JobId,
    /// From 1.
    pub number: u16,
    /// The number after which there is no other.
    pub last: u16,
    pub(crate) lease: Uuid,
    pub(crate) cx: Ctx,
}

impl Attempt {
    /// Makes what `conn`'s transaction does count only while this node has the job: the row is locked until it ends, so
    /// nobody takes it in between.
    ///
    /// # Errors
    /// `Lost` when the lease has run out; the transaction is then to be dropped.
    pub async fn hold(&self, conn: &mut PgConnection) -> Result<(), JobError> {
        let now = self.cx.clock.now();
        if store::hold(conn, self.job, self.lease, now).await? {
            Ok(())
        } else {
            Err(JobError::Lost)
        }
    }

    /// Says how far the work is, 0 to 100.
    ///
    /// # Errors
    /// `Lost` when the lease has run out.
    pub async fn progress(&self, percent: u8) -> Result<(), JobError> {
        let mut tx = self
            .cx
            .db
            .begin(db::Scope::House("how far a job is"))
            .await?;
        self.hold(&mut tx).await?;
        store::progress(&mut tx, self.job, i16::from(percent.min(100))).await?;
        tx.commit().await?;
        Ok(())
    }
}
