//! The Responses protocol of OpenAI, towards its server: its present models take function tools by this protocol alone.
//!
//! Source: <https://platform.openai.com/docs/api-reference/responses>. What the server is asked to keep is nothing, so that each
//! request brings its whole conversation. What a model has thought is told as its summary, and brought again closed.

mod stream;
mod write;

use serde::Deserialize;
use serde_json::Value;

use crate::chat::PAUSE;
use crate::thought::seal_of_item;
use crate::{
    ChatAnswer, CodecError, Finish, MOST_CALLS, StreamEvent, ThoughtDelta, ToolCall, Usage,
};

use super::{fault, parse};

pub use stream::StreamDecoder;
pub use write::{LEAST_TOKENS, encode};

/// Reads a whole answer, or the provider's report of a failure, which has the same place in a body of any status.
pub fn decode(body: &[u8]) -> Result<ChatAnswer, CodecError> {
    let text = std::str::from_utf8(body).map_err(|_| CodecError::garbled("not UTF-8"))?;
    let response: Response = parse(text)?;
    if let Some(error) = response.failure() {
        return Err(error);
    }
    let usage = response.usage();
    if response.output.is_none() {
        return Err(CodecError::garbled("no output"));
    }
    let said = response.said()?;
    let mut answer = said.answer;
    answer.finish = response.finish(!answer.calls.is_empty(), said.declines)?;
    answer.model = response.model.unwrap_or_default();
    answer.usage = usage;
    Ok(answer)
}

/// A response, whole or as an event tells of it.
#[derive(Debug, Default, Deserialize)]
struct Response {
    error: Option<Value>,
    status: Option<String>,
    incomplete_details: Option<Incomplete>,
    model: Option<String>,
    /// Of many kinds, of which two are read.
    output: Option<Vec<Value>>,
    usage: Option<Counts>,
}

#[derive(Debug, Deserialize)]
struct Incomplete {
    reason: Option<String>,
}

/// An item of an answer that is read; what else the model may have done is not.
#[derive(Debug)]
enum Item {
    Thought(Mind),
    Words(Words),
    Call(Call),
}

