//! Events on their way.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

use super::{StripeDouble, shape};

/// What an event waits before it is sent again; after the last it is given up, and only a look at the list finds it.
const WAITS: [Duration; 4] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
];

/// The `Stripe-Signature` of a body.
pub fn signature(secret: &str, body: &str, at: i64) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(format!("{at}.{body}").as_bytes());
    format!("t={at},v1={}", hex::encode(mac.finalize().into_bytes()))
}

/// Sends events to where they go, each by itself and each until it is taken.
pub(super) fn send(double: &StripeDouble, events: Vec<Value>) {
    let to = double
        .0
        .events
        .lock()
        .map(|to| to.clone())
        .unwrap_or_default();
    let Some((url, secret)) = to.filter(|_| !events.is_empty()) else {
        return;
    };
    let Some(http) = double.client() else {
        return;
    };
    let faults = double.faults().delivery;
    let mut events = events;
    if faults.reverse {
        events.reverse();
    }
    for event in events {
        let count = {
            let mut known = double.faults();
            known.sent += 1;
            known.sent
        };
        if faults.drop_every > 0 && count.is_multiple_of(faults.drop_every) {
            continue;
        }
        for copy in 0..faults.copies {
            let old = faults.old_shape || faults.both_shapes && copy % 2 == 1;
            let body = shape::event(&event, old).to_string();
            let wait = Duration::from_millis(faults.delay_ms);
            tokio::spawn(bring(http.clone(), url.clone(), secret.clone(), body, wait));
        }
    }
}

async fn bring(http: reqwest::Client, url: String, secret: String, body: String, first: Duration) {
    tokio::time::sleep(first).await;
    for wait in WAITS {
        // the signature says the real time, wherever the stand-in's clock is
        let at = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |now| now.as_secs());
        let at = i64::try_from(at).unwrap_or_default();
        let sent = http
            .post(&url)
            .header("content-type", "application/json")
            .header("stripe-signature", signature(&secret, &body, at))
            .body(body.clone())
            .send()
            .await;
        if sent.is_ok_and(|answer| answer.status().is_success()) {
            return;
        }
        tokio::time::sleep(wait).await;
    }
}
