use sqlx::{Connection, PgConnection};
use tokio::task::JoinSet;

use super::*;

async fn two_nodes(test: &testkit::TestCtx, plans: &PlanFile) -> (Entitlement, Entitlement) {
    let other = Ctx::new(test.another_node().await, test.cx.clock.clone());
    (open(&test.cx, plans).await, open(&other, plans).await)
}

fn usage(amount: i64) -> Usage {
    Usage {
        amount,
        model: "m".to_owned(),
        tokens_in: 1,
        tokens_out: 1,
        cost_nano_usd: 1,
        outcome: Outcome::Completed,
    }
}

/// Admits, records and ends so many pieces of work, many in one transaction; returns how many were refused.
async fn work_off(room: &Entitlement, caller: Principal, times: usize) -> usize {
    let mut refused = 0;
    let work = work(room);
    let mut left = times;
    while left > 0 {
        let mut admitted = Vec::new();
        for _ in 0..left.min(50) {
            match entitlement::admit(room, caller, &work).await {
                Ok(admission) => admitted.push(admission),
                Err(error) => {
                    assert!(matches!(error, Error::QuotaExhausted { .. }), "{error:?}");
                    refused += 1;
                    left -= 1;
                }
            }
        }
        let mut tx = room.cx.db.begin(caller.scope()).await.unwrap();
        let rows: Vec<_> = admitted.iter().collect();
        let recorded = entitlement::record_all(&mut tx, room, &rows).await.unwrap();
        tx.commit().await.unwrap();
        for admission in &admitted {
            if recorded.contains(&admission.reservation.id) {
                admission.reservation.confirm();
            }
        }
        let endings: Vec<_> = recorded.iter().map(|id| (*id, usage(1))).collect();
        let mut tx = room.cx.db.begin(caller.scope()).await.unwrap();
        let settled = entitlement::settle_all(&mut tx, room, &endings)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        settled.done();
        left -= recorded.len();
    }
    refused
}

