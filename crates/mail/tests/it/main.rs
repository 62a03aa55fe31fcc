//! Mail on a real server, and on a small SMTP server that does as it is told.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod posting;

use db::{Ctx, Scope};
use kernel::Lang;
use mail::{Letter, Template};
use serde_json::json;
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
