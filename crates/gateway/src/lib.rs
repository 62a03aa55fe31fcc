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
mod dialect;
mod documents;
mod door;
mod embed;
mod error;
mod failure;
mod file;
mod gate;
mod guard;
mod id;
mod key;
mod live;
mod logprobs;
mod menu;
mod meters;
mod models;
mod pace;
mod places;
mod policy;
mod price;
mod provider;
mod pulse;
mod reconcile;
mod remote;
mod repeat;
mod route;
mod routes;
mod run;
mod shadow;
mod state;
mod traced;
mod traffic;
mod unsaid;
mod versions;

use std::{ops::Deref, sync::Arc, time::Duration};

use axum::extract::FromRef;
use db::Ctx;
use entitlement::Entitlement;
use identity::{Identity, TenantId};
use sqlx::PgConnection;
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

pub use aside::{Aside, ask_aside, embed_aside, is_degraded, leads};
pub use batch::RunBatch;
pub use cache::{CacheUse, Cached, forget_cached};
pub use credential::{
    CredentialChange, CredentialView, NewCredential, Operator, add_credential, change_credential,
    list_credentials, remove_credential, reseal_credentials, rotate_credential,
};
pub use door::{Teller, no_such_method, no_such_path};
pub use embed::{AskVectors, Vectors, embed};
pub use error::Error;
pub use file::forget_files;
pub use gate::{Evaluated, note_evaluation};
pub use guard::{Judge, Judgement, Refusal, Refused};
pub use id::{CredentialId, EmbeddingId, RunId};
pub use key::{ApiKey, KeyHealth};
pub use live::follow_routes;
pub use llm::Effort;
pub use menu::{Offer, offers};
pub use models::{
    DEFAULT_MODELS, ModelFile, ModelFileError, NotPassed, OfSettings, Provider, site,
};
pub use places::Priority;
pub use policy::DataPolicy;
pub use price::{LongPrice, LongTokenPrice, Price, TokenPrice};
pub use pulse::{Pulse, ShadowFound, provider_traffic};
pub use reconcile::{Counts, Difference, Export, ExportError, Line, Reconciled, reconcile};
pub use route::{AfterBreak, Choice, Kind, Room, Route, Shadow, Target, Use};
pub use routes::{Routes, Substitutes};
pub use run::{
    Admitted, Ask, InferenceStatus, InferenceView, Judges, RunError, RunHook, RunView, StartRun,
    TellJobsEnd, Terms, Tokens, ToolCallView, WalkFrom, Walked, admit, begin, cancel, forget_runs,
    get, history, launch, outputs, recall, refused_since, rescue, reseal_texts, retention,
    statistics, texts_left,
};
pub use state::State;
pub use traffic::{ModelHealth, Traffic, traffic};
pub use versions::{
    ModelChange, ModelChangeKind, ModelField, ModelVersion, ModelsDiff, NewModels, apply_models,
    change_canary, diff_models, model_text, model_versions, roll_back_models, subject_of,
};

/// The inference listener's routes.
pub fn router() -> OpenApiRouter<Gateway> {
    door::router()
        .merge(file::http::router())
        .merge(batch::http::router())
}

/// The account listener's routes: what an operator does.
pub fn account_router() -> OpenApiRouter<Gateway> {
    credential::router().merge(versions::router())
}

/// Removes what is kept of a tenant that goes and what its runs have said, in the caller's transaction; that they ran, and what they
/// cost, stays.
pub async fn forget(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<()> {
    door::forget(conn, tenant).await?;
    batch::forget(conn, tenant).await?;
    file::forget(conn, tenant).await?;
    run::forget(conn, tenant).await
}

/// How long a node may be silent before its runs are given up for dead.
pub const LEASE: chrono::Duration = chrono::Duration::seconds(15);

/// The room with what it needs to work. Cheap to clone, which every layer around a route does for every request.
#[derive(Clone, Debug)]
pub struct Gateway(Arc<Inside>);

/// What [`Gateway`] gives.
#[derive(Debug)]
pub struct Inside {
    pub cx: Ctx,
    pub identity: Identity,
    pub entitlement: Entitlement,
    routes: live::LiveRoutes,
    http: reqwest::Client,
    writer: run::Writer,
    node: Node,
    /// Tells the addresses that runs name; without, none can be named.
    hooks: Option<hooks::Hooks>,
}

impl Deref for Gateway {
    type Target = Inside;

    fn deref(&self) -> &Inside {
        &self.0
    }
}

impl FromRef<Gateway> for Ctx {
    fn from_ref(room: &Gateway) -> Self {
        room.cx.clone()
    }
}

impl FromRef<Gateway> for Identity {
    fn from_ref(room: &Gateway) -> Self {
        room.identity.clone()
    }
}

impl FromRef<Gateway> for Entitlement {
    fn from_ref(room: &Gateway) -> Self {
        room.entitlement.clone()
    }
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
        hooks: Option<hooks::Hooks>,
    ) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .connect_timeout(patience.connect)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("noren/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let cx = entitlement.cx.clone();
        let node = Node {
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
        };
        Ok(Self(Arc::new(Inside {
            identity: entitlement.identity.clone(),
            cx,
            writer: run::Writer::start(&entitlement),
            routes: live::LiveRoutes::new(routes),
            http,
            node,
            entitlement,
            hooks,
        })))
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
