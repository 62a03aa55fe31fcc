use super::*;

#[tokio::test]
async fn a_changed_plan_is_a_new_version_and_whoever_is_on_the_old_one_keeps_it() {
    let test = testkit::context().await;
    let room = open(&test.cx, &plan_file(5, 1, 10)).await;
    let caller = guest(&room).await;
    entitlement::assign(&test.cx, caller.tenant, "misaki", "guest")
        .await
        .unwrap();
    assert!(
        entitlement::apply(&test.cx, &plan_file(5, 1, 10))
            .await
            .unwrap()
            .is_empty(),
        "nothing differs"
    );

    let made = entitlement::apply(&test.cx, &plan_file(9, 1, 10))
        .await
        .unwrap();
    assert_eq!(
        made.iter()
            .map(|plan| (plan.id.as_str(), plan.version))
            .collect::<Vec<_>>(),
        [("guest", 2)]
    );
    room.refresh_plans().await.unwrap();
    assert_eq!(
        reserve(&room, caller)
            .await
            .unwrap()
            .plan()
            .terms
            .limits
            .per_minute,
        5
    );
    let newcomer = guest(&room).await;
    assert_eq!(
        reserve(&room, newcomer)
            .await
            .unwrap()
            .plan()
            .terms
            .limits
            .per_minute,
        9
    );
    assert_eq!(entitlement::list(&test.cx).await.unwrap().len(), 3);
}

#[tokio::test]
async fn what_a_process_took_of_a_limit_is_worth_nothing_once_a_plan_has_less() {
    let test = testkit::context().await;
    let room = open(&test.cx, &plan_file(9, 9, 100)).await;
    let caller = guest(&room).await;
    let first = reserve(&room, caller).await.unwrap();
    let second = reserve(&room, caller).await.unwrap();
    entitlement::apply(&test.cx, &plan_file(3, 9, 100))
        .await
        .unwrap();
    room.refresh_plans().await.unwrap();
    let third = reserve(&room, caller).await.unwrap();
    let limits = third.plan().terms.limits;
    assert_eq!(limits.per_minute, 3);
    let refused = reserve(&room, caller).await.unwrap_err();
    assert!(
        matches!(refused, Error::RateExceeded { per_minute: 3, .. }),
        "{refused:?}"
    );
    drop((first, second, third));
}

#[tokio::test]
async fn two_nodes_that_apply_at_once_make_one_version() {
    let test = testkit::context().await;
    let plans = plan_file(5, 1, 10);
    let other = Ctx::new(test.another_node().await, test.cx.clock.clone());
    let (one, two) = tokio::join!(
        entitlement::apply(&test.cx, &plans),
        entitlement::apply(&other, &plans)
    );
    assert_eq!(one.unwrap().len() + two.unwrap().len(), 2);
}

#[tokio::test]
async fn each_day_grants_once_and_takes_back_what_was_left() {
    let test = testkit::context().await;
    let room = open(&test.cx, &plan_file(1000, 1000, 10)).await;
    let caller = guest(&room).await;
    for day in 1..=3 {
        let reservation = reserve(&room, caller).await.unwrap();
        settle(&room, caller, &reservation, 1).await.unwrap();
        assert_eq!(stock(&room, caller).await, [9, 0, 1], "day {day}");
        test.time.advance(Duration::days(1));
        ledger::expire_due(&test.cx, 100).await.unwrap();
    }
    let mut tx = room.cx.db.begin(caller.scope()).await.unwrap();
    let balances = ledger::balances(&mut tx, caller.tenant, UNIT)
        .await
        .unwrap();
    let of = |kind: &str| balances.iter().find(|b| b.account == kind).unwrap().balance;
    assert_eq!(
        (of("issued"), of("spent"), of("expired"), of("available")),
        (-30, 3, 27, 0)
    );
}

#[tokio::test]
async fn an_unknown_plan_can_not_be_assigned_and_an_unknown_storefront_has_none() {
    let test = testkit::context().await;
    let room = open(&test.cx, &plan_file(5, 1, 10)).await;
    let caller = guest(&room).await;
    assert!(matches!(
        entitlement::assign(&test.cx, caller.tenant, "misaki", "gold").await,
        Err(Error::NoPlan)
    ));
    assert!(matches!(
        entitlement::assign(&test.cx, caller.tenant, "narai", "guest").await,
        Err(Error::NoPlan)
    ));
}

