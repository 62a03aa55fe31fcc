//! The queue on a real server.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that can't go on fails"
)]

mod calls;
mod crons;
mod queue;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use db::{Ctx, Scope};
use jobs::{Attempt, Job, JobError, JobId, Jobs, Registry};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

/// What the jobs of these tests do, and how often they did it.
#[derive(Clone, Debug, Default)]
struct Bench {
    ran: Arc<AtomicU32>,
    began: Arc<Notify>,
    go_on: Arc<Notify>,
}

impl Bench {
    fn ran(&self) -> u32 {
        self.ran.load(Ordering::SeqCst)
    }
}

/// A job that does as it is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Task {
    does: Does,
    key: Option<String>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Does {
    Well,
    Badly,
    Never,
    Panics,
    Spins,
    Waits,
}

impl Job for Task {
    const NAME: &'static str = "test.task";
    const ATTEMPTS: u16 = 3;
    const LIMIT: Duration = Duration::from_secs(1);
    type Room = Bench;

    fn key(&self) -> Option<String> {
        self.key.clone()
    }

    async fn run(&self, bench: &Bench, _: &Attempt) -> Result<(), JobError> {
        bench.ran.fetch_add(1, Ordering::SeqCst);
        match self.does {
            Does::Well => Ok(()),
            Does::Badly => Err(JobError::Retry("not today".to_owned())),
            Does::Never => Err(JobError::Fail("never".to_owned())),
            Does::Panics => panic!("out of luck"),
            Does::Spins => loop {
                std::hint::spin_loop();
            },
            Does::Waits => {
                bench.began.notify_one();
                bench.go_on.notified().await;
                Ok(())
            }
        }
    }
}

fn task(does: Does) -> Task {
    Task { does, key: None }
}

fn keyed(does: Does, key: &str) -> Task {
    Task {
        does,
        key: Some(key.to_owned()),
    }
}

fn open(cx: &Ctx, bench: &Bench) -> Jobs {
    Jobs::open(cx.clone(), Registry::default().job::<Task>(bench)).unwrap()
}

async fn enqueue(cx: &Ctx, job: &Task) -> Option<JobId> {
    let mut tx = cx.db.begin(Scope::House("test")).await.unwrap();
    let id = job.enqueue(&mut tx, cx).await.unwrap();
    tx.commit().await.unwrap();
    id
}

/// A job's state, attempt and last error, as they are kept.
async fn kept(test: &testkit::TestCtx, id: JobId) -> (String, i32, Option<String>) {
    let mut owner = test.database.owner().await;
    sqlx::query_as("select state, attempt, last_error from jobs.job where id = $1")
        .bind(id.0)
        .fetch_one(&mut owner)
        .await
        .unwrap()
}
