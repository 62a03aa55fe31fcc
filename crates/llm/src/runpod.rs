//! Serverless endpoints of RunPod: what they are sent, and what they answer.
//!
//! Source: <https://docs.runpod.io/serverless/endpoints/send-requests> for the jobs and
//! <https://docs.runpod.io/serverless/vllm/vllm-requests> for the vLLM worker. A job holds what its handler returns, which
//! is anybody's guess: read are plain text, an object with a text, the batches of the vLLM worker, and OpenAI's shape.

pub mod door;
mod output;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::openai::parse;
use crate::{ChatRequest, CodecError, Part, Refusal, Role, StreamEvent, openai};

pub use output::{StreamReader, read_output};

/// The limit of an answer where nobody set one; the worker's own default would be 16.
const MAX_TOKENS: u32 = 1_024;

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// Waits for a worker, which may have to start first.
    InQueue,
    /// A worker has it.
    InProgress,
    /// Is done.
    Completed,
    /// Failed.
    Failed,
    /// Was cancelled.
    Cancelled,
    /// Took too long, or waited too long.
    TimedOut,
}

impl JobState {
    /// The word of the protocol.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InQueue => "IN_QUEUE",
            Self::InProgress => "IN_PROGRESS",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
            Self::TimedOut => "TIMED_OUT",
        }
    }

    /// Reads the word of the protocol.
    pub fn from_word(word: &str) -> Option<Self> {
        [
            Self::InQueue,
            Self::InProgress,
            Self::Completed,
            Self::Failed,
            Self::Cancelled,
            Self::TimedOut,
        ]
        .into_iter()
        .find(|state| state.as_str() == word)
    }

    /// Tells whether nothing more comes.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::InQueue | Self::InProgress)
    }
}

/// What `run`, `runsync`, `status` and `cancel` answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// The id at the provider; to be kept before anything is awaited.
    pub id: String,
    /// Where it stands.
    pub state: JobState,
    /// Milliseconds that it waited.
    pub delay_ms: Option<u64>,
    /// Milliseconds that it worked.
    pub execution_ms: Option<u64>,
    /// What the handler returned.
    pub output: Option<Value>,
    /// Why it failed. For logs.
    pub error: Option<String>,
}

#[derive(Deserialize)]
struct WireJob {
    id: Option<String>,
    status: Option<String>,
    #[serde(rename = "delayTime")]
    delay: Option<f64>,
    #[serde(rename = "executionTime")]
    execution: Option<f64>,
    output: Option<Value>,
    error: Option<Value>,
    stream: Option<Vec<WirePiece>>,
}

#[derive(Deserialize)]
struct WirePiece {
    output: Option<Value>,
}

/// Rounds a time that may come as a broken number.
fn millis(value: Option<f64>) -> Option<u64> {
    let value = value.filter(|v| (0.0..1e12).contains(v))?;
    format!("{value:.0}").parse().ok()
}

fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn wire(body: &[u8]) -> Result<WireJob, CodecError> {
    let text = std::str::from_utf8(body).map_err(|_| CodecError::garbled("not UTF-8"))?;
    parse(text)
}

fn state(wire: &WireJob) -> Result<JobState, CodecError> {
    match (wire.status.as_deref(), &wire.error) {
        (Some(word), _) => {
            JobState::from_word(word).ok_or_else(|| CodecError::garbled("a job in no known state"))
        }
        (None, Some(error)) => Err(CodecError::Upstream {
            message: words(error),
            code: None,
        }),
        (None, None) => Err(CodecError::garbled("a job in no state")),
    }
}

/// Reads a job.
pub fn decode_job(body: &[u8]) -> Result<Job, CodecError> {
    let wire = wire(body)?;
    let state = state(&wire)?;
    let Some(id) = wire.id.filter(|id| !id.is_empty() && id.len() <= 200) else {
        return Err(CodecError::garbled("a job without a good id"));
    };
    Ok(Job {
        id,
        state,
        delay_ms: millis(wire.delay),
        execution_ms: millis(wire.execution),
        output: wire.output.filter(|output| !output.is_null()),
        error: wire.error.as_ref().filter(|e| !e.is_null()).map(words),
    })
}

/// Reads what `stream` answers: where the job stands, and what it said since the last time.
pub fn decode_stream(body: &[u8]) -> Result<(JobState, Vec<Value>), CodecError> {
    let wire = wire(body)?;
    let state = state(&wire)?;
    let pieces = wire.stream.unwrap_or_default();
    Ok((state, pieces.into_iter().filter_map(|p| p.output).collect()))
}

/// How many jobs and workers an endpoint has, which shows a cold start: jobs in the queue, nobody ready.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Health {
    /// Jobs that wait.
    pub queued: u64,
    /// Jobs that are worked on.
    pub running: u64,
    /// Workers that could take a job at once.
    pub idle: u64,
    /// Workers that work.
    pub busy: u64,
    /// Workers that are starting.
    pub starting: u64,
}

