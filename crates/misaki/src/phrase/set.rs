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
    /// What may be answered; every hour of the day has at least one that is for everybody in every season.
    pub replies: Vec<Reply>,
    /// Offered as a button to a person who doesn't know what to say; the first of `match` is its label.
    #[serde(default, skip_serializing_if = "is_false")]
    pub chip: bool,
    /// Matches anywhere in a text, and before everything else.
    #[serde(default, skip_serializing_if = "is_false")]
    pub safety: bool,
    /// Looked for in the answers of models instead of what people say; an answer that has it ends with a reply of this phrase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guards: Option<Guarded>,
    /// Words in which an entry of safety, or of what guards, means nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unless: Vec<String>,
}

/// Why an answer may not be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Guarded {
    /// Minors in sexual contexts.
    Minors,
    /// Encouragement to hurt oneself.
    SelfHarm,
    /// What the house does not want said.
    House,
}

impl Guarded {
    /// As it is written in files, records and counts.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Minors => "minors",
            Self::SelfHarm => "self_harm",
            Self::House => "house",
        }
    }

    /// Reads the name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::Minors, Self::SelfHarm, Self::House]
            .into_iter()
            .find(|one| one.name() == name)
    }
}

/// One possible answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// The time of day that it is for.
    pub when: When,
    /// The season that it is for; any when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub season: Option<Season>,
    /// How often somebody has been here; any when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visits: Option<Visits>,
    /// The id of the plan that it is for; any when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// What is said; `{slot}` stands for what the person filled in.
    pub text: String,
}

/// A season, as Japan counts them: spring begins in March.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Season {
    /// March to May.
    Spring,
    /// June to August.
    Summer,
    /// September to November.
    Autumn,
    /// December to February.
    Winter,
}

impl Season {
    /// Tells the season of a month, from 1 to 12.
    pub(crate) fn of_month(month: u32) -> Self {
        match month {
            3..=5 => Self::Spring,
            6..=8 => Self::Summer,
            9..=11 => Self::Autumn,
            _ => Self::Winter,
        }
    }
}

/// From so many talks before this one on somebody is a regular.
pub(crate) const REGULAR: i64 = 5;

/// How often somebody was here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Visits {
    /// However often.
    Any,
    /// Never before.
    First,
    /// A few times.
    Again,
    /// Often.
    Regular,
}

impl Visits {
    /// Tells it from the number of talks before this one.
    pub(crate) const fn of_talks(talks: i64) -> Self {
        match talks {
            ..=0 => Self::First,
            1..REGULAR => Self::Again,
            _ => Self::Regular,
        }
    }
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

/// To whom an answer is given, and when.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// The hour at the bar.
    pub hour: u32,
    /// The month at the bar, from 1 to 12.
    pub month: u32,
    /// How often the person was here.
    pub visits: Visits,
    /// The id of the person's plan.
    pub plan: &'a str,
    /// What Mama said of late in this talk; she does not repeat herself while there is anything else to say.
    pub recent: &'a [String],
    /// Chooses among replies, the same one for the same seed.
    pub seed: &'a str,
}

impl Reply {
    pub(super) fn fits(&self, scene: &Scene<'_>) -> bool {
        let at_hour = self.when == When::Any || self.when == When::of_hour(scene.hour);
        let in_season = self
            .season
            .is_none_or(|season| season == Season::of_month(scene.month));
        let to_guest = self
            .visits
            .is_none_or(|visits| visits == Visits::Any || visits == scene.visits);
        let in_plan = self.plan.as_deref().is_none_or(|plan| plan == scene.plan);
        at_hour && in_season && to_guest && in_plan
    }

    /// Whether it is for everybody at this time of day, in every season.
    fn is_for_all(&self, when: When) -> bool {
        let is_any = self.visits.is_none_or(|visits| visits == Visits::Any);
        (self.when == When::Any || self.when == when)
            && self.season.is_none()
            && is_any
            && self.plan.is_none()
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
            // what is looked for in answers takes nothing from what answers people
            if phrase.guards.is_some() {
                continue;
            }
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
    /// What must be true of a phrase that guards, beside its entries.
    fn check_guard(&self) -> Result<(), PhraseError> {
        let entry_error = |entry: &str| PhraseError::Entry {
            id: self.id.clone(),
            entry: entry.to_owned(),
        };
        if self.safety || self.chip {
            return Err(entry_error(&self.id));
        }
        let is_short = |text: &str| fold(text).chars().count() < 2;
        for text in &self.unless {
            if is_short(text) {
                return Err(entry_error(text));
            }
        }
        for text in &self.patterns {
            Pattern::read(&self.id, text)?;
            if Pattern::sides(text).is_none_or(|(a, b)| is_short(a) || is_short(b)) {
                return Err(entry_error(text));
            }
        }
        for reply in &self.replies {
            if reply.text.contains(['{', '}']) {
                return Err(PhraseError::Slot {
                    id: self.id.clone(),
                    text: reply.text.clone(),
                    reason: "a slot that nothing fills",
                });
            }
        }
        self.check_replies()
    }

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
            let everywhere = self.guards.is_some() && fold(entry).chars().count() < 2;
            if fold(entry).is_empty() || silent || everywhere {
                return Err(entry_error(entry));
            }
        }
        if self.guards.is_some() {
            return self.check_guard();
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
        self.check_replies()
    }

    /// Whether there is something to say at each time of day.
    fn check_replies(&self) -> Result<(), PhraseError> {
        for when in [When::Morning, When::Day, When::Evening, When::Night] {
            let is_silent = self
                .replies
                .iter()
                .any(|reply| reply.text.trim().is_empty());
            if is_silent || !self.replies.iter().any(|reply| reply.is_for_all(when)) {
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

    /// What stands on both sides of the slot, as it is written.
    pub(super) fn sides(text: &str) -> Option<(&str, &str)> {
        let (before, rest) = text.split_once('{')?;
        Some((before, rest.split_once('}')?.1))
    }

    /// Writes what the pattern claims, in a form that no folded text has.
    fn claim(&self) -> String {
        format!("{}\n{}", self.before, self.after)
    }
}
