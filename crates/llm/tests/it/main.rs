//! Streams as real servers send them, cut at every byte.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests may give up as tests may"
)]

/// Reads a stream given in parts with one of the decoders, to its end or to its first fault.
macro_rules! reader {
    ($name:ident, $decoder:ty) => {
        fn $name<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> crate::Read {
            let mut decoder = <$decoder>::new();
            let mut events = Vec::new();
            for part in parts {
                match decoder.push(part) {
                    Ok(more) => events.extend(more),
                    Err(fault) => return (events, Some(fault)),
                }
            }
            match decoder.finish() {
                Ok(more) => {
                    events.extend(more);
                    (events, None)
                }
                Err(fault) => (events, Some(fault)),
            }
        }
    };
}

mod caching;
mod calls;
mod clients;
mod completions;
mod counts;
mod documents;
mod doors;
mod providers;
mod responses;
mod thoughts;
mod trips;
mod turns;

use llm::openai::StreamDecoder;
use llm::{ChatAnswer, CodecError, Finish, StreamEvent, ThoughtDelta, Usage};
use proptest::prelude::*;

/// What a stream said, and the fault that ended it.
type Read = (Vec<StreamEvent>, Option<CodecError>);

const OPENAI: &[u8] = include_bytes!("../fixtures/openai.sse");
const VLLM: &[u8] = include_bytes!("../fixtures/vllm.sse");
const LLAMACPP: &[u8] = include_bytes!("../fixtures/llamacpp.sse");
const ERROR: &[u8] = include_bytes!("../fixtures/error.sse");
const GARBLED: &[u8] = include_bytes!("../fixtures/garbled.sse");
const TRUNCATED: &[u8] = include_bytes!("../fixtures/truncated.sse");
const ALL: [&[u8]; 6] = [OPENAI, VLLM, LLAMACPP, ERROR, GARBLED, TRUNCATED];

reader!(read, StreamDecoder);

fn gathered(events: &[StreamEvent]) -> ChatAnswer {
    let mut answer = ChatAnswer::empty("");
    for event in events {
        answer.take(event);
    }
    answer
}

fn text(text: &str) -> StreamEvent {
    StreamEvent::Text(text.to_owned())
}

fn usage(input: u64, output: u64, cached: u64) -> StreamEvent {
    StreamEvent::Usage(Usage {
        input,
        output,
        cached,
        written: 0,
        thought: 0,
    })
}

#[test]
fn a_stream_of_openai_is_read() {
    let want = vec![
        text("こん"),
        text("ばんは"),
        text("🍶"),
        text("\n- **「水割り」**"),
        text("é \"q\" \\ end"),
        StreamEvent::Finish(Finish::Stop),
        usage(19, 10, 8),
        StreamEvent::Done,
    ];
    assert_eq!(read([OPENAI]), (want, None));
}

#[test]
fn a_stream_of_vllm_with_pings_and_running_usage_is_read() {
    let want = vec![
        usage(7, 0, 0),
        StreamEvent::Thought(ThoughtDelta::Text("考え".into())),
        text("あ😀"),
        text("い"),
        usage(7, 3, 0),
        text("う"),
        StreamEvent::Finish(Finish::Length),
        StreamEvent::Done,
    ];
    assert_eq!(read([VLLM]), (want, None));
}

#[test]
fn a_stream_that_ends_after_its_reason_is_whole_and_zero_usage_is_told() {
    let want = vec![
        text("はい"),
        usage(0, 0, 0),
        StreamEvent::Finish(Finish::Stop),
        StreamEvent::Done,
    ];
    assert_eq!(read([LLAMACPP]), (want, None));
}

#[test]
fn llamacpp_counts_in_each_chunk_beside_its_timings() {
    let chunk = |words: &str, counts: &str| {
        format!(
            "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{words}\"}}}}]{counts}}}\n\n"
        )
    };
    let timings = |read, known, said| {
        format!(
            ",\"timings\":{{\"cache_n\":{known},\"prompt_n\":{read},\"prompt_ms\":0.09,\"predicted_n\":{said},\"predicted_ms\":0.4}}"
        )
    };
    let older = ",\"timings\":{\"prompt_n\":1,\"predicted_n\":2}";
    let last = format!(
        ",\"usage\":{{\"prompt_tokens\":42,\"completion_tokens\":3}}{}",
        timings(9, 9, 9)
    );
    let stream = [
        chunk("一", &timings(1, 41, 1)),
        chunk("二", older),
        chunk("", &last),
    ]
    .concat();
    let (events, _) = read([stream.as_bytes()]);
    let want = [
        usage(42, 1, 41),
        text("一"),
        text("二"), // who doesn't say what it knew before has not said what it read
        usage(42, 3, 0),
    ];
    assert_eq!(events, want);
}

