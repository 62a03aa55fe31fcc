//! Second factors, passkeys and step-up, on a real server through the room's own routes.

mod codes;
mod device;
mod passkeys;
mod sealed;
mod step_up;

use std::{cell::RefCell, collections::BTreeMap};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, header},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::Duration;
use identity::{Config, Identity};
use seal::Vault;
use serde_json::{Value, json};
use testkit::TestCtx;
use tower::ServiceExt;

const ORIGIN: &str = "https://account.example.test";
const PASSWORD: &str = "correct horse";

struct Door {
    test: TestCtx,
    room: Identity,
    app: Router,
}

/// A browser: it keeps its cookies.
struct Browser<'a> {
    door: &'a Door,
    jar: RefCell<BTreeMap<String, String>>,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    body: Value,
}

impl Answer {
    /// The status, and the code of a refusal.
    fn told(&self) -> (u16, &str) {
        (self.status, self.body["code"].as_str().unwrap_or_default())
    }
}

impl Door {
    async fn open() -> Self {
        Self::open_at(ORIGIN).await
    }

    async fn open_at(account_url: &str) -> Self {
        let vault = Vault::of_keys(&seal::new_key().unwrap()).unwrap();
        Self::open_on(testkit::context().await, account_url, vault).await
    }

    async fn open_on(test: TestCtx, account_url: &str, vault: Vault) -> Self {
        let config = Config {
            vault,
            ..Config::at(account_url)
        };
        let room = Identity::open(test.cx.clone(), config).await.unwrap();
        let routes = identity::router()
            .with_state(room.clone())
            .split_for_parts()
            .0;
        let app = api::wrap(routes, test.cx.ids.clone());
        Self { test, room, app }
    }

    /// The same house, started anew with other keys.
    async fn restarted(self, vault: Vault) -> Self {
        Self::open_on(self.test, ORIGIN, vault).await
    }

    fn browser(&self) -> Browser<'_> {
        Browser {
            door: self,
            jar: RefCell::default(),
        }
    }

    /// A browser in which somebody just registered.
    async fn someone(&self, email: &str) -> Browser<'_> {
        let browser = self.browser();
        let made = browser
            .post(
                "/auth/register",
                json!({ "email": email, "password": PASSWORD }),
            )
            .await;
        assert_eq!(made.status, 201, "{made:?}");
        browser
    }

    fn later(&self, by: Duration) {
        self.test.time.advance(by);
    }

    /// Looks at one value behind the scenes.
    async fn look<T>(&self, query: &'static str) -> T
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
    {
        let mut owner = self.test.database.owner().await;
        sqlx::query_scalar(query)
            .fetch_one(&mut owner)
            .await
            .unwrap()
    }

    async fn change(&self, statement: &'static str) {
        let mut owner = self.test.database.owner().await;
        sqlx::query(statement).execute(&mut owner).await.unwrap();
    }

    /// How often the audit log has an action.
    async fn written(&self, action: &str) -> i64 {
        let mut owner = self.test.database.owner().await;
        sqlx::query_scalar("select count(*) from identity.audit where action = $1")
            .bind(action)
            .fetch_one(&mut owner)
            .await
            .unwrap()
    }

    /// The code that an authenticator with this secret shows now.
    fn code(&self, secret: &str) -> String {
        let secret = totp_rs::Secret::try_from_base32(secret).unwrap();
        let totp = totp_rs::Builder::new().with_secret(secret).build().unwrap();
        let seconds = self.test.cx.clock.now().timestamp().try_into().unwrap();
        totp.generate(seconds).to_string()
    }
}

impl Browser<'_> {
    async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, Value::Null).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, body).await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, Value::Null).await
    }

    async fn send(&self, method: &str, path: &str, body: Value) -> Answer {
        let cookies: Vec<String> = self
            .jar
            .borrow()
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::COOKIE, cookies.join("; "))
            .body(Body::from(body.to_string()))
            .unwrap();
        let response = self.door.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        for set in parts.headers.get_all(header::SET_COOKIE) {
            let pair = set.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.jar
                .borrow_mut()
                .insert(name.to_owned(), value.to_owned());
        }
        let bytes = to_bytes(body, 100_000).await.unwrap();
        Answer {
            status: parts.status.as_u16(),
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        }
    }

    /// The first half of a sign-in.
    async fn log_in(&self, email: &str) -> Answer {
        self.post(
            "/auth/login",
            json!({ "email": email, "password": PASSWORD }),
        )
        .await
    }

    async fn second(&self, ticket: &Value, code: &str) -> Answer {
        self.post(
            "/auth/login/second",
            json!({ "ticket": ticket, "code": code }),
        )
        .await
    }

    async fn step_up(&self, proof: Value) -> Answer {
        self.post("/auth/step-up", proof).await
    }

    /// Sets up an authenticator; gives its secret and the recovery codes.
    async fn add_totp(&self) -> (String, Vec<String>) {
        let setup = self.post("/auth/factors/totp", Value::Null).await;
        assert_eq!(setup.status, 200, "{setup:?}");
        let secret = setup.body["secret"].as_str().unwrap().to_owned();
        let code = self.door.code(&secret);
        let confirmed = self
            .post("/auth/factors/totp/confirm", json!({ "code": code }))
            .await;
        assert_eq!(confirmed.status, 200, "{confirmed:?}");
        (secret, words(&confirmed.body["recovery_codes"]))
    }

    /// Adds a passkey on this device.
    async fn add_passkey(&self, device: &mut device::Device) -> Answer {
        let begun = self.post("/auth/factors/passkeys/options", json!({})).await;
        assert_eq!(begun.status, 200, "{begun:?}");
        let credential = device.make(&begun.body["options"]);
        let body = json!({ "ceremony": begun.body["ceremony"], "name": "Phone", "credential": credential });
        self.post("/auth/factors/passkeys", body).await
    }

    /// What is posted to use a passkey of this device.
    async fn passkey(&self, device: &mut device::Device) -> Value {
        let asked = self.post("/auth/passkey/options", json!({})).await;
        assert_eq!(asked.status, 200, "{asked:?}");
        let credential = device.use_one(&asked.body["options"]);
        json!({ "ceremony": asked.body["ceremony"], "credential": credential })
    }

    async fn log_in_with(&self, device: &mut device::Device) -> Answer {
        let signed = self.passkey(device).await;
        self.post("/auth/passkey/login", signed).await
    }
}

fn words(list: &Value) -> Vec<String> {
    serde_json::from_value(list.clone()).unwrap()
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
