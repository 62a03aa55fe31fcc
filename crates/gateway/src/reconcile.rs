//! Our count of tokens against a provider's export of its own. Nothing is changed: what differs is for people to look at.

mod export;
mod store;

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use db::{Ctx, Scope};

use crate::{Error, route::Use};

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
    /// Models of vectors, which are not compared.
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
    let mut ours = store::days(&mut tx, export.from, export.to).await?;
    if export.has_requests() {
        ours = store::requests(&mut tx, export.from, export.to, &export.runs()).await?;
    }
    tx.commit().await?;
    Ok(compare(ours, &export.lines, models))
}

/// What one of our lines belongs to.
type Ours = BTreeMap<Line, (String, Counts)>;

fn compare(
    ours: Ours,
    theirs: &BTreeMap<Line, Counts>,
    models: &BTreeMap<String, Use>,
) -> Reconciled {
    let known: BTreeSet<&str> = ours
        .values()
        .map(|(model, _)| model.as_str())
        .chain(models.keys().map(String::as_str))
        .collect();
    let mut told = BTreeSet::new();
    let mut left_out = BTreeSet::new();
    let mut both: BTreeMap<Line, (Counts, Counts)> = BTreeMap::new();
    for (line, counts) in theirs {
        let line = match line {
            Line::Request(_) => line.clone(),
            Line::Day { day, model } => {
                let model = our_name(model, &known).to_owned();
                if models.get(&model) == Some(&Use::Embedding) {
                    left_out.insert(model);
                    continue;
                }
                told.insert(model.clone());
                Line::Day { day: *day, model }
            }
        };
        both.entry(line).or_default().1.add(*counts);
    }
    for (line, (model, counts)) in ours {
        if let Some((ours, _)) = both.get_mut(&line) {
            ours.add(counts);
        } else if models.contains_key(&model) || told.contains(&model) {
            both.insert(line, (counts, Counts::default()));
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
fn our_name<'a>(theirs: &'a str, known: &BTreeSet<&str>) -> &'a str {
    if known.contains(theirs) {
        return theirs;
    }
    let is_digit_or_dash = |c: char| c.is_ascii_digit() || c == '-';
    let undated = theirs.trim_end_matches(is_digit_or_dash);
    // names may end in digits of their own, so the longest that is known counts
    theirs
        .char_indices()
        .rev()
        .filter(|(at, c)| *c == '-' && *at >= undated.len())
        .filter_map(|(at, _)| theirs.get(..at))
        .find(|name| known.contains(name))
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
        let known = BTreeSet::from(["gpt-4o", "claude-sonnet-4", "gpt-4"]);
        for (theirs, ours) in [
            ("gpt-4o", "gpt-4o"),
            ("gpt-4o-2024-08-06", "gpt-4o"),
            ("claude-sonnet-4-20250514", "claude-sonnet-4"),
            ("gpt-4-0613", "gpt-4"),
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
        let own = |model: &str, counts| (day(model), (model.to_owned(), counts));
        let ours = BTreeMap::from([
            own("a", counts(10, 5)),
            own("b", counts(1, 1)),
            own("elsewhere", counts(7, 7)),
        ]);
        let theirs = BTreeMap::from([
            (day("a-2026-01-01"), counts(4, 5)),
            (day("a"), counts(6, 0)),
            (day("c"), counts(2, 2)),
            (day("v"), counts(9, 0)),
        ]);
        let found = compare(ours, &theirs, &models);
        assert_eq!((found.lines, found.left_out.len()), (3, 1));
        let lines: Vec<String> = found
            .differences
            .iter()
            .map(|difference| difference.line.to_string())
            .collect();
        assert_eq!(lines, ["2026-11-20 b", "2026-11-20 c"]);
    }
}
