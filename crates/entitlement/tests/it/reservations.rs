use std::sync::Arc;

use tokio::{sync::Barrier, task::JoinSet};

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_at_once_against_a_hundred_units_admit_a_hundred_from_two_nodes() {
    let test = testkit::context().await;
    let plans = plan_file(100_000, 100_000, 100);
    let one = open(&test.cx, &plans).await;
    let two = open(
        &Ctx::new(test.another_node().await, test.cx.clock.clone()),
        &plans,
    )
    .await;
    let caller = guest(&one).await;
    let barrier = Arc::new(Barrier::new(1000));
    let mut tasks = JoinSet::new();
    for n in 0..1000 {
        let (room, barrier) = (
            if n % 2 == 0 { one.clone() } else { two.clone() },
            Arc::clone(&barrier),
        );
        tasks.spawn(async move {
            barrier.wait().await;
            // a pool that is busy for longer than its patience refuses to wait; the client asks again
            loop {
                match reserve(&room, caller).await {
                    Err(Error::Fault(fault)) if fault.kind == kernel::FaultKind::Unavailable => {}
                    other => break other,
                }
            }
        });
    }
    let mut admitted = 0;
    for result in tasks.join_all().await {
        match result {
            Ok(_) => admitted += 1,
            Err(Error::QuotaExhausted { .. }) => {}
            Err(error) => unreachable!("{error}"),
        }
    }
    assert_eq!(admitted, 100);
    assert_eq!(stock(&one, caller).await, [0, 100, 0]);
    assert_eq!(ledger::verify(&test.cx).await.unwrap(), []);
}

#[tokio::test]
async fn no_sixty_seconds_ever_admit_more_than_the_rate() {
    let test = testkit::context().await;
    let room = open(&test.cx, &plan_file(3, 100, 100)).await;
    let caller = guest(&room).await;
    let mut admitted = Vec::new();
    for _ in 0..200 {
        match reserve(&room, caller).await {
            Ok(_) => admitted.push(test.cx.clock.now()),
            Err(Error::RateExceeded {
                retry_after_secs, ..
            }) => {
                assert!((1..=60).contains(&retry_after_secs));
            }
            Err(error) => unreachable!("{error}"),
        }
        test.time.advance(Duration::milliseconds(1_700));
    }
    for window in admitted.windows(4) {
        assert!(window[3] - window[0] >= Duration::seconds(60), "{window:?}");
    }
    assert!(
        admitted.len() >= 17,
        "{} in 340 s: nobody is refused without need",
        admitted.len()
    );
}

#[tokio::test]
async fn a_refused_rate_passes_after_the_time_that_it_names() {
    let test = testkit::context().await;
    let room = open(&test.cx, &plan_file(2, 100, 100)).await;
    let caller = guest(&room).await;
    reserve(&room, caller).await.unwrap();
    test.time.advance(Duration::milliseconds(10_500));
    reserve(&room, caller).await.unwrap();
    let Err(Error::RateExceeded {
        retry_after_secs,
        suggestion,
        ..
    }) = reserve(&room, caller).await
    else {
        unreachable!("the third in a minute passed");
    };
    assert_eq!(
        (retry_after_secs, suggestion.unwrap().plan.as_str()),
        (50, "paid")
    );
    test.time
        .advance(Duration::seconds(i64::try_from(retry_after_secs).unwrap()));
    reserve(&room, caller).await.unwrap();
}

#[tokio::test]
async fn slots_are_freed_by_the_end_and_by_the_death_of_the_work() {
    let test = testkit::context().await;
    let room = open(&test.cx, &plan_file(100, 2, 100)).await;
    let caller = guest(&room).await;
    let first = reserve(&room, caller).await.unwrap();
    reserve(&room, caller).await.unwrap();
    assert!(matches!(
        reserve(&room, caller).await,
        Err(Error::ConcurrencyExceeded { concurrent: 2, .. })
    ));
    settle(&room, caller, &first, 1).await.unwrap();
    reserve(&room, caller).await.unwrap();
    assert!(matches!(
        reserve(&room, caller).await,
        Err(Error::ConcurrencyExceeded { .. })
    ));
    test.time.advance(Duration::seconds(15));
    reserve(&room, caller).await.unwrap();
    assert_eq!(
        entitlement::lapse_due(&test.cx, Duration::zero(), 10)
            .await
            .unwrap(),
        2
    );
    assert_eq!(
        stock(&room, caller).await,
        [98, 1, 1],
        "what the dead kept is back"
    );
}

