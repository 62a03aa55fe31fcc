use std::collections::BTreeSet;

use chrono::Duration;
use db::Scope;
use jobs::{JobFilter, JobState, LEASE, Retried, run_due};
use kernel::PageRequest;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{Bench, Does, Job, enqueue, kept, keyed, open, task};

#[tokio::test]
async fn a_job_is_there_exactly_when_its_transaction_is() {
    let test = testkit::context().await;
    let mut workers = JoinSet::new();
    for worker in 0..8_u32 {
        let cx = test.cx.clone();
        workers.spawn(async move {
            let mut wanted = BTreeSet::new();
            for n in 0..1_250 {
                // half of them in a tenant's transaction, as rooms do it
                let scope = if n % 2 == 0 {
                    Scope::House("test")
                } else {
                    Scope::Tenant {
                        tenant: Uuid::from_u128(1),
                        user: None,
                    }
                };
                let mut tx = cx.db.begin(scope).await.unwrap();
                let id = task(Does::Well)
                    .enqueue(&mut tx, &cx)
                    .await
                    .unwrap()
                    .unwrap();
                if (n + worker) % 10 < 3 {
                    // a dropped transaction rolls back, too
                    if n % 3 == 0 {
                        tx.rollback().await.unwrap();
                    } else {
                        drop(tx);
                    }
                } else {
                    tx.commit().await.unwrap();
                    wanted.insert(id.0);
                }
            }
            wanted
        });
    }
    let wanted: BTreeSet<Uuid> = workers.join_all().await.into_iter().flatten().collect();
    assert_eq!(wanted.len(), 7_000);
    let found: Vec<Uuid> = sqlx::query_scalar("select id from jobs.job")
        .fetch_all(&mut test.database.owner().await)
        .await
        .unwrap();
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), wanted);
}

#[tokio::test]
async fn a_tenants_transaction_enqueues_and_reads_nothing() {
    let test = testkit::context().await;
    let scope = Scope::Tenant {
        tenant: Uuid::from_u128(1),
        user: None,
    };
    let mut tx = test.cx.db.begin(scope).await.unwrap();
    task(Does::Well)
        .enqueue(&mut tx, &test.cx)
        .await
        .unwrap()
        .unwrap();
    let refused = sqlx::query("select id from jobs.job")
        .fetch_all(&mut *tx)
        .await
        .unwrap_err();
    assert_eq!(
        refused.as_database_error().unwrap().code().unwrap(),
        "42501"
    );
}

#[tokio::test]
async fn what_fails_is_tried_again_later_each_time_and_then_dead_with_its_reason() {
    let test = testkit::context().await;
    let bench = Bench::default();
    let room = open(&test.cx, &bench);
    let id = enqueue(&test.cx, &task(Does::Badly)).await.unwrap();
    let never = enqueue(&test.cx, &task(Does::Never)).await.unwrap();

    assert_eq!(run_due(&room).await.unwrap(), 2);
    assert_eq!(
        kept(&test, never).await,
        ("dead".to_owned(), 1, Some("never".to_owned()))
    );
    assert_eq!(run_due(&room).await.unwrap(), 0, "not before its time");
    for wait in [6, 23] {
        test.time.advance(Duration::seconds(wait));
        assert_eq!(run_due(&room).await.unwrap(), 1);
    }
    assert_eq!(
        kept(&test, id).await,
        ("dead".to_owned(), 3, Some("not today".to_owned()))
    );

    let mut tx = test.cx.db.begin(Scope::House("test")).await.unwrap();
    assert_eq!(
        jobs::retry(&mut tx, &test.cx, id).await.unwrap(),
        Retried::InLine
    );
    assert_eq!(
        jobs::retry(&mut tx, &test.cx, id).await.unwrap(),
        Retried::NotDead
    );
    tx.commit().await.unwrap();
    assert_eq!(run_due(&room).await.unwrap(), 1);
    assert_eq!(kept(&test, id).await.1, 1, "it has all its tries again");
}

#[tokio::test]
async fn a_panic_and_an_endless_loop_harm_nobody_else() {
    let test = testkit::context().await;
    let bench = Bench::default();
    let room = open(&test.cx, &bench);
    let panics = enqueue(&test.cx, &task(Does::Panics)).await.unwrap();
    let spins = enqueue(&test.cx, &task(Does::Spins)).await.unwrap();
    let well = enqueue(&test.cx, &task(Does::Well)).await.unwrap();

    assert_eq!(run_due(&room).await.unwrap(), 3);

    assert_eq!(
        kept(&test, panics).await,
        (
            "queued".to_owned(),
            1,
            Some("panicked: out of luck".to_owned())
        )
    );
    assert_eq!(
        kept(&test, spins).await,
        (
            "queued".to_owned(),
            1,
            Some("not done within 1 s".to_owned())
        )
    );
    assert_eq!(kept(&test, well).await.0, "done");
}

