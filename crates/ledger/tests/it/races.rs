use std::sync::Arc;

use tokio::{sync::Barrier, task::JoinSet};

use super::*;

/// Runs `work` as often as told, all at once, and counts successes.
async fn at_once<F: Future<Output = bool> + Send + 'static>(
    times: usize,
    work: impl Fn(usize) -> F,
) -> usize {
    let barrier = Arc::new(Barrier::new(times));
    let mut tasks = JoinSet::new();
    for n in 0..times {
        let (barrier, work) = (Arc::clone(&barrier), work(n));
        tasks.spawn(async move {
            barrier.wait().await;
            work.await
        });
    }
    tasks
        .join_all()
        .await
        .into_iter()
        .filter(|won| *won)
        .count()
}

#[tokio::test]
async fn sixty_four_spends_of_ten_units_are_ten_from_two_nodes_too() {
    let test = testkit::context().await;
    let other = Ctx::new(test.another_node().await, test.cx.clock.clone());
    for round in 0..20 {
        let t = tenant(&test).await;
        grant(&test.cx, t, Uuid::from_u128(1000 + round), 10, None)
            .await
            .unwrap();
        let nodes = [test.cx.clone(), other.clone()];
        let won = at_once(64, |n| {
            let cx = nodes[n % 2].clone();
            async move {
                match hold(&cx, t, 1).await {
                    Ok(id) => settle(&cx, t, id, 1).await.is_ok(),
                    Err(Error::Insufficient { .. }) => false,
                    Err(error) => panic!("{error}"),
                }
            }
        })
        .await;
        assert_eq!(won, 10);
        assert_eq!(balances(&test.cx, t).await, [0, 0, 10, 0, -10]);
    }
    assert_books_are_right(&test.cx).await;
}

#[tokio::test]
async fn the_same_grant_fifty_times_at_once_is_one() {
    let test = testkit::context().await;
    let t = tenant(&test).await;
    let won = at_once(50, |_| {
        let cx = test.cx.clone();
        async move { grant(&cx, t, Uuid::from_u128(9), 4, None).await.is_ok() }
    })
    .await;
    assert_eq!(won, 50, "each is told that it is done");
    assert_eq!(balances(&test.cx, t).await, [4, 0, 0, 0, -4]);
}

#[tokio::test]
async fn of_settle_release_and_lapse_exactly_one_wins() {
    let test = testkit::context().await;
    let t = tenant(&test).await;
    grant(&test.cx, t, Uuid::from_u128(1), 100, None)
        .await
        .unwrap();
    for _ in 0..20 {
        let before = balances(&test.cx, t).await;
        let id = hold(&test.cx, t, 2).await.unwrap();
        test.time.advance(Duration::minutes(2));
        let won = at_once(12, |n| {
            let cx = test.cx.clone();
            async move {
                match n % 3 {
                    0 => settle(&cx, t, id, 1).await.is_ok(),
                    1 => release(&cx, t, id).await.is_ok(),
                    _ => ledger::lapse_due(&cx, 10).await.unwrap() == 1,
                }
            }
        })
        .await;
        assert_eq!(won, 1);
        let after = balances(&test.cx, t).await;
        assert_eq!(after[1], 0, "nothing stays held");
        assert!(after[2] - before[2] <= 1);
    }
    assert_books_are_right(&test.cx).await;
}

#[tokio::test]
async fn every_snapshot_under_load_balances() {
    let test = testkit::context().await;
    let t = tenant(&test).await;
    grant(&test.cx, t, Uuid::from_u128(1), 1000, None)
        .await
        .unwrap();
    let mut writers = JoinSet::new();
    for n in 0..4_i64 {
        let cx = test.cx.clone();
        writers.spawn(async move {
            for step in 0..25 {
                let id = hold(&cx, t, 3).await.unwrap();
                settle(&cx, t, id, (n + step) % 4).await.unwrap();
            }
        });
    }
    let mut owner = test.database.owner().await;
    let mut snapshots = 0;
    while !writers.is_empty() || snapshots < 200 {
        let (sum, held): (i64, i64) = sqlx::query_as(
            "select coalesce(sum(balance), 0)::bigint, coalesce(sum(balance) filter (where kind = 'held'), 0)::bigint
             from audit.balances",
        )
        .fetch_one(&mut owner)
        .await
        .unwrap();
        assert_eq!(sum, 0);
        assert!((0..=12).contains(&held), "{held}");
        snapshots += 1;
        while writers.try_join_next().is_some_and(|done| done.is_ok()) {}
    }
    let [available, held, spent, ..] = balances(&test.cx, t).await;
    assert_eq!((available + spent, held), (1000, 0));
    assert_books_are_right(&test.cx).await;
}
