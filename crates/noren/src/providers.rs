//! Keys of providers at the command line.

use std::{
    collections::BTreeMap,
    io::{Read, stdin},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use db::Ctx;
use gateway::{
    CredentialChange, CredentialId, CredentialView, Difference, Export, ModelFile, NewCredential,
    Operator, Use,
};
use identity::RequestMeta;
use seal::Vault;
use secrecy::SecretString;
use settings::Settings;

use crate::{admin, models, output::say, seals};

#[derive(Debug, Subcommand)]
pub(crate) enum ProvidersCommand {
    /// Registers a key of a provider; the key is read from standard input. All nodes use it within seconds.
    Add {
        /// As the model file names it, such as openai.
        provider: String,
        /// openai, anthropic, bedrock, runpod or runpod-text; as the name says unless given.
        #[arg(long, default_value = "")]
        kind: String,
        /// Where it answers; where the provider usually does unless given.
        #[arg(long, default_value = "")]
        base_url: String,
        /// Where it works, such as ap-northeast-1: Bedrock is asked there, and requests may ask for regions.
        #[arg(long, default_value = "")]
        region: String,
        /// Its share of the calls among the keys of the provider.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=1000))]
        weight: i32,
    },
    /// All keys that were registered, without the keys.
    List,
    /// Puts a new key, read from standard input, in the place of one.
    Rotate { credential: CredentialId },
    /// Changes the share of one.
    Weigh {
        credential: CredentialId,
        #[arg(value_parser = clap::value_parser!(i32).range(1..=1000))]
        weight: i32,
    },
    /// Uses one no more.
    Disable { credential: CredentialId },
    /// Uses one again.
    Enable { credential: CredentialId },
    /// Forgets one with its key.
    Remove { credential: CredentialId },
    /// Compares a provider's export of usage (CSV or JSON) with what was counted here, and fails when they differ. Changes nothing.
    Reconcile {
        /// As the model file names it, such as openai.
        provider: String,
        /// What its console saved, or what its usage API answered, grouped by model; a list of single requests is taken as well.
        export: PathBuf,
    },
}

pub(crate) async fn command(settings: &Settings, command: ProvidersCommand) -> Result<()> {
    let cx = admin::context(settings).await?;
    let vault = seals::configured(settings)?.unwrap_or_else(Vault::without_keys);
    let keeps_a_key = matches!(
        command,
        ProvidersCommand::Add { .. } | ProvidersCommand::Rotate { .. }
    );
    if keeps_a_key && vault.ids().is_empty() {
        bail!(
            "there is no key to seal it under: set NOREN__SEAL__KEYS_FILE (seal.keys_file) to the file of the house's keys, or \
             NOREN__SEAL__KEYS, or name the house's data directory with --data"
        );
    }
    let meta = RequestMeta::of_the_house("req_providers");
    let by = Operator {
        principal: None,
        meta: &meta,
    };
    let change = |id, change| gateway::change_credential(&cx, by, id, change);
    let view = match command {
        ProvidersCommand::Add {
            provider,
            kind,
            base_url,
            region,
            weight,
        } => {
            let new = NewCredential {
                provider,
                kind,
                base_url,
                region,
                secret: read_secret()?,
                weight,
            };
            gateway::add_credential(&cx, &vault, by, new).await?
        }
        ProvidersCommand::List => {
            for view in gateway::list_credentials(&cx).await? {
                show(&view)?;
            }
            return Ok(());
        }
        ProvidersCommand::Rotate { credential } => {
            gateway::rotate_credential(&cx, &vault, by, credential, &read_secret()?).await?
        }
        ProvidersCommand::Weigh { credential, weight } => {
            let weight = Some(weight);
            let enabled = None;
            change(credential, CredentialChange { weight, enabled }).await?
        }
        ProvidersCommand::Disable { credential } => change(credential, switched(false)).await?,
        ProvidersCommand::Enable { credential } => change(credential, switched(true)).await?,
        ProvidersCommand::Remove { credential } => {
            gateway::remove_credential(&cx, by, credential).await?;
            return say(&format!("{credential} is gone\n"));
        }
        ProvidersCommand::Reconcile { provider, export } => {
            let house = models::of_settings(&settings.gateway)?;
            let (_, text) = gateway::model_text(&cx, &house, None).await?;
            let models = ModelFile::parse(&text)?.models_of(&provider);
            return reconcile(&cx, &models, &export).await;
        }
    };
    show(&view)
}

/// The largest export, in bytes.
const EXPORT_LIMIT: u64 = 256 * 1024 * 1024;

async fn reconcile(cx: &Ctx, models: &BTreeMap<String, Use>, path: &Path) -> Result<()> {
    let name = path.display();
    let size = std::fs::metadata(path).with_context(|| format!("{name} can't be read"))?;
    if size.len() > EXPORT_LIMIT {
        bail!("{name} has more than {EXPORT_LIMIT} bytes");
    }
    let bytes = std::fs::read(path).with_context(|| format!("{name} can't be read"))?;
    let export = Export::read(&bytes).with_context(|| format!("{name} can't be read"))?;
    let found = gateway::reconcile(cx, &export, models).await?;
    for model in &found.left_out {
        say(&format!(
            "{model} is left out: the export says nothing of its kind, chats or vectors\n"
        ))?;
    }
    for Difference { line, ours, theirs } in &found.differences {
        say(&format!(
            "{line}  input {} here, {} there  output {} here, {} there  requests {} here, {} there\n",
            ours.input,
            theirs.input,
            ours.output,
            theirs.output,
            counted(ours.requests),
            counted(theirs.requests),
        ))?;
    }
    match found.differences.len() {
        0 => say(&format!("{} lines agree\n", found.lines)),
        wrong => bail!("{wrong} of {} lines don't agree", found.lines),
    }
}

fn counted(requests: Option<i64>) -> String {
    requests.map_or_else(|| "-".to_owned(), |count| count.to_string())
}

const fn switched(enabled: bool) -> CredentialChange {
    CredentialChange {
        weight: None,
        enabled: Some(enabled),
    }
}

fn read_secret() -> Result<SecretString> {
    let mut text = String::new();
    stdin()
        .read_to_string(&mut text)
        .context("the key can't be read from standard input")?;
    Ok(text.trim().into())
}

fn show(view: &CredentialView) -> Result<()> {
    let state = if view.enabled { "on" } else { "off" };
    let refused = match (view.refused_at, view.refused_status) {
        (Some(at), Some(status)) => format!("  refused with {status} at {}", at.to_rfc3339()),
        _ => String::new(),
    };
    say(&format!(
        "{}  {}  {}  …{}  weight {}  {state}{refused}\n",
        view.id, view.provider, view.base_url, view.suffix, view.weight
    ))
}
