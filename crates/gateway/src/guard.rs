//! Answers are looked at while they are given, where the storefront has rules for them: what may not be said is held back
//! before anybody sees it.

use std::{fmt, sync::Arc};

use llm::tokens;
use serde::Serialize;

/// How much of what is shown already goes along when more is judged, in bytes.
const CONTEXT: usize = 1024;
/// The most that is held back, in bytes; what is spread over more is no match.
const LARGEST_HELD: usize = 4096;

/// The rules of a storefront. The same text is judged the same, wherever it is cut into pieces.
pub trait Judge: fmt::Debug + Send + Sync {
    /// Judges what is `held` back, which follows on what was `shown`; nothing more comes when it `is_whole`.
    fn judge(&self, shown: &str, held: &str, is_whole: bool) -> Judgement;
}

/// What may become of the text that is held back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// So many bytes of it can't be part of anything that is refused.
    Show(usize),
    /// It may not be said.
    Refuse(Refusal),
}

/// Why an answer may not be said, and what is said in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub category: &'static str,
    pub instead: String,
}

/// How often answers were refused for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Refused {
    pub category: String,
    pub answers: i64,
}

/// The text of one run between the model and those who read.
#[derive(Debug)]
pub(crate) struct Guard {
    judge: Arc<dyn Judge>,
    shown: String,
    held: String,
}

impl Guard {
    pub(crate) fn new(judge: Arc<dyn Judge>) -> Self {
        Self {
            judge,
            shown: String::new(),
            held: String::new(),
        }
    }

    pub(crate) fn take(&mut self, text: &str) {
        self.held.push_str(text);
    }

    /// Gives what may be shown; a refusal comes with the tokens that were held back.
    pub(crate) fn pass(&mut self, is_whole: bool) -> Result<String, (Refusal, u64)> {
        if self.held.is_empty() {
            return Ok(String::new());
        }
        let fine = match self.judge.judge(&self.shown, &self.held, is_whole) {
            Judgement::Show(bytes) => bytes,
            Judgement::Refuse(refusal) => {
                let held = std::mem::take(&mut self.held);
                return Err((refusal, tokens::estimate(&held)));
            }
        };
        let kept = self.held.len().saturating_sub(fine);
        let end = if is_whole || kept > LARGEST_HELD {
            self.held.len()
        } else {
            self.held.floor_char_boundary(fine)
        };
        let text: String = self.held.drain(..end).collect();
        self.shown.push_str(&text);
        let old = self.shown.len().saturating_sub(CONTEXT);
        self.shown.drain(..self.shown.ceil_char_boundary(old));
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Refuses the letters "bad"; holds back what may become them.
    #[derive(Debug)]
    struct NoBad;

    impl Judge for NoBad {
        fn judge(&self, shown: &str, held: &str, is_whole: bool) -> Judgement {
            assert!(shown.len() <= CONTEXT);
            if held.contains("bad") {
                return Judgement::Refuse(Refusal {
                    category: "house",
                    instead: "good".to_owned(),
                });
            }
            let open = ["ba", "b"].iter().find(|part| held.ends_with(*part));
            let open = open.filter(|_| !is_whole).map_or(0, |part| part.len());
            Judgement::Show(held.len() - open)
        }
    }

    fn pass(pieces: &[&str]) -> (String, bool) {
        let mut guard = Guard::new(Arc::new(NoBad));
        let mut shown = String::new();
        for (n, piece) in pieces.iter().enumerate() {
            guard.take(piece);
            match guard.pass(n + 1 == pieces.len()) {
                Ok(text) => shown += &text,
                Err(_) => return (shown, true),
            }
        }
        (shown, false)
    }

    #[test]
    fn what_could_become_a_match_waits_and_nothing_else() {
        assert_eq!(pass(&["a b", "a", "r"]), ("a bar".to_owned(), false));
        assert_eq!(pass(&["a b", "a", "d"]), ("a ".to_owned(), true));
        assert_eq!(pass(&["a ba"]), ("a ba".to_owned(), false), "the end");
    }

    #[test]
    fn what_is_held_and_what_is_remembered_are_bounded() {
        #[derive(Debug)]
        struct Never;
        impl Judge for Never {
            fn judge(&self, _: &str, _: &str, _: bool) -> Judgement {
                Judgement::Show(0)
            }
        }
        let mut guard = Guard::new(Arc::new(Never));
        guard.take(&"長".repeat(2_000));
        assert_eq!(guard.pass(false).map(|text| text.len()), Ok(6_000));
        assert!(guard.shown.len() <= CONTEXT);
    }
}
