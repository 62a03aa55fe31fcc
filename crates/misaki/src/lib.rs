//! Snack Misaki: a small bar at night where someone listens.
//!
//! Owns: chats and their messages, the canned phrases (定型文), the persona.
//! Never: which model answers (the plan and the gateway decide), what an answer costs, or the text of a run, which
//! the gateway keeps.

mod age;
mod bar;
mod carry;
mod chat;
mod error;
mod export;
mod feedback;
mod forget;
mod http;
mod memory;
mod passing;
mod persona;
pub mod phrase;
mod phrasebook;
mod scene;
mod search;
mod share;
mod talk;
mod training;
mod view;
mod welcome;

use std::sync::Arc;

use db::Ctx;
use gateway::Gateway;
use identity::Identity;

pub use chat::{ChatId, MessageId};
pub use error::Error;
pub use export::export;
pub use forget::forget;
pub use http::{account_router, inference_router};
pub use phrasebook::judge_of_the_house;
pub use training::{
    Case, EVALUATION, EvaluationSet, Report, Verdict, describe as training_job, evaluate,
    transcripts,
};

/// The storefront's name in plans, tokens and units.
pub const STOREFRONT: &str = "misaki";

/// The unit of one answer, and the key of its route in a plan.
pub(crate) const CHAT: &str = "misaki.chat";

/// The room with what it needs to work.
#[derive(Clone, Debug, axum::extract::FromRef)]
pub struct Misaki {
    pub cx: Ctx,
    pub identity: Identity,
    pub gateway: Gateway,
    #[from_ref(skip)]
    phrases: Arc<phrasebook::Known>,
    #[from_ref(skip)]
    persona: Arc<persona::Known>,
}

impl Misaki {
    /// The room's jobs and its schedule.
    ///
    /// # Errors
    /// When the schedule can't be read.
    pub fn register(&self, registry: jobs::Registry) -> Result<jobs::Registry, jobs::BadSchedule> {
        registry
            .job::<passing::ForgetPassing>(self)
            .job::<carry::ImportChats>(self)
            .job::<memory::LearnFromChat>(self)
            .job::<phrasebook::near::EmbedPhrases>(self)
            .cron(
                "misaki.embed_phrases",
                "41 * * * *",
                chrono_tz::Asia::Tokyo,
                jobs::CatchUp::RunOnce,
                &phrasebook::near::EmbedPhrases {},
            )
    }

    /// Opens the room with the phrases and the persona that come with it.
    ///
    /// # Errors
    /// When one of them breaks its own rules.
    pub fn open(gateway: Gateway) -> Result<Self, kernel::Fault> {
        Ok(Self {
            cx: gateway.cx.clone(),
            identity: gateway.identity.clone(),
            gateway,
            phrases: Arc::new(phrasebook::Known::first()?),
            persona: Arc::new(persona::Known::first()?),
        })
    }
}
