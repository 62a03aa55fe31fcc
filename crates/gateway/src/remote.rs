use std::time::Duration;

use db::Scope;
use futures::{StreamExt, stream};
use secrecy::SecretString;
use tokio::{runtime::Handle, time::timeout};

use crate::{
    Error, Gateway,
    provider::runpod::queue::{self, Remote},
};

pub(crate) mod store;

/// How long a run's own task has to end its job before others do; in seconds.
const GRACE: i64 = 5;
/// Jobs that are asked for or ended at the same time, and how long that may hold up the rescue of runs.
pub(crate) const AT_ONCE: usize = 16;
pub(crate) const LONGEST: Duration = Duration::from_secs(5);

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
            if (is_over || queue::end(&room, &job, &keys).await)
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
pub(crate) async fn end_leftovers(room: &Gateway, most: i64) -> Result<(), Error> {
    let cx = &room.cx;
    let now = cx.clock.now();
    let mut tx = cx.db.begin(Scope::House("jobs at providers")).await?;
    let before = now - chrono::Duration::seconds(GRACE);
    let jobs = store::leftover(&mut tx, before, most).await?;
    tx.commit().await?;
    let ending = stream::iter(jobs).for_each_concurrent(AT_ONCE, async |job| {
        let keys = job.keys(room);
        if (job.dies_at <= now || queue::end(room, &job, &keys).await)
            && let Err(error) = close(room, &job).await
        {
            tracing::warn!(run = %job.run, %error, "the end of a provider's job could not be written down");
        }
    });
    // what is left then is left to the next time
    let _ = timeout(LONGEST, ending).await;
    Ok(())
}
