use std::{fmt::Write as _, path::PathBuf};

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use futures::StreamExt;
use gateway::{Evaluated, Gateway, Operator, Routes};
use misaki::{EvaluationSet, Misaki, Report};
use settings::Settings;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use crate::{admin, output::say, run};

#[derive(Debug, Subcommand)]
pub(crate) enum MisakiCommand {
    /// Writes the talks of those who agreed to training into FILE, one in a line.
    Transcripts { file: PathBuf },
    /// Describes the training of MODEL from BASE with the talks in FILE.
    TrainingJob {
        model: String,
        #[arg(long)]
        base: String,
        #[arg(long)]
        data: PathBuf,
    },
    /// Puts the house's questions to MODEL and fails unless it answers as she would.
    Evaluate {
        /// Its name in the models file.
        model: String,
        /// Other questions than those of the house.
        #[arg(long)]
        questions: Option<PathBuf>,
        /// As one JSON document.
        #[arg(long)]
        json: bool,
    },
}

pub(crate) async fn command(settings: &Settings, command: MisakiCommand) -> Result<()> {
    match command {
        MisakiCommand::Transcripts { file } => {
            let room = open(settings, Routes::default()).await?;
            let mut out = tokio::fs::File::create(&file)
                .await
                .with_context(|| format!("{} can't be written", file.display()))?;
            let mut lines = std::pin::pin!(misaki::transcripts(room));
            let mut count = 0;
            while let Some(line) = lines.next().await {
                out.write_all(&line?).await?;
                count += 1;
            }
            out.flush().await?;
            say(&format!("{count} talks in {}\n", file.display()))
        }
        MisakiCommand::TrainingJob { model, base, data } => {
            let bytes = tokio::fs::read(&data)
                .await
                .with_context(|| format!("{} can't be read", data.display()))?;
            let lines = bytes.split(|byte| *byte == b'\n').count() - 1;
            let hash = hex::encode(Sha256::digest(&bytes));
            let name = data.file_name().unwrap_or_default().to_string_lossy();
            let job = misaki::training_job(&model, &base, (&name, lines, &hash));
            say(&(serde_json::to_string_pretty(&job)? + "\n"))
        }
        MisakiCommand::Evaluate {
            model,
            questions,
            json,
        } => {
            let routes = run::configured_routes(settings).await?;
            let room = open(settings, routes).await?;
            let set = match questions {
                Some(file) => EvaluationSet::parse(&std::fs::read_to_string(&file)?)?,
                None => EvaluationSet::first()?,
            };
            let report = misaki::evaluate(&room, &model, &set).await?;
            if json {
                say(&(serde_json::to_string_pretty(&report)? + "\n"))?;
            } else {
                say(&told(&report)?)?;
            }
            passed(&report)
        }
    }
}

/// Puts the house's questions to a model, and writes down for the gateway what came of it.
pub(crate) async fn evaluate(
    settings: &Settings,
    model: &str,
    by: Operator<'_>,
    subject: &str,
) -> Result<()> {
    let room = open(settings, run::configured_routes(settings).await?).await?;
    let report = misaki::evaluate(&room, model, &EvaluationSet::first()?).await?;
    let kept = report.verdicts.iter().filter(|one| one.broken.is_empty());
    let found = Evaluated {
        evaluation: misaki::EVALUATION,
        model,
        subject,
        passed: report.passed,
        asked: report.verdicts.len(),
        kept: kept.count(),
    };
    gateway::note_evaluation(&room.cx, by, &found).await?;
    say(&told(&report)?)?;
    passed(&report)
}

fn told(report: &Report) -> Result<String> {
    let mut text = String::new();
    for verdict in &report.verdicts {
        let word = if verdict.broken.is_empty() {
            "passed"
        } else {
            "FAILED"
        };
        let broken = verdict.broken.join("; ");
        writeln!(text, "{word}  {}  {broken}", verdict.id)?;
    }
    Ok(text)
}

fn passed(report: &Report) -> Result<()> {
    if !report.passed {
        bail!(
            "{} does not answer as she would; leave it where it is",
            report.model
        );
    }
    Ok(())
}

/// The room alone, for the command line.
async fn open(settings: &Settings, routes: Routes) -> Result<Misaki> {
    let identity = admin::open_identity(settings).await?;
    let entitlement = admin::entitlement(identity).await?;
    let gateway = Gateway::open(entitlement, routes, run::patience(settings), None)?;
    gateway.refresh_routes().await?;
    Ok(Misaki::open(gateway)?)
}
