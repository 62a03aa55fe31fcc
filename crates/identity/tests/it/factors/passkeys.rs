use chrono::Duration;
use serde_json::{Value, json};

use super::{Door, ORIGIN, device::Device, encode};

const REFUSED: (u16, &str) = (401, "passkey_refused");

#[tokio::test]
async fn a_passkey_signs_in_without_a_name_and_is_both_factors() {
    let door = Door::open().await;
    let browser = door.someone("a@example.test").await;
    browser.add_totp().await;
    let mut device = Device::at(ORIGIN);
    let added = browser.add_passkey(&mut device).await;
    assert_eq!((added.status, &added.body["name"]), (201, &json!("Phone")));
    assert_eq!(added.body["last_used_at"], Value::Null);
    let shown = browser.get("/auth/factors").await.body;
    assert_eq!(shown["passkeys"], json!([added.body]));
    let waiting = door.browser().log_in("a@example.test").await;
    assert_eq!(
        waiting.body["methods"],
        json!(["totp", "recovery", "passkey"])
    );

    let other = door.browser();
    let asked = other.post("/auth/passkey/options", json!({})).await;
    let options = &asked.body["options"];
    assert_eq!(
        (&options["rpId"], &options["allowCredentials"]),
        (&json!("account.example.test"), &json!([])),
        "the device knows by itself"
    );
    let me = other.log_in_with(&mut device).await;
    assert_eq!(
        (me.status, &me.body["user"]["email"]),
        (200, &json!("a@example.test"))
    );
    assert_ne!(me.body["stepped_up_until"], Value::Null);
    assert_eq!(other.get("/auth/me").await.body, me.body);
    let proofs: Vec<String> = door
        .look("select proofs from identity.session where proofs <> '{pwd}' and revoked_at is null")
        .await;
    assert_eq!(proofs, ["hwk"]);
    let shown = browser.get("/auth/factors").await.body;
    assert_ne!(shown["passkeys"][0]["last_used_at"], Value::Null);
    let count: i64 = door
        .look("select (credential #>> '{cred,counter}')::bigint from identity.passkey")
        .await;
    assert_eq!(count, 1, "the next must count on from here");
    assert_eq!(other.log_in_with(&mut device).await.status, 200);
    assert_eq!(door.written("factor.add").await, 2);
}

#[tokio::test]
async fn whoever_comes_in_with_a_passkey_may_do_without_a_password() {
    let door = Door::open().await;
    let browser = door.someone("a@example.test").await;
    let needed = (409, "passkey_needed");
    let mut device = Device::at(ORIGIN);
    browser.add_passkey(&mut device).await;
    let refused = browser.delete("/auth/password").await;
    assert_eq!(refused.told(), needed, "it has let nobody in");
    let other = door.browser();
    assert_eq!(other.log_in_with(&mut device).await.status, 200);
    let refused = other.delete("/auth/password").await;
    assert_eq!(refused.told(), needed, "the address is not confirmed");
    door.change("update identity.app_user set email_verified_at = created_at")
        .await;
    assert_eq!(other.delete("/auth/password").await.status, 204);
    assert_eq!(browser.get("/auth/me").await.status, 401, "all others end");
    assert_eq!(other.get("/auth/factors").await.body["password"], false);
    let login = door.browser().log_in("a@example.test").await;
    assert_eq!(login.told(), (401, "wrong_credentials"));
    assert_eq!(door.browser().log_in_with(&mut device).await.status, 200);
    assert_eq!(door.written("password.remove").await, 1);
    let again = other.delete("/auth/password").await;
    assert_eq!(again.told(), (404, "not_found"));
}

#[tokio::test]
async fn a_challenge_is_answered_once_and_within_five_minutes() {
    let door = Door::open().await;
    let mut device = Device::at(ORIGIN);
    let owner = door.someone("a@example.test").await;
    owner.add_passkey(&mut device).await;
    let browser = door.browser();
    let signed = browser.passkey(&mut device).await;
    let tries = futures::future::join_all((0..6).map(|_| {
        let (browser, signed) = (door.browser(), signed.clone());
        async move { browser.post("/auth/passkey/login", signed).await.status }
    }))
    .await;
    let entered = tries.iter().filter(|status| **status == 200).count();
    assert_eq!(entered, 1, "{tries:?}");
    let again = browser.post("/auth/passkey/login", signed).await;
    assert_eq!(again.told(), REFUSED);

    let late = browser.passkey(&mut device).await;
    door.later(Duration::minutes(5));
    let late = browser.post("/auth/passkey/login", late).await;
    assert_eq!(late.told(), REFUSED);

    // an answer to another challenge
    let mut mixed = browser.passkey(&mut device).await;
    mixed["ceremony"] = browser.passkey(&mut device).await["ceremony"].clone();
    let mixed = browser.post("/auth/passkey/login", mixed).await;
    assert_eq!(mixed.told(), REFUSED);
    assert_eq!(browser.log_in_with(&mut device).await.status, 200);
}

