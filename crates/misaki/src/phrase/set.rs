//! The phrase set as it is written down, and what must be true of one.

use std::collections::{HashMap, HashSet};

use kernel::Text;
use serde::{Deserialize, Serialize};

use super::fold::{fold, words};

/// A set of phrases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PhraseSet {
    /// The version of the form; 1.
    pub version: u32,
    /// The phrases. Patterns are tried in this order.
    pub phrases: Vec<Phrase>,
}

/// One phrase: what people say, and what Mama answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Phrase {
    /// Its name, for logs and for the choice of a reply.
    pub id: String,
    /// Texts that it answers.
    #[serde(rename = "match", default, skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<String>,
    /// Texts with one `{slot}`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patterns: Vec<String>,
    /// What may be answered; every hour of the day has at least one.
    pub replies: Vec<Reply>,
    /// Offered as a button to a person who doesn't know what to say; the first of `match` is its label.
    #[serde(default, skip_serializing_if = "is_false")]
    pub chip: bool,
    /// Matches anywhere in a text, and before everything else.
    #[serde(default, skip_serializing_if = "is_false")]
    pub safety: bool,
    /// Words in which a safety entry means nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unless: Vec<String>,
}

/// One possible answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// The time of day that it is for.
    pub when: When,
    /// What is said; `{slot}` stands for what the person filled in.
    pub text: String,
}

/// A time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// Any hour.
    Any,
    /// 5 to 10 o'clock.
    Morning,
    /// 11 to 16 o'clock.
    Day,
    /// 17 to 21 o'clock.
    Evening,
    /// 22 to 4 o'clock.
    Night,
}

impl When {
    /// Tells the time of day of an hour.
    pub(crate) fn of_hour(hour: u32) -> Self {
        match hour % 24 {
            5..=10 => Self::Morning,
            11..=16 => Self::Day,
            17..=21 => Self::Evening,
            _ => Self::Night,
        }
    }
}