async fn books_are_right(test: &testkit::TestCtx) {
    assert_eq!(ledger::verify(&test.cx).await.unwrap(), []);
    assert_eq!(entitlement::verify(&test.cx).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_under_the_quota_at_two_nodes_are_all_admitted_and_the_next_is_not() {
    let test = testkit::context().await;
    let (one, two) = two_nodes(&test, &plan_file(100_000, 100_000, 10_000)).await;
    let caller = guest(&one).await;
    let mut tasks = JoinSet::new();
    for room in [&one, &two] {
        for _ in 0..2 {
            let room = room.clone();
            tasks.spawn(async move { work_off(&room, caller, 2_500).await });
        }
    }
    let refused: usize = tasks.join_all().await.into_iter().sum();
    assert_eq!(refused, 0, "nobody is refused while there is some left");
    assert!(matches!(
        reserve(&two, caller).await,
        Err(Error::QuotaExhausted { .. })
    ));
    one.close().await;
    two.close().await;
    assert_eq!(stock(&one, caller).await, [0, 0, 10_000]);
    books_are_right(&test).await;
}

#[tokio::test]
async fn no_sixty_seconds_at_two_nodes_admit_more_than_the_rate() {
    let test = testkit::context().await;
    let (one, two) = two_nodes(&test, &plan_file(4, 100, 1000)).await;
    let caller = guest(&one).await;
    let mut admitted = Vec::new();
    for n in 0..120 {
        let room = if n % 3 == 0 { &one } else { &two };
        match reserve(room, caller).await {
            Ok(_) => admitted.push(test.cx.clock.now()),
            Err(Error::RateExceeded {
                retry_after_secs, ..
            }) => assert!((1..=60).contains(&retry_after_secs)),
            Err(error) => unreachable!("{error}"),
        }
        test.time.advance(Duration::milliseconds(1_700));
    }
    for window in admitted.windows(5) {
        assert!(window[4] - window[0] >= Duration::seconds(60), "{window:?}");
    }
    assert!(admitted.len() >= 12, "{} in 204 s", admitted.len());
}

#[tokio::test]
async fn what_one_node_holds_and_does_not_use_comes_to_the_one_that_needs_it() {
    let test = testkit::context().await;
    let (one, two) = two_nodes(&test, &plan_file(100, 1, 100)).await;
    let caller = guest(&one).await;
    for turn in 0..4 {
        let (room, other) = if turn % 2 == 0 {
            (&one, &two)
        } else {
            (&two, &one)
        };
        let held = reserve(room, caller).await.unwrap();
        assert!(matches!(
            reserve(other, caller).await,
            Err(Error::ConcurrencyExceeded { concurrent: 1, .. })
        ));
        settle(room, caller, &held, 1).await.unwrap();
    }
    assert_eq!(stock(&one, caller).await, [96, 0, 4]);
    books_are_right(&test).await;
}

#[tokio::test]
async fn a_new_plan_holds_from_the_next_message_on_at_every_node() {
    let test = testkit::context().await;
    let (one, two) = two_nodes(&test, &plan_file(100, 10, 100)).await;
    let caller = guest(&one).await;
    let mut kept = Vec::new();
    for room in [&one, &two] {
        let reservation = reserve(room, caller).await.unwrap();
        assert_eq!(reservation.plan().id, "guest");
        kept.push(reservation);
    }
    entitlement::assign(&test.cx, caller.tenant, "misaki", "paid")
        .await
        .unwrap();
    for room in [&one, &two] {
        assert_eq!(reserve(room, caller).await.unwrap().plan().id, "paid");
    }
}

#[tokio::test]
async fn what_a_dead_node_kept_comes_back_once_its_lease_is_over() {
    let test = testkit::context().await;
    let (one, two) = two_nodes(&test, &plan_file(1000, 1000, 40)).await;
    let caller = guest(&one).await;
    // busy enough to hold more than it uses
    let mut kept = Vec::new();
    for _ in 0..12 {
        kept.push(reserve(&one, caller).await.unwrap());
    }
    settle(&one, caller, &kept[0], 1).await.unwrap();
    drop(kept);
    drop(one);
    test.time.advance(Duration::seconds(16));
    assert_eq!(
        entitlement::lapse_due(&test.cx, Duration::zero(), 100)
            .await
            .unwrap(),
        11
    );
    assert_eq!(stock(&two, caller).await, [39, 0, 1]);
    assert_eq!(work_off(&two, caller, 40).await, 1);
    two.close().await;
    assert_eq!(stock(&two, caller).await, [0, 0, 40]);
    books_are_right(&test).await;
}

/// How many pieces of work the rate lets begin now, each over at once.
async fn room_in_the_rate(room: &Entitlement, caller: Principal) -> usize {
    let mut begun = 0;
    while let Ok(kept) = reserve(room, caller).await {
        settle(room, caller, &kept, 1).await.unwrap();
        begun += 1;
    }
    begun
}

#[tokio::test]
async fn what_a_dead_node_may_have_begun_and_not_written_counts_for_a_minute() {
    let test = testkit::context().await;
    let (one, two) = two_nodes(&test, &plan_file(10, 100, 1000)).await;
    let caller = guest(&one).await;
    let written = reserve(&one, caller).await.unwrap();
    let work = work(&one);
    let unwritten = entitlement::admit(&one, caller, &work).await.unwrap();
    // it dies with both: nothing is given back
    std::mem::forget((written, unwritten, one));
    test.time.advance(Duration::seconds(16));
    let begun = room_in_the_rate(&two, caller).await;
    assert!((1..=8).contains(&begun), "{begun} beside the two of ten");
    // a minute after the end of its lease they are forgotten
    test.time.advance(Duration::seconds(60));
    assert_eq!(room_in_the_rate(&two, caller).await, 10);
}

#[tokio::test]
async fn work_that_was_given_up_before_its_transaction_committed_takes_nothing() {
    let test = testkit::context().await;
    let room = open(&test.cx, &plan_file(1, 1, 1)).await;
    let caller = guest(&room).await;
    let work = work(&room);
    drop(entitlement::admit(&room, caller, &work).await.unwrap());
    let mut tx = room.cx.db.begin(caller.scope()).await.unwrap();
    drop(
        entitlement::reserve(&mut tx, &room, caller, &work)
            .await
            .unwrap(),
    );
    tx.rollback().await.unwrap();
    reserve(&room, caller).await.unwrap();
    assert_eq!(stock(&room, caller).await, [0, 1, 0]);
}

#[tokio::test]
async fn a_quiet_tenants_books_show_a_hold_for_each_piece_of_work() {
    let test = testkit::context().await;
    let room = open(&test.cx, &plan_file(1000, 1000, 100)).await;
    let caller = guest(&room).await;
    for n in 1..=3 {
        let held = reserve(&room, caller).await.unwrap();
        assert_eq!(stock(&room, caller).await, [100 - n, 1, n - 1]);
        settle(&room, caller, &held, 1).await.unwrap();
        assert_eq!(stock(&room, caller).await, [100 - n, 0, n]);
        test.time.advance(Duration::seconds(2));
    }
}

#[tokio::test]
async fn a_months_days_are_the_tenants_own_and_sum_up_to_its_usage_rows() {
    let test = testkit::context().await;
    let room = open(&test.cx, &plan_file(1000, 1000, 100)).await;
    let caller = guest(&room).await;
    // 18:00 in Tokyo, then past its midnight, then in the next month
    for hours in [0, 7, 24 * 11] {
        test.time.advance(Duration::hours(hours));
        for amount in [1, 0] {
            let held = reserve(&room, caller).await.unwrap();
            settle(&room, caller, &held, amount).await.unwrap();
        }
    }
    let first = testkit::instant("2026-11-01T00:00:00Z").date_naive();
    let month = entitlement::usage_days(&room, caller, "misaki", first)
        .await
        .unwrap();
    let days: Vec<(String, i64, i64)> = month
        .days
        .iter()
        .map(|day| (day.day.to_string(), day.sums.requests, day.sums.units[UNIT]))
        .collect();
    assert_eq!(
        days,
        [
            ("2026-11-20".to_owned(), 2, 1),
            ("2026-11-21".to_owned(), 2, 1)
        ]
    );
    assert_eq!(
        (month.month.as_str(), month.zone.as_str()),
        ("2026-11", "Asia/Tokyo")
    );
    let totals = &month.totals;
    assert_eq!(
        (
            totals.requests,
            totals.units[UNIT],
            totals.tokens_in,
            totals.tokens_out,
            totals.cost_nano_usd
        ),
        (4, 2, 12, 20, 28)
    );
}

/// Waits until so many transactions of this database wait for others.
async fn waiting(watch: &mut PgConnection, wanted: i64) {
    let look = async {
        loop {
            let waiting: i64 = sqlx::query_scalar(
                "select count(distinct pid) from pg_locks where not granted and pid in
                     (select pid from pg_locks where database = (select oid from pg_database where datname = current_database()))",
            )
            .fetch_one(&mut *watch)
            .await
            .unwrap();
            if waiting >= wanted {
                return;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), look)
        .await
        .unwrap();
}

#[tokio::test]
async fn what_gives_a_lease_back_and_what_deletes_it_do_not_wait_for_each_other() {
    let test = testkit::context().await;
    let (one, two) = two_nodes(&test, &plan_file(1000, 1000, 100)).await;
    let caller = guest(&one).await;
    // many at once make it take more units than one piece of work needs
    let done = futures::future::join_all((0..21).map(|_| reserve(&one, caller))).await;
    for done in done {
        settle(&one, caller, &done.unwrap(), 1).await.unwrap();
    }
    let (mut books, mut watch) = (test.database.owner().await, test.database.owner().await);
    let mut held = books.begin().await.unwrap();
    sqlx::query("select pg_advisory_xact_lock(hashtextextended($1, 0))")
        .bind(format!("ledger:{}:{UNIT}", caller.tenant))
        .execute(&mut *held)
        .await
        .unwrap();
    // the lease is over, its holder gives it back, and units are granted anew
    test.time.advance(Duration::days(1));
    let asking = async {
        waiting(&mut watch, 1).await;
        let asking = reserve(&two, caller);
        let letting = async {
            waiting(&mut watch, 2).await;
            held.commit().await.unwrap();
        };
        futures::join!(asking, letting).0
    };
    let ((), asked) = futures::join!(one.close(), asking);
    asked.unwrap();
    let lost: i64 = sqlx::query_scalar(
        "select count(*) from entitlement.block
         where state = 'open' and lease_id not in (select id from entitlement.lease)",
    )
    .fetch_one(&mut watch)
    .await
    .unwrap();
    assert_eq!(lost, 0, "what was held is given back");
}

#[tokio::test]
async fn who_asks_for_what_is_idle_and_who_gives_it_back_do_not_wait_for_each_other() {
    let test = testkit::context().await;
    let (one, two) = two_nodes(&test, &plan_file(1000, 1000, 60)).await;
    let caller = guest(&one).await;
    // the other takes all of it and comes to use little
    let taken = futures::future::join_all((0..60).map(|_| reserve(&two, caller))).await;
    for held in taken {
        settle(&two, caller, &held.unwrap(), 0).await.unwrap();
    }
    assert_eq!(stock(&one, caller).await, [0, 60, 0]);
    let (mut other, mut watch) = (test.database.owner().await, test.database.owner().await);
    let mut gives = other.begin().await.unwrap();
    sqlx::query("select id from entitlement.lease where tenant_id = $1 for update")
        .bind(caller.tenant.0)
        .fetch_all(&mut *gives)
        .await
        .unwrap();
    let giving = async {
        waiting(&mut watch, 1).await;
        // as the other does: its lease first, and then the books
        sqlx::query("select pg_advisory_xact_lock(hashtextextended($1, 0))")
            .bind(format!("ledger:{}:{UNIT}", caller.tenant))
            .execute(&mut *gives)
            .await
            .unwrap();
        gives.commit().await.unwrap();
    };
    let (asked, ()) = futures::join!(reserve(&one, caller), giving);
    assert!(
        matches!(asked, Ok(_) | Err(Error::QuotaExhausted { .. })),
        "{asked:?}"
    );
}
