mod admit;
mod again;
mod begin;
mod calls;
mod draft;
mod drive;
mod end;
mod ends;
mod event;
pub mod history;
mod limits;
mod live;
mod look;
mod note;
mod open;
mod quote;
mod reader;
mod rescue;
mod rest;
pub mod retention;
pub mod statistics;
mod store;
mod takeover;
mod thoughts;
mod told;
mod view;
mod walk;
mod words;
mod writer;

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use entitlement::{Plan, Reservation, ReservationId};
use identity::{InferenceCaller, KeyId, Principal, TenantId};
use kernel::{NanoUsd, Text};
use llm::{ChatRequest, Message};
use serde::Serialize;
use sqlx::PgConnection;
use telemetry::trace::Span;
use uuid::Uuid;

use crate::{
    Error, Gateway, RunId, State, Target,
    cache::{CacheUse, Cached},
    documents,
    guard::{Judge, Refused},
    logprobs, menu,
    places::Priority,
    policy::DataPolicy,
    route::{AfterBreak, Use},
    traced, unsaid,
};

pub(crate) use admit::Together;
pub use admit::admit;
use again::Again;
use begin::Unwritten;
pub use begin::begin;
pub(crate) use begin::begin_later;
pub(crate) use ends::{EVENTS, Named};
pub use ends::{RunHook, TellJobsEnd};
pub(crate) use event::{Event, EventKind};
pub(crate) use limits::{bound, weigh};
pub(crate) use live::{Feed, Live};
pub(crate) use look::{result, view};
pub(crate) use quote::{Quote, quote};
pub(crate) use reader::{events, follow, snapshot};
pub use rescue::{Judges, rescue};
pub(crate) use told::{Told, told};
pub(crate) use view::InferenceResult;
pub use view::{InferenceStatus, InferenceView, RunError, Tokens, ToolCallView};
pub use walk::{WalkFrom, Walked, reseal_texts, texts_left};
pub(crate) use words::{Part, Place};
pub(crate) use writer::Writer;

/// A generation to start.
#[derive(Clone, Debug)]
pub struct StartRun {
    /// What for, such as `misaki.chat`: the unit that it costs one of, and the plan's key to the route.
    pub purpose: String,
    pub messages: Vec<Message>,
    pub max_tokens: Option<u32>,
}

/// What a door asks for: as [`StartRun`], with the caller's own choice of a model and everything else that a request may say.
#[derive(Clone, Debug)]
pub struct Ask {
    pub purpose: String,
    /// The public name of a model; the plan's own choice for the purpose unless said.
    pub model: Option<String>,
    pub request: ChatRequest,
    /// The run's id where it has been told already.
    pub id: Option<RunId>,
    pub terms: Terms,
}

/// What a run keeps to beside its request, and what is noted of it.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Where it came in.
    pub door: &'static str,
    /// Whether what is asked is to be shown in the history; a storefront that keeps its own talks says no.
    pub is_shown: bool,
    /// Whether texts may be kept beyond the run.
    pub is_stored: bool,
    pub tags: Vec<String>,
    /// How long it may take in all.
    pub deadline: Option<Duration>,
    /// The most that it may cost, in billionths of a US dollar.
    pub max_cost: Option<NanoUsd>,
    /// Whether an answer that was given before will do, and this one may be given again.
    pub cache: CacheUse,
    /// What is said while a model keeps the person waiting, line by line.
    pub small_talk: Vec<Text>,
    /// Looks at the answer before anybody sees it; nobody does where there is none.
    pub judge: Option<Arc<dyn Judge>>,
    /// Who goes first where a target takes only so many at once.
    pub priority: Priority,
    /// Which providers may hear of it, and where.
    pub policy: DataPolicy,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            door: "native",
            is_shown: false,
            is_stored: true,
            tags: Vec::new(),
            deadline: None,
            max_cost: None,
            cache: CacheUse::default(),
            small_talk: Vec::new(),
            judge: None,
            priority: Priority::default(),
            policy: DataPolicy::default(),
        }
    }
}

impl Terms {
    /// Under which name its answer may be compared with that of another model, which hears of it for that: not where nothing is
    /// to be kept, nor where it is said who may hear of it.
    fn comparable(
        &self,
        room: &Gateway,
        caller: &InferenceCaller,
        route: &str,
    ) -> Option<Comparable> {
        let may_be = self.is_stored && !self.policy.limits() && room.routes.has_shadow(route);
        may_be.then(|| Comparable {
            route: route.to_owned(),
            key: caller.principal.key,
        })
    }
}

