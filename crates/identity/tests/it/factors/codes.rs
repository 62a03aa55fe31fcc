use chrono::Duration;
use serde_json::{Value, json};

use super::{Door, words};

const STEP: Duration = Duration::seconds(30);

#[tokio::test]
async fn an_authenticator_is_asked_for_once_a_code_of_it_was_seen() {
    let door = Door::open().await;
    let browser = door.someone("a@example.test").await;
    let setup = browser.post("/auth/factors/totp", Value::Null).await;
    let uri = setup.body["uri"].as_str().unwrap();
    assert!(
        uri.starts_with("otpauth://totp/Noren:a%40example.test?"),
        "{uri}"
    );
    let secret = setup.body["secret"].as_str().unwrap();
    assert_eq!(secret.len(), 32, "160 bits in base 32");
    let login = door.browser().log_in("a@example.test").await;
    assert_eq!(
        login.status, 200,
        "a set-up that nobody confirmed asks for nothing"
    );

    let code = door.code(secret);
    let wrong = if code == "000000" { "000001" } else { "000000" };
    let path = "/auth/factors/totp/confirm";
    let refused = browser.post(path, json!({ "code": wrong })).await;
    assert_eq!(refused.told(), (401, "wrong_code"));
    let factors = browser.get("/auth/factors").await;
    assert_eq!(
        factors.body,
        json!({ "password": true, "totp": false, "recovery_codes_left": 0, "passkeys": [] })
    );
    let confirmed = browser.post(path, json!({ "code": code })).await;
    assert_eq!(words(&confirmed.body["recovery_codes"]).len(), 10);
    let factors = browser.get("/auth/factors").await;
    assert_eq!(
        factors.body,
        json!({ "password": true, "totp": true, "recovery_codes_left": 10, "passkeys": [] })
    );

    let other = door.browser();
    let waiting = other.log_in("a@example.test").await;
    assert_eq!(
        (waiting.status, &waiting.body["methods"]),
        (202, &json!(["totp", "recovery"]))
    );
    assert_eq!(other.get("/auth/me").await.status, 401);
    let ticket = &waiting.body["ticket"];
    let again = other.second(ticket, &code).await;
    assert_eq!(again.told(), (401, "wrong_code"), "the set-up used it");
    door.later(STEP);
    let code = door.code(secret);
    let spaced = format!("{} {}", &code[..3], &code[3..]);
    assert_eq!(other.second(ticket, &spaced).await.status, 200);
    assert_eq!(other.get("/auth/me").await.status, 200);

    assert_eq!(door.written("factor.add").await, 1);
    let log: String = door
        .look("select string_agg(a::text, ' ') from identity.audit a")
        .await;
    assert!(!log.contains(secret) && !log.contains(&code));
}

#[tokio::test]
async fn a_set_up_can_be_begun_anew_until_one_is_in_force() {
    let door = Door::open().await;
    let browser = door.someone("a@example.test").await;
    let confirm =
        |code: String| browser.post("/auth/factors/totp/confirm", json!({ "code": code }));
    let nothing = confirm("123456".to_owned()).await;
    assert_eq!(nothing.told(), (404, "not_found"));
    let secret = |answer: &Value| answer["secret"].as_str().unwrap().to_owned();
    let first = secret(&browser.post("/auth/factors/totp", Value::Null).await.body);
    let second = secret(&browser.post("/auth/factors/totp", Value::Null).await.body);
    assert_ne!(first, second);
    assert_eq!(confirm(door.code(&first)).await.told(), (401, "wrong_code"));
    door.later(Duration::hours(1));
    assert_eq!(
        confirm(door.code(&second)).await.told(),
        (404, "not_found"),
        "it was left too long"
    );
    browser
        .step_up(json!({ "password": super::PASSWORD }))
        .await;
    let (_, codes) = browser.add_totp().await;
    assert_eq!(codes.len(), 10);
    let third = browser.post("/auth/factors/totp", Value::Null).await;
    assert_eq!(third.told(), (409, "too_many"));
}

