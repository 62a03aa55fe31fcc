//! A streamed answer as a state machine that takes bytes and gives events, whatever the provider.

use std::borrow::Cow;
use std::ops::Range;

use crate::sse::Parser;
use crate::{CodecError, StreamEvent, ThoughtDelta};

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
    /// Where the words of the event that was taken last stood in it.
    words: Option<Range<usize>>,
}

impl Told {
    /// Tells words of an event, whose data they are a part of unless they were written in escapes.
    pub(crate) fn say(&mut self, words: Cow<'_, str>, data: &str) {
        if let Cow::Borrowed(words) = words {
            self.words = place(words, data);
        }
        self.tell(StreamEvent::Text(words.into_owned()));
    }

    pub(crate) fn tell(&mut self, event: StreamEvent) {
        match event {
            StreamEvent::Text(text) if text.is_empty() => return,
            StreamEvent::Thought(ThoughtDelta::Text(text)) if text.is_empty() => return,
            StreamEvent::Finish(_) => self.finished = true,
            StreamEvent::Done => self.done = true,
            _ => {}
        }
        self.events.push(event);
    }
}

/// Where a part of a text begins and ends in it.
fn place(part: &str, whole: &str) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    let place = start..start + part.len();
    (whole.get(place.clone()) == Some(part)).then_some(place)
}

/// What stood around the words of an event that told nothing else. Most events of a stream differ from the one before in their words
/// alone, and need not be read as a whole again.
#[derive(Debug)]
struct Frame {
    before: String,
    after: String,
}

impl Frame {
    fn of(data: &str, words: &Range<usize>) -> Option<Self> {
        Some(Self {
            before: data.get(..words.start)?.to_owned(),
            after: data.get(words.end..)?.to_owned(),
        })
    }

    /// The words of an event in the same frame; none where they may mean something else than they say, or end before.
    fn words<'a>(&self, data: &'a str) -> Option<&'a str> {
        let words = data.strip_prefix(&self.before)?;
        let words = words.strip_suffix(&self.after)?;
        let mut bytes = words.bytes();
        let is_plain = bytes.all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\');
        is_plain.then_some(words)
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
    /// Of the event before.
    frame: Option<Frame>,
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
        let (meaning, frame, told) = (&mut self.meaning, &mut self.frame, &mut self.told);
        let taken = self
            .parser
            .push(bytes, |data| take(meaning, frame, data, told));
        if let Err(fault) = taken {
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
            mut frame,
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
            parser.finish(|data| take(&mut meaning, &mut frame, data, &mut told))
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

fn take<M: Meaning>(
    meaning: &mut M,
    frame: &mut Option<Frame>,
    data: &str,
    told: &mut Told,
) -> Result<(), CodecError> {
    if told.done {
        return Ok(());
    }
    if let Some(words) = frame.as_ref().and_then(|frame| frame.words(data)) {
        told.tell(StreamEvent::Text(words.to_owned()));
        return Ok(());
    }
    let before = told.events.len();
    told.words = None;
    meaning.take(data, told)?;
    let words = told.words.take();
    let words = words.filter(|_| told.events.len() == before + 1);
    *frame = words.and_then(|words| Frame::of(data, &words));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Finish, anthropic, openai};

    /// What the last of some events tells.
    fn last<M: Meaning>(
        mut decoder: Decoder<M>,
        events: &[&str],
    ) -> Result<Vec<StreamEvent>, CodecError> {
        let mut told = Ok(Vec::new());
        for event in events {
            told = decoder.push(format!("data: {event}\n\n").as_bytes());
        }
        told
    }

    fn check<M: Meaning>(decoder: fn() -> Decoder<M>, before: &str, event: &str) {
        let alone = last(decoder(), &[event]);
        let then = last(decoder(), &[before, event]);
        assert_eq!(then, alone, "{event} after {before}");
    }

    #[test]
    fn an_event_tells_the_same_whatever_was_told_before() {
        let plain = r#"{"id":"a","choices":[{"delta":{"content":"a"},"index":0}]}"#;
        let with = |words: &str| plain.replace(r#""content":"a""#, words);
        let others = [
            r#""content":"はい b""#,
            r#""content":"""#,
            r#""content":"\"""#,
            r#""content":"a\\""#,
            r#""content":"\u3042""#,
            r#""content":"a\""#,
            r#""content":"a","content":"b""#,
            r#""content":"a","tool_calls":[{"id":"a"}],"refusal":"""#,
            r#""content":"a"},"finish_reason":"length","x":{"y":"a""#,
            r#""content":null,"refusal":"no""#,
            r#""content":7"#,
            r#""content":[{"type":"text","text":"b"}]"#,
            r#""content":[{"type":"thinking","thinking":[{"type":"text","text":"b"}]}]"#,
            r#""content":"a"},"x":[{"content":"b""#,
            "\"content\":\"a\u{1}b\"",
            "\"content\":\"a\tb\"",
        ];
        let chunks = others.map(with);
        for chunk in chunks.iter().map(String::as_str).chain([plain]) {
            check(openai::StreamDecoder::new, plain, chunk);
        }
        let two = r#"{"choices":[{"delta":{"content":"a"}},{"delta":{"content":"b"}}]}"#;
        check(openai::StreamDecoder::new, two, two);
        let listed = with(r#""content":[{"type":"text","text":"a"}]"#);
        check(openai::StreamDecoder::new, &listed, &listed);
        check(openai::StreamDecoder::new, &listed, plain);
        let counted = |n: u8| {
            format!(
                r#"{{"choices":[{{"delta":{{"content":"a"}}}}],"usage":{{"prompt_tokens":{n}}}}}"#
            )
        };
        check(openai::StreamDecoder::new, &counted(1), &counted(2));
        let said = r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}}"#;
        for other in [r#"\n"#, "b", "", "a\"},\"x\":{\"y\":\"b"] {
            check(
                anthropic::StreamDecoder::new,
                said,
                &said.replace(r#":"a""#, &format!(r#":"{other}""#)),
            );
        }
    }

    #[test]
    fn what_ends_is_read_though_it_says_words_too() {
        let said = r#"{"choices":[{"delta":{"content":"a"},"finish_reason":null}]}"#;
        let ends = said.replace("null", r#""stop""#);
        let told = last(openai::StreamDecoder::new(), &[said, said, &ends]);
        let words = StreamEvent::Text("a".to_owned());
        assert_eq!(told, Ok(vec![words, StreamEvent::Finish(Finish::Stop)]));
    }
}
