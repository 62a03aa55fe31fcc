//! What Mama does not say: phrases that are looked for in the answers of models, while they grow.
//!
//! An entry is found anywhere in an answer, in Japanese by its folded letters and in ASCII as whole words, outside the words
//! in `unless`; a pattern is two of them with a little between, the first of which
//! may be the beginning of a word. A text is judged the same wherever it is cut into pieces,
//! and only what could still become a match is held back.

use unicode_normalization::{UnicodeNormalization as _, char::canonical_combining_class};

use super::{
    Phrase,
    fold::{fold, words},
    set::Pattern,
};

/// The most that may stand between the two parts of a pattern, in folded letters.
const GAP: usize = 20;

/// The phrases that guard, made ready.
#[derive(Debug, Clone, Default)]
pub(super) struct Guards {
    letters: Vec<Entry>,
    words: Vec<Entry>,
}

/// What is looked for.
#[derive(Debug, Clone)]
struct Entry {
    phrase: usize,
    first: Vec<char>,
    /// What stands a little behind it.
    then: Option<Vec<char>>,
    unless: Vec<Vec<char>>,
}

/// What became of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// So many of its bytes can't become a match.
    Fine(usize),
    /// The phrase that it matches.
    Hit(usize),
}

impl Guards {
    /// Adds the entries of a phrase, known by its place.
    pub(super) fn add(&mut self, place: usize, phrase: &Phrase) {
        let unless = |ascii: bool, read: fn(&str) -> String| -> Vec<Vec<char>> {
            let own = phrase.unless.iter().filter(|text| text.is_ascii() == ascii);
            own.map(|text| read(text).chars().collect()).collect()
        };
        let mut put = |first: &str, then: Option<&str>| {
            let is_ascii = first.is_ascii() && then.is_none_or(str::is_ascii);
            let (entries, read): (_, fn(&str) -> String) = if is_ascii {
                (&mut self.words, words)
            } else {
                (&mut self.letters, fold)
            };
            let mut before = read(first);
            if then.is_some() {
                before.truncate(before.trim_end().len());
            }
            entries.push(Entry {
                phrase: place,
                first: before.chars().collect(),
                then: then.map(|then| read(then).chars().collect()),
                unless: unless(is_ascii, read),
            });
        };
        for entry in &phrase.matches {
            put(entry, None);
        }
        for text in &phrase.patterns {
            if let Some((before, after)) = Pattern::sides(text) {
                put(before, Some(after));
            }
        }
    }

    /// Judges what is `held`, which follows on what was `shown`; nothing more comes when it `is_whole`.
    pub(super) fn look(&self, shown: &str, held: &str, is_whole: bool) -> Seen {
        let text = [shown, held].concat();
        let mut fine = text.len();
        for (entries, view) in [
            (&self.letters, View::of_letters(&text)),
            (&self.words, View::of_words(&text, is_whole)),
        ] {
            let new = view.place_of(shown.len());
            for entry in entries {
                match entry.look(&view.chars, new, is_whole) {
                    Found::Hit => return Seen::Hit(entry.phrase),
                    Found::Open(from) => fine = fine.min(view.byte_of(from)),
                    Found::Nothing => {}
                }
            }
        }
        Seen::Fine(fine.saturating_sub(shown.len()))
    }
}

enum Found {
    Nothing,
    /// From this place on it may become a match.
    Open(usize),
    Hit,
}

