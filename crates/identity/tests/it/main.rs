//! Coming in, on a real server through the room's own routes.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

mod access;
mod factors;
mod guests;
mod idle;
mod keys;
mod oauth;
mod oidc;
mod people;
mod races;
mod records;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, header},
};
use chrono::Duration;
use identity::{Config, Identity};
use serde_json::{Value, json};
use testkit::TestCtx;
use tower::ServiceExt;

struct Door {
    test: TestCtx,
    room: Identity,
    app: Router,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    cookie: Option<String>,
    body: Value,
}

impl Door {
    async fn open() -> Self {
        let test = testkit::context().await;
        let room = Identity::open(test.cx.clone(), Config::at("https://noren.example"))
            .await
            .unwrap();
        let routes = identity::router()
            .with_state(room.clone())
            .split_for_parts()
            .0;
        let app = api::wrap(routes, test.cx.ids.clone());
        Self { test, room, app }
    }

    async fn post(&self, path: &str, cookie: Option<&str>, body: Value) -> Answer {
        self.send("POST", path, cookie, body).await
    }

    async fn me(&self, cookie: Option<&str>) -> Answer {
        self.send("GET", "/auth/me", cookie, Value::Null).await
    }

    async fn send(&self, method: &str, path: &str, cookie: Option<&str>, body: Value) -> Answer {
        let cookie = cookie.map(|cookie| ("cookie", cookie));
        self.send_with(method, path, cookie.as_slice(), body).await
    }

    async fn send_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self
            .app
            .clone()
            .oneshot(request.body(Body::from(body.to_string())).unwrap())
            .await
            .unwrap();
        let (parts, body) = response.into_parts();
        let set = parts
            .headers
            .get(header::SET_COOKIE)
            .map(|value| value.to_str().unwrap().to_owned());
        let bytes = to_bytes(body, 100_000).await.unwrap();
        Answer {
            status: parts.status.as_u16(),
            cookie: set.map(|set| set.split(';').next().unwrap().to_owned()),
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        }
    }

    /// Waits for nothing: writes the letters that are wished for, and gives the link of the newest of this kind.
    async fn letter(&self, template: &str, to: &str) -> String {
        identity::write_letters(&self.room, 100).await.unwrap();
        let mut owner = self.test.database.owner().await;
        let data: Value = sqlx::query_scalar(
            "select data from mail.letter where template = $1 and to_address = $2 order by id desc limit 1",
        )
        .bind(template)
        .bind(to)
        .fetch_one(&mut owner)
        .await
        .unwrap();
        data["link"].as_str().unwrap().to_owned()
    }

    /// Brings a link's token to the operation that its page would.
    async fn follow(&self, path: &str, link: &str) -> Answer {
        let token = link.split_once('#').unwrap().1;
        self.post(path, None, json!({ "token": token })).await
    }

    async fn count(&self, table: &'static str) -> i64 {
        let mut owner = self.test.database.owner().await;
        let query = format!("select count(*) from identity.{table}");
        sqlx::query_scalar(sqlx::AssertSqlSafe(query))
            .fetch_one(&mut owner)
            .await
            .unwrap()
    }
}

fn someone() -> Value {
    json!({ "email": "Someone@Example.test ", "password": "correct horse" })
}

