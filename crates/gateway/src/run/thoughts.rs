//! What a model thinks, on its way to becoming events of the run. Nothing of it is part of the answer: it is not continued,
//! compared or kept for those who ask the same, and whoever reads the words alone reads none of it.

use llm::{ThoughtDelta, tokens};
use serde_json::{Value, json};

/// The most bytes of one target's thoughts, as of an answer.
const LARGEST: usize = 2 * 1024 * 1024;

/// What the target that answers has thought.
#[derive(Debug, Default)]
pub(super) struct Thoughts {
    /// What is no event yet.
    pending: Vec<ThoughtDelta>,
    bytes: usize,
    tokens: u64,
}

impl Thoughts {
    /// Takes in the next piece. It is told where its words need no judgement: nobody judges thoughts, and what may not be
    /// said may be thought. False when it thinks without end.
    pub(super) fn hear(&mut self, piece: ThoughtDelta, is_told: bool) -> bool {
        if let ThoughtDelta::Text(text) = &piece {
            self.tokens = self.tokens.saturating_add(tokens::estimate(text));
        }
        self.bytes += match &piece {
            ThoughtDelta::Text(text)
            | ThoughtDelta::Signature(text)
            | ThoughtDelta::Closed(text) => text.len(),
        };
        if is_told {
            match (self.pending.last_mut(), piece) {
                (Some(ThoughtDelta::Text(before)), ThoughtDelta::Text(more)) => {
                    before.push_str(&more);
                }
                (_, piece) => self.pending.push(piece),
            }
        }
        self.bytes <= LARGEST
    }

    pub(super) fn has_news(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Gives what becomes an event each: a piece of the answer without words, as a call of a tool is.
    pub(super) fn seal(&mut self) -> Vec<Value> {
        let pending = std::mem::take(&mut self.pending).into_iter();
        pending
            .map(|piece| json!({ "text": "", "thought": piece }))
            .collect()
    }

    /// The tokens that were heard; most providers bill them with the answer's.
    pub(super) fn tokens(&self) -> u64 {
        self.tokens
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> ThoughtDelta {
        ThoughtDelta::Text(text.to_owned())
    }

    #[test]
    fn pieces_of_a_thought_become_one_event_and_its_seal_another() {
        let mut thoughts = Thoughts::default();
        let seal = ThoughtDelta::Signature("s".to_owned());
        for piece in [text("a "), text("b"), seal, text("c")] {
            assert!(thoughts.hear(piece, true));
        }
        let told = [
            json!({ "text": "a b" }),
            json!({ "signature": "s" }),
            json!({ "text": "c" }),
        ];
        let told = told.map(|thought| json!({ "text": "", "thought": thought }));
        assert_eq!(thoughts.seal(), told);
        assert!(!thoughts.has_news() && !thoughts.is_empty());
    }

    #[test]
    fn what_is_judged_is_counted_and_not_told() {
        let mut thoughts = Thoughts::default();
        assert!(thoughts.hear(text("one two three"), false));
        assert_eq!((thoughts.seal(), thoughts.has_news()), (vec![], false));
        assert_eq!(thoughts.tokens(), tokens::estimate("one two three"));
    }

    #[test]
    fn nobody_thinks_without_end() {
        let mut thoughts = Thoughts::default();
        let long = "長".repeat(LARGEST / 6);
        assert!(thoughts.hear(text(&long), false));
        assert!(thoughts.hear(text(&long), false));
        assert!(!thoughts.hear(text(&long), false));
    }
}
