//! Calls of tools one after the other, for protocols in which each has to end before the next begins.
//!
//! In OpenAI's chat protocol several may begin at once and go on by turns.

use std::collections::VecDeque;

use crate::{StreamEvent, ToolDelta};

/// Holds back what is heard of later calls while one is told.
#[derive(Debug, Clone, Default)]
pub(crate) struct InTurn {
    /// The call that is told now.
    open: Option<Open>,
    /// Those that were told.
    closed: Vec<u32>,
    /// What was heard so far of those that come next, in the order in which they began.
    waiting: VecDeque<ToolDelta>,
}

impl InTurn {
    /// The pieces of calls that are to be told before anything else of this event.
    pub(crate) fn hear(&mut self, event: &StreamEvent) -> Vec<ToolDelta> {
        match event {
            StreamEvent::Tool(piece) => self.take(piece),
            // whoever says something else has called what there was to call
            StreamEvent::Text(_) | StreamEvent::Thought(_) | StreamEvent::Done => self.end(),
            StreamEvent::Logprobs(_)
            | StreamEvent::Read(_)
            | StreamEvent::Usage(_)
            | StreamEvent::Alive
            | StreamEvent::Finish(_) => Vec::new(),
        }
    }

    /// What still waits, since no more will be heard of any call.
    pub(crate) fn end(&mut self) -> Vec<ToolDelta> {
        self.closed.extend(self.open.take().map(|open| open.index));
        let rest: Vec<ToolDelta> = self.waiting.drain(..).collect();
        self.closed.extend(rest.iter().map(|call| call.index));
        rest
    }

    fn take(&mut self, piece: &ToolDelta) -> Vec<ToolDelta> {
        let mut told = Vec::new();
        match &mut self.open {
            Some(open) if open.index == piece.index => {
                open.arguments.hear(&piece.arguments);
                told.push(piece.clone());
            }
            // of a call that was taken for whole: its readers gather by number
            _ if self.closed.contains(&piece.index) => told.push(piece.clone()),
            _ => self.wait(piece),
        }
        while self.open.as_ref().is_none_or(Open::is_whole)
            && let Some(next) = self.waiting.pop_front()
        {
            let mut arguments = Brackets::default();
            arguments.hear(&next.arguments);
            let index = next.index;
            let before = self.open.replace(Open { index, arguments });
            self.closed.extend(before.map(|open| open.index));
            told.push(next);
        }
        told
    }

    fn wait(&mut self, piece: &ToolDelta) {
        let mut waiting = self.waiting.iter_mut();
        let Some(call) = waiting.find(|call| call.index == piece.index) else {
            self.waiting.push_back(piece.clone());
            return;
        };
        call.id = call.id.take().or_else(|| piece.id.clone());
        call.name = call.name.take().or_else(|| piece.name.clone());
        call.arguments.push_str(&piece.arguments);
        if piece.extra_content.is_some() {
            call.extra_content.clone_from(&piece.extra_content);
        }
    }
}

#[derive(Debug, Clone)]
struct Open {
    index: u32,
    arguments: Brackets,
}

impl Open {
    /// Whether nothing can follow: arguments are one object, which ends with its last bracket.
    fn is_whole(&self) -> bool {
        self.arguments.has_begun && self.arguments.depth == 0
    }
}

/// How deep in JSON a text is that comes in pieces.
#[derive(Debug, Clone, Default)]
struct Brackets {
    has_begun: bool,
    depth: usize,
    in_string: bool,
    is_escaped: bool,
}

impl Brackets {
    fn hear(&mut self, piece: &str) {
        for byte in piece.bytes() {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' if self.in_string => self.is_escaped = true,
                b'"' => self.in_string = !self.in_string,
                b'{' | b'[' if !self.in_string => {
                    self.has_begun = true;
                    self.depth += 1;
                }
                b'}' | b']' if !self.in_string => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
    }
}
