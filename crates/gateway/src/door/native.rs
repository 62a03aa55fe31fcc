//! The house's own door: a run is started at once and asked for later, waited for, or followed.

use std::time::Duration;

use api::{Accepted, Check, FieldErrors, HungUp, Okay, PathId, Refusals, ValidJson, ValidQuery};
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
use kernel::{NanoUsd, Text};
use llm::{ChatRequest, openai::door::read_chat};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    Beside, collect, priority, unless_gone,
    visit::{gone, start},
    wants_no_trace,
};
use crate::{
    Ask, CacheUse, DataPolicy, Error, Gateway, InferenceView, Priority, RunId, Terms, cancel,
    dialect::NATIVE,
    repeat::Repeat,
    run::{self, EVENTS, InferenceResult, Named, Quote, quote, result, view},
};

/// The most characters of all messages together.
const LONGEST_CHAT: usize = 100_000;
const MOST_TAGS: usize = 10;
const LONGEST_TAG: usize = 50;
/// No run takes longer than that, whatever it is told.
const LONGEST_DEADLINE: u64 = 600;

#[derive(Debug, Deserialize, Serialize, utoipa::ToSchema)]
pub(super) struct NewInference {
    /// What for, such as `misaki.chat`; the chats of the caller's own storefront unless said. The plan decides which models
    /// that means.
    #[schema(min_length = 1, max_length = 50)]
    route: Option<String>,
    /// The public name of a model that the plan has; the plan's own choice unless said.
    #[schema(min_length = 1, max_length = 200)]
    model: Option<String>,
    /// A single message of the user's; instead of `messages`.
    #[schema(min_length = 1, max_length = 100_000)]
    prompt: Option<String>,
    #[schema(min_items = 1, max_items = 200)]
    messages: Option<Vec<ChatMessage>>,
    /// What the model is told before everything else.
    #[schema(max_length = 100_000)]
    system: Option<String>,
    #[schema(minimum = 1, maximum = 8192)]
    max_tokens: Option<u32>,
    #[schema(minimum = 0, maximum = 2)]
    temperature: Option<f64>,
    #[schema(minimum = 0, maximum = 1)]
    top_p: Option<f64>,
    /// Where the answer has to stop.
    #[schema(max_items = 16)]
    stop: Option<Vec<String>>,
    /// Makes an answer repeatable where the provider can.
    seed: Option<i64>,
    /// As OpenAI has it: `{"type": "json_object"}` or `{"type": "json_schema", …}`.
    #[schema(value_type = Option<Object>)]
    response_format: Option<Value>,
    /// As OpenAI has them: `[{"type": "function", "function": {…}}]`.
    #[schema(value_type = Option<Vec<Object>>, max_items = 128)]
    tools: Option<Vec<Value>>,
    /// As OpenAI has it: `auto`, `none`, `required` or a function.
    #[schema(value_type = Option<Object>)]
    tool_choice: Option<Value>,
    /// The run ends as failed when it takes longer.
    #[schema(minimum = 1, maximum = 600)]
    deadline_seconds: Option<u64>,
    /// The most that it may cost, in billionths of a US dollar. An answer of open length is cut to what that allows.
    #[schema(minimum = 0)]
    max_cost_nano_usd: Option<i64>,
    /// `false`: what is asked is not kept, and what is answered only for a minute after the end.
    store: Option<bool>,
    /// `low`: others may go first where a model takes only so many at once. As the header `X-Noren-Priority`.
    priority: Option<AskedPriority>,
    /// An https address on the public internet that is told of the end: signed as Standard Webhooks says, with the secret of
    /// `POST /hooks/runs/secret`, and tried again for a day. What was asked and answered is not told.
    #[schema(min_length = 1, max_length = 2000)]
    webhook: Option<String>,
    /// Which ends it is told of: `run.completed`, `run.failed` (stopped ones, too); both unless said.
    #[schema(max_items = 2)]
    webhook_events_filter: Option<Vec<String>>,
    /// Words by which the caller sorts its usage.
    #[schema(max_items = 10)]
    tags: Option<Vec<String>>,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
enum AskedPriority {
    Normal,
    Low,
}

impl From<AskedPriority> for Priority {
    fn from(asked: AskedPriority) -> Self {
        match asked {
            AskedPriority::Normal => Self::Normal,
            AskedPriority::Low => Self::Low,
        }
    }
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
        if let Some(route) = &self.route {
            errors.length(route, "/route", 1, 50);
        }
        if let Some(model) = &self.model {
            errors.length(model, "/model", 1, 200);
        }
        errors.require(
            self.prompt.is_some() != self.messages.is_some(),
            if self.prompt.is_some() {
                "/prompt"
            } else {
                "/messages"
            },
            "required",
            Text::new(
                "promptかmessagesのどちらか一方を指定してください。",
                "Please send either prompt or messages.",
            ),
        );
        if let Some(prompt) = &self.prompt {
            errors.length(prompt, "/prompt", 1, LONGEST_CHAT);
        }
        if let Some(messages) = &self.messages {
            errors.require(
                (1..=200).contains(&messages.len()),
                "/messages",
                "length",
                Text::new("1〜200件にしてください。", "Please send 1 to 200 messages."),
            );
        }
        let said = self.messages.iter().flatten().map(|one| one.content.len());
        let system = self.system.as_deref().unwrap_or_default().len();
        errors.require(
            said.sum::<usize>() + system <= LONGEST_CHAT,
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
        errors.require(
            self.deadline_seconds
                .is_none_or(|seconds| (1..=LONGEST_DEADLINE).contains(&seconds)),
            "/deadline_seconds",
            "range",
            Text::new("1〜600で指定してください。", "Please use 1 to 600."),
        );
        errors.require(
            self.max_cost_nano_usd.is_none_or(|most| most >= 0),
            "/max_cost_nano_usd",
            "range",
            Text::new("0以上で指定してください。", "Please use 0 or more."),
        );
        self.check_webhook(errors);
        let tags = self.tags.as_deref().unwrap_or_default();
        let is_good = |tag: &String| {
            (1..=LONGEST_TAG).contains(&tag.chars().count()) && !tag.chars().any(char::is_control)
        };
        errors.require(
            tags.len() <= MOST_TAGS && tags.iter().all(is_good),
            "/tags",
            "length",
            Text::new(
                "タグは10個まで、それぞれ1〜50文字にしてください。",
                "Please use up to 10 tags of 1 to 50 characters each.",
            ),
        );
    }
}

impl NewInference {
    fn check_webhook(&self, errors: &mut FieldErrors) {
        if let Some(url) = &self.webhook {
            errors.length(url, "/webhook", 1, 2000);
        }
        let filter = self.webhook_events_filter.as_deref().unwrap_or_default();
        let is_known = |name: &String| EVENTS.iter().any(|event| event.as_str() == name);
        errors.require(
            filter.len() <= EVENTS.len() && filter.iter().all(is_known),
            "/webhook_events_filter",
            "event_type",
            Text::new(
                "run.completedとrun.failedから選んでください。",
                "Please choose of run.completed and run.failed.",
            ),
        );
        errors.require(
            self.webhook.is_some() || self.webhook_events_filter.is_none(),
            "/webhook",
            "required",
            Text::new(
                "知らせる先を指定してください。",
                "Please say where to tell it.",
            ),
        );
    }

