use std::sync::{
    Arc,
    atomic::{AtomicU16, AtomicU32, Ordering},
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{Request, StatusCode},
    routing::post,
};
use chrono::Duration;
use hooks::{EndLostDeliveries, Hooks};
use http_body_util::BodyExt;
use identity::{Identity, RequestMeta};
use jobs::{Job, Jobs, Registry, run_due};
use serde_json::{Value, json};
use testkit::TestCtx;
use tokio::net::TcpListener;
use tower::ServiceExt;

use super::*;

const PASSWORD: &str = "seven lanterns by the river";
/// What a delivery waits between its tries, to a tenth more or less.
const WAITS: [i64; 7] = [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000];

/// Somebody who is told, and answers as they are told.
#[derive(Clone, Default)]
struct Told {
    status: Arc<AtomicU16>,
    times: Arc<AtomicU32>,
}

/// A house with a person whose endpoint is told things.
struct Bench {
    test: TestCtx,
    room: Hooks,
    jobs: Jobs,
    told: Told,
    cookies: String,
    hook: String,
}

async fn answer(State(told): State<Told>) -> StatusCode {
    told.times.fetch_add(1, Ordering::SeqCst);
    StatusCode::from_u16(told.status.load(Ordering::SeqCst)).unwrap()
}

async fn ask(
    router: Router,
    cookies: &str,
    path: &str,
    body: Option<Value>,
) -> (u16, String, Value) {
    let request = Request::post(path)
        .header("content-type", "application/json")
        .header("cookie", cookies)
        .body(body.map_or_else(Body::empty, |body| Body::from(body.to_string())))
        .unwrap();
    let answer = router.oneshot(request).await.unwrap();
    let status = answer.status().as_u16();
    let cookies: Vec<&str> = answer
        .headers()
        .get_all("set-cookie")
        .iter()
        .map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap())
        .collect();
    let cookies = cookies.join("; ");
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    (
        status,
        cookies,
        serde_json::from_slice(&bytes).unwrap_or_default(),
    )
}

