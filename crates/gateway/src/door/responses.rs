mod store;

use std::{
    collections::{HashMap, hash_map::Entry},
    time::Duration,
};

use axum::{
    extract::{Path, Request, State},
    http::StatusCode,
    response::Response,
};
use identity::{InferenceCaller, Principal, TenantId};
use kernel::Lang;
use llm::{
    ChatAnswer, Face, Message, Refusal, Role, StreamEvent, Usage,
    openai::door::{
        ResponseCard, ResponseState, ResponseWriter, SaidBefore, read_references, read_response,
        said_in,
    },
};
use serde_json::{Value, json};
use sqlx::PgConnection;
use tokio::time::timeout;

use super::{
    Visit, collect, sse,
    tell::{Write, so_far},
    unless_gone,
    visit::DISCONNECT,
    wants_no_trace,
};
use crate::{
    Error, Gateway, RunId, State as RunState, cancel,
    dialect::{self, Dialect, Turned, VendorRefusals, lang},
    failure::failure,
};
use store::Kept;

const DIALECT: Dialect = Dialect::OpenAi;
/// How long a run that is stopped may take to end before it is shown as it is.
const STOP: Duration = Duration::from_secs(3);
/// The most earlier responses whose items one request may name.
const MOST_NAMED: usize = 500;

/// Answers in OpenAI's Responses protocol: whole, as a stream, or in the background. `previous_response_id` goes on from a response
/// that was kept; what was said before is read and billed again.
#[utoipa::path(post, path = "/v1/responses", operation_id = "create_response", tag = "openai",
    request_body = serde_json::Value,
    params(("x-noren-cache" = Option<String>, Header, description = "`on`, `read`, `write` or `off`, with `; max-age=SECONDS` where wanted: whether an answer that this tenant was given before will do, and this one may be given again. The answer says `hit` or `miss`; a hit is free."),
           ("x-noren-disconnect" = Option<String>, Header, description = DISCONNECT)),
    security(("api_key" = []), ("inference_token" = []), ("access_token" = [])),
    responses((status = 200, body = serde_json::Value), VendorRefusals))]
pub(super) async fn create_response(State(room): State<Gateway>, request: Request) -> Response {
    let lang = lang(request.headers());
    let answered = async {
        let mut visit = Visit::begin(&room, request, DIALECT).await?;
        let before = said_in_items(&room, &visit.caller, &visit.body).await?;
        let mut asked = read_response(&visit.body, &before)?;
        if let Some(previous) = &asked.card.previous {
            let before = said_before(&room, &visit.caller, previous).await?;
            asked.follow(before)?;
        }
        let (model, streams) = (asked.request.model.clone(), asked.request.stream);
        let said = (asked.card.store && !wants_no_trace(&visit.headers))
            .then(|| asked.conversation().to_vec());
        visit.may_wait = asked.may_wait;
        let begun = visit
            .start(&room, Some(model.clone()), asked.request)
            .await?;
        let id = begun.id;
        let kept = Kept {
            model,
            card: asked.card,
            created_at: room.cx.clock.now(),
            conversation: said,
        };
        let kept = keep(&room, visit.caller.principal, id, kept).await?;
        let in_background = kept.card.background;
        let mut response = if streams {
            let aborts = visit.aborts() && !in_background;
            let write = Responses::new(id, kept, lang);
            // what goes on in the background is begun by its answer, however it ends
            let run = if in_background {
                id.into()
            } else {
                begun.clone()
            };
            sse(&room, visit.caller, run, 0, aborts, write).await?
        } else {
            if !in_background {
                let answer = collect(&room, visit.caller.principal, id);
                unless_gone(&room, [id], visit.gone(), answer).await?;
            }
            show(&room, &visit.caller, id, kept, lang).await?
        };
        begun.name(&mut response);
        Ok(response)
    };
    DIALECT.answer(answered.await, lang)
}

/// Shows a response that was kept, as it stands; with `?stream=true` as the events after number `starting_after`.
#[utoipa::path(get, path = "/v1/responses/{response}", operation_id = "get_response", tag = "openai",
    params(("response" = String, Path), ("stream" = Option<bool>, Query), ("starting_after" = Option<u64>, Query)),
    security(("api_key" = []), ("inference_token" = []), ("access_token" = [])),
    responses((status = 200, body = serde_json::Value), VendorRefusals))]
