use futures::future::join_all;

use super::*;

/// One point for 100 yen, 20 points for a ticket; 7 points and 1 ticket for a friend who pays, 3 for one who comes.
const RULES: &str = r#"
[[earn]]
event = "invoice"
points = 1
per_yen = 100
days = 180
[[earn]]
event = "review"
points = 50
days = 90
[[exchange]]
id = "ticket"
title = { ja = "チケット1枚", en = "A ticket" }
points = 20
unit = "narai.ticket"
amount = 1
days = 60
[[referral]]
id = "friends"
title = { ja = "おともだち紹介", en = "Friends" }
trigger = "invoice"
most = 2
referrer = { unit = "house.point", amount = 7, days = 180 }
invited = { unit = "narai.ticket", amount = 1, days = 30 }
[[referral]]
id = "hello"
title = { ja = "はじめまして", en = "Hello" }
trigger = "sign_up"
most = 2
referrer = { unit = "house.point", amount = 3, days = 180 }
"#;

async fn rewarding(test: &TestCtx) -> Entitlement {
    house_of(&test.cx, &format!("{PLANS}{RULES}")).await
}

async fn points(shop: &Shop, cookies: &str) -> i64 {
    let (status, view) = shop.ask(cookies, "GET", "/me/points", None).await;
    assert_eq!(status, 200, "{view}");
    view.pointer("/balance").and_then(Value::as_i64).unwrap()
}

fn word(view: &Value, at: &str) -> Option<String> {
    view.pointer(at).and_then(Value::as_str).map(str::to_owned)
}

/// The status and the code of a refusal.
async fn refusal(shop: &Shop, cookies: &str, path: &str, body: Value) -> (u16, String) {
    let (status, answer) = shop.ask(cookies, "POST", path, Some(body)).await;
    (status, word(&answer, "/code").unwrap_or_default())
}

/// available of each source of a tenant's tickets
async fn sources(test: &TestCtx, shop: &Shop) -> Vec<(String, i64)> {
    let mut owner = test.database.owner().await;
    sqlx::query_as(
        "select source, sum(available)::bigint from ledger.lot where tenant_id = $1 and unit = $2 group by source order by source",
    )
    .bind(shop.caller.principal.tenant.0)
    .bind(UNIT)
    .fetch_all(&mut owner)
    .await
    .unwrap()
}

async fn code(shop: &Shop, cookies: &str, programme: &str) -> String {
    let wish = json!({ "programme": programme });
    let (status, made) = shop.ask(cookies, "POST", "/referrals", Some(wish)).await;
    assert_eq!(status, 201, "{made}");
    word(&made, "/code").unwrap()
}

/// The state of the newest invitation.
async fn state(shop: &Shop, cookies: &str) -> String {
    let (_, view) = shop.ask(cookies, "GET", "/me/referrals", None).await;
    word(&view, "/invitations/0/state").unwrap()
}

async fn accept(shop: &Shop, cookies: &str, code: &str) -> (u16, String) {
    refusal(shop, cookies, "/referrals/accept", json!({ "code": code })).await
}

#[tokio::test]
async fn points_come_with_payments_become_free_tickets_and_go_with_refunds() {
    let test = testkit::context().await;
    let (shop, cookies) = Shop::member(&rewarding(&test).await, false).await;
    shop.buy().await;
    shop.catch_up().await;
    shop.catch_up().await;
    assert_eq!(
        points(&shop, &cookies).await,
        29,
        "one for 100 of 2,980 yen"
    );
    let (status, done) = shop
        .ask(
            &cookies,
            "POST",
            "/points/redeem",
            Some(json!({ "exchange": "ticket" })),
        )
        .await;
    assert_eq!((status, &done["balance"]), (201, &json!(9)), "{done}");
    assert_eq!(
        sources(&test, &shop).await,
        [("free".to_owned(), 1), ("paid".to_owned(), 4)],
        "what points became stays apart from what was paid for"
    );
    for (body, expected) in [
        (json!({ "exchange": "ticket" }), (409, "points_short")),
        (
            json!({ "exchange": "ticket", "times": 100 }),
            (409, "points_short"),
        ),
        (json!({ "exchange": "moon" }), (404, "exchange_not_found")),
        (
            json!({ "exchange": "ticket", "times": 0 }),
            (422, "invalid_input"),
        ),
        (
            json!({ "exchange": "ticket", "times": 101 }),
            (422, "invalid_input"),
        ),
        (
            json!({ "exchange": "", "times": 1 }),
            (422, "invalid_input"),
        ),
    ] {
        let got = refusal(&shop, &cookies, "/points/redeem", body.clone()).await;
        assert_eq!((got.0, got.1.as_str()), expected, "{body}");
    }
    for body in [
        json!({ "exchange": "ticket", "times": -1 }),
        json!({ "exchange": "ticket", "points": 1 }),
        json!({}),
    ] {
        let (status, _) = refusal(&shop, &cookies, "/points/redeem", body).await;
        assert!((400..500).contains(&status));
    }
    assert_eq!(points(&shop, &cookies).await, 9);
    // the points go with their money; those that were used are debt
    assert!(shop.stripe.refund_newest(None));
    shop.catch_up().await;
    assert_eq!(points(&shop, &cookies).await, 0);
    let debts: Vec<_> = payments(&test, &shop).await.iter().map(|p| p.3).collect();
    assert!(debts.contains(&Some(20)), "{debts:?}");
    assert_eq!(ledger::verify(&test.cx).await.unwrap(), []);
}

