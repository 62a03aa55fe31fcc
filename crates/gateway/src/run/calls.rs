//! What a model asks of tools, on its way to becoming events of the run: a provider tells the arguments letter by letter, which
//! are gathered as words are.

use std::collections::BTreeMap;

use llm::{ToolDelta, tokens::Estimate};
use serde_json::{Value, json};

/// The most bytes of one answer's calls, as of its words.
const LARGEST: usize = 2 * 1024 * 1024;
/// What the bytes of a piece count at least, so that nobody sends empty ones without end.
const SMALLEST: usize = 16;

/// The calls that the target that answers asks for.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// What is no event yet.
    pending: Vec<ToolDelta>,
    /// What each call has in tokens.
    tokens: BTreeMap<u32, Estimate>,
    bytes: usize,
}

impl Calls {
    /// Takes in the next piece. False when it asks without end.
    pub(super) fn hear(&mut self, piece: ToolDelta) -> bool {
        let name = piece.name.as_deref().unwrap_or_default();
        let tokens = self.tokens.entry(piece.index).or_default();
        tokens.push(name);
        tokens.push(&piece.arguments);
        let id = piece.id.as_deref().unwrap_or_default();
        let beside = piece.extra_content.as_ref();
        let beside = beside.map_or(0, |extra| extra.to_string().len());
        self.bytes += SMALLEST.max(id.len() + name.len() + piece.arguments.len() + beside);
        match self.pending.last_mut() {
            Some(before) if goes_on(before, &piece) => before.arguments.push_str(&piece.arguments),
            _ => self.pending.push(piece),
        }
        self.bytes <= LARGEST
    }

    pub(super) fn has_news(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Gives what becomes an event each: a piece of the answer without words.
    pub(super) fn seal(&mut self) -> Vec<Value> {
        let pending = std::mem::take(&mut self.pending).into_iter();
        pending
            .map(|piece| json!({ "text": "", "tool": piece }))
            .collect()
    }

    /// The tokens that were heard, where nobody counted.
    pub(super) fn tokens(&self) -> u64 {
        let each = self.tokens.values().map(Estimate::tokens);
        each.fold(0, u64::saturating_add)
    }

    /// Whether none was asked for.
    pub(super) fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }
}

/// Whether a piece has nothing but more of the same call's arguments.
fn goes_on(before: &ToolDelta, piece: &ToolDelta) -> bool {
    let more = ToolDelta {
        index: before.index,
        arguments: piece.arguments.clone(),
        ..ToolDelta::default()
    };
    *piece == more
}

#[cfg(test)]
mod tests {
    use llm::tokens::estimate;

    use super::*;

    fn head(index: u32, name: &str) -> ToolDelta {
        ToolDelta {
            index,
            id: Some(format!("call_{index}")),
            name: Some(name.to_owned()),
            ..ToolDelta::default()
        }
    }

    fn more(index: u32, arguments: &str) -> ToolDelta {
        ToolDelta {
            index,
            arguments: arguments.to_owned(),
            ..ToolDelta::default()
        }
    }

    #[test]
    fn pieces_of_a_calls_arguments_become_one_event() {
        let mut calls = Calls::default();
        for piece in [
            head(0, "look"),
            more(0, "{\"at\""),
            more(0, ": 1}"),
            head(1, "ask"),
            more(0, " "),
            more(1, "{}"),
        ] {
            assert!(calls.hear(piece));
        }
        let told: Vec<Value> = calls.seal();
        let arguments = told.iter().map(|piece| &piece["tool"]["arguments"]);
        assert_eq!(
            arguments.collect::<Vec<_>>(),
            ["{\"at\": 1}", "", " ", "{}"]
        );
        assert!(!calls.has_news() && !calls.is_empty());
        let each = ["look{\"at\": 1} ", "ask{}"].map(estimate);
        assert_eq!(calls.tokens(), each.iter().sum::<u64>());
    }

    #[test]
    fn nobody_asks_without_end() {
        let mut calls = Calls::default();
        assert!(calls.hear(more(0, &"1".repeat(LARGEST - SMALLEST))));
        assert!(calls.hear(more(0, "")));
        assert!(!calls.hear(more(0, "")));
    }
}
