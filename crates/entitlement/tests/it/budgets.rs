use futures::future::join_all;

use super::*;

/// What a tenant lets itself use in a month.
async fn let_use(test: &testkit::TestCtx, caller: Principal, monthly: i64) {
    sqlx::query(
        "insert into entitlement.budget (tenant_id, unit, monthly, alerts, changed_at) values ($1, $2, $3, '{}', $4)
         on conflict (tenant_id, unit) do update set monthly = $3",
    )
    .bind(caller.tenant.0)
    .bind(UNIT)
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