#[tokio::test]
async fn an_exhausted_quota_names_its_return_and_the_cheapest_way_on() {
    let test = testkit::context().await;
    let room = open(&test.cx, &plan_file(100, 100, 1)).await;
    let caller = guest(&room).await;
    let only = reserve(&room, caller).await.unwrap();
    let Err(Error::QuotaExhausted {
        resets_at,
        retry_after_secs,
        suggestion,
        ..
    }) = reserve(&room, caller).await
    else {
        unreachable!("more than there is");
    };
    assert_eq!(
        resets_at,
        Some(testkit::instant("2026-11-20T15:00:00Z")),
        "midnight in Tokyo"
    );
    assert_eq!(retry_after_secs, Some(6 * 3600 + 1));
    assert_eq!(suggestion.unwrap().plan, "paid");
    settle(&room, caller, &only, 0).await.unwrap();
    reserve(&room, caller).await.unwrap();
    test.time.advance(Duration::hours(6));
    reserve(&room, caller).await.unwrap();
}

#[tokio::test]
async fn a_reservation_ends_once_and_its_usage_row_says_what_the_ledger_says() {
    let test = testkit::context().await;
    let room = open(&test.cx, &plan_file(100, 100, 10)).await;
    let caller = guest(&room).await;
    let (used, unused) = (
        reserve(&room, caller).await.unwrap(),
        reserve(&room, caller).await.unwrap(),
    );
    settle(&room, caller, &used, 1).await.unwrap();
    settle(&room, caller, &unused, 0).await.unwrap();
    assert!(matches!(
        settle(&room, caller, &used, 1).await,
        Err(Error::ReservationClosed)
    ));
    assert_eq!(stock(&room, caller).await, [9, 0, 1]);
    let mut owner = test.database.owner().await;
    let rows: Vec<(i64, i64, String)> = sqlx::query_as(
        "select amount, cost_nano_usd, outcome from entitlement.usage order by amount",
    )
    .fetch_all(&mut owner)
    .await
    .unwrap();
    assert_eq!(
        rows,
        [(0, 7, "failed".to_owned()), (1, 7, "completed".to_owned())]
    );
}

#[tokio::test]
async fn whoever_has_the_largest_plan_is_told_of_the_cheapest_top_up_that_is_enough() {
    let test = testkit::context().await;
    let topup = |id: &str, amount: u32, price: u32, sold: &str| {
        format!(
            r#"
            [[topup]]
            storefront = "misaki"
            id = "{id}"
            title = {{ ja = "買い足し", en = "More" }}
            unit = "misaki.chat"
            amount = {amount}
            price_yen = {price}
            {sold}
            days = 90"#
        )
    };
    let plans = format!(
        r#"[[plan]]
        storefront = "misaki"
        id = "largest"
        title = {{ ja = "大", en = "Large" }}
        price_yen = 980
        limits = {{ per_minute = 100, concurrent = 100 }}
        grants = [{{ unit = "misaki.chat", amount = 1, every = "day" }}]
        routes = {{ "misaki.chat" = "small" }}{}{}{}"#,
        topup("dear", 1000, 1500, "stripe_price = \"price_dear\""),
        topup("enough", 100, 300, "stripe_price = \"price_enough\""),
        topup("closed", 100, 100, ""),
    );
    let room = open(&test.cx, &PlanFile::parse(&plans).unwrap()).await;
    let caller = guest(&room).await;
    entitlement::assign(&test.cx, caller.tenant, "misaki", "largest")
        .await
        .unwrap();
    reserve(&room, caller).await.unwrap();
    let Err(Error::QuotaExhausted {
        suggestion, topup, ..
    }) = reserve(&room, caller).await
    else {
        unreachable!("more than there is");
    };
    assert!(suggestion.is_none(), "no plan has more");
    let topup = topup.unwrap();
    assert_eq!(
        (topup.topup.as_str(), topup.price_yen, topup.url.as_str()),
        ("enough", 300, "/billing/topups/misaki?choose=enough")
    );
}

