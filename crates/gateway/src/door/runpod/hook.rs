use std::time::Duration;

use db::Scope;
use hooks::{Hooks, Told};
use jobs::{Attempt, Job, JobError};

use super::{Shape, shown, store};
use crate::{Gateway, RunId, outputs, run::TellJobsEnd};

/// What telling needs.
#[derive(Clone, Debug)]
pub struct Teller {
    pub gateway: Gateway,
    pub hooks: Hooks,
}

impl Job for TellJobsEnd {
    const NAME: &'static str = "gateway.tell_jobs_end";
    const ATTEMPTS: u16 = 3;
    const LIMIT: Duration = Duration::from_secs(25);
    type Room = Teller;

    fn key(&self) -> Option<String> {
        Some(self.run.to_string())
    }

    fn wait_after(_: u16) -> Duration {
        Duration::from_secs(10)
    }

    async fn run(&self, room: &Teller, _: &Attempt) -> Result<(), JobError> {
        let scope = Scope::Tenant {
            tenant: self.tenant,
            user: None,
        };
        let mut tx = room.gateway.cx.db.begin(scope).await?;
        let job = store::to_tell(&mut tx, RunId(self.job)).await?;
        let run = outputs(&mut tx, &room.gateway, &[RunId(self.run)])
            .await?
            .pop();
        tx.commit().await?;
        let (Some((shape, url)), Some(run)) = (job, run) else {
            return Ok(()); // gone with its account
        };
        if run.is_closed {
            return Err(JobError::Retry("the answer does not open".to_owned()));
        }
        let shape = if shape == "t" {
            Shape::Plain
        } else {
            Shape::Vllm
        };
        let body = shown(RunId(self.job), &run, shape);
        match room.hooks.tell_once(&url, body.to_string()).await {
            Told::Heard => Ok(()),
            Told::Failed(why) => Err(JobError::Retry(why)),
            Told::Refused(why) => Err(JobError::Fail(why)),
        }
    }
}