#[tokio::test]
async fn sixteen_exchanges_at_once_make_as_many_tickets_as_there_are_points_for() {
    let test = testkit::context().await;
    let (shop, cookies) = Shop::member(&rewarding(&test).await, false).await;
    let by = shop.caller.principal;
    for booking in ["bk_1", "bk_1", "bk_2"] {
        let mut tx = test.cx.db.begin(db::Scope::House("reviews")).await.unwrap();
        let earned = billing::earn(
            &mut tx,
            &shop.room,
            by.tenant,
            entitlement::Occasion::Review,
            booking,
        );
        assert_eq!(earned.await.unwrap(), 50);
        tx.commit().await.unwrap();
    }
    assert_eq!(
        points(&shop, &cookies).await,
        100,
        "one review is one reward"
    );
    let body = || Some(json!({ "exchange": "ticket" }));
    let all = (0..16).map(|_| shop.ask(&cookies, "POST", "/points/redeem", body()));
    let done = join_all(all).await;
    assert_eq!(done.iter().filter(|(status, _)| *status == 201).count(), 5);
    assert_eq!(shop.tickets().await, [5, 0, 0]);
    assert_eq!(points(&shop, &cookies).await, 0);
    assert_eq!(ledger::verify(&test.cx).await.unwrap(), []);
}

#[tokio::test]
async fn an_invitation_rewards_both_sides_once_when_the_friend_pays_and_takes_it_back_with_the_money()
 {
    let test = testkit::context().await;
    let (host, own) = Shop::member(&rewarding(&test).await, false).await;
    let (friend, theirs) = host.joined(false, "").await;
    let invitation = code(&host, &own, "friends").await;
    assert_eq!(code(&host, &own, "friends").await, invitation, "one code");
    assert_eq!(
        accept(&friend, &theirs, &invitation.to_lowercase()).await.0,
        201
    );
    assert_eq!(
        accept(&friend, &theirs, &invitation).await,
        (409, "referral_accepted".to_owned())
    );
    assert_eq!(points(&host, &own).await, 0, "nothing is paid yet");
    friend.buy().await;
    let both = [&friend, &host];
    // every node may come upon it, and every event tells of it
    join_all(both.map(Shop::catch_up)).await;
    friend.catch_up().await;
    assert_eq!(points(&host, &own).await, 7);
    assert_eq!(points(&friend, &theirs).await, 29);
    assert_eq!(
        friend.tickets().await,
        [5, 0, 0],
        "the plan's four and a friend's one"
    );
    assert_eq!(state(&host, &own).await, "rewarded");
    let told = letters(&test).await;
    assert_eq!(told.iter().filter(|name| *name == "news").count(), 2);
    // half the money takes half of each, rounded for the customers
    assert!(friend.stripe.refund_newest(Some(1490)));
    friend.catch_up().await;
    assert_eq!(
        (points(&host, &own).await, points(&friend, &theirs).await),
        (4, 15)
    );
    assert!(friend.stripe.refund_newest(None));
    friend.catch_up().await;
    assert_eq!(
        (points(&host, &own).await, friend.tickets().await),
        (0, [0, 0, 0])
    );
    // whoever has paid before is not new, also for a code of somebody else's
    let (other, others) = host.joined(false, "").await;
    let second = code(&other, &others, "friends").await;
    assert_eq!(
        accept(&friend, &theirs, &second).await,
        (409, "referral_not_new".to_owned())
    );
    assert_eq!(ledger::verify(&test.cx).await.unwrap(), []);
}

