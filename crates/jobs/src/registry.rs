use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use serde_json::Value;

use crate::{
    Attempt, BadSchedule, CatchUp, Job, JobError,
    cron::{Entry, Schedule},
};

type Run = dyn Fn(Value, Attempt) -> BoxFuture<'static, Result<(), JobError>> + Send + Sync;

/// What is known of a kind.
#[derive(Clone)]
pub(crate) struct Kind {
    pub(crate) limit: Duration,
    pub(crate) wait_after: fn(u16) -> Duration,
    pub(crate) run: Arc<Run>,
}

/// The kinds of jobs and the schedules that this version of the house knows. Jobs of other kinds wait for a node that
/// knows them.
#[derive(Default)]
pub struct Registry {
    pub(crate) kinds: BTreeMap<&'static str, Kind>,
    pub(crate) crons: Vec<Entry>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("kinds", &self.kinds.keys())
            .field("crons", &self.crons)
            .finish()
    }
}

impl Registry {
    /// Knows a kind, done with `room`.
    pub fn job<J: Job>(mut self, room: &J::Room) -> Self {
        let room = room.clone();
        let run =
            move |payload: Value, attempt: Attempt| -> BoxFuture<'static, Result<(), JobError>> {
                let room = room.clone();
                Box::pin(async move {
                    let job: J = serde_json::from_value(payload).map_err(|error| {
                        JobError::Fail(format!("the payload can't be read: {error}"))
                    })?;
                    job.run(&room, &attempt).await
                })
            };
        let kind = Kind {
            limit: J::LIMIT,
            wait_after: J::wait_after,
            run: Arc::new(run),
        };
        self.kinds.insert(J::NAME, kind);
        self
    }

    /// Enqueues `job` whenever the five fields of `schedule` say so in `zone`; once, however many nodes there are.
    ///
    /// # Errors
    /// When the schedule can't be read.
    pub fn cron<J: Job>(
        mut self,
        name: &'static str,
        schedule: &'static str,
        zone: chrono_tz::Tz,
        catch_up: CatchUp,
        job: &J,
    ) -> Result<Self, BadSchedule> {
        let bad = |why: String| BadSchedule { name, why };
        self.crons.push(Entry {
            name,
            schedule: Schedule::read(schedule, zone).map_err(|error| bad(error.to_string()))?,
            text: schedule,
            catch_up,
            kind: J::NAME,
            key: job.key(),
            priority: J::PRIORITY,
            attempts: J::ATTEMPTS,
            payload: serde_json::to_value(job).map_err(|error| bad(error.to_string()))?,
        });
        Ok(self)
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.kinds.keys().map(|name| (*name).to_owned()).collect()
    }
}
