//! Jobs: work that is done once the transaction that asked for it is there, and schedules that tick once for all nodes.
//!
//! Owns: the queue from enqueueing to the end, leases, retries, dead letters, schedules.
//! Never: what a job does or means; a network call inside a transaction; a result of a worker that lost its lease.
//!
//! [`Job::enqueue`] joins the caller's transaction, so a job exists exactly when what it is about does. Jobs run at least
//! once: whatever is done in the database together with [`Attempt::hold`] is done once.

mod cron;
mod desk;
mod job;
mod registry;
mod tidy;
mod worker;

use std::{sync::Arc, time::Duration};

use db::Ctx;

pub use cron::{BadSchedule, CatchUp, CronView, crons, tick};
pub use desk::{
    JobFilter, JobState, JobView, KindStatistics, Retried, cancel, in_line, list, retry, statistics,
};
pub use job::{Attempt, Job, JobError, JobId};
pub use registry::Registry;
pub use worker::{CHANNEL, LEASE, run_due, work};

/// The room with what it needs to work.
#[derive(Clone, Debug)]
pub struct Jobs {
    pub cx: Ctx,
    registry: Arc<Registry>,
    idle: Duration,
}

impl Jobs {
    /// Opens the room with the kinds of jobs that this version of the house knows, and its schedules.
    ///
    /// # Errors
    /// When a schedule of the room's own can't be read.
    pub fn open(cx: Ctx, registry: Registry) -> Result<Self, BadSchedule> {
        let registry = registry.job::<tidy::TidyJobs>(&cx).cron(
            "jobs.tidy",
            "17 * * * *",
            chrono_tz::Asia::Tokyo,
            CatchUp::Skip,
            &tidy::TidyJobs {},
        )?;
        Ok(Self {
            cx,
            registry: Arc::new(registry),
            idle: worker::IDLE,
        })
    }

    /// Looks for jobs this often without being called.
    pub const fn looking_every(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }
}
