//! The streamed answer: `message_start` … `message_stop`.
//!
//! Source: <https://platform.claude.com/docs/en/build-with-claude/streaming>.

use serde::Deserialize;

use crate::decoder::{Decoder, Meaning, Told};
use crate::openai::{Text, parse};
use crate::{CodecError, MOST_CALLS, StreamEvent, ThoughtDelta, ToolDelta, Usage};

use super::{Block, Counts, Fault, finish};

/// Reads a streamed answer from bytes that may be cut anywhere.
pub type StreamDecoder = Decoder<Events>;

/// The meaning of events.
#[derive(Debug, Default)]
pub struct Events {
    counts: Counts,
    /// The blocks that are tool calls, by the order in which they began.
    calls: Vec<u64>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: String,
    message: Option<Start>,
    index: Option<u64>,
    content_block: Option<Block>,
    #[serde(borrow)]
    delta: Option<Delta<'a>>,
    usage: Option<Counts>,
    error: Option<Fault>,
}

#[derive(Deserialize)]
struct Start {
    usage: Option<Counts>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow)]
    text: Option<Text<'a>>,
    partial_json: Option<String>,
    thinking: Option<String>,
    signature: Option<String>,
    stop_reason: Option<String>,
}

impl Events {
    /// At the start the whole question is counted, and next to nothing of the answer.
    fn begin_count(&mut self, counts: Option<Counts>, told: &mut Told) {
        let Some(counts) = counts else { return };
        self.counts = counts;
        if let Some(usage) = counts.usage() {
            told.tell(StreamEvent::Read(Usage {
                output: 0,
                thought: 0,
                ..usage
            }));
        }
    }

    fn count(&mut self, counts: Option<Counts>, told: &mut Told) {
        let Some(counts) = counts else { return };
        self.counts = self.counts.then(counts);
        if let Some(usage) = self.counts.usage() {
            told.tell(StreamEvent::Usage(usage));
        }
    }

    /// Gives the place of a block among the tool calls.
    fn call(&self, block: Option<u64>) -> Result<u32, CodecError> {
        self.calls
            .iter()
            .position(|known| Some(*known) == block)
            .and_then(|at| u32::try_from(at).ok())
            .ok_or_else(|| CodecError::garbled("arguments of no tool call"))
    }

    fn begin(
        &mut self,
        index: Option<u64>,
        block: Block,
        told: &mut Told,
    ) -> Result<(), CodecError> {
        match block.kind.as_str() {
            "text" => told.tell(StreamEvent::Text(block.text.unwrap_or_default())),
            "thinking" => think(block.thinking, block.signature, told),
            "redacted_thinking" => {
                let data = block.data.map(ThoughtDelta::Closed);
                data.map(StreamEvent::Thought)
                    .into_iter()
                    .for_each(|event| told.tell(event));
            }
            "tool_use" => {
                if self.calls.len() >= MOST_CALLS {
                    return Err(CodecError::garbled("too many tool calls"));
                }
                self.calls.push(index.unwrap_or(0));
                let at = u32::try_from(self.calls.len() - 1).unwrap_or(u32::MAX);
                // the input stands whole in the first event only where a server doesn't stream it
                let whole = block
                    .input
                    .filter(|v| v.as_object().is_some_and(|o| !o.is_empty()));
                told.tell(StreamEvent::Tool(ToolDelta {
                    index: at,
                    id: block.id,
                    name: block.name,
                    arguments: whole.map(|v| v.to_string()).unwrap_or_default(),
                    ..ToolDelta::default()
                }));
            }
            _ => {}
        }
        Ok(())
    }
}

/// Tells the words of a thought, and what ends it.
fn think(words: Option<String>, signature: Option<String>, told: &mut Told) {
    let words = words.map(ThoughtDelta::Text);
    let seal = signature.filter(|seal| !seal.is_empty());
    for piece in words.into_iter().chain(seal.map(ThoughtDelta::Signature)) {
        told.tell(StreamEvent::Thought(piece));
    }
}

impl Meaning for Events {
    fn take(&mut self, data: &str, told: &mut Told) -> Result<(), CodecError> {
        let event: Event = parse(data)?;
        match event.kind.as_str() {
            "error" => return Err(event.error.unwrap_or_default().into()),
            "message_start" => self.begin_count(event.message.and_then(|m| m.usage), told),
            "content_block_start" => {
                if let Some(block) = event.content_block {
                    self.begin(event.index, block, told)?;
                }
            }
            "content_block_delta" => {
                let Some(delta) = event.delta else {
                    return Err(CodecError::garbled("a delta without delta"));
                };
                if let Some(Text(words)) = delta.text {
                    told.say(words, data);
                } else if let Some(arguments) = delta.partial_json.filter(|json| !json.is_empty()) {
                    told.tell(StreamEvent::Tool(ToolDelta {
                        index: self.call(event.index)?,
                        arguments,
                        ..ToolDelta::default()
                    }));
                } else {
                    think(delta.thinking, delta.signature, told);
                }
            }
            "message_delta" => {
                if let Some(reason) = event.delta.and_then(|delta| delta.stop_reason) {
                    told.tell(StreamEvent::Finish(finish(&reason)));
                }
                self.count(event.usage, told);
            }
            "message_stop" => told.tell(StreamEvent::Done),
            _ => {} // ping, content_block_stop and what is yet to be invented
        }
        Ok(())
    }
}