/// An answer that another model may be compared by.
#[derive(Debug)]
struct Comparable {
    /// The public name.
    route: String,
    /// The key that asked, whose rule of retention counts.
    key: Option<KeyId>,
}

impl Ask {
    fn way(&self) -> Way<'_> {
        Way {
            purpose: &self.purpose,
            model: self.model.as_deref(),
            use_for: Use::Chat,
            policy: &self.terms.policy,
            request: Some(&self.request),
        }
    }
}

impl From<StartRun> for Ask {
    fn from(start: StartRun) -> Self {
        Self {
            purpose: start.purpose,
            model: None,
            request: ChatRequest {
                messages: start.messages,
                max_tokens: start.max_tokens,
                ..ChatRequest::default()
            },
            id: None,
            terms: Terms {
                door: "storefront",
                priority: Priority::Live,
                ..Terms::default()
            },
        }
    }
}

/// A run as shown to whoever may see it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct RunView {
    pub id: RunId,
    pub state: State,
    /// Why it ended other than completed: stopped, moderated, upstream_failed, upstream_busy, upstream_refused,
    /// context_length_exceeded, upstream_denied, upstream_unavailable, line_full, upstream_stalled, upstream_garbled, node_lost or deadline.
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
    /// Whether what was produced is here but does not open, since its key is lost or it was changed; then `output` is empty.
    pub is_closed: bool,
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
    /// Keeps the place until the run is settled, where it is written.
    kept: Option<Reservation>,
    /// What is to be written with the first that it has to say.
    unwritten: Option<Unwritten>,
    targets: Vec<Target>,
    request: ChatRequest,
    after_break: AfterBreak,
    deadline: Option<Duration>,
    small_talk: Vec<Text>,
    judge: Option<Arc<dyn Judge>>,
    priority: Priority,
    /// The public name, where its answer may be compared with another model's.
    comparable: Option<Comparable>,
    cache: CacheUse,
    /// The answer, where it was given before.
    again: Option<Again>,
    span: Span,
}

/// What is to be driven, once it is certain that it may.
fn ready(
    room: &Gateway,
    caller: &InferenceCaller,
    ask: Ask,
    (id, reservation): (RunId, ReservationId),
    route: &str,
    targets: Vec<Target>,
) -> Result<Admitted, Error> {
    let comparable = ask.terms.comparable(room, caller, route);
    let first = targets
        .first()
        .ok_or_else(|| Error::ModelNotConfigured(route.to_owned()))?;
    let request = ChatRequest {
        model: first.model.clone(),
        max_tokens: Some(limits::asked_for(&targets, &ask.request)),
        stream: first.streams,
        ..ask.request
    };
    Ok(Admitted {
        id,
        tenant: caller.principal.tenant,
        reservation,
        kept: None,
        unwritten: None,
        span: traced::of_run(id, &request),
        targets,
        request,
        after_break: room.routes.after_break(route),
        deadline: ask.terms.deadline,
        small_talk: ask.terms.small_talk,
        judge: ask.terms.judge,
        comparable,
        priority: ask.terms.priority,
        cache: ask.terms.cache.where_kept(ask.terms.is_stored),
        again: None,
    })
}

/// What is looked for in a plan.
pub(crate) struct Way<'a> {
    pub(crate) purpose: &'a str,
    pub(crate) model: Option<&'a str>,
    pub(crate) use_for: Use,
    pub(crate) policy: &'a DataPolicy,
    /// What is to be read, where that is a chat.
    pub(crate) request: Option<&'a ChatRequest>,
}

/// Where the plan leads for what is asked, if the caller's key may go there and the caller allows it.
pub(crate) async fn way(
    room: &Gateway,
    caller: &InferenceCaller,
    plan: &Plan,
    ask: &Way<'_>,
) -> Result<(String, Vec<Target>), Error> {
    let catalogue = room.entitlement.catalogue.now();
    let route = menu::route_of(
        plan,
        &catalogue,
        ask.purpose,
        ask.model,
        caller.key.as_ref().and_then(|key| key.models.as_deref()),
    )?;
    drop(catalogue);
    if room
        .routes
        .use_of(&route)
        .is_some_and(|use_for| use_for != ask.use_for)
    {
        return Err(Error::ModelNotForThis(route));
    }
    let mut targets = room.routes.targets(&route, room.cx.clock.now());
    if targets.is_empty() {
        return Err(Error::ModelNotConfigured(route));
    }
    ask.policy.keep(&mut targets)?;
    if let Some(request) = ask.request {
        documents::keep(&mut targets, &route, request)?;
        logprobs::keep(&mut targets, &route, request)?;
        unsaid::keep(&mut targets, &route, request)?;
    }
    Ok((route, targets))
}

