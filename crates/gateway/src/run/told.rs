use llm::{Finish, StreamEvent, ThoughtDelta, TokenLogprob, ToolDelta, Usage};
use serde_json::Value;

use super::{Event, EventKind};

/// What a run's event says, free of any dialect.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Told {
    Said(StreamEvent),
    /// What was said so far is taken back.
    Withdrawn,
    /// It ended well.
    Ended(Usage),
    /// It was stopped with what it had said.
    Stopped(Usage),
    /// It ended otherwise, for this reason.
    Failed(String),
}

/// Reads a run's event; none when it is of no concern to a dialect.
pub(crate) fn told(event: &Event) -> Option<Told> {
    let data = &event.data;
    match event.kind {
        EventKind::Started | EventKind::Aside => None,
        EventKind::Withdrawn => Some(Told::Withdrawn),
        EventKind::Delta => {
            if let Some(tool) = data.get("tool") {
                let piece: ToolDelta = serde_json::from_value(tool.clone()).ok()?;
                return Some(Told::Said(StreamEvent::Tool(piece)));
            }
            if let Some(thought) = data.get("thought") {
                let piece: ThoughtDelta = serde_json::from_value(thought.clone()).ok()?;
                return Some(Told::Said(StreamEvent::Thought(piece)));
            }
            if let Some(tokens) = data.get("logprobs") {
                let tokens: Vec<TokenLogprob> = serde_json::from_value(tokens.clone()).ok()?;
                return Some(Told::Said(StreamEvent::Logprobs(tokens)));
            }
            if let Some(finish) = data.get("finish") {
                let finish: Finish = serde_json::from_value(finish.clone()).ok()?;
                return Some(Told::Said(StreamEvent::Finish(finish)));
            }
            let text = data.get("text").and_then(Value::as_str)?;
            (!text.is_empty()).then(|| Told::Said(StreamEvent::Text(text.to_owned())))
        }
        EventKind::Ended => {
            let count = |name| data.get(name).and_then(Value::as_u64).unwrap_or(0);
            let state = data.get("state").and_then(Value::as_str);
            let usage = Usage {
                input: count("tokens_in"),
                output: count("tokens_out"),
                cached: count("tokens_cached"),
                written: count("tokens_written"),
                thought: count("tokens_thought"),
            };
            Some(match state {
                Some("completed") => Told::Ended(usage),
                Some("cancelled") => Told::Stopped(usage),
                _ => {
                    let reason = data.get("reason").and_then(Value::as_str);
                    Told::Failed(reason.unwrap_or_default().to_owned())
                }
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(kind: EventKind, data: Value) -> Option<Told> {
        told(&Event { seq: 1, kind, data })
    }

    #[test]
    fn events_are_read_whatever_they_carry() {
        let said = |event| Some(Told::Said(event));
        assert_eq!(read(EventKind::Started, json!({"run_id": "x"})), None);
        assert_eq!(read(EventKind::Delta, json!({"text": ""})), None);
        assert_eq!(
            read(EventKind::Delta, json!({"text": "a"})),
            said(StreamEvent::Text("a".into()))
        );
        assert_eq!(
            read(EventKind::Delta, json!({"text": "", "finish": "length"})),
            said(StreamEvent::Finish(Finish::Length))
        );
        let piece = ToolDelta {
            index: 1,
            id: Some("c".into()),
            name: None,
            arguments: "{".into(),
            ..ToolDelta::default()
        };
        assert_eq!(
            read(EventKind::Delta, json!({"text": "", "tool": piece})),
            said(StreamEvent::Tool(piece))
        );
        for piece in [
            ThoughtDelta::Text("hm".into()),
            ThoughtDelta::Signature("s".into()),
            ThoughtDelta::Closed("c".into()),
        ] {
            assert_eq!(
                read(EventKind::Delta, json!({"text": "", "thought": piece})),
                said(StreamEvent::Thought(piece))
            );
        }
        assert_eq!(
            read(
                EventKind::Ended,
                json!({"state": "completed", "reason": null, "tokens_in": 3, "tokens_cached": 2, "tokens_written": 1, "tokens_out": 5, "tokens_thought": 4})
            ),
            Some(Told::Ended(Usage {
                input: 3,
                output: 5,
                cached: 2,
                written: 1,
                thought: 4,
            }))
        );
        assert_eq!(
            read(
                EventKind::Ended,
                json!({"state": "cancelled", "tokens_out": 2})
            ),
            Some(Told::Stopped(Usage {
                input: 0,
                output: 2,
                cached: 0,
                written: 0,
                thought: 0,
            }))
        );
        assert_eq!(
            read(
                EventKind::Ended,
                json!({"state": "failed", "reason": "deadline"})
            ),
            Some(Told::Failed("deadline".into()))
        );
    }
}
