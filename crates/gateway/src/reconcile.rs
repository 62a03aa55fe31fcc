//! Our count of tokens against a provider's export of its own. Nothing is changed: what differs is for people to look at.

mod export;
mod store;

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use db::{Ctx, Scope};

use crate::{EmbeddingId, Error, route::Use};

pub use export::{Export, ExportError};

/// What is compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Line {
    /// Everything that a model did on a day, in UTC.
    Day { day: NaiveDate, model: String },
    /// One request, by the id that the provider was told.
    Request(String),
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Day { day, model } => write!(f, "{day} {model}"),
            Self::Request(id) => f.write_str(id),
        }
    }
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// None where an export does not tell.
    pub requests: Option<i64>,
    /// Those of the provider's cache included.
    pub input: i64,
    pub output: i64,
}

impl Counts {
    fn add(&mut self, more: Self) {
        self.requests = match (self.requests, more.requests) {
            (Some(one), Some(other)) => Some(one.saturating_add(other)),
            (one, other) => one.or(other),
        };
        self.input = self.input.saturating_add(more.input);
        self.output = self.output.saturating_add(more.output);
    }

    /// Tokens are what is paid; requests that failed upstream are counted by some and not by others.
    const fn tokens(self) -> (i64, i64) {
        (self.input, self.output)
    }
}

/// Where the two do not agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub line: Line,
    pub ours: Counts,
    pub theirs: Counts,
}

/// What a comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// How many lines were compared.
    pub lines: usize,
    pub differences: Vec<Difference>,
    /// Models of ours that ran, of a kind that the export says nothing of: a provider gives out chats and vectors by themselves.
    pub left_out: BTreeSet<String>,
}

/// Compares what an export says with what our runs say. `models` are the provider's own: one that has run here and is
/// missing in the export is a difference. A run is of the day on which it began; one from our cache cost nobody anything.
///
/// # Errors
/// When the database is away.
pub async fn reconcile(
    cx: &Ctx,
    export: &Export,
    models: &BTreeMap<String, Use>,
) -> Result<Reconciled, Error> {
    let mut tx = cx.db.begin(Scope::House("reconciliation")).await?;
    let ours = if export.has_requests() {
        store::requests(&mut tx, export).await?
    } else {
        store::days(&mut tx, export).await?
    };
    tx.commit().await?;
    Ok(compare(ours, &export.lines, models))
}

/// What one of our lines belongs to.
type Ours = Vec<(Line, Of, Counts)>;

/// A model and what it was used for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Of {
    model: String,
    use_for: Use,
}

fn compare(
    ours: Ours,
    theirs: &BTreeMap<Line, Counts>,
    models: &BTreeMap<String, Use>,
) -> Reconciled {
    let known: BTreeMap<&str, Use> = ours
        .iter()
        .map(|(_, of, _)| (of.model.as_str(), of.use_for))
        .chain(
            models
                .iter()
                .map(|(model, use_for)| (model.as_str(), *use_for)),
        )
        .collect();
    let mut told = BTreeSet::new();
    let mut uses = BTreeSet::new();
    let mut both: BTreeMap<Line, (Counts, Counts)> = BTreeMap::new();
    for (line, counts) in theirs {
        let line = match line {
            Line::Request(id) => {
                let is_vectors = id.parse::<EmbeddingId>().is_ok();
                uses.insert(if is_vectors {
                    Use::Embedding
                } else {
                    Use::Chat
                });
                line.clone()
            }
            Line::Day { day, model } => {
                let model = our_name(model, &known).to_owned();
                uses.insert(known.get(model.as_str()).copied().unwrap_or_default());
                told.insert(model.clone());
                Line::Day { day: *day, model }
            }
        };
        both.entry(line).or_default().1.add(*counts);
    }
    let mut left_out = BTreeSet::new();
    for (line, Of { model, use_for }, counts) in ours {
        if let Some((ours, _)) = both.get_mut(&line) {
            ours.add(counts);
        } else if models.contains_key(&model) || told.contains(&model) {
            if uses.contains(&use_for) {
                both.insert(line, (counts, Counts::default()));
            } else {
                left_out.insert(model);
            }
        }
    }
    Reconciled {
        lines: both.len(),
        differences: both
            .into_iter()
            .filter(|(_, (ours, theirs))| ours.tokens() != theirs.tokens())
            .map(|(line, (ours, theirs))| Difference { line, ours, theirs })
            .collect(),
        left_out,
    }
}

