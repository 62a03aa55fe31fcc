use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_answer_that_comes_later_changes_nothing() {
    let test = testkit::context().await;
    let shop = Shop::open(&test).await;
    shop.buy().await;
    shop.catch_up().await;
    let of = |kind: &str, name: &str| {
        let events = shop.stripe.events(false);
        let event = events.iter().rfind(|event| event.contains(kind)).unwrap();
        event.replacen("evt_", name, 1)
    };

    // read while nothing was canceled, and on its way until it was
    let held = shop.stripe.hold_next_read("subscriptions/");
    shop.deliver(&of("customer.subscription.updated", "evt_slow_"))
        .await;
    let room = shop.room.clone();
    let slow = tokio::spawn(async move { billing::process_due(&room, 1).await.unwrap() });
    held.reached().await;
    shop.stripe.cancel_newest(true);
    shop.catch_up().await;
    assert_eq!(shop.plan().await, ("light".to_owned(), "canceled"));
    held.release();
    slow.await.unwrap();
    assert_eq!(shop.plan().await, ("light".to_owned(), "canceled"));

    // the same of a charge
    assert!(shop.stripe.refund_newest(Some(1490)));
    let held = shop.stripe.hold_next_read("charges/");
    shop.deliver(&of("charge.refunded", "evt_slow_")).await;
    let room = shop.room.clone();
    let slow = tokio::spawn(async move { billing::process_due(&room, 1).await.unwrap() });
    held.reached().await;
    assert!(shop.stripe.refund_newest(None));
    shop.catch_up().await;
    assert_eq!(payments(&test, &shop).await[0].1, 2980);
    held.release();
    slow.await.unwrap();
    assert_eq!(payments(&test, &shop).await[0].1, 2980);
    assert_eq!(shop.tickets().await, [0, 0, 0]);
}

#[tokio::test]
async fn a_lost_answer_makes_no_second_object_in_a_hundred_of_a_hundred() {
    let test = testkit::context().await;
    let house = house(&test.cx).await;
    for round in 1..=100 {
        let shop = Shop::of(&house, NEW).await;
        // the customer's answer, the session's, or both
        shop.stripe.lose_answers(1 + round % 2);
        let url = match shop.checkout().await {
            Ok(url) => url,
            Err(_) => shop.checkout().await.unwrap(),
        };
        assert_eq!(shop.checkout().await.unwrap(), url);
        assert_eq!(
            (
                shop.stripe.count("customer"),
                shop.stripe.count("checkout.session")
            ),
            (1, 1)
        );
    }
}
