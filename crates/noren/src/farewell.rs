//! What becomes of what people leave: those who go, and those who never came back. Every room that keeps something of a person's
//! is named here, and again where it is taken along.

use billing::Billing;
use chrono::Duration;
use db::Scope;
use identity::{Identity, Leaver};
use jobs::{Attempt, Job, JobError};
use serde::{Deserialize, Serialize};

/// How many are looked for at once.
const BATCH: i64 = 100;

/// Sees off those whose account's time has come: what they pay for ends at Stripe, then the storefronts and the gateway forget what they said, then identity
/// forgets who they were; all of it in one transaction each.
pub(crate) async fn see_off(
    identity: &Identity,
    billing: &Billing,
    most: i64,
) -> anyhow::Result<()> {
    for leaver in identity::leavers(&identity.cx, most).await? {
        // one whose subscription can't be ended now goes in a later round, and keeps nobody else
        if let Err(error) = see_off_one(identity, billing, &leaver).await {
            tracing::warn!(%error, user = %leaver.user, "an account can't be deleted yet");
            continue;
        }
        tracing::info!(user = %leaver.user, "an account is deleted");
    }
    Ok(())
}

/// The rooms that keep something of a person's, and how long what was begun and left is kept.
#[derive(Clone, Debug)]
pub(crate) struct Idle {
    pub(crate) identity: Identity,
    pub(crate) billing: Billing,
    /// None: for ever.
    pub(crate) unconfirmed: Option<Duration>,
    pub(crate) guests: Option<Duration>,
}

/// Removes accounts whose address nobody ever confirmed, and guests who do not come back. What the books refer to stays.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ClearIdle {}

impl Job for ClearIdle {
    const NAME: &'static str = "house.clear_idle";
    const LIMIT: std::time::Duration = std::time::Duration::from_mins(30);
    type Room = Idle;

    fn key(&self) -> Option<String> {
        Some("all".to_owned())
    }

    async fn run(&self, room: &Idle, _: &Attempt) -> Result<(), JobError> {
        let (accounts, guests) = room
            .clear()
            .await
            .map_err(|error| JobError::Retry(format!("{error:#}")))?;
        if accounts + guests > 0 {
            tracing::info!(accounts, guests, "what was begun and left is cleared away");
        }
        Ok(())
    }
}

impl Idle {
    async fn clear(&self) -> anyhow::Result<(u64, u64)> {
        let cx = &self.identity.cx;
        let (mut accounts, mut guests) = (0, 0);
        if let Some(kept) = self.unconfirmed {
            let (since, mut after) = (cx.clock.now() - kept, None);
            loop {
                let found = identity::unconfirmed(cx, since, after, BATCH).await?;
                let Some(last) = found.last() else { break };
                after = Some(last.user);
                for leaver in &found {
                    if !self.pays(leaver).await? {
                        forget(&self.identity, leaver).await?;
                        accounts += 1;
                    }
                }
            }
        }
        if let Some(kept) = self.guests {
            let since = cx.clock.now() - kept;
            loop {
                let found = identity::idle_guests(cx, since, BATCH).await?;
                let before = guests;
                for tenant in found {
                    let mut tx = cx.db.begin(Scope::House("a guest is forgotten")).await?;
                    misaki::forget(&mut tx, tenant).await?;
                    genai::forget(&mut tx, tenant).await?;
                    gateway::forget(&mut tx, tenant).await?;
                    if identity::forget_guest(&mut tx, &self.identity, tenant, since).await? {
                        tx.commit().await?;
                        guests += 1;
                    }
                }
                if guests == before {
                    break;
                }
            }
        }
        Ok((accounts, guests))
    }

    async fn pays(&self, leaver: &Leaver) -> anyhow::Result<bool> {
        for tenant in &leaver.tenants {
            if billing::pays(&self.billing, *tenant).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

async fn see_off_one(
    identity: &Identity,
    billing: &Billing,
    leaver: &Leaver,
) -> anyhow::Result<()> {
    // before the transaction, since Stripe is asked; what was ended stays so if the rest has to be tried again
    for tenant in &leaver.tenants {
        billing::see_off(billing, *tenant).await?;
    }
    forget(identity, leaver).await
}

async fn forget(room: &Identity, leaver: &Leaver) -> anyhow::Result<()> {
    let mut tx = room
        .cx
        .db
        .begin(Scope::House("an account is deleted"))
        .await?;
    for tenant in &leaver.tenants {
        misaki::forget(&mut tx, *tenant).await?;
        genai::forget(&mut tx, *tenant).await?;
        gateway::forget(&mut tx, *tenant).await?;
        hooks::forget(&mut tx, *tenant).await?;
    }
    genai::forget_person(&mut tx, leaver.user).await?;
    identity::forget(&mut tx, room, leaver).await?;
    tx.commit().await?;
    Ok(())
}
