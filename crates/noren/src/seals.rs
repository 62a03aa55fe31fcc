//! The keys that secrets in the database are sealed under: where they are, whether they are the right ones, their change.

pub(crate) mod command;
mod store;

use std::{path::Path, time::Duration};

use anyhow::{Context, Result};
use db::{Ctx, Scope};
use gateway::WalkFrom;
use hooks::Hooks;
use identity::Identity;
use jobs::{Attempt, Job, JobError};
use kernel::Fault;
use seal::{Resealed, Vault};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use settings::Settings;

/// How long words of runs are sealed anew in one round of the job; the next goes on.
const LONGEST: Duration = Duration::from_mins(5);
/// The file in a data directory.
pub(crate) const FILE: &str = "seal.keys";

/// The keys of the settings; none where they name none.
pub(crate) fn configured(settings: &Settings) -> Result<Option<Vault>> {
    let seal = &settings.seal;
    if !seal.keys.expose_secret().is_empty() {
        return Ok(Some(Vault::of_keys(&seal.keys).context("seal.keys")?));
    }
    if seal.keys_file.is_empty() {
        return Ok(None);
    }
    let vault = Vault::of_file(Path::new(&seal.keys_file)).context("seal.keys_file")?;
    Ok(Some(vault))
}

/// The keys of this process: those of the settings, else those of the data directory, which gets one when the house is new.
/// A house whose secrets are sealed under a key that is elsewhere goes on without; what is sealed stays closed.
pub(crate) async fn vault(settings: &Settings, cx: &Ctx, data: Option<&Path>) -> Result<Vault> {
    let mut tx = cx.db.begin(Scope::House("sealing keys")).await?;
    store::lock(&mut tx).await?;
    let known = store::known(&mut tx).await?;
    let vault = match (configured(settings)?, data.map(|data| data.join(FILE))) {
        (Some(vault), _) => vault,
        (None, Some(path)) if path.exists() => Vault::of_file(&path)?,
        (None, Some(path)) if known.is_empty() => {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)
                    .with_context(|| format!("{} can't be made", folder.display()))?;
            }
            seal::create_file(&path)?;
            tracing::info!(
                path = %path.display(),
                "a key for the secrets in the database was made; keep a copy of it, apart from the database's backups"
            );
            Vault::of_file(&path)?
        }
        (None, _) => Vault::without_keys(),
    };
    let ids = ids(&vault);
    store::note(&mut tx, &ids, cx.clock.now()).await?;
    tx.commit().await?;
    if ids.is_empty() {
        tracing::error!(
            "there is no sealing key (seal.keys): authenticators, hooks, stored provider keys and everything that is asked of models don't work in this process"
        );
    }
    for lost in known.iter().filter(|id| !ids.contains(id)) {
        tracing::warn!(
            key = lost,
            "what is sealed under this key stays closed: it is not among seal.keys"
        );
    }
    Ok(vault)
}

fn ids(vault: &Vault) -> Vec<String> {
    vault.ids().iter().map(ToString::to_string).collect()
}

/// The rooms that keep sealed secrets.
#[derive(Clone, Debug)]
pub(crate) struct Seals {
    pub(crate) identity: Identity,
    pub(crate) hooks: Hooks,
}

fn fault(error: gateway::Error) -> Fault {
    match error {
        gateway::Error::Fault(fault) => fault,
        error => Fault::internal("keys of providers or words of runs can't be sealed", error),
    }
}

/// Seals everything under the first key; once nothing is left under others, they are not asked for any more.
async fn reseal(seals: &Seals, from: WalkFrom, longest: Duration) -> Result<Resealed, Fault> {
    let cx = &seals.identity.cx;
    let vault = seals.identity.vault();
    vault.refresh()?;
    let mut resealed = seals.identity.reseal().await?;
    resealed += seals.hooks.reseal().await.map_err(|error| match error {
        hooks::Error::Fault(fault) => fault,
        error => Fault::internal("hooks can't be sealed", error),
    })?;
    resealed += gateway::reseal_credentials(cx, vault)
        .await
        .map_err(fault)?;
    let walked = gateway::reseal_texts(cx, vault, from, longest)
        .await
        .map_err(fault)?;
    resealed += walked.resealed;
    let mut tx = cx
        .db
        .begin(Scope::House("sealing keys"))
        .await
        .map_err(db::fault)?;
    let ids = ids(vault);
    store::note(&mut tx, &ids, cx.clock.now())
        .await
        .map_err(db::fault)?;
    if resealed.closed == 0 && walked.is_at_end {
        store::keep_only(&mut tx, &ids).await.map_err(db::fault)?;
    }
    tx.commit().await.map_err(db::fault)?;
    metrics::gauge!("secrets_closed").set(f64::from(
        u32::try_from(resealed.closed).unwrap_or(u32::MAX),
    ));
    Ok(resealed)
}

/// Seals under the first key what is sealed under another, or was kept before there was sealing.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Reseal {}

impl Job for Reseal {
    const NAME: &'static str = "house.reseal";
    const LIMIT: Duration = Duration::from_mins(10);
    type Room = Seals;

    fn key(&self) -> Option<String> {
        Some("all".to_owned())
    }

    async fn run(&self, room: &Seals, _: &Attempt) -> Result<(), JobError> {
        if room.identity.vault().ids().is_empty() {
            return Ok(());
        }
        let resealed = reseal(room, WalkFrom::Where, LONGEST)
            .await
            .map_err(|error| JobError::Retry(error.to_string()))?;
        if resealed.closed > 0 {
            tracing::error!(
                closed = resealed.closed,
                "secrets are sealed under a key that is not among seal.keys"
            );
        }
        Ok(())
    }
}
