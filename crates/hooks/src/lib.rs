//! Hooks: tenants are told what happened, at addresses of theirs, in the form of Standard Webhooks.
//!
//! Owns: endpoints with their secrets, events as they are told, deliveries and every try of them.
//! Never: whether something happened; a connection to an address that is not on the public internet; a redirect.
//!
//! [`emit`] joins the caller's transaction, so an event is told exactly when what it tells of is there. A delivery is at
//! least once: who receives it tells repetitions by `webhook-id`.

mod delivery;
mod dial;
mod emit;
mod endpoint;
mod error;
mod event;
mod http;
mod sign;
mod tidy;

use std::sync::Arc;

use db::Ctx;
use identity::Identity;

pub use delivery::{
    AttemptView, DeliverHook, DeliveryId, DeliveryState, DeliveryView, EndLostDeliveries, of_run,
};
pub use dial::OpenError;
pub use emit::{emit, emit_all, tell_run};
pub use endpoint::{HookId, HookView, OffReason, export, forget};
pub use error::Error;
pub use event::{EventId, EventType};
pub use http::router;
pub use tidy::TidyHooks;

use dial::Dialler;
use endpoint::Sealer;

/// The room with what it needs to work.
#[derive(Clone, Debug)]
pub struct Hooks {
    pub cx: Ctx,
    identity: Identity,
    sealer: Arc<Sealer>,
    dialler: Dialler,
}

/// How it went to tell an address once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    Heard,
    /// It may work later.
    Failed(String),
    /// Nothing is ever sent there.
    Refused(String),
}

impl axum::extract::FromRef<Hooks> for Identity {
    fn from_ref(room: &Hooks) -> Self {
        room.identity.clone()
    }
}

impl Hooks {
    /// Opens the room. `demo_origins` are origins on this very machine that may be told things in a demo; elsewhere there
    /// are none.
    ///
    /// # Errors
    /// When an origin is not one of a loopback address, or no client can be made.
    pub fn open(identity: Identity, demo_origins: &[String]) -> Result<Self, OpenError> {
        Ok(Self {
            cx: identity.cx.clone(),
            sealer: Arc::new(Sealer::new(
                identity.vault().clone(),
                identity.derived_secret("hooks"),
            )),
            dialler: Dialler::open(demo_origins)?,
            identity,
        })
    }

    /// Seals under the first key what is not.
    ///
    /// # Errors
    /// When there is no key, or the database is away.
    pub async fn reseal(&self) -> Result<seal::Resealed, Error> {
        endpoint::reseal(self).await
    }

    /// Judges an address that a run names, and makes sure that there is a secret to sign with what it will be told.
    ///
    /// # Errors
    /// `BadUrl` where nothing may be sent, as far as can be known before it is dialled.
    pub async fn name_for_run(&self, tenant: identity::TenantId, url: &str) -> Result<(), Error> {
        self.dialler.check(url)?;
        endpoint::ready_for_runs(self, tenant).await.map(drop)
    }

    /// Sends a body once to an address that was named for one piece of work: unsigned, as nobody shares a secret, and on the
    /// public internet alone like every other.
    pub async fn tell_once(&self, url: &str, body: String) -> Told {
        if let Err(error) = self.dialler.check(url) {
            return Told::Refused(error.to_string());
        }
        let tried = self.dialler.send(url, Vec::new(), body).await;
        match (tried.is_success(), tried.status, tried.error) {
            (true, ..) => Told::Heard,
            (false, Some(status), _) => Told::Failed(format!("the address answered {status}")),
            (false, None, error) => Told::Failed(error.unwrap_or_default()),
        }
    }

    /// The kinds of jobs and the schedules of the room.
    ///
    /// # Errors
    /// When a schedule can't be read.
    pub fn register(&self, registry: jobs::Registry) -> Result<jobs::Registry, jobs::BadSchedule> {
        registry
            .job::<DeliverHook>(self)
            .job::<TidyHooks>(&self.cx)
            .job::<EndLostDeliveries>(&self.cx)
            .cron(
                "hooks.end_lost",
                "*/5 * * * *",
                chrono_tz::Asia::Tokyo,
                jobs::CatchUp::Skip,
                &EndLostDeliveries {},
            )?
            .cron(
                "hooks.tidy",
                "40 4 * * *",
                chrono_tz::Asia::Tokyo,
                jobs::CatchUp::Skip,
                &TidyHooks {},
            )
    }
}
