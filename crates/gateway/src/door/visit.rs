use std::{future::pending, sync::Arc};

use api::HungUp;
use axum::{
    body::Bytes,
    extract::{FromRequestParts, Request},
    http::{HeaderMap, HeaderValue},
    response::Response,
};
use identity::InferenceCaller;
use llm::{ChatRequest, Refusal};

use super::runpod::Job;
use crate::{
    Admitted, Ask, CacheUse, Cached, DataPolicy, Error, Gateway, Priority, RunId, Terms, admit,
    begin,
    dialect::{Dialect, Turned},
    recall,
    repeat::{Known, Repeat},
    run::{Feed, Named, begin_later, set_off},
};

/// The largest body of a door, in bytes: pictures travel inside.
const BODY_LIMIT: usize = 20 * 1024 * 1024;
/// The most tokens that one answer may be asked for: as many as the longest answers of today's models have, since clients ask for
/// all of them by a model's name.
const MOST_TOKENS: u32 = 131_072;

/// A request at a door whose caller is known.
pub(crate) struct Visit {
    pub(crate) caller: InferenceCaller,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) dialect: Dialect,
    hung_up: HungUp,
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
        let Ok(hung_up) = HungUp::from_request_parts(&mut parts, room).await;
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
            hung_up,
            may_wait: false,
        })
    }

    /// What the caller's chats are counted as.
    pub(crate) fn purpose(&self, what: &str) -> String {
        format!("{}.{what}", self.caller.storefront)
    }

    /// Whether the run is to stop when this caller hangs up.
    pub(crate) fn aborts(&self) -> bool {
        aborts(&self.headers)
    }

    /// Ends when this caller has hung up and wants its runs to stop then.
    pub(crate) async fn gone(&self) {
        gone(&self.headers, &self.hung_up).await;
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

    pub(super) fn asked(&self, model: Option<String>, request: ChatRequest) -> Result<Ask, Error> {
        Ok(Ask {
            purpose: self.purpose("chat"),
            model,
            request,
            id: None,
            terms: self.terms()?,
        })
    }

    /// What a run that is started here is noted as.
    pub(super) fn terms(&self) -> Result<Terms, Error> {
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
    pub(super) feed: Option<Arc<Feed>>,
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
        name_run(response, self.id);
        if let Some(cached) = &self.cached {
            cached.mark(response.headers_mut());
        }
    }
}

/// What is kept beside a run, in the transaction in which that is admitted, so that no end comes before it.
#[derive(Debug)]
pub(crate) enum Beside {
    /// The address that it names to be told of its end.
    Address(Named),
    /// The job that it works on.
    Job(Box<Job>),
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
pub(super) async fn launched(room: &Gateway, mut admitted: Admitted) -> Result<Begun, Error> {
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

/// What `X-Noren-Disconnect` means, as the doors' descriptions tell it.
pub(super) const DISCONNECT: &str = "`abort`: whoever hangs up before the answer's end stops it, and pays what was said by then. Unless said it goes on to its end and is billed whole; `GET /inference/{run}/result` has it, by the id that `X-Noren-Run` tells.";

/// Whether a caller wants a run to stop when it hangs up.
fn aborts(headers: &HeaderMap) -> bool {
    headers
        .get("x-noren-disconnect")
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"abort"))
}

/// Ends when a caller has hung up that wants its runs to stop then; never for others.
pub(super) async fn gone(headers: &HeaderMap, hung_up: &HungUp) {
    if !aborts(headers) {
        return pending().await;
    }
    hung_up.wait().await;
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

/// Names the run, which every other door can read.
pub(super) fn name_run(response: &mut Response, id: impl std::fmt::Display) {
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert("x-noren-run", value);
    }
}
