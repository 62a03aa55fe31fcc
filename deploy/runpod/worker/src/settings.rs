use std::{net::SocketAddr, time::Duration};

use clap::Parser;
use secrecy::SecretString;

/// Takes jobs from RunPod's queue and has them answered by an OpenAI-compatible engine beside it.
///
/// RunPod sets the variables that begin with `RUNPOD_`; the template sets the others. What follows `--` is started as the engine.
#[derive(Debug, Parser)]
#[command(about)]
pub(crate) struct Settings {
    /// Where jobs are taken; `$ID` stands for this worker.
    #[arg(long, env = "RUNPOD_WEBHOOK_GET_JOB")]
    pub(crate) take: String,
    /// Where results go; `$RUNPOD_POD_ID` stands for this worker and `$ID` for the job.
    #[arg(long, env = "RUNPOD_WEBHOOK_POST_OUTPUT")]
    pub(crate) output: String,
    /// Where pieces of results go, likewise.
    #[arg(long, env = "RUNPOD_WEBHOOK_POST_STREAM")]
    pub(crate) stream: String,
    /// Where signs of life go, likewise.
    #[arg(long, env = "RUNPOD_WEBHOOK_PING")]
    pub(crate) ping: Option<String>,
    /// Milliseconds between two signs of life.
    #[arg(long, env = "RUNPOD_PING_INTERVAL", default_value_t = 10_000)]
    pub(crate) ping_interval: u64,
    /// The name of this worker.
    #[arg(long, env = "RUNPOD_POD_ID", default_value = "local")]
    pub(crate) pod: String,
    /// What RunPod knows this worker by.
    #[arg(
        long,
        env = "RUNPOD_AI_API_KEY",
        default_value = "",
        hide_env_values = true
    )]
    pub(crate) key: SecretString,

    /// The engine's address.
    #[arg(long, env = "ENGINE_URL", default_value = "http://127.0.0.1:8000/v1")]
    pub(crate) engine_url: String,
    /// The engine's key, if it wants one.
    #[arg(long, env = "ENGINE_KEY", default_value = "", hide_env_values = true)]
    pub(crate) engine_key: SecretString,
    /// The engine's name of the model.
    #[arg(long, env = "ENGINE_MODEL")]
    pub(crate) model: String,
    /// Which training of the model this is; told in each answer.
    #[arg(long, env = "MODEL_VERSION")]
    pub(crate) version: Option<String>,
    /// Adapters that a job may choose by `adapter`, by the names that the engine serves them under.
    #[arg(long, env = "ADAPTERS", value_delimiter = ',')]
    pub(crate) adapters: Vec<String>,
    /// Jobs at once.
    #[arg(long, env = "CONCURRENCY", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=512))]
    pub(crate) concurrency: u16,
    /// Seconds that the engine may take to start.
    #[arg(long, env = "ENGINE_START_SECONDS", default_value_t = 900)]
    pub(crate) start_seconds: u64,
    /// Where `GET /ping` says whether the engine answers; nowhere unless given.
    #[arg(long, env = "HEALTH_ADDRESS")]
    pub(crate) health: Option<SocketAddr>,

    /// The engine's command line.
    #[arg(last = true)]
    pub(crate) engine: Vec<String>,
}

impl Settings {
    pub(crate) fn ping_every(&self) -> Duration {
        Duration::from_millis(self.ping_interval.max(100))
    }
}
