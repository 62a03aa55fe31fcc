//! The doors `/v2/{endpoint}/run`, `runsync`, `status`, `stream`, `cancel`, `retry` and `health`.
//!
//! Source: <https://docs.runpod.io/serverless/endpoints/operation-reference>. Inputs are Misaki's `{"text": …}` and the
//! vLLM worker's `{"prompt" | "messages", "sampling_params"}`.

use serde_json::{Map, Value, json};

use crate::door::{MOST_MESSAGES, max_tokens, stops};
use crate::json::{self, Node};
use crate::openai::door::read_message;
use crate::{ChatAnswer, ChatRequest, Message, Refusal, StreamEvent, Usage};

use super::{Health, JobState, Policy};

/// Milliseconds of the shortest time a job may be given to work, and of the longest life.
const LEAST_MS: i64 = 5_000;
const MOST_MS: i64 = 7 * 24 * 3_600 * 1_000;
/// The longest address of a webhook.
const LONGEST_URL: usize = 2_000;

/// Which shape the caller expects the output in: the one that belongs to the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `{"text": …}`.
    Plain,
    /// Batches of the vLLM worker.
    Vllm,
}

/// A job as somebody asks for it.
#[derive(Debug, Clone, PartialEq)]
pub struct JobAsk {
    /// The request; its model is empty, since the endpoint says it.
    pub request: ChatRequest,
    /// How the output is wanted.
    pub shape: Shape,
    /// Who is told of the end.
    pub webhook: Option<String>,
    /// How long it may live.
    pub policy: Policy,
}

/// Reads the body of `run` or `runsync`.
pub fn read_job(body: &[u8]) -> Result<JobAsk, Refusal> {
    let body = json::read(body)?;
    let root = Node::root(&body)?;
    let input = root.need("input")?;
    input.object()?;
    let (mut messages, shape) = match (input.opt("text")?, input.opt("prompt")?) {
        (Some(text), _) => (vec![Message::user(said(&text)?)], Shape::Plain),
        (None, Some(prompt)) => (vec![Message::user(said(&prompt)?)], Shape::Vllm),
        (None, None) => (Vec::new(), Shape::Vllm),
    };
    if let Some(earlier) = input.opt("messages")? {
        if !messages.is_empty() {
            return Err(earlier.fail("This can't stand beside text or prompt."));
        }
        for node in earlier.items(1, MOST_MESSAGES)? {
            messages.push(read_message(&node)?);
        }
    }
    if messages.is_empty() {
        return Err(input.fail("This needs text, prompt or messages."));
    }
    let mut request = ChatRequest {
        messages,
        stream: input.opt("stream")?.map_or(Ok(false), |n| n.flag())?,
        ..ChatRequest::default()
    };
    sampling(&input, &mut request)?;
    if let Some(params) = input.opt("sampling_params")? {
        sampling(&params, &mut request)?;
    }
    let webhook = match root.opt("webhook")? {
        None => None,
        Some(node) => {
            let url = node.name(LONGEST_URL)?;
            if !(url.starts_with("https://") || url.starts_with("http://")) {
                return Err(node.fail("This has to be an http or https URL."));
            }
            Some(url)
        }
    };
    Ok(JobAsk {
        request,
        shape,
        webhook,
        policy: match root.opt("policy")? {
            None => Policy::default(),
            Some(node) => Policy {
                execution_ms: time(&node, "executionTimeout")?,
                ttl_ms: time(&node, "ttl")?,
            },
        },
    })
}

fn said(node: &Node) -> Result<String, Refusal> {
    let text = node.text()?;
    if text.is_empty() {
        return Err(node.fail("This is empty."));
    }
    Ok(text.to_owned())
}

fn time(node: &Node, name: &str) -> Result<Option<u64>, Refusal> {
    let ms = node
        .opt(name)?
        .map(|n| n.int(LEAST_MS, MOST_MS))
        .transpose()?;
    Ok(ms.and_then(|ms| u64::try_from(ms).ok()))
}

fn sampling(node: &Node, request: &mut ChatRequest) -> Result<(), Refusal> {
    if let Some(limit) = node.opt("max_tokens")? {
        request.max_tokens = Some(max_tokens(&limit)?);
    }
    if let Some(value) = node.opt("temperature")? {
        request.temperature = Some(value.float(0.0, 2.0)?);
    }
    if let Some(value) = node.opt("top_p")? {
        request.top_p = Some(value.float(0.0, 1.0)?);
    }
    if let Some(value) = node.opt("seed")? {
        request.seed = Some(value.int(i64::MIN, i64::MAX)?);
    }
    if let Some(value) = node.opt("stop")? {
        request.stop = stops(&value)?;
    }
    Ok(())
}

