//! GenAI Platform: the console of the inference API.
//!
//! Owns: what a developer sees of their runs: history, statistics, models with prices, how well they answer, and the rules for
//! how long texts are kept; which runs of the playground are one talk, and its name.
//! Never: a run, its text or its rows, which are the gateway's; a plan or a limit, which are entitlement's.

mod error;
mod history;
mod models;
mod retention;
mod statistics;
mod talk;

use std::sync::Arc;

use db::Ctx;
use gateway::Gateway;
use identity::Identity;
use utoipa_axum::router::OpenApiRouter;

pub use error::Error;
pub use talk::{TalkId, export, forget, forget_person};

/// The storefront's name in plans, tokens and units.
pub const STOREFRONT: &str = "genai";

/// The room with what it needs to work.
#[derive(Clone, Debug, axum::extract::FromRef)]
pub struct Genai {
    pub cx: Ctx,
    pub identity: Identity,
    pub gateway: Gateway,
    #[from_ref(skip)]
    status: Arc<models::LastStatus>,
}

impl Genai {
    /// Opens the room.
    pub fn open(gateway: Gateway) -> Self {
        Self {
            cx: gateway.cx.clone(),
            identity: gateway.identity.clone(),
            gateway,
            status: Arc::default(),
        }
    }
}

/// The account listener's routes.
pub fn router() -> OpenApiRouter<Genai> {
    OpenApiRouter::new()
        .merge(history::router())
        .merge(statistics::router())
        .merge(models::router())
        .merge(retention::router())
        .merge(talk::http::router())
}
