//! The streamed answer: `messageStart` … `messageStop`, `metadata`.
//!
//! Source: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html>.

use serde::Deserialize;

use crate::decoder::Told;
use crate::openai::parse;
use crate::{CodecError, MOST_CALLS, StreamEvent, ThoughtDelta, ToolDelta};

use super::frames::{Frame, Frames};
use super::{Counts, finish};

/// Reads a streamed answer from bytes that may be cut anywhere.
///
/// Keeps the promises of [`crate::Decoder`]. The stream has no end mark of its own: it is whole when the usage has come
/// after the reason to stop, or when the body ends after that reason.
#[derive(Debug, Default)]
pub struct StreamDecoder {
    frames: Frames,
    events: Events,
    told: Told,
    fault: Option<CodecError>,
}

#[derive(Debug, Default)]
struct Events {
    /// The blocks that are tool calls, by the order in which they began.
    calls: Vec<u64>,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "contentBlockIndex")]
    index: Option<u64>,
    start: Option<Start>,
    delta: Option<Delta>,
    #[serde(rename = "stopReason")]
    stop_reason: Option<String>,
    usage: Option<Counts>,
    message: Option<String>,
}

#[derive(Deserialize)]
struct Start {
    #[serde(rename = "toolUse")]
    tool: Option<ToolStart>,
}

#[derive(Deserialize)]
struct ToolStart {
    #[serde(rename = "toolUseId")]
    id: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize)]
struct Delta {
    #[serde(rename = "reasoningContent")]
    thought: Option<ThoughtPiece>,
    text: Option<String>,
    #[serde(rename = "toolUse")]
    tool: Option<ToolPiece>,
}

#[derive(Deserialize)]
struct ThoughtPiece {
    text: Option<String>,
    signature: Option<String>,
    #[serde(rename = "redactedContent")]
    closed: Option<String>,
}

impl ThoughtPiece {
    fn told(self) -> impl Iterator<Item = StreamEvent> {
        let text = self.text.map(ThoughtDelta::Text);
        let seal = self.signature.filter(|seal| !seal.is_empty());
        let seal = seal.map(ThoughtDelta::Signature);
        let closed = self.closed.map(ThoughtDelta::Closed);
        let told = [text, seal, closed].into_iter().flatten();
        told.map(StreamEvent::Thought)
    }
}

#[derive(Deserialize)]
struct ToolPiece {
    input: Option<String>,
}

impl StreamDecoder {
    /// Starts at the first byte of a response body.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes and gives the events that they complete.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<StreamEvent>, CodecError> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        if self.told.done {
            return Ok(Vec::new());
        }
        let (events, told) = (&mut self.events, &mut self.told);
        if let Err(fault) = self.frames.push(bytes, |frame| events.take(&frame, told)) {
            self.fault = Some(fault);
        }
        match &self.fault {
            Some(fault) if self.told.events.is_empty() => Err(fault.clone()),
            _ => Ok(std::mem::take(&mut self.told.events)),
        }
    }

    /// Gives the fault that was met, also while `push` still has events from before it to give.
    pub fn fault(&self) -> Option<&CodecError> {
        self.fault.as_ref()
    }

    /// Tells whether the stream is whole, so that reading may stop.
    pub fn is_done(&self) -> bool {
        self.told.done
    }

    /// Takes the end of the body and gives what was still waiting.
    pub fn finish(mut self) -> Result<Vec<StreamEvent>, CodecError> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        if self.told.done {
            return Ok(Vec::new());
        }
        if !self.told.finished || !self.frames.is_empty() {
            return Err(CodecError::Truncated);
        }
        self.told.tell(StreamEvent::Done);
        Ok(self.told.events)
    }
}

impl Events {
    fn take(&mut self, frame: &Frame, told: &mut Told) -> Result<(), CodecError> {
        if told.done {
            return Ok(());
        }
        if frame.message_type == "error" {
            return Err(CodecError::Upstream {
                message: frame.error.clone(),
                code: Some(frame.kind.clone()),
            });
        }
        let text =
            std::str::from_utf8(&frame.payload).map_err(|_| CodecError::garbled("not UTF-8"))?;
        let event: Event = parse(text)?;
        if frame.message_type == "exception" {
            return Err(CodecError::Upstream {
                message: event.message.unwrap_or_else(|| "no message".to_owned()),
                code: Some(frame.kind.clone()),
            });
        }
        match frame.kind.as_str() {
            "contentBlockStart" => self.begin(&event, told),
            "contentBlockDelta" => self.piece(event, told),
            "messageStop" => {
                let reason = event.stop_reason.unwrap_or_default();
                told.tell(StreamEvent::Finish(finish(&reason)));
                Ok(())
            }
            "metadata" => {
                if let Some(usage) = event.usage.and_then(Counts::usage) {
                    told.tell(StreamEvent::Usage(usage));
                }
                if told.finished {
                    told.tell(StreamEvent::Done);
                }
                Ok(())
            }
            _ => Ok(()), // messageStart, contentBlockStop and what is yet to be invented
        }
    }

    fn begin(&mut self, event: &Event, told: &mut Told) -> Result<(), CodecError> {
        let Some(tool) = event.start.as_ref().and_then(|start| start.tool.as_ref()) else {
            return Ok(());
        };
        if self.calls.len() >= MOST_CALLS {
            return Err(CodecError::garbled("too many tool calls"));
        }
        self.calls.push(event.index.unwrap_or(0));
        told.tell(StreamEvent::Tool(ToolDelta {
            index: u32::try_from(self.calls.len() - 1).unwrap_or(u32::MAX),
            id: tool.id.clone(),
            name: tool.name.clone(),
            arguments: String::new(),
            ..ToolDelta::default()
        }));
        Ok(())
    }

    fn piece(&mut self, event: Event, told: &mut Told) -> Result<(), CodecError> {
        let Some(delta) = event.delta else {
            return Err(CodecError::garbled("a delta without delta"));
        };
        for event in delta.thought.into_iter().flat_map(ThoughtPiece::told) {
            told.tell(event);
        }
        if let Some(text) = delta.text {
            told.tell(StreamEvent::Text(text));
        }
        let Some(arguments) = delta.tool.and_then(|tool| tool.input) else {
            return Ok(());
        };
        let index = self
            .calls
            .iter()
            .position(|known| Some(*known) == event.index)
            .and_then(|at| u32::try_from(at).ok())
            .ok_or_else(|| CodecError::garbled("arguments of no tool call"))?;
        if !arguments.is_empty() {
            told.tell(StreamEvent::Tool(ToolDelta {
                index,
                arguments,
                ..ToolDelta::default()
            }));
        }
        Ok(())
    }
}
