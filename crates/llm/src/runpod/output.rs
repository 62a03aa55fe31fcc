//! What handlers return.
//!
//! Source: <https://docs.runpod.io/serverless/vllm/vllm-requests> for the batches
//! `{"choices": [{"tokens": [...]}], "usage": {"input", "output"}}`; the rest is what handlers in the wild return.

use serde_json::Value;

use crate::{ChatAnswer, CodecError, Finish, StreamEvent, Usage, openai};

/// The fields in which handlers put their text.
const TEXTS: [&str; 6] = [
    "text",
    "response",
    "generated_text",
    "output",
    "answer",
    "content",
];

/// Reads a whole output.
pub fn read_output(output: &Value) -> Result<ChatAnswer, CodecError> {
    let mut answer = ChatAnswer::empty("");
    let mut reader = StreamReader::default();
    for event in reader.take(output)? {
        answer.take(&event);
    }
    for event in reader.finish() {
        answer.take(&event);
    }
    Ok(answer)
}

/// Reads the pieces of an output, one after the other.
#[derive(Debug, Clone, Default)]
pub struct StreamReader {
    input: Option<u64>,
    output: u64,
    /// What was counted and not told yet.
    untold: bool,
    finished: bool,
}

impl StreamReader {
    /// Takes the next piece; an array is several.
    pub fn take(&mut self, piece: &Value) -> Result<Vec<StreamEvent>, CodecError> {
        let mut events = Vec::new();
        self.read(piece, &mut events, 0)?;
        // before the words of its batch, so that nobody has words that were not counted yet
        let counted = self.usage();
        Ok(counted.into_iter().chain(events).collect())
    }

    fn usage(&mut self) -> Option<StreamEvent> {
        let input = self.input.filter(|_| std::mem::take(&mut self.untold))?;
        let usage = Usage {
            input,
            output: self.output,
            ..Usage::default()
        };
        usage.if_possible().map(StreamEvent::Usage)
    }

    /// Takes the end: the job is done.
    pub fn finish(&mut self) -> Vec<StreamEvent> {
        let mut events = Vec::new();
        if !std::mem::replace(&mut self.finished, true) {
            events.push(StreamEvent::Finish(Finish::Stop));
        }
        events.push(StreamEvent::Done);
        events
    }

    fn read(
        &mut self,
        piece: &Value,
        events: &mut Vec<StreamEvent>,
        depth: usize,
    ) -> Result<(), CodecError> {
        if depth > 4 {
            return Err(CodecError::garbled("an output too deep"));
        }
        match piece {
            Value::Null => Ok(()),
            Value::String(text) => {
                say(text, events);
                Ok(())
            }
            Value::Array(items) => items
                .iter()
                .try_for_each(|item| self.read(item, events, depth + 1)),
            Value::Object(fields) => {
                if let Some(error) = fields.get("error").filter(|error| !error.is_null()) {
                    return Err(CodecError::Upstream {
                        message: super::words(error),
                        code: None,
                    });
                }
                if fields.contains_key("choices") {
                    return self.choices(piece, events);
                }
                let Some(inner) = TEXTS.iter().find_map(|name| fields.get(*name)) else {
                    return Err(CodecError::garbled("an output without text"));
                };
                self.count(piece);
                self.read(inner, events, depth + 1)
            }
            Value::Bool(_) | Value::Number(_) => Err(CodecError::garbled("an output without text")),
        }
    }

    fn choices(&mut self, piece: &Value, events: &mut Vec<StreamEvent>) -> Result<(), CodecError> {
        let Some(choice) = piece.pointer("/choices/0") else {
            return Err(CodecError::garbled("no choice"));
        };
        if choice.get("message").is_some() {
            let answer = openai::decode(piece.to_string().as_bytes())?;
            self.finished = true;
            let told = answer.into_events().into_iter();
            events.extend(told.filter(|event| *event != StreamEvent::Done));
            return Ok(());
        }
        match choice.get("tokens") {
            Some(Value::Array(tokens)) => {
                for token in tokens {
                    let text = token
                        .as_str()
                        .ok_or_else(|| CodecError::garbled("a token is no text"))?;
                    say(text, events);
                }
            }
            Some(Value::String(text)) => say(text, events),
            _ => match choice.get("text").and_then(Value::as_str) {
                Some(text) => say(text, events),
                None => return Err(CodecError::garbled("a choice without text")),
            },
        }
        self.count(piece);
        let finish = match choice.get("finish_reason").and_then(Value::as_str) {
            Some("length") => Some(Finish::Length),
            Some("stop") => Some(Finish::Stop),
            _ => None,
        };
        if let Some(finish) = finish {
            self.finished = true;
            events.push(StreamEvent::Finish(finish));
        }
        Ok(())
    }

    /// Each batch tells the whole input and the output so far.
    fn count(&mut self, piece: &Value) {
        let number = |names: [&str; 2]| {
            names
                .iter()
                .find_map(|name| piece.get("usage")?.get(*name)?.as_u64())
        };
        let input = number(["input", "prompt_tokens"]);
        let output = number(["output", "completion_tokens"]);
        if input.is_some() || output.is_some() {
            self.input = input.or(self.input).or(Some(0));
            self.output = output.unwrap_or(0).max(self.output);
            self.untold = true;
        }
    }
}

fn say(text: &str, events: &mut Vec<StreamEvent>) {
    if !text.is_empty() {
        events.push(StreamEvent::Text(text.to_owned()));
    }
}
