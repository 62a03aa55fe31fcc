use super::*;

/// id, amount, what is left, until when of each lot that a top-up granted, oldest first.
async fn lots(test: &TestCtx, shop: &Shop) -> Vec<(i64, i64, DateTime<Utc>)> {
    let mut owner = test.database.owner().await;
    sqlx::query_as(
        "select amount, available, expires_at from ledger.lot where tenant_id = $1 and reason like 'narai/five %'
         order by granted_at, id",
    )
    .bind(shop.caller.principal.tenant.0)
    .fetch_all(&mut owner)
    .await
    .unwrap()
}

async fn order(shop: &Shop, cookies: &str) -> Value {
    let wish = json!({ "storefront": "narai", "topup": "five" });
    let (status, order) = shop
        .ask(cookies, "POST", "/billing/topup-orders", Some(wish))
        .await;
    assert_eq!(status, 201, "{order}");
    order
}

/// Agrees to an order; the session at the stand-in.
async fn agree(shop: &Shop, cookies: &str, order: &Value) -> String {
    let body = json!({ "order": order["id"] });
    let (status, answer) = shop
        .ask(cookies, "POST", "/billing/checkout-session", Some(body))
        .await;
    assert_eq!(status, 201, "{answer}");
    let url = answer.get("url").and_then(Value::as_str).unwrap();
    url.rsplit('/').next().unwrap().to_owned()
}

async fn is_paid(shop: &Shop, cookies: &str, order: &Value) -> bool {
    let path = format!("/billing/topup-orders/{}", order["id"].as_str().unwrap());
    let (status, answer) = shop.ask(cookies, "GET", &path, None).await;
    assert_eq!(status, 200, "{answer}");
    answer.get("paid").and_then(Value::as_bool).unwrap()
}

#[tokio::test]
async fn what_is_bought_once_is_shown_paid_and_granted_once() {
    let test = testkit::context().await;
    let (shop, cookies) = Shop::member(&house(&test.cx).await, false).await;
    let shown = order(&shop, &cookies).await;
    assert_eq!(shown["items"].as_array().unwrap().len(), 6);
    assert_eq!(
        (&shown["total_yen"], &shown["tax_yen"]),
        (&json!(3000), &json!(272))
    );
    let session = agree(&shop, &cookies, &shown).await;
    assert_eq!(
        agree(&shop, &cookies, &shown).await,
        session,
        "two clicks are one session"
    );
    assert!(!is_paid(&shop, &cookies, &shown).await);
    assert!(shop.stripe.complete_checkout(&session));
    assert!(!shop.stripe.complete_checkout(&session), "it is over");
    assert!(
        !is_paid(&shop, &cookies, &shown).await,
        "coming back grants nothing"
    );
    // every event in both shapes, twice, the newest first
    for _ in 0..2 {
        for old in [true, false] {
            for event in shop.stripe.events(old).iter().rev() {
                assert_eq!(shop.deliver(event).await, StatusCode::OK);
            }
            shop.work().await;
        }
    }
    assert!(is_paid(&shop, &cookies, &shown).await);
    let now = test.cx.clock.now();
    assert_eq!(
        lots(&test, &shop).await,
        [(5, 5, now + Duration::days(150))]
    );
    let (_, receipts) = shop.ask(&cookies, "GET", "/billing/receipts", None).await;
    let receipt = &receipts["items"][0];
    assert_eq!(
        (&receipt["total_yen"], &receipt["plan_title"]["en"]),
        (&json!(3000), &json!("Five tickets"))
    );
    assert_eq!(shop.stripe.flags(), Vec::<String>::new());
    assert_eq!(ledger::verify(&test.cx).await.unwrap(), []);
}

#[tokio::test]
async fn beside_a_subscription_what_expires_first_is_used_first_and_each_is_bought_again() {
    let test = testkit::context().await;
    let (shop, cookies) = Shop::member(&house(&test.cx).await, false).await;
    shop.buy().await;
    for _ in 0..2 {
        let shown = order(&shop, &cookies).await;
        let session = agree(&shop, &cookies, &shown).await;
        assert!(shop.stripe.complete_checkout(&session));
    }
    shop.catch_up().await;
    shop.spend(6).await;
    let left: Vec<i64> = lots(&test, &shop).await.iter().map(|lot| lot.1).collect();
    assert_eq!(left.iter().sum::<i64>(), 8, "the plan's four went first");
    // units that were bought live no longer than was said
    test.time.advance(Duration::days(151));
    assert_eq!(ledger::expire_due(&test.cx, 100).await.unwrap(), 2);
    assert_eq!(ledger::verify(&test.cx).await.unwrap(), []);
}

#[tokio::test]
async fn money_that_goes_back_takes_the_units_along() {
    let test = testkit::context().await;
    let (shop, cookies) = Shop::member(&house(&test.cx).await, false).await;
    let shown = order(&shop, &cookies).await;
    let session = agree(&shop, &cookies, &shown).await;
    assert!(shop.stripe.complete_checkout(&session));
    shop.catch_up().await;
    shop.spend(2).await;
    assert!(shop.stripe.refund_newest(Some(1200)));
    shop.catch_up().await;
    let left = |lots: Vec<(i64, i64, DateTime<Utc>)>| lots[0].1;
    assert_eq!(left(lots(&test, &shop).await), 1, "two of five went back");
    assert!(shop.stripe.refund_newest(None));
    shop.catch_up().await;
    assert_eq!(left(lots(&test, &shop).await), 0);
    assert_eq!(
        payments(&test, &shop).await,
        [(3000, 3000, None, Some(2))],
        "what was used is debt"
    );
    assert_eq!(ledger::verify(&test.cx).await.unwrap(), []);
}

#[tokio::test]
async fn an_order_is_its_tenants_own_and_holds_for_a_while() {
    let test = testkit::context().await;
    let house = house(&test.cx).await;
    let (shop, cookies) = Shop::member(&house, false).await;
    let (_, others) = Shop::member(&house, false).await;
    let shown = order(&shop, &cookies).await;
    let body = json!({ "order": shown["id"] });
    let (status, answer) = shop
        .ask(
            &others,
            "POST",
            "/billing/checkout-session",
            Some(body.clone()),
        )
        .await;
    assert_eq!((status, &answer["code"]), (404, &json!("order_not_found")));
    let path = format!("/billing/topup-orders/{}", shown["id"].as_str().unwrap());
    assert_eq!(shop.ask(&others, "GET", &path, None).await.0, 404);
    let unknown = json!({ "storefront": "narai", "topup": "nothing" });
    let (status, answer) = shop
        .ask(&cookies, "POST", "/billing/topup-orders", Some(unknown))
        .await;
    assert_eq!((status, &answer["code"]), (404, &json!("topup_not_found")));
    let priced = json!({ "storefront": "narai", "topup": "five", "price_yen": 1 });
    let (status, _) = shop
        .ask(&cookies, "POST", "/billing/topup-orders", Some(priced))
        .await;
    assert!((400..500).contains(&status));
    test.time.advance(Duration::minutes(31));
    let (status, answer) = shop
        .ask(&cookies, "POST", "/billing/checkout-session", Some(body))
        .await;
    assert_eq!((status, &answer["code"]), (409, &json!("order_stale")));
}