    fn named(&mut self) -> Option<Named> {
        Some(Named {
            url: self.webhook.take()?,
            events: self.webhook_events_filter.take().unwrap_or_default(),
        })
    }

    /// What is asked of a model. The rules for what a request may say are those of the door that speaks OpenAI's protocol.
    fn request(&self) -> Result<ChatRequest, Error> {
        let mut messages = Vec::new();
        if let Some(system) = &self.system {
            messages.push(json!({ "role": "system", "content": system }));
        }
        if let Some(prompt) = &self.prompt {
            messages.push(json!({ "role": "user", "content": prompt }));
        }
        for message in self.messages.iter().flatten() {
            messages.push(json!({ "role": message.role, "content": message.content }));
        }
        let mut body = Map::from_iter([
            ("model".to_owned(), "asked for beside the request".into()),
            ("messages".to_owned(), Value::Array(messages)),
        ]);
        let more = [
            ("max_tokens", self.max_tokens.map(Value::from)),
            ("temperature", self.temperature.map(Value::from)),
            ("top_p", self.top_p.map(Value::from)),
            ("stop", self.stop.clone().map(Value::from)),
            ("seed", self.seed.map(Value::from)),
            ("response_format", self.response_format.clone()),
            ("tools", self.tools.clone().map(Value::from)),
            ("tool_choice", self.tool_choice.clone()),
        ];
        for (name, value) in more {
            if let Some(value) = value {
                body.insert(name.to_owned(), value);
            }
        }
        let asked = read_chat(Value::Object(body).to_string().as_bytes());
        Ok(asked.map_err(Error::BadRequest)?.request)
    }

