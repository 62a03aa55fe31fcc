//! 定型文: the phrases that Mama answers by herself, at once and for free.
//!
//! Owns the phrase set, its checks and the matching rules. Never reads a clock, a database or a random source, and
//! never calls a model. The browser matches with the same rules (`web/src/storefronts/misaki/phrases.ts`); both are held
//! together by `phrases/vectors.json`, so a change here is a change there and in the vectors.
//!
//! The rules, in their order:
//!
//! 0. **safety**: a phrase marked so matches anywhere in a text of any length, before everything else. Its Japanese
//!    entries match as a part of the folded text, outside the words in `unless`. Its entries in ASCII match as whole
//!    words, since "want to die" is no part of "want to diet". Told as `folded`.
//! 1. **exact**: the trimmed text is an entry.
//! 2. **folded**: the folded text is a folded entry.
//! 3. **pattern**: the folded text is a pattern's literal text around one slot. The slot keeps its own spelling.
//!
//! Rules 1 to 3 are tried on texts of up to 200 characters. What folding means is told at [`fold()`].
//!
//! A phrase that `guards` answers nobody: it is looked for in the answers of models, by the server alone, and an answer that
//! has it ends with a reply of the phrase.

mod fold;
mod guard;
mod set;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

pub use fold::fold;
pub(crate) use set::REGULAR;
pub use set::{Guarded, Phrase, PhraseError, PhraseSet, Reply, Scene, Season, Visits, When};

use gateway::{Judgement, Refusal};

use fold::{Folded, is_sentence_mark, strip_slot, trim, words};
use guard::{Guards, Seen};
use set::Pattern;

/// The phrases of the house.
pub const DEFAULT_JSON: &str = include_str!("../phrases/default.json");
/// What answers of models are looked through for.
pub(crate) const GUARDS_JSON: &str = include_str!("../phrases/guards.json");

/// The longest text that is looked up, in characters; a longer one is a message for the model.
const LONGEST_TEXT: usize = 200;
/// The longest slot, in characters.
const LONGEST_SLOT: usize = 20;

/// Which rule has matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// The text is an entry, letter by letter.
    Exact,
    /// The text is an entry but for width, kana, long vowels, punctuation and emoji.
    Folded,
    /// The text fits a pattern with a slot.
    Pattern,
    /// The text means the same as an entry, by vectors; the server's alone.
    Semantic,
}

/// A phrase that answers a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hit {
    /// The phrase.
    pub id: String,
    /// Why it matched.
    pub rule: Rule,
    /// What Mama says.
    pub reply: String,
}

/// A phrase that answers, before it has chosen its words.
#[derive(Debug, Clone)]
pub struct Found {
    phrase: usize,
    rule: Rule,
    /// What the person filled in, by the slot's name.
    slot: Option<(String, String)>,
}

impl Found {
    const fn guarding(phrase: usize) -> Self {
        Self {
            phrase,
            rule: Rule::Folded,
            slot: None,
        }
    }
}

/// A phrase set made ready to be asked.
#[derive(Debug, Clone)]
pub struct Matcher {
    phrases: Vec<Phrase>,
    safety: Vec<Safety>,
    exact: HashMap<String, usize>,
    folded: HashMap<String, usize>,
    patterns: Vec<(usize, Pattern)>,
    guards: Guards,
}

#[derive(Debug, Clone)]
struct Safety {
    phrase: usize,
    parts: Vec<String>,
    words: Vec<String>,
    unless: Vec<String>,
}

impl Matcher {
    /// Makes a checked set ready.
    pub fn new(set: &PhraseSet) -> Self {
        let mut matcher = Self {
            phrases: set.phrases.clone(),
            safety: Vec::new(),
            exact: HashMap::new(),
            folded: HashMap::new(),
            patterns: Vec::new(),
            guards: Guards::default(),
        };
        for (index, phrase) in set.phrases.iter().enumerate() {
            if phrase.guards.is_some() {
                matcher.guards.add(index, phrase);
                continue;
            }
            if phrase.safety {
                let (ascii, other): (Vec<_>, Vec<_>) =
                    phrase.matches.iter().partition(|entry| entry.is_ascii());
                matcher.safety.push(Safety {
                    phrase: index,
                    parts: other.into_iter().map(|entry| fold(entry)).collect(),
                    words: ascii.into_iter().map(|entry| words(entry)).collect(),
                    unless: phrase.unless.iter().map(|text| fold(text)).collect(),
                });
                continue;
            }
            for entry in &phrase.matches {
                matcher.exact.insert(trim(entry).to_owned(), index);
                matcher.folded.insert(fold(entry), index);
            }
            for pattern in &phrase.patterns {
                if let Ok(pattern) = Pattern::read(&phrase.id, pattern) {
                    matcher.patterns.push((index, pattern));
                }
            }
        }
        matcher
    }

    /// Finds the phrase that answers a text, and what it answers.
    pub fn match_phrase(&self, text: &str, scene: &Scene<'_>) -> Option<Hit> {
        self.say(&self.find(text)?, scene)
    }

