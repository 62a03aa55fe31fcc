use std::{fs, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use db::{
    Url,
    cluster::{Cluster, Durability},
};
use secrecy::ExposeSecret;
use settings::Settings;
use tokio::{task::spawn_blocking, time::sleep};

use crate::seals;

/// The data directory of whoever names none.
pub(crate) const USUAL: &str = "var";
/// How often it is looked whether the private cluster's server lives.
const LOOK: Duration = Duration::from_secs(1);
/// How often it is tried to start one that died, and how long the first pause between two tries is; each is twice the one before.
const TRIES: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// The database of this process: the operator's, or a private cluster under a data directory that it alone uses.
pub(crate) struct Database {
    pub(crate) url: Url,
    private: Option<(Arc<Cluster>, fs::File)>,
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
            private: Some((Arc::new(cluster), lock)),
        })
    }

    /// As [`Self::open`] for a command beside a running house, whose cluster is then used and left running. None is made.
    pub(crate) fn visit(settings: &Settings, data: &Path) -> Result<Self> {
        if settings.database.url.is_none() && !Cluster::is_in(data) {
            bail!(
                "there is no private database in {}: name its data directory with --data, or set DATABASE_URL",
                data.display()
            );
        }
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

    /// Starts the private cluster's server again whenever it dies. It ends only with why that can't be done any more; for the
    /// operator's own server, of which others take care, it never ends.
    pub(crate) async fn keep(&self) -> anyhow::Error {
        let Some((cluster, _)) = &self.private else {
            return std::future::pending().await;
        };
        loop {
            sleep(LOOK).await;
            if cluster.is_running() {
                continue;
            }
            tracing::error!("the private database has died and is started again");
            if let Err(error) = revive(cluster).await {
                return error.context("the private database has died and does not start again");
            }
            tracing::warn!("the private database runs again");
        }
    }

    pub(crate) fn close(self) -> Result<()> {
        if let Some((cluster, lock)) = self.private {
            cluster.stop()?;
            drop(lock);
        }
        Ok(())
    }
}

async fn revive(cluster: &Arc<Cluster>) -> Result<()> {
    let mut pause = FIRST_PAUSE;
    for left in (0..TRIES).rev() {
        let again = Arc::clone(cluster);
        let started = spawn_blocking(move || again.start_again()).await?;
        let outcome = if started.is_ok() { "started" } else { "failed" };
        metrics::counter!("database_private_restarts_total", "outcome" => outcome).increment(1);
        match started {
            Ok(()) => break,
            Err(error) if left == 0 => return Err(error.into()),
            Err(error) => tracing::error!(%error, "the private database does not start yet"),
        }
        sleep(pause).await;
        pause *= 2;
    }
    Ok(())
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

/// The settings for a command beside a running house: where no other database is named, with the private one of a data directory and
/// its sealing keys. `var` is meant unless another is said.
pub(crate) fn beside(mut settings: Settings, data: Option<&Path>) -> Result<Settings> {
    let folder = data.unwrap_or(Path::new(USUAL));
    if settings.database.url.is_none() {
        settings.database.url = Cluster::url_in(folder);
        if settings.database.url.is_none() {
            if data.is_some() {
                bail!(
                    "no house with a private database runs on {}: start it (noren run --data), or set DATABASE_URL",
                    folder.display()
                );
            }
            return Ok(settings);
        }
    } else if data.is_none() {
        return Ok(settings);
    }
    let keys = folder.join(seals::FILE);
    if !settings.seal.is_configured() && keys.exists() {
        settings.seal.keys_file = keys.to_string_lossy().into_owned();
    }
    Ok(settings)
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
