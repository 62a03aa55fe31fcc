//! Mail on a real server, and on a small SMTP server that does as it is told.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod delivery;
mod ends;
mod posting;
mod sink;
mod wishes;

use db::{Ctx, Scope};
use kernel::Lang;
use mail::{Config, Letter, Mail, Template, Way};
use serde_json::json;
use sink::Sink;
use testkit::TestCtx;

const TO: &str = "chidori@example.test";

fn verify(key: &str) -> Letter<'_> {
    Letter {
        key,
        to: TO,
        lang: Lang::Ja,
        template: Template::VerifyEmail,
        data: json!({ "name": "千鳥", "link": "https://noren.example/link/verify#canary-token" }),
    }
}

/// Posts in a transaction of the house.
async fn post(cx: &Ctx, letter: Letter<'_>) {
    let mut tx = cx.db.begin(Scope::House("test")).await.unwrap();
    mail::post(&mut tx, cx, letter).await.unwrap();
    tx.commit().await.unwrap();
}

/// How many letters are in which state.
async fn states(test: &TestCtx) -> Vec<(String, i64)> {
    let mut owner = test.database.owner().await;
    sqlx::query_as("select state, count(*) from mail.letter group by state order by state")
        .fetch_all(&mut owner)
        .await
        .unwrap()
}

/// A letter as it is kept.
#[derive(Debug, PartialEq, Eq, sqlx::FromRow)]
struct Row {
    state: String,
    attempts: i32,
    to_address: Option<String>,
    data: Option<serde_json::Value>,
    last_error: Option<String>,
}

async fn row(test: &TestCtx, key: &str) -> Row {
    let mut owner = test.database.owner().await;
    sqlx::query_as(
        "select state, attempts, to_address, data, last_error from mail.letter where key = $1",
    )
    .bind(key)
    .fetch_one(&mut owner)
    .await
    .unwrap()
}

/// The room, on a node whose letters go to the sink.
fn room(test: &TestCtx, sink: &Sink) -> Mail {
    room_on(test.cx.clone(), sink.port)
}

fn room_on(cx: Ctx, port: u16) -> Mail {
    open(cx, Way::Smtp(format!("smtp://127.0.0.1:{port}").into()))
}

fn open(cx: Ctx, way: Way) -> Mail {
    let config = Config {
        way,
        from: "Noren <noreply@noren.example>".to_owned(),
        account_url: "https://noren.example/".to_owned(),
        secret: vec![7; 32].into(),
    };
    Mail::open(cx, config).unwrap()
}
