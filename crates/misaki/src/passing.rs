//! A talk that leaves nothing behind: the guest's browser alone knows what was said, and sends it along each time. What the
//! run has said is kept for as long as somebody may still be reading it.

pub(crate) mod http;

use chrono::Duration;
use gateway::{Ask, RunId, StartRun, admit, launch, outputs};
use identity::{InferenceCaller, TenantId};
use jobs::{Attempt, Job, JobError};
use kernel::Lang;
use llm::Role;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    CHAT, Error, Misaki, STOREFRONT,
    persona::{self, Turn},
    phrase, phrasebook, scene,
};

/// How long the answer of a run can be read.
const READABLE: Duration = Duration::minutes(15);

/// What is said, with what was said before.
#[derive(Clone, Debug)]
pub(crate) struct Passing {
    pub(crate) earlier: Vec<(Role, String)>,
    pub(crate) text: String,
    pub(crate) lang: Lang,
    /// The seed of a phrase's variant.
    pub(crate) seed: String,
}

/// What answers.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Canned(phrase::Hit),
    Run(RunId),
}

/// Answers without writing down what was said.
pub(crate) async fn say(
    room: &Misaki,
    caller: &InferenceCaller,
    passing: Passing,
) -> Result<Reply, Error> {
    if caller.storefront != STOREFRONT {
        return Err(Error::OtherStorefront);
    }
    let cx = &room.cx;
    let meant = phrasebook::near::meant(room, &passing.text).await?;
    let mut tx = cx.db.begin(caller.principal.scope()).await?;
    let phrases = phrasebook::current(&mut tx, room).await?;
    if let Some(found) = phrases.find(&passing.text, meant.as_deref()) {
        let hers = passing
            .earlier
            .iter()
            .filter(|(role, _)| *role == Role::Assistant);
        let recent: Vec<String> = hers.map(|(_, text)| text.clone()).collect();
        let choice = scene::Choice {
            recent: &recent,
            kept: 0,
            seed: &passing.seed,
        };
        let words =
            scene::words(&mut tx, room, caller.principal, (&phrases, &found), choice).await?;
        if let Some(hit) = words {
            return Ok(Reply::Canned(hit));
        }
    }
    let (_, card) = persona::current(&mut tx, room).await?;
    let turn = Turn {
        lang: passing.lang,
        earlier: passing.earlier,
        text: &passing.text,
        insights: "",
    };
    let mut start = Ask::from(StartRun {
        purpose: CHAT.to_owned(),
        messages: persona::conversation(&card, turn),
        max_tokens: Some(persona::MOST_TOKENS),
    });
    start.terms.small_talk = persona::small_talk();
    start.terms.judge = Some(phrasebook::judge(&mut tx, room, &passing.seed).await?);
    let admitted = admit(&mut tx, &room.gateway, caller, start).await?;
    let run = admitted.id;
    let job = ForgetPassing {
        run: run.0,
        tenant: caller.principal.tenant.0,
    };
    job.enqueue_at(&mut tx, cx, cx.clock.now() + READABLE)
        .await?;
    tx.commit().await?;
    launch(&room.gateway, admitted);
    Ok(Reply::Run(run))
}

/// Removes what a run of a passing talk has said, once it has ended.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ForgetPassing {
    run: Uuid,
    tenant: Uuid,
}

impl Job for ForgetPassing {
    const NAME: &'static str = "misaki.forget_passing";
    type Room = Misaki;

    async fn run(&self, room: &Misaki, _: &Attempt) -> Result<(), JobError> {
        let scope = db::Scope::Tenant {
            tenant: TenantId(self.tenant).0,
            user: None,
        };
        let ids = [RunId(self.run)];
        let mut tx = room.cx.db.begin(scope).await?;
        if outputs(&mut tx, &room.gateway, &ids)
            .await?
            .iter()
            .any(|run| !run.state.is_ended())
        {
            return Err(JobError::Retry(
                "the answer is still being given".to_owned(),
            ));
        }
        gateway::forget_runs(&mut tx, &ids).await?;
        tx.commit().await?;
        Ok(())
    }
}
