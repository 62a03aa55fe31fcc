use futures::future::join_all;

use super::*;

/// What a tenant lets itself use in a month.
async fn let_use(test: &testkit::TestCtx, caller: Principal, monthly: i64) {
    limit(test, caller, UNIT, monthly).await;
}

async fn limit(test: &testkit::TestCtx, caller: Principal, unit: &str, monthly: i64) {
    sqlx::query(
        "insert into entitlement.budget (tenant_id, unit, monthly, alerts, changed_at) values ($1, $2, $3, '{}', $4)
         on conflict (tenant_id, unit) do update set monthly = $3",
    )
    .bind(caller.tenant.0)
    .bind(unit)
    .bind(monthly)
    .bind(test.cx.clock.now())
    .execute(&mut test.database.owner().await)
    .await
    .unwrap();
}

/// How many of so many at once, by turns at both nodes, are admitted; they are used up.
async fn admitted(rooms: [&Entitlement; 2], caller: Principal, wanted: usize) -> usize {
    let tried = join_all((0..wanted).map(|n| async move {
        let [one, other] = rooms;
        let room = if n.is_multiple_of(2) { one } else { other };
        match reserve(room, caller).await {
            Ok(held) => {
                settle(room, caller, &held, 1).await.unwrap();
                true
            }
            Err(Error::BudgetReached { .. }) => false,
            Err(error) => unreachable!("{error}"),
        }
    }))
    .await;
    tried.into_iter().filter(|admitted| *admitted).count()
}

#[tokio::test]
async fn a_months_budget_is_kept_to_the_unit_at_two_nodes_and_a_higher_one_holds_at_once() {
    let test = testkit::context().await;
    let plans = plan_file(100_000, 1000, 1000);
    let other = Ctx::new(test.another_node().await, test.cx.clock.clone());
    let (one, two) = (open(&test.cx, &plans).await, open(&other, &plans).await);
    let (caller, free) = (guest(&one).await, guest(&one).await);
    let_use(&test, caller, 40).await;
    // warm, so that both hold some of it
    assert_eq!(admitted([&one, &two], caller, 10).await, 10);
    assert_eq!(admitted([&one, &two], caller, 64).await, 30);
    assert_eq!(admitted([&one, &two], caller, 4).await, 0);
    assert_eq!(admitted([&one, &two], free, 64).await, 64, "only its own");

    let_use(&test, caller, 45).await;
    assert_eq!(admitted([&one, &two], caller, 20).await, 5);
    let refused = reserve(&one, caller).await.unwrap_err();
    let Error::BudgetReached {
        unit,
        monthly,
        retry_after_secs,
        ..
    } = refused
    else {
        unreachable!("{refused}");
    };
    assert_eq!((unit.as_str(), monthly), (UNIT, 45));
    // from the 20th of November, 18:00, to the month's end in Japan
    assert_eq!(retry_after_secs, (10 * 24 + 6) * 3600 + 1);
    test.time.advance(Duration::hours(10 * 24 + 7));
    assert_eq!(admitted([&one, &two], caller, 10).await, 10);
    one.close().await;
    two.close().await;
    assert_eq!(ledger::verify(&test.cx).await.unwrap(), []);
    assert_eq!(entitlement::verify(&test.cx).await.unwrap(), []);
}

/// Asks for work that costs at most so much.
async fn reserve_costing(
    room: &Entitlement,
    caller: Principal,
    most: i64,
    daily_cost: Option<i64>,
) -> Result<Reservation, Error> {
    let work = Work {
        storefront: "misaki",
        unit: UNIT,
        amount: 1,
        reference: "run_test",
        lease_until: room.cx.clock.now() + Duration::seconds(15),
        daily_cap: None,
        daily_cost,
        member: None,
    };
    for _ in 0..entitlement::TRIES {
        let admission = entitlement::admit(room, caller, &work).await?;
        assert!(admission.is_counted());
        let admission = admission.costing(|| most);
        let mut tx = room.cx.db.begin(caller.scope()).await?;
        let recorded = entitlement::record(&mut tx, room, caller, &work, admission).await?;
        tx.commit().await?;
        if let Some(reservation) = recorded {
            reservation.confirm();
            return Ok(reservation);
        }
    }
    Err(Error::LeasesUnsettled)
}

pub(crate) async fn settle_costing(
    room: &Entitlement,
    caller: Principal,
    held: &Reservation,
    cost: i64,
) {
    let mut tx = room.cx.db.begin(caller.scope()).await.unwrap();
    let used = Usage {
        amount: 1,
        model: "m".to_owned(),
        tokens_in: 3,
        tokens_out: 5,
        cost_nano_usd: cost,
        outcome: Outcome::Completed,
    };
    let settled = entitlement::settle(&mut tx, room, held.id, &used)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    settled.done();
}

