//! The streamed answer: `response.created` … `response.completed`.
//!
//! Source: <https://platform.openai.com/docs/api-reference/responses-streaming>.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::chat::PAUSE;
use crate::decoder::{Decoder, Meaning, Told};
use crate::openai::{fault, parse};
use crate::{CodecError, MOST_CALLS, StreamEvent, ThoughtDelta, ToolDelta};

use super::{Call, Item, Mind, Response};

/// Reads a streamed answer from bytes that may be cut anywhere.
pub type StreamDecoder = Decoder<Events>;

/// The meaning of events.
#[derive(Debug, Default)]
pub struct Events {
    /// The items that are tool calls, in the order in which they began.
    calls: Vec<Begun>,
    /// The item whose words came last.
    speaks: Option<u64>,
    /// The item and its part whose thoughts came last, until these are sealed.
    thinks: Option<(u64, u64)>,
    has_thought: bool,
    refused: bool,
}

/// A tool call whose arguments may still come.
#[derive(Debug)]
struct Begun {
    item: u64,
    /// Whether its arguments came: they come in pieces, and then whole once more.
    heard: bool,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: Option<String>,
    response: Option<Response>,
    output_index: Option<u64>,
    summary_index: Option<u64>,
    item: Option<Value>,
    delta: Option<Value>,
    arguments: Option<Value>,
    error: Option<Value>,
    message: Option<Value>,
    code: Option<Value>,
}

impl Event {
    fn read(&self) -> Result<Option<Item>, CodecError> {
        self.item.as_ref().map_or(Ok(None), Item::read)
    }

    /// Takes the next piece of a text out; what is no text in the other events is nobody's here.
    fn piece(&mut self) -> Result<String, CodecError> {
        match self.delta.take() {
            Some(Value::String(piece)) => Ok(piece),
            _ => Err(CodecError::garbled("a delta without delta")),
        }
    }

    /// An error as this event tells it: itself, or in a field as bodies do.
    fn failure(self) -> CodecError {
        match self.error.filter(|error| !error.is_null()) {
            Some(error) => fault(&error),
            None => fault(&json!({"message": self.message, "code": self.code})),
        }
    }
}

impl Events {
    fn say(&mut self, item: u64, words: String, told: &mut Told) {
        if words.is_empty() {
            return;
        }
        if self.speaks.is_some_and(|before| before != item) {
            told.tell(StreamEvent::Text(PAUSE.to_owned()));
        }
        self.speaks = Some(item);
        told.tell(StreamEvent::Text(words));
    }

    fn think(&mut self, part: (u64, u64), words: String, told: &mut Told) {
        if words.is_empty() {
            return;
        }
        if self.thinks.is_some_and(|before| before != part) {
            let pause = ThoughtDelta::Text(PAUSE.to_owned());
            told.tell(StreamEvent::Thought(pause));
        }
        self.thinks = Some(part);
        self.has_thought = true;
        told.tell(StreamEvent::Thought(ThoughtDelta::Text(words)));
    }

    fn seal(&mut self, seal: String, told: &mut Told) {
        self.thinks = None;
        self.has_thought = true;
        told.tell(StreamEvent::Thought(ThoughtDelta::Signature(seal)));
    }

    fn begin(&mut self, at: u64, call: &Call, told: &mut Told) -> Result<(), CodecError> {
        if self.calls.iter().any(|begun| begun.item == at) {
            return Ok(());
        }
        if self.calls.len() >= MOST_CALLS {
            return Err(CodecError::garbled("too many tool calls"));
        }
        let arguments = call.arguments()?;
        self.calls.push(Begun {
            item: at,
            heard: !arguments.is_empty(),
        });
        told.tell(StreamEvent::Tool(ToolDelta {
            index: u32::try_from(self.calls.len() - 1).unwrap_or(u32::MAX),
            id: call.tie(),
            name: call.name.clone(),
            arguments,
            ..ToolDelta::default()
        }));
        Ok(())
    }

