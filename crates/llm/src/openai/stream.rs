//! The streamed answer.
//!
//! Source: <https://platform.openai.com/docs/api-reference/chat-streaming>.

use crate::decoder::{Decoder, Meaning, Told};
use crate::{CodecError, StreamEvent, ThoughtDelta};

use super::calls::Calls;
use super::{Choice, Wire, ended, parse};

/// Reads a streamed answer from bytes that may be cut anywhere.
pub type StreamDecoder = Decoder<Chunks>;

/// The meaning of chunks.
#[derive(Debug, Default)]
pub struct Chunks {
    refused: bool,
    calls: Calls,
}

impl Meaning for Chunks {
    fn take(&mut self, data: &str, told: &mut Told) -> Result<(), CodecError> {
        if data.trim() == "[DONE]" {
            told.tell(StreamEvent::Done);
            return Ok(());
        }
        let chunk: Wire = parse(data)?;
        if let Some(error) = chunk.error() {
            return Err(error);
        }
        // before the words of its chunk, so that nobody has words that were not counted yet
        if let Some(usage) = chunk.usage() {
            told.tell(StreamEvent::Usage(usage));
        }
        for choice in chunk.choices.into_iter().flatten().filter(Choice::is_first) {
            let finish = choice.finish();
            let logprobs = choice.logprobs();
            if let Some(mut delta) = choice.delta {
                let calls = delta.tool_calls.take().into_iter().flatten();
                let calls = calls.map(|call| self.calls.hear(call));
                let calls = calls.collect::<Result<Vec<_>, _>>()?;
                if let Some(thought) = delta.thought() {
                    let thought = ThoughtDelta::Text(thought.to_owned());
                    told.tell(StreamEvent::Thought(thought));
                }
                let text = delta.content.map(|content| content.words);
                let text = text.filter(|words| !words.is_empty());
                let refusal = delta.refusal.map(|refusal| refusal.0);
                let refusal = refusal.filter(|words| !words.is_empty());
                self.refused |= refusal.is_some();
                if let Some(words) = text.or(refusal) {
                    told.say(words, data);
                }
                if !logprobs.is_empty() {
                    told.tell(StreamEvent::Logprobs(logprobs));
                }
                for call in calls {
                    told.tell(StreamEvent::Tool(call));
                }
            }
            if let Some(finish) = finish {
                let finish = ended(finish, self.refused, !self.calls.is_empty());
                told.tell(StreamEvent::Finish(finish));
            }
        }
        Ok(())
    }
}