/// What we call a model of theirs: exports name the dated version that an undated name stands for.
fn our_name<'a>(theirs: &'a str, known: &BTreeMap<&str, Use>) -> &'a str {
    let is_known = |name: &&str| known.contains_key(*name);
    if is_known(&theirs) {
        return theirs;
    }
    // OpenAI's vectors: text-embedding-ada-002-v2
    let is_number = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let unversioned = theirs.rsplit_once("-v").filter(|(_, n)| is_number(n));
    if let Some(name) = unversioned.map(|(name, _)| name).filter(is_known) {
        return name;
    }
    let is_digit_or_dash = |c: char| c.is_ascii_digit() || c == '-';
    let undated = theirs.trim_end_matches(is_digit_or_dash);
    // names may end in digits of their own, so the longest that is known counts
    theirs
        .char_indices()
        .rev()
        .filter(|(at, c)| *c == '-' && *at >= undated.len())
        .filter_map(|(at, _)| theirs.get(..at))
        .find(is_known)
        .unwrap_or(theirs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(input: i64, output: i64) -> Counts {
        Counts {
            requests: None,
            input,
            output,
        }
    }

    fn day(model: &str) -> Line {
        Line::Day {
            day: NaiveDate::from_ymd_opt(2026, 11, 20).unwrap_or_default(),
            model: model.to_owned(),
        }
    }

    #[test]
    fn a_dated_version_is_the_name_that_stands_for_it() {
        let known = [
            "gpt-4o",
            "claude-sonnet-4",
            "gpt-4",
            "text-embedding-ada-002",
        ];
        let known = known.map(|name| (name, Use::Chat)).into();
        for (theirs, ours) in [
            ("gpt-4o", "gpt-4o"),
            ("gpt-4o-2024-08-06", "gpt-4o"),
            ("claude-sonnet-4-20250514", "claude-sonnet-4"),
            ("gpt-4-0613", "gpt-4"),
            ("text-embedding-ada-002-v2", "text-embedding-ada-002"),
            ("gpt-4-vision", "gpt-4-vision"),
            ("gpt-4o-mini-2024-07-18", "gpt-4o-mini-2024-07-18"),
        ] {
            assert_eq!(our_name(theirs, &known), ours);
        }
    }

    #[test]
    fn what_only_one_side_has_is_a_difference_and_another_providers_is_none() {
        let models = BTreeMap::from([
            ("a".to_owned(), Use::Chat),
            ("b".to_owned(), Use::Chat),
            ("v".to_owned(), Use::Embedding),
        ]);
        let own = |model: &str, use_for, counts| {
            let model = model.to_owned();
            (day(&model), Of { model, use_for }, counts)
        };
        let ours = || {
            vec![
                own("a", Use::Chat, counts(10, 5)),
                own("b", Use::Chat, counts(1, 1)),
                own("elsewhere", Use::Chat, counts(7, 7)),
                own("v", Use::Embedding, counts(8, 0)),
            ]
        };
        let theirs = BTreeMap::from([
            (day("a-2026-01-01"), counts(4, 5)),
            (day("a"), counts(6, 0)),
            (day("c"), counts(2, 2)),
        ]);
        let wrong = |theirs: &BTreeMap<Line, Counts>| {
            let found = compare(ours(), theirs, &models);
            let lines: Vec<String> = found
                .differences
                .iter()
                .map(|difference| difference.line.to_string())
                .collect();
            (found.lines, lines, found.left_out)
        };
        let (lines, differ, left_out) = wrong(&theirs);
        assert_eq!((lines, left_out), (3, BTreeSet::from(["v".to_owned()])));
        assert_eq!(differ, ["2026-11-20 b", "2026-11-20 c"]);
        // vectors are given out by themselves, and then the chats are left out
        let vectors = |tokens| BTreeMap::from([(day("v-v2"), counts(tokens, 0))]);
        let chats = BTreeSet::from(["a".to_owned(), "b".to_owned()]);
        assert_eq!(wrong(&vectors(8)), (1, vec![], chats));
        assert_eq!(wrong(&vectors(9)).1, ["2026-11-20 v"]);
        let all = theirs.into_iter().chain(vectors(9)).collect();
        assert_eq!(
            wrong(&all).1,
            ["2026-11-20 b", "2026-11-20 c", "2026-11-20 v"]
        );
    }
}