/// Looks whether the answer of an admitted run was given before, where its caller would have that: then [`launch`] gives it
/// again. None where the caller did not ask.
pub async fn recall(room: &Gateway, run: &mut Admitted) -> Option<Cached> {
    if run.cache == CacheUse::default() {
        return None;
    }
    if run.cache.reads
        && let Some(target) = run.first_choice(room)
    {
        let asked = (target, &run.request);
        run.again = again::find(room, run.tenant, run.cache, asked).await;
    }
    Some(if run.again.is_some() {
        Cached::All
    } else {
        Cached::None
    })
}

impl Admitted {
    /// The target that would be asked now.
    fn first_choice(&self, room: &Gateway) -> Option<&Target> {
        let health = &room.node.health;
        let order = health.order(&self.targets, &[], self.seed(), |_| false);
        self.targets.get(*order.first()?)
    }

    /// What its choices are thrown by.
    fn seed(&self) -> u64 {
        self.id.0.as_u64_pair().1
    }
}

/// Starts the task that drives an admitted run.
pub fn launch(room: &Gateway, run: Admitted) {
    set_off(room, run);
}

/// As [`launch`], for whoever follows it.
pub(crate) fn set_off(room: &Gateway, run: Admitted) -> Arc<Feed> {
    if let Some(kept) = &run.kept {
        kept.confirm();
    }
    let is_written = run.unwritten.is_none();
    let feed = room.node.live.enter(run.id, run.tenant, is_written);
    let room = room.clone();
    room.node
        .tasks
        .clone()
        .spawn(drive::drive(room, run, Arc::clone(&feed)));
    feed
}

/// A run of the caller's tenant.
///
/// # Errors
/// `RunNotFound`, also for another tenant's.
pub async fn get(room: &Gateway, caller: Principal, id: RunId) -> Result<RunView, Error> {
    room.node.live.written(id).await;
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    let run = find(&mut tx, room, id).await?;
    tx.commit().await?;
    Ok(run)
}

async fn find(conn: &mut PgConnection, room: &Gateway, id: RunId) -> Result<RunView, Error> {
    let run = store::find(conn, room.identity.vault(), id).await?;
    run.ok_or(Error::RunNotFound)
}

/// Asks a run to stop; one that has ended stays as it is.
///
/// # Errors
/// `RunNotFound`, also for another tenant's.
pub async fn cancel(room: &Gateway, caller: Principal, id: RunId) -> Result<RunView, Error> {
    room.node.live.written(id).await;
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    store::request_cancel(&mut tx, id).await?;
    let run = find(&mut tx, room, id).await?;
    tx.commit().await?;
    // on another node the run's own task sees the row within a second
    room.node.live.cancel(id);
    Ok(run)
}

/// What runs have produced so far, in the caller's scope; for rooms that show a run's text as their own.
pub async fn outputs(
    conn: &mut PgConnection,
    room: &Gateway,
    ids: &[RunId],
) -> sqlx::Result<Vec<RunView>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    store::find_all(conn, room.identity.vault(), &ids).await
}

/// How many answers of a storefront were refused since, by the reason, the most first; in the house's scope.
pub async fn refused_since(
    conn: &mut PgConnection,
    storefront: &str,
    since: DateTime<Utc>,
) -> sqlx::Result<Vec<Refused>> {
    store::refused_since(conn, storefront, since).await
}

/// Removes what these runs have said, those that have ended; that they ran, and what they cost, stays.
pub async fn forget_runs(conn: &mut PgConnection, ids: &[RunId]) -> sqlx::Result<()> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    store::forget_runs(conn, &ids).await
}

/// Removes what the runs of a tenant that goes have said, in the caller's transaction; that they ran, and what they cost,
/// stays.
pub(crate) async fn forget(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<()> {
    ends::forget(conn, tenant).await?;
    store::forget(conn, tenant).await
}
