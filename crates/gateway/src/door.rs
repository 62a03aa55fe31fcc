//! The doors: other vendors' protocols on the one run engine.
//!
//! A door reads its dialect, starts the run that every other door would start, and tells its events in its own words.

mod anthropic;
mod choices;
mod completions;
mod dialect;
mod embeddings;
mod ends;
mod native;
mod nowhere;
mod openai;
mod responses;
mod runpod;
mod tell;

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{FromRequestParts, Request},
    http::HeaderMap,
    response::Response,
};
use identity::{InferenceCaller, TenantId};
use kernel::Lang;
use llm::{ChatRequest, Refusal};
use sqlx::PgConnection;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Admitted, Ask, CacheUse, Cached, DataPolicy, Error, Gateway, Priority, RunId, Terms, admit,
    begin, recall,
    repeat::{Known, Repeat},
    run::{Feed, begin_later, set_off},
};

pub(crate) use dialect::{Dialect, Turned, VendorRefusals, failure, json};
pub(crate) use embeddings::VECTORS;
pub use ends::RunHook;
pub(crate) use ends::{hook_of, is_awaited, tell_ends};
pub use nowhere::{no_such_method, no_such_path};
pub(crate) use openai::face;
pub(crate) use responses::kept_body;
pub use runpod::{TellJobsEnd, Teller};
pub(crate) use tell::{Told, collect, so_far, sse, told};

/// The name of the house's own door among the dialects'.
const NATIVE: &str = "native";
/// The largest body of a door, in bytes: pictures travel inside.
const BODY_LIMIT: usize = 20 * 1024 * 1024;
/// The most tokens that one answer may be asked for: as many as the longest answers of today's models have, since clients ask for
/// all of them by a model's name.
const MOST_TOKENS: u32 = 131_072;

/// The inference listener's routes.
pub fn router() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(native::start_inference))
        .routes(routes!(native::quote_inference))
        .routes(routes!(native::get_inference))
        .routes(routes!(native::get_inference_result))
        .routes(routes!(native::get_inference_events))
        .routes(routes!(native::cancel_inference))
        .routes(routes!(openai::create_chat_completion))
        .routes(routes!(completions::create_completion))
        .routes(routes!(openai::list_models))
        .routes(routes!(openai::get_model))
        .routes(routes!(embeddings::create_embedding))
        .routes(routes!(responses::create_response))
        .routes(routes!(responses::get_response, responses::delete_response))
        .routes(routes!(responses::cancel_response))
        .routes(routes!(
            crate::file::http::create_file,
            crate::file::http::list_files
        ))
        .routes(routes!(
            crate::file::http::get_file,
            crate::file::http::delete_file
        ))
        .routes(routes!(crate::file::http::get_file_content))
        .routes(routes!(
            crate::batch::http::create_batch,
            crate::batch::http::list_batches
        ))
        .routes(routes!(crate::batch::http::get_batch))
        .routes(routes!(crate::batch::http::cancel_batch))
        .routes(routes!(anthropic::create_message))
        .routes(routes!(anthropic::count_message_tokens))
        .routes(routes!(runpod::run_job))
        .routes(routes!(runpod::run_job_and_wait))
        .routes(routes!(runpod::get_job))
        .routes(routes!(runpod::stream_job))
        .routes(routes!(runpod::retry_job))
        .routes(routes!(runpod::get_health))
        .routes(routes!(runpod::cancel_job))
}

/// A request at a door whose caller is known.
pub(crate) struct Visit {
    pub(crate) caller: InferenceCaller,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) dialect: Dialect,
    /// Whether the body says that others may go first.
    pub(crate) may_wait: bool,
}

