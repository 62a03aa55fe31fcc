//! The stand-in model: OpenAI's chat protocol, answered by rule.
//!
//! | in the last user message | what happens |
//! |---|---|
//! | `[fail]` | 500 before the first byte |
//! | `[fail after 5]` | the connection breaks after 5 chunks |
//! | `[stall]` | 3 chunks, then silence until the client leaves |
//! | `[slow]` | one chunk each 400 ms |
//! | `[garble]` | 2 chunks, then broken JSON |
//! | `[429]` | 429 with `Retry-After: 2` |
//! | `[long 300]` | exactly 300 chunks |
//! | `[think 40]` | 40 tokens that are counted and not said, before the first word |
//! | `[about]` | the answer ends by saying what it is |
//! | `[files]` | the answer is what each file that it was given is called, its kind and its bytes |
//!
//! A model's name can be a tell as well, so that one target of a route fails whatever is said: `sandbox-fault-500`, `-429`,
//! `-reset`, `-hang`, `-drip`, `-garbled`, `-half`, `-type`, `-zero`. `sandbox-obedient` says what it was told to say, behind
//! `say:`, so that a prompt's escape shows. `sandbox-embedding` answers with vectors at `/v1/embeddings`.
//!
//! Asked to write down what to remember of a talk (`fact`, `mood`, `summary` in lines), it writes down the longest thing that
//! the person said.
//!
//! Tells combine (`[slow][long 300]`). The same question to the same model always has the same answer.
//! `GET /sandbox/counters` tells what was really produced, for comparison with what was billed.

mod answer;
mod counters;
mod embed;
mod fault;
mod tells;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use llm::{ChatRequest, Message, Role, tokens};
use serde::Deserialize;
use serde_json::{Value, json};

use answer::Answer;
use counters::{Counters, Work};
use fault::Fault;
use tells::Tells;

/// The models that answer: for guests and free plans, for paid ones, and for the best; each says more than the last.
pub const MODELS: [&str; 3] = ["sandbox-small", "sandbox-medium", "sandbox-large"];

/// The model that says what it was told to.
const OBEDIENT: &str = "sandbox-obedient";

const PACE: Duration = Duration::from_millis(25);
const SLOW_PACE: Duration = Duration::from_millis(400);
/// A fixed birthday, since a stand-in without a clock answers the same each time.
const CREATED: u64 = 1_767_225_600;
/// Time for what was said before a break to leave the process, since a break drops what is still buffered.
const LAST_WORDS: Duration = Duration::from_millis(5);
/// More than the doors take, since files come along.
const BODY_LIMIT: usize = 32 << 20;

#[derive(Debug)]
struct Model {
    pace: Duration,
    counters: Counters,
}

/// Makes the stand-in model at the pace of a real one: a chunk each 25 ms.
pub fn model_router() -> Router {
    model_router_paced(PACE)
}

/// Makes the stand-in model at another pace; zero for tests and load.
pub fn model_router_paced(pace: Duration) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(complete))
        .route("/v1/embeddings", post(embed::embed))
        .route("/v1/models", get(list_models))
        .route("/sandbox/counters", get(show_counters))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(Arc::new(Model {
            pace,
            counters: Counters::default(),
        }))
}

#[derive(Debug, Deserialize)]
struct Ask {
    model: String,
    messages: Vec<AskMessage>,
    #[serde(default)]
    stream: bool,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    stream_options: Option<StreamOptions>,
}

#[derive(Debug, Deserialize)]
struct AskMessage {
    role: String,
    content: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
    /// As vLLM has it: what was produced so far stands in each chunk.
    #[serde(default)]
    continuous_usage_stats: bool,
}

impl StreamOptions {
    fn told(&self) -> Told {
        match (self.include_usage, self.continuous_usage_stats) {
            (false, _) => Told::Never,
            (true, false) => Told::AtTheEnd,
            (true, true) => Told::InEachChunk,
        }
    }
}

/// When a stream tells what it has cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Never,
    AtTheEnd,
    InEachChunk,
}

impl Ask {
    fn answer(&self, question: &str, rank: usize, tells: &Tells) -> Answer {
        let texts: Vec<String> = self.messages.iter().map(AskMessage::text).collect();
        let first = texts.first().map(String::as_str).unwrap_or_default();
        if let Some(notes) = answer::note(first, question) {
            return notes;
        }
        if tells.files {
            let files = self.messages.iter().flat_map(AskMessage::files);
            return answer::name_files(&files.collect::<Vec<_>>());
        }
        if self.model == OBEDIENT {
            return answer::obey(&texts);
        }
        answer::compose(question, rank, tells)
    }
}

