//! A streamed answer as a state machine that takes bytes and gives events, whatever the provider.

use crate::sse::Parser;
use crate::{CodecError, StreamEvent};

/// What one provider's events mean.
pub(crate) trait Meaning: Default {
    /// Takes the data of one event.
    fn take(&mut self, data: &str, told: &mut Told) -> Result<(), CodecError>;
}

/// What a stream has told so far.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) events: Vec<StreamEvent>,
    /// The reason to stop was told.
    pub(crate) finished: bool,
    /// The end was told.
    pub(crate) done: bool,
}

impl Told {
    pub(crate) fn tell(&mut self, event: StreamEvent) {
        match event {
            StreamEvent::Text(text) if text.is_empty() => return,
            StreamEvent::Finish(_) => self.finished = true,
            StreamEvent::Done => self.done = true,
            _ => {}
        }
        self.events.push(event);
    }
}

/// Reads a streamed answer from bytes that may be cut anywhere.
///
/// The events are the same however the bytes are cut. Those before a fault are never lost: `push` gives them first and
/// the fault at the next call, or at once by [`Decoder::fault`]; after a fault every call gives it again.
#[derive(Debug, Default)]
#[expect(
    private_bounds,
    reason = "the providers of this crate are all there are"
)]
pub struct Decoder<M: Meaning> {
    parser: Parser,
    meaning: M,
    told: Told,
    fault: Option<CodecError>,
}

#[expect(
    private_bounds,
    reason = "the providers of this crate are all there are"
)]
impl<M: Meaning> Decoder<M> {
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
            return Ok(Vec::new()); // whatever follows the end belongs to nobody
        }
        let (meaning, told) = (&mut self.meaning, &mut self.told);
        if let Err(fault) = self.parser.push(bytes, |data| take(meaning, data, told)) {
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

    /// Tells whether the stream has said that it is whole, so that reading may stop.
    pub fn is_done(&self) -> bool {
        self.told.done
    }

    /// Takes the end of the body and gives what was still waiting.
    ///
    /// A stream that gave neither its end nor a reason to finish is `Truncated`, however good its text looks.
    pub fn finish(self) -> Result<Vec<StreamEvent>, CodecError> {
        let Self {
            parser,
            mut meaning,
            mut told,
            fault,
        } = self;
        if let Some(fault) = fault {
            return Err(fault);
        }
        if told.done {
            return Ok(Vec::new());
        }
        // A last event that can't be read is the cut itself, not garbage; one that reports a failure is heard.
        if let Err(fault @ CodecError::Upstream { .. }) =
            parser.finish(|data| take(&mut meaning, data, &mut told))
        {
            return Err(fault);
        }
        if !told.finished && !told.done {
            return Err(CodecError::Truncated);
        }
        if !told.done {
            told.tell(StreamEvent::Done);
        }
        Ok(told.events)
    }
}

fn take<M: Meaning>(meaning: &mut M, data: &str, told: &mut Told) -> Result<(), CodecError> {
    if told.done {
        return Ok(());
    }
    meaning.take(data, told)
}
