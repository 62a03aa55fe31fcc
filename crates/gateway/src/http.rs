use std::time::Duration;

use api::{Accepted, Check, FieldErrors, Okay, PathId, Problem, Refusals, ValidJson, ValidQuery};
use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{
        IntoResponse, Response,
        sse::{KeepAlive, Sse},
    },
};
use futures::StreamExt;
use identity::InferenceCaller;
use kernel::Text;
use llm::{Message, Role};
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Ask, Error, Gateway, RunId, RunView, StartRun, cancel, door, get, repeat::Repeat, run,
};

/// The most characters of all messages together.
const LONGEST_CHAT: usize = 100_000;

/// The inference listener's routes.
pub fn router() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(start_run))
        .routes(routes!(get_run))
        .routes(routes!(get_run_result))
        .routes(routes!(get_run_events))
        .routes(routes!(cancel_run))
        .merge(door::router())
}

#[derive(Debug, Deserialize, Serialize, utoipa::ToSchema)]
struct NewInference {
    /// What for, such as `misaki.chat`; the plan decides which models that means.
    #[schema(min_length = 1, max_length = 50)]
    route: String,
    #[schema(min_items = 1, max_items = 200)]
    messages: Vec<ChatMessage>,
    #[schema(minimum = 1, maximum = 8192)]
    max_tokens: Option<u32>,
    /// The public name of a model that the plan has; the plan's own choice unless said.
    #[schema(min_length = 1, max_length = 200)]
    model: Option<String>,
}

#[derive(Debug, Deserialize, Serialize, utoipa::ToSchema)]
struct ChatMessage {
    role: ChatRole,
    content: String,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
enum ChatRole {
    System,
    User,
    Assistant,
}

impl Check for NewInference {
    fn check(&self, errors: &mut FieldErrors) {
        errors.length(&self.route, "/route", 1, 50);
        if let Some(model) = &self.model {
            errors.length(model, "/model", 1, 200);
        }
        errors.require(
            (1..=200).contains(&self.messages.len()),
            "/messages",
            "length",
            Text::new("1〜200件にしてください。", "Please send 1 to 200 messages."),
        );
        errors.require(
            self.messages
                .iter()
                .map(|message| message.content.len())
                .sum::<usize>()
                <= LONGEST_CHAT,
            "/messages",
            "length",
            Text::new("会話が長すぎます。", "The conversation is too long."),
        );
        errors.require(
            self.max_tokens
                .is_none_or(|most| (1..=8192).contains(&most)),
            "/max_tokens",
            "range",
            Text::new("1〜8192で指定してください。", "Please use 1 to 8192."),
        );
    }
}

/// Starts a run; it goes on whether or not anyone listens. With `Prefer: wait=n` the answer comes when the run has ended
/// or after n seconds, whichever is first; an `Idempotency-Key` names one run for a day, however often it is sent.
#[utoipa::path(post, path = "/inference", operation_id = "start_run", tag = "gateway", request_body = NewInference,
    security(("inference_token" = []), ("api_key" = []), ("access_token" = [])), responses((status = 202, body = RunView), Refusals))]
async fn start_run(
    State(room): State<Gateway>,
    caller: InferenceCaller,
    headers: HeaderMap,
    ValidJson(body): ValidJson<NewInference>,
) -> Result<Response, Error> {
    let said = serde_json::to_vec(&body)
        .map_err(|error| kernel::Fault::internal("a request can't be written down", error))?;
    let repeat = Repeat::of(&headers, &caller, "inference", &said)?;
    let messages = body
        .messages
        .into_iter()
        .map(|message| Message::new(message.role.into(), message.content))
        .collect();
    let start = StartRun {
        purpose: body.route,
        messages,
        max_tokens: body.max_tokens,
    };
    let ask = Ask {
        model: body.model,
        ..start.into()
    };
    let id = door::start(&room, &caller, ask, repeat).await?;
    if let Some(wait) = wait_wanted(&headers) {
        let _ = tokio::time::timeout(wait, door::collect(&room, &caller, id)).await;
    }
    let run = get(&room, caller.principal, id).await?;
    let location = format!("/inference/{id}");
    let mut response = if run.state.is_ended() {
        Okay(run).into_response()
    } else {
        let mut response = Accepted(run).into_response();
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        response
    };
    if let Ok(value) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    Ok(response)
}

