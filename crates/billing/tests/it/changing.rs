use super::*;

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one order from its page to its last refusal"
)]
async fn an_order_shows_what_the_law_wants_and_stays_as_it_was_shown() {
    let test = testkit::context().await;
    let house = house(&test.cx).await;
    let (shop, cookies) = Shop::member(&house, false).await;
    let (status, order) = shop.order(&cookies, "light").await;
    assert_eq!(status, 201, "{order}");
    let keys: Vec<&str> = order["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["key"].as_str().unwrap())
        .collect();
    assert_eq!(
        keys,
        [
            "quantity",
            "price",
            "payment",
            "delivery",
            "period",
            "cancellation"
        ]
    );
    for item in order["items"].as_array().unwrap() {
        for part in ["title", "text"] {
            for lang in ["ja", "en"] {
                assert!(!item[part][lang].as_str().unwrap().is_empty(), "{item}");
            }
        }
    }
    assert_eq!(
        [
            &order["kind"],
            &order["total_yen"],
            &order["tax_yen"],
            &order["due_now_yen"],
            &order["next_charge_yen"],
            &order["next_charge_at"],
            &order["proration"],
            &order["current"],
            &order["plan"]["version"]
        ],
        [
            &json!("new"),
            &json!(2980),
            &json!(270),
            &json!(2980),
            &json!(2980),
            &json!("2026-12-20T09:00:00Z"),
            &Value::Null,
            &Value::Null,
            &json!(1)
        ]
    );
    let mut owner = test.database.owner().await;
    let kept: Value = sqlx::query_scalar("select shown from billing.order_shown")
        .fetch_one(&mut owner)
        .await
        .unwrap();
    assert_eq!(kept, order);
    let changed = sqlx::query("update billing.order_shown set wording = 2")
        .execute(&mut owner)
        .await;
    assert!(
        changed.is_err(),
        "not even the owner changes what was shown"
    );

    let wish = json!({ "order": order["id"] });
    let (status, hosted) = shop
        .ask(
            &cookies,
            "POST",
            "/billing/checkout-session",
            Some(wish.clone()),
        )
        .await;
    assert_eq!(status, 201, "{hosted}");
    for tampered in [
        json!({ "order": order["id"], "plan": "light" }),
        json!({ "order": order["id"], "total_yen": 1 }),
    ] {
        let (status, _) = shop
            .ask(
                &cookies,
                "POST",
                "/billing/checkout-session",
                Some(tampered),
            )
            .await;
        assert!(status == 400 || status == 422, "{status}");
    }
    let (_, strangers) = Shop::member(&house, false).await;
    let (status, refused) = shop
        .ask(
            &strangers,
            "POST",
            "/billing/checkout-session",
            Some(wish.clone()),
        )
        .await;
    assert_eq!((status, &refused["code"]), (404, &json!("order_not_found")));

    // the price that was shown is no longer the price
    let dearer = PLANS.replacen("price_yen = 2980", "price_yen = 3280", 1);
    entitlement::apply(&test.cx, &PlanFile::parse(&dearer).unwrap())
        .await
        .unwrap();
    house.refresh_plans().await.unwrap();
    let (status, refused) = shop
        .ask(&cookies, "POST", "/billing/checkout-session", Some(wish))
        .await;
    assert_eq!((status, &refused["code"]), (409, &json!("order_stale")));

    let (_, late) = shop.order(&cookies, "light").await;
    test.time.advance(Duration::minutes(31));
    let wish = json!({ "order": late["id"] });
    let (status, refused) = shop
        .ask(&cookies, "POST", "/billing/checkout-session", Some(wish))
        .await;
    assert_eq!((status, &refused["code"]), (409, &json!("order_stale")));
}

#[tokio::test]
async fn a_dearer_plan_holds_at_once_and_costs_what_was_shown() {
    let test = testkit::context().await;
    let (shop, cookies) = Shop::member(&house(&test.cx).await, false).await;
    shop.buy().await;
    shop.catch_up().await;
    shop.wait(&test, Duration::days(10));
    let (status, order) = shop.order(&cookies, "family").await;
    assert_eq!(
        (status, &order["kind"]),
        (201, &json!("upgrade")),
        "{order}"
    );
    // twenty of thirty days: 5980 less 2980 of each
    assert_eq!(order["proration"]["credit_yen"], json!(1987));
    assert_eq!(order["proration"]["charge_yen"], json!(3987));
    assert_eq!(order["due_now_yen"], json!(2000));
    let change = format!(
        "/billing/subscriptions/{}/change",
        order["subscription"].as_str().unwrap()
    );
    let agreed = Some(json!({ "order": order["id"] }));

    shop.stripe.decline(&shop.customer(), true);
    let (status, refused) = shop.ask(&cookies, "POST", &change, agreed).await;
    assert_eq!((status, &refused["code"]), (402, &json!("payment_failed")));
    shop.catch_up().await;
    assert_eq!(shop.plan().await, ("light".to_owned(), "active"));

    shop.stripe.decline(&shop.customer(), false);
    shop.wait(&test, Duration::seconds(1));
    let (_, order) = shop.order(&cookies, "family").await;
    let agreed = Some(json!({ "order": order["id"] }));
    let (status, view) = shop.ask(&cookies, "POST", &change, agreed.clone()).await;
    assert_eq!((status, &view["plan"]), (200, &json!("family")), "{view}");
    assert_eq!(shop.plan().await, ("family".to_owned(), "active"));
    let (status, again) = shop.ask(&cookies, "POST", &change, agreed).await;
    assert_eq!((status, again), (200, view), "once more is once");
    shop.catch_up().await;
    let paid = payments(&test, &shop).await;
    assert_eq!(
        (paid.len(), json!(paid[1].0)),
        (2, order["due_now_yen"].clone())
    );
    assert_eq!(shop.tickets().await, [4, 0, 0]);
    shop.wait(&test, Duration::days(20));
    shop.catch_up().await;
    assert_eq!(payments(&test, &shop).await[2].0, 5980);
    assert_eq!(letters(&test).await, ["plan_changed", "subscription_began"]);
    assert_eq!(shop.stripe.flags(), Vec::<String>::new());
}

#[tokio::test]
async fn a_cheaper_plan_waits_for_the_next_period_and_can_be_taken_back() {
    let test = testkit::context().await;
    let (shop, cookies) = Shop::member(&house(&test.cx).await, false).await;
    let wish = billing::Wish::Plan {
        storefront: "narai",
        plan: "family",
    };
    let meta = RequestMeta::of_the_house("req_test");
    let url = billing::start_checkout(&shop.room, &shop.caller, &meta, wish)
        .await
        .unwrap();
    assert!(
        shop.stripe
            .complete_checkout(url.rsplit('/').next().unwrap())
    );
    shop.catch_up().await;
    assert_eq!(shop.tickets().await, [10, 0, 0]);
    let change = format!(
        "/billing/subscriptions/{}/change",
        shop.stripe.newest("subscription").unwrap()
    );
    for (plan, kind, held, next) in [
        ("light", "downgrade", "family", json!("light")),
        ("family", "resume", "family", Value::Null),
        ("light", "downgrade", "family", json!("light")),
    ] {
        let (status, order) = shop.order(&cookies, plan).await;
        assert_eq!(
            (status, &order["kind"], &order["due_now_yen"]),
            (201, &json!(kind), &json!(0)),
            "{order}"
        );
        let (status, view) = shop
            .ask(
                &cookies,
                "POST",
                &change,
                Some(json!({ "order": order["id"] })),
            )
            .await;
        assert_eq!(
            (status, &view["plan"], &view["changes_to"]["plan"]),
            (200, &json!(held), &next),
            "{view}"
        );
        shop.catch_up().await;
        assert_eq!(shop.plan().await.0, "family");
    }
    let (status, refused) = shop.order(&cookies, "light").await;
    assert_eq!(
        (status, &refused["code"]),
        (409, &json!("already_subscribed")),
        "it was ordered"
    );
    shop.wait(&test, Duration::days(30));
    shop.catch_up().await;
    assert_eq!(shop.plan().await, ("light".to_owned(), "active"));
    assert_eq!(payments(&test, &shop).await[1].0, 2980);
    assert_eq!(
        shop.tickets().await,
        [4, 0, 0],
        "what expired is gone, and the new plan's are there"
    );
}

#[tokio::test]
async fn a_subscription_is_canceled_and_kept_and_its_people_are_told_once() {
    let test = testkit::context().await;
    let house = house(&test.cx).await;
    let (shop, cookies) = Shop::member(&house, false).await;
    shop.buy().await;
    shop.catch_up().await;
    let sub = shop.stripe.newest("subscription").unwrap();
    let (_, strangers) = Shop::member(&house, false).await;
    for act in ["cancel", "resume"] {
        let path = format!("/billing/subscriptions/{sub}/{act}");
        let (status, refused) = shop.ask(&strangers, "POST", &path, None).await;
        assert_eq!(
            (status, &refused["code"]),
            (404, &json!("subscription_not_found"))
        );
    }
    let cancel = format!("/billing/subscriptions/{sub}/cancel");
    for _ in 0..2 {
        let (status, view) = shop.ask(&cookies, "POST", &cancel, None).await;
        assert_eq!(
            (status, &view["status"]),
            (200, &json!("canceled")),
            "{view}"
        );
    }
    shop.catch_up().await;
    assert_eq!(shop.plan().await, ("light".to_owned(), "canceled"));
    let (_, order) = shop.order(&cookies, "light").await;
    assert_eq!(order["kind"], json!("resume"));
    let (status, view) = shop
        .ask(
            &cookies,
            "POST",
            &format!("/billing/subscriptions/{sub}/resume"),
            None,
        )
        .await;
    assert_eq!((status, &view["status"]), (200, &json!("active")));

    shop.stripe.decline(&shop.customer(), true);
    shop.wait(&test, Duration::days(30));
    shop.catch_up().await;
    shop.catch_up().await;
    shop.stripe.decline(&shop.customer(), false);
    assert!(shop.stripe.refund_newest(Some(1000)));
    shop.catch_up().await;
    assert_eq!(
        letters(&test).await,
        [
            "payment_failed",
            "refunded",
            "subscription_began",
            "subscription_canceled"
        ]
    );
    let mut owner = test.database.owner().await;
    let link: String = sqlx::query_scalar(
        "select data->>'link' from mail.letter where template = 'payment_failed'",
    )
    .fetch_one(&mut owner)
    .await
    .unwrap();
    assert_eq!(link, "https://noren.example/account/plan");

    billing::see_off(&shop.room, shop.caller.principal.tenant)
        .await
        .unwrap();
    billing::see_off(&shop.room, shop.caller.principal.tenant)
        .await
        .unwrap();
    assert_eq!(shop.plan().await.1, "ended", "who leaves pays no more");
}

#[tokio::test]
async fn receipts_have_what_an_invoice_needs_and_say_what_went_back() {
    let test = testkit::context().await;
    let house = house(&test.cx).await;
    let (shop, _) = Shop::member(&house, false).await;
    shop.buy().await;
    for _ in 0..2 {
        shop.catch_up().await;
        shop.wait(&test, Duration::days(31));
    }
    shop.catch_up().await;
    let cookies = shop.sign_in(&shop.email, "").await;
    let (_, first) = shop
        .ask(&cookies, "GET", "/billing/receipts?limit=2", None)
        .await;
    assert_eq!(first["items"].as_array().unwrap().len(), 2);
    let rest = format!(
        "/billing/receipts?limit=2&cursor={}",
        first["next_cursor"].as_str().unwrap()
    );
    let (_, rest) = shop.ask(&cookies, "GET", &rest, None).await;
    assert_eq!(
        (
            rest["items"].as_array().unwrap().len(),
            &rest["next_cursor"]
        ),
        (1, &Value::Null)
    );
    let path = format!(
        "/billing/receipts/{}",
        first["items"][0]["id"].as_str().unwrap()
    );
    let (status, receipt) = shop.ask(&cookies, "GET", &path, None).await;
    assert_eq!(status, 200);
    assert_eq!(
        receipt["issuer"]["registration_number"],
        json!("T1234567890123")
    );
    assert_eq!(
        receipt["tax"],
        json!([{ "rate_percent": 10, "base_yen": 2710, "tax_yen": 270 }])
    );
    assert_eq!(
        (&receipt["total_yen"], &receipt["status"]),
        (&json!(2980), &json!("paid"))
    );
    assert!(
        receipt["hosted_invoice_url"].is_string()
            && receipt["number"].as_str().unwrap().starts_with("SANDBOX-")
    );
    for (amount, refunded, status) in [
        (Some(1490), 1490, "partly_refunded"),
        (None, 2980, "refunded"),
    ] {
        assert!(shop.stripe.refund_newest(amount));
        shop.catch_up().await;
        let (_, now) = shop.ask(&cookies, "GET", &path, None).await;
        assert_eq!(
            (&now["refunded_yen"], &now["status"]),
            (&json!(refunded), &json!(status))
        );
        assert_eq!(
            (&now["lines"], &now["total_yen"]),
            (&receipt["lines"], &receipt["total_yen"])
        );
    }
    let (_, strangers) = Shop::member(&house, false).await;
    let (status, refused) = shop.ask(&strangers, "GET", &path, None).await;
    assert_eq!(
        (status, &refused["code"]),
        (404, &json!("receipt_not_found"))
    );
}
