use chrono::Duration;
use db::{Ctx, Scope};
use serde::{Deserialize, Serialize};

use crate::{Attempt, Job, JobError, desk};

/// How long what was done or called off is kept for a look.
const DONE_KEPT: Duration = Duration::hours(48);
/// How long a dead job is kept for another try.
const DEAD_KEPT: Duration = Duration::days(30);
/// The most rows of one statement.
const MOST: i64 = 5_000;

/// Removes jobs that nobody asks about any more.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TidyJobs {}

impl Job for TidyJobs {
    const NAME: &'static str = "jobs.tidy";
    type Room = Ctx;

    fn key(&self) -> Option<String> {
        Some("all".to_owned())
    }

    async fn run(&self, cx: &Ctx, _: &Attempt) -> Result<(), JobError> {
        let now = cx.clock.now();
        loop {
            let mut tx = cx.db.begin(Scope::House("old jobs")).await?;
            let gone = desk::remove(&mut tx, now - DONE_KEPT, now - DEAD_KEPT, MOST).await?;
            tx.commit().await?;
            if gone == 0 {
                return Ok(());
            }
        }
    }
}