impl Visit {
    /// Finds out who calls and reads the body.
    pub(crate) async fn begin(
        room: &Gateway,
        request: Request,
        dialect: Dialect,
    ) -> Result<Self, Turned> {
        let (mut parts, body) = request.into_parts();
        let caller = InferenceCaller::from_request_parts(&mut parts, room)
            .await
            .map_err(|error| Turned::from(api::Problem::from(error)))?;
        let headers = parts.headers.clone();
        let request = Request::from_parts(parts, body);
        let body = Bytes::from(api::read_body(request, BODY_LIMIT).await?);
        if !body.is_empty() {
            api::require_json(&headers)?;
        }
        Ok(Self {
            caller,
            headers,
            body,
            dialect,
            may_wait: false,
        })
    }

    /// What the caller's chats are counted as.
    pub(crate) fn purpose(&self, what: &str) -> String {
        format!("{}.{what}", self.caller.storefront)
    }

    /// Whether the run is to stop when this caller hangs up.
    pub(crate) fn aborts(&self) -> bool {
        self.headers
            .get("x-noren-disconnect")
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"abort"))
    }

    /// Starts the run that this request asks for, or finds the one that it started before.
    pub(crate) async fn start(
        &self,
        room: &Gateway,
        model: Option<String>,
        request: ChatRequest,
    ) -> Result<Begun, Turned> {
        self.start_with(room, model, request, None).await
    }

    /// As [`Self::start`], and keeps something beside the run.
    pub(crate) async fn start_with(
        &self,
        room: &Gateway,
        model: Option<String>,
        request: ChatRequest,
        beside: Option<Beside>,
    ) -> Result<Begun, Turned> {
        check_length(&request)?;
        let door = self.dialect.name();
        let repeat = Repeat::of(&self.headers, &self.caller, door, &self.body)?;
        let ask = self.asked(model, request)?;
        Ok(start(room, &self.caller, ask, repeat, beside).await?)
    }

    /// As [`Self::start`], for an answer that this caller waits for: the run is written with the first that it has to say.
    pub(crate) async fn ask(
        &self,
        room: &Gateway,
        model: Option<String>,
        request: ChatRequest,
    ) -> Result<Begun, Turned> {
        let is_repeat = self.headers.contains_key("idempotency-key");
        if is_repeat {
            return Box::pin(self.start(room, model, request)).await;
        }
        check_length(&request)?;
        let ask = self.asked(model, request)?;
        let admitted = begin_later(room, &self.caller, ask).await?;
        Ok(launched(room, admitted).await?)
    }

    fn asked(&self, model: Option<String>, request: ChatRequest) -> Result<Ask, Error> {
        Ok(Ask {
            purpose: self.purpose("chat"),
            model,
            request,
            id: None,
            terms: self.terms()?,
        })
    }

    /// What a run that is started here is noted as.
    fn terms(&self) -> Result<Terms, Error> {
        Ok(Terms {
            door: self.dialect.name(),
            is_shown: true,
            is_stored: !wants_no_trace(&self.headers),
            cache: CacheUse::of(&self.headers)?,
            policy: DataPolicy::of(&self.headers)?,
            priority: priority(&self.headers, self.may_wait.then_some(Priority::Low))?,
            ..Terms::default()
        })
    }
}

/// Refuses a request for a longer answer than any door gives.
pub(crate) fn check_length(request: &ChatRequest) -> Result<(), Refusal> {
    if request.max_tokens.is_some_and(|most| most > MOST_TOKENS) {
        let message = format!("The most tokens of one answer are {MOST_TOKENS}.");
        return Err(Refusal::at("/max_tokens", message));
    }
    Ok(())
}

/// A run that was started, or found.
#[derive(Clone, Debug)]
pub(crate) struct Begun {
    pub(crate) id: RunId,
    /// What it says, as long as that is at hand.
    feed: Option<Arc<Feed>>,
    /// None where the caller wants nothing of the cache, and for a run that was found.
    pub(crate) cached: Option<Cached>,
}

impl From<RunId> for Begun {
    fn from(id: RunId) -> Self {
        Self {
            id,
            feed: None,
            cached: None,
        }
    }
}

