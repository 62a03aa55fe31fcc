//! The tool calls of an answer, as servers of this protocol tell them.
//!
//! Source: <https://platform.openai.com/docs/api-reference/chat-streaming>. By it a piece says which call it belongs to by `index`, and
//! the first of a call has its id and name. Gemini leaves the index out, Ollama has said 0 for each, some repeat id and name
//! in each piece, and some have another id in the later ones (<https://github.com/poolsideai/pool/issues/9>).

use serde::Deserialize;
use serde_json::Value;

use crate::{CodecError, MOST_CALLS, MOST_EXTRA, ToolCall, ToolDelta};

/// A call, or a piece of one.
#[derive(Debug, Deserialize)]
pub(super) struct WireCall {
    index: Option<u32>,
    id: Option<String>,
    function: Option<WireFunction>,
    extra_content: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct WireFunction {
    name: Option<String>,
    /// Text by the protocol; some servers give the object itself.
    arguments: Option<Value>,
}

impl WireCall {
    /// What it says, whichever call it belongs to. What is empty is not said.
    fn read(self) -> Result<ToolDelta, CodecError> {
        let (name, arguments) = match self.function {
            Some(function) => (function.name, function.arguments),
            None => (None, None),
        };
        Ok(ToolDelta {
            index: 0,
            id: self.id.filter(|id| !id.is_empty()),
            name: name.filter(|name| !name.is_empty()),
            arguments: match arguments {
                None | Some(Value::Null) => String::new(),
                Some(Value::String(text)) => text,
                Some(object @ Value::Object(_)) => object.to_string(),
                Some(_) => return Err(CodecError::garbled("arguments of a wrong type")),
            },
            // what is larger is passed over, as all else is that the protocol doesn't know
            extra_content: self
                .extra_content
                .filter(|extra| extra.is_object() && extra.to_string().len() <= MOST_EXTRA),
        })
    }
}

/// The calls of a whole answer, each of which is one.
pub(super) fn whole(calls: Vec<WireCall>) -> Result<Vec<ToolCall>, CodecError> {
    if calls.len() > MOST_CALLS {
        return Err(CodecError::garbled("too many tool calls"));
    }
    let read = |call: WireCall| {
        let said = call.read()?;
        Ok(ToolCall {
            id: said.id.unwrap_or_default(),
            name: said.name.unwrap_or_default(),
            arguments: said.arguments,
            extra_content: said.extra_content,
        })
    };
    calls.into_iter().map(read).collect()
}

/// The calls of a stream that have begun, in order.
#[derive(Debug, Default)]
pub(super) struct Calls(Vec<Begun>);

#[derive(Debug)]
struct Begun {
    /// The server's own number, which several may have.
    index: Option<u32>,
    id: Option<String>,
    is_named: bool,
}

impl Calls {
    /// Whether no call was heard.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes a piece in and numbers it by its call, from 0 on. A call's id and name are told once, since clients of this protocol put the
    /// pieces of them together.
    pub(super) fn hear(&mut self, piece: WireCall) -> Result<ToolDelta, CodecError> {
        let index = piece.index;
        let mut said = piece.read()?;
        let at = self.known(index, &said).unwrap_or(self.0.len());
        if at >= MOST_CALLS {
            return Err(CodecError::garbled("too many tool calls"));
        }
        if at == self.0.len() {
            self.0.push(Begun {
                index,
                id: None,
                is_named: false,
            });
        }
        if let Some(begun) = self.0.get_mut(at) {
            if begun.id.is_some() {
                said.id = None;
            } else {
                begun.id.clone_from(&said.id);
            }
            if begun.is_named {
                said.name = None;
            }
            begun.is_named |= said.name.is_some();
        }
        said.index = u32::try_from(at).unwrap_or(u32::MAX);
        Ok(said)
    }

    /// The call that a piece goes on with; none where it begins one.
    fn known(&self, index: Option<u32>, said: &ToolDelta) -> Option<usize> {
        let here = |begun: &Begun| index.is_none() || begun.index == index;
        let same = |begun: &Begun| here(begun) && said.id.is_some() && begun.id == said.id;
        if let Some(at) = self.0.iter().rposition(same) {
            return Some(at);
        }
        let at = self.0.iter().rposition(here)?;
        let last = self.0.get(at)?;
        // without a name nobody could be called: an id that changes within a call begins none
        let begins = said.name.is_some()
            && match (&last.id, &said.id) {
                (Some(_), Some(_)) => true,
                (Some(_), None) => false,
                (None, _) => last.is_named && index.is_none(),
            };
        (!begins).then_some(at)
    }
}
