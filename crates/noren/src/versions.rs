//! Versions of the models' file at the command line.

use std::{fmt::Write as _, path::PathBuf};

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use entitlement::Catalogue;
use gateway::{ModelChangeKind, ModelFile, ModelVersion, ModelsDiff, NewModels, Operator};
use identity::RequestMeta;
use kernel::Clock;
use settings::Settings;

use crate::{admin, models, output::say, training};

#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// Checks FILE, or what is used now, by itself: without a database.
    Check { file: Option<PathBuf> },
    /// Shows what FILE would change; changes nothing.
    Diff {
        file: PathBuf,
        /// As one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Puts FILE in force as the next version. All nodes follow within seconds.
    Apply {
        file: PathBuf,
        /// Why, for the list.
        #[arg(long)]
        note: Option<String>,
        /// The version that FILE was made from; refused when another is in force by now.
        #[arg(long)]
        seen: Option<i32>,
    },
    /// Puts MODEL to the evaluations that names ask for before its share may grow, and writes down what came of it; fails unless it
    /// passes all of them.
    Evaluate {
        /// Its name in the models file.
        model: String,
    },
    /// All versions, the newest first: the first is in force. The last, number 0, is the file of the settings.
    List,
    /// Prints the text of a version; of the one in force unless said.
    Show { version: Option<i32> },
    /// Puts a version of before in force again, as the next one.
    Rollback {
        /// The one before the one in force unless said.
        version: Option<i32>,
    },
}

pub(crate) async fn command(settings: &Settings, command: ModelsCommand) -> Result<()> {
    let house = models::of_settings(&settings.gateway);
    if let ModelsCommand::Check { file } = &command {
        let read = match file {
            Some(path) => parse(path)?,
            None => models::file(&settings.gateway)?,
        };
        read.check_kinds(&models::kinds(&settings.gateway)?)?;
        read.check_prices(Clock::system().now())?;
        return say(&format!("{} models, nothing wrong\n", read.len()));
    }
    let house = house?;
    let cx = admin::context(settings).await?;
    let meta = RequestMeta::of_the_house("req_models");
    let by = Operator {
        principal: None,
        meta: &meta,
    };
    match command {
        ModelsCommand::Check { .. } => Ok(()),
        ModelsCommand::Diff { file, json } => {
            let catalogue = Catalogue::load(&cx).await?;
            let text = read(&file)?;
            let diff = gateway::diff_models(&cx, &house, &catalogue, &text).await?;
            if json {
                return say(&(serde_json::to_string_pretty(&diff)? + "\n"));
            }
            say(&told(&diff)?)
        }
        ModelsCommand::Apply { file, note, seen } => {
            let text = read(&file)?;
            let new = NewModels {
                text: &text,
                note: note.as_deref(),
                seen,
            };
            show(&gateway::apply_models(&cx, &house, by, new).await?)
        }
        ModelsCommand::Evaluate { model } => {
            let (subject, asked) = gateway::subject_of(&cx, &house, &model).await?;
            if asked.is_empty() {
                return say(&format!("nothing is asked of {model}\n"));
            }
            for evaluation in asked {
                if evaluation != misaki::EVALUATION {
                    bail!("this program has no evaluation {evaluation}");
                }
                training::evaluate(settings, &model, by, &subject).await?;
            }
            Ok(())
        }
        ModelsCommand::List => {
            for version in gateway::model_versions(&cx, &house).await? {
                show(&version)?;
            }
            Ok(())
        }
        ModelsCommand::Show { version } => {
            let (_, text) = gateway::model_text(&cx, &house, version).await?;
            say(&text)
        }
        ModelsCommand::Rollback { version } => {
            let to = if let Some(version) = version {
                version
            } else {
                let all = gateway::model_versions(&cx, &house).await?;
                let before = all.get(1).context("there is nothing to go back to")?;
                before.version
            };
            show(&gateway::roll_back_models(&cx, &house, by, to).await?)
        }
    }
}

fn read(path: &PathBuf) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("{} can't be read", path.display()))
}

fn parse(path: &PathBuf) -> Result<ModelFile> {
    ModelFile::parse(&read(path)?).with_context(|| path.display().to_string())
}

fn told(diff: &ModelsDiff) -> Result<String> {
    let mut text = String::new();
    for change in &diff.changes {
        let word = match change.kind {
            ModelChangeKind::Added => "added",
            ModelChangeKind::Removed => "removed",
            ModelChangeKind::Changed => "changed",
        };
        writeln!(text, "{word}  {}", change.model)?;
        for field in &change.fields {
            let of = |side: &Option<String>| side.clone().unwrap_or_else(|| "-".to_owned());
            writeln!(
                text,
                "  {}: {} -> {}",
                field.field,
                of(&field.before),
                of(&field.after)
            )?;
        }
    }
    for name in &diff.lost {
        writeln!(text, "LOST  {name}, which plans lead to or sell")?;
    }
    for missing in &diff.not_passed {
        let (model, canary) = (&missing.model, &missing.canary);
        let evaluation = &missing.evaluation;
        writeln!(
            text,
            "REFUSED  {model}: {canary} has not passed {evaluation}; noren models evaluate {canary}"
        )?;
    }
    if text.is_empty() {
        writeln!(text, "the same as version {}", diff.version)?;
    }
    Ok(text)
}

fn show(version: &ModelVersion) -> Result<()> {
    let at = version.applied_at.map(|at| at.to_rfc3339());
    say(&format!(
        "{}  {} models  {}  {}  {}\n",
        version.version,
        version.models,
        at.as_deref().unwrap_or("the file of the settings"),
        version.applied_by.as_deref().unwrap_or("-"),
        version.note.as_deref().unwrap_or("")
    ))
}
