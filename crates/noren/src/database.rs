use std::{fs, path::Path};

use anyhow::{Context, Result, bail};
use db::{
    Url,
    cluster::{Cluster, Durability},
};
use secrecy::ExposeSecret;
use settings::Settings;

/// The database of this process: the operator's, or a private cluster under a data directory that it alone uses.
pub(crate) struct Database {
    pub(crate) url: Url,
    private: Option<(Cluster, fs::File)>,
}

impl Database {
    pub(crate) fn open(settings: &Settings, data: &Path) -> Result<Self> {
        if let Some(url) = settings.database.url.clone() {
            return Ok(Self { url, private: None });
        }
        let lock = lock(data)?;
        let cluster =
            Cluster::start(data, Durability::Full).context("the private cluster does not start")?;
        Ok(Self {
            url: cluster.url(),
            private: Some((cluster, lock)),
        })
    }

    /// As [`Self::open`] for a command beside a running house, whose cluster is then used and left running.
    pub(crate) fn visit(settings: &Settings, data: &Path) -> Result<Self> {
        match Self::open(settings, data) {
            Err(_) if data.join("noren.lock").exists() => {
                let url = Cluster::start(data, Durability::Full)?.url();
                Ok(Self { url, private: None })
            }
            opened => opened,
        }
    }

    /// The URL without its password.
    pub(crate) fn shown(&self) -> String {
        let shown = url::Url::parse(self.url.expose_secret()).map(|mut url| {
            let _ = url.set_password(None);
            url.to_string()
        });
        shown.unwrap_or_default()
    }

    pub(crate) fn close(self) -> Result<()> {
        if let Some((cluster, lock)) = self.private {
            cluster.stop()?;
            drop(lock);
        }
        Ok(())
    }
}

/// Removes the private cluster of a data directory, unless a house runs on it.
pub(crate) fn reset(data: &Path) -> Result<()> {
    if !data.exists() {
        return Ok(());
    }
    let lock = lock(data)?;
    Cluster::remove(data)?;
    drop(lock);
    Ok(())
}

/// Takes the data directory for this process alone; the system gives it back when the process ends, however it ends.
fn lock(data: &Path) -> Result<fs::File> {
    fs::create_dir_all(data).with_context(|| format!("{} can't be made", data.display()))?;
    let path = data.join("noren.lock");
    let lock =
        fs::File::create(&path).with_context(|| format!("{} can't be written", path.display()))?;
    if lock.try_lock().is_err() {
        bail!("another noren runs on {}", data.display());
    }
    Ok(lock)
}
