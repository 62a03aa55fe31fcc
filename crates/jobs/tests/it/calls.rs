use std::time::Duration;

use db::{Ctx, Scope};
use jobs::{Attempt, CHANNEL, Job, JobError, Jobs, Registry};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Bench, Does, enqueue, open, task};

/// So long that a job which waited for it is one that was not called for.
const NEVER: Duration = Duration::from_hours(1);
const PATIENCE: Duration = Duration::from_secs(20);

/// A job that says that it began, and does not end: a node looks again by itself when one ends.
#[derive(Debug, Serialize, Deserialize)]
struct Endless;

impl Job for Endless {
    const NAME: &'static str = "test.endless";
    const LIMIT: Duration = NEVER;
    type Room = Bench;

    async fn run(&self, bench: &Bench, _: &Attempt) -> Result<(), JobError> {
        bench.began.notify_one();
        std::future::pending().await
    }
}

async fn put_in_line(cx: &Ctx) {
    let mut tx = cx.db.begin(Scope::House("test")).await.unwrap();
    Endless.enqueue(&mut tx, cx).await.unwrap();
    tx.commit().await.unwrap();
}

/// A node that looks by itself once, when it starts, and has seen that there is nothing else.
async fn idle(test: &testkit::TestCtx) -> (Bench, CancellationToken, tokio::task::JoinHandle<()>) {
    let bench = Bench::default();
    put_in_line(&test.cx).await;
    let stop = CancellationToken::new();
    let registry = Registry::default().job::<Endless>(&bench);
    let room = Jobs::open(test.cx.clone(), registry)
        .unwrap()
        .looking_every(NEVER);
    let working = tokio::spawn(jobs::work(room, Duration::ZERO, stop.clone()));
    begun(&bench, "what was there when it started").await;
    (bench, stop, working)
}

async fn begun(bench: &Bench, what: &str) {
    let began = timeout(PATIENCE, bench.began.notified()).await;
    assert!(began.is_ok(), "not begun: {what}");
}

/// Who hears the calls.
async fn listeners(test: &testkit::TestCtx) -> Vec<i32> {
    let mut owner = test.database.owner().await;
    sqlx::query_scalar(
        "select pid from pg_stat_activity
         where datname = current_database() and query ilike 'listen %' and query ilike '%' || $1 || '%' and pid <> pg_backend_pid()",
    )
    .bind(CHANNEL)
    .fetch_all(&mut owner)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_job_is_begun_without_waiting_for_a_look_whoever_enqueued_it() {
    let test = testkit::context().await;
    let (bench, stop, working) = idle(&test).await;
    let elsewhere = Ctx::new(test.database.connect().await, test.time.clock());
    for n in 0..5 {
        put_in_line(&elsewhere).await;
        begun(&bench, &format!("number {n} of another process")).await;
    }
    stop.cancel();
    working.await.unwrap();
}

#[tokio::test]
async fn a_job_that_is_revived_is_called_for() {
    let test = testkit::context().await;
    let mut listener = test.cx.db.listen(CHANNEL).await.unwrap();
    let bench = Bench::default();
    let room = open(&test.cx, &bench);
    let id = enqueue(&test.cx, &task(Does::Never)).await.unwrap();
    listener.recv().await.unwrap();
    jobs::run_due(&room).await.unwrap();
    let mut tx = test.cx.db.begin(Scope::House("test")).await.unwrap();
    let retried = jobs::retry(&mut tx, &test.cx, id).await.unwrap();
    tx.commit().await.unwrap();
    assert!(matches!(retried, jobs::Retried::InLine));
    timeout(PATIENCE, listener.recv()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_node_that_lost_its_ear_looks_at_once_when_it_hears_again() {
    let test = testkit::context().await;
    let (bench, stop, working) = idle(&test).await;
    let mut owner = test.database.owner().await;
    let mut ears = listeners(&test).await;
    while ears.is_empty() {
        tokio::task::yield_now().await;
        ears = listeners(&test).await;
    }
    // nobody is called for this one: it came while nobody could hear
    sqlx::query("alter table jobs.job disable trigger user")
        .execute(&mut owner)
        .await
        .unwrap();
    put_in_line(&test.cx).await;
    sqlx::query("alter table jobs.job enable trigger user")
        .execute(&mut owner)
        .await
        .unwrap();
    for ear in ears {
        sqlx::query("select pg_terminate_backend($1)")
            .bind(ear)
            .execute(&mut owner)
            .await
            .unwrap();
    }
    begun(&bench, "what came while it could not hear").await;
    put_in_line(&test.cx).await;
    begun(&bench, "what came afterwards").await;
    stop.cancel();
    working.await.unwrap();
}

#[tokio::test]
async fn however_many_jobs_a_transaction_enqueues_it_calls_once() {
    let test = testkit::context().await;
    let mut listener = test.cx.db.listen(CHANNEL).await.unwrap();
    let mut tx = test.cx.db.begin(Scope::House("test")).await.unwrap();
    for _ in 0..100 {
        task(Does::Well).enqueue(&mut tx, &test.cx).await.unwrap();
    }
    tx.commit().await.unwrap();
    let mut tx = test.cx.db.begin(Scope::House("test")).await.unwrap();
    let later = test.cx.clock.now() + chrono::Duration::hours(1);
    let job = task(Does::Well);
    job.enqueue_at(&mut tx, &test.cx, later).await.unwrap();
    tx.commit().await.unwrap();
    let mut owner = test.database.owner().await;
    sqlx::query("select pg_notify($1, 'that was all')")
        .bind(CHANNEL)
        .execute(&mut owner)
        .await
        .unwrap();
    let mut heard = Vec::new();
    while heard.last().is_none_or(|last| last != "that was all") {
        heard.push(listener.recv().await.unwrap().payload().to_owned());
    }
    assert_eq!(heard, ["", "that was all"]);
}