#[tokio::test]
async fn who_would_gain_or_lose_is_shown_before_anything_changes_and_who_moves_is_written_down() {
    let test = testkit::context().await;
    let room = open(&test.cx, &plan_file(5, 1, 10)).await;
    let callers = [guest(&room).await, guest(&room).await, guest(&room).await];
    for caller in &callers {
        entitlement::assign(&test.cx, caller.tenant, "misaki", "guest")
            .await
            .unwrap();
    }
    let newer = plan_file(9, 1, 8);
    let changes = entitlement::diff(&test.cx, &newer).await.unwrap();
    let of_guest = changes.iter().find(|plan| plan.plan == "guest").unwrap();
    let terms: Vec<(&str, Direction)> = of_guest
        .changes
        .iter()
        .map(|change| (change.term.as_str(), change.direction))
        .collect();
    assert_eq!(
        terms,
        [
            ("grants.misaki.chat.day", Direction::Lose),
            ("limits.per_minute", Direction::Gain)
        ]
    );
    assert_eq!(
        (of_guest.version, of_guest.customers[0].customers),
        (Some(1), 3)
    );
    let of_paid = changes.iter().find(|plan| plan.plan == "paid").unwrap();
    assert!(of_paid.changes.is_empty() && of_paid.customers.is_empty());
    assert_eq!(
        entitlement::list(&test.cx).await.unwrap().len(),
        2,
        "a look changes nothing"
    );

    entitlement::apply(&test.cx, &newer).await.unwrap();
    // one of them pays another price than the newest version has
    let mut owner = test.database.owner().await;
    sqlx::query("update entitlement.plan_version set terms = terms || '{\"stripe_price\": \"price_old\"}' where version = 1 and plan = 'guest'")
        .execute(&mut owner)
        .await
        .unwrap();
    sqlx::query("update entitlement.enrolment set reference = 'sub_1' where tenant_id = $1")
        .bind(callers[2].tenant.0)
        .execute(&mut owner)
        .await
        .unwrap();
    for preview in [true, false] {
        let moved = entitlement::migrate(&test.cx, "misaki", "guest", preview)
            .await
            .unwrap();
        assert_eq!(
            (
                moved.len(),
                moved[0].from,
                moved[0].to,
                moved[0].customers,
                moved[0].stay
            ),
            (1, 1, 2, 2, 1),
            "the preview says what happens"
        );
    }
    let customers = entitlement::customers(&test.cx).await.unwrap();
    let counts: Vec<(i32, i64)> = customers
        .iter()
        .map(|of| (of.version, of.customers))
        .collect();
    assert_eq!(counts, [(1, 1), (2, 2)]);
    let lines: Vec<(String, String)> = sqlx::query_as(
        "select action, actor from identity.audit where tenant_id = $1 and target = 'misaki/guest' order by seq",
    )
    .bind(callers[0].tenant.0)
    .fetch_all(&mut owner)
    .await
    .unwrap();
    let line = |action: &str| (action.to_owned(), "operator".to_owned());
    assert_eq!(lines, [line("plan.assign"), line("plan.migrate")]);
    assert!(matches!(
        entitlement::migrate(&test.cx, "misaki", "gold", true).await,
        Err(Error::NoPlan)
    ));
}

/// A plan of ten a month of which at most six at a time live on for two months more.
fn rolling() -> PlanFile {
    PlanFile::parse(
        r#"[[plan]]
        storefront = "misaki"
        id = "guest"
        default_for = "guest"
        title = { ja = "ゲスト", en = "Guest" }
        price_yen = 0
        limits = { per_minute = 1000, concurrent = 100 }
        grants = [{ unit = "misaki.chat", amount = 10, every = "month", roll_over = { most = 6, months = 2 } }]
        routes = { "misaki.chat" = "small" }"#,
    )
    .unwrap()
}

#[tokio::test]
async fn what_nobody_used_rolls_over_once_up_to_its_cap_and_ends_with_its_time() {
    let test = testkit::context().await;
    let room = open(&test.cx, &rolling()).await;
    let other = test.another_node().await;
    let other = Ctx::new(other, test.cx.clock.clone());
    let caller = guest(&room).await;
    // available after each month's end, of which so many were used before
    for (used, left) in [(3, 16), (1, 16), (12, 14), (0, 16)] {
        for _ in 0..used {
            let reservation = reserve(&room, caller).await.unwrap();
            settle(&room, caller, &reservation, 1).await.unwrap();
        }
        if used == 0 {
            // somebody comes by, so that the month is granted
            let held = reserve(&room, caller).await.unwrap();
            settle(&room, caller, &held, 0).await.unwrap();
        }
        room.close().await;
        test.time.advance(Duration::days(31));
        // both nodes sweep at once, and again
        let (one, two) = tokio::join!(
            ledger::expire_due(&test.cx, 100),
            ledger::expire_due(&other, 100)
        );
        one.unwrap();
        two.unwrap();
        assert_eq!(ledger::expire_due(&test.cx, 100).await.unwrap(), 0);
        let held = reserve(&room, caller).await.unwrap();
        settle(&room, caller, &held, 0).await.unwrap();
        room.close().await;
        assert_eq!(stock(&room, caller).await[0], left, "after {used}");
        assert_eq!(ledger::verify(&test.cx).await.unwrap(), []);
    }
    let mut owner = test.database.owner().await;
    let reasons: Vec<String> = sqlx::query_scalar(
        "select l.reason from ledger.rolled r join ledger.lot l on l.id = r.lot_id",
    )
    .fetch_all(&mut owner)
    .await
    .unwrap();
    assert!(
        reasons
            .iter()
            .all(|reason| reason.starts_with("roll-over lot_")),
        "{reasons:?}"
    );
    // nobody comes for half a year: nothing lives on
    test.time.advance(Duration::days(183));
    for _ in 0..3 {
        ledger::expire_due(&test.cx, 100).await.unwrap();
    }
    assert_eq!(stock(&room, caller).await[0], 0);
    assert_eq!(ledger::verify(&test.cx).await.unwrap(), []);
}
