//! What is left to tell of a run whose node is gone, once its job at the provider is done.

use llm::{Finish, StreamEvent, Usage, tokens};
use serde_json::{Value, json};

use super::{Event, EventKind};
use crate::{
    guard::{Judge, Judgement},
    provider::runpod::queue::Remote,
    state::Verdict,
};

/// What a run has told.
#[derive(Debug, Default)]
pub(super) struct SoFar {
    pub(super) text: String,
    has_started: bool,
    has_finish: bool,
    is_withdrawn: bool,
}

impl SoFar {
    pub(super) fn of(events: &[Event]) -> Self {
        let mut so_far = Self::default();
        for event in events {
            match event.kind {
                EventKind::Started => so_far.has_started = true,
                EventKind::Withdrawn => so_far.is_withdrawn = true,
                EventKind::Delta => {
                    let text = event.data.get("text").and_then(Value::as_str);
                    so_far.text.push_str(text.unwrap_or_default());
                    so_far.has_finish |= event.data.get("finish").is_some();
                }
                EventKind::Aside | EventKind::Ended => {}
            }
        }
        so_far
    }

    /// What it has probably cost, where nobody counted.
    pub(super) fn estimate(&self, job: &Remote) -> Usage {
        count(job, &self.text)
    }
}

fn count(job: &Remote, text: &str) -> Usage {
    Usage {
        input: u64::try_from(job.tokens_in).unwrap_or_default(),
        output: tokens::estimate(text),
        ..Usage::default()
    }
}

/// How a run ends, and what is told before.
#[derive(Debug, PartialEq)]
pub(super) struct Rest {
    pub(super) verdict: Verdict,
    pub(super) events: Vec<(EventKind, Value)>,
    pub(super) output: String,
    pub(super) usage: Usage,
    pub(super) refused_for: Option<&'static str>,
}