impl AskMessage {
    /// Reads content given as text or as parts.
    fn text(&self) -> String {
        match &self.content {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(parts)) => parts
                .iter()
                .filter_map(|part| part.get("text").and_then(Value::as_str))
                .collect(),
            _ => String::new(),
        }
    }

    /// What the files of the message are called, with their kinds and bytes.
    fn files(&self) -> Vec<String> {
        let parts = self.content.as_ref().and_then(Value::as_array);
        let files = parts.into_iter().flatten();
        files
            .filter_map(|part| Some(named(part.get("file")?)))
            .collect()
    }
}

/// What a file is, as far as a stand-in looks.
fn named(file: &Value) -> String {
    let said = |name: &str| file.get(name).and_then(Value::as_str).unwrap_or_default();
    let (kind, data) = said("file_data").split_once(";base64,").unwrap_or_default();
    let kind = kind.strip_prefix("data:").unwrap_or(kind);
    let padding = data.bytes().rev().take_while(|byte| *byte == b'=').count();
    let bytes = (data.len() / 4 * 3).saturating_sub(padding);
    format!("{} {kind} {bytes}", said("filename"))
}

async fn list_models() -> Response {
    let data: Vec<Value> = MODELS
        .iter()
        .chain(&[embed::MODEL])
        .map(|id| json!({ "id": id, "object": "model", "created": CREATED, "owned_by": "sandbox" }))
        .collect();
    json_response(StatusCode::OK, &json!({ "object": "list", "data": data }))
}

async fn show_counters(State(model): State<Arc<Model>>) -> Response {
    json_response(StatusCode::OK, &model.counters.view())
}

async fn complete(State(model): State<Arc<Model>>, body: Bytes) -> Response {
    let mut work = Work::begin(Arc::clone(&model));
    let ask: Ask = match serde_json::from_slice(&body) {
        Ok(ask) => ask,
        Err(_) => {
            return refuse(
                work,
                StatusCode::BAD_REQUEST,
                "malformed_body",
                "the body is no chat request",
            );
        }
    };
    let fault = Fault::of(&ask.model);
    let Some(rank) = rank_of(&ask.model) else {
        return refuse(
            work,
            StatusCode::NOT_FOUND,
            "model_not_found",
            "the model does not exist",
        );
    };
    let Some(question) = ask
        .messages
        .iter()
        .rfind(|m| m.role == "user")
        .map(AskMessage::text)
    else {
        return refuse(
            work,
            StatusCode::BAD_REQUEST,
            "no_user_message",
            "there is no user message",
        );
    };
    let mut tells = Tells::read(&question);
    if let Some(fault) = fault
        && let Some(response) = fail_by_name(fault, &mut work, &mut tells).await
    {
        return response;
    }
    if tells.fail {
        return refuse(
            work,
            StatusCode::INTERNAL_SERVER_ERROR,
            "server_error",
            "failed as asked",
        );
    }
    if tells.too_many {
        let mut response = refuse(
            work,
            StatusCode::TOO_MANY_REQUESTS,
            "rate_limit_exceeded",
            "refused as asked",
        );
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        return response;
    }

    let read = ask.messages.iter();
    let input = tokens::estimate_request(&ChatRequest {
        messages: read.map(|m| Message::new(Role::User, m.text())).collect(),
        ..ChatRequest::default()
    });
    work.count_input(input);
    work.think(tells.think);
    let limit = ask.max_completion_tokens.or(ask.max_tokens);
    let answer = ask.answer(&question, rank, &tells);
    let answer = answer.limited(limit);
    let pace = if tells.slow { SLOW_PACE } else { model.pace };
    let job = Job {
        model: ask.model,
        answer,
        tells,
        input,
        pace,
        counts_nothing: fault == Some(Fault::ZeroUsage),
    };
    if ask.stream {
        let options = ask.stream_options.as_ref();
        job.stream(work, options.map_or(Told::Never, StreamOptions::told))
    } else {
        job.whole(work).await
    }
}

/// The place of a model among those that answer; the others say as little as the smallest.
fn rank_of(model: &str) -> Option<usize> {
    if model == OBEDIENT || Fault::of(model).is_some() {
        return Some(0);
    }
    MODELS.iter().position(|id| *id == model)
}

/// Fails as the model's name says; what can be said in tells is left to them.
async fn fail_by_name(fault: Fault, work: &mut Work, tells: &mut Tells) -> Option<Response> {
    match fault {
        Fault::Reset => {
            work.fail();
            Some(fault::reset())
        }
        Fault::Hang => std::future::pending().await,
        Fault::WrongType => {
            work.fail();
            Some(fault::wrong_type())
        }
        other => {
            other.tell(tells);
            None
        }
    }
}

