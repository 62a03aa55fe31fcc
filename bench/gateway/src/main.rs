//! What a metered call costs over a bare pass-through of the same call, in one run on one machine.
//!
//! A mock upstream answers at once: 20 chunks, or the same text whole. Measured in turns are the upstream itself, a pass-through
//! that forwards bytes and does nothing else, and Noren's own binary at its OpenAI-compatible door with an API key: limits, quota,
//! durable run, usage row. Each is a process of its own, so that its processor time can be read. Afterwards the usage rows are
//! compared with the calls that the upstream saw.

mod bare;
mod meter;
mod noren;

use std::{
    io::Write,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use bare::Served;
use futures::future::try_join_all;
use meter::{Figures, Pids, Round};
use noren::{Durability, Noren};
use reqwest::{Client, header::AUTHORIZATION};
use serde_json::json;

const ROUNDS: usize = 3;
const LASTS: Duration = Duration::from_secs(2);
/// Connections at once, and whether the answer is streamed.
const LOADS: [(usize, bool); 4] = [(1, false), (16, false), (64, false), (16, true)];

/// Where the same call can be made.
struct Door {
    name: &'static str,
    url: String,
    key: String,
    pids: Pids,
}

#[tokio::main]
async fn main() -> Result<()> {
    // the HTTP client asks for a TLS provider even where there is no TLS
    let _ = rustls::crypto::ring::default_provider().install_default();
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["upstream"] => bare::upstream().await,
        ["pass-through", upstream] => bare::pass_through(upstream).await,
        [binary] => measure(binary).await,
        _ => bail!("usage: bench-gateway PATH/TO/noren"),
    }
}

async fn measure(binary: &str) -> Result<()> {
    let upstream = Served::start(&["upstream"]).await?;
    let bare = Served::start(&["pass-through", &upstream.url]).await?;
    let commit = Noren::start(binary, &upstream.url, Durability::Commit).await?;
    let soon = Noren::start(binary, &upstream.url, Durability::Async).await?;
    let doors = [
        Door::of("upstream", &upstream.url, upstream.pid()?),
        Door::of("pass-through", &bare.url, bare.pid()?),
        commit.door("noren commit").await?,
        soon.door("noren async").await?,
    ];
    let mut out = std::io::stdout();
    for (connections, streams) in LOADS {
        let kind = if streams { "20 chunks" } else { "whole" };
        writeln!(out, "\n{connections} connections, {kind}")?;
        writeln!(
            out,
            "door              calls/s     ratio   p50 ms   p99 ms   CPU µs/call   with PostgreSQL"
        )?;
        let clients: Vec<Client> = (0..connections).map(|_| client()).collect::<Result<_>>()?;
        let mut rounds: [Vec<Round>; 4] = Default::default();
        for door in &doors {
            round(door, &clients, streams, LASTS / 4).await?;
        }
        for _ in 0..ROUNDS {
            for (door, rounds) in doors.iter().zip(&mut rounds) {
                rounds.push(round(door, &clients, streams, LASTS).await?);
            }
        }
        let figures: Vec<Figures> = rounds.iter().map(|rounds| Figures::of(rounds)).collect();
        let pass = figures.get(1).context("the pass-through was measured")?;
        for (door, figures) in doors.iter().zip(&figures) {
            writeln!(
                out,
                "{:<16} {:>8.0} {:>9.3} {:>8.2} {:>8.2} {:>13.0} {:>17.0}",
                door.name,
                figures.per_second,
                figures.per_second / pass.per_second,
                figures.p50,
                figures.p99,
                figures.cpu,
                figures.cpu_with_database,
            )?;
        }
    }
    let calls = upstream.count().await?;
    for house in [commit, soon] {
        let (rows, made) = house.usage(&calls).await?;
        writeln!(out, "\nusage rows {rows}, calls at the upstream {made}")?;
        if rows != made {
            bail!("{rows} usage rows for {made} calls");
        }
        house.stop().await?;
    }
    Ok(())
}

impl Door {
    fn of(name: &'static str, url: &str, pid: u32) -> Self {
        Self {
            name,
            url: format!("{url}/v1/chat/completions"),
            key: "none".to_owned(),
            pids: Pids {
                own: pid,
                database: None,
            },
        }
    }
}

/// One round: every client calls again and again until the time is over.
async fn round(door: &Door, clients: &[Client], streams: bool, lasts: Duration) -> Result<Round> {
    let body = json!({ "model": "misaki-small", "stream": streams, "messages": [{ "role": "user", "content": "hello" }] });
    let end = if streams { "data: [DONE]\n\n" } else { "}" };
    let cpu = meter::cpu(door.pids)?;
    let started = Instant::now();
    let times = try_join_all(clients.iter().map(|client| {
        let body = &body;
        async move {
            let mut times = Vec::new();
            while started.elapsed() < lasts {
                let began = Instant::now();
                let sent = client
                    .post(&door.url)
                    .header(AUTHORIZATION, format!("Bearer {}", door.key));
                let answer = sent.json(body).send().await?;
                let (status, text) = (answer.status(), answer.text().await?);
                if !status.is_success() || !text.ends_with(end) || !text.contains("piece 19") {
                    bail!("{} answered {status}: {text}", door.name);
                }
                times.push(began.elapsed());
            }
            Ok(times)
        }
    }))
    .await?;
    Ok(Round {
        lasted: started.elapsed(),
        times: times.into_iter().flatten().collect(),
        cpu: meter::cpu(door.pids)?.since(&cpu),
    })
}

fn client() -> Result<Client> {
    Ok(Client::builder()
        .tcp_nodelay(true)
        .timeout(Duration::from_mins(1))
        .build()?)
}