/// How long a caller would wait (RFC 7240, section 4.3); at most a minute.
fn wait_wanted(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers
        .get_all("prefer")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split([',', ';']))
        .find_map(|part| part.trim().strip_prefix("wait="))?
        .trim_matches('"')
        .parse::<u64>()
        .ok()?;
    Some(Duration::from_secs(seconds.min(60)))
}

impl From<ChatRole> for Role {
    fn from(role: ChatRole) -> Self {
        match role {
            ChatRole::System => Self::System,
            ChatRole::User => Self::User,
            ChatRole::Assistant => Self::Assistant,
        }
    }
}

/// Tells where a run stands and what it has produced.
#[utoipa::path(get, path = "/inference/{run}", operation_id = "get_run", tag = "gateway", params(("run" = RunId, Path)),
    security(("inference_token" = []), ("api_key" = []), ("access_token" = [])), responses((status = 200, body = RunView), Refusals))]
async fn get_run(
    State(room): State<Gateway>,
    caller: InferenceCaller,
    PathId(id): PathId<RunId>,
) -> Result<Okay<RunView>, Error> {
    Ok(Okay(get(&room, caller.principal, id).await?))
}

/// What a run has produced: 202 while it is under way, 200 once it has ended well or was stopped, and the reason as a
/// refusal when it failed.
#[utoipa::path(get, path = "/inference/{run}/result", operation_id = "get_run_result", tag = "gateway", params(("run" = RunId, Path)),
    security(("inference_token" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 200, body = RunView), (status = 202, body = RunView), Refusals))]
async fn get_run_result(
    State(room): State<Gateway>,
    caller: InferenceCaller,
    PathId(id): PathId<RunId>,
) -> Result<Response, Problem> {
    let run = get(&room, caller.principal, id).await?;
    Ok(match run.state {
        crate::State::Queued | crate::State::Running => {
            let mut response = Accepted(run).into_response();
            let soon = HeaderValue::from_static("1");
            response.headers_mut().insert(header::RETRY_AFTER, soon);
            response
        }
        crate::State::Completed | crate::State::Cancelled => Okay(run).into_response(),
        crate::State::Failed => {
            return Err(door::failure(run.reason.as_deref().unwrap_or_default()));
        }
    })
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct Resume {
    /// The number of the last event that was seen; as the header `Last-Event-ID`.
    #[param(minimum = 0)]
    starting_after: Option<i32>,
}

impl Check for Resume {
    fn check(&self, errors: &mut FieldErrors) {
        errors.require(
            self.starting_after.is_none_or(|n| n >= 0),
            "?starting_after",
            "range",
            Text::new("0以上で指定してください。", "Please use 0 or more."),
        );
    }
}

/// Streams a run's numbered events: `started`, `delta` …, `ended`. Any number of readers may follow, from any event on.
#[utoipa::path(get, path = "/inference/{run}/events", operation_id = "stream_run", tag = "gateway",
    params(("run" = RunId, Path), Resume), security(("inference_token" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 200, content_type = "text/event-stream", body = String), Refusals))]
async fn get_run_events(
    State(room): State<Gateway>,
    caller: InferenceCaller,
    PathId(id): PathId<RunId>,
    ValidQuery(resume): ValidQuery<Resume>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let seen = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse().ok());
    let after = seen.or(resume.starting_after).unwrap_or(0);
    let identity = room.entitlement.identity.clone();
    let principal = caller.principal;
    let events = run::events(room, principal, id, after)
        .await?
        .take_until(Box::pin(caller.taken_back(identity)))
        .map(|event| {
            event.map(|event| {
                axum::response::sse::Event::default()
                    .id(event.seq.to_string())
                    .event(event.kind.as_str())
                    .data(event.data.to_string())
            })
        });
    let mut response = Sse::new(events)
        .keep_alive(
            KeepAlive::new()
                .interval(Duration::from_secs(15))
                .text("ping"),
        )
        .into_response();
    // a proxy that gathers events before passing them on would spoil the stream
    response
        .headers_mut()
        .insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// Asks a run to stop; one that has ended stays as it is.
#[utoipa::path(post, path = "/inference/{run}/cancel", operation_id = "cancel_run", tag = "gateway",
    params(("run" = RunId, Path)), security(("inference_token" = []), ("api_key" = []), ("access_token" = [])), responses((status = 200, body = RunView), Refusals))]
async fn cancel_run(
    State(room): State<Gateway>,
    caller: InferenceCaller,
    PathId(id): PathId<RunId>,
) -> Result<Okay<RunView>, Error> {
    Ok(Okay(cancel(&room, caller.principal, id).await?))
}
