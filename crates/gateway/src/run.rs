mod drive;
mod live;
mod reader;
mod rescue;
mod store;

use chrono::{DateTime, Utc};
use entitlement::{ReservationId, Work, reserve};
use identity::{InferenceCaller, Principal, TenantId};
use llm::{ChatRequest, Message};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Error, Gateway, LEASE, Target};

pub(crate) use live::Live;
pub(crate) use reader::{Event, EventKind, events};
pub use rescue::rescue;

kernel::id!(
    /// One server-owned generation.
    RunId, "run"
);

/// The most tokens of an answer unless the caller says less.
const MAX_TOKENS: u32 = 1024;

/// A generation to start.
#[derive(Clone, Debug)]
pub struct StartRun {
    /// What for, such as `misaki.chat`: the unit that it costs one of, and the plan's key to the route.
    pub purpose: String,
    pub messages: Vec<Message>,
    pub max_tokens: Option<u32>,
}

/// Where a run stands.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum State {
    Queued,
    Running,
    Completed,
    Failed,
    Cancelled,
}

impl State {
    pub const fn is_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A run as shown to whoever may see it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct RunView {
    pub id: RunId,
    pub state: State,
    /// Why it ended other than completed: stopped, upstream_failed, upstream_stalled, upstream_garbled, node_lost or deadline.
    #[schema(required)]
    pub reason: Option<String>,
    pub model: String,
    pub route: String,
    pub tokens_in: i64,
    pub tokens_out: i64,
    /// Billionths of a US dollar.
    pub cost_nano_usd: i64,
    /// What was produced so far.
    pub output: String,
    pub created_at: DateTime<Utc>,
    #[schema(required)]
    pub started_at: Option<DateTime<Utc>>,
    #[schema(required)]
    pub ended_at: Option<DateTime<Utc>>,
    /// The number of the newest event.
    pub last_event_id: i32,
}

/// A run that was admitted and is to be launched once the caller's transaction has committed.
#[derive(Debug)]
pub struct Admitted {
    pub id: RunId,
    tenant: TenantId,
    reservation: ReservationId,
    targets: Vec<Target>,
    request: ChatRequest,
}

/// Admits a run in the caller's transaction: reservation and row commit together with whatever the caller writes, or not
/// at all. Then [`launch`] it. Should the process die in between, [`rescue`] ends the run and gives the units back.
///
/// # Errors
/// Whatever entitlement refuses; `RouteNotFound`, `ModelNotConfigured`, and `ModelNotAllowed` to the caller's key.
pub async fn admit(
    conn: &mut PgConnection,
    room: &Gateway,
    caller: &InferenceCaller,
    start: StartRun,
) -> Result<Admitted, Error> {
    let cx = &room.cx;
    let now = cx.clock.now();
    let id: RunId = cx.ids.new_id();
    let reference = id.to_string();
    let work = Work {
        storefront: &caller.storefront,
        unit: &start.purpose,
        amount: 1,
        reference: &reference,
        lease_until: now + LEASE,
        daily_cap: caller.key.as_ref().and_then(|key| key.daily_cap),
    };
    let reservation = reserve(conn, &room.entitlement, caller.principal, &work).await?;
    let route = reservation
        .plan
        .terms
        .routes
        .get(&start.purpose)
        .ok_or(Error::RouteNotFound)?;
    let models = caller.key.as_ref().and_then(|key| key.models.as_deref());
    if models.is_some_and(|models| !models.contains(route)) {
        return Err(Error::ModelNotAllowed);
    }
    let targets = room.routes.targets(route).to_vec();
    let first = targets
        .first()
        .ok_or_else(|| Error::ModelNotConfigured(route.clone()))?;
    let row = store::NewRun {
        id,
        tenant: caller.principal.tenant,
        reservation: reservation.id,
        storefront: &caller.storefront,
        route,
        model: &first.model,
        node: room.node.id,
        lease_until: now + LEASE,
        now,
    };
    store::insert(conn, &row).await?;
    let request = ChatRequest {
        model: first.model.clone(),
        messages: start.messages,
        max_tokens: Some(start.max_tokens.unwrap_or(MAX_TOKENS)),
        temperature: None,
        stream: first.streams,
    };
    Ok(Admitted {
        id,
        tenant: caller.principal.tenant,
        reservation: reservation.id,
        targets,
        request,
    })
}

/// Starts the task that drives an admitted run.
pub fn launch(room: &Gateway, run: Admitted) {
    let progress = room.node.live.enter(run.id, run.tenant);
    let room = room.clone();
    room.node
        .tasks
        .clone()
        .spawn(drive::drive(room, run, progress));
}

/// A run of the caller's tenant.
///
/// # Errors
/// `RunNotFound`, also for another tenant's.
pub async fn get(room: &Gateway, caller: Principal, id: RunId) -> Result<RunView, Error> {
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    let run = store::find(&mut tx, id).await?.ok_or(Error::RunNotFound)?;
    tx.commit().await?;
    Ok(run)
}

/// Asks a run to stop; one that has ended stays as it is.
///
/// # Errors
/// `RunNotFound`, also for another tenant's.
pub async fn cancel(room: &Gateway, caller: Principal, id: RunId) -> Result<RunView, Error> {
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    store::request_cancel(&mut tx, id).await?;
    let run = store::find(&mut tx, id).await?.ok_or(Error::RunNotFound)?;
    tx.commit().await?;
    // on another node the run's own task sees the row within a second
    room.node.live.cancel(id);
    Ok(run)
}

/// What runs have produced so far, in the caller's scope; for rooms that show a run's text as their own.
pub async fn outputs(conn: &mut PgConnection, ids: &[RunId]) -> sqlx::Result<Vec<RunView>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    store::find_all(conn, &ids).await
}

/// Removes what the runs of a tenant that goes have said, in the caller's transaction; that they ran, and what they cost,
/// stays.
pub async fn forget(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<()> {
    store::forget(conn, tenant).await
}
