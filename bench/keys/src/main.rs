//! What it costs to know the holder of an API key: from memory, as a node that is up to date does it, against the database,
//! and against the one SHA-256 that can't be avoided.

use std::{
    fmt::Write as _,
    hint::black_box,
    io::{Write as _, stdout},
    time::{Duration, Instant},
};

use anyhow::Result;
use axum::extract::FromRequestParts;
use http::request::Parts;
use identity::{Config, Identity, InferenceCaller, NewUser, RequestMeta, follow_revocations};
use kernel::Lang;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

/// How long each round measures.
const ROUND: Duration = Duration::from_secs(2);

// one thread, so that what is counted is what one core does
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let test = testkit::context().await;
    let config = Config::at("https://noren.example");
    let warm = Identity::open(test.cx.clone(), config.clone()).await?;
    // this node follows no revocations, so its memory is never fresh and every check asks the database
    let cold = Identity::open(test.cx.clone(), config).await?;
    let new = NewUser {
        email: "bench@noren.example".to_owned(),
        password: "a long enough passphrase".into(),
        display_name: None,
        locale: Lang::En,
    };
    let meta = RequestMeta::of_the_house("req_bench");
    let secret = identity::register(&warm, new, None, &meta)
        .await?
        .key
        .secret;
    let stop = CancellationToken::new();
    tokio::spawn(follow_revocations(warm.clone(), stop.clone()));
    tokio::time::sleep(Duration::from_millis(400)).await;

    let mut report = String::new();
    for round in 1..=3 {
        let from_memory = checks_a_second(&warm, &secret).await?;
        let from_database = checks_a_second(&cold, &secret).await?;
        let hashes = hashes_a_second(&secret);
        writeln!(
            report,
            "round {round}: from memory {from_memory:.0}/s, from the database {from_database:.0}/s (ratio {:.0}), bare SHA-256 {hashes:.0}/s (ratio {:.2})",
            from_memory / from_database,
            from_memory / hashes,
        )?;
    }
    stop.cancel();
    stdout().write_all(report.as_bytes())?;
    Ok(())
}

async fn checks_a_second(room: &Identity, secret: &str) -> Result<f64> {
    let mut parts = parts(secret)?;
    let (started, mut checks) = (Instant::now(), 0_u32);
    while started.elapsed() < ROUND {
        for _ in 0..100 {
            black_box(InferenceCaller::from_request_parts(&mut parts, room).await?);
            checks += 1;
        }
        // the feed of revocations lives on the same thread
        tokio::task::yield_now().await;
    }
    Ok(f64::from(checks) / started.elapsed().as_secs_f64())
}

fn hashes_a_second(secret: &str) -> f64 {
    let (started, mut hashes) = (Instant::now(), 0_u32);
    while started.elapsed() < ROUND {
        for _ in 0..1000 {
            black_box(Sha256::digest(black_box(secret.as_bytes())));
            hashes += 1;
        }
    }
    f64::from(hashes) / started.elapsed().as_secs_f64()
}

fn parts(secret: &str) -> Result<Parts> {
    let request = http::Request::builder()
        .uri("/inference")
        .header("x-api-key", secret)
        .body(())?;
    Ok(request.into_parts().0)
}