pub(super) async fn get_response(
    State(room): State<Gateway>,
    Path(response): Path<String>,
    request: Request,
) -> Response {
    let lang = lang(request.headers());
    let shown = async {
        let wish = Wish::of(request.uri().query().unwrap_or_default())?;
        let visit = Visit::begin(&room, request, DIALECT).await?;
        let (id, kept) = find(&room, &visit.caller, &response).await?;
        if !wish.streams {
            return show(&room, &visit.caller, id, kept, lang).await;
        }
        let mut write = Responses::new(id, kept, lang);
        write.after = wish.after;
        sse(&room, visit.caller, id, 0, false, write).await
    };
    DIALECT.answer(shown.await, lang)
}

/// Stops a response that is made in the background; one that has ended stays as it is.
#[utoipa::path(post, path = "/v1/responses/{response}/cancel", operation_id = "cancel_response", tag = "openai",
    params(("response" = String, Path)), security(("api_key" = []), ("inference_token" = []), ("access_token" = [])),
    responses((status = 200, body = serde_json::Value), VendorRefusals))]
pub(super) async fn cancel_response(
    State(room): State<Gateway>,
    Path(response): Path<String>,
    request: Request,
) -> Response {
    let lang = lang(request.headers());
    let cancelled = async {
        let visit = Visit::begin(&room, request, DIALECT).await?;
        let (id, kept) = find(&room, &visit.caller, &response).await?;
        if !kept.card.background {
            let message = "Only a response that is made in the background can be cancelled.";
            return Err(Refusal::at("/response", message).into());
        }
        stop(&room, &visit.caller, id).await?;
        show(&room, &visit.caller, id, kept, lang).await
    };
    DIALECT.answer(cancelled.await, lang)
}

/// Deletes a response and what was said in it; what it cost stays. One under way is stopped.
#[utoipa::path(delete, path = "/v1/responses/{response}", operation_id = "delete_response", tag = "openai",
    params(("response" = String, Path)), security(("api_key" = []), ("inference_token" = []), ("access_token" = [])),
    responses((status = 200, body = serde_json::Value), VendorRefusals))]
pub(super) async fn delete_response(
    State(room): State<Gateway>,
    Path(response): Path<String>,
    request: Request,
) -> Response {
    let lang = lang(request.headers());
    let deleted = async {
        let visit = Visit::begin(&room, request, DIALECT).await?;
        let (id, _) = find(&room, &visit.caller, &response).await?;
        stop(&room, &visit.caller, id).await?;
        let mut tx = room.cx.db.begin(visit.caller.principal.scope()).await?;
        store::delete(&mut tx, id).await?;
        tx.commit().await?;
        let body = json!({"id": response, "object": "response", "deleted": true});
        Ok(dialect::json(StatusCode::OK, &body))
    };
    DIALECT.answer(deleted.await, lang)
}

/// Removes what is kept of a tenant that goes, in the caller's transaction.
pub(crate) async fn forget(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<()> {
    store::delete_all(conn, tenant).await
}

/// Asks a run to stop and gives it a moment to end.
async fn stop(room: &Gateway, caller: &InferenceCaller, id: RunId) -> Result<(), Turned> {
    cancel(room, caller.principal, id).await?;
    let _ = timeout(STOP, collect(room, caller.principal, id)).await;
    Ok(())
}

/// What a caller wants to see of a response.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wish {
    streams: bool,
    after: Option<u64>,
}

impl Wish {
    fn of(query: &str) -> Result<Self, Turned> {
        let mut wish = Self::default();
        for part in query.split('&') {
            match part.split_once('=') {
                Some(("stream", "true")) => wish.streams = true,
                Some(("stream", "false")) => wish.streams = false,
                Some(("stream", _)) => {
                    return Err(Refusal::at("/stream", "This has to be true or false.").into());
                }
                Some(("starting_after", number)) => {
                    let wrong = |_| {
                        Refusal::at("/starting_after", "This has to be the number of an event.")
                    };
                    wish.after = Some(number.parse().map_err(wrong)?);
                }
                _ => {}
            }
        }
        if wish.after.is_some() && !wish.streams {
            return Err(Refusal::at("/starting_after", "This is for stream=true.").into());
        }
        Ok(wish)
    }
}

/// Keeps what is to be repeated, unless the caller wants nothing kept.
async fn keep(room: &Gateway, caller: Principal, id: RunId, kept: Kept) -> Result<Kept, Turned> {
    if !kept.card.store {
        return Ok(kept);
    }
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    let vault = room.identity.vault();
    store::insert(&mut tx, vault, (caller.tenant, caller.key), id, &kept).await?;
    // the same request again is told what the first was
    let first = store::find(&mut tx, vault, id).await?;
    tx.commit().await?;
    Ok(first.unwrap_or(kept))
}