#[tokio::test]
async fn of_many_sign_ins_with_one_code_at_a_time_one_gets_in() {
    let door = Door::open().await;
    let (secret, _) = door.someone("a@example.test").await.add_totp().await;
    door.later(STEP);
    let ticket = door.browser().log_in("a@example.test").await.body["ticket"].clone();
    let code = door.code(&secret);
    let tries = futures::future::join_all((0..20).map(|_| {
        let (ticket, code, browser) = (ticket.clone(), code.clone(), door.browser());
        async move { browser.second(&ticket, &code).await.status }
    }))
    .await;
    let of = |status: u16| tries.iter().filter(|one| **one == status).count();
    assert_eq!(of(200), 1, "{tries:?}");
    assert_eq!(of(401) + of(429), 19, "{tries:?}");
    assert!(of(429) > 0, "so many are not even looked at");
}

#[tokio::test]
async fn recovery_codes_stand_in_once_each_however_they_are_written() {
    let door = Door::open().await;
    let browser = door.someone("a@example.test").await;
    let (_, codes) = browser.add_totp().await;
    assert!(
        codes
            .iter()
            .all(|code| code.len() == 19 && code.split('-').count() == 4),
        "{codes:?}"
    );
    let kept: String = door
        .look("select string_agg(code_hash::text, ' ') from identity.recovery_code")
        .await;
    assert!(
        codes
            .iter()
            .all(|code| !kept.contains(&code.replace('-', "")))
    );
    let written = codes[0].replace('-', "").to_lowercase();
    for (code, status) in [
        (&written, 200),
        (&written, 401),
        (&codes[0], 401),
        (&codes[1], 200),
    ] {
        let other = door.browser();
        let ticket = other.log_in("a@example.test").await.body["ticket"].clone();
        assert_eq!(other.second(&ticket, code).await.status, status, "{code}");
    }
    let left = browser.get("/auth/factors").await.body["recovery_codes_left"].clone();
    assert_eq!(left, 8);
    let log: String = door
        .look("select string_agg(after::text, ' ' order by seq) from identity.audit where action = 'factor.recover'")
        .await;
    assert_eq!(log, r#"{"codes_left": 9} {"codes_left": 8}"#);

    let renewed = browser
        .post("/auth/factors/recovery-codes", Value::Null)
        .await;
    let renewed = words(&renewed.body["recovery_codes"]);
    assert_eq!(renewed.len(), 10);
    let old = browser.step_up(json!({ "code": codes[2] })).await;
    assert_eq!(old.told(), (401, "wrong_code"), "the new ones replace it");
    assert_eq!(
        browser.step_up(json!({ "code": renewed[2] })).await.status,
        200
    );
    assert_eq!(door.written("factor.codes").await, 1);
}

#[tokio::test]
async fn several_who_renew_the_codes_at_a_time_leave_ten() {
    let door = Door::open().await;
    let browser = door.someone("a@example.test").await;
    browser.add_totp().await;
    let renewed = futures::future::join_all(
        (0..5).map(|_| browser.post("/auth/factors/recovery-codes", Value::Null)),
    )
    .await;
    assert!(renewed.iter().all(|answer| answer.status == 200));
    let left = browser.get("/auth/factors").await.body["recovery_codes_left"].clone();
    assert_eq!(left, 10);
}

#[tokio::test]
async fn removing_the_authenticator_takes_its_codes_along() {
    let door = Door::open().await;
    let browser = door.someone("a@example.test").await;
    browser.add_totp().await;
    assert_eq!(browser.delete("/auth/factors/totp").await.status, 204);
    let left: i64 = door
        .look("select count(*) from identity.recovery_code")
        .await;
    assert_eq!(left, 0);
    assert_eq!(door.browser().log_in("a@example.test").await.status, 200);
    let again = browser.delete("/auth/factors/totp").await;
    assert_eq!(again.told(), (404, "not_found"));
    let codes = browser
        .post("/auth/factors/recovery-codes", Value::Null)
        .await;
    assert_eq!(
        codes.told(),
        (404, "not_found"),
        "there is nothing to stand in for"
    );
    assert_eq!(door.written("factor.remove").await, 1);
}
