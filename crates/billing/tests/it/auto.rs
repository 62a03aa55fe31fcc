use futures::future::join_all;

use super::*;

const RULE: &str = "/billing/auto-topups/narai";

/// Shows what would be bought by itself, and agrees to it.
async fn turn_on(shop: &Shop, cookies: &str, threshold: i64, monthly_yen: i64) -> (u16, Value) {
    let wish = json!({ "storefront": "narai", "topup": "five", "threshold": threshold, "monthly_yen": monthly_yen });
    let (status, order) = shop
        .ask(cookies, "POST", "/billing/auto-topup-orders", Some(wish))
        .await;
    assert_eq!(status, 201, "{order}");
    assert_eq!(
        order
            .pointer("/items")
            .and_then(Value::as_array)
            .unwrap()
            .len(),
        6
    );
    let agreed = json!({ "order": order.get("id") });
    shop.ask(cookies, "PUT", RULE, Some(agreed)).await
}

async fn rule(shop: &Shop, cookies: &str) -> Value {
    let (_, rules) = shop.ask(cookies, "GET", "/billing/auto-topups", None).await;
    rules.pointer("/items/0").unwrap().clone()
}

/// The states of the automatic orders, by name: the clock stands still between some.
async fn orders(test: &TestCtx) -> Vec<String> {
    let mut owner = test.database.owner().await;
    sqlx::query_scalar("select state from billing.auto_order order by state")
        .fetch_all(&mut owner)
        .await
        .unwrap()
}

async fn sweep(shop: &Shop) -> usize {
    billing::top_up_due(&shop.room, 100).await.unwrap()
}

#[tokio::test]
async fn many_that_cross_the_threshold_at_two_pools_are_one_order_and_the_ceiling_holds() {
    let test = testkit::context().await;
    let (shop, cookies) = Shop::member(&house(&test.cx).await, false).await;
    assert_eq!(
        turn_on(&shop, &cookies, 3, 6500).await.1["code"],
        "no_card_kept",
        "nothing was ever paid"
    );
    shop.buy().await;
    shop.catch_up().await;
    let (status, view) = turn_on(&shop, &cookies, 3, 6500).await;
    assert_eq!((status, &view["stopped"]), (200, &Value::Null), "{view}");
    assert_eq!(sweep(&shop).await, 0, "four are left");

    // the same tenant over another pool
    let other = Ctx::new(test.another_node().await, test.cx.clock.clone());
    let elsewhere = open(&house(&other).await, &shop.stripe.base(), NEW);
    let spends = join_all((0..2).map(|_| shop.spend(1)));
    let sweeps = join_all((0..12).map(|n| {
        let room = if n % 2 == 0 { &shop.room } else { &elsewhere };
        billing::top_up_due(room, 100)
    }));
    let (_, swept) = tokio::join!(spends, sweeps);
    let mut ordered: usize = swept.into_iter().map(Result::unwrap).sum();
    ordered += sweep(&shop).await;
    assert_eq!(ordered, 1);
    assert_eq!(orders(&test).await, ["paid"]);
    assert_eq!(shop.tickets().await, [7, 0, 2]);
    assert_eq!(shop.stripe.count("charge"), 2, "the plan and one top-up");
    // the events tell of it once more, which changes nothing
    shop.catch_up().await;
    assert_eq!(shop.tickets().await, [7, 0, 2]);
    assert_eq!(shop.stripe.flags(), Vec::<String>::new());

    shop.spend(5).await;
    assert_eq!(sweep(&shop).await, 1);
    assert_eq!(shop.tickets().await, [7, 0, 7]);
    shop.spend(5).await;
    assert_eq!(sweep(&shop).await, 0, "a third would pass the ceiling");
    let view = rule(&shop, &cookies).await;
    assert_eq!(
        (&view["spent_yen"], &view["stopped"]),
        (&json!(6000), &Value::Null)
    );
    shop.wait(&test, Duration::days(12));
    assert_eq!(
        sweep(&shop).await,
        1,
        "the next month has a ceiling of its own"
    );
    let (status, _) = shop.ask(&cookies, "DELETE", RULE, None).await;
    assert_eq!(status, 204);
    shop.spend(6).await;
    assert_eq!(sweep(&shop).await, 0);
    assert_eq!(rule(&shop, &cookies).await["stopped"], "off");
    let (_, receipts) = shop.ask(&cookies, "GET", "/billing/receipts", None).await;
    assert_eq!(receipts["items"].as_array().unwrap().len(), 4);
    assert_eq!(ledger::verify(&test.cx).await.unwrap(), []);
}

#[tokio::test]
async fn what_is_sold_no_more_or_at_another_price_is_not_bought_by_itself() {
    let dearer = PLANS.replacen("price_yen = 3000", "price_yen = 3500", 1);
    let withdrawn = PLANS.replacen("stripe_price = \"price_five\"\n", "", 1);
    for changed in [dearer, withdrawn] {
        assert_ne!(changed, PLANS);
        let test = testkit::context().await;
        let house = house(&test.cx).await;
        let (shop, cookies) = Shop::member(&house, false).await;
        shop.buy().await;
        shop.catch_up().await;
        assert_eq!(turn_on(&shop, &cookies, 5, 30_000).await.0, 200);
        entitlement::apply(&test.cx, &PlanFile::parse(&changed).unwrap())
            .await
            .unwrap();
        house.refresh_plans().await.unwrap();
        assert_eq!(sweep(&shop).await, 0);
        assert_eq!(orders(&test).await, Vec::<String>::new());
        assert_eq!(rule(&shop, &cookies).await["stopped"], "not_sold");
        assert_eq!(shop.stripe.count("charge"), 1, "the plan alone");
    }
}

#[tokio::test]
async fn a_payment_that_fails_ends_it_and_a_lost_answer_is_asked_for_again() {
    let test = testkit::context().await;
    let (shop, cookies) = Shop::member(&house(&test.cx).await, false).await;
    shop.buy().await;
    shop.catch_up().await;
    assert_eq!(turn_on(&shop, &cookies, 5, 30_000).await.0, 200);
    shop.stripe.lose_answers(3);
    for _ in 0..4 {
        sweep(&shop).await;
    }
    assert_eq!(orders(&test).await, ["paid"]);
    assert_eq!(shop.tickets().await, [9, 0, 0]);

    shop.spend(5).await;
    shop.stripe.decline(&shop.customer(), true);
    assert_eq!(sweep(&shop).await, 1);
    assert_eq!(orders(&test).await, ["failed", "paid"]);
    assert_eq!(rule(&shop, &cookies).await["stopped"], "payment_failed");
    assert_eq!(sweep(&shop).await, 0);
    let told = letters(&test).await;
    assert_eq!(
        told.iter().filter(|name| *name == "news").count(),
        1,
        "{told:?}"
    );
    // the card is good again: nothing is charged by what was given up, and agreeing anew goes on
    shop.stripe.decline(&shop.customer(), false);
    shop.catch_up().await;
    assert_eq!(shop.tickets().await, [4, 0, 5]);
    assert_eq!(turn_on(&shop, &cookies, 5, 30_000).await.0, 200);
    assert_eq!(sweep(&shop).await, 1);
    assert_eq!(shop.tickets().await, [9, 0, 5]);
    assert_eq!(shop.stripe.flags(), Vec::<String>::new());
    assert_eq!(ledger::verify(&test.cx).await.unwrap(), []);
}