#[test]
fn a_failure_in_the_stream_is_told_after_the_text_before_it() {
    let fault = CodecError::Upstream {
        message: "engine died".into(),
        code: Some("500".into()),
    };
    assert_eq!(read([ERROR]), (vec![text("半分")], Some(fault)));
}

#[test]
fn broken_json_is_garbled() {
    let (events, fault) = read([GARBLED]);
    assert_eq!(events, vec![text("半分")]);
    assert!(
        matches!(fault, Some(CodecError::Garbled { .. })),
        "{fault:?}"
    );
}

#[test]
fn a_stream_without_an_end_is_truncated() {
    let want = vec![text("半分"), text("まで")];
    assert_eq!(read([TRUNCATED]), (want, Some(CodecError::Truncated)));
    assert_eq!(read([&b""[..]]), (vec![], Some(CodecError::Truncated)));
}

#[test]
fn every_cut_gives_the_same_events() {
    for bytes in ALL {
        let whole = read([bytes]);
        for at in 0..=bytes.len() {
            let (head, tail) = bytes.split_at(at);
            assert_eq!(read([head, tail]), whole, "cut at {at}");
        }
        assert_eq!(read(bytes.chunks(1)), whole, "byte by byte");
    }
}

#[test]
fn a_stream_that_stops_anywhere_before_its_reason_is_never_taken_as_whole() {
    let reason = OPENAI.windows(6).position(|w| w == b"\"stop\"").unwrap();
    for at in 0..reason {
        let (_, fault) = read([&OPENAI[..at]]);
        assert_eq!(fault, Some(CodecError::Truncated), "stopped at {at}");
    }
}

#[test]
fn a_fault_is_seen_at_once_and_stays() {
    let mut decoder = StreamDecoder::new();
    assert_eq!(decoder.push(ERROR), Ok(vec![text("半分")]));
    let fault = decoder.fault().cloned().unwrap();
    assert_eq!(decoder.push(OPENAI), Err(fault.clone()));
    assert_eq!(decoder.push(OPENAI), Err(fault.clone()));
    assert_eq!(decoder.finish(), Err(fault));
}

#[test]
fn bytes_that_are_not_utf8_are_garbled() {
    let (events, fault) =
        read([&b"data: {\"choices\":[{\"delta\":{\"content\":\"\xff\xfe\"}}]}\n\n"[..]]);
    assert_eq!(events, vec![]);
    assert!(
        matches!(fault, Some(CodecError::Garbled { .. })),
        "{fault:?}"
    );
}

#[test]
fn an_event_may_be_as_long_as_a_whole_answer() {
    let words = "a".repeat(5 << 20);
    let event = format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{words}\"}}}}]}}\n\n");
    let (events, fault) = read(event.as_bytes().chunks(1 << 16));
    assert_eq!(events, [StreamEvent::Text(words)]);
    assert_eq!(fault, Some(CodecError::Truncated));
}

#[test]
fn an_endless_line_is_garbled() {
    let line = vec![b'a'; (32 << 20) + 1];
    let (_, fault) = read([&b"data: "[..], &line]);
    assert!(
        matches!(fault, Some(CodecError::Garbled { .. })),
        "{fault:?}"
    );
}

#[test]
fn done_comes_once_and_reading_may_stop_there() {
    let mut decoder = StreamDecoder::new();
    let events = decoder.push(VLLM).unwrap();
    assert!(decoder.is_done());
    assert_eq!(
        events.iter().filter(|e| **e == StreamEvent::Done).count(),
        1
    );
    assert_eq!(decoder.push(b"data: [DONE]\n\n"), Ok(vec![]));
    assert_eq!(decoder.finish(), Ok(vec![]));
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..2000), size in 1usize..50) {
        prop_assert_eq!(read(bytes.chunks(size)), read([&bytes[..]]));
    }

    #[test]
    fn any_json_that_looks_like_a_chunk_is_survived(body in "data: \\{\"(choices|error|usage|object)\":[\\[\\]\\{\\}\":,a-z0-9]{0,40}\\}\n\n") {
        let _ = read([body.as_bytes()]);
        let _ = llm::openai::decode(&body.as_bytes()[6..]);
    }

    #[test]
    fn any_cuts_give_the_same_events(which in 0usize..6, mut cuts in proptest::collection::vec(0usize..4000, 0..12)) {
        let bytes = ALL[which];
        cuts.retain(|cut| *cut <= bytes.len());
        cuts.sort_unstable();
        let mut parts = Vec::new();
        let mut from = 0;
        for cut in cuts {
            parts.push(&bytes[from..cut]);
            from = cut;
        }
        parts.push(&bytes[from..]);
        prop_assert_eq!(read(parts), read([bytes]));
    }

    #[test]
    fn an_estimate_is_bounded(text in any::<String>()) {
        let tokens = llm::tokens::estimate(&text);
        prop_assert!(tokens <= 2 * text.chars().count() as u64);
        prop_assert!(text.trim().is_empty() || tokens > 0);
    }
}