impl Entry {
    /// Looks for it where it ends behind the place `new`; what ends before was judged already.
    fn look(&self, text: &[char], new: usize, is_whole: bool) -> Found {
        let mut open = text.len();
        for start in places(text, &self.first) {
            let end = start + self.first.len();
            let found = match &self.then {
                None => Some(end),
                Some(then) => {
                    let near = text.get(end..).unwrap_or_default();
                    let at = places(near, then).find(|at| *at <= GAP);
                    let waits = (0..=GAP.min(near.len())).any(|at| {
                        near.get(at..)
                            .is_some_and(|rest| rest.len() < then.len() && then.starts_with(rest))
                    });
                    if at.is_none() && waits && !is_whole {
                        open = open.min(start);
                    }
                    at.map(|at| end + at + then.len())
                }
            };
            let Some(end) = found.filter(|end| *end > new) else {
                continue;
            };
            let overlaps = |from: usize, to: usize| from < end && to > start;
            let masks = |mask: &[char]| places(text, mask).any(|at| overlaps(at, at + mask.len()));
            if self.unless.iter().any(|mask| masks(mask)) {
                continue;
            }
            let may_mask =
                |mask: &[char]| open_end(text, mask).any(|at| overlaps(at, text.len() + 1));
            if !is_whole && self.unless.iter().any(|mask| may_mask(mask)) {
                open = open.min(start);
                continue;
            }
            return Found::Hit;
        }
        if !is_whole {
            open = open_end(text, &self.first).fold(open, usize::min);
        }
        if open < text.len() {
            Found::Open(open)
        } else {
            Found::Nothing
        }
    }
}

/// Where a part stands in a text.
fn places<'a>(text: &'a [char], part: &'a [char]) -> impl Iterator<Item = usize> + 'a {
    let windows = text.windows(part.len().max(1)).enumerate();
    windows
        .filter(move |(_, window)| *window == part)
        .map(|(at, _)| at)
}

/// Where a part begins that the end of a text cuts off.
fn open_end<'a>(text: &'a [char], part: &'a [char]) -> impl Iterator<Item = usize> + 'a {
    let longest = text.len().min(part.len().saturating_sub(1));
    (1..=longest)
        .filter(|length| {
            let end = text.get(text.len() - length..);
            end.is_some_and(|end| part.starts_with(end))
        })
        .map(|length| text.len() - length)
}

/// A text as it is compared, and where each letter of that comes from.
struct View {
    chars: Vec<char>,
    /// The byte at which what became the letter begins.
    from: Vec<usize>,
    length: usize,
}

impl View {
    fn of_letters(text: &str) -> Self {
        let mut view = Self::empty(text);
        for (at, piece) in pieces(text) {
            for c in fold(piece).chars() {
                view.put(c, at);
            }
        }
        view
    }

    /// As [`words`] writes it; the gap behind the last word is there once nothing more comes.
    fn of_words(text: &str, is_whole: bool) -> Self {
        let mut view = Self::empty(text);
        view.gap(0);
        for (at, piece) in pieces(text) {
            let marks = |c: &char| matches!(c, '\'' | '\u{2018}' | '\u{2019}');
            for c in piece.nfkc().filter(|c| !marks(c)) {
                if c.is_ascii_alphanumeric() {
                    view.put(c.to_ascii_lowercase(), at);
                } else {
                    view.gap(at + piece.len());
                }
            }
        }
        if is_whole {
            view.gap(text.len());
        }
        view
    }

    const fn empty(text: &str) -> Self {
        Self {
            chars: Vec::new(),
            from: Vec::new(),
            length: text.len(),
        }
    }

    fn put(&mut self, c: char, from: usize) {
        self.chars.push(c);
        self.from.push(from);
    }

    /// Puts one gap between words however long it is; it belongs to what follows, so that nothing before it is held back.
    fn gap(&mut self, to: usize) {
        match (self.chars.last(), self.from.last_mut()) {
            (Some(' '), Some(from)) => *from = to,
            _ => self.put(' ', to),
        }
    }

    fn byte_of(&self, place: usize) -> usize {
        self.from.get(place).copied().unwrap_or(self.length)
    }

    /// The first place that comes from `byte` or behind it.
    fn place_of(&self, byte: usize) -> usize {
        self.from.partition_point(|from| *from < byte)
    }
}