    /// Finds the phrase that answers a text.
    pub fn find(&self, text: &str) -> Option<Found> {
        let found = |phrase, rule| Found {
            phrase,
            rule,
            slot: None,
        };
        let folded = fold(text);
        if let Some(index) = self.safety(text, &folded) {
            return Some(found(index, Rule::Folded));
        }
        if text.chars().count() > LONGEST_TEXT {
            return None;
        }
        if let Some(&index) = self.exact.get(trim(text)) {
            return Some(found(index, Rule::Exact));
        }
        if folded.is_empty() {
            return None;
        }
        if let Some(&index) = self.folded.get(&folded) {
            return Some(found(index, Rule::Folded));
        }
        let text = Folded::of(text);
        self.patterns.iter().find_map(|(index, pattern)| {
            let slot = pattern.slot_of(&text)?;
            Some(Found {
                slot: Some((pattern.slot.clone(), slot)),
                ..found(*index, Rule::Pattern)
            })
        })
    }

    /// The phrase of which an entry means the same as a text.
    pub(crate) fn find_by(&self, id: &str) -> Option<Found> {
        let phrase = self.phrases.iter().position(|phrase| phrase.id == id)?;
        Some(Found {
            phrase,
            rule: Rule::Semantic,
            slot: None,
        })
    }

    /// Judges an answer that grows; see [`gateway::Judge`].
    pub(crate) fn judge(
        &self,
        (shown, held): (&str, &str),
        is_whole: bool,
        scene: &Scene<'_>,
    ) -> Judgement {
        let place = match self.guards.look(shown, held, is_whole) {
            Seen::Fine(bytes) => return Judgement::Show(bytes),
            Seen::Hit(place) => place,
        };
        let guards = self.phrases.get(place).and_then(|phrase| phrase.guards);
        Judgement::Refuse(Refusal {
            category: guards.map_or("house", Guarded::name),
            instead: self
                .say(&Found::guarding(place), scene)
                .map_or_else(String::new, |hit| hit.reply),
        })
    }

    /// The phrase that an answer may not have in it, with what is said instead.
    pub(crate) fn guard_of(&self, answer: &str, scene: &Scene<'_>) -> Option<Hit> {
        match self.guards.look("", answer, true) {
            Seen::Fine(_) => None,
            Seen::Hit(place) => self.say(&Found::guarding(place), scene),
        }
    }

    /// Whether a phrase is one that comes before everything else.
    pub(crate) fn is_safety(&self, found: &Found) -> bool {
        self.phrases
            .get(found.phrase)
            .is_some_and(|phrase| phrase.safety)
    }

    fn safety(&self, text: &str, folded: &str) -> Option<usize> {
        let spaced = words(text);
        self.safety.iter().find_map(|safety| {
            let masked = safety
                .unless
                .iter()
                .fold(folded.to_owned(), |text, part| text.replace(part, "\0"));
            let hit = safety.parts.iter().any(|part| masked.contains(part))
                || safety.words.iter().any(|words| spaced.contains(words));
            hit.then_some(safety.phrase)
        })
    }

    /// What a phrase answers.
    pub fn say(&self, found: &Found, scene: &Scene<'_>) -> Option<Hit> {
        let phrase = self.phrases.get(found.phrase)?;
        let fits = phrase.replies.iter().filter(|reply| reply.fits(scene));
        let said: Vec<String> = fits
            .map(|reply| match &found.slot {
                Some((name, value)) => reply.text.replace(&format!("{{{name}}}"), value),
                None => reply.text.clone(),
            })
            .collect();
        let fresh: Vec<&String> = said
            .iter()
            .filter(|text| !scene.recent.contains(text))
            .collect();
        let among = if fresh.is_empty() {
            said.iter().collect()
        } else {
            fresh
        };
        let count = u32::try_from(among.len()).ok().filter(|count| *count > 0)?;
        let choice = fnv1a(&format!("{}:{}", scene.seed, phrase.id)) % count;
        Some(Hit {
            id: phrase.id.clone(),
            rule: found.rule,
            reply: among
                .get(usize::try_from(choice).ok()?)
                .map(|text| (*text).clone())?,
        })
    }
}

impl Pattern {
    /// Finds what stands in the slot, if the text fits.
    fn slot_of(&self, text: &Folded) -> Option<String> {
        let start = text.end_of_prefix(&self.before)?;
        let end = text.start_of_suffix(&self.after)?;
        if start >= end || text.parts_a_word(start) || text.parts_a_word(end) {
            return None;
        }
        let slot = strip_slot(text.chars.get(start..end)?);
        let fits =
            (1..=LONGEST_SLOT).contains(&slot.len()) && !slot.iter().any(|c| is_sentence_mark(*c));
        fits.then(|| slot.iter().collect())
    }
}

/// A hash that the browser has too, for choices that are no secrets.
pub(crate) fn fnv1a(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests;