    fn ask(self, caller: &InferenceCaller, headers: &HeaderMap) -> Result<Ask, Error> {
        let request = self.request()?;
        let mut tags = self.tags.unwrap_or_default();
        tags.sort_unstable();
        tags.dedup();
        Ok(Ask {
            purpose: self
                .route
                .unwrap_or_else(|| format!("{}.chat", caller.storefront)),
            model: self.model,
            request,
            id: None,
            terms: Terms {
                door: NATIVE,
                is_shown: true,
                is_stored: self.store.unwrap_or(!wants_no_trace(headers)),
                tags,
                deadline: self.deadline_seconds.map(Duration::from_secs),
                max_cost: self.max_cost_nano_usd.map(NanoUsd),
                cache: CacheUse::of(headers)?,
                small_talk: Vec::new(),
                judge: None,
                policy: DataPolicy::of(headers)?,
                priority: priority(headers, self.priority.map(Priority::from))?,
            },
        })
    }
}

/// Starts a run; it is durable before the answer, and goes on whether or not anyone listens unless that is asked for. With `Prefer: wait=n` the result
/// comes when the run has ended, or where it stands after n seconds, whichever is first; an `Idempotency-Key` names one run for
/// a day, however often it is sent; after one that failed without a word, for what may pass, it names the next.
#[utoipa::path(post, path = "/inference", operation_id = "start_inference", tag = "inference", request_body = NewInference,
    params(("prefer" = Option<String>, Header, description = "`wait=n`: how many seconds to wait for the end, 60 at most."),
           ("x-noren-disconnect" = Option<String>, Header, description = "`abort`: whoever hangs up while it waits stops the run, and pays what was said by then. Unless said it goes on to its end and is billed whole."),
           ("x-noren-priority" = Option<String>, Header, description = "`low`: others may go first where a model takes only so many at once."),
           ("x-noren-providers" = Option<String>, Header, description = "Names of providers with commas between: no other is asked."),
           ("x-noren-regions" = Option<String>, Header, description = "Regions with commas between, such as `ap-northeast-1` or `eu`: what is nowhere else is asked, and a provider that says no region is not."),
           ("x-noren-cache" = Option<String>, Header, description = "`on`, `read`, `write` or `off`, with `; max-age=SECONDS` where wanted: whether an answer that this tenant was given before will do, and this one may be given again. The answer says `hit` or `miss`; a hit is free.")),
    security(("inference_token" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 200, description = "It has ended within the time that the caller would wait.", body = InferenceResult),
              (status = 202, description = "It is under way; `Location` says where to ask.", body = InferenceView), Refusals))]