/// A text in pieces that are normalised each by itself: a letter with the marks that belong to it.
fn pieces(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_mark =
        |c: char| canonical_combining_class(c) != 0 || matches!(c, '\u{ff9e}' | '\u{ff9f}');
    let mut rest = text.char_indices().peekable();
    std::iter::from_fn(move || {
        let (from, _) = rest.next()?;
        while rest.next_if(|(_, c)| is_mark(*c)).is_some() {}
        let to = rest.peek().map_or(text.len(), |(to, _)| *to);
        Some((from, text.get(from..to)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phrase::{Guarded, PhraseSet};

    fn guards() -> Guards {
        let json = r#"{ "version": 1, "phrases": [
            { "id": "a", "guards": "house", "match": ["だめな言葉", "forbidden word"], "unless": ["だめな言葉遣い", "forbidden word game"],
              "replies": [{ "when": "any", "text": "その話は、よしましょう。" }] },
            { "id": "b", "guards": "minors", "patterns": ["子ども{x}お酒", "child {x} drink"], "unless": ["お酒は二十歳"],
              "replies": [{ "when": "any", "text": "それはいけないわ。" }] } ] }"#;
        let set = PhraseSet::parse(json).unwrap();
        assert_eq!(set.phrases[1].guards, Some(Guarded::Minors));
        let mut guards = Guards::default();
        for (place, phrase) in set.phrases.iter().enumerate() {
            guards.add(place, phrase);
        }
        guards
    }

    /// What is shown of a text that comes in pieces, and the phrase that ended it.
    fn told(guards: &Guards, pieces: &[&str]) -> (String, Option<usize>) {
        let (mut shown, mut held) = (String::new(), String::new());
        for (n, piece) in pieces.iter().enumerate() {
            held.push_str(piece);
            match guards.look(&shown, &held, n + 1 == pieces.len()) {
                Seen::Hit(phrase) => return (shown, Some(phrase)),
                Seen::Fine(bytes) => shown.extend(held.drain(..bytes)),
            }
        }
        assert_eq!(held, "", "nothing is held at the end");
        (shown, None)
    }

    const TEXTS: [(&str, Option<usize>); 16] = [
        ("ええ、それはだめな言葉よ", Some(0)),
        ("ダメな、言葉。", Some(0)),
        ("ﾀﾞﾒな言葉", Some(0)),
        ("た\u{3099}めな言葉", Some(0)),
        ("だめな言葉遣いの話", None),
        ("だめな言葉遣いと、だめな言葉", Some(0)),
        ("だめな言", None),
        ("A Forbidden  word.", Some(0)),
        ("forbidden words", None),
        ("a forbidden word game", None),
        ("unforbidden word", None),
        ("子どもにお酒を", Some(1)),
        (
            "子どもたちが遠くの山でとても元気に遊ぶのを見ながらのお酒",
            None,
        ),
        ("子どものお酒は二十歳から", None),
        ("The child had a drink.", Some(1)),
        ("children drink", Some(1)),
    ];

    #[test]
    fn a_text_is_judged_the_same_wherever_it_is_cut() {
        let guards = guards();
        for (text, verdict) in TEXTS {
            assert_eq!(told(&guards, &[text]).1, verdict, "{text} whole");
            let chars: Vec<String> = text.chars().map(String::from).collect();
            let chars: Vec<&str> = chars.iter().map(String::as_str).collect();
            let (shown, found) = told(&guards, &chars);
            assert_eq!(found, verdict, "{text} by letters");
            if verdict.is_some() {
                assert!(text.starts_with(&shown) && shown != text, "{text}");
            }
            for (cut, _) in text.char_indices() {
                let (a, b) = text.split_at(cut);
                assert_eq!(told(&guards, &[a, b]).1, verdict, "{a}|{b}");
            }
        }
    }

    #[test]
    fn nothing_of_what_is_refused_was_shown() {
        let guards = guards();
        for (pieces, shown) in [
            (&["ええ、だ", "めな", "言葉"][..], "ええ、"),
            (&["the forbidden", " word "], "the"),
            (&["うちの子ども", "にはお", "酒を"], "うちの"),
        ] {
            let (before, found) = told(&guards, pieces);
            assert!(found.is_some() && before.trim_end() == shown, "{before}");
        }
    }

    #[test]
    fn only_what_could_become_a_match_is_held_back() {
        let guards = guards();
        let fine = |held: &str| match guards.look("", held, false) {
            Seen::Fine(bytes) => bytes == held.len(),
            Seen::Hit(_) => false,
        };
        assert!(fine("今夜は雨ね、"));
        assert!(!fine("今夜はだ"), "だめな言葉 could follow");
        assert!(fine("今夜はだい"));
        assert!(!fine("うちの子どもは"), "the other part could follow");
        assert!(fine("子どもが遠くの山で元気に遊ぶのを見ているところです"));
    }
}
