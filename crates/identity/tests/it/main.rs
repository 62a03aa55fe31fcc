//! Coming in, on a real server through the room's own routes.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, header},
};
use chrono::Duration;
use identity::{CookieStyle, Identity};
use serde_json::{Value, json};
use testkit::TestCtx;
use tower::ServiceExt;

struct Door {
    test: TestCtx,
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
        let room = Identity::open(test.cx.clone(), CookieStyle::Https)
            .await
            .unwrap();
        let routes = identity::router().with_state(room).split_for_parts().0;
        let app = api::wrap(routes, test.cx.ids.clone());
        Self { test, app }
    }

    async fn post(&self, path: &str, cookie: Option<&str>, body: Value) -> Answer {
        self.send("POST", path, cookie, body).await
    }

    async fn me(&self, cookie: Option<&str>) -> Answer {
        self.send("GET", "/auth/me", cookie, Value::Null).await
    }

    async fn send(&self, method: &str, path: &str, cookie: Option<&str>, body: Value) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(cookie) = cookie {
            request = request.header(header::COOKIE, cookie);
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
    assert_eq!(me.body, made.body);
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
    assert_eq!(actions, ["session.start", "user.register"]);
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
async fn an_address_registers_once_however_many_try_at_once() {
    let door = Door::open().await;
    let tries =
        futures::future::join_all((0..6).map(|_| door.post("/auth/register", None, someone())))
            .await;
    let mut statuses: Vec<u16> = tries.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409, 409]);
    let counts = (
        door.count("app_user").await,
        door.count("tenant").await,
        door.count("session").await,
    );
    assert_eq!(counts, (1, 1, 1), "a refused registration leaves nothing");
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
    assert_eq!(user.body["tenant"], guest.body["tenant"]);
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
    assert_ne!(other.body["tenant"], user.body["tenant"]);
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
