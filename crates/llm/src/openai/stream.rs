//! The streamed answer.
//!
//! Source: <https://platform.openai.com/docs/api-reference/chat-streaming>.

use crate::decoder::{Decoder, Meaning, Told};
use crate::{CodecError, StreamEvent};

use super::{Choice, Wire, parse};

/// Reads a streamed answer from bytes that may be cut anywhere.
pub type StreamDecoder = Decoder<Chunks>;

/// The meaning of chunks.
#[derive(Debug, Default)]
pub struct Chunks(());

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
        let usage = chunk.usage();
        for choice in chunk.choices.into_iter().flatten().filter(Choice::is_first) {
            let finish = choice.finish();
            if let Some(delta) = choice.delta {
                let calls = delta.calls()?;
                let text = delta.content.filter(|text| !text.is_empty());
                let text = text.or(delta.refusal).unwrap_or_default();
                told.tell(StreamEvent::Text(text));
                for call in calls {
                    told.tell(StreamEvent::Tool(call));
                }
            }
            if let Some(finish) = finish {
                told.tell(StreamEvent::Finish(finish));
            }
        }
        if let Some(usage) = usage {
            told.tell(StreamEvent::Usage(usage));
        }
        Ok(())
    }
}
