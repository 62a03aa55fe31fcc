//! What a run says, between the target that answers and those who write it down and show it.

use std::sync::Arc;

use llm::{ThoughtDelta, TokenLogprob, ToolDelta, tokens};
use serde_json::{Value, json};

use super::{Event, EventKind, calls::Calls, thoughts::Thoughts};
use crate::guard::{Guard, Refusal};

/// The words of a run and the events that they become.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// Looks at the text before it becomes an event.
    guard: Option<Guard>,
    /// Why the answer is not said, and the tokens of it that nobody saw.
    refused: Option<(Refusal, u64)>,
    /// Text that is no event yet.
    batch: String,
    /// What the model thinks, which is no part of the answer.
    thoughts: Thoughts,
    /// What it asks of tools, which is part of the answer and has no words.
    calls: Calls,
    /// All that became events.
    output: String,
    /// The number of the newest event.
    seq: i32,
    /// Events that are not durable yet.
    pending: Vec<Arc<Event>>,
    /// How many of these were shown already.
    shown: usize,
}

impl Draft {
    pub(super) fn new(guard: Option<Guard>) -> Self {
        Self {
            guard,
            ..Self::default()
        }
    }

    /// What was said, as far as it became events.
    pub(super) fn output(&self) -> &str {
        &self.output
    }

    /// The number of the newest event.
    pub(super) const fn seq(&self) -> i32 {
        self.seq
    }

    /// The events that are not durable yet.
    pub(super) fn pending(&self) -> &[Arc<Event>] {
        &self.pending
    }

    pub(super) fn has_news(&self) -> bool {
        !self.batch.is_empty()
            || !self.pending.is_empty()
            || self.thoughts.has_news()
            || self.calls.has_news()
    }

    /// Whether no word was said yet.
    pub(super) fn has_no_words(&self) -> bool {
        self.output.is_empty() && self.batch.is_empty()
    }

    /// Whether the target that answers was heard to think.
    pub(super) fn has_thought(&self) -> bool {
        !self.thoughts.is_empty()
    }

    /// Whether the answer asks for tools.
    pub(super) fn has_calls(&self) -> bool {
        !self.calls.is_empty()
    }

    /// The tokens said since byte `from`, seen or not, with those that were thought and those that tools were asked with.
    pub(super) fn tokens_since(&self, from: usize) -> u64 {
        let said = self.output.get(from..).unwrap_or_default();
        let unseen = self.refused.as_ref().map_or(0, |(_, tokens)| *tokens);
        tokens::estimate(said) + unseen + self.thoughts.tokens() + self.calls.tokens()
    }

    /// Takes in text.
    pub(super) fn say(&mut self, text: &str) {
        // PostgreSQL can't store NUL, and nobody can read it
        for text in text.split('\0') {
            match &mut self.guard {
                Some(guard) => guard.take(text),
                None => self.batch.push_str(text),
            }
        }
    }

    /// Takes in a thought. False when the target thinks without end.
    pub(super) fn think(&mut self, piece: ThoughtDelta) -> bool {
        if !self.batch.is_empty() || self.calls.has_news() {
            self.seal();
        }
        self.thoughts.hear(piece, self.guard.is_none())
    }

    /// Takes in a piece of a call. False when the target asks without end.
    pub(super) fn call(&mut self, piece: ToolDelta) -> bool {
        if !self.batch.is_empty() {
            self.seal();
        }
        self.calls.hear(piece)
    }

    /// Another target takes the answer up, with thoughts of its own.
    pub(super) fn hand_over(&mut self) {
        self.thoughts = Thoughts::default();
    }

    /// Lets through what may be shown of what is held back. False when it may not be said.
    pub(super) fn look(&mut self, is_whole: bool) -> bool {
        match self.guard.as_mut().map(|guard| guard.pass(is_whole)) {
            None => true,
            Some(Ok(text)) => {
                self.batch.push_str(&text);
                true
            }
            Some(Err(refused)) => {
                self.refused = Some(refused);
                false
            }
        }
    }

