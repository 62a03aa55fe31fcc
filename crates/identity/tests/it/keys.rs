//! API keys: their limits, their rotation, their end.

use axum::{
    extract::FromRequestParts,
    http::{Request, request::Parts},
};
use chrono::Duration;
use identity::{Error, InferenceCaller};
use serde_json::{Value, json};

use crate::{Door, someone};

/// A request to the inference listener with a key, from an address.
fn with_key(secret: &str, address: Option<&str>) -> Parts {
    let (mut parts, ()) = Request::get("/")
        .header("x-api-key", secret)
        .body(())
        .unwrap()
        .into_parts();
    if let Some(address) = address {
        parts
            .extensions
            .insert(api::ClientAddr(address.parse().unwrap()));
    }
    parts
}

async fn uses(door: &Door, secret: &str, address: Option<&str>) -> Result<InferenceCaller, Error> {
    InferenceCaller::from_request_parts(&mut with_key(secret, address), &door.room).await
}

async fn works(door: &Door, secret: &str) -> bool {
    uses(door, secret, None).await.is_ok()
}

struct Owner {
    door: Door,
    cookie: String,
}

impl Owner {
    async fn come() -> Self {
        let door = Door::open().await;
        let made = door.post("/auth/register", None, someone()).await;
        let cookie = made.cookie.unwrap();
        Self { door, cookie }
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let answer = self.door.post(path, Some(&self.cookie), body).await;
        (answer.status, answer.body)
    }

    /// Makes a key; gives its id and secret.
    async fn key(&self, terms: Value) -> (String, String) {
        let (status, body) = self.post("/keys", terms).await;
        assert_eq!(status, 201, "{body}");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&body["key"]["id"]), text(&body["secret"]))
    }
}

#[tokio::test]
async fn a_secret_is_shown_once_and_kept_as_a_hash() {
    let owner = Owner::come().await;
    let (id, secret) = owner.key(json!({ "name": "ci" })).await;
    let list = owner
        .door
        .send("GET", "/keys", Some(&owner.cookie), Value::Null)
        .await;
    let shown = list.body.to_string();
    assert!(shown.contains(&id) && !shown.contains(&secret), "{shown}");
    let mut db = owner.door.test.database.owner().await;
    let kept: String = sqlx::query_scalar(
        "select string_agg(s::text, ' ') || string_agg(k::text, ' ') from identity.api_key_secret s, identity.api_key k",
    )
    .fetch_one(&mut db)
    .await
    .unwrap();
    assert!(!kept.contains(&secret));
    assert!(works(&owner.door, &secret).await);
}

#[tokio::test]
async fn a_rotation_keeps_id_and_limits_and_lets_the_old_secret_run_out() {
    let owner = Owner::come().await;
    let terms = json!({ "name": "ci", "models": ["genai-small"], "daily_cap": 7 });
    let (id, old) = owner.key(terms).await;
    let (status, body) = owner
        .post(&format!("/keys/{id}/rotate"), json!({ "grace_hours": 2 }))
        .await;
    assert_eq!((status, body["key"]["id"].as_str()), (200, Some(&*id)));
    assert_eq!(
        (&body["key"]["models"], &body["key"]["daily_cap"]),
        (&json!(["genai-small"]), &json!(7))
    );
    let new = body["secret"].as_str().unwrap().to_owned();
    assert!(works(&owner.door, &old).await && works(&owner.door, &new).await);

    // a second rotation leaves no more than one old secret
    let (_, body) = owner
        .post(&format!("/keys/{id}/rotate"), json!({ "grace_hours": 2 }))
        .await;
    let newest = body["secret"].as_str().unwrap();
    assert!(!works(&owner.door, &old).await, "two rotations ago");
    assert!(works(&owner.door, &new).await && works(&owner.door, newest).await);
    owner.door.test.time.advance(Duration::hours(2));
    assert!(!works(&owner.door, &new).await, "its grace is over");
    assert!(works(&owner.door, newest).await);
}