/// Answers with an error of OpenAI's shape.
fn refuse(mut work: Work, status: StatusCode, code: &str, message: &str) -> Response {
    work.fail();
    let kind = if status.is_server_error() {
        "server_error"
    } else {
        "invalid_request_error"
    };
    let body =
        json!({ "error": { "message": message, "type": kind, "param": null, "code": code } });
    json_response(status, &body)
}

fn json_response(status: StatusCode, body: &Value) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json")];
    (status, headers, body.to_string()).into_response()
}

/// How the connection breaks when it is asked to.
#[derive(Debug)]
struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("broken as asked")
    }
}

impl std::error::Error for Broken {}

/// One answer on its way.
struct Job {
    model: String,
    answer: Answer,
    tells: Tells,
    input: u64,
    pace: Duration,
    /// Whether it says that it has read and written nothing.
    counts_nothing: bool,
}

impl Job {
    fn usage(&self, output: u64) -> Value {
        if self.counts_nothing {
            return json!({ "prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0 });
        }
        json!({
            "prompt_tokens": self.input,
            "completion_tokens": output,
            "total_tokens": self.input + output,
            "prompt_tokens_details": { "cached_tokens": 0 },
        })
    }

    fn chunk(&self, delta: &Value, finish: Option<&str>, usage: Option<Value>) -> String {
        let mut chunk = json!({
            "id": self.answer.id, "object": "chat.completion.chunk", "created": CREATED, "model": self.model,
            "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }],
        });
        if let (Some(usage), Some(fields)) = (usage, chunk.as_object_mut()) {
            fields.insert("usage".to_owned(), usage);
        }
        event(&chunk)
    }

    fn stream(self, mut work: Work, told: Told) -> Response {
        let stream = async_stream::stream! {
            let so_far = |output| (told == Told::InEachChunk).then(|| self.usage(output));
            yield Ok(self.chunk(&json!({ "role": "assistant", "content": "" }), None, so_far(0)));
            for (index, piece) in self.answer.pieces.iter().enumerate() {
                if self.tells.fail_after == Some(index) {
                    tokio::time::sleep(LAST_WORDS).await;
                    work.fail();
                    yield Err(Broken);
                    return;
                }
                if self.tells.stall && index == 3 {
                    std::future::pending::<()>().await;
                }
                if self.tells.garble && index == 2 {
                    work.fail();
                    yield Ok("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"…\n\n".to_owned());
                    yield Ok("data: [DONE]\n\n".to_owned());
                    return;
                }
                tokio::time::sleep(self.pace).await;
                work.count_chunk(piece);
                yield Ok(self.chunk(&json!({ "content": piece }), None, so_far(work.output())));
            }
            if self.tells.fail_after.is_some() {
                tokio::time::sleep(LAST_WORDS).await;
                work.fail();
                yield Err(Broken);
                return;
            }
            let output = work.output();
            work.complete();
            yield Ok(self.chunk(&json!({}), Some(self.answer.finish), so_far(output)));
            if told != Told::Never {
                yield Ok(event(&json!({
                    "id": self.answer.id, "object": "chat.completion.chunk", "created": CREATED, "model": self.model,
                    "choices": [], "usage": self.usage(output),
                })));
            }
            yield Ok("data: [DONE]\n\n".to_owned());
        };
        let headers = [
            (header::CONTENT_TYPE, "text/event-stream"),
            (header::CACHE_CONTROL, "no-cache"),
        ];
        (headers, Body::from_stream(stream)).into_response()
    }

    async fn whole(self, mut work: Work) -> Response {
        for (index, piece) in self.answer.pieces.iter().enumerate() {
            if self.tells.stall && index == 3 {
                std::future::pending::<()>().await;
            }
            if self.tells.fail_after == Some(index) {
                break;
            }
            tokio::time::sleep(self.pace).await;
            work.count_chunk(piece);
        }
        let output = work.output();
        let body = json!({
            "id": self.answer.id, "object": "chat.completion", "created": CREATED, "model": self.model,
            "choices": [{
                "index": 0,
                "message": { "role": "assistant", "content": self.answer.pieces.concat() },
                "finish_reason": self.answer.finish,
            }],
            "usage": self.usage(output),
        });
        if self.tells.fail_after.is_some() {
            work.fail();
            let stream = async_stream::stream! {
                yield Ok("{\"id\":".to_owned());
                tokio::time::sleep(LAST_WORDS).await;
                yield Err(Broken);
            };
            return Body::from_stream(stream).into_response();
        }
        if self.tells.garble {
            work.fail();
            let stream =
                futures::stream::iter([Ok::<_, Infallible>("{\"choices\":[{\"message\":")]);
            return Body::from_stream(stream).into_response();
        }
        work.complete();
        json_response(StatusCode::OK, &body)
    }
}

fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}
