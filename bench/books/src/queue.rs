//! How long a job waits for its end, alone and beside jobs that panic, spin and fail.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use db::{Ctx, Scope};
use jobs::{Attempt, Job, JobError, Jobs, Registry};
use serde::{Deserialize, Serialize};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::{answers::Times, house::House};

/// A job each so often, and how many of them.
const PACE: Duration = Duration::from_millis(50);
const JOBS: u32 = 400;
/// How many of them come before one that does harm.
const HARM_EVERY: u32 = 8;

#[derive(Clone, Debug, Default)]
struct Ended(Arc<Mutex<HashMap<u32, Instant>>>);

impl Ended {
    fn times(&self) -> std::sync::MutexGuard<'_, HashMap<u32, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A job that says when it was done.
#[derive(Debug, Serialize, Deserialize)]
struct Good(u32);

impl Job for Good {
    const NAME: &'static str = "bench.good";
    type Room = Ended;

    async fn run(&self, ended: &Ended, _: &Attempt) -> Result<(), JobError> {
        ended.times().insert(self.0, Instant::now());
        Ok(())
    }
}

/// A job that does harm: by turns it panics, keeps a thread busy until its time is over, or fails.
#[derive(Debug, Serialize, Deserialize)]
struct Bad(u32);

impl Job for Bad {
    const NAME: &'static str = "bench.bad";
    const ATTEMPTS: u16 = 3;
    const LIMIT: Duration = Duration::from_secs(1);
    type Room = ();

    async fn run(&self, (): &(), _: &Attempt) -> Result<(), JobError> {
        match self.0 % 3 {
            0 => std::panic::resume_unwind(Box::new("out of luck")),
            1 => {
                let started = Instant::now();
                while started.elapsed() < Self::LIMIT {
                    std::hint::spin_loop();
                }
                Ok(())
            }
            _ => Err(JobError::Retry("not today".to_owned())),
        }
    }
}

/// From the commit of a job to its end, of jobs at a steady pace: alone, and with harm among them.
pub(crate) async fn waits(house: &House) -> Result<[Times; 2]> {
    let cx = house.cx();
    let ended = Ended::default();
    let registry = Registry::default().job::<Good>(&ended).job::<Bad>(&());
    let room = Jobs::open(cx.clone(), registry)?;
    let stop = CancellationToken::new();
    let worker = tokio::spawn(jobs::work(room, Duration::from_secs(5), stop.clone()));
    let alone = paced(cx, &ended, None).await?;
    let beside = paced(cx, &ended, Some(HARM_EVERY)).await?;
    stop.cancel();
    worker.await?;
    Ok([alone, beside])
}

async fn paced(cx: &Ctx, ended: &Ended, harm_every: Option<u32>) -> Result<Times> {
    ended.times().clear();
    let mut committed = Vec::new();
    let mut ticks = interval(PACE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for n in 0..JOBS {
        ticks.tick().await;
        if harm_every.is_some_and(|every| n % every == 0) {
            enqueue(cx, &Bad(n)).await?;
        }
        enqueue(cx, &Good(n)).await?;
        committed.push((n, Instant::now()));
    }
    let patience = Instant::now() + Duration::from_mins(1);
    while ended.times().len() < committed.len() && Instant::now() < patience {
        ticks.tick().await;
    }
    let ended = ended.times();
    let mut times = Times::default();
    for (n, at) in committed {
        let done = ended.get(&n).context("a job did not end")?;
        times.add(done.saturating_duration_since(at));
    }
    Ok(times)
}

async fn enqueue<J: Job>(cx: &Ctx, job: &J) -> Result<()> {
    let mut tx = cx.db.begin(Scope::House("bench")).await?;
    job.enqueue(&mut tx, cx).await?;
    tx.commit().await?;
    Ok(())
}
