mod store;

use chrono::Duration;
use db::{Ctx, Scope};
use jobs::{Attempt, Job, JobError};
use serde::{Deserialize, Serialize};

/// How long it is kept what was told and how that went.
const KEPT: Duration = Duration::days(30);
/// The most events of one statement.
const MOST: i64 = 1_000;

/// Removes events that were told long ago, with their deliveries.
#[derive(Debug, Serialize, Deserialize)]
pub struct TidyHooks {}

impl Job for TidyHooks {
    const NAME: &'static str = "hooks.tidy";
    type Room = Ctx;

    fn key(&self) -> Option<String> {
        Some("all".to_owned())
    }

    async fn run(&self, cx: &Ctx, _: &Attempt) -> Result<(), JobError> {
        loop {
            let mut tx = cx.db.begin(Scope::House("old events")).await?;
            let gone = store::remove(&mut tx, cx.clock.now() - KEPT, MOST).await?;
            tx.commit().await?;
            if gone == 0 {
                return Ok(());
            }
        }
    }
}
