use super::*;

#[tokio::test]
async fn a_refund_after_partial_use_takes_the_rest_and_records_what_was_used_as_debt() {
    let test = testkit::context().await;
    let shop = Shop::open(&test).await;
    shop.buy().await;
    shop.catch_up().await;
    shop.spend(1).await;
    let held = shop.hold(1).await;

    assert!(shop.stripe.refund_newest(None));
    shop.catch_up().await;
    assert_eq!(shop.tickets().await, [0, 1, 1]);
    assert_eq!(payments(&test, &shop).await, [(2980, 2980, None, Some(2))]);

    // what was set aside comes back, and goes too
    let mut tx = test
        .cx
        .db
        .begin(shop.caller.principal.scope())
        .await
        .unwrap();
    ledger::release(&mut tx, &test.cx, held).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(shop.tickets().await, [1, 0, 1]);
    assert_eq!(billing::mend_debts(&shop.room, 10).await.unwrap(), 1);
    assert_eq!(shop.tickets().await, [0, 0, 1]);
    assert_eq!(payments(&test, &shop).await, [(2980, 2980, None, Some(1))]);
    test.time.advance(Duration::hours(2));
    billing::mend_debts(&shop.room, 10).await.unwrap();
    assert_eq!(
        billing::mend_debts(&shop.room, 10).await.unwrap(),
        0,
        "nothing can come back any more"
    );
    assert_eq!(ledger::verify(&test.cx).await.unwrap(), []);
}

#[tokio::test]
async fn a_part_of_the_money_takes_a_part_of_the_units_and_only_once() {
    let test = testkit::context().await;
    let shop = Shop::open(&test).await;
    shop.buy().await;
    shop.catch_up().await;
    assert!(shop.stripe.refund_newest(Some(1490)));
    shop.catch_up().await;
    shop.catch_up().await;
    assert_eq!(shop.tickets().await, [2, 0, 0]);
    assert_eq!(payments(&test, &shop).await, [(2980, 1490, None, Some(0))]);
}

#[tokio::test]
async fn a_refund_that_is_told_before_its_payment_finds_it() {
    for (version, old) in [(NEW, false), (OLD, true)] {
        let test = testkit::context().await;
        let shop = Shop::of(&house(&test.cx).await, version).await;
        shop.buy().await;
        assert!(shop.stripe.refund_newest(None));
        let events = shop.stripe.events(old);
        let refunded = events
            .iter()
            .find(|event| event.contains("charge.refunded"))
            .unwrap();
        shop.deliver(refunded).await;
        shop.work().await;
        assert_eq!(
            payments(&test, &shop).await,
            [(2980, 2980, None, Some(0))],
            "{version}"
        );
        assert_eq!(shop.tickets().await, [0, 0, 0]);
        shop.catch_up().await;
        assert_eq!(payments(&test, &shop).await, [(2980, 2980, None, Some(0))]);
        assert_eq!(shop.tickets().await, [0, 0, 0]);
    }
}

#[tokio::test]
async fn a_dispute_takes_the_units_while_the_bank_keeps_the_money() {
    let test = testkit::context().await;
    let shop = Shop::open(&test).await;
    shop.buy().await;
    shop.catch_up().await;
    shop.spend(3).await;
    shop.stripe.dispute_newest("needs_response");
    shop.catch_up().await;
    let disputed = |status: &str| [(2980, 0, Some(status.to_owned()), Some(3))];
    assert_eq!(payments(&test, &shop).await, disputed("needs_response"));
    assert_eq!(shop.tickets().await, [0, 0, 3]);
    shop.stripe.dispute_newest("lost");
    shop.catch_up().await;
    assert_eq!(payments(&test, &shop).await, disputed("lost"));
}

#[tokio::test]
async fn a_won_dispute_gives_again_what_was_taken_and_only_that() {
    let test = testkit::context().await;
    let shop = Shop::open(&test).await;
    shop.buy().await;
    shop.catch_up().await;
    shop.spend(1).await;
    shop.stripe.dispute_newest("needs_response");
    shop.catch_up().await;
    assert_eq!(shop.tickets().await, [0, 0, 1]);
    // longer than the tickets would have lived
    test.time.advance(Duration::days(40));
    shop.stripe.dispute_newest("won");
    for _ in 0..2 {
        shop.catch_up().await;
        assert_eq!(shop.tickets().await, [3, 0, 0], "the first lot is over");
    }
    let won = [(2980, 0, Some("won".to_owned()), Some(0))];
    assert_eq!(payments(&test, &shop).await, won);

    // and what is refunded after that goes for good
    assert!(shop.stripe.refund_newest(None));
    shop.catch_up().await;
    assert_eq!(shop.tickets().await[0], 0);
    assert_eq!(payments(&test, &shop).await[0].3, Some(1));
    assert_eq!(ledger::verify(&test.cx).await.unwrap(), []);
}

#[tokio::test]
async fn what_expired_before_a_dispute_does_not_come_back_with_it() {
    let test = testkit::context().await;
    let shop = Shop::open(&test).await;
    shop.buy().await;
    shop.catch_up().await;
    test.time.advance(Duration::days(31));
    ledger::expire_due(&test.cx, 10).await.unwrap();
    for status in ["needs_response", "won"] {
        shop.stripe.dispute_newest(status);
        shop.catch_up().await;
        assert_eq!(shop.tickets().await[0], 0, "{status}");
    }
}
