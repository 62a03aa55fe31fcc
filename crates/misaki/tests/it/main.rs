//! A talk at the bar, on a real server with the stand-in model.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod carried;
mod house;
mod moderated;
mod phrases;
mod remembered;
mod talks;
mod training;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{FromRequestParts, State},
    http::{Request, header},
    middleware::{Next, from_fn_with_state},
    response::Response,
};
use entitlement::{Catalogue, DEFAULT_PLANS, Entitlement, PlanFile};
use gateway::{Gateway, Patience, Price, Route, Routes, Target, Use};
use identity::{Caller, Identity};
use misaki::Misaki;
use serde_json::{Value, json};
use testkit::TestCtx;
use tokio::net::TcpListener;
use tower::ServiceExt;

struct Bar {
    test: TestCtx,
    room: Misaki,
    app: Router,
    guest: Caller,
    cookie: String,
    heard: Heard,
}

/// What the model was asked.
type Heard = Arc<Mutex<Vec<Value>>>;

impl Bar {
    async fn open() -> Self {
        Self::open_with(&[], None).await
    }

    /// A bar with models for vectors, too, behind these names, and with a small model that does not wake up for so long.
    async fn open_with(embeddings: &[&str], cold: Option<Duration>) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let test = testkit::context().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let heard = Heard::default();
        let model = sandbox::model_router_paced(Duration::from_millis(1))
            .layer(from_fn_with_state(Arc::clone(&heard), listen));
        tokio::spawn(async move { axum::serve(listener, model).await });
        let cx = test.cx.clone();
        let keys = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=".into();
        let config = identity::Config {
            vault: seal::Vault::of_keys(&keys).unwrap(),
            ..identity::Config::at("http://localhost:8080")
        };
        let identity = Identity::open(cx.clone(), config).await.unwrap();
        entitlement::apply(&cx, &PlanFile::parse(DEFAULT_PLANS).unwrap())
            .await
            .unwrap();
        let catalogue = Catalogue::load(&cx).await.unwrap();
        let entitlement = Entitlement::open(cx, identity, catalogue, "http://localhost");
        let routes = [
            ("misaki-small", "sandbox-small"),
            ("misaki-large", "sandbox-large"),
        ]
        .map(|(route, model)| {
            let target = Target {
                base_url: base_url.clone(),
                model: model.to_owned(),
                price: Price::default(),
                streams: true,
                weight: 1,
                ..Target::default()
            };
            let asleep = Target {
                model: "sandbox-fault-hang".to_owned(),
                start: cold,
                ..target.clone()
            };
            let target = Target { rank: 1, ..target };
            let asleep = cold.filter(|_| route == "misaki-small").map(|_| asleep);
            let targets = asleep.into_iter().chain([target]).collect();
            (route.to_owned(), targets)
        });
        let embeddings = embeddings.iter().map(|name| {
            let target = Target {
                base_url: base_url.clone(),
                model: "sandbox-embedding".to_owned(),
                weight: 1,
                ..Target::default()
            };
            let route = Route {
                use_for: Use::Embedding,
                targets: vec![target],
                ..Route::default()
            };
            ((*name).to_owned(), route)
        });
        let routes = Routes::new(routes).with(embeddings);
        let gateway = Gateway::open(entitlement, routes, Patience::default(), None).unwrap();
        let room = Misaki::open(gateway).unwrap();
        let routes = misaki::inference_router()
            .merge(misaki::account_router())
            .with_state(room.clone());
        let app = api::wrap(routes.split_for_parts().0, test.cx.ids.clone());
        let (guest, cookie) = new_guest(&room).await;
        Self {
            test,
            room,
            app,
            guest,
            cookie,
            heard,
        }
    }

    /// What the model was asked so far.
    fn heard(&self) -> Vec<Value> {
        self.heard.lock().unwrap().clone()
    }

    /// From now on the caller is somebody with an account.
    async fn come_in_as_member(&mut self) {
        (self.guest, self.cookie) = self.member().await;
    }

    async fn say(&self, chat: Option<&Value>, text: &str, key: &str) -> (u16, Value) {
        self.say_as(&self.guest, "misaki", chat, text, key).await
    }

    async fn say_as(
        &self,
        who: &Caller,
        storefront: &str,
        chat: Option<&Value>,
        text: &str,
        key: &str,
    ) -> (u16, Value) {
        let token = identity::mint_inference_token(&self.room.identity, who, storefront)
            .unwrap()
            .token;
        let request = Request::post("/misaki/messages")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header("idempotency-key", format!("\"{key}\""))
            .body(Body::from(
                json!({ "chat_id": chat, "text": text }).to_string(),
            ))
            .unwrap();
        let response = self.app.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        (
            status,
            serde_json::from_slice(&to_bytes(response.into_body(), 1_000_000).await.unwrap())
                .unwrap(),
        )
    }

    async fn inference(&self, path: &str, key: &str, body: &Value) -> (u16, Value) {
        let token = identity::mint_inference_token(&self.room.identity, &self.guest, "misaki")
            .unwrap()
            .token;
        let request = Request::post(path)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header("idempotency-key", key)
            .body(Body::from(body.to_string()))
            .unwrap();
        self.answer(request).await
    }

    async fn say_instead(&self, chat: &Value, of: &Value, text: &str, key: &str) -> (u16, Value) {
        let body = json!({ "chat_id": chat, "instead_of": of, "text": text });
        self.inference("/misaki/messages", key, &body).await
    }

    async fn pass(&self, earlier: &Value, text: &str) -> (u16, Value) {
        let body = json!({ "earlier": earlier, "text": text });
        self.inference("/misaki/passing", "none", &body).await
    }

    /// Another version of an answer.
    async fn again(&self, message: &Value, key: &str) -> (u16, Value) {
        let path = format!("/misaki/messages/{}/again", message.as_str().unwrap());
        self.inference(&path, key, &json!({})).await
    }

    /// A call of the account listener by the guest's cookie.
    async fn call(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        self.call_as(&self.cookie, method, path, body).await
    }

    async fn call_as(
        &self,
        cookie: &str,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> (u16, Value) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::COOKIE, cookie)
            .header(header::CONTENT_TYPE, "application/json");
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.answer(request.body(body).unwrap()).await
    }

    async fn answer(&self, request: Request<Body>) -> (u16, Value) {
        let response = self.app.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), 10_000_000).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    async fn ended(&self, answer: &Value) -> gateway::RunView {
        let id = answer["run_id"].as_str().unwrap().parse().unwrap();
        let waiting = async {
            loop {
                let run = gateway::get(&self.room.gateway, self.guest.principal, id)
                    .await
                    .unwrap();
                if run.state.is_ended() {
                    break run;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), waiting)
            .await
            .unwrap()
    }

    /// Somebody with an account, and the cookie that they came in with.
    async fn member(&self) -> (Caller, String) {
        self.person("member@example.com", false).await
    }

    /// The cookie of who runs the house.
    async fn operator(&self) -> String {
        self.person("operator@example.com", true).await.1
    }

    async fn person(&self, email: &str, operator: bool) -> (Caller, String) {
        let room = &self.room.identity;
        let meta = identity::RequestMeta::of_the_house("req_test");
        let new = identity::NewUser {
            email: email.to_owned(),
            password: "snack-misaki-2026-yoru".into(),
            display_name: None,
            locale: kernel::Lang::Ja,
        };
        identity::add_user(room, new, operator, &meta)
            .await
            .unwrap();
        let signed_in =
            identity::sign_in(room, email, "snack-misaki-2026-yoru".into(), None, &meta)
                .await
                .unwrap();
        let answer = identity::came_in(room, signed_in).await.unwrap();
        seen(room, &answer).await
    }

    async fn run_jobs(&self) {
        let registry = self.room.register(jobs::Registry::default()).unwrap();
        let jobs = jobs::Jobs::open(self.test.cx.clone(), registry).unwrap();
        jobs::run_due(&jobs).await.unwrap();
        let mut owner = self.test.database.owner().await;
        let failed: Vec<Option<String>> =
            sqlx::query_scalar("select last_error from jobs.job where last_error is not null")
                .fetch_all(&mut owner)
                .await
                .unwrap();
        assert!(failed.is_empty(), "{failed:?}");
    }

    /// The bytes of what a path answers.
    async fn bytes(&self, cookie: &str, path: &str) -> Vec<u8> {
        let request = Request::get(path).header(header::COOKIE, cookie);
        let request = request.body(Body::empty()).unwrap();
        let response = self.app.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status().as_u16(), 200);
        let body = to_bytes(response.into_body(), 10_000_000).await.unwrap();
        body.to_vec()
    }

    async fn text(&self, path: &str) -> String {
        String::from_utf8(self.bytes(&self.cookie, path).await).unwrap()
    }

    /// Sends a file.
    async fn send(&self, cookie: &str, path: &str, media: &str, file: Vec<u8>) -> (u16, Value) {
        let request = Request::post(path)
            .header(header::COOKIE, cookie)
            .header(header::CONTENT_TYPE, media);
        self.answer(request.body(Body::from(file)).unwrap()).await
    }

    async fn count(&self, table: &'static str) -> i64 {
        let mut owner = self.test.database.owner().await;
        let query = format!("select count(*) from {table}");
        sqlx::query_scalar(sqlx::AssertSqlSafe(query))
            .fetch_one(&mut owner)
            .await
            .unwrap()
    }
}

