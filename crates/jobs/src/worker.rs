mod store;
mod thread;

use std::time::Duration as Wait;

use chrono::{DateTime, Duration, Utc};
use db::{Ctx, Scope};
use kernel::{Fault, FaultKind};
use serde_json::Value;
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{Attempt, JobError, JobId, Jobs, cron, desk, registry::Kind};

/// A node that says nothing for this long is dead, and its jobs are run by another.
pub const LEASE: Duration = Duration::seconds(30);
/// How often a node says that it lives: a try may be missed twice.
const RENEW_EVERY: Wait = Wait::from_secs(8);
/// How many jobs a node runs at once.
const AT_ONCE: usize = 16;
/// How long an idle node waits before it looks again, unless it is called: for jobs whose time comes, and when calls are lost.
pub(crate) const IDLE: Wait = Wait::from_millis(500);
/// Where nodes are called; the migration has the same.
pub const CHANNEL: &str = "noren_jobs";
/// How long a node that can't be called waits before it tries to be.
const DEAF: Wait = Wait::from_secs(1);
/// How often a node looks at the schedules and counts what waits.
const TICK_EVERY: Wait = Wait::from_secs(3);
/// How often the end of a try is written down when the database is away.
const RECORD_TRIES: u32 = 20;
const RECORD_PAUSE: Wait = Wait::from_millis(500);
/// The longest reason that is kept.
const LONGEST_REASON: usize = 500;

/// A job that this node has to run now.
#[derive(Debug)]
struct Claimed {
    id: JobId,
    kind: String,
    payload: Value,
    attempt: i32,
    max_attempts: i32,
    /// Whether the node that ran it before did not come back.
    rescued: bool,
}

/// How a try ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    Done,
    Again(DateTime<Utc>, String),
    Dead(String),
    /// The node stops; the try does not count.
    GivenBack,
}

/// Runs jobs as they come and looks at the schedules, until `stop`; then it takes no more, and gives back what is not done
/// within `drain`.
pub async fn work(room: Jobs, drain: Wait, stop: CancellationToken) {
    let mut running = JoinSet::new();
    let give_back = CancellationToken::new();
    let called = Notify::new();
    tokio::select! {
        () = take(&room, &called, (&mut running, &give_back), &stop) => {}
        () = hear(&room.cx, &called) => {}
    }
    let rest = async { while running.join_next().await.is_some() {} };
    if timeout(drain, rest).await.is_err() {
        give_back.cancel();
        while running.join_next().await.is_some() {}
    }
}

/// Takes jobs when it is called, when one has ended, and every now and then.
async fn take(
    room: &Jobs,
    called: &Notify,
    (running, give_back): (&mut JoinSet<Result<(), Fault>>, &CancellationToken),
    stop: &CancellationToken,
) {
    let mut looks = interval(TICK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut next = Instant::now();
    while !stop.is_cancelled() {
        let free = AT_ONCE.saturating_sub(running.len());
        if free > 0 && Instant::now() >= next {
            next = Instant::now() + room.idle;
            match claim(room, free).await {
                Ok(claimed) => {
                    for (lease, job) in claimed {
                        let (room, give_back) = (room.clone(), give_back.clone());
                        running.spawn(async move { attend(&room, lease, job, &give_back).await });
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "no job can be taken; the next look tries again");
                }
            }
        }
        let is_full = running.len() >= AT_ONCE;
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            _ = looks.tick() => look(room).await,
            Some(ended) = running.join_next() => {
                told(ended.unwrap_or(Ok(())));
                // another with its key may wait, or more than there was room for
                next = Instant::now();
            }
            () = called.notified(), if !is_full => next = Instant::now(),
            () = sleep_until(next), if !is_full => {}
        }
    }
}

/// Passes on that a job can be run, and that one may have been missed; never ends.
async fn hear(cx: &Ctx, called: &Notify) {
    loop {
        match cx.db.listen(CHANNEL).await {
            Ok(mut listener) => loop {
                // also once when we begin to listen, or listen again, for what came before
                called.notify_one();
                if let Err(error) = listener.try_recv().await {
                    tracing::debug!(%error, "calls for jobs can't be heard; listening again");
                    break;
                }
            },
            Err(error) => {
                tracing::warn!(%error, "calls for jobs can't be heard; jobs are looked for every half second");
                sleep(DEAF).await;
            }
        }
    }
}

/// Runs what is due now until nothing is left, one after the other, and returns how many tries that were; for tests and
/// the command line.
///
/// # Errors
/// When the database is away.
pub async fn run_due(room: &Jobs) -> Result<usize, Fault> {
    let mut tries = 0;
    loop {
        let claimed = claim(room, 1).await?;
        if claimed.is_empty() {
            return Ok(tries);
        }
        for (lease, job) in claimed {
            attend(room, lease, job, &CancellationToken::new()).await?;
            tries += 1;
        }
    }
}