impl Health {
    /// Tells whether a job that comes now has to wait for a machine to start.
    pub fn is_cold(self) -> bool {
        self.idle == 0 && self.busy == 0
    }
}

/// Reads what `health` answers.
pub fn decode_health(body: &[u8]) -> Result<Health, CodecError> {
    let text = std::str::from_utf8(body).map_err(|_| CodecError::garbled("not UTF-8"))?;
    let body: Value = parse(text)?;
    if body.get("workers").is_none() && body.get("jobs").is_none() {
        return Err(CodecError::garbled("no health"));
    }
    let count = |at: &str| body.pointer(at).and_then(Value::as_u64).unwrap_or(0);
    Ok(Health {
        queued: count("/jobs/inQueue"),
        running: count("/jobs/inProgress"),
        idle: count("/workers/idle").max(count("/workers/ready")),
        busy: count("/workers/running"),
        starting: count("/workers/initializing"),
    })
}

/// What the endpoint's handler understands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Handler {
    /// The vLLM worker: messages and sampling parameters.
    #[default]
    Vllm,
    /// A handler of the house: `{"text": …}`, with the messages beside it.
    Plain,
}

/// How long a job may live, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Policy {
    /// From the moment that a worker takes it.
    pub execution_ms: Option<u64>,
    /// From the moment that it is sent.
    pub ttl_ms: Option<u64>,
}

/// Writes the body of `run` or `runsync`. The limit of tokens is always said.
pub fn encode(request: &ChatRequest, handler: Handler, policy: Policy) -> Result<Value, Refusal> {
    let mut input = Map::new();
    let mut sampling = Map::new();
    sampling.insert(
        "max_tokens".into(),
        json!(request.max_tokens.unwrap_or(MAX_TOKENS)),
    );
    for (name, value) in [
        ("temperature", request.temperature),
        ("top_p", request.top_p),
    ] {
        if let Some(value) = value {
            sampling.insert(name.into(), json!(value));
        }
    }
    if !request.stop.is_empty() {
        sampling.insert("stop".into(), json!(request.stop));
    }
    if let Some(seed) = request.seed {
        sampling.insert("seed".into(), json!(seed));
    }
    match handler {
        Handler::Vllm => {
            refuse_rich(request)?;
            let messages = openai::encode(request);
            let messages = messages.get("messages").cloned().unwrap_or_default();
            input.insert("messages".into(), messages);
            input.insert("stream".into(), json!(request.stream));
        }
        Handler::Plain => {
            refuse_rich(request)?;
            let asked = request.messages.iter().rev().find(|m| m.role == Role::User);
            let text = asked.map(crate::Message::text).unwrap_or_default();
            input.insert("text".into(), json!(text));
            let messages = openai::encode(request);
            let messages = messages.get("messages").cloned().unwrap_or_default();
            input.insert("messages".into(), messages);
            // a handler of the house looks for the limit beside the text
            for (name, value) in &sampling {
                input.insert(name.clone(), value.clone());
            }
        }
    }
    input.insert("sampling_params".into(), Value::Object(sampling));
    let mut body = Map::new();
    body.insert("input".into(), Value::Object(input));
    let mut limits = Map::new();
    if let Some(ms) = policy.execution_ms {
        limits.insert("executionTimeout".into(), json!(ms));
    }
    if let Some(ms) = policy.ttl_ms {
        limits.insert("ttl".into(), json!(ms));
    }
    if !limits.is_empty() {
        body.insert("policy".into(), Value::Object(limits));
    }
    Ok(Value::Object(body))
}

/// The queue of jobs knows words only; tools, pictures and schemas go by way of the worker's OpenAI route.
fn refuse_rich(request: &ChatRequest) -> Result<(), Refusal> {
    if !request.tools.is_empty() {
        return Err(Refusal::at("/tools", "This model takes no tools."));
    }
    if request.format != crate::Format::Text {
        return Err(Refusal::at(
            "/response_format",
            "This model answers with text only.",
        ));
    }
    let words_only = request
        .messages
        .iter()
        .flat_map(|message| &message.parts)
        .all(|part| matches!(part, Part::Text(_) | Part::Thought(_) | Part::CachePoint));
    if words_only {
        Ok(())
    } else {
        Err(Refusal::at("/messages", "This model takes words only."))
    }
}

/// Tells what a job that has ended without output means.
pub fn failure(job: &Job) -> Option<CodecError> {
    let code = match job.state {
        JobState::Failed => "500",
        JobState::TimedOut => "504",
        JobState::Cancelled => "499",
        _ => return None,
    };
    Some(CodecError::Upstream {
        message: job.error.clone().unwrap_or_else(|| "no message".to_owned()),
        code: Some(code.to_owned()),
    })
}

/// The events of a whole output, for who asked without a stream.
pub fn events(output: &Value) -> Result<Vec<StreamEvent>, CodecError> {
    Ok(read_output(output)?.into_events())
}