#[tokio::test]
async fn registering_makes_user_tenant_session_and_audit_row_together() {
    let door = Door::open().await;
    let made = door.post("/auth/register", None, someone()).await;
    assert_eq!(
        (made.status, made.body["user"]["email"].as_str()),
        (201, Some("someone@example.test"))
    );
    assert_eq!(made.body["user"]["display_name"], "someone");
    assert_eq!(made.body["guest"], false);
    let me = door.me(made.cookie.as_deref()).await;
    let mut shown = made.body.clone();
    let key = shown.as_object_mut().unwrap().remove("api_key").unwrap();
    assert_eq!(me.body, shown);
    assert!(key["secret"].as_str().unwrap().starts_with("nrn_"), "{key}");
    assert_eq!(
        (door.count("app_user").await, door.count("membership").await),
        (1, 1)
    );
    let mut owner = door.test.database.owner().await;
    let actions: Vec<String> =
        sqlx::query_scalar("select action from identity.audit order by action")
            .fetch_all(&mut owner)
            .await
            .unwrap();
    assert_eq!(actions, ["key.create", "session.start", "user.register"]);
    let stored: String = sqlx::query_scalar("select password_hash || encode(token_hash, 'escape') from identity.app_user, identity.session")
        .fetch_one(&mut owner)
        .await
        .unwrap();
    let token = made.cookie.unwrap().split_once('=').unwrap().1.to_owned();
    assert!(
        !stored.contains("correct horse") && !stored.contains(&token),
        "only hashes are kept"
    );
}

#[tokio::test]
async fn a_known_address_is_answered_like_an_unknown_one_and_gets_another_letter() {
    let door = Door::open().await;
    let first = door.post("/auth/register", None, someone()).await;
    let link = door.letter("verify_email", "someone@example.test").await;
    assert_eq!(door.follow("/auth/email/verify", &link).await.status, 200);

    door.test.time.advance(Duration::seconds(1));
    let second = door.post("/auth/register", None, someone()).await;
    assert_eq!(second.status, first.status);
    let shape = |body: &Value| {
        let mut keys: Vec<String> = body.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys
    };
    assert_eq!(shape(&second.body), shape(&first.body));
    assert_ne!(
        second.body["user"]["id"], first.body["user"]["id"],
        "an account of its own"
    );
    let link = door.letter("address_known", "someone@example.test").await;
    assert!(link.ends_with("/sign-in"), "{link}");
    let me = door.post("/auth/login", None, someone()).await;
    assert_eq!(
        me.body["user"]["id"], first.body["user"]["id"],
        "the address stays with whoever proved it"
    );
}

#[tokio::test]
async fn whoever_proves_an_address_takes_it_from_those_who_only_claimed_it() {
    let door = Door::open().await;
    let squatter = door.post("/auth/register", None, someone()).await;
    door.letter("verify_email", "someone@example.test").await;
    door.test.time.advance(Duration::seconds(1));
    let mut own = someone();
    own["password"] = json!("another long horse");
    let owner = door.post("/auth/register", None, own).await;
    let link = door.letter("verify_email", "someone@example.test").await;
    assert_eq!(door.follow("/auth/email/verify", &link).await.status, 200);
    assert_eq!(
        door.follow("/auth/email/verify", &link).await.status,
        410,
        "a link works once"
    );
    let me = door.me(squatter.cookie.as_deref()).await;
    assert_eq!(me.body["user"]["email"], Value::Null);
    let me = door.me(owner.cookie.as_deref()).await;
    assert_eq!(
        (
            &me.body["user"]["email"],
            &me.body["user"]["email_verified"]
        ),
        (&json!("someone@example.test"), &json!(true))
    );
    let refused = door.post("/auth/login", None, someone()).await;
    assert_eq!(refused.status, 401, "the squatter's password opens nothing");
}

#[tokio::test]
async fn signing_in_needs_the_password_and_gets_a_new_session() {
    let door = Door::open().await;
    let made = door.post("/auth/register", None, someone()).await;
    let wrong = door
        .post(
            "/auth/login",
            None,
            json!({ "email": "someone@example.test", "password": "wrong horse" }),
        )
        .await;
    let unknown = door
        .post(
            "/auth/login",
            None,
            json!({ "email": "nobody@example.test", "password": "wrong horse" }),
        )
        .await;
    assert_eq!(
        (wrong.status, wrong.body["code"].as_str()),
        (401, Some("wrong_credentials"))
    );
    assert_eq!(
        (
            unknown.status,
            &unknown.body["code"],
            &unknown.body["detail"]
        ),
        (401, &wrong.body["code"], &wrong.body["detail"])
    );

    let right = door
        .post("/auth/login", made.cookie.as_deref(), someone())
        .await;
    assert_eq!(right.status, 200);
    assert_ne!(right.cookie, made.cookie);
    assert_eq!(door.me(right.cookie.as_deref()).await.status, 200);
    assert_eq!(
        door.me(made.cookie.as_deref()).await.status,
        401,
        "the session that it replaces has ended"
    );
}

