//! The Messages protocol of Anthropic: what a provider is sent, and what it answers.
//!
//! Source: <https://platform.claude.com/docs/en/api/messages> and <https://platform.claude.com/docs/en/build-with-claude/streaming>.
//! Its `input_tokens` leave out what came from the cache; the neutral count holds everything that was read.

pub mod door;
mod stream;
mod write;

use serde::Deserialize;
use serde_json::Value;

use crate::openai::parse;
use crate::{ChatAnswer, CodecError, Finish, MOST_CALLS, Thought, ToolCall, Usage};

pub use stream::StreamDecoder;
pub use write::{encode, is_blank};
pub(crate) use write::{input, known, thinking};

/// The version of the protocol, sent as `anthropic-version`.
pub const VERSION: &str = "2023-06-01";

#[derive(Debug, Deserialize)]
struct Body {
    error: Option<Fault>,
    model: Option<String>,
    content: Option<Vec<Block>>,
    stop_reason: Option<String>,
    usage: Option<Counts>,
}

#[derive(Debug, Default, Deserialize)]
struct Fault {
    #[serde(rename = "type")]
    kind: Option<String>,
    message: Option<String>,
}

impl From<Fault> for CodecError {
    fn from(fault: Fault) -> Self {
        Self::Upstream {
            message: fault.message.unwrap_or_else(|| "no message".to_owned()),
            code: fault.kind,
        }
    }
}

/// A block of any kind; kinds that this version doesn't know have nothing to say.
#[derive(Debug, Deserialize)]
struct Block {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
    id: Option<String>,
    name: Option<String>,
    input: Option<Value>,
    thinking: Option<String>,
    signature: Option<String>,
    /// Of a thought that is not to be read.
    data: Option<String>,
}

/// Counts; each message of a stream repeats those that it knows.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
struct Counts {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    output_tokens_details: Option<Written>,
}

/// What was written, by kind.
#[derive(Debug, Clone, Copy, Deserialize)]
struct Written {
    thinking_tokens: Option<u64>,
}

impl Counts {
    /// Keeps what is known and takes what is told anew.
    fn then(self, newer: Self) -> Self {
        Self {
            input_tokens: newer.input_tokens.or(self.input_tokens),
            output_tokens: newer.output_tokens.or(self.output_tokens),
            cache_read_input_tokens: newer
                .cache_read_input_tokens
                .or(self.cache_read_input_tokens),
            cache_creation_input_tokens: newer
                .cache_creation_input_tokens
                .or(self.cache_creation_input_tokens),
            output_tokens_details: newer.output_tokens_details.or(self.output_tokens_details),
        }
    }

    fn usage(self) -> Option<Usage> {
        if self.input_tokens.is_none() && self.output_tokens.is_none() {
            return None;
        }
        let cached = self.cache_read_input_tokens.unwrap_or(0);
        let written = self.cache_creation_input_tokens.unwrap_or(0);
        Usage {
            input: [self.input_tokens.unwrap_or(0), cached, written]
                .into_iter()
                .fold(0, u64::saturating_add),
            output: self.output_tokens.unwrap_or(0),
            cached,
            written,
            thought: self
                .output_tokens_details
                .and_then(|details| details.thinking_tokens)
                .unwrap_or(0),
        }
        .if_possible()
    }
}

fn finish(reason: &str) -> Finish {
    match reason {
        "end_turn" | "stop_sequence" => Finish::Stop,
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "tool_use" => Finish::ToolCalls,
        "refusal" => Finish::ContentFilter,
        _ => Finish::Other,
    }
}

/// Reads a whole answer, or the provider's report of a failure.
pub fn decode(body: &[u8]) -> Result<ChatAnswer, CodecError> {
    let text = std::str::from_utf8(body).map_err(|_| CodecError::garbled("not UTF-8"))?;
    let body: Body = parse(text)?;
    if let Some(fault) = body.error {
        return Err(fault.into());
    }
    let Some(blocks) = body.content else {
        return Err(CodecError::garbled("no content"));
    };
    let mut answer = ChatAnswer::empty(body.model.unwrap_or_default());
    for block in blocks {
        match block.kind.as_str() {
            "text" => answer.text.push_str(&block.text.unwrap_or_default()),
            "thinking" => answer.think(Thought::Open {
                text: block.thinking.unwrap_or_default(),
                signature: block.signature.filter(|seal| !seal.is_empty()),
            }),
            "redacted_thinking" => {
                if let Some(data) = block.data {
                    answer.think(Thought::Closed(data));
                }
            }
            "tool_use" if answer.calls.len() >= MOST_CALLS => {
                return Err(CodecError::garbled("too many tool calls"));
            }
            "tool_use" => answer.calls.push(ToolCall {
                id: block.id.unwrap_or_default(),
                name: block.name.unwrap_or_default(),
                arguments: block
                    .input
                    .map_or_else(|| "{}".to_owned(), |v| v.to_string()),
                ..ToolCall::default()
            }),
            _ => {}
        }
    }
    answer.usage = body.usage.and_then(Counts::usage);
    answer.finish = body.stop_reason.as_deref().map_or(Finish::Other, finish);
    Ok(answer)
}