#[tokio::test]
async fn a_passkey_that_counts_backwards_is_refused_and_written_down() {
    let door = Door::open().await;
    let mut device = Device::at(ORIGIN);
    let owner = door.someone("a@example.test").await;
    owner.add_passkey(&mut device).await;
    device.passkeys[0].count = 41;
    assert_eq!(door.browser().log_in_with(&mut device).await.status, 200);
    device.passkeys[0].count = 40;
    let mut copy = Device::at(ORIGIN);
    copy.passkeys = device.passkeys.clone();
    for _ in 0..2 {
        let refused = door.browser().log_in_with(&mut copy).await;
        copy.passkeys[0].count = 7;
        assert_eq!(refused.told(), REFUSED);
    }
    assert_eq!(door.written("factor.clone").await, 2);
    device.passkeys[0].count = 42;
    assert_eq!(door.browser().log_in_with(&mut device).await.status, 200);
}

#[tokio::test]
async fn two_copies_that_count_alike_do_not_both_get_in() {
    let door = Door::open().await;
    let mut device = Device::at(ORIGIN);
    let owner = door.someone("a@example.test").await;
    owner.add_passkey(&mut device).await;
    let mut signed = Vec::new();
    for _ in 0..4 {
        device.passkeys[0].count = 9;
        signed.push(door.browser().passkey(&mut device).await);
    }
    let tries = futures::future::join_all(signed.into_iter().map(|signed| {
        let browser = door.browser();
        async move { browser.post("/auth/passkey/login", signed).await.status }
    }))
    .await;
    let entered = tries.iter().filter(|status| **status == 200).count();
    assert_eq!(entered, 1, "{tries:?}");
    assert_eq!(door.written("factor.clone").await, 3);
}

#[tokio::test]
async fn answers_that_are_not_quite_right_are_refused() {
    let door = Door::open().await;
    let mut device = Device::at(ORIGIN);
    let one = door.someone("a@example.test").await;
    one.add_passkey(&mut device).await;
    let mut others = Device::at(ORIGIN);
    let other = door.someone("b@example.test").await;
    other.add_passkey(&mut others).await;
    let browser = door.browser();
    let right = device.passkeys[0].clone();

    let mut wrong = Vec::new();
    device.origin = "https://account.example.test.evil.test".to_owned();
    wrong.push(("another origin", browser.passkey(&mut device).await));
    ORIGIN.clone_into(&mut device.origin);
    device.verifies = false;
    wrong.push((
        "nobody was asked who they are",
        browser.passkey(&mut device).await,
    ));
    device.verifies = true;
    device.passkeys[0]
        .handle
        .clone_from(&others.passkeys[0].handle);
    wrong.push(("somebody else's handle", browser.passkey(&mut device).await));
    device.passkeys[0].handle.clear();
    wrong.push(("no handle", browser.passkey(&mut device).await));
    device.passkeys[0] = right.clone();
    others.passkeys[0].id.clone_from(&right.id);
    others.passkeys[0].handle.clone_from(&right.handle);
    wrong.push(("another key", browser.passkey(&mut others).await));
    let mut bent = browser.passkey(&mut device).await;
    let mut data = right.id.clone();
    data.extend([0; 5]);
    bent["credential"]["response"]["authenticatorData"] = json!(encode(&data));
    wrong.push(("other data than was signed", bent));
    let mut unknown = browser.passkey(&mut device).await;
    unknown["credential"]["rawId"] = json!(encode(&[1; 32]));
    wrong.push(("an unknown passkey", unknown));
    for (what, body) in wrong {
        let refused = browser.post("/auth/passkey/login", body).await;
        assert_eq!(refused.told(), REFUSED, "{what}");
    }
    assert_eq!(browser.get("/auth/me").await.status, 401);
    device.passkeys[0].count += 10;
    assert_eq!(browser.log_in_with(&mut device).await.status, 200);
}