#[tokio::test]
async fn no_grace_outlives_the_key() {
    let owner = Owner::come().await;
    let ends = owner.door.test.cx.clock.now() + Duration::hours(1);
    let (id, old) = owner
        .key(json!({ "name": "short", "expires_at": ends }))
        .await;
    let (_, body) = owner
        .post(&format!("/keys/{id}/rotate"), json!({ "grace_hours": 720 }))
        .await;
    let new = body["secret"].as_str().unwrap();
    owner.door.test.time.advance(Duration::hours(1));
    assert!(!works(&owner.door, &old).await && !works(&owner.door, new).await);
}

#[tokio::test]
async fn a_key_comes_from_its_networks_only_and_does_what_its_scopes_say() {
    let owner = Owner::come().await;
    let terms =
        json!({ "name": "office", "ip_ranges": ["203.0.113.0/24"], "scopes": ["inference.use"] });
    let (_, secret) = owner.key(terms).await;
    assert!(
        uses(&owner.door, &secret, Some("203.0.113.5"))
            .await
            .is_ok()
    );
    for elsewhere in [Some("203.0.114.5"), Some("::1"), None] {
        let refused = uses(&owner.door, &secret, elsewhere).await;
        assert!(matches!(refused, Err(Error::KeyRefused)), "{elsewhere:?}");
    }
    let (_, reader) = owner
        .key(json!({ "name": "reader", "scopes": ["usage.read"] }))
        .await;
    let refused = uses(&owner.door, &reader, None).await;
    assert!(matches!(refused, Err(Error::Forbidden)), "it may only read");
    for bad in [
        json!({ "name": "x", "scopes": ["billing.manage"] }),
        json!({ "name": "x", "ip_ranges": ["not a network"] }),
        json!({ "name": "x", "daily_cap": 0 }),
        json!({ "name": "" }),
    ] {
        let (status, _) = owner.post("/keys", bad.clone()).await;
        assert_eq!(status, 422, "{bad}");
    }
}

#[tokio::test]
async fn whoever_finds_a_key_can_end_it_and_its_owner_is_told() {
    let owner = Owner::come().await;
    let link = owner
        .door
        .letter("verify_email", "someone@example.test")
        .await;
    owner.door.follow("/auth/email/verify", &link).await;
    let (_, secret) = owner.key(json!({ "name": "ci" })).await;
    let report = json!({ "key": secret });
    let found = owner.door.post("/keys/leaked", None, report.clone()).await;
    let again = owner.door.post("/keys/leaked", None, report).await;
    let nonsense = owner
        .door
        .post("/keys/leaked", None, json!({ "key": "nrn_nothing" }))
        .await;
    for answer in [&found, &again, &nonsense] {
        assert_eq!((answer.status, &answer.body), (202, &json!({})));
    }
    assert!(!works(&owner.door, &secret).await);
    let mut db = owner.door.test.database.owner().await;
    let letters: i64 =
        sqlx::query_scalar("select count(*) from mail.letter where template = 'key_leaked'")
            .fetch_one(&mut db)
            .await
            .unwrap();
    assert_eq!(letters, 1);
}

#[tokio::test]
async fn new_terms_hold_at_once_and_null_takes_a_limit_away() {
    let owner = Owner::come().await;
    let (id, secret) = owner.key(json!({ "name": "ci", "daily_cap": 5 })).await;
    let caller = uses(&owner.door, &secret, None).await.unwrap();
    assert_eq!(caller.key.unwrap().daily_cap, Some(5));
    let path = format!("/keys/{id}");
    let change = |body: Value| owner.door.send("PATCH", &path, Some(&owner.cookie), body);
    assert_eq!(
        change(json!({ "name": "cd" })).await.body["daily_cap"],
        5,
        "what is left out stays"
    );
    assert_eq!(
        change(json!({ "daily_cap": null })).await.body["daily_cap"],
        Value::Null
    );
    let caller = uses(&owner.door, &secret, None).await.unwrap();
    assert_eq!(caller.key.unwrap().daily_cap, None);
}