    /// Takes back what may not be said, for the words that take its place; says for what.
    pub(super) fn withdraw(&mut self) -> Option<&'static str> {
        let (refusal, _) = self.refused.take()?;
        let pending = self.pending.iter_mut().map(Arc::make_mut);
        pending.for_each(Event::empty);
        self.note(
            EventKind::Withdrawn,
            json!({ "category": refusal.category }),
        );
        self.note(EventKind::Delta, json!({ "text": refusal.instead }));
        self.output = refusal.instead;
        Some(refusal.category)
    }

    /// Numbers an event that is to become durable.
    pub(super) fn note(&mut self, kind: EventKind, data: Value) {
        self.seq += 1;
        self.pending.push(Arc::new(Event {
            seq: self.seq,
            kind,
            data,
        }));
    }

    /// Notes a piece of the answer that has no words, after the words before it.
    pub(super) fn note_piece(&mut self, data: Value) {
        self.seal();
        self.note(EventKind::Delta, data);
    }

    /// Notes how likely the tokens were that were said last. None is told where words are judged before they are shown.
    pub(super) fn weigh(&mut self, tokens: &[TokenLogprob]) {
        if self.guard.is_none() {
            self.note_piece(json!({ "text": "", "logprobs": tokens }));
        }
    }

    /// Says a piece that was said before.
    pub(super) fn repeat(&mut self, said: &Value) {
        let text = said.get("text").and_then(Value::as_str);
        self.output.push_str(text.unwrap_or_default());
        self.note(EventKind::Delta, said.clone());
    }

    /// Makes one event of the text that has gathered, after what was thought and asked of tools before it.
    pub(super) fn seal(&mut self) {
        let before = [self.thoughts.seal(), self.calls.seal()];
        for piece in before.into_iter().flatten() {
            self.note(EventKind::Delta, piece);
        }
        if !self.batch.is_empty() {
            let text = std::mem::take(&mut self.batch);
            self.output.push_str(&text);
            self.note(EventKind::Delta, json!({ "text": text }));
        }
    }

    /// What was not shown yet, which now is.
    pub(super) fn show(&mut self) -> Vec<Arc<Event>> {
        let news = self.pending.iter().skip(self.shown).cloned().collect();
        self.shown = self.pending.len();
        news
    }

    /// What was pending is durable.
    pub(super) fn is_written(&mut self) {
        self.pending.clear();
        self.shown = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::{Judge, Judgement};

    #[derive(Debug)]
    struct NoSecrets;

    impl Judge for NoSecrets {
        fn judge(&self, _: &str, held: &str, is_whole: bool) -> Judgement {
            if held.contains("secret") {
                return Judgement::Refuse(Refusal {
                    category: "secrets",
                    instead: "no".to_owned(),
                });
            }
            Judgement::Show(if is_whole {
                held.len()
            } else {
                held.len().saturating_sub(6)
            })
        }
    }

    fn said(draft: &Draft) -> Vec<(i32, EventKind, Value)> {
        let events = draft.pending().iter();
        events
            .map(|event| (event.seq, event.kind, event.data.clone()))
            .collect()
    }

    #[test]
    fn what_is_said_together_is_one_event_and_is_shown_once() {
        let mut draft = Draft::default();
        draft.say("a\0");
        draft.say("b");
        assert!(draft.has_news() && draft.output().is_empty());
        draft.note_piece(json!({ "text": "", "finish": "length" }));
        assert_eq!(
            said(&draft),
            [
                (1, EventKind::Delta, json!({ "text": "ab" })),
                (
                    2,
                    EventKind::Delta,
                    json!({ "text": "", "finish": "length" })
                ),
            ]
        );
        assert_eq!(draft.output(), "ab");
        assert_eq!(draft.show(), draft.pending());
        draft.say("c");
        draft.seal();
        assert_eq!(draft.show(), draft.pending()[2..]);
        draft.is_written();
        assert!(!draft.has_news() && draft.show().is_empty());
        assert_eq!((draft.output(), draft.seq()), ("abc", 3));
    }

    #[test]
    fn a_thought_stands_between_the_words_before_and_after_it() {
        let mut draft = Draft::default();
        draft.say("a");
        assert!(draft.think(ThoughtDelta::Text("hm".to_owned())));
        draft.say("b");
        draft.seal();
        let told = [
            json!({ "text": "a" }),
            json!({ "text": "", "thought": { "text": "hm" } }),
            json!({ "text": "b" }),
        ];
        assert_eq!(
            draft
                .pending()
                .iter()
                .map(|event| &event.data)
                .collect::<Vec<_>>(),
            told.each_ref()
        );
        assert_eq!(draft.output(), "ab");
    }

    #[test]
    fn what_may_not_be_said_is_taken_back_and_counted() {
        let mut draft = Draft::new(Some(Guard::new(Arc::new(NoSecrets))));
        draft.say("this is a se");
        assert!(draft.look(false));
        draft.seal();
        assert_eq!(draft.output(), "this i");
        draft.say("cret");
        assert!(!draft.look(false));
        assert!(draft.tokens_since(draft.output().len()) > 0);
        assert_eq!(draft.withdraw(), Some("secrets"));
        assert_eq!(draft.output(), "no");
        let kinds = [EventKind::Delta, EventKind::Withdrawn, EventKind::Delta];
        assert_eq!(
            draft
                .pending()
                .iter()
                .map(|event| event.kind)
                .collect::<Vec<_>>(),
            kinds
        );
        assert!(!format!("{:?}", draft.pending()).contains("this i"));
        assert_eq!(draft.withdraw(), None);
    }
}