#[tokio::test]
async fn a_passkey_steps_up_its_owner_and_nobody_else() {
    let door = Door::open().await;
    let mut device = Device::at(ORIGIN);
    let one = door.someone("a@example.test").await;
    one.add_totp().await;
    one.add_passkey(&mut device).await;
    let mut others = Device::at(ORIGIN);
    let other = door.someone("b@example.test").await;
    other.add_passkey(&mut others).await;
    door.later(Duration::minutes(15));

    let asked = one.post("/auth/passkey/options", json!({})).await;
    let allowed = &asked.body["options"]["allowCredentials"];
    assert_eq!(
        *allowed,
        json!([{ "type": "public-key", "id": encode(&device.passkeys[0].id) }])
    );
    // told which to use, a device may leave out whom it was made for
    device.passkeys[0].handle.clear();
    let signed = one.passkey(&mut device).await;
    assert_eq!(one.step_up(signed).await.status, 200);
    assert_eq!(
        one.post("/auth/factors/recovery-codes", Value::Null)
            .await
            .status,
        200
    );

    let foreign = other.passkey(&mut others).await;
    assert_eq!(one.step_up(foreign).await.told(), REFUSED);
    let nameless = door.browser().passkey(&mut others).await;
    assert_eq!(
        other.step_up(nameless).await.told(),
        REFUSED,
        "a challenge for a sign-in"
    );
    let own = other.passkey(&mut others).await;
    assert_eq!(other.step_up(own).await.status, 200);
    let proofs: Vec<String> = door
        .look("select proofs from identity.session where 'hwk' = any (proofs) and revoked_at is null limit 1")
        .await;
    assert_eq!(proofs, ["pwd", "hwk"]);
}

#[tokio::test]
async fn who_is_signed_in_may_come_in_again_with_a_passkey_of_theirs() {
    let door = Door::open().await;
    let mut device = Device::at(ORIGIN);
    let browser = door.someone("a@example.test").await;
    browser.add_passkey(&mut device).await;
    let before = browser.jar.borrow().clone();
    assert_eq!(browser.log_in_with(&mut device).await.status, 200);
    let old = door.browser();
    *old.jar.borrow_mut() = before;
    assert_eq!(old.get("/auth/me").await.status, 401);
}

#[tokio::test]
async fn a_user_has_at_most_twenty_passkeys_however_many_come_at_once() {
    let door = Door::open().await;
    let mut device = Device::at(ORIGIN);
    let browser = door.someone("a@example.test").await;
    for _ in 0..18 {
        assert_eq!(browser.add_passkey(&mut device).await.status, 201);
    }
    let mut bodies = Vec::new();
    for _ in 0..5 {
        let begun = browser
            .post("/auth/factors/passkeys/options", json!({}))
            .await;
        let excluded = begun.body["options"]["excludeCredentials"]
            .as_array()
            .unwrap();
        assert_eq!(excluded.len(), 18);
        let credential = device.make(&begun.body["options"]);
        bodies.push(
            json!({ "ceremony": begun.body["ceremony"], "name": "One", "credential": credential }),
        );
    }
    let answers = futures::future::join_all(
        bodies
            .into_iter()
            .map(|body| browser.post("/auth/factors/passkeys", body)),
    )
    .await;
    let mut told: Vec<_> = answers.iter().map(super::Answer::told).collect();
    told.sort_unstable();
    let full = (409, "too_many");
    assert_eq!(told, [(201, ""), (201, ""), full, full, full]);
    let begun = browser
        .post("/auth/factors/passkeys/options", json!({}))
        .await;
    assert_eq!(begun.told(), full);
}