impl Bench {
    async fn open() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let test = testkit::context().await;
        let told = Told::default();
        told.status.store(500, Ordering::SeqCst);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let receiver = Router::new()
            .route("/told", post(answer))
            .with_state(told.clone());
        tokio::spawn(async move { axum::serve(listener, receiver).await });
        let config = identity::Config {
            vault: seal::Vault::of_keys(&seal::new_key().unwrap()).unwrap(),
            ..identity::Config::at("https://noren.example")
        };
        let identity = Identity::open(test.cx.clone(), config).await.unwrap();
        let new = identity::NewUser {
            email: "told@example.test".to_owned(),
            password: PASSWORD.into(),
            display_name: None,
            locale: kernel::Lang::Ja,
        };
        let meta = RequestMeta::of_the_house("req_test");
        identity::add_user(&identity, new, false, &meta)
            .await
            .unwrap();
        let (people, _) = identity::router()
            .with_state(identity.clone())
            .split_for_parts();
        let login = json!({ "email": "told@example.test", "password": PASSWORD });
        let (status, cookies, _) = ask(people, "", "/auth/login", Some(login)).await;
        assert_eq!(status, 200);
        let room = Hooks::open(identity, std::slice::from_ref(&origin)).unwrap();
        let registry = room.register(Registry::default()).unwrap();
        let mut bench = Self {
            jobs: Jobs::open(test.cx.clone(), registry).unwrap(),
            room,
            told,
            cookies,
            hook: String::new(),
            test,
        };
        let url = json!({ "url": format!("{origin}/told") });
        let made = bench.post("/hooks", Some(url)).await;
        let hook = made.pointer("/hook/id").and_then(Value::as_str);
        hook.unwrap().clone_into(&mut bench.hook);
        bench
    }

    async fn post(&self, path: &str, body: Option<Value>) -> Value {
        let (router, _) = hooks::router()
            .with_state(self.room.clone())
            .split_for_parts();
        let (status, _, said) = ask(router, &self.cookies, path, body).await;
        assert!((200..300).contains(&status), "{path}: {status} {said}");
        said
    }

    /// Tells the endpoint something.
    async fn ping(&self) {
        self.post(&format!("/hooks/{}/test", self.hook), None).await;
    }

    async fn tries(&self) -> usize {
        run_due(&self.jobs).await.unwrap()
    }

    /// The states of the deliveries with their tries, oldest first.
    async fn deliveries(&self) -> Vec<(String, i32)> {
        sqlx::query_as("select state, attempts from hooks.delivery order by created_at, id")
            .fetch_all(&mut self.test.database.owner().await)
            .await
            .unwrap()
    }

    async fn off(&self) -> Option<String> {
        sqlx::query_scalar("select off_reason from hooks.endpoint")
            .fetch_one(&mut self.test.database.owner().await)
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn a_delivery_is_tried_at_its_times_and_then_given_up() {
    let bench = Bench::open().await;
    bench.ping().await;
    assert_eq!(bench.tries().await, 1);
    for wait in WAITS {
        bench.test.time.advance(Duration::milliseconds(wait * 890));
        assert_eq!(bench.tries().await, 0, "not before {wait} s");
        bench.test.time.advance(Duration::milliseconds(wait * 220));
        assert_eq!(bench.tries().await, 1, "after {wait} s");
    }
    assert_eq!(bench.deliveries().await, [("dead".to_owned(), 8)]);
    bench.test.time.advance(Duration::days(2));
    assert_eq!(bench.tries().await, 0);
    assert_eq!(bench.told.times.load(Ordering::SeqCst), 8);
    assert_eq!(
        bench.off().await,
        None,
        "a day is no reason to stop telling"
    );
}

#[tokio::test]
async fn an_endpoint_that_fails_for_five_days_is_switched_off_and_a_success_begins_anew() {
    let bench = Bench::open().await;
    let fail_for = async |days: i64| {
        for _ in 0..days {
            bench.ping().await;
            bench.tries().await;
            bench.test.time.advance(Duration::days(1));
        }
    };
    fail_for(4).await;
    bench.told.status.store(204, Ordering::SeqCst);
    bench.ping().await;
    bench.tries().await;
    bench.told.status.store(500, Ordering::SeqCst);
    fail_for(5).await;
    assert_eq!(bench.off().await, None, "four days and some hours");
    bench.ping().await;
    bench.tries().await;
    assert_eq!(bench.off().await.as_deref(), Some("failing"));
    let told = bench.told.times.load(Ordering::SeqCst);
    bench.test.time.advance(Duration::days(2));
    bench.tries().await;
    assert_eq!(
        bench.told.times.load(Ordering::SeqCst),
        told,
        "who is off is told nothing"
    );
}

#[tokio::test]
async fn a_delivery_whose_job_is_gone_waits_no_more() {
    let bench = Bench::open().await;
    for _ in 0..3 {
        bench.ping().await;
        bench.test.time.advance(Duration::seconds(1));
    }
    let mut owner = bench.test.database.owner().await;
    // the first one's nodes died each time, the second was called off
    let jobs: Vec<Uuid> = sqlx::query_scalar(
        "select id from jobs.job where kind = 'hooks.deliver' order by created_at, id",
    )
    .fetch_all(&mut owner)
    .await
    .unwrap();
    for (job, state) in jobs.iter().zip(["dead", "cancelled"]) {
        sqlx::query("update jobs.job set state = $2, closed_at = created_at where id = $1")
            .bind(job)
            .bind(state)
            .execute(&mut owner)
            .await
            .unwrap();
    }
    // the third has its turn later
    sqlx::query("update jobs.job set run_at = run_at + interval '1 hour' where id = $1")
        .bind(jobs[2])
        .execute(&mut owner)
        .await
        .unwrap();
    let cx = &bench.test.cx;
    let mut tx = cx.db.begin(Scope::House("test")).await.unwrap();
    EndLostDeliveries {}.enqueue(&mut tx, cx).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(bench.tries().await, 1);
    let dead = || ("dead".to_owned(), 0);
    assert_eq!(
        bench.deliveries().await,
        [dead(), dead(), ("waiting".to_owned(), 0)]
    );
    bench.told.status.store(200, Ordering::SeqCst);
    bench.test.time.advance(Duration::hours(1));
    bench.tries().await;
    assert_eq!(bench.deliveries().await[2], ("delivered".to_owned(), 1));
}