#[tokio::test]
async fn work_that_is_over_when_it_is_first_written_counts_as_all_other_does() {
    let test = testkit::context().await;
    let plans = plan_file(4, 100, 100);
    let other = Ctx::new(test.another_node().await, test.cx.clock.clone());
    let (one, two) = (open(&test.cx, &plans).await, open(&other, &plans).await);
    let caller = guest(&one).await;
    for _ in 0..3 {
        write_over(&one, caller, None).await;
    }
    let mut owner = test.database.owner().await;
    let reserved: i64 = sqlx::query_scalar("select count(*) from entitlement.reservation")
        .fetch_one(&mut owner)
        .await
        .unwrap();
    assert_eq!(reserved, 0);

    // the rate, also once its process has died
    let rate =
        |limits: entitlement::RateLimits| limits.policies.into_iter().next().unwrap().remaining;
    assert_eq!(
        rate(
            entitlement::rate_limits(&two, caller, "misaki")
                .await
                .unwrap()
        ),
        1
    );
    std::mem::forget(one);
    test.time.advance(Duration::seconds(16));
    assert_eq!(
        rate(
            entitlement::rate_limits(&two, caller, "misaki")
                .await
                .unwrap()
        ),
        1
    );
    let held = reserve(&two, caller).await.unwrap();
    let refused = reserve(&two, caller).await;
    assert!(
        matches!(refused, Err(Error::RateExceeded { .. })),
        "{refused:?}"
    );

    // and the books
    settle(&two, caller, &held, 1).await.unwrap();
    entitlement::lapse_due(&two.cx, Duration::zero(), 10)
        .await
        .unwrap();
    test.time.advance(Duration::seconds(61));
    settle(&two, caller, &reserve(&two, caller).await.unwrap(), 1)
        .await
        .unwrap();
    entitlement::lapse_due(&two.cx, Duration::zero(), 10)
        .await
        .unwrap();
    assert_eq!(stock(&two, caller).await, [95, 0, 5]);
}

#[tokio::test]
async fn a_keys_cap_counts_work_that_was_over_when_it_was_first_written() {
    let test = testkit::context().await;
    let room = open(&test.cx, &plan_file(1, 1, 1)).await;
    let caller = guest(&room).await;
    entitlement::assign(&test.cx, caller.tenant, "misaki", "paid")
        .await
        .unwrap();
    let with_key = Principal {
        key: Some(test.cx.ids.new_id()),
        ..caller
    };
    for _ in 0..3 {
        write_over(&room, with_key, None).await;
    }
    let capped = Work {
        daily_cap: Some(3),
        ..work(&room)
    };
    let mut tx = room.cx.db.begin(caller.scope()).await.unwrap();
    let refused = entitlement::reserve(&mut tx, &room, with_key, &capped).await;
    assert!(
        matches!(refused, Err(Error::KeyCapReached { cap: 3, .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn whoever_comes_while_an_end_is_written_waits_for_its_place() {
    let test = testkit::context().await;
    let room = open(&test.cx, &plan_file(100, 1, 100)).await;
    let caller = guest(&room).await;
    let held = reserve(&room, caller).await.unwrap();
    let refused = reserve(&room, caller).await;
    assert!(
        matches!(refused, Err(Error::ConcurrencyExceeded { .. })),
        "{refused:?}"
    );
    let mut tx = room.cx.db.begin(caller.scope()).await.unwrap();
    let settled = entitlement::settle(&mut tx, &room, held.id, &usage(1))
        .await
        .unwrap();
    let end = async {
        // a commit that takes long
        sqlx::query("select pg_sleep(0.1)")
            .execute(&mut *tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        settled.done();
    };
    let (next, ()) = tokio::join!(reserve(&room, caller), end);
    next.unwrap();
}