#[tokio::test]
async fn a_months_cost_is_kept_to_at_two_nodes_by_the_most_that_work_may_cost() {
    let test = testkit::context().await;
    let plans = plan_file(100_000, 1000, 1000);
    let other = Ctx::new(test.another_node().await, test.cx.clock.clone());
    let (one, two) = (open(&test.cx, &plans).await, open(&other, &plans).await);
    let caller = guest(&one).await;
    limit(&test, caller, "misaki.cost", 1000).await;

    // all at once: each may cost 100, so ten are let in and nothing of their cost is known yet
    let tried = join_all((0..24).map(|n| {
        let room = if n % 2 == 0 { &one } else { &two };
        async move { reserve_costing(room, caller, 100, None).await.ok() }
    }))
    .await;
    let held: Vec<Reservation> = tried.into_iter().flatten().collect();
    assert_eq!(held.len(), 10);
    let waits = reserve_costing(&two, caller, 100, None).await.unwrap_err();
    assert!(
        matches!(
            waits,
            Error::CostLimitReached {
                spent: 0,
                retry_after_secs: 1,
                ..
            }
        ),
        "what is under way may turn out cheaper: {waits}"
    );
    // each costs less than it might have: what is not spent is there again, and not a billionth more
    for (n, reservation) in held.iter().enumerate() {
        let room = if n % 2 == 0 { &one } else { &two };
        settle_costing(room, caller, reservation, 90).await;
    }
    let held = reserve_costing(&one, caller, 100, None).await.unwrap();
    settle_costing(&one, caller, &held, 99).await;
    let refused = reserve_costing(&two, caller, 2, None).await.unwrap_err();
    let Error::CostLimitReached {
        unit,
        limit: most,
        spent,
        retry_after_secs,
        ..
    } = refused
    else {
        unreachable!("{refused}");
    };
    assert_eq!((unit.as_str(), most, spent), ("misaki.cost", 1000, 999));
    assert_eq!(retry_after_secs, (10 * 24 + 6) * 3600 + 1);
    reserve_costing(&two, caller, 1, None).await.unwrap();

    // raised, it holds at once; the next month begins with nothing spent
    limit(&test, caller, "misaki.cost", 1100).await;
    reserve_costing(&one, caller, 100, None).await.unwrap();
    reserve_costing(&one, caller, 1, None).await.unwrap_err();
    test.time.advance(Duration::hours(10 * 24 + 7));
    entitlement::lapse_due(&one.cx, Duration::zero(), 100)
        .await
        .unwrap();
    reserve_costing(&two, caller, 1100, None).await.unwrap();
}

#[tokio::test]
async fn what_the_house_allows_holds_whatever_a_tenant_allows_itself() {
    let test = testkit::context().await;
    let room = open(&test.cx, &plan_file(1000, 100, 100)).await;
    let caller = guest(&room).await;
    let meta = RequestMeta::of_the_house("req_test");
    let by = entitlement::Giver {
        principal: None,
        meta: &meta,
    };
    let cap = |unit: &'static str, monthly| {
        entitlement::set_cap(&room, by, (caller.tenant, unit), monthly)
    };
    assert_eq!(cap(UNIT, Some(4)).await.unwrap().unwrap().used, 0);
    let_use(&test, caller, 100).await;
    assert_eq!(admitted([&room, &room], caller, 8).await, 4);
    let refused = reserve(&room, caller).await.unwrap_err();
    assert!(
        matches!(
            refused,
            Error::BudgetReached {
                monthly: 4,
                by_house: true,
                ..
            }
        ),
        "{refused}"
    );
    let_use(&test, caller, 3).await;
    let refused = reserve(&room, caller).await.unwrap_err();
    assert!(
        matches!(
            refused,
            Error::BudgetReached {
                monthly: 3,
                by_house: false,
                ..
            }
        ),
        "the stricter one is named: {refused}"
    );
    cap("misaki.cost", Some(40)).await.unwrap();
    let_use(&test, caller, 100).await;
    assert_eq!(cap(UNIT, None).await.unwrap(), None);
    // 28 are spent
    let refused = reserve_costing(&room, caller, 13, None).await.unwrap_err();
    assert!(
        matches!(
            refused,
            Error::CostLimitReached {
                limit: 40,
                spent: 28,
                by_house: true,
                ..
            }
        ),
        "{refused}"
    );
    reserve_costing(&room, caller, 12, None).await.unwrap();
    let left = entitlement::caps_of(&room, caller.tenant).await.unwrap();
    let left: Vec<_> = left
        .iter()
        .map(|cap| (cap.unit.as_str(), cap.monthly, cap.used))
        .collect();
    assert_eq!(left, [("misaki.cost", 40, 28)]);
    assert!(matches!(
        cap(UNIT, None).await.unwrap_err(),
        Error::NoBudget
    ));
}