impl Reply {
    pub(super) fn fits(&self, band: When) -> bool {
        self.when == When::Any || self.when == band
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(value: &bool) -> bool {
    !value
}

/// Why a text is no phrase set.
#[derive(Debug, thiserror::Error)]
pub enum PhraseError {
    /// It isn't the JSON of one.
    #[error("not the form of a phrase set: {0}")]
    Form(#[from] serde_json::Error),
    /// It is of another version.
    #[error("version {0} is not known")]
    Version(u32),
    /// There are more phrases than a set may have.
    #[error("more than {0} phrases, or more than a megabyte of them")]
    TooMuch(usize),
    /// One phrase has too many texts.
    #[error("phrase {0:?} has too many texts")]
    TooLong(String),
    /// An id is empty or stands twice.
    #[error("phrase {0:?} is there twice or has no name")]
    Id(String),
    /// A phrase answers nothing, or an entry is all punctuation.
    #[error("phrase {id:?}: entry {entry:?} can never match")]
    Entry {
        /// The phrase.
        id: String,
        /// Its entry.
        entry: String,
    },
    /// Two phrases claim one text.
    #[error("phrases {first:?} and {second:?} both claim {text:?}")]
    Claimed {
        /// The phrase that had it.
        first: String,
        /// The phrase that wants it too.
        second: String,
        /// The folded text.
        text: String,
    },
    /// An hour of the day has no reply, or a reply is empty.
    #[error("phrase {id:?} has no reply, or an empty one, for {when:?}")]
    Reply {
        /// The phrase.
        id: String,
        /// The time of day.
        when: When,
    },
    /// A pattern, or a slot in a reply, is wrong.
    #[error("phrase {id:?}: {reason} in {text:?}")]
    Slot {
        /// The phrase.
        id: String,
        /// The pattern or reply.
        text: String,
        /// What is wrong.
        reason: &'static str,
    },
}

impl PhraseError {
    /// What is wrong, for whoever edits the set.
    pub(crate) fn told(&self) -> Text {
        let ja = match self {
            Self::Form(_) | Self::Version(_) => "定型文の形式ではありません。".to_owned(),
            Self::TooMuch(most) => format!("定型文は{most}件、1MBまでです。"),
            Self::TooLong(id) => format!("「{id}」の文が多すぎます。"),
            Self::Id(id) => format!("「{id}」が二度あるか、名前がありません。"),
            Self::Entry { id, entry } => {
                format!("「{id}」の「{entry}」には、どんな言葉も当てはまりません。")
            }
            Self::Claimed {
                first,
                second,
                text,
            } => format!("「{text}」が「{first}」と「{second}」の両方にあります。"),
            Self::Reply { id, .. } => {
                format!("「{id}」に、返事のない時間帯か、空の返事があります。")
            }
            Self::Slot { id, text, .. } => {
                format!("「{id}」の「{text}」の波かっこの使い方が正しくありません。")
            }
        };
        Text::owned(ja, self.to_string())
    }
}

impl PhraseSet {
    /// Reads a set and checks that it means one thing only.
    pub fn parse(json: &str) -> Result<Self, PhraseError> {
        let set: Self = serde_json::from_str(json)?;
        if set.version != 1 {
            return Err(PhraseError::Version(set.version));
        }
        let mut ids = HashSet::new();
        let mut claims: HashMap<String, &str> = HashMap::new();
        for phrase in &set.phrases {
            if phrase.id.is_empty() || !ids.insert(&phrase.id) {
                return Err(PhraseError::Id(phrase.id.clone()));
            }
            phrase.check()?;
            for entry in &phrase.matches {
                let text = fold(entry);
                let first = *claims.entry(text.clone()).or_insert(&phrase.id);
                if first != phrase.id {
                    return Err(PhraseError::Claimed {
                        first: first.to_owned(),
                        second: phrase.id.clone(),
                        text,
                    });
                }
            }
            for text in &phrase.patterns {
                let text = Pattern::read(&phrase.id, text)?.claim();
                let first = *claims.entry(text.clone()).or_insert(&phrase.id);
                if first != phrase.id {
                    return Err(PhraseError::Claimed {
                        first: first.to_owned(),
                        second: phrase.id.clone(),
                        text,
                    });
                }
            }
        }
        Ok(set)
    }
}

impl Phrase {
    fn check(&self) -> Result<(), PhraseError> {
        let entry_error = |entry: &str| PhraseError::Entry {
            id: self.id.clone(),
            entry: entry.to_owned(),
        };
        let slot_error = |text: &str, reason| PhraseError::Slot {
            id: self.id.clone(),
            text: text.to_owned(),
            reason,
        };
        if self.matches.is_empty() && self.patterns.is_empty() {
            return Err(entry_error(""));
        }
        for entry in &self.matches {
            let silent = self.safety && entry.is_ascii() && words(entry).trim().is_empty();
            if fold(entry).is_empty() || silent {
                return Err(entry_error(entry));
            }
        }
        for text in &self.unless {
            if fold(text).is_empty() || !self.safety {
                return Err(entry_error(text));
            }
        }
        let mut slot = None;
        for text in &self.patterns {
            let pattern = Pattern::read(&self.id, text)?;
            if self.safety {
                return Err(slot_error(text, "a pattern of a safety phrase"));
            }
            if *slot.get_or_insert_with(|| pattern.slot.clone()) != pattern.slot {
                return Err(slot_error(text, "another slot than in the first pattern"));
            }
        }
        for reply in &self.replies {
            let fillable = slot.as_ref().filter(|_| self.matches.is_empty());
            let rest = fillable.map_or_else(
                || reply.text.clone(),
                |slot| reply.text.replace(&format!("{{{slot}}}"), ""),
            );
            if rest.contains(['{', '}']) {
                return Err(slot_error(&reply.text, "a slot that nothing fills"));
            }
        }
        for when in [When::Morning, When::Day, When::Evening, When::Night] {
            let mut fits = self
                .replies
                .iter()
                .filter(|reply| reply.fits(when))
                .peekable();
            if fits.peek().is_none() || fits.any(|reply| reply.text.trim().is_empty()) {
                return Err(PhraseError::Reply {
                    id: self.id.clone(),
                    when,
                });
            }
        }
        Ok(())
    }
}

/// A pattern, folded around its slot.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    pub(super) before: String,
    pub(super) slot: String,
    pub(super) after: String,
}

impl Pattern {
    pub(super) fn read(id: &str, text: &str) -> Result<Self, PhraseError> {
        let error = |reason| PhraseError::Slot {
            id: id.to_owned(),
            text: text.to_owned(),
            reason,
        };
        let (before, rest) = text.split_once('{').ok_or_else(|| error("no slot"))?;
        let (slot, after) = rest.split_once('}').ok_or_else(|| error("an open slot"))?;
        if slot.is_empty() || !slot.chars().all(|c| c.is_ascii_lowercase()) {
            return Err(error("a slot that is not named in small letters"));
        }
        if [before, after].iter().any(|part| part.contains(['{', '}'])) {
            return Err(error("more than one slot"));
        }
        let pattern = Self {
            before: fold(before),
            slot: slot.to_owned(),
            after: fold(after),
        };
        if pattern.before.is_empty() && pattern.after.is_empty() {
            return Err(error("nothing around the slot"));
        }
        Ok(pattern)
    }

    /// Writes what the pattern claims, in a form that no folded text has.
    fn claim(&self) -> String {
        format!("{}\n{}", self.before, self.after)
    }
}