#[tokio::test]
async fn a_new_passkey_is_taken_from_whom_it_was_asked_of_and_once() {
    let door = Door::open().await;
    let mut device = Device::at(ORIGIN);
    let one = door.someone("a@example.test").await;
    let other = door.someone("b@example.test").await;
    let path = "/auth/factors/passkeys";
    let begin = async || {
        one.post("/auth/factors/passkeys/options", json!({}))
            .await
            .body
    };
    let body = |asked: &Value, credential: Value| json!({ "ceremony": asked["ceremony"], "name": " One ", "credential": credential });

    let asked = begin().await;
    let made = body(&asked, device.make(&asked["options"]));
    assert_eq!(other.post(path, made.clone()).await.told(), REFUSED);
    assert_eq!(one.post(path, made).await.told(), REFUSED, "it is used up");

    let asked = begin().await;
    device.verifies = false;
    let made = body(&asked, device.make(&asked["options"]));
    assert_eq!(one.post(path, made).await.told(), REFUSED);
    device.verifies = true;

    let asked = begin().await;
    let mut nameless = body(&asked, device.make(&asked["options"]));
    nameless["name"] = json!(" ");
    assert_eq!(one.post(path, nameless.clone()).await.status, 422);
    nameless["name"] = json!(" One ");
    let added = one.post(path, nameless).await;
    assert_eq!((added.status, &added.body["name"]), (201, &json!("One")));

    // the same passkey, shown for another user
    let asked = other
        .post("/auth/factors/passkeys/options", json!({}))
        .await
        .body;
    let passkey = device.passkeys.last().unwrap().clone();
    let copied = body(&asked, device.present(&asked["options"], &passkey));
    assert_eq!(other.post(path, copied).await.told(), REFUSED);
    let kept: i64 = door.look("select count(*) from identity.passkey").await;
    assert_eq!(kept, 1);
}

#[tokio::test]
async fn a_removed_passkey_works_no_more_and_others_cannot_remove_it() {
    let door = Door::open().await;
    let mut device = Device::at(ORIGIN);
    let browser = door.someone("a@example.test").await;
    let added = browser.add_passkey(&mut device).await;
    let id = added.body["id"].as_str().unwrap();
    let path = format!("/auth/factors/passkeys/{id}");
    let stranger = door.someone("b@example.test").await;
    assert_eq!(stranger.delete(&path).await.told(), (404, "not_found"));
    let signed = door.browser().passkey(&mut device).await;
    assert_eq!(browser.delete(&path).await.status, 204);
    assert_eq!(browser.delete(&path).await.told(), (404, "not_found"));
    let refused = door.browser().post("/auth/passkey/login", signed).await;
    assert_eq!(refused.told(), REFUSED);
    assert_eq!(door.written("factor.remove").await, 1);
}

#[tokio::test]
async fn wrong_passkeys_are_counted_by_network() {
    let door = Door::open().await;
    let mut device = Device::at(ORIGIN);
    let owner = door.someone("a@example.test").await;
    owner.add_passkey(&mut device).await;
    let browser = door.browser();
    let mut made_up = browser.passkey(&mut device).await;
    made_up["ceremony"] = json!("x".repeat(43));
    for _ in 0..99 {
        let refused = browser.post("/auth/passkey/login", made_up.clone()).await;
        assert_eq!(refused.told(), REFUSED);
    }
    assert_eq!(
        browser.log_in_with(&mut device).await.status,
        200,
        "a good one is given back"
    );
    browser.post("/auth/passkey/login", made_up.clone()).await;
    let refused = browser.post("/auth/passkey/login", made_up).await;
    assert_eq!(refused.told(), (429, "too_many_attempts"));
}

#[tokio::test]
async fn a_house_at_an_ip_address_has_no_passkeys_and_all_the_rest() {
    let door = Door::open_at("http://127.0.0.1:8080").await;
    let browser = door.someone("a@example.test").await;
    let mut device = Device::at("http://127.0.0.1:8080");
    let off = (404, "passkeys_off");
    for path in ["/auth/passkey/options", "/auth/factors/passkeys/options"] {
        assert_eq!(browser.post(path, json!({})).await.told(), off, "{path}");
    }
    let options = json!({
        "rp": { "id": "127.0.0.1" }, "user": { "id": "AA" }, "challenge": "AA", "rpId": "127.0.0.1", "allowCredentials": [],
        "userVerification": "required", "authenticatorSelection": { "residentKey": "required", "userVerification": "required" },
    });
    let ceremony = "x".repeat(43);
    let made = json!({ "ceremony": ceremony, "name": "One", "credential": device.make(&options) });
    assert_eq!(
        browser.post("/auth/factors/passkeys", made).await.told(),
        off
    );
    let used = json!({ "ceremony": ceremony, "credential": device.use_one(&options) });
    assert_eq!(
        browser
            .post("/auth/passkey/login", used.clone())
            .await
            .told(),
        off
    );
    assert_eq!(browser.step_up(used).await.told(), off);
    browser.add_totp().await;
    assert_eq!(browser.get("/auth/factors").await.body["totp"], true);
}