async fn find(
    room: &Gateway,
    caller: &InferenceCaller,
    response: &str,
) -> Result<(RunId, Kept), Turned> {
    let id = named(response)?;
    let mut tx = room.cx.db.begin(caller.principal.scope()).await?;
    let kept = store::find(&mut tx, room.identity.vault(), id)
        .await?
        .ok_or(Error::RunNotFound)?;
    tx.commit().await?;
    Ok((id, kept))
}

/// What was said up to a response, and the response. Its instructions are not part of it: each request brings its own.
///
/// Source: <https://platform.openai.com/docs/api-reference/responses/create#responses-create-previous_response_id>.
async fn said_before(
    room: &Gateway,
    caller: &InferenceCaller,
    response: &str,
) -> Result<Vec<Message>, Turned> {
    let place = "/previous_response_id";
    let unknown = || {
        let message =
            "This response is not known: it was not stored, or what was said in it is gone.";
        Turned::from(Refusal::at(place, message).coded("previous_response_not_found"))
    };
    let id = named(response).map_err(|_| unknown())?;
    let mut tx = room.cx.db.begin(caller.principal.scope()).await?;
    let kept = store::find(&mut tx, room.identity.vault(), id).await?;
    tx.commit().await?;
    let mut messages = kept
        .and_then(|kept| kept.conversation)
        .ok_or_else(unknown)?;
    let (run, said) = so_far(room, caller.principal, id).await?;
    if run.state != RunState::Completed {
        return Err(Refusal::at(place, "This response has not been completed.").into());
    }
    messages.push(Message {
        role: Role::Assistant,
        parts: said.parts(),
    });
    Ok(messages)
}

/// What the items said that a request names in the place of their words; those that are not known are left out.
async fn said_in_items(
    room: &Gateway,
    caller: &InferenceCaller,
    body: &[u8],
) -> Result<SaidBefore, Turned> {
    let ids = read_references(body)?;
    let mut answers: HashMap<RunId, Option<ChatAnswer>> = HashMap::new();
    let mut known = SaidBefore::new();
    for id in ids {
        let run = id
            .split('_')
            .nth(1)
            .map(|run| named(&format!("resp_{run}")));
        let Some(Ok(run)) = run else { continue };
        let full = answers.len() >= MOST_NAMED;
        let answer = match answers.entry(run) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(_) if full => {
                let message = format!("This names items of more than {MOST_NAMED} responses.");
                return Err(Refusal::at("/input", message).into());
            }
            Entry::Vacant(place) => place.insert(kept_answer(room, caller, run).await?),
        };
        if let Some(said) = answer.as_ref().and_then(|answer| said_in(&id, answer)) {
            known.insert(id, said);
        }
    }
    Ok(known)
}

/// What a response said, where that is kept.
async fn kept_answer(
    room: &Gateway,
    caller: &InferenceCaller,
    run: RunId,
) -> Result<Option<ChatAnswer>, Turned> {
    let mut tx = room.cx.db.begin(caller.principal.scope()).await?;
    let kept = store::find(&mut tx, room.identity.vault(), run).await?;
    tx.commit().await?;
    if kept.and_then(|kept| kept.conversation).is_none() {
        return Ok(None);
    }
    let (_, said) = so_far(room, caller.principal, run).await?;
    Ok(Some(said))
}

/// A response's id is its run's behind another prefix.
fn named(response: &str) -> Result<RunId, Error> {
    let digits = response.strip_prefix("resp_").ok_or(Error::RunNotFound)?;
    format!("run_{digits}")
        .parse()
        .map_err(|_| Error::RunNotFound)
}

fn writer(id: RunId, kept: Kept) -> ResponseWriter {
    let face = Face {
        id: format!("resp_{}", id.0.simple()),
        model: kept.model,
        created: kept.created_at.timestamp(),
    };
    ResponseWriter::new(face, kept.card)
}

/// Keeps a response that was made without a visit, and writes it as it stands.
pub(crate) async fn kept_body(
    room: &Gateway,
    caller: Principal,
    id: RunId,
    (model, card): (String, ResponseCard),
    lang: Lang,
) -> Result<Value, Turned> {
    let kept = Kept {
        model,
        card,
        created_at: room.cx.clock.now(),
        // nothing goes on from a line of a batch
        conversation: None,
    };
    let kept = keep(room, caller, id, kept).await?;
    body(room, caller, id, kept, lang).await
}