    fn argue(&mut self, at: u64, piece: String, told: &mut Told) -> Result<(), CodecError> {
        let mut begun = self.calls.iter_mut().zip(0..);
        let Some((begun, index)) = begun.find(|(begun, _)| begun.item == at) else {
            return Err(CodecError::garbled("arguments of no tool call"));
        };
        if !piece.is_empty() {
            begun.heard = true;
            told.tell(StreamEvent::Tool(ToolDelta {
                index,
                arguments: piece,
                ..ToolDelta::default()
            }));
        }
        Ok(())
    }

    /// Takes the arguments as a whole, from a server that has not told them piece by piece.
    fn argue_whole(
        &mut self,
        at: u64,
        arguments: String,
        told: &mut Told,
    ) -> Result<(), CodecError> {
        match self.calls.iter().find(|begun| begun.item == at) {
            Some(begun) if !begun.heard => self.argue(at, arguments, told),
            _ => Ok(()),
        }
    }

    fn end(&mut self, response: &Response, told: &mut Told) -> Result<(), CodecError> {
        if self.speaks.is_none() && self.calls.is_empty() {
            // of a server that tells its answer with the end alone
            let has_thought = self.has_thought;
            for (at, item) in (0..).zip(response.output.iter().flatten()) {
                match Item::read(item)? {
                    Some(Item::Thought(Mind { text, seal })) if !has_thought => {
                        self.think((at, 0), text, told);
                        if let Some(seal) = seal {
                            self.seal(seal, told);
                        }
                    }
                    Some(Item::Words(words)) => {
                        self.refused |= words.declines();
                        self.say(at, words.text(), told);
                    }
                    Some(Item::Call(call)) => self.begin(at, &call, told)?,
                    Some(Item::Thought(_)) | None => {}
                }
            }
        }
        let finish = response.finish(!self.calls.is_empty(), self.refused)?;
        told.tell(StreamEvent::Finish(finish));
        told.tell(StreamEvent::Done);
        Ok(())
    }
}

impl Meaning for Events {
    fn take(&mut self, data: &str, told: &mut Told) -> Result<(), CodecError> {
        if data.trim() == "[DONE]" {
            return Ok(()); // of servers that end all their streams with it
        }
        let mut event: Event = parse(data)?;
        let at = event.output_index.unwrap_or(0);
        match event.kind.as_deref().unwrap_or_default() {
            "response.output_text.delta" => {
                let piece = event.piece()?;
                self.say(at, piece, told);
            }
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                let part = (at, event.summary_index.unwrap_or(0));
                let piece = event.piece()?;
                self.think(part, piece, told);
            }
            "response.refusal.delta" => {
                let piece = event.piece()?;
                self.refused = true;
                self.say(at, piece, told);
            }
            "response.output_item.added" => {
                if let Some(Item::Call(call)) = event.read()? {
                    self.begin(at, &call, told)?;
                }
            }
            "response.function_call_arguments.delta" => {
                let piece = event.piece()?;
                self.argue(at, piece, told)?;
            }
            "response.function_call_arguments.done" => {
                if let Some(Value::String(arguments)) = event.arguments {
                    self.argue_whole(at, arguments, told)?;
                }
            }
            "response.output_item.done" => match event.read()? {
                Some(Item::Call(call)) => {
                    self.begin(at, &call, told)?;
                    self.argue_whole(at, call.arguments()?, told)?;
                }
                Some(Item::Thought(Mind {
                    seal: Some(seal), ..
                })) => self.seal(seal, told),
                _ => {}
            },
            "response.completed" | "response.incomplete" | "response.failed" => {
                let response = event.response.unwrap_or_default();
                // before the fault too: what has failed may have cost
                if let Some(usage) = response.usage() {
                    told.tell(StreamEvent::Usage(usage));
                }
                if let Some(failure) = response.failure() {
                    return Err(failure);
                }
                if event.kind.as_deref() == Some("response.failed") {
                    return Err(CodecError::Upstream {
                        message: "the response is failed".to_owned(),
                        code: None,
                    });
                }
                self.end(&response, told)?;
            }
            "error" => return Err(event.failure()),
            "" if event.error.as_ref().is_some_and(|error| !error.is_null()) => {
                return Err(event.failure());
            }
            _ => {} // each part's beginning and end, and what is yet to be invented
        }
        Ok(())
    }
}