pub(super) async fn start_inference(
    State(room): State<Gateway>,
    caller: InferenceCaller,
    hung_up: HungUp,
    headers: HeaderMap,
    ValidJson(mut body): ValidJson<NewInference>,
) -> Result<Response, Error> {
    let said = serde_json::to_vec(&body)
        .map_err(|error| kernel::Fault::internal("a request can't be written down", error))?;
    let repeat = Repeat::of(&headers, &caller, "inference", &said)?;
    let named = body.named();
    let ask = body.ask(&caller, &headers)?;
    let beside = named.map(Beside::Address);
    let begun = start(&room, &caller, ask, repeat, beside).await?;
    let id = begun.id;
    let mut response = match wait_wanted(&headers) {
        None => accepted(view(&room, caller.principal, id).await?),
        Some(wait) => {
            // whatever the end is, the run tells it below
            let wait = tokio::time::timeout(wait, collect(&room, caller.principal, id));
            let _ = unless_gone(&room, [id], gone(&headers, &hung_up), wait).await;
            match result(&room, caller.principal, id).await {
                Ok(found) => shown(found),
                Err(error) => error.into_response(),
            }
        }
    };
    if let Ok(value) = HeaderValue::from_str(&format!("/inference/{id}")) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    begun.name(&mut response);
    Ok(response)
}

fn accepted(inference: InferenceView) -> Response {
    let mut response = Accepted(inference).into_response();
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

fn shown((inference, result): (InferenceView, Option<InferenceResult>)) -> Response {
    match result {
        Some(result) => Okay(result).into_response(),
        None => accepted(inference),
    }
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

/// Tells what a request would cost at most, without starting it or setting anything aside.
#[utoipa::path(post, path = "/inference/quote", operation_id = "quote_inference", tag = "inference", request_body = NewInference,
    security(("inference_token" = []), ("api_key" = []), ("access_token" = [])), responses((status = 200, body = Quote), Refusals))]
pub(super) async fn quote_inference(
    State(room): State<Gateway>,
    caller: InferenceCaller,
    headers: HeaderMap,
    ValidJson(body): ValidJson<NewInference>,
) -> Result<Okay<Quote>, Error> {
    let ask = body.ask(&caller, &headers)?;
    Ok(Okay(quote(&room, &caller, &ask).await?))
}

/// Tells where a run stands.
#[utoipa::path(get, path = "/inference/{run}", operation_id = "get_inference", tag = "inference", params(("run" = RunId, Path)),
    security(("inference_token" = []), ("api_key" = []), ("access_token" = [])), responses((status = 200, body = InferenceView), Refusals))]
pub(super) async fn get_inference(
    State(room): State<Gateway>,
    caller: InferenceCaller,
    PathId(id): PathId<RunId>,
) -> Result<Okay<InferenceView>, Error> {
    Ok(Okay(view(&room, caller.principal, id).await?))
}

/// What a run has come to: 202 while it is under way, 200 once it has ended well or was stopped, 410 after what it said was
/// deleted, and the reason as a refusal when it failed.
#[utoipa::path(get, path = "/inference/{run}/result", operation_id = "get_inference_result", tag = "inference",
    params(("run" = RunId, Path)), security(("inference_token" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 200, body = InferenceResult), (status = 202, body = InferenceView), Refusals))]
pub(super) async fn get_inference_result(
    State(room): State<Gateway>,
    caller: InferenceCaller,
    PathId(id): PathId<RunId>,
) -> Result<Response, Error> {
    Ok(shown(result(&room, caller.principal, id).await?))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Resume {
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
#[utoipa::path(get, path = "/inference/{run}/events", operation_id = "get_inference_events", tag = "inference",
    params(("run" = RunId, Path), Resume), security(("inference_token" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 200, content_type = "text/event-stream", body = String), Refusals))]
pub(super) async fn get_inference_events(
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
#[utoipa::path(post, path = "/inference/{run}/cancel", operation_id = "cancel_inference", tag = "inference",
    params(("run" = RunId, Path)), security(("inference_token" = []), ("api_key" = []), ("access_token" = [])), responses((status = 200, body = InferenceView), Refusals))]
pub(super) async fn cancel_inference(
    State(room): State<Gateway>,
    caller: InferenceCaller,
    PathId(id): PathId<RunId>,
) -> Result<Okay<InferenceView>, Error> {
    cancel(&room, caller.principal, id).await?;
    Ok(Okay(view(&room, caller.principal, id).await?))
}