/// Writes a response as it stands.
async fn show(
    room: &Gateway,
    caller: &InferenceCaller,
    id: RunId,
    kept: Kept,
    lang: Lang,
) -> Result<Response, Turned> {
    let body = body(room, caller.principal, id, kept, lang).await?;
    Ok(dialect::json(StatusCode::OK, &body))
}

async fn body(
    room: &Gateway,
    caller: Principal,
    id: RunId,
    kept: Kept,
    lang: Lang,
) -> Result<Value, Turned> {
    let (run, said) = so_far(room, caller, id).await?;
    let state = match run.state {
        RunState::Queued => ResponseState::Queued,
        RunState::Running => ResponseState::InProgress,
        RunState::Completed => ResponseState::of(said.finish),
        RunState::Cancelled => ResponseState::Cancelled,
        RunState::Failed => ResponseState::Failed,
    };
    let reason = run
        .reason
        .as_deref()
        .filter(|_| run.state == RunState::Failed);
    let error = reason.map(|reason| in_its_words(failure(reason).into(), lang));
    Ok(writer(id, kept).body(state, Some(&said), error.as_ref()))
}

/// A failure in the protocol's own codes, of which its clients know no other; ours follows the message.
///
/// Source: `ResponseErrorCode` in <https://platform.openai.com/docs/api-reference/responses/object>.
fn in_its_words(turned: Turned, lang: Lang) -> Refusal {
    let mut refusal = turned.into_refusal(lang);
    let ours = refusal.code.take().unwrap_or_default();
    let code = match ours.as_str() {
        "upstream_busy" | "line_full" => "rate_limit_exceeded",
        "upstream_refused" => "invalid_prompt",
        _ => "server_error",
    };
    if !ours.is_empty() {
        refusal.message = format!("{} ({ours})", refusal.message);
    }
    refusal.coded(code)
}

struct Responses {
    writer: ResponseWriter,
    lang: Lang,
    /// The number of the last event that the reader has.
    after: Option<u64>,
}

impl Responses {
    fn new(id: RunId, kept: Kept, lang: Lang) -> Self {
        Self {
            writer: writer(id, kept),
            lang,
            after: None,
        }
    }

    fn news(&self, events: Vec<(u64, String)>) -> String {
        let is_new = |number| self.after.is_none_or(|after| number > after);
        let events = events.into_iter().filter(|(number, _)| is_new(*number));
        events.map(|(_, text)| text).collect()
    }
}

impl Write for Responses {
    fn begin(&mut self) -> String {
        let events = self.writer.start(ResponseState::InProgress);
        self.news(events)
    }

    fn said(&mut self, event: &StreamEvent) -> String {
        let events = self.writer.event(event);
        self.news(events)
    }

    fn stopped(&mut self, usage: Usage) -> String {
        let mut events = self.writer.event(&StreamEvent::Usage(usage));
        let refusal = Turned::from(failure("stopped")).into_refusal(self.lang);
        events.extend(self.writer.fail(ResponseState::Cancelled, &refusal));
        self.news(events)
    }

    fn failed(&mut self, turned: Turned) -> String {
        let refusal = in_its_words(turned, self.lang);
        let events = self.writer.fail(ResponseState::Failed, &refusal);
        self.news(events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_read_or_refused() {
        let read = |query| Wish::of(query).ok();
        let wish = |streams, after| Some(Wish { streams, after });
        assert_eq!(read(""), wish(false, None));
        assert_eq!(read("stream=true&include=a"), wish(true, None));
        assert_eq!(read("stream=true&starting_after=7"), wish(true, Some(7)));
        for wrong in [
            "stream=1",
            "starting_after=7",
            "stream=true&starting_after=-1",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_failure_is_told_in_the_codes_that_the_protocol_has() {
        for (reason, code) in [
            ("upstream_busy", "rate_limit_exceeded"),
            ("line_full", "rate_limit_exceeded"),
            ("upstream_refused", "invalid_prompt"),
            ("upstream_failed", "server_error"),
            ("node_lost", "server_error"),
        ] {
            let told = in_its_words(failure(reason).into(), Lang::En);
            assert_eq!(told.code.as_deref(), Some(code), "{reason}");
            assert!(told.message.ends_with(&format!(". ({reason})")), "{told}");
        }
    }

    #[test]
    fn only_an_id_of_a_response_names_one() {
        let id = RunId(uuid::Uuid::from_u128(7));
        assert_eq!(named(&format!("resp_{}", id.0.simple())).unwrap(), id);
        for other in [
            "",
            "resp_",
            "run_00000000000000000000000000000007",
            "resp_x",
        ] {
            assert!(named(other).is_err(), "{other}");
        }
    }
}
