//! The Converse protocol of AWS Bedrock: what a provider is sent, and what it answers.
//!
//! Source: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html> and `…_ConverseStream.html`.
//! Its `inputTokens` leave out what came from the cache or went into it; the neutral count holds everything that was read.

mod frames;
mod sign;
mod stream;
mod write;

use serde::Deserialize;
use serde_json::Value;

use crate::openai::parse;
use crate::{ChatAnswer, CodecError, Finish, MOST_CALLS, Thought, ToolCall, Usage};

pub use sign::{Credentials, ToSign, sign};
pub use stream::StreamDecoder;
pub use write::{CALLED, encode, path};

#[derive(Debug, Deserialize)]
struct Body {
    output: Option<Output>,
    #[serde(rename = "stopReason")]
    stop_reason: Option<String>,
    usage: Option<Counts>,
    #[serde(alias = "Message")]
    message: Option<String>,
    #[serde(rename = "__type")]
    kind: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Output {
    message: Option<Message>,
}

#[derive(Debug, Deserialize)]
struct Message {
    content: Option<Vec<Block>>,
}

#[derive(Debug, Deserialize)]
struct Block {
    #[serde(rename = "reasoningContent")]
    thought: Option<Reasoning>,
    text: Option<String>,
    #[serde(rename = "toolUse")]
    tool: Option<Tool>,
}

#[derive(Debug, Deserialize)]
struct Reasoning {
    #[serde(rename = "reasoningText")]
    open: Option<ReasoningText>,
    #[serde(rename = "redactedContent")]
    closed: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ReasoningText {
    text: Option<String>,
    signature: Option<String>,
}

impl Reasoning {
    fn thought(self) -> Option<Thought> {
        let open = self.open.map(|open| Thought::Open {
            text: open.text.unwrap_or_default(),
            signature: open.signature.filter(|seal| !seal.is_empty()),
        });
        open.or(self.closed.map(Thought::Closed))
    }
}

#[derive(Debug, Deserialize)]
struct Tool {
    #[serde(rename = "toolUseId")]
    id: Option<String>,
    name: Option<String>,
    input: Option<Value>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct Counts {
    #[serde(rename = "inputTokens")]
    input: Option<u64>,
    #[serde(rename = "outputTokens")]
    output: Option<u64>,
    #[serde(rename = "cacheReadInputTokens")]
    cache_read: Option<u64>,
    #[serde(rename = "cacheWriteInputTokens")]
    cache_write: Option<u64>,
}

impl Counts {
    fn usage(self) -> Option<Usage> {
        if self.input.is_none() && self.output.is_none() {
            return None;
        }
        let cached = self.cache_read.unwrap_or(0);
        let written = self.cache_write.unwrap_or(0);
        Usage {
            input: [self.input.unwrap_or(0), cached, written]
                .into_iter()
                .fold(0, u64::saturating_add),
            output: self.output.unwrap_or(0),
            cached,
            written,
            thought: 0,
        }
        .if_possible()
    }
}

fn finish(reason: &str) -> Finish {
    match reason {
        "end_turn" | "stop_sequence" => Finish::Stop,
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "tool_use" => Finish::ToolCalls,
        "guardrail_intervened" | "content_filtered" => Finish::ContentFilter,
        _ => Finish::Other,
    }
}

/// Reads a whole answer, or the provider's report of a failure; `model` is the one that was asked.
///
/// The kind of a failure stands in the header `x-amzn-errortype`, which goes to [`crate::Failure`] as the code.
pub fn decode(body: &[u8], model: &str) -> Result<ChatAnswer, CodecError> {
    let text = std::str::from_utf8(body).map_err(|_| CodecError::garbled("not UTF-8"))?;
    let body: Body = parse(text)?;
    if body.output.is_none()
        && let Some(message) = body.message
    {
        return Err(CodecError::Upstream {
            message,
            code: body.kind.map(|kind| kind_name(&kind).to_owned()),
        });
    }
    let Some(blocks) = body.output.and_then(|o| o.message).and_then(|m| m.content) else {
        return Err(CodecError::garbled("no content"));
    };
    let mut answer = ChatAnswer::empty(model);
    for block in blocks {
        if let Some(thought) = block.thought.and_then(Reasoning::thought) {
            answer.think(thought);
        }
        if let Some(text) = block.text {
            answer.text.push_str(&text);
        }
        if let Some(tool) = block.tool {
            if answer.calls.len() >= MOST_CALLS {
                return Err(CodecError::garbled("too many tool calls"));
            }
            answer.calls.push(ToolCall {
                id: tool.id.unwrap_or_default(),
                name: tool.name.unwrap_or_default(),
                arguments: tool
                    .input
                    .map_or_else(|| "{}".to_owned(), |v| v.to_string()),
                ..ToolCall::default()
            });
        }
    }
    answer.usage = body.usage.and_then(Counts::usage);
    answer.finish = body.stop_reason.as_deref().map_or(Finish::Other, finish);
    Ok(answer)
}

/// `com.amazon.coral#ThrottlingException:http://…` is the kind `ThrottlingException`.
pub(crate) fn kind_name(kind: &str) -> &str {
    let kind = kind.split(':').next().unwrap_or(kind);
    kind.rsplit('#').next().unwrap_or(kind)
}