fn told(ended: Result<(), Fault>) {
    if let Err(error) = ended {
        tracing::warn!(%error, "the end of a job could not be written down; it is run again when its lease has run out");
    }
}

async fn look(room: &Jobs) {
    if let Err(error) = cron::tick(room).await {
        tracing::warn!(%error, "the schedules can't be looked at; the next look tries again");
    }
    if let Err(error) = count(room).await {
        tracing::warn!(%error, "jobs can't be counted");
    }
}

/// Shows what waits, of every kind that this node knows, also when it is nothing.
async fn count(room: &Jobs) -> Result<(), Fault> {
    let found = desk::statistics(&room.cx).await?;
    for kind in room.registry.names() {
        let of = found.iter().find(|one| one.kind == kind);
        let gauge = |name: &'static str, value: i64| {
            let value = f64::from(u32::try_from(value).unwrap_or(u32::MAX));
            metrics::gauge!(name, "kind" => kind.clone()).set(value);
        };
        gauge("jobs_ready", of.map_or(0, |one| one.ready));
        gauge("jobs_running", of.map_or(0, |one| one.running));
        gauge("jobs_dead", of.map_or(0, |one| one.dead));
        gauge(
            "jobs_oldest_ready_seconds",
            of.and_then(|one| one.oldest_ready_seconds).unwrap_or(0),
        );
    }
    metrics::gauge!("jobs_stuck").set(f64::from(thread::stuck()));
    Ok(())
}

async fn begin(cx: &Ctx) -> Result<db::Tx, Fault> {
    cx.db
        .begin(Scope::House("the queue"))
        .await
        .map_err(db::fault)
}

/// Takes what is due, also from nodes whose lease has run out; what was lost too often is dead.
async fn claim(room: &Jobs, most: usize) -> Result<Vec<(Uuid, Claimed)>, Fault> {
    let (cx, lease) = (&room.cx, room.cx.ids.new_id());
    let (now, most) = (cx.clock.now(), i64::try_from(most).unwrap_or(1));
    let mut tx = begin(cx).await?;
    let kinds = room.registry.names();
    let buried = store::bury_lost(&mut tx, now).await.map_err(db::fault)?;
    let claimed = store::claim(&mut tx, &kinds, lease, (now, now + LEASE), most)
        .await
        .map_err(db::fault)?;
    tx.commit().await.map_err(db::fault)?;
    for (id, kind) in buried {
        tracing::error!(job = %id, kind, "a job is dead: each node that ran it died");
        metrics::counter!("jobs_dead_total", "kind" => kind).increment(1);
    }
    for job in claimed.iter().filter(|job| job.rescued) {
        tracing::warn!(job = %job.id, kind = job.kind, "a job is taken from a node that does not answer");
        metrics::counter!("jobs_rescued_total", "kind" => job.kind.clone()).increment(1);
    }
    Ok(claimed.into_iter().map(|job| (lease, job)).collect())
}

/// Runs one job to the end of its try, and writes that down if the lease still counts.
async fn attend(
    room: &Jobs,
    lease: Uuid,
    job: Claimed,
    give_back: &CancellationToken,
) -> Result<(), Fault> {
    let Some(kind) = room.registry.kinds.get(job.kind.as_str()) else {
        return Ok(()); // only known kinds are claimed
    };
    let attempt = Attempt {
        job: job.id,
        number: u16::try_from(job.attempt).unwrap_or(u16::MAX),
        last: u16::try_from(job.max_attempts).unwrap_or(u16::MAX),
        lease,
        cx: room.cx.clone(),
    };
    let result = tokio::select! {
        biased;
        result = run(kind, &job, &attempt) => result,
        () = lose(&room.cx, lease, job.id) => Err(JobError::Lost),
        () = give_back.cancelled() => {
            return record_patiently(room, lease, &job, &End::GivenBack).await;
        }
    };
    if let Some(end) = end(kind, &attempt, result, room.cx.clock.now()) {
        record_patiently(room, lease, &job, &end).await
    } else {
        late(&job);
        Ok(())
    }
}

/// Runs the work on a thread of its own, so that one that panics or never stops harms nobody else.
async fn run(kind: &Kind, job: &Claimed, attempt: &Attempt) -> Result<(), JobError> {
    let work = (kind.run)(job.payload.clone(), attempt.clone());
    thread::run(&job.kind, kind.limit, work).await
}

/// Says that we live, until the lease is lost.
async fn lose(cx: &Ctx, lease: Uuid, id: JobId) {
    let mut ticks = interval(RENEW_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        match renew(cx, lease, id).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => tracing::warn!(%error, job = %id, "a lease could not be renewed"),
        }
    }
}

