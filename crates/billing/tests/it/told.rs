use super::*;

/// Lets a tenant be told of everything.
async fn listen(test: &TestCtx, shop: &Shop) {
    sqlx::query(
        "insert into hooks.endpoint (id, tenant_id, url, event_types, description, secret, created_at)
         values (gen_random_uuid(), $1, 'https://told.example/', '{}', '', 'x', $2)",
    )
    .bind(shop.caller.principal.tenant.0)
    .bind(test.cx.clock.now())
    .execute(&mut test.database.owner().await)
    .await
    .unwrap();
}

async fn told(test: &TestCtx, kind: &str) -> Vec<Value> {
    sqlx::query_scalar("select payload from hooks.event where type = $1 order by created_at, id")
        .bind(kind)
        .fetch_all(&mut test.database.owner().await)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_payment_that_fails_is_told_once_with_until_when_the_plan_holds() {
    let test = testkit::context().await;
    let shop = Shop::open(&test).await;
    shop.buy().await;
    shop.catch_up().await;
    listen(&test, &shop).await;
    shop.stripe.decline(&shop.customer(), true);
    shop.wait(&test, Duration::days(31));
    shop.catch_up().await;
    // the same news, in the other shape and again
    for event in shop.stripe.events(true) {
        assert_eq!(shop.deliver(&event).await, StatusCode::OK);
    }
    shop.catch_up().await;
    let [failed] = <[Value; 1]>::try_from(told(&test, "payment.failed").await).unwrap();
    assert_eq!(failed["amount"], 2980);
    assert_eq!(failed["storefront"], "narai");
    let invoice = shop.stripe.newest("invoice").unwrap();
    assert_eq!(failed["invoice"], json!(invoice));
    let until: DateTime<Utc> = failed["plan_holds_until"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!(until > test.cx.clock.now() && until <= test.cx.clock.now() + GRACE);

    shop.stripe.decline(&shop.customer(), false);
    shop.catch_up().await;
    assert_eq!(told(&test, "payment.succeeded").await.len(), 1);
    assert_eq!(told(&test, "payment.failed").await.len(), 1);
}
