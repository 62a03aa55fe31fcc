use chrono::Duration;
use serde_json::{Value, json};

use super::{Door, PASSWORD};

#[tokio::test]
async fn sensitive_changes_ask_for_a_proof_of_the_last_minutes() {
    let door = Door::open().await;
    let browser = door.someone("a@example.test").await;
    door.later(Duration::minutes(15));
    for (method, path) in [
        ("POST", "/auth/factors/totp"),
        ("DELETE", "/auth/factors/totp"),
        ("POST", "/auth/factors/recovery-codes"),
        ("POST", "/auth/factors/passkeys/options"),
        (
            "DELETE",
            "/auth/factors/passkeys/psk_00000000000000000000000000000001",
        ),
    ] {
        let asked = browser.send(method, path, json!({})).await;
        assert_eq!(asked.told(), (403, "step_up_required"), "{method} {path}");
    }
    assert_eq!(browser.get("/auth/factors").await.status, 200);
    assert_eq!(
        browser.get("/auth/me").await.body["stepped_up_until"],
        Value::Null
    );

    let before = browser.jar.borrow().clone();
    let wrong = browser.step_up(json!({ "password": "wrong horse" })).await;
    assert_eq!(wrong.told(), (401, "wrong_credentials"));
    let right = browser.step_up(json!({ "password": PASSWORD })).await;
    assert_eq!(right.status, 200);
    assert_ne!(right.body["stepped_up_until"], Value::Null);
    assert_ne!(*browser.jar.borrow(), before, "a new cookie");
    let old = door.browser();
    *old.jar.borrow_mut() = before;
    assert_eq!(old.get("/auth/me").await.status, 401, "the old one ended");
    let setup = browser.post("/auth/factors/totp", Value::Null).await;
    assert_eq!(setup.status, 200);
    assert_eq!(door.written("session.step_up").await, 1);
}

#[tokio::test]
async fn a_password_alone_steps_up_nobody_who_has_a_second_factor() {
    let door = Door::open().await;
    let browser = door.someone("a@example.test").await;
    let (secret, _) = browser.add_totp().await;
    door.later(Duration::minutes(15));
    let password = browser.step_up(json!({ "password": PASSWORD })).await;
    assert_eq!(password.told(), (403, "step_up_required"));
    let used = door.code(&secret);
    assert_eq!(browser.step_up(json!({ "code": used })).await.status, 200);
    let again = browser.step_up(json!({ "code": used })).await;
    assert_eq!(again.told(), (401, "wrong_code"), "a code works once");
    assert_eq!(browser.delete("/auth/factors/totp").await.status, 204);
    let password = browser.step_up(json!({ "password": PASSWORD })).await;
    assert_eq!(password.status, 200, "now it is all there is");
}

#[tokio::test]
async fn guesses_at_a_step_up_are_counted() {
    let door = Door::open().await;
    let browser = door.someone("a@example.test").await;
    for _ in 0..6 {
        let wrong = browser.step_up(json!({ "code": "000000" })).await;
        assert_eq!(wrong.told(), (401, "wrong_code"));
    }
    let right = browser.step_up(json!({ "password": PASSWORD })).await;
    assert_eq!(right.told(), (429, "too_many_attempts"));
    assert_eq!(right.body["retry_after"], 900);
    door.later(Duration::minutes(15));
    let right = browser.step_up(json!({ "password": PASSWORD })).await;
    assert_eq!(right.status, 200);
}

#[tokio::test]
async fn a_step_up_takes_exactly_one_proof() {
    let door = Door::open().await;
    let browser = door.someone("a@example.test").await;
    for body in [
        json!({}),
        json!({ "password": PASSWORD, "code": "123456" }),
        json!({ "ceremony": "x".repeat(43) }),
        json!({ "password": "" }),
        json!({ "code": "1" }),
        json!({ "ceremony": "x".repeat(43), "credential": { "id": 1 } }),
    ] {
        let refused = browser.step_up(body.clone()).await;
        assert_eq!(refused.told(), (422, "invalid_input"), "{body}");
    }
}

#[tokio::test]
async fn guests_and_children_have_no_factors_and_nothing_to_step_up_for() {
    let door = Door::open().await;
    let guest = door.browser();
    guest.post("/auth/guest", Value::Null).await;
    let child = door.someone("a@example.test").await;
    door.change("update identity.membership set role = 'child'")
        .await;
    for browser in [&guest, &child] {
        let proof = browser.step_up(json!({ "password": PASSWORD })).await;
        assert_eq!(proof.told(), (403, "forbidden"));
        for (method, path) in [
            ("GET", "/auth/factors"),
            ("POST", "/auth/factors/totp"),
            ("POST", "/auth/factors/passkeys/options"),
        ] {
            let answer = browser.send(method, path, json!({})).await;
            assert_eq!(answer.told(), (403, "forbidden"), "{method} {path}");
        }
    }
    let nobody = door.browser();
    let proof = nobody.step_up(json!({ "password": PASSWORD })).await;
    assert_eq!(proof.told(), (401, "unauthenticated"));
    assert_eq!(nobody.get("/auth/factors").await.status, 401);
}
