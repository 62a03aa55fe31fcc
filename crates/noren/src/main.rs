//! The binary: wiring and subcommands. It makes the rooms, merges their routes onto two listeners, and knows no rule of
//! its own.

mod admin;
mod background;
mod caps;
mod check;
mod cli;
mod database;
mod demo;
mod export;
mod farewell;
mod figures;
mod front;
mod grants;
mod house;
mod idempotency;
mod limits;
mod listeners;
mod models;
mod output;
mod people;
mod providers;
mod run;
mod seals;
mod signals;
mod sweep;
mod till;
mod training;
mod urls;
mod versions;
mod web;

use clap::Parser;
use mimalloc::MiMalloc;

/// A call makes hundreds of small allocations on whichever thread is free, which the system's allocator is slow at, and mimalloc's third
/// version slower than its second.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> std::process::ExitCode {
    match run(cli::Cli::parse()) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            let causes = error.chain().skip(1).fold(String::new(), |all, cause| {
                format!("{all}\n  because: {cause}")
            });
            eprintln!("noren: {error}{causes}");
            std::process::ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(cli: cli::Cli) -> anyhow::Result<()> {
    // one TLS provider for every client; a second one would panic at run time
    let _ = rustls::crypto::ring::default_provider().install_default();
    cli.execute().await
}
