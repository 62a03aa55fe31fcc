//! The streamed answer, as a state machine that takes bytes and gives events.

use crate::sse::Parser;
use crate::{CodecError, StreamEvent};

use super::{Choice, parse};

/// Reads a streamed answer from bytes that may be cut anywhere.
///
/// The events are the same however the bytes are cut. Those before a fault are never lost: `push` gives them first and
/// the fault at the next call, or at once by [`StreamDecoder::fault`]; after a fault every call gives it again.
#[derive(Debug, Default)]
pub struct StreamDecoder {
    parser: Parser,
    state: State,
}

#[derive(Debug, Default)]
struct State {
    events: Vec<StreamEvent>,
    finished: bool,
    done: bool,
    fault: Option<CodecError>,
}

impl StreamDecoder {
    /// Starts at the first byte of a response body.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes and gives the events that they complete.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<StreamEvent>, CodecError> {
        if let Some(fault) = &self.state.fault {
            return Err(fault.clone());
        }
        if self.state.done {
            return Ok(Vec::new()); // whatever follows the end belongs to nobody
        }
        let state = &mut self.state;
        if let Err(fault) = self.parser.push(bytes, |data| state.take(data)) {
            self.state.fault = Some(fault);
        }
        self.state.hand_over()
    }

    /// Gives the fault that was met, also while `push` still has events from before it to give.
    pub fn fault(&self) -> Option<&CodecError> {
        self.state.fault.as_ref()
    }

    /// Tells whether the stream has said that it is whole, so that reading may stop.
    pub fn is_done(&self) -> bool {
        self.state.done
    }

    /// Takes the end of the body and gives what was still waiting.
    ///
    /// A stream that gave neither `[DONE]` nor a reason to finish is `Truncated`, however good its text looks.
    pub fn finish(self) -> Result<Vec<StreamEvent>, CodecError> {
        let Self { parser, mut state } = self;
        if let Some(fault) = state.fault {
            return Err(fault);
        }
        if state.done {
            return Ok(Vec::new());
        }
        // A last event that can't be read is the cut itself, not garbage; one that reports a failure is heard.
        if let Err(fault @ CodecError::Upstream { .. }) = parser.finish(|data| state.take(data)) {
            return Err(fault);
        }
        if !state.finished && !state.done {
            return Err(CodecError::Truncated);
        }
        if !state.done {
            state.events.push(StreamEvent::Done);
        }
        Ok(state.events)
    }
}

impl State {
    fn take(&mut self, data: &str) -> Result<(), CodecError> {
        if self.done {
            return Ok(());
        }
        if data.trim() == "[DONE]" {
            self.done = true;
            self.events.push(StreamEvent::Done);
            return Ok(());
        }
        let chunk = parse(data)?;
        if let Some(error) = chunk.error() {
            return Err(error);
        }
        let usage = chunk.usage();
        for choice in chunk.choices.into_iter().flatten().filter(Choice::is_first) {
            let finish = choice.finish();
            let text = choice.delta.and_then(|delta| delta.content);
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                self.events.push(StreamEvent::Text(text));
            }
            if let Some(finish) = finish {
                self.finished = true;
                self.events.push(StreamEvent::Finish(finish));
            }
        }
        if let Some(usage) = usage {
            self.events.push(StreamEvent::Usage(usage));
        }
        Ok(())
    }

    fn hand_over(&mut self) -> Result<Vec<StreamEvent>, CodecError> {
        match &self.fault {
            Some(fault) if self.events.is_empty() => Err(fault.clone()),
            _ => Ok(std::mem::take(&mut self.events)),
        }
    }
}
