//! What the house adds to the database's own cost: ledger postings and the intake of Stripe's events, each against the same
//! statements sent by pgbench, 16 clients, one durable cluster, rounds in turn; admissions from memory against bare
//! round trips; how soon the plan look-up and the intake answer; and how long jobs wait beside others that do harm.

mod answers;
mod house;
mod pgbench;
mod queue;
mod reservations;

use std::{
    io::{Write, stdout},
    time::Duration,
};

use anyhow::Result;
use house::{House, QUOTA};

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
    // so that what is measured is not planned for empty tables
    house.postings().await?;
    writeln!(out, "round  what      noren/s  pgbench/s  ratio")?;
    for round in 1..=ROUNDS {
        let postings = house.postings().await?;
        let bare = pgbench::run(&house, &pgbench::posting_scripts(&house)).await?;
        tell(&mut out, round, "postings", postings, bare)?;
        let intake = house.intake(round).await?;
        let bare = pgbench::run(&house, &pgbench::intake_scripts()).await?;
        tell(&mut out, round, "intake", intake, bare)?;
        let admitted = reservations::from_memory(&house).await?;
        let bare = pgbench::run(&house, &pgbench::round_trip_scripts()).await?;
        tell(&mut out, round, "admitted", admitted, bare)?;
        let (settled, exact) = reservations::whole_quota(&house).await?;
        tell(&mut out, round, "settled", settled, bare)?;
        writeln!(out, "       of {QUOTA} units exactly so many: {exact}")?;
    }
    writeln!(out, "answers               p50 ms  p99 ms  max ms")?;
    for connections in [1, CLIENTS] {
        let [mut health, mut plan] = answers::plan(&house, connections).await?;
        answer(&mut out, &format!("health x {connections}"), &mut health)?;
        answer(&mut out, &format!("plan x {connections}"), &mut plan)?;
    }
    answer(
        &mut out,
        "intake at 50/s",
        &mut answers::intake(&house).await?,
    )?;
    answer(
        &mut out,
        "paid to visible",
        &mut answers::purchases(&house).await?,
    )?;
    writeln!(out, "jobs                  p50 ms  p95 ms  max ms")?;
    let [mut alone, mut beside] = queue::waits(&house).await?;
    for (what, times) in [("alone", &mut alone), ("beside harm", &mut beside)] {
        let [p50, p95, longest] = times.figures(95);
        writeln!(out, "{what:<20} {p50:>7.2} {p95:>7.2} {longest:>7.2}")?;
    }
    house.close()
}

fn answer(out: &mut impl Write, what: &str, times: &mut answers::Times) -> Result<()> {
    let [p50, p99, longest] = times.figures(99);
    writeln!(out, "{what:<20} {p50:>7.2} {p99:>7.2} {longest:>7.2}")?;
    Ok(())
}

fn tell(out: &mut impl Write, round: usize, what: &str, noren: f64, bare: f64) -> Result<()> {
    writeln!(
        out,
        "{round:>5}  {what:<8} {noren:>8.0} {bare:>10.0}  {:>5.2}",
        noren / bare
    )?;
    Ok(())
}
