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
    *room.catalogue.write().await = Catalogue::load(&test.cx).await.unwrap();
    assert_eq!(
        reserve(&room, caller)
            .await
            .unwrap()
            .plan
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
            .plan
            .terms
            .limits
            .per_minute,
        9
    );
    assert_eq!(entitlement::list(&test.cx).await.unwrap().len(), 3);
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