impl Begun {
    /// Names the run, which every other door can read, and tells whether its answer was given before.
    pub(crate) fn name(&self, response: &mut Response) {
        openai::name_run(response, self.id);
        if let Some(cached) = &self.cached {
            cached.mark(response.headers_mut());
        }
    }
}

/// What is kept beside a run, in the transaction in which that is admitted, so that no end comes before it.
#[derive(Debug)]
pub(crate) enum Beside {
    /// The address that it names to be told of its end.
    Address(ends::Named),
    /// The job that it works on.
    Job(Box<runpod::Job>),
}

/// Starts a run, or finds the one that the same request started before.
pub(crate) async fn start(
    room: &Gateway,
    caller: &InferenceCaller,
    mut ask: Ask,
    repeat: Option<Repeat>,
    beside: Option<Beside>,
) -> Result<Begun, Error> {
    let tenant = caller.principal.tenant;
    if let Some(Beside::Address(named)) = &beside {
        named.judge(room, tenant).await?;
    }
    if repeat.is_none() && beside.is_none() {
        let (admitted, _) = begin(room, caller, ask).await?;
        return launched(room, admitted).await;
    }
    let mut tx = room.cx.db.begin(caller.principal.scope()).await?;
    let id: RunId = room.cx.ids.new_id();
    if let Some(repeat) = repeat
        && let Known::Before(run) = repeat.look(&mut tx, room, caller, id).await?
    {
        return Ok(run.into());
    }
    ask.id = Some(id);
    let admitted = admit(&mut tx, room, caller, ask).await?;
    match &beside {
        Some(Beside::Address(named)) => named.keep(&mut tx, tenant, id).await?,
        Some(Beside::Job(job)) => job.keep(&mut tx, room, tenant, id).await?,
        None => {}
    }
    tx.commit().await?;
    launched(room, admitted).await
}

/// Launches a run and waits until it is durable.
async fn launched(room: &Gateway, mut admitted: Admitted) -> Result<Begun, Error> {
    let id = admitted.id;
    let cached = recall(room, &mut admitted).await;
    let feed = set_off(room, admitted);
    feed.written().await?;
    Ok(Begun {
        id,
        feed: Some(feed),
        cached,
    })
}

/// Removes what the doors keep of a tenant that goes, in the caller's transaction.
pub(crate) async fn forget(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<()> {
    responses::forget(conn, tenant).await?;
    crate::batch::forget(conn, tenant).await?;
    crate::file::forget(conn, tenant).await?;
    ends::forget(conn, tenant).await?;
    runpod::forget(conn, tenant).await
}

/// Whether a caller wants no text kept beyond the run, which it can say at every door.
pub(crate) fn wants_no_trace(headers: &HeaderMap) -> bool {
    headers
        .get("x-noren-store")
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"false"))
}

/// How urgent a request is: as its body says, else its header. Nobody can make their own more urgent than others'.
pub(crate) fn priority(headers: &HeaderMap, body: Option<Priority>) -> Result<Priority, Error> {
    let said = headers.get("x-noren-priority");
    let said = said.map(|value| match value.as_bytes() {
        low if low.eq_ignore_ascii_case(b"low") => Ok(Priority::Low),
        normal if normal.eq_ignore_ascii_case(b"normal") => Ok(Priority::Normal),
        _ => Err(Error::PriorityInvalid),
    });
    Ok(body.or(said.transpose()?).unwrap_or_default())
}

/// The language that a caller asks for; programs that say nothing read English, as do those whose HTTP client says `*` for them.
pub(crate) fn lang(headers: &HeaderMap) -> Lang {
    headers
        .get("accept-language")
        .and_then(|value| value.to_str().ok())
        .filter(|said| !said.trim_start().starts_with('*'))
        .map_or(Lang::En, Lang::from_accept_language)
}
