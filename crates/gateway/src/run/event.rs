use serde_json::{Value, json};

use super::Tokens;
use crate::{RunId, State};

/// One numbered event of a run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) seq: i32,
    pub(crate) kind: EventKind,
    pub(crate) data: Value,
}

impl Event {
    /// Takes the words out, if it has any.
    pub(crate) fn empty(&mut self) {
        if self.kind == EventKind::Delta {
            self.data = json!({ "text": "" });
        }
    }
}

/// The number of the end of an answer that came in one piece.
pub(super) const WHOLE_ENDS_AT: i32 = 3;

/// The end of a run.
pub(super) fn the_end(
    seq: i32,
    (state, reason): (State, Option<&str>),
    (tokens, cost_nano_usd): (Tokens, i64),
) -> Event {
    Event {
        seq,
        kind: EventKind::Ended,
        data: json!({
            "state": state, "reason": reason, "tokens_in": tokens.input, "tokens_cached": tokens.cached,
            "tokens_written": tokens.written, "tokens_out": tokens.output, "tokens_thought": tokens.thought, "cost_nano_usd": cost_nano_usd,
        }),
    }
}

/// What comes before the end of an answer that came in one piece: all of it stands in its run's row, so none of its events is
/// written.
pub(super) fn before_the_end(id: RunId, model: &str, output: &str) -> Vec<Event> {
    let mut events = vec![Event {
        seq: 1,
        kind: EventKind::Started,
        data: json!({ "run_id": id, "model": model }),
    }];
    // what was said may have been deleted since
    if !output.is_empty() {
        events.push(Event {
            seq: 2,
            kind: EventKind::Delta,
            data: json!({ "text": output }),
        });
    }
    events
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventKind {
    Started,
    /// Small talk while a model warms up; no part of the answer.
    Aside,
    Delta,
    /// What was said so far is taken back; what follows takes its place.
    Withdrawn,
    Ended,
}

impl EventKind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Aside => "aside",
            Self::Delta => "delta",
            Self::Withdrawn => "withdrawn",
            Self::Ended => "ended",
        }
    }

    pub(crate) fn parse(text: &str) -> Self {
        match text {
            "started" => Self::Started,
            "aside" => Self::Aside,
            "withdrawn" => Self::Withdrawn,
            "ended" => Self::Ended,
            _ => Self::Delta,
        }
    }
}