#[tokio::test]
async fn a_dispute_takes_both_rewards_and_a_won_one_gives_them_again() {
    let test = testkit::context().await;
    let (host, own) = Shop::member(&rewarding(&test).await, false).await;
    let (friend, theirs) = host.joined(false, "").await;
    let invitation = code(&host, &own, "friends").await;
    assert_eq!(accept(&friend, &theirs, &invitation).await.0, 201);
    friend.buy().await;
    friend.catch_up().await;
    friend.stripe.dispute_newest("needs_response");
    friend.catch_up().await;
    assert_eq!(
        (points(&host, &own).await, friend.tickets().await[0]),
        (0, 0)
    );
    friend.stripe.dispute_newest("won");
    friend.catch_up().await;
    assert_eq!(
        (points(&host, &own).await, friend.tickets().await[0]),
        (7, 5)
    );
    assert_eq!(ledger::verify(&test.cx).await.unwrap(), []);
}

#[tokio::test]
async fn nobody_invites_themselves_by_account_family_browser_or_card() {
    let test = testkit::context().await;
    let (host, own) = Shop::member(&rewarding(&test).await, false).await;
    let invitation = code(&host, &own, "friends").await;
    let oneself = (409, "referral_own".to_owned());
    assert_eq!(accept(&host, &own, &invitation).await, oneself);
    assert_eq!(
        accept(&host, &own, "23456789").await,
        (404, "referral_not_found".to_owned())
    );
    assert_eq!(accept(&host, &own, "x").await.0, 422);
    // from the host's browser, whose cookie is replaced
    let browser = own.split("; ").find(|one| one.contains("noren_device="));
    let (at_home, cookies) = host.joined(false, browser.unwrap()).await;
    assert_eq!(accept(&at_home, &cookies, &invitation).await, oneself);
    // in a family with the host
    let (relative, cookies) = host.joined(false, "").await;
    let user = |shop: &Shop| shop.caller.principal.user.unwrap();
    let meta = RequestMeta::of_the_house("req_test");
    let family = identity::create_tenant(
        &host.room.identity,
        user(&host),
        identity::TenantKind::Family,
        "家",
        &meta,
    );
    let family = family.await.unwrap();
    let mut owner = test.database.owner().await;
    sqlx::query("insert into identity.membership (tenant_id, user_id, role, guardian_seat, created_at) values ($1, $2, 'guardian', 2, now())")
        .bind(family.id.0)
        .bind(user(&relative).0)
        .execute(&mut owner)
        .await
        .unwrap();
    assert_eq!(accept(&relative, &cookies, &invitation).await, oneself);
    // with the host's card: that shows when it is paid
    let (friend, theirs) = host.joined(false, "").await;
    assert_eq!(accept(&friend, &theirs, &invitation).await.0, 201);
    host.buy().await;
    host.catch_up().await;
    let earned = points(&host, &own).await;
    host.stripe.pay_with(&host.customer(), "fp_one");
    let mine = format!("fp_{}", host.customer());
    let session = friend.checkout().await.unwrap();
    host.stripe.pay_with(&friend.customer(), &mine);
    assert!(
        friend
            .stripe
            .complete_checkout(session.rsplit('/').next().unwrap())
    );
    friend.catch_up().await;
    assert_eq!(state(&friend, &theirs).await, "refused");
    assert_eq!(points(&host, &own).await, earned, "no reward");
    assert_eq!(friend.tickets().await, [4, 0, 0]);
}

#[tokio::test]
async fn a_code_is_good_for_so_many_and_who_signs_up_is_rewarded_at_once() {
    let test = testkit::context().await;
    let (host, own) = Shop::member(&rewarding(&test).await, false).await;
    let invitation = code(&host, &own, "hello").await;
    let mut friends = Vec::new();
    for _ in 0..4 {
        friends.push(host.joined(false, "").await);
    }
    let all = friends
        .iter()
        .map(|(friend, cookies)| accept(friend, cookies, &invitation));
    let answers = join_all(all).await;
    assert_eq!(answers.iter().filter(|answer| answer.0 == 201).count(), 2);
    let refused = answers.iter().filter(|answer| answer.0 != 201);
    assert!(
        refused
            .into_iter()
            .all(|answer| answer.1 == "referral_used_up"),
        "{answers:?}"
    );
    assert_eq!(points(&host, &own).await, 6, "three for each, once");
    let (late, _) = host.joined(false, "").await;
    let (other, others) = host.joined(false, "").await;
    let second = code(&other, &others, "hello").await;
    test.time.advance(Duration::days(31));
    let again = late.sign_in(&late.email, "").await;
    assert_eq!(
        accept(&late, &again, &second).await,
        (409, "referral_not_new".to_owned())
    );
    assert_eq!(ledger::verify(&test.cx).await.unwrap(), []);
}