/// Notes what the model is asked.
async fn listen(State(heard): State<Heard>, request: Request<Body>, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1_000_000).await.unwrap();
    if let Ok(asked) = serde_json::from_slice(&body) {
        heard.lock().unwrap().push(asked);
    }
    next.run(Request::from_parts(parts, Body::from(body))).await
}

/// A guest, and the cookie that it came out with.
async fn new_guest(room: &Misaki) -> (Caller, String) {
    let door = api::wrap(
        identity::router()
            .with_state(room.identity.clone())
            .split_for_parts()
            .0,
        room.cx.ids.clone(),
    );
    let request = Request::post("/auth/guest").body(Body::empty()).unwrap();
    let opened = door.oneshot(request).await.unwrap();
    seen(&room.identity, &opened).await
}

/// Who came in by this answer, and their cookie.
async fn seen(room: &Identity, answer: &Response) -> (Caller, String) {
    let cookie = answer.headers()[header::SET_COOKIE]
        .to_str()
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let (mut parts, ()) = Request::get("/")
        .header(header::COOKIE, &cookie)
        .body(())
        .unwrap()
        .into_parts();
    let caller = Caller::from_request_parts(&mut parts, room).await.unwrap();
    (caller, cookie)
}

#[tokio::test]
async fn a_canned_phrase_answers_at_once_and_leaves_no_trace_in_the_books() {
    let bar = Bar::open().await;
    let (status, answer) = bar.say(None, "ｺﾝﾊﾞﾝﾊ！", "k1").await;
    assert_eq!((status, answer["kind"].as_str()), (200, Some("canned")));
    assert_eq!(answer["assistant"]["canned"]["rule"], "folded");
    assert!(!answer["assistant"]["text"].as_str().unwrap().is_empty());
    assert_eq!(
        (
            bar.count("entitlement.reservation").await,
            bar.count("ledger.entry").await
        ),
        (0, 0)
    );
}

