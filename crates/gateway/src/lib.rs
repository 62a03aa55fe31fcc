//! The gateway: every model behind one door, metered, never losing a run.
//!
//! Owns: targets and routes, the keys of providers, the provider's I/O, runs and their numbered events.
//! Never: a persona, a price list for customers, the wire format of a provider (that is `llm`).
//!
//! A run belongs to the server. It is admitted in the caller's transaction, driven by a task of one node, and read by
//! anyone who may see it; its events are durable before anyone sees them. It ends once, by its own task or, when that
//! died, by any node's [`rescue`].

mod aside;
mod attempts;
mod batch;
mod breaker;
mod cache;
mod choose;
mod credential;
mod door;
mod embed;
mod error;
mod file;
mod guard;
mod menu;
mod models;
mod pace;
mod places;
mod policy;
mod provider;
mod pulse;
mod reconcile;
mod repeat;
mod route;
mod run;
mod shadow;
mod traced;
mod traffic;
mod versions;

use std::{sync::Arc, time::Duration};

use db::Ctx;
use entitlement::Entitlement;
use identity::Identity;
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

pub use aside::{Aside, ask_aside, embed_aside, is_degraded, leads};
pub use batch::RunBatch;
pub use cache::{CacheUse, Cached, forget_cached};
pub use credential::{
    CredentialChange, CredentialId, CredentialView, KeyHealth, NewCredential, Operator,
    add_credential, change_credential, follow_routes, list_credentials, remove_credential,
    reseal_credentials, rotate_credential,
};
pub use door::{RunHook, TellJobsEnd, Teller, router};
pub use embed::{AskVectors, EmbeddingId, Vectors, embed};
pub use error::Error;
pub use file::forget_files;
pub use guard::{Judge, Judgement, Refusal, Refused};
pub use menu::{Offer, offers};
pub use models::{DEFAULT_MODELS, ModelFile, ModelFileError, Provider, site};
pub use places::{Priority, Room};
pub use policy::DataPolicy;
pub use pulse::{Pulse, ShadowFound};
pub use reconcile::{Counts, Difference, Export, ExportError, Line, Reconciled, reconcile};
pub use route::{AfterBreak, ApiKey, Choice, Kind, Price, Route, Routes, Substitutes, Target, Use};
pub use run::{
    Admitted, Ask, InferenceStatus, InferenceView, RunError, RunId, RunView, StartRun, State,
    Terms, Tokens, ToolCallView, admit, begin, cancel, forget, forget_runs, get, history, launch,
    outputs, recall, refused_since, rescue, retention, statistics,
};
pub use shadow::Shadow;
pub use traffic::{ModelHealth, Traffic, traffic};
pub use versions::{
    ModelChange, ModelChangeKind, ModelField, ModelVersion, ModelsDiff, NewModels, OfSettings,
    apply_models, change_canary, diff_models, model_text, model_versions, roll_back_models,
};

/// The account listener's routes: what an operator does.
pub fn account_router() -> utoipa_axum::router::OpenApiRouter<Gateway> {
    credential::router().merge(versions::router())
}

/// How long a node may be silent before its runs are given up for dead.
pub const LEASE: chrono::Duration = chrono::Duration::seconds(15);

/// The room with what it needs to work.
#[derive(Clone, Debug, axum::extract::FromRef)]
pub struct Gateway {
    pub cx: Ctx,
    pub identity: Identity,
    pub entitlement: Entitlement,
    #[from_ref(skip)]
    routes: Arc<credential::LiveRoutes>,
    #[from_ref(skip)]
    http: reqwest::Client,
    #[from_ref(skip)]
    writer: run::Writer,
    #[from_ref(skip)]
    node: Arc<Node>,
    /// Tells the addresses that runs name.
    #[from_ref(skip)]
    hooks: Option<hooks::Hooks>,
}

/// What this process drives right now.
#[derive(Debug)]
struct Node {
    id: Uuid,
    live: run::Live,
    health: Arc<breaker::Health>,
    places: Arc<places::Places>,
    tasks: TaskTracker,
    /// Given up: end what is under way.
    abandon: CancellationToken,
    patience: Patience,
    /// The batches that this process may work on.
    batches: Semaphore,
    /// What models are asked in the shadow of others.
    shadows: Arc<Semaphore>,
    /// What came of it, until it is written down.
    found: pulse::Shadows,
}

/// How long an upstream may keep us waiting.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Until the connection stands.
    pub connect: Duration,
    /// Between two signs of life.
    pub silence: Duration,
    /// For the whole run.
    pub run: Duration,
    /// In line for a place.
    pub line: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            silence: Duration::from_secs(30),
            run: Duration::from_mins(10),
            line: Duration::from_secs(30),
        }
    }
}

impl Gateway {
    /// Opens the room.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn open(
        entitlement: Entitlement,
        routes: Routes,
        patience: Patience,
    ) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .connect_timeout(patience.connect)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("noren/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let cx = entitlement.cx.clone();
        let node = Arc::new(Node {
            id: cx.ids.new_id(),
            live: run::Live::default(),
            health: Arc::default(),
            places: Arc::default(),
            tasks: TaskTracker::new(),
            abandon: CancellationToken::new(),
            patience,
            batches: Semaphore::new(batch::AT_ONCE),
            shadows: Arc::new(Semaphore::new(shadow::AT_ONCE)),
            found: pulse::Shadows::default(),
        });
        Ok(Self {
            identity: entitlement.identity.clone(),
            cx,
            writer: run::Writer::start(&entitlement),
            routes: Arc::new(credential::LiveRoutes::new(routes)),
            http,
            node,
            entitlement,
            hooks: None,
        })
    }

    /// With whom tells the addresses that runs name; without, none can be named.
    pub fn telling(mut self, hooks: hooks::Hooks) -> Self {
        self.hooks = Some(hooks);
        self
    }

    /// Lets runs under way finish within `within`, then ends the rest with a reason, and gives back
    /// what was taken of tenants' limits.
    pub async fn drain(&self, within: Duration) {
        self.node.tasks.close();
        if tokio::time::timeout(within, self.node.tasks.wait())
            .await
            .is_err()
        {
            self.node.abandon.cancel();
            let _ = tokio::time::timeout(Duration::from_secs(5), self.node.tasks.wait()).await;
        }
        let _ = tokio::time::timeout(Duration::from_secs(3), self.entitlement.close()).await;
    }
}
