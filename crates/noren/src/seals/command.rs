//! The sealing keys at the command line.

use std::{path::Path, time::Duration};

use anyhow::{Result, bail};
use clap::Subcommand;
use db::Scope;
use gateway::WalkFrom;
use hooks::Hooks;
use seal::Vault;
use secrecy::ExposeSecret;
use settings::Settings;

use super::{Seals, configured, ids, reseal, store};
use crate::{admin, output::say};

/// No end in sight.
const EVER: Duration = Duration::from_hours(24 * 365);

#[derive(Debug, Subcommand)]
pub(crate) enum SealCommand {
    /// The ids of the keys that are here and of those that secrets are sealed under.
    Status,
    /// Prints a new key for seal.keys.
    NewKey,
    /// Puts a new key first in the file of seal.keys_file and seals everything under it; the old keys still open.
    Rotate,
    /// Seals everything under the first key.
    Reseal,
}

pub(crate) async fn run(settings: &Settings, command: SealCommand) -> Result<()> {
    match command {
        SealCommand::NewKey => say(&format!("{}\n", seal::new_key()?.expose_secret())),
        SealCommand::Status => {
            let cx = admin::context(settings).await?;
            let mut tx = cx.db.begin(Scope::House("sealing keys")).await?;
            let known = store::known(&mut tx).await?;
            tx.commit().await?;
            let vault = configured(settings)?.unwrap_or_else(Vault::without_keys);
            let here = ids(&vault);
            for (at, id) in here.iter().enumerate() {
                say(&format!(
                    "{id}  {}\n",
                    if at == 0 { "seals" } else { "opens" }
                ))?;
            }
            for id in known.iter().filter(|id| !here.contains(id)) {
                say(&format!("{id}  is not here\n"))?;
            }
            let left = gateway::texts_left(&cx, &vault).await?;
            say(&format!(
                "{left} runs whose words may still be under another key or under none\n"
            ))?;
            Ok(())
        }
        SealCommand::Rotate => {
            let file = &settings.seal.keys_file;
            if file.is_empty() || !settings.seal.keys.expose_secret().is_empty() {
                bail!(
                    "the keys are not in a file (seal.keys_file): put a new key before the others of seal.keys on every node, start \
                     the nodes again, then noren seal reseal"
                );
            }
            seal::add_to_file(Path::new(file))?;
            reseal_all(settings).await
        }
        SealCommand::Reseal => reseal_all(settings).await,
    }
}

async fn reseal_all(settings: &Settings) -> Result<()> {
    let identity = admin::open_identity(settings).await?;
    let hooks = Hooks::open(identity.clone(), &[])?;
    let seals = Seals { identity, hooks };
    let resealed = reseal(&seals, WalkFrom::First, EVER).await?;
    say(&format!(
        "{} sealed anew, {} closed for want of their key\n",
        resealed.done, resealed.closed
    ))?;
    if resealed.closed > 0 {
        bail!("a key is missing; noren seal status names it");
    }
    Ok(())
}
