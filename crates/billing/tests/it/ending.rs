use super::*;

/// A member whose plan ends as its policy says; two tickets of four are left to decide on, one is used and one set aside.
async fn ended(policy: &str) -> (TestCtx, Shop) {
    let test = testkit::context().await;
    let plans = PLANS.replacen(
        "stripe_price = \"price_light\"",
        &format!("stripe_price = \"price_light\"\nat_end = \"{policy}\""),
        1,
    );
    let (shop, _) = Shop::member(&house_of(&test.cx, &plans).await, false).await;
    shop.buy().await;
    shop.catch_up().await;
    shop.spend(1).await;
    let _ = shop.hold(1).await;
    shop.stripe.end_newest();
    // every event again and again, the last first
    for event in shop.stripe.events(false).iter().rev() {
        assert_eq!(shop.deliver(event).await, StatusCode::OK);
    }
    shop.work().await;
    shop.catch_up().await;
    shop.catch_up().await;
    assert_eq!(shop.plan().await.1, "ended");
    assert_eq!(ledger::verify(&test.cx).await.unwrap(), []);
    (test, shop)
}

#[tokio::test]
async fn what_is_left_is_kept_until_it_expires() {
    let (test, shop) = ended("keep").await;
    assert_eq!(shop.tickets().await, [2, 1, 1]);
    assert_eq!(payments(&test, &shop).await, [(2980, 0, None, Some(0))]);
}

#[tokio::test]
async fn what_is_left_is_void() {
    let (test, shop) = ended("void").await;
    assert_eq!(
        shop.tickets().await,
        [0, 1, 1],
        "what is set aside may be used"
    );
    assert_eq!(payments(&test, &shop).await, [(2980, 0, None, Some(0))]);
}

#[tokio::test]
async fn what_is_left_is_given_back_once() {
    let (test, shop) = ended("refund").await;
    assert_eq!(shop.tickets().await, [0, 1, 1]);
    assert_eq!(
        payments(&test, &shop).await,
        [(2980, 1490, None, Some(0))],
        "half of the units, half of the money"
    );
    assert_eq!(shop.stripe.count("refund"), 1);
    assert_eq!(shop.stripe.flags(), Vec::<String>::new());
}

#[tokio::test]
async fn the_order_of_events_does_not_matter_when_a_plan_ends_at_once() {
    let test = testkit::context().await;
    let plans = PLANS.replacen(
        "stripe_price = \"price_light\"",
        "stripe_price = \"price_light\"\nat_end = \"refund\"",
        1,
    );
    let (shop, _) = Shop::member(&house_of(&test.cx, &plans).await, false).await;
    shop.buy().await;
    shop.stripe.end_newest();
    // nothing was heard of the payment when the end is told
    for event in shop.stripe.events(false).iter().rev() {
        assert_eq!(shop.deliver(event).await, StatusCode::OK);
        shop.work().await;
    }
    shop.catch_up().await;
    assert_eq!(shop.tickets().await, [0, 0, 0]);
    assert_eq!(payments(&test, &shop).await, [(2980, 2980, None, Some(0))]);
    assert_eq!(shop.stripe.count("refund"), 1);
}
