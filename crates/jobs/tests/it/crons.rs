use chrono::Duration;
use db::Ctx;
use jobs::{CatchUp, Jobs, Registry, tick};

use crate::{Bench, Does, task};

fn open(cx: &Ctx) -> Jobs {
    let registry = Registry::default()
        .job::<crate::Task>(&Bench::default())
        .cron(
            "test.nightly",
            "30 3 * * *",
            chrono_tz::Asia::Tokyo,
            CatchUp::RunOnce,
            &task(Does::Well),
        )
        .unwrap()
        .cron(
            "test.hourly",
            "0 * * * *",
            chrono_tz::Asia::Tokyo,
            CatchUp::Skip,
            &task(Does::Well),
        )
        .unwrap();
    Jobs::open(cx.clone(), registry).unwrap()
}

async fn enqueued(test: &testkit::TestCtx) -> i64 {
    sqlx::query_scalar("select count(*) from jobs.job where kind = 'test.task'")
        .fetch_one(&mut test.database.owner().await)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_schedule_ticks_once_for_three_nodes_over_two_days() {
    let test = testkit::context().await;
    let mut nodes = Vec::new();
    for _ in 0..3 {
        let cx = Ctx {
            db: test.another_node().await,
            ..test.cx.clone()
        };
        nodes.push(open(&cx));
    }
    for _ in 0..=48 * 4 {
        let (a, b, c) = tokio::join!(tick(&nodes[0]), tick(&nodes[1]), tick(&nodes[2]));
        assert!(a.unwrap() + b.unwrap() + c.unwrap() <= 2);
        test.time.advance(Duration::minutes(15));
    }
    // from 18:00 in Japan on the 20th to 18:00 on the 22nd: 48 hours and two nights
    assert_eq!(enqueued(&test).await, 48 + 2);
}

#[tokio::test]
async fn after_a_week_without_a_node_the_nightly_run_is_done_once_and_the_hourly_ones_are_skipped()
{
    let test = testkit::context().await;
    let room = open(&test.cx);
    assert_eq!(
        tick(&room).await.unwrap(),
        0,
        "a new schedule has missed nothing"
    );
    test.time.advance(Duration::days(7) + Duration::minutes(40));
    assert_eq!(tick(&room).await.unwrap(), 1);
    assert_eq!(tick(&room).await.unwrap(), 0);
    assert_eq!(enqueued(&test).await, 1);

    let seen = jobs::crons(&room).await.unwrap();
    let nightly = seen
        .iter()
        .find(|cron| cron.name == "test.nightly")
        .unwrap();
    assert_eq!(nightly.last_run_at, Some(test.cx.clock.now()));
    assert_eq!(
        nightly.next_run_at,
        Some(testkit::instant("2026-11-27T18:30:00Z"))
    );
}
