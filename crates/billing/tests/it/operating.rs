use super::*;

#[tokio::test]
async fn the_operator_sees_events_and_subscriptions_and_puts_them_right() {
    let test = testkit::context().await;
    let house = house(&test.cx).await;
    let (shop, cookies) = Shop::member(&house, true).await;
    let (_, member) = Shop::member(&house, false).await;
    for (method, path) in [
        ("GET", "/admin/billing/events"),
        ("POST", "/admin/billing/events/evt_1/replay"),
        ("GET", "/admin/billing/subscriptions"),
        ("POST", "/admin/billing/reconcile"),
    ] {
        let (status, _) = shop.ask(&member, method, path, None).await;
        assert_eq!(status, 403, "{path}");
    }
    shop.buy().await;
    let (status, report) = shop
        .ask(&cookies, "POST", "/admin/billing/reconcile", None)
        .await;
    let missed = report["missed"].as_array().unwrap().len();
    assert_eq!(
        (status, missed),
        (200, shop.stripe.events(false).len()),
        "{report}"
    );
    assert_eq!(report["repaired"].as_array().unwrap().len(), 1);
    shop.work().await;

    let mut seen = Vec::new();
    let mut path = "/admin/billing/events?limit=3".to_owned();
    loop {
        let (status, page) = shop.ask(&cookies, "GET", &path, None).await;
        assert_eq!(status, 200, "{page}");
        seen.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|event| event["id"].to_string()),
        );
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("/admin/billing/events?limit=3&cursor={cursor}");
    }
    let count = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(
        (count, seen.len()),
        (missed, missed),
        "each once, though all came in one instant"
    );

    let (_, done) = shop
        .ask(&cookies, "GET", "/admin/billing/events?state=done", None)
        .await;
    let event = done["items"][0]["id"].as_str().unwrap().to_owned();
    let replay = format!("/admin/billing/events/{event}/replay");
    let (status, replayed) = shop.ask(&cookies, "POST", &replay, None).await;
    assert_eq!((status, &replayed["state"]), (202, &json!("queued")));
    let (status, refused) = shop
        .ask(
            &cookies,
            "POST",
            "/admin/billing/events/evt_none/replay",
            None,
        )
        .await;
    assert_eq!((status, &refused["code"]), (404, &json!("event_not_found")));
    let (status, _) = shop
        .ask(&cookies, "GET", "/admin/billing/events?state=lost", None)
        .await;
    assert_eq!(status, 422);

    for (query, found) in [
        ("", 1),
        ("?storefront=narai&status=active", 1),
        ("?storefront=misaki", 0),
        ("?status=past_due", 0),
    ] {
        let path = format!("/admin/billing/subscriptions{query}");
        let (status, page) = shop.ask(&cookies, "GET", &path, None).await;
        assert_eq!(
            (status, page["items"].as_array().unwrap().len()),
            (200, found),
            "{query}"
        );
        if found == 1 {
            assert_eq!(page["items"][0]["plan"], json!("light"));
        }
    }
}