#[tokio::test]
async fn signing_out_ends_the_session_on_the_server() {
    let door = Door::open().await;
    let made = door.post("/auth/register", None, someone()).await;
    let out = door
        .post("/auth/logout", made.cookie.as_deref(), Value::Null)
        .await;
    assert_eq!(
        (out.status, out.cookie.as_deref()),
        (204, Some("__Host-noren_session="))
    );
    assert_eq!(
        door.me(made.cookie.as_deref()).await.status,
        401,
        "a copy of the cookie is worthless"
    );
    assert_eq!(
        door.post("/auth/logout", None, Value::Null).await.status,
        204
    );
}

#[tokio::test]
async fn a_guest_becomes_the_user_with_the_same_tenant() {
    let door = Door::open().await;
    let guest = door.post("/auth/guest", None, Value::Null).await;
    assert_eq!(
        (guest.status, &guest.body["user"], &guest.body["guest"]),
        (201, &Value::Null, &json!(true))
    );
    let again = door
        .post("/auth/guest", guest.cookie.as_deref(), Value::Null)
        .await;
    assert_eq!(
        (again.status, again.cookie.as_deref(), &again.body),
        (200, None, &guest.body)
    );
    let user = door
        .post("/auth/register", guest.cookie.as_deref(), someone())
        .await;
    assert_eq!(user.body["tenant"]["id"], guest.body["tenant"]["id"]);
    assert_eq!(
        door.me(guest.cookie.as_deref()).await.status,
        401,
        "a new session at the change of rights"
    );
    // a user's session does not hand its tenant to the next who registers
    let other = json!({ "email": "other@example.test", "password": "correct horse" });
    let other = door
        .post("/auth/register", user.cookie.as_deref(), other)
        .await;
    assert_ne!(other.body["tenant"]["id"], user.body["tenant"]["id"]);
}

#[tokio::test]
async fn a_session_ends_by_itself_after_its_lifetime() {
    let door = Door::open().await;
    let made = door.post("/auth/register", None, someone()).await;
    door.test
        .time
        .advance(Duration::days(30) - Duration::seconds(1));
    assert_eq!(door.me(made.cookie.as_deref()).await.status, 200);
    door.test.time.advance(Duration::seconds(1));
    assert_eq!(door.me(made.cookie.as_deref()).await.status, 401);
}

#[tokio::test]
async fn bad_input_is_told_by_field_and_extra_fields_have_no_effect() {
    let door = Door::open().await;
    let bad = door
        .post(
            "/auth/register",
            None,
            json!({ "email": "x", "password": "short", "display_name": "あ".repeat(51) }),
        )
        .await;
    let pointers: Vec<&str> = bad.body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["pointer"].as_str().unwrap())
        .collect();
    assert_eq!(
        (bad.status, pointers),
        (422, vec!["/email", "/password", "/display_name"])
    );
    let mut sneaky = someone();
    sneaky["role"] = json!("admin");
    sneaky["tenant_id"] = json!("tnt_00000000000000000000000000000001");
    sneaky["is_admin"] = json!(true);
    let made = door.post("/auth/register", None, sneaky).await;
    assert_eq!(made.status, 201);
    assert_ne!(
        made.body["tenant"]["id"],
        "tnt_00000000000000000000000000000001"
    );
    for cookie in [
        "__Host-noren_session=",
        "__Host-noren_session=x",
        "noren_session=x",
    ] {
        assert_eq!(door.me(Some(cookie)).await.status, 401, "{cookie}");
    }
}
