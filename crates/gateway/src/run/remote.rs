use std::time::Duration;

use chrono::{DateTime, Utc};
use db::Scope;
use futures::{StreamExt, stream};
use identity::TenantId;
use secrecy::SecretString;
use tokio::{runtime::Handle, time::timeout};

use super::RunId;
use crate::{Error, Gateway, Price, provider};

pub(super) mod store;

/// How long a run's own task has to end its job before others do; in seconds.
const GRACE: i64 = 5;
/// Jobs that are asked for or ended at the same time, and how long that may hold up the rescue of runs.
pub(super) const AT_ONCE: usize = 16;
pub(super) const LONGEST: Duration = Duration::from_secs(5);

/// A job that a run has at a provider with a queue.
#[derive(Clone, Debug)]
pub(crate) struct Remote {
    pub(crate) run: RunId,
    pub(crate) tenant: TenantId,
    pub(crate) base_url: String,
    pub(crate) endpoint: String,
    /// The provider's name of it.
    pub(crate) job: String,
    /// When the provider itself drops it.
    pub(crate) dies_at: DateTime<Utc>,
    /// What its words cost; not known of a job from before that was written down.
    pub(crate) price: Option<Price>,
    /// What it probably reads, where the provider does not count.
    pub(crate) tokens_in: i64,
    /// Whether its words are judged before anybody sees them.
    pub(crate) is_judged: bool,
    /// Until when anybody wants them.
    pub(crate) wanted_until: DateTime<Utc>,
}

impl Remote {
    /// What may open the door to it.
    pub(super) fn keys(&self, room: &Gateway) -> Vec<SecretString> {
        let known = room.routes.keys(&self.base_url).into_iter();
        known.map(|key| key.secret).collect()
    }
}

/// Holds a provider's job: whoever lets go of it before it is over ends it, so that nothing works on for nobody.
#[derive(Debug)]
pub(crate) struct RemoteJob {
    room: Gateway,
    job: Remote,
    key: Option<SecretString>,
    is_over: bool,
}

impl RemoteJob {
    /// Writes down a job that was just accepted.
    pub(crate) async fn keep(room: &Gateway, job: Remote, key: Option<SecretString>) -> Self {
        let held = Self {
            room: room.clone(),
            job,
            key,
            is_over: false,
        };
        // a question of the house's own is no run that a row could belong to
        let is_aside = room.node.live.find(held.job.run).is_none();
        // without its row it still ends with us or at its own time
        if !is_aside && let Err(error) = held.write().await {
            tracing::warn!(run = %held.job.run, %error, "a provider's job could not be written down");
        }
        held
    }

    /// The provider has said that nothing more comes.
    pub(crate) fn over(&mut self) {
        self.is_over = true;
    }

    async fn write(&self) -> Result<(), Error> {
        let cx = &self.room.cx;
        let mut tx = cx.db.begin(scope(&self.job)).await?;
        store::insert(&mut tx, &self.job, cx.clock.now()).await?;
        tx.commit().await?;
        Ok(())
    }
}

impl Drop for RemoteJob {
    fn drop(&mut self) {
        let (room, job, is_over) = (self.room.clone(), self.job.clone(), self.is_over);
        let keys: Vec<SecretString> = self.key.take().into_iter().collect();
        // when the process goes down with the run, another one's sweep finds the row
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let ending = async move {
            if (is_over || provider::end(&room, &job, &keys).await)
                && let Err(error) = close(&room, &job).await
            {
                tracing::warn!(run = %job.run, %error, "the end of a provider's job could not be written down");
            }
        };
        self.room.node.tasks.spawn_on(ending, &runtime);
    }
}

fn scope(job: &Remote) -> Scope {
    Scope::Tenant {
        tenant: job.tenant.0,
        user: None,
    }
}

async fn close(room: &Gateway, job: &Remote) -> Result<(), Error> {
    let mut tx = room.cx.db.begin(scope(job)).await?;
    store::close(&mut tx, job.run, &job.job, room.cx.clock.now()).await?;
    tx.commit().await?;
    Ok(())
}

/// Ends the jobs of runs that have ended without ending them: their node died, or the provider was away.
pub(super) async fn end_leftovers(room: &Gateway, most: i64) -> Result<(), Error> {
    let cx = &room.cx;
    let now = cx.clock.now();
    let mut tx = cx.db.begin(Scope::House("jobs at providers")).await?;
    let before = now - chrono::Duration::seconds(GRACE);
    let jobs = store::leftover(&mut tx, before, most).await?;
    tx.commit().await?;
    let ending = stream::iter(jobs).for_each_concurrent(AT_ONCE, async |job| {
        let keys = job.keys(room);
        if (job.dies_at <= now || provider::end(room, &job, &keys).await)
            && let Err(error) = close(room, &job).await
        {
            tracing::warn!(run = %job.run, %error, "the end of a provider's job could not be written down");
        }
    });
    // what is left then is left to the next time
    let _ = timeout(LONGEST, ending).await;
    Ok(())
}
