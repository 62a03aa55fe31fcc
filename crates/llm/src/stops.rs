//! Stop sequences, for protocols that have none.

use crate::{Finish, StreamEvent};

/// Ends what is said where it was asked to stop, whatever follows.
///
/// The events after that still tell what the answer has cost, since it was made and is billed.
#[derive(Debug, Default)]
pub struct Stops {
    sequences: Vec<String>,
    /// Words that may be the beginning of a sequence.
    held: String,
    stopped: bool,
}

impl Stops {
    /// Starts before the first word.
    pub fn new(sequences: &[String]) -> Self {
        let sequences = sequences.iter().filter(|one| !one.is_empty());
        Self {
            sequences: sequences.cloned().collect(),
            ..Self::default()
        }
    }

    /// Takes the next event and gives what is heard of it.
    pub fn take(&mut self, event: StreamEvent) -> Vec<StreamEvent> {
        match event {
            event if self.sequences.is_empty() => vec![event],
            StreamEvent::Text(_)
            | StreamEvent::Logprobs(_)
            | StreamEvent::Tool(_)
            | StreamEvent::Thought(_)
                if self.stopped =>
            {
                vec![StreamEvent::Alive]
            }
            // what it was too long or withheld for was not heard
            StreamEvent::Finish(_) if self.stopped => vec![StreamEvent::Finish(Finish::Stop)],
            StreamEvent::Text(text) => self.say(&text),
            StreamEvent::Tool(_) | StreamEvent::Finish(_) | StreamEvent::Done => {
                self.held().into_iter().chain([event]).collect()
            }
            StreamEvent::Thought(_)
            | StreamEvent::Logprobs(_)
            | StreamEvent::Read(_)
            | StreamEvent::Usage(_)
            | StreamEvent::Alive => vec![event],
        }
    }

    /// Gives what is heard where the answer breaks off: its end, if that was before.
    pub fn break_off(&mut self) -> Vec<StreamEvent> {
        if self.stopped {
            return vec![StreamEvent::Finish(Finish::Stop), StreamEvent::Done];
        }
        self.held().into_iter().collect()
    }

    /// Tells whether all that is to be heard was.
    pub fn has_stopped(&self) -> bool {
        self.stopped
    }

    fn held(&mut self) -> Option<StreamEvent> {
        let held = std::mem::take(&mut self.held);
        (!held.is_empty()).then_some(StreamEvent::Text(held))
    }

    fn say(&mut self, text: &str) -> Vec<StreamEvent> {
        self.held.push_str(text);
        let found = first(&self.sequences, &self.held);
        self.stopped = found.is_some();
        let said = found.unwrap_or_else(|| self.held.len() - self.beginning());
        let rest = self.held.split_off(said);
        let said = std::mem::replace(&mut self.held, rest);
        if self.stopped {
            self.held.clear();
        }
        let said = (!said.is_empty()).then_some(StreamEvent::Text(said));
        said.into_iter().collect()
    }

    /// How many bytes at the end may be the beginning of a sequence.
    fn beginning(&self) -> usize {
        let of = |one: &String| {
            let cuts = one.char_indices().map(|(at, _)| at);
            let begins = |at: &usize| one.get(..*at).is_some_and(|head| self.held.ends_with(head));
            cuts.filter(begins).max()
        };
        self.sequences.iter().filter_map(of).max().unwrap_or(0)
    }
}

/// Where the sequence begins that is complete first.
fn first(sequences: &[String], text: &str) -> Option<usize> {
    let places = sequences.iter().filter_map(|one| {
        let begin = text.find(one.as_str())?;
        Some((begin + one.len(), begin))
    });
    places.min().map(|(_, begin)| begin)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{ChatAnswer, ToolDelta, Usage};

    fn heard(stops: &[&str], pieces: &[&str]) -> (String, usize, Finish) {
        let stops: Vec<String> = stops.iter().map(|&one| one.to_owned()).collect();
        let mut stops = Stops::new(&stops);
        let texts = pieces.iter().map(|&it| StreamEvent::Text(it.to_owned()));
        let call = StreamEvent::Tool(ToolDelta::default());
        let end = [
            call,
            StreamEvent::Usage(Usage::default()),
            StreamEvent::Finish(Finish::Length),
            StreamEvent::Done,
        ];
        let events: Vec<_> = texts.chain(end).flat_map(|it| stops.take(it)).collect();
        assert_eq!(events.last(), Some(&StreamEvent::Done));
        let mut answer = ChatAnswer::empty("");
        for event in &events {
            answer.take(event);
        }
        assert!(answer.usage.is_some(), "its cost is heard in any case");
        (answer.text, answer.calls.len(), answer.finish)
    }

    #[test]
    fn what_is_said_ends_before_the_sequence_however_it_is_cut() {
        for pieces in [
            &["一 END 二 END"][..],
            &["一 ", "E", "N", "D", " 二"],
            &["一 E", "ND 二"],
        ] {
            let want = ("一 ".to_owned(), 0, Finish::Stop);
            assert_eq!(heard(&["END", "二"], pieces), want, "{pieces:?}");
        }
    }

    #[test]
    fn what_breaks_off_has_ended_where_it_was_asked_to_stop_and_is_heard_otherwise() {
        let broken = |text: &str| {
            let mut stops = Stops::new(&["END".to_owned()]);
            let mut events = stops.take(StreamEvent::Text(text.to_owned()));
            events.extend(stops.break_off());
            (events, stops.has_stopped())
        };
        let said = |text: &str| StreamEvent::Text(text.to_owned());
        assert_eq!(broken("一 E"), (vec![said("一 "), said("E")], false));
        let end = [StreamEvent::Finish(Finish::Stop), StreamEvent::Done];
        let (events, stopped) = broken("一END");
        assert!(stopped && events == [&[said("一")][..], &end].concat());
    }

    #[test]
    fn what_only_looks_like_a_sequence_is_said() {
        for (stops, pieces) in [
            (&["END"][..], &["一 E", "N", "DING".get(1..).unwrap()][..]),
            (&["END"], &["一 EN"]),
            (&[""], &["一"]),
            (&[], &["一"]),
            (&["🍶🍶"], &["一🍶", "二"]),
        ] {
            let (text, calls, finish) = heard(stops, pieces);
            assert_eq!(text, pieces.concat());
            assert_eq!((calls, finish), (1, Finish::Length));
        }
    }

    proptest! {
        #[test]
        fn pieces_end_where_the_whole_does(pieces in proptest::collection::vec("[ab日]{0,4}", 0..8), stops in proptest::collection::vec("[ab日]{1,3}", 1..3)) {
            let whole = pieces.concat();
            let end = first(&stops, &whole);
            let stops: Vec<&str> = stops.iter().map(String::as_str).collect();
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).filter(|it| !it.is_empty()).collect();
            let (text, ..) = heard(&stops, &pieces);
            prop_assert_eq!(text.as_str(), whole.get(..end.unwrap_or(whole.len())).unwrap());
        }
    }
}
