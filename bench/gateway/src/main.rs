//! What a metered call costs over a bare pass-through of the same call, in one run on one machine.
//!
//! A mock upstream answers at once: 20 chunks, or the same text whole. Measured in turns are the upstream itself, a pass-through
//! that forwards bytes and does nothing else, and Noren's own binary at its OpenAI-compatible door with an API key: limits, quota,
//! durable run, usage row. Each is a process of its own, so that its processor time can be read. Afterwards the usage rows are
//! compared with the calls that the upstream saw.

mod bare;
mod meter;
mod noren;
mod rival;

use std::{
    io::Write,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use bare::Served;
use futures::future::try_join_all;
use meter::{Figures, Pids, Round};
use noren::{Durability, Noren};
use reqwest::{Client, StatusCode, header::AUTHORIZATION};
use rival::{Kind, Rival};
use serde_json::{Value, json};

const PASS_THROUGH: &str = "pass-through";
const ROUNDS: usize = 3;
const LASTS: Duration = Duration::from_secs(2);

/// How many connections ask at once, and for what.
#[derive(Clone, Copy)]
struct Load {
    connections: usize,
    what: What,
}

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    /// An answer in one piece.
    Whole,
    /// An answer of 20 chunks.
    Streamed,
    /// Work that is only accepted; houses alone do that.
    Accepted,
}

const LOADS: [Load; 6] = [
    Load::of(1, What::Whole),
    Load::of(16, What::Whole),
    Load::of(64, What::Whole),
    Load::of(1, What::Streamed),
    Load::of(16, What::Streamed),
    Load::of(1, What::Accepted),
];

impl Load {
    const fn of(connections: usize, what: What) -> Self {
        Self { connections, what }
    }
}

impl What {
    const fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Streamed => "20 chunks",
            Self::Accepted => "accepted",
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Whole | Self::Streamed => "/v1/chat/completions",
            Self::Accepted => "/inference",
        }
    }

    fn body(self) -> Value {
        match self {
            Self::Whole | Self::Streamed => json!({
                "model": "misaki-small", "stream": self == Self::Streamed,
                "messages": [{ "role": "user", "content": "hello" }],
            }),
            Self::Accepted => json!({ "model": "misaki-small", "prompt": "hello" }),
        }
    }

    fn is_answered(self, status: StatusCode, text: &str) -> bool {
        match self {
            Self::Whole => status.is_success() && text.contains("piece 19") && text.ends_with('}'),
            Self::Streamed => {
                status.is_success()
                    && text.contains("piece 19")
                    && text.ends_with("data: [DONE]\n\n")
            }
            Self::Accepted => status == StatusCode::ACCEPTED,
        }
    }
}

/// Where the same call can be made.
struct Door {
    name: String,
    url: String,
    key: String,
    /// What it has to be told with every call.
    headers: Vec<(&'static str, String)>,
    pids: Pids,
    /// Whether it is somebody else's.
    is_rival: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    // the HTTP client asks for a TLS provider even where there is no TLS
    let _ = rustls::crypto::ring::default_provider().install_default();
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["upstream"] => bare::upstream().await,
        ["pass-through", upstream] => bare::pass_through(upstream).await,
        _ => measure(&Asked::read(args)?).await,
    }
}

/// What is to be measured.
#[derive(Default)]
struct Asked {
    loads: Vec<Load>,
    norens: Vec<String>,
    rivals: Vec<(Kind, String)>,
}

impl Asked {
    fn read(args: Vec<String>) -> Result<Self> {
        let mut asked = Self::default();
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().with_context(|| format!("{arg} what?"));
            match arg.as_str() {
                "--at" => asked.loads.push(Load::of(value()?.parse()?, What::Whole)),
                "--litellm" => asked.rivals.push((Kind::LiteLlm, value()?)),
                "--portkey" => asked.rivals.push((Kind::Portkey, value()?)),
                _ => asked.norens.push(arg),
            }
        }
        if asked.norens.is_empty() {
            bail!(
                "usage: bench-gateway [--at CONNECTIONS] [--litellm PATH] [--portkey PATH] PATH/TO/noren..."
            );
        }
        if asked.loads.is_empty() {
            asked.loads = LOADS.to_vec();
        }
        Ok(asked)
    }
}

