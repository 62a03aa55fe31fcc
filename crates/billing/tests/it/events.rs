use super::*;

#[tokio::test]
async fn only_signed_bytes_are_kept() {
    let test = testkit::context().await;
    let shop = Shop::open(&test).await;
    shop.buy().await;
    let body = shop.stripe.events(false).pop().unwrap();
    let now = test.cx.clock.now();
    let sign = |secret: &str, at| billing::sign(&secret.into(), body.as_bytes(), at).unwrap();
    let right = sign(SECRET, now);
    let value: Value = serde_json::from_str(&body).unwrap();
    let rewritten = serde_json::to_string_pretty(&value).unwrap();
    for (body, header) in [
        (&body, None),
        (&body, Some(sign("whsec_somebody_elses_0", now))),
        (&body, Some(right.replace("v1=", "v0="))),
        (&body, Some(sign(SECRET, now - Duration::seconds(302)))),
        (&body, Some(sign(SECRET, now + Duration::seconds(302)))),
        (&rewritten, Some(right.clone())),
        (&format!("{body} "), Some(right.clone())),
    ] {
        let status = shop.post(body, header.as_deref()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{header:?}");
    }
    assert_eq!(states(&test).await, []);
    assert_eq!(
        shop.deliver("{\"id\":\"evt_1\"}").await,
        StatusCode::BAD_REQUEST,
        "signed, and no event"
    );
    assert_eq!(shop.post(&body, Some(&right)).await, StatusCode::OK);
    assert_eq!(shop.post(&body, Some(&right)).await, StatusCode::OK);
    assert_eq!(states(&test).await, [("queued".to_owned(), 1)]);
}

#[tokio::test]
async fn what_was_answered_is_worked_on_by_whoever_lives() {
    let test = testkit::context().await;
    let house = house(&test.cx).await;
    let shop = Shop::of(&house, NEW).await;
    shop.buy().await;
    for event in shop.stripe.events(false) {
        shop.deliver(&event).await;
    }
    // a node took all of them and died
    let mut owner = test.database.owner().await;
    sqlx::query(
        "update billing.event set state = 'working', attempts = 1, lease_id = gen_random_uuid(), lease_until = $1
         where state = 'queued'",
    )
    .bind(test.cx.clock.now() + Duration::seconds(90))
    .execute(&mut owner)
    .await
    .unwrap();
    shop.work().await;
    assert_eq!(shop.plan().await.0, "guest", "they are under lease");
    test.time.advance(Duration::seconds(91));
    shop.work().await;
    assert_eq!(shop.plan().await, ("light".to_owned(), "active"));
    assert_eq!(shop.tickets().await, [4, 0, 0]);
    assert!(
        states(&test)
            .await
            .iter()
            .all(|(state, _)| state == "done" || state == "ignored")
    );
}

#[tokio::test]
async fn an_unknown_customer_waits_and_is_found_later_without_a_new_event() {
    let test = testkit::context().await;
    let shop = Shop::open(&test).await;
    shop.buy().await;
    let mut owner = test.database.owner().await;
    let id: String = sqlx::query_scalar("select stripe_id from billing.customer")
        .fetch_one(&mut owner)
        .await
        .unwrap();
    sqlx::query("update billing.customer set stripe_id = 'cus_another'")
        .execute(&mut owner)
        .await
        .unwrap();
    shop.catch_up().await;
    assert_eq!(shop.plan().await.0, "guest");
    let waiting = states(&test).await;
    assert!(
        waiting
            .iter()
            .any(|(state, count)| state == "waiting" && *count >= 4),
        "{waiting:?}"
    );
    sqlx::query("update billing.customer set stripe_id = null")
        .execute(&mut owner)
        .await
        .unwrap();
    // the next one to ask finds that we made it ourselves
    sqlx::query("delete from billing.checkout")
        .execute(&mut owner)
        .await
        .unwrap();
    shop.checkout().await.unwrap();
    let found: String = sqlx::query_scalar("select stripe_id from billing.customer")
        .fetch_one(&mut owner)
        .await
        .unwrap();
    assert_eq!(found, id);
    shop.work().await;
    assert_eq!(shop.plan().await, ("light".to_owned(), "active"));
    assert_eq!(shop.tickets().await, [4, 0, 0]);
}

#[tokio::test]
async fn another_mode_and_what_has_no_effect_are_kept_and_change_nothing() {
    let test = testkit::context().await;
    let shop = Shop::open(&test).await;
    shop.buy().await;
    for event in shop.stripe.events(false) {
        let live = event.replace("\"livemode\":false", "\"livemode\":true");
        assert_eq!(shop.deliver(&live).await, StatusCode::OK);
    }
    shop.work().await;
    let count = i64::try_from(shop.stripe.events(false).len()).unwrap();
    assert_eq!(states(&test).await, [("ignored".to_owned(), count)]);
    assert_eq!(shop.plan().await.0, "guest");
}

#[tokio::test]
async fn an_event_that_can_not_be_worked_on_dies_after_eight_tries_and_can_be_replayed() {
    let test = testkit::context().await;
    let house = house(&test.cx).await;
    let shop = Shop::of(&house, NEW).await;
    shop.buy().await;
    let events = shop.stripe.events(false);
    let paid = events
        .iter()
        .find(|event| event.contains("invoice.paid"))
        .unwrap();
    shop.deliver(paid).await;
    let nowhere = open(&house, "http://127.0.0.1:9", NEW);
    for _ in 0..8 {
        assert_eq!(billing::process_due(&nowhere, 10).await.unwrap(), 0);
        test.time.advance(Duration::hours(9));
    }
    let dead = billing::list_dead(&test.cx, 10).await.unwrap();
    assert_eq!((dead.len(), dead[0].attempts), (1, 8));
    assert!(
        dead[0].note.contains("can't be reached"),
        "{}",
        dead[0].note
    );
    shop.work().await;
    assert_eq!(shop.plan().await.0, "guest");
    assert!(billing::replay(&test.cx, &dead[0].id).await.unwrap());
    assert!(!billing::replay(&test.cx, "evt_unknown").await.unwrap());
    shop.work().await;
    assert_eq!(shop.tickets().await, [4, 0, 0]);
}

#[tokio::test]
async fn what_was_dropped_is_found_by_reconciliation() {
    let test = testkit::context().await;
    let shop = Shop::open(&test).await;
    shop.buy().await;
    let events = shop.stripe.events(false).len();
    let report = billing::reconcile(&shop.room, Duration::days(3))
        .await
        .unwrap();
    assert_eq!((report.events, report.missed.len()), (events, events));
    assert_eq!((report.subscriptions, report.repaired.len()), (1, 1));
    assert_eq!(shop.plan().await, ("light".to_owned(), "active"));
    assert_eq!(shop.tickets().await, [0, 0, 0]);
    shop.work().await;
    assert_eq!(shop.tickets().await, [4, 0, 0]);
    let again = billing::reconcile(&shop.room, Duration::days(3))
        .await
        .unwrap();
    assert_eq!((again.missed.len(), again.repaired.len()), (0, 0));
}
