//! How soon the house answers: the plan look-up beside `/health` of the same server, the intake at a steady pace, and how long
//! after a purchase its plan holds.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures::future::try_join_all;
use identity::RequestMeta;
use tokio::time::{MissedTickBehavior, interval};

use crate::house::{House, PAID};

const ROUNDS: usize = 3;
const REQUESTS: usize = 1_000;
/// Events a second, and how many.
const PACE: Duration = Duration::from_millis(20);
const EVENTS: usize = 500;
const PURCHASES: usize = 30;

/// Times of one kind, sorted when read.
#[derive(Debug, Default)]
pub(crate) struct Times(Vec<f64>);

impl Times {
    pub(crate) fn add(&mut self, time: Duration) {
        self.0.push(time.as_secs_f64() * 1000.0);
    }

    /// The p50, the p95 or whichever is asked for, and the longest, in milliseconds.
    pub(crate) fn figures(&mut self, high: usize) -> [f64; 3] {
        self.0.sort_by(f64::total_cmp);
        let at = |share: usize| {
            let place = (self.0.len() * share / 100).min(self.0.len().saturating_sub(1));
            self.0.get(place).copied().unwrap_or_default()
        };
        [at(50), at(high), at(100)]
    }
}

/// GET /health and GET /billing/plan by turns, `connections` at once.
pub(crate) async fn plan(house: &House, connections: usize) -> Result<[Times; 2]> {
    let mut found = [Times::default(), Times::default()];
    for _ in 0..=ROUNDS {
        let warm = !found.iter().any(|times| times.0.is_empty());
        for (times, path) in found
            .iter_mut()
            .zip(["/health", "/billing/plan?storefront=misaki"])
        {
            if !warm {
                times.0.clear();
            }
            let rounds = try_join_all(
                (0..connections).map(|_| get_often(house, path, REQUESTS / connections)),
            )
            .await?;
            for time in rounds.into_iter().flatten() {
                times.add(time);
            }
        }
    }
    Ok(found)
}

async fn get_often(house: &House, path: &str, times: usize) -> Result<Vec<Duration>> {
    let url = format!("{}{path}", house.url);
    let mut taken = Vec::with_capacity(times);
    for _ in 0..times {
        let started = Instant::now();
        house
            .http
            .get(&url)
            .header("cookie", &house.cookie)
            .send()
            .await?
            .error_for_status()?
            .bytes()
            .await?;
        taken.push(started.elapsed());
    }
    Ok(taken)
}

/// Events at a steady pace, whether or not the one before is answered.
pub(crate) async fn intake(house: &House) -> Result<Times> {
    let mut ticks = interval(PACE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut sent = Vec::with_capacity(EVENTS);
    for n in 0..EVENTS {
        ticks.tick().await;
        let one = house.event(&format!("paced_{n}"))?;
        sent.push(tokio::spawn(async move {
            let started = Instant::now();
            one.send().await?.error_for_status()?;
            anyhow::Ok(started.elapsed())
        }));
    }
    let mut times = Times::default();
    for one in sent {
        times.add(one.await??);
    }
    Ok(times)
}

/// From the payment at Stripe, which sends its events at once, to the plan that holds.
pub(crate) async fn purchases(house: &House) -> Result<Times> {
    let mut times = Times::default();
    for _ in 0..PURCHASES {
        let meta = RequestMeta::of_the_house("req_bench");
        let guest = identity::guest(&house.room.identity, &meta).await?;
        let caller = identity::Caller::from(guest.session);
        let wish = billing::Wish::Plan {
            storefront: "misaki",
            plan: PAID,
        };
        let url = billing::start_checkout(&house.room, &caller, &meta, wish).await?;
        let session = url.rsplit('/').next().context("an address has parts")?;
        if !house.stripe.complete_checkout(session) {
            bail!("the stand-in takes no money");
        }
        let paid = Instant::now();
        while house.plan(caller.principal).await? != PAID {
            if paid.elapsed() > Duration::from_secs(20) {
                bail!("a plan that was paid for does not hold");
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        times.add(paid.elapsed());
    }
    Ok(times)
}