/// What is left of an answer. None where what was told is not its beginning, as when another target began it: nobody could say
/// what the whole would be.
pub(super) fn rest(
    job: &Remote,
    so_far: &SoFar,
    said: Vec<StreamEvent>,
    judge: Option<&dyn Judge>,
) -> Option<Rest> {
    let (mut output, mut counted, mut finish) = (String::new(), None, Finish::Stop);
    for event in said {
        match event {
            // as while it is driven: Postgres can't store NUL
            StreamEvent::Text(text) => output.push_str(&text.replace('\0', "")),
            StreamEvent::Usage(usage) => counted = Some(usage),
            StreamEvent::Finish(why) => finish = why,
            StreamEvent::Thought(_)
            | StreamEvent::Logprobs(_)
            | StreamEvent::Read(_)
            | StreamEvent::Alive
            | StreamEvent::Done => {}
            StreamEvent::Tool(_) => return None,
        }
    }
    let more = output.strip_prefix(&so_far.text)?;
    if so_far.is_withdrawn {
        return None;
    }
    let mut rest = Rest {
        verdict: Verdict::Completed,
        events: Vec::new(),
        usage: counted.unwrap_or_else(|| count(job, &output)),
        output: String::new(),
        refused_for: None,
    };
    if !so_far.has_started {
        let started = json!({ "run_id": job.run, "model": job.endpoint });
        rest.events.push((EventKind::Started, started));
    }
    if let Some(Judgement::Refuse(refusal)) = judge.map(|judge| judge.judge("", &output, true)) {
        let why = json!({ "category": refusal.category });
        rest.events.push((EventKind::Withdrawn, why));
        let instead = json!({ "text": refusal.instead });
        rest.events.push((EventKind::Delta, instead));
        rest.verdict = Verdict::Moderated;
        rest.refused_for = Some(refusal.category);
        rest.output = refusal.instead;
        return Some(rest);
    }
    if !more.is_empty() {
        rest.events
            .push((EventKind::Delta, json!({ "text": more })));
    }
    if finish != Finish::Stop && !so_far.has_finish {
        let why = json!({ "text": "", "finish": finish });
        rest.events.push((EventKind::Delta, why));
    }
    rest.output = output;
    Some(rest)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use identity::TenantId;
    use uuid::Uuid;

    use super::*;
    use crate::{RunId, guard::Refusal};

    fn job() -> Remote {
        Remote {
            run: RunId(Uuid::nil()),
            tenant: TenantId(Uuid::nil()),
            base_url: String::new(),
            endpoint: "phi3".to_owned(),
            job: "job".to_owned(),
            dies_at: DateTime::UNIX_EPOCH,
            price: None,
            tokens_in: 7,
            is_judged: false,
            wanted_until: DateTime::UNIX_EPOCH,
        }
    }

    fn told(events: &[(EventKind, Value)]) -> SoFar {
        let event = |(kind, data): &(EventKind, Value)| Event {
            seq: 0,
            kind: *kind,
            data: data.clone(),
        };
        SoFar::of(&events.iter().map(event).collect::<Vec<_>>())
    }

    fn said(text: &str) -> Vec<StreamEvent> {
        let usage = Usage {
            input: 77,
            output: 31,
            cached: 0,
            written: 0,
            thought: 0,
        };
        vec![
            StreamEvent::Text(text.to_owned()),
            StreamEvent::Usage(usage),
            StreamEvent::Finish(Finish::Length),
            StreamEvent::Done,
        ]
    }

    #[test]
    fn what_was_told_is_not_told_again() {
        let started = (EventKind::Started, json!({}));
        let aside = (EventKind::Aside, json!({ "text": "one moment" }));
        let delta = (EventKind::Delta, json!({ "text": "one " }));
        let half = rest(
            &job(),
            &told(&[aside, started, delta]),
            said("one two"),
            None,
        )
        .unwrap();
        let events = [
            (EventKind::Delta, json!({ "text": "two" })),
            (EventKind::Delta, json!({ "text": "", "finish": "length" })),
        ];
        assert_eq!(half.events, events);
        assert_eq!((half.output.as_str(), half.usage.input), ("one two", 77));
        let all = rest(&job(), &told(&[]), said("one two"), None).unwrap();
        assert_eq!(
            all.events.first().map(|event| event.0),
            Some(EventKind::Started)
        );
        assert_eq!(all.output, "one two");
    }

    #[test]
    fn what_another_began_is_nobodys_to_end() {
        let other = (EventKind::Delta, json!({ "text": "uno " }));
        assert_eq!(rest(&job(), &told(&[other]), said("one two"), None), None);
    }

    #[test]
    fn without_the_providers_count_it_is_estimated() {
        let only_text = vec![StreamEvent::Text("one two".to_owned())];
        let rest = rest(&job(), &told(&[]), only_text, None).unwrap();
        assert_eq!(rest.usage.input, 7);
        assert!(rest.usage.output > 0);
    }

    #[test]
    fn what_may_not_be_said_is_not_said_by_another_node_either() {
        #[derive(Debug)]
        struct NoTwo;
        impl Judge for NoTwo {
            fn judge(&self, _: &str, held: &str, _: bool) -> Judgement {
                if held.contains("two") {
                    return Judgement::Refuse(Refusal {
                        category: "house",
                        instead: "good".to_owned(),
                    });
                }
                Judgement::Show(held.len())
            }
        }
        let started = (EventKind::Started, json!({}));
        let so_far = told(&[started, (EventKind::Delta, json!({ "text": "one " }))]);
        let refused = rest(&job(), &so_far, said("one two"), Some(&NoTwo)).unwrap();
        assert_eq!(
            (refused.verdict, refused.refused_for),
            (Verdict::Moderated, Some("house"))
        );
        assert_eq!(refused.output, "good");
        assert!(!format!("{:?}", refused.events).contains("two"));
        let fine = rest(&job(), &so_far, said("one more"), Some(&NoTwo)).unwrap();
        assert_eq!(fine.verdict, Verdict::Completed);
    }
}