#[tokio::test]
async fn anything_else_is_a_run_whose_text_is_the_answer() {
    let bar = Bar::open().await;
    let (status, answer) = bar.say(None, "仕事で失敗しました", "k1").await;
    assert_eq!((status, answer["kind"].as_str()), (202, Some("run")));
    let run = bar.ended(&answer).await;
    let (_, second) = bar
        .say(Some(&answer["chat_id"]), "それでね、続きがあるの", "k2")
        .await;
    assert_eq!(second["chat_id"], answer["chat_id"]);
    bar.ended(&second).await;
    let (_, again) = bar
        .say(Some(&answer["chat_id"]), "仕事で失敗しました", "k1")
        .await;
    assert_eq!(
        again["assistant"]["text"].as_str(),
        Some(run.output.as_str())
    );
    assert_eq!(
        (
            bar.count("gateway.run").await,
            bar.count("misaki.message").await
        ),
        (2, 4)
    );
}

#[tokio::test]
async fn the_same_key_many_times_at_once_is_one_message_one_run_and_one_unit() {
    let bar = Bar::open().await;
    let answers = futures::future::join_all(
        (0..8).map(|_| bar.say(None, "聞いてほしいことがあるの", "same")),
    )
    .await;
    let runs: Vec<&Value> = answers
        .iter()
        .map(|(_, answer)| &answer["run_id"])
        .collect();
    assert!(
        answers.iter().all(|(status, _)| *status == 202),
        "{answers:?}"
    );
    assert!(runs.iter().all(|run| *run == runs[0]));
    bar.ended(&answers[0].1).await;
    assert_eq!(
        (
            bar.count("gateway.run").await,
            bar.count("entitlement.usage").await
        ),
        (1, 1)
    );
    let (status, reused) = bar.say(None, "別の話", "same").await;
    assert_eq!(
        (status, reused["code"].as_str()),
        (422, Some("idempotency_key_reused"))
    );
}

