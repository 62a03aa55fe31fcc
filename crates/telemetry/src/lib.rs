//! Logs, metrics and traces. Logs go to standard error; a line never holds a prompt, a password or a token: `redact` sees to it.

mod redact;
pub mod trace;

use std::io::IsTerminal;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::{
    EnvFilter,
    filter::{LevelFilter, filter_fn},
    fmt,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use redact::{Redacted, is_ours};

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For eyes.
    Plain,
    /// One JSON object a line.
    Json,
}

/// Starts logging what `filter` lets through, such as `info` or `noren=debug,info`.
///
/// # Errors
/// When the filter can't be read or logging was started before.
pub fn start_logging(
    filter: &str,
    format: Format,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let registry = tracing_subscriber::registry()
        .with(EnvFilter::try_new(filter)?)
        .with(filter_fn(|about| {
            *about.level() <= LevelFilter::INFO || is_ours(about.target())
        }));
    match format {
        Format::Plain => registry
            .with(
                fmt::layer()
                    .with_writer(Redacted)
                    .with_ansi(std::io::stderr().is_terminal())
                    .with_target(false),
            )
            .try_init()?,
        Format::Json => {
            registry
                .with(
                    fmt::layer()
                        .json()
                        .flatten_event(true)
                        .with_writer(Redacted),
                )
                .try_init()?;
        }
    }
    Ok(())
}

/// The metrics of this process in the Prometheus text format.
#[derive(Clone, Debug)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// Starts collecting.
    ///
    /// # Errors
    /// When collecting was started before.
    pub fn start() -> Result<Self, BuildError> {
        let seconds = [
            0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
        ];
        PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &seconds)?
            .install_recorder()
            .map(Self)
    }

    /// The text of `/metrics`.
    pub fn render(&self) -> String {
        self.0.run_upkeep();
        self.0.render()
    }
}