async fn renew(cx: &Ctx, lease: Uuid, id: JobId) -> Result<bool, Fault> {
    let now = cx.clock.now();
    let mut tx = begin(cx).await?;
    let kept = store::renew(&mut tx, id, lease, now, now + LEASE)
        .await
        .map_err(db::fault)?;
    tx.commit().await.map_err(db::fault)?;
    Ok(kept)
}

/// What a result means for the job; none when the lease was lost and it means nothing.
fn end(
    kind: &Kind,
    attempt: &Attempt,
    result: Result<(), JobError>,
    now: DateTime<Utc>,
) -> Option<End> {
    match result {
        Ok(()) => Some(End::Done),
        Err(JobError::Lost) => None,
        Err(JobError::Fail(why)) => Some(End::Dead(short(&why))),
        Err(JobError::Retry(why)) if attempt.number >= attempt.last => Some(End::Dead(short(&why))),
        Err(JobError::Retry(why)) => {
            let wait = jittered((kind.wait_after)(attempt.number), by_lot());
            Some(End::Again(now + wait, short(&why)))
        }
    }
}

fn short(why: &str) -> String {
    why.chars()
        .filter(|c| !c.is_control())
        .take(LONGEST_REASON)
        .collect()
}

/// A tenth more or less by `lot`, so that what failed together does not come back together.
fn jittered(wait: Wait, lot: u8) -> Duration {
    let millis = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX / 1_000);
    let shift = millis.saturating_mul(i64::from(lot) - 128) / 1_280;
    Duration::milliseconds(millis.saturating_add(shift))
}

fn by_lot() -> u8 {
    let mut byte = [128_u8];
    // without entropy there is no jitter, which is no harm
    let _ = getrandom::fill(&mut byte);
    let [lot] = byte;
    lot
}

async fn record_patiently(room: &Jobs, lease: Uuid, job: &Claimed, end: &End) -> Result<(), Fault> {
    let mut tries = 0;
    loop {
        match record(&room.cx, lease, job, end).await {
            Err(fault) if fault.kind == FaultKind::Unavailable && tries < RECORD_TRIES => {
                tries += 1;
                sleep(RECORD_PAUSE).await;
            }
            Err(fault) => return Err(fault),
            Ok(true) => {
                tell(job, end);
                return Ok(());
            }
            Ok(false) => {
                late(job);
                return Ok(());
            }
        }
    }
}

/// Writes down how a try ended; false when the lease was lost.
async fn record(cx: &Ctx, lease: Uuid, job: &Claimed, end: &End) -> Result<bool, Fault> {
    let (now, id) = (cx.clock.now(), job.id);
    let mut tx = begin(cx).await?;
    let counted = match end {
        End::Done => store::done(&mut tx, id, lease, now).await,
        End::Dead(why) => store::dead(&mut tx, id, lease, now, why).await,
        End::Again(at, why) => store::again(&mut tx, id, lease, (now, *at), why).await,
        End::GivenBack => store::give_back(&mut tx, id, lease, now).await,
    }
    .map_err(in_line)?;
    tx.commit().await.map_err(db::fault)?;
    Ok(counted)
}

/// A job with the same key that came in between is seen by the next try to write down.
fn in_line(error: sqlx::Error) -> Fault {
    match error.as_database_error().and_then(|e| e.constraint()) {
        Some("job_one_waits") => Fault::unavailable("another job with its key came in line", error),
        _ => db::fault(error),
    }
}

fn late(job: &Claimed) {
    tracing::warn!(job = %job.id, kind = job.kind, "a result came after its lease and does not count");
    metrics::counter!("jobs_late_total", "kind" => job.kind.clone()).increment(1);
}

fn tell(job: &Claimed, end: &End) {
    let Claimed {
        id, kind, attempt, ..
    } = job;
    match end {
        End::Done => {
            tracing::debug!(job = %id, kind, attempt, "a job is done");
            metrics::counter!("jobs_done_total", "kind" => kind.clone()).increment(1);
        }
        End::GivenBack => tracing::info!(job = %id, kind, "a job is given back"),
        End::Again(at, why) => {
            tracing::warn!(job = %id, kind, attempt, why, %at, "a job failed; it is tried again");
            metrics::counter!("jobs_failed_total", "kind" => kind.clone()).increment(1);
        }
        End::Dead(why) => {
            tracing::error!(job = %id, kind, attempt, why, "a job is dead");
            metrics::counter!("jobs_dead_total", "kind" => kind.clone()).increment(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lots_move_a_wait_by_a_tenth_at_most() {
        let wait = Wait::from_secs(100);
        assert_eq!(jittered(wait, 128), Duration::seconds(100));
        assert_eq!(jittered(wait, 0), Duration::seconds(90));
        assert!(jittered(wait, 255) < Duration::seconds(110));
    }

    #[test]
    fn a_reason_is_bounded_and_one_line() {
        assert_eq!(short("a\nb"), "ab");
        assert_eq!(short(&"x".repeat(9_000)).len(), LONGEST_REASON);
    }
}
