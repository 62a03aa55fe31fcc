//! What a metered run costs over a bare pass-through of the same stream, both in one run on one machine.
//!
//! One mock upstream answers 20 chunks at once. The pass-through forwards its bytes and does nothing else. The gateway is
//! the real binary: token checked, run admitted (rate, concurrency, quota), events durable and resumable, usage row and
//! ledger written. Rounds alternate, so that a machine that slows down slows both.

mod doors;

use std::{
    io::Write,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use doors::{Door, Noren, PassThrough};
use futures::future::try_join_all;

/// Connections at once, and requests of each in one round.
const LOADS: [(usize, usize); 2] = [(1, 100), (16, 25)];
const ROUNDS: usize = 3;

#[tokio::main]
async fn main() -> Result<()> {
    let binary = std::env::args()
        .nth(1)
        .context("usage: bench-gateway PATH/TO/noren")?;
    // the HTTP client asks for a TLS provider even where there is no TLS
    let _ = rustls::crypto::ring::default_provider().install_default();
    let upstream = doors::start_upstream().await?;
    let bare = PassThrough::start(&upstream).await?;
    let noren = Noren::start(&binary, &upstream).await?;
    let mut out = std::io::stdout();
    writeln!(out, "connections  door          runs/s   p50 ms   p99 ms")?;
    for (connections, requests) in LOADS {
        let bare_clients: Vec<_> = (0..connections)
            .map(|_| bare.client())
            .collect::<Result<_>>()?;
        let noren_clients = try_join_all((0..connections).map(|_| noren.client())).await?;
        round(&bare_clients, requests / 5).await?;
        round(&noren_clients, requests / 5).await?;
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            a.push(round(&bare_clients, requests).await?);
            b.push(round(&noren_clients, requests).await?);
        }
        let (a, b) = (Figures::of(&a), Figures::of(&b));
        for (door, figures) in [("pass-through", &a), ("noren", &b)] {
            writeln!(
                out,
                "{connections:>11}  {door:<12} {:>7.0} {:>8.2} {:>8.2}",
                figures.per_second, figures.p50, figures.p99
            )?;
        }
        writeln!(
            out,
            "{connections:>11}  ratio        {:>7.3} {:>8.2} {:>8.2}   added p50 {:.2} ms",
            b.per_second / a.per_second,
            b.p50 / a.p50,
            b.p99 / a.p99,
            b.p50 - a.p50
        )?;
    }
    noren.stop().await
}

/// One round: every client makes its requests one after the other, all clients at once.
async fn round<D: Door>(clients: &[D], requests: usize) -> Result<(Duration, Vec<Duration>)> {
    let started = Instant::now();
    let times = try_join_all(clients.iter().map(|client| async move {
        let mut times = Vec::with_capacity(requests);
        for _ in 0..requests {
            let started = Instant::now();
            client.run().await?;
            times.push(started.elapsed());
        }
        anyhow::Ok(times)
    }))
    .await?;
    Ok((started.elapsed(), times.into_iter().flatten().collect()))
}

struct Figures {
    per_second: f64,
    p50: f64,
    p99: f64,
}

impl Figures {
    fn of(rounds: &[(Duration, Vec<Duration>)]) -> Self {
        let mut times: Vec<f64> = rounds
            .iter()
            .flat_map(|(_, times)| times)
            .map(|time| time.as_secs_f64() * 1000.0)
            .collect();
        times.sort_by(f64::total_cmp);
        let whole: f64 = rounds.iter().map(|(whole, _)| whole.as_secs_f64()).sum();
        let at = |share: usize| {
            times
                .get(times.len() * share / 100)
                .copied()
                .unwrap_or_default()
        };
        let count = u32::try_from(times.len()).unwrap_or(u32::MAX);
        Self {
            per_second: f64::from(count) / whole,
            p50: at(50),
            p99: at(99),
        }
    }
}