#[tokio::test]
async fn of_jobs_with_the_same_key_one_waits_and_one_runs() {
    let test = testkit::context().await;
    let bench = Bench::default();
    let room = open(&test.cx, &bench);
    let first = enqueue(&test.cx, &keyed(Does::Waits, "site"))
        .await
        .unwrap();
    assert_eq!(
        enqueue(&test.cx, &keyed(Does::Well, "site")).await,
        None,
        "one waits already"
    );
    let node = room.clone();
    let working = tokio::spawn(async move { run_due(&node).await });
    bench.began.notified().await;

    let second = enqueue(&test.cx, &keyed(Does::Well, "site"))
        .await
        .expect("the first has begun");
    assert_eq!(run_due(&room).await.unwrap(), 0, "it waits for the first");
    bench.go_on.notify_one();

    assert_eq!(working.await.unwrap().unwrap(), 2);
    for id in [first, second] {
        assert_eq!(kept(&test, id).await.0, "done");
    }
}

#[tokio::test]
async fn a_result_that_comes_after_the_lease_does_not_count() {
    let test = testkit::context().await;
    let (slow, quick) = (Bench::default(), Bench::default());
    let (one, other) = (open(&test.cx, &slow), open(&test.cx, &quick));
    let id = enqueue(&test.cx, &task(Does::Waits)).await.unwrap();
    let late = tokio::spawn(async move { run_due(&one).await });
    slow.began.notified().await;

    assert_eq!(run_due(&other).await.unwrap(), 0, "the lease holds");
    test.time.advance(LEASE);
    quick.go_on.notify_one();
    assert_eq!(
        run_due(&other).await.unwrap(),
        1,
        "rescued at the lease's end"
    );
    slow.go_on.notify_one();
    late.await.unwrap().unwrap();

    assert_eq!(kept(&test, id).await.1, 2, "the second try's result stands");
    assert_eq!(kept(&test, id).await.0, "done");
    assert_eq!((slow.ran(), quick.ran()), (1, 1));
}

#[tokio::test]
async fn a_hundred_late_results_are_refused_even_when_nobody_took_the_jobs() {
    let test = testkit::context().await;
    let bench = Bench::default();
    let room = open(&test.cx, &bench);
    for round in 1..=100 {
        let id = enqueue(&test.cx, &task(Does::Waits)).await.unwrap();
        let running = {
            let room = room.clone();
            tokio::spawn(async move { run_due(&room).await })
        };
        bench.began.notified().await;
        test.time.advance(LEASE);
        bench.go_on.notify_one();
        // had the late result counted, there would be no second try to go on
        bench.began.notified().await;
        bench.go_on.notify_one();
        running.await.unwrap().unwrap();
        assert_eq!(
            kept(&test, id).await,
            ("done".to_owned(), 2, None),
            "round {round}"
        );
    }
}

#[tokio::test]
async fn a_job_whose_nodes_die_each_time_is_dead() {
    let test = testkit::context().await;
    let bench = Bench::default();
    let id = enqueue(&test.cx, &task(Does::Waits)).await.unwrap();
    for _ in 0..3 {
        let room = open(&test.cx, &bench);
        let dies = tokio::spawn(async move { run_due(&room).await });
        bench.began.notified().await;
        dies.abort();
        test.time.advance(LEASE);
    }
    assert_eq!(run_due(&open(&test.cx, &bench)).await.unwrap(), 0);
    let (state, attempt, why) = kept(&test, id).await;
    assert_eq!((state.as_str(), attempt), ("dead", 3));
    assert_eq!(why.unwrap(), "the node that ran it did not come back");
}

#[tokio::test]
async fn a_node_that_stops_gives_back_what_it_can_not_finish() {
    let test = testkit::context().await;
    let bench = Bench::default();
    let id = enqueue(&test.cx, &task(Does::Waits)).await.unwrap();
    let stop = CancellationToken::new();
    let working = tokio::spawn(jobs::work(
        open(&test.cx, &bench),
        std::time::Duration::ZERO,
        stop.clone(),
    ));
    bench.began.notified().await;
    stop.cancel();
    working.await.unwrap();
    assert_eq!(
        kept(&test, id).await,
        ("queued".to_owned(), 0, None),
        "as if it had not been tried"
    );
}

#[tokio::test]
async fn the_operator_sees_counts_and_calls_off() {
    let test = testkit::context().await;
    let bench = Bench::default();
    let room = open(&test.cx, &bench);
    let ready = enqueue(&test.cx, &task(Does::Well)).await.unwrap();
    test.time.advance(Duration::seconds(90));
    let mut tx = test.cx.db.begin(Scope::House("test")).await.unwrap();
    let later = test.cx.clock.now() + Duration::hours(1);
    let scheduled = task(Does::Well)
        .enqueue_at(&mut tx, &test.cx, later)
        .await
        .unwrap()
        .unwrap();
    tx.commit().await.unwrap();

    let request = PageRequest {
        limit: 10,
        after: None,
    };
    let seen = jobs::list(&test.cx, &JobFilter::default(), &request)
        .await
        .unwrap()
        .items;
    let seen: Vec<_> = seen.iter().map(|job| (job.id, job.state)).collect();
    assert_eq!(
        seen,
        [(scheduled, JobState::Scheduled), (ready, JobState::Ready)]
    );
    let counts = jobs::statistics(&test.cx).await.unwrap();
    assert_eq!(
        (counts[0].ready, counts[0].oldest_ready_seconds),
        (1, Some(90))
    );

    let mut tx = test.cx.db.begin(Scope::House("test")).await.unwrap();
    assert!(jobs::cancel(&mut tx, &test.cx, ready).await.unwrap());
    assert!(!jobs::cancel(&mut tx, &test.cx, ready).await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(run_due(&room).await.unwrap(), 0);
    assert_eq!(bench.ran(), 0);
}