#[tokio::test]
async fn a_refused_message_leaves_nothing_behind() {
    let bar = Bar::open().await;
    let mut owner = bar.test.database.owner().await;
    let (_, first) = bar.say(None, "最初の話", "k0").await;
    bar.ended(&first).await;
    sqlx::query("update entitlement.usage set created_at = $1, at = $1")
        .bind(bar.test.cx.clock.now())
        .execute(&mut owner)
        .await
        .unwrap();
    let before = bar.count("misaki.message").await;
    let mut refused = None;
    let mut n = 1;
    while n < 10 && refused.is_none() {
        let (status, answer) = bar.say(None, "つぎの話", &format!("k{n}")).await;
        match answer["code"].as_str() {
            // a place is free a moment after the end can be read
            Some("concurrency_exceeded") => tokio::task::yield_now().await,
            Some(_) => refused = Some((status, answer)),
            None => {
                bar.ended(&answer).await;
                n += 1;
            }
        }
    }
    let (status, problem) = refused.unwrap();
    assert_eq!(
        (status, problem["code"].as_str()),
        (429, Some("rate_exceeded"))
    );
    assert_eq!(problem["suggestion"]["plan"], "free");
    let runs = bar.count("gateway.run").await;
    assert_eq!(
        (bar.count("misaki.message").await, runs),
        (before + (runs - 1) * 2, 6)
    );
    let (status, _) = bar.say(None, "こんばんは", "canned").await;
    assert_eq!(status, 200, "a phrase answers whatever the limits say");
}

#[tokio::test]
async fn the_plan_decides_the_model() {
    let bar = Bar::open().await;
    let (_, answer) = bar.say(None, "はじめての話", "k1").await;
    assert_eq!(bar.ended(&answer).await.model, "sandbox-small");
    entitlement::assign(&bar.test.cx, bar.guest.principal.tenant, "misaki", "vip")
        .await
        .unwrap();
    let (_, answer) = bar.say(None, "つぎの話", "k2").await;
    assert_eq!(bar.ended(&answer).await.model, "sandbox-large");
}

#[tokio::test]
async fn nobody_sees_or_joins_anothers_chat_nor_comes_with_anothers_token() {
    let bar = Bar::open().await;
    let (_, mine) = bar.say(None, "こんばんは", "k1").await;
    let (stranger, _) = new_guest(&bar.room).await;
    let (status, problem) = bar
        .say_as(
            &stranger,
            "misaki",
            Some(&mine["chat_id"]),
            "こんばんは",
            "k2",
        )
        .await;
    assert_eq!(
        (status, problem["code"].as_str()),
        (404, Some("chat_not_found"))
    );
    let (status, problem) = bar
        .say_as(&bar.guest, "genai", None, "こんばんは", "k3")
        .await;
    assert_eq!(
        (status, problem["code"].as_str()),
        (403, Some("other_storefront"))
    );
    assert_eq!(bar.count("misaki.message").await, 2);
    let (status, same_key) = bar
        .say_as(&stranger, "misaki", None, "こんばんは", "k1")
        .await;
    assert_eq!(status, 200);
    assert_ne!(
        same_key["chat_id"], mine["chat_id"],
        "a key is the caller's own"
    );
}
