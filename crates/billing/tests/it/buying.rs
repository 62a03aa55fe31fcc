use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_purchase_grants_once_with_all_its_events_together() {
    let test = testkit::context().await;
    let shop = Shop::open(&test).await;
    assert_eq!(shop.plan().await, ("guest".to_owned(), "active"));
    shop.buy().await;
    assert_eq!(shop.plan().await.0, "guest", "coming back grants nothing");

    let events = shop.stripe.events(false);
    let kinds = [
        "customer.subscription.created",
        "checkout.session.completed",
        "invoice.paid",
        "invoice.payment_succeeded",
    ];
    for kind in kinds {
        assert!(events.iter().any(|event| event.contains(kind)), "{kind}");
    }
    let brought = events.iter().map(|event| shop.deliver(event));
    for status in futures::future::join_all(brought).await {
        assert_eq!(status, StatusCode::OK);
    }
    let (one, two) = (shop.work(), shop.work());
    tokio::join!(one, two);

    let standing = shop.standing().await;
    assert_eq!(
        (standing.plan.id.as_str(), standing.status.as_str()),
        ("light", "active")
    );
    let month = shop.room.cx.clock.now() + Duration::days(30);
    assert_eq!(standing.expires_at, Some(month));
    assert_eq!(shop.tickets().await, [4, 0, 0]);
    assert_eq!(payments(&test, &shop).await, [(2980, 0, None, Some(0))]);
    assert!(matches!(
        shop.checkout().await,
        Err(Error::AlreadySubscribed)
    ));
    assert_eq!(shop.stripe.flags(), Vec::<String>::new());
    assert_eq!(ledger::verify(&test.cx).await.unwrap(), []);
    assert_eq!(identity::verify_audit(&test.cx).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_is_one_customer_and_has_one_open_checkout_however_it_is_clicked() {
    let test = testkit::context().await;
    let shop = Shop::open(&test).await;
    let clicks = futures::future::join_all((0..8).map(|_| shop.checkout())).await;
    let urls: Vec<String> = clicks.into_iter().map(Result::unwrap).collect();
    assert!(urls.iter().all(|url| url == &urls[0]), "{urls:?}");
    assert_eq!(shop.stripe.count("customer"), 1);
    assert_eq!(shop.stripe.count("checkout.session"), 1);

    // the answers were lost before they were written down
    let mut owner = test.database.owner().await;
    sqlx::query("update billing.customer set stripe_id = null")
        .execute(&mut owner)
        .await
        .unwrap();
    sqlx::query("update billing.checkout set stripe_id = null, url = null")
        .execute(&mut owner)
        .await
        .unwrap();
    assert_eq!(shop.checkout().await.unwrap(), urls[0]);
    assert_eq!(shop.stripe.count("customer"), 1);

    // and so long ago that the key is forgotten
    sqlx::query(
        "update billing.customer set stripe_id = null, created_at = created_at - interval '2 days'",
    )
    .execute(&mut owner)
    .await
    .unwrap();
    assert_eq!(shop.checkout().await.unwrap(), urls[0]);
    assert_eq!(shop.stripe.count("customer"), 1);
}

#[tokio::test]
async fn what_is_not_sold_can_not_be_bought() {
    let test = testkit::context().await;
    let shop = Shop::open(&test).await;
    let meta = RequestMeta::of_the_house("req_test");
    let buy = |plan| {
        let storefront = "narai";
        let wish = billing::Wish::Plan { storefront, plan };
        billing::start_checkout(&shop.room, &shop.caller, &meta, wish)
    };
    assert!(matches!(buy("gift").await, Err(Error::NotForSale)));
    assert!(matches!(
        buy("gold").await,
        Err(Error::Entitlement(entitlement::Error::NoPlan))
    ));
    assert_eq!(shop.stripe.count("customer"), 0);
}

#[tokio::test]
async fn a_failed_payment_leads_through_grace_to_on_hold_and_back() {
    let test = testkit::context().await;
    let shop = Shop::open(&test).await;
    shop.buy().await;
    shop.catch_up().await;

    shop.stripe.decline(&shop.customer(), true);
    test.time.advance(Duration::days(30));
    shop.stripe.advance(30 * 86_400);
    shop.catch_up().await;
    assert_eq!(shop.plan().await, ("light".to_owned(), "grace"));
    assert_eq!(
        shop.standing().await.expires_at,
        Some(test.cx.clock.now() + GRACE)
    );
    assert_eq!(
        shop.tickets().await,
        [0, 0, 0],
        "nothing for what was not paid"
    );

    test.time.advance(GRACE);
    assert_eq!(
        shop.plan().await,
        ("guest".to_owned(), "on_hold"),
        "by the clock alone"
    );
    shop.stripe
        .give_up(&shop.stripe.newest("subscription").unwrap());
    shop.catch_up().await;
    assert_eq!(shop.plan().await, ("guest".to_owned(), "on_hold"));

    shop.stripe.decline(&shop.customer(), false);
    shop.catch_up().await;
    assert_eq!(shop.plan().await, ("light".to_owned(), "active"));
    assert_eq!(shop.tickets().await, [4, 0, 0]);

    // an event of the bad days, late
    let failed = shop.stripe.events(false);
    let failed = failed
        .iter()
        .find(|event| event.contains("invoice.payment_failed"))
        .unwrap();
    let late = failed.replacen("evt_", "evt_late_", 1);
    assert_eq!(shop.deliver(&late).await, StatusCode::OK);
    shop.work().await;
    assert_eq!(
        shop.plan().await,
        ("light".to_owned(), "active"),
        "a stale event flaps nothing"
    );
}

#[tokio::test]
async fn a_canceled_plan_holds_to_the_end_of_what_is_paid() {
    let test = testkit::context().await;
    let shop = Shop::open(&test).await;
    shop.buy().await;
    shop.stripe.cancel_newest(true);
    shop.catch_up().await;
    assert_eq!(shop.plan().await, ("light".to_owned(), "canceled"));
    test.time.advance(Duration::days(30));
    assert_eq!(shop.plan().await, ("guest".to_owned(), "ended"));
    shop.stripe.advance(30 * 86_400);
    shop.catch_up().await;
    assert_eq!(shop.plan().await, ("guest".to_owned(), "ended"));
    shop.checkout().await.unwrap();

    entitlement::assign(&test.cx, shop.caller.principal.tenant, "narai", "gift")
        .await
        .unwrap();
    assert_eq!(shop.plan().await, ("gift".to_owned(), "active"));
    billing::reconcile(&shop.room, Duration::days(3))
        .await
        .unwrap();
    let ended = shop.stripe.events(false).pop().unwrap();
    let again = ended.replacen("evt_", "evt_again_", 1);
    shop.deliver(&again).await;
    shop.work().await;
    assert_eq!(
        shop.plan().await.0,
        "gift",
        "what is over takes nothing that was given by hand"
    );
}
