//! What the house adds to the database's own cost: ledger postings and the intake of Stripe's events, each against the same
//! statements sent by pgbench, 16 clients, one durable cluster, rounds in turn.

mod house;
mod pgbench;

use std::{
    io::{Write, stdout},
    time::Duration,
};

use anyhow::Result;
use house::House;

/// Writers at once.
pub(crate) const CLIENTS: usize = 16;
/// How long each measurement of a round takes.
pub(crate) const MEASURE: Duration = Duration::from_secs(5);
const ROUNDS: usize = 3;

#[tokio::main]
async fn main() -> Result<()> {
    // the HTTP client asks for a TLS provider even where there is no TLS
    let _ = rustls::crypto::ring::default_provider().install_default();
    let house = House::open().await?;
    let mut out = stdout();
    writeln!(out, "round  what      noren/s  pgbench/s  ratio")?;
    for round in 1..=ROUNDS {
        let postings = house.postings().await?;
        let bare = pgbench::run(&house, &pgbench::posting_scripts(&house)).await?;
        tell(&mut out, round, "postings", postings, bare)?;
        let intake = house.intake(round).await?;
        let bare = pgbench::run(&house, &pgbench::intake_scripts()).await?;
        tell(&mut out, round, "intake", intake, bare)?;
    }
    house.close()
}

fn tell(out: &mut impl Write, round: usize, what: &str, noren: f64, bare: f64) -> Result<()> {
    writeln!(
        out,
        "{round:>5}  {what:<8} {noren:>8.0} {bare:>10.0}  {:>5.2}",
        noren / bare
    )?;
    Ok(())
}