/// A job as `run`, `runsync`, `status`, `cancel` and `retry` show it.
#[derive(Debug, Clone, PartialEq)]
pub struct JobCard<'a> {
    /// The id that the door shows.
    pub id: &'a str,
    /// Where it stands.
    pub state: JobState,
    /// Milliseconds that it waited.
    pub delay_ms: Option<u64>,
    /// Milliseconds that it worked.
    pub execution_ms: Option<u64>,
    /// What the model said, once it is whole.
    pub answer: Option<&'a ChatAnswer>,
    /// Why it failed.
    pub error: Option<&'a Refusal>,
}

/// Writes a job.
pub fn write_job(card: &JobCard<'_>, shape: Shape) -> Value {
    let mut body = Map::new();
    body.insert("id".into(), json!(card.id));
    body.insert("status".into(), json!(card.state.as_str()));
    for (name, value) in [
        ("delayTime", card.delay_ms),
        ("executionTime", card.execution_ms),
    ] {
        if let Some(value) = value {
            body.insert(name.into(), json!(value));
        }
    }
    if card.state == JobState::Completed
        && let Some(answer) = card.answer
    {
        let output = match shape {
            Shape::Plain => plain(answer),
            Shape::Vllm => json!([batch(&answer.text, answer.usage)]),
        };
        body.insert("output".into(), output);
    }
    if let Some(error) = card.error {
        body.insert("error".into(), json!(error.placed()));
    }
    Value::Object(body)
}

/// Writes a whole output as Misaki's clients read it: `{"text", "model", "usage"}`.
pub fn plain(answer: &ChatAnswer) -> Value {
    let mut output = Map::new();
    output.insert("text".into(), json!(answer.text));
    output.insert("model".into(), json!(answer.model));
    if let Some(usage) = answer.usage {
        output.insert("usage".into(), write_usage(usage));
    }
    Value::Object(output)
}

/// Writes one batch of an output as the vLLM worker does.
pub fn batch(text: &str, usage: Option<Usage>) -> Value {
    let mut batch = Map::new();
    batch.insert("choices".into(), json!([{"tokens": [text]}]));
    if let Some(usage) = usage {
        batch.insert("usage".into(), write_usage(usage));
    }
    Value::Object(batch)
}

fn write_usage(usage: Usage) -> Value {
    json!({"input": usage.input, "output": usage.output})
}

/// Writes what a job said since the last time.
pub fn write_stream(state: JobState, events: &[StreamEvent], shape: Shape) -> Value {
    let pieces: Vec<Value> = events
        .iter()
        .filter_map(|event| match event {
            StreamEvent::Text(text) => Some(match shape {
                Shape::Plain => json!({"output": text}),
                Shape::Vllm => json!({"output": batch(text, None)}),
            }),
            StreamEvent::Usage(usage) if shape == Shape::Vllm => {
                Some(json!({"output": batch("", Some(*usage))}))
            }
            _ => None,
        })
        .collect();
    json!({"status": state.as_str(), "stream": pieces})
}

/// Writes the health of an endpoint.
pub fn write_health(health: &Health, completed: u64, failed: u64) -> Value {
    json!({
        "jobs": {"completed": completed, "failed": failed, "inProgress": health.running,
                 "inQueue": health.queued, "retried": 0},
        "workers": {"idle": health.idle, "initializing": health.starting, "ready": health.idle,
                    "running": health.busy, "throttled": 0, "unhealthy": 0},
    })
}

/// Writes how many jobs were taken out of the queue of an endpoint.
///
/// Source: <https://docs.runpod.io/serverless/endpoints/operations>.
pub fn write_purge(removed: usize) -> Value {
    json!({"removed": removed, "status": "completed"})
}

/// The status of a refusal at this door.
pub fn status(refusal: &Refusal) -> u16 {
    refusal.kind.status()
}

/// Writes a refusal: `{"error": …}`.
pub fn refuse(refusal: &Refusal) -> Value {
    json!({"error": refusal.placed()})
}