/// What it thought.
#[derive(Debug)]
struct Mind {
    /// The words, as far as they are told.
    text: String,
    /// What the server knows it by.
    seal: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Words {
    content: Option<Vec<Content>>,
}

#[derive(Debug, Deserialize)]
struct Content {
    #[serde(rename = "type")]
    kind: Option<String>,
    text: Option<String>,
    refusal: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Call {
    id: Option<String>,
    #[serde(rename = "call_id")]
    tie: Option<String>,
    name: Option<String>,
    /// Text by the protocol; some servers give the object itself.
    arguments: Option<Value>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct Counts {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    input_tokens_details: Option<ReadDetails>,
    output_tokens_details: Option<WrittenDetails>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct ReadDetails {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct WrittenDetails {
    reasoning_tokens: Option<u64>,
}

impl Item {
    fn read(item: &Value) -> Result<Option<Self>, CodecError> {
        let read = match item.get("type").and_then(Value::as_str) {
            Some("message") => Words::deserialize(item).map(Self::Words),
            Some("function_call") => Call::deserialize(item).map(Self::Call),
            Some("reasoning") => Ok(Self::Thought(Mind::read(item))),
            _ => return Ok(None),
        };
        read.map(Some)
            .map_err(|_| CodecError::garbled("an item of a wrong form"))
    }
}

impl Mind {
    /// Reads the summary of a thought, or the thought itself where a server tells that.
    fn read(item: &Value) -> Self {
        let texts = |name| {
            let parts = item.get(name).and_then(Value::as_array);
            let texts = parts.into_iter().flatten();
            let texts = texts.filter_map(|part| part.get("text")?.as_str());
            texts.collect::<Vec<_>>().join(PAUSE)
        };
        let summary = texts("summary");
        let text = |name| item.get(name).and_then(Value::as_str);
        let seal = text("id").zip(text("encrypted_content"));
        Self {
            text: if summary.is_empty() {
                texts("content")
            } else {
                summary
            },
            seal: seal.map(|(id, content)| seal_of_item(id, content)),
        }
    }
}

impl Words {
    fn text(&self) -> String {
        let parts = self.content.iter().flatten();
        let texts = parts.filter_map(|part| match part.kind.as_deref() {
            Some("output_text") => part.text.as_deref(),
            Some("refusal") => part.refusal.as_deref(),
            _ => None,
        });
        texts.collect()
    }

    /// Whether the model says that it won't answer.
    fn declines(&self) -> bool {
        let mut parts = self.content.iter().flatten();
        parts.any(|part| part.kind.as_deref() == Some("refusal"))
    }
}

impl Call {
    /// What ties a result to this call; a server that has but one id for it means that.
    fn tie(&self) -> Option<String> {
        let mut ids = [&self.tie, &self.id].into_iter().flatten();
        ids.find(|id| !id.is_empty()).cloned()
    }

    fn arguments(&self) -> Result<String, CodecError> {
        match &self.arguments {
            None | Some(Value::Null) => Ok(String::new()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(object @ Value::Object(_)) => Ok(object.to_string()),
            Some(_) => Err(CodecError::garbled("arguments of a wrong type")),
        }
    }
}

/// What an answer says, put together.
#[derive(Debug)]
struct Said {
    answer: ChatAnswer,
    declines: bool,
}

impl Response {
    /// The failure that it reports.
    fn failure(&self) -> Option<CodecError> {
        if let Some(error) = self.error.as_ref().filter(|error| !error.is_null()) {
            return Some(fault(error));
        }
        let status = self.status.as_deref()?;
        matches!(status, "failed" | "cancelled").then(|| CodecError::Upstream {
            message: format!("the response is {status}"),
            code: None,
        })
    }

    /// A count that is missing beside one that is there is zero, and none at all is no usage.
    fn usage(&self) -> Option<Usage> {
        let counts = self.usage?;
        if counts.input_tokens.is_none() && counts.output_tokens.is_none() {
            return None;
        }
        let details = counts.input_tokens_details;
        let written = counts.output_tokens_details;
        Usage {
            input: counts.input_tokens.unwrap_or(0),
            output: counts.output_tokens.unwrap_or(0),
            cached: details.and_then(|it| it.cached_tokens).unwrap_or(0),
            written: details.and_then(|it| it.cache_write_tokens).unwrap_or(0),
            thought: written.and_then(|it| it.reasoning_tokens).unwrap_or(0),
        }
        .if_possible()
    }

    /// All that was said and called.
    fn said(&self) -> Result<Said, CodecError> {
        let mut answer = ChatAnswer::empty("");
        let mut declines = false;
        for item in self.output.iter().flatten() {
            match Item::read(item)? {
                Some(Item::Thought(Mind { text, seal })) => {
                    if !text.is_empty() {
                        let goes_on = answer.is_thinking();
                        let pause = goes_on.then(|| PAUSE.to_owned());
                        let text = pause.unwrap_or_default() + &text;
                        answer.take(&StreamEvent::Thought(ThoughtDelta::Text(text)));
                    }
                    let seal = seal.map(ThoughtDelta::Signature);
                    seal.map(StreamEvent::Thought)
                        .iter()
                        .for_each(|seal| answer.take(seal));
                }
                Some(Item::Words(words)) => {
                    let text = words.text();
                    if !answer.text.is_empty() && !text.is_empty() {
                        answer.text.push_str(PAUSE);
                    }
                    answer.text.push_str(&text);
                    declines |= words.declines();
                }
                Some(Item::Call(call)) => {
                    if answer.calls.len() >= MOST_CALLS {
                        return Err(CodecError::garbled("too many tool calls"));
                    }
                    answer.calls.push(ToolCall {
                        id: call.tie().unwrap_or_default(),
                        arguments: call.arguments()?,
                        name: call.name.unwrap_or_default(),
                        ..ToolCall::default()
                    });
                }
                None => {}
            }
        }
        Ok(Said { answer, declines })
    }

    /// Why it ended, where it called tools or declined.
    fn finish(&self, calls: bool, declines: bool) -> Result<Finish, CodecError> {
        let reason = self.incomplete_details.as_ref();
        let reason = reason.and_then(|details| details.reason.as_deref());
        match (self.status.as_deref(), reason) {
            (Some("incomplete"), Some("max_output_tokens")) => Ok(Finish::Length),
            (Some("incomplete"), Some("content_filter")) => Ok(Finish::ContentFilter),
            (Some("incomplete"), _) => Ok(Finish::Other),
            (Some("completed") | None, _) if calls => Ok(Finish::ToolCalls),
            (Some("completed") | None, _) if declines => Ok(Finish::ContentFilter),
            (Some("completed") | None, _) => Ok(Finish::Stop),
            (Some(_), _) => Err(CodecError::garbled("the response has not ended")),
        }
    }
}