/// Measures all that is asked for in turns with the upstream and the pass-through.
async fn measure(asked: &Asked) -> Result<()> {
    let upstream = Served::start(&["upstream"]).await?;
    let bare = Served::start(&["pass-through", &upstream.url]).await?;
    let mut doors = vec![
        Door::of("upstream", &upstream.url, upstream.pid()?),
        Door::of(PASS_THROUGH, &bare.url, bare.pid()?),
    ];
    let mut houses = Vec::new();
    for (nth, binary) in asked.norens.iter().enumerate() {
        for durability in [Durability::Commit, Durability::Async] {
            let secret = format!("sk-{nth}-{durability}");
            let house = Noren::start(binary, &upstream.url, durability, secret).await?;
            let nth = if nth == 0 {
                String::new()
            } else {
                format!(" {}", nth + 1)
            };
            doors.push(house.door(format!("noren{nth} {durability}")).await?);
            houses.push(house);
        }
    }
    let mut rivals = Vec::new();
    for (kind, program) in &asked.rivals {
        let rival = Rival::start(*kind, program, &upstream.url).await?;
        doors.push(rival.door()?);
        rivals.push(rival);
    }
    for load in &asked.loads {
        compare(&doors, *load).await?;
    }
    let calls = upstream.count().await?;
    let mut out = std::io::stdout();
    for rival in rivals {
        let (name, made) = (rival.door()?.name, rival.calls(&calls));
        writeln!(out, "\n{name}: calls at the upstream {made}")?;
    }
    for house in houses {
        let (rows, made) = house.usage(&calls).await?;
        writeln!(out, "\nusage rows {rows}, calls at the upstream {made}")?;
        if rows != made {
            bail!("{rows} usage rows for {made} calls");
        }
        house.stop().await?;
    }
    Ok(())
}

/// Puts the same load on each door in turns.
async fn compare(doors: &[Door], load: Load) -> Result<()> {
    let mut out = std::io::stdout();
    let what = load.what;
    let mut doors: Vec<&Door> = doors
        .iter()
        .filter(|door| what != What::Accepted || door.pids.database.is_some())
        .collect();
    writeln!(out, "\n{} connections, {}", load.connections, what.name())?;
    writeln!(
        out,
        "door              calls/s     ratio   p50 ms   p99 ms   CPU µs/call   with PostgreSQL"
    )?;
    let clients: Vec<Client> = (0..load.connections)
        .map(|_| client())
        .collect::<Result<_>>()?;
    let mut left_out = Vec::new();
    for door in &doors {
        match round(door, &clients, what, LASTS / 4).await {
            Ok(_) => {}
            // a rival that does not answer this load is left out of it and named
            Err(error) if door.is_rival => {
                writeln!(out, "{:<16} not measured: {error}", door.name)?;
                left_out.push(door.name.as_str());
            }
            Err(error) => return Err(error),
        }
    }
    doors.retain(|door| !left_out.contains(&door.name.as_str()));
    let mut rounds: Vec<Vec<Round>> = doors.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for (door, rounds) in doors.iter().zip(&mut rounds) {
            rounds.push(round(door, &clients, what, LASTS).await?);
        }
    }
    let figures: Vec<Figures> = rounds.iter().map(|rounds| Figures::of(rounds)).collect();
    let pass = doors.iter().position(|door| door.name == PASS_THROUGH);
    let pass = pass.and_then(|nth| figures.get(nth));
    for (door, figures) in doors.iter().zip(&figures) {
        writeln!(
            out,
            "{:<16} {:>8.0} {:>9.3} {:>8.2} {:>8.2} {:>13.0} {:>17.0}",
            door.name,
            figures.per_second,
            pass.map_or(f64::NAN, |pass| figures.per_second / pass.per_second),
            figures.p50,
            figures.p99,
            figures.cpu,
            figures.cpu_with_database,
        )?;
    }
    Ok(())
}

impl Door {
    fn of(name: &str, url: &str, pid: u32) -> Self {
        Self {
            name: name.to_owned(),
            url: url.to_owned(),
            key: "none".to_owned(),
            headers: Vec::new(),
            pids: Pids {
                own: pid,
                database: None,
            },
            is_rival: false,
        }
    }
}

/// One round: every client calls again and again until the time is over.
async fn round(door: &Door, clients: &[Client], what: What, lasts: Duration) -> Result<Round> {
    let (url, body) = (format!("{}{}", door.url, what.path()), what.body());
    let cpu = meter::cpu(door.pids)?;
    let started = Instant::now();
    let times = try_join_all(clients.iter().map(|client| {
        let (url, body) = (&url, &body);
        async move {
            let mut times = Vec::new();
            while started.elapsed() < lasts {
                let began = Instant::now();
                let mut sent = client
                    .post(url)
                    .header(AUTHORIZATION, format!("Bearer {}", door.key));
                for (name, value) in &door.headers {
                    sent = sent.header(*name, value);
                }
                let answer = sent.json(body).send().await?;
                let (status, text) = (answer.status(), answer.text().await?);
                if !what.is_answered(status, &text) {
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
