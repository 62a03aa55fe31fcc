//! How targets answer, from real traffic: each node counts in memory what comes of its calls, and adds it to the minute's row
//! every few seconds, so that a desk at any node shows all of them. The same for what shadows found out.

mod store;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, DurationRound, NaiveDate, TimeDelta, Utc};
use db::Scope;
use serde::Serialize;

use crate::{
    Error, Gateway,
    traffic::{ModelHealth, Traffic},
};

/// First words are counted by the first of these times, in milliseconds, that they came within; the rest came later.
const WITHIN_MS: [u32; 15] = [
    50, 100, 200, 300, 500, 750, 1_000, 1_500, 2_000, 3_000, 5_000, 8_000, 13_000, 21_000, 34_000,
];
const PLACES: usize = WITHIN_MS.len() + 1;
/// What a desk looks at.
const LOOK_BACK: TimeDelta = TimeDelta::hours(1);
/// How long minutes are kept.
const KEPT: TimeDelta = TimeDelta::days(1);
/// What a desk looks at of shadows.
const SHADOW_DAYS: i64 = 30;

/// What came of calls to one target since it was last written down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    calls: u32,
    failed: u32,
    first_words: [u32; PLACES],
    /// The last failure's reason.
    trouble: Option<&'static str>,
}

impl Tally {
    pub(crate) fn answered(&mut self, first_word: Duration) {
        self.calls = self.calls.saturating_add(1);
        let place = WITHIN_MS
            .iter()
            .position(|ms| first_word <= Duration::from_millis(u64::from(*ms)))
            .unwrap_or(WITHIN_MS.len());
        if let Some(count) = self.first_words.get_mut(place) {
            *count = count.saturating_add(1);
        }
    }

    /// A call failed before its first word.
    pub(crate) fn failed(&mut self, why: &'static str) {
        self.calls = self.calls.saturating_add(1);
        self.broke_off(why);
    }

    /// A call that was counted as answered failed after all.
    pub(crate) fn broke_off(&mut self, why: &'static str) {
        self.failed = self.failed.saturating_add(1).min(self.calls.max(1));
        self.calls = self.calls.max(self.failed);
        self.trouble = Some(why);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.calls == 0 && self.failed == 0
    }

    /// What could not be written down is kept for the next time.
    fn put_back(&mut self, other: &Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.failed = self.failed.saturating_add(other.failed);
        for (count, more) in self.first_words.iter_mut().zip(other.first_words) {
            *count = count.saturating_add(more);
        }
        self.trouble = self.trouble.or(other.trouble);
    }
}

/// A target and what came of the calls to it.
pub(crate) struct Counted {
    pub(crate) name: String,
    pub(crate) tally: Tally,
    /// How long this node leaves it alone from now on.
    pub(crate) rests: Option<Duration>,
}

/// What came of calls in a shadow since it was last written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ShadowTally {
    pub(crate) answered: i64,
    pub(crate) failed: i64,
    pub(crate) left_out: i64,
    pub(crate) agreement: i64,
    pub(crate) tokens: i64,
}

impl std::ops::AddAssign for ShadowTally {
    fn add_assign(&mut self, more: Self) {
        self.answered += more.answered;
        self.failed += more.failed;
        self.left_out += more.left_out;
        self.agreement += more.agreement;
        self.tokens += more.tokens;
    }
}

/// What this process has found out in shadows, by model and shadow.
#[derive(Debug, Default)]
pub(crate) struct Shadows(Mutex<HashMap<(String, String), ShadowTally>>);

impl Shadows {
    pub(crate) fn add(&self, model: &str, shadow: &str, found: ShadowTally) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *known
            .entry((model.to_owned(), shadow.to_owned()))
            .or_default() += found;
    }

    fn take(&self) -> HashMap<(String, String), ShadowTally> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Adds what this process has counted to the rows of now.
pub(crate) async fn write_down(room: &Gateway) -> Result<(), Error> {
    let counted = room.node.health.tallies();
    let shadows = room.node.found.take();
    if counted.is_empty() && shadows.is_empty() {
        return Ok(());
    }
    let written = write(room, &counted, &shadows).await;
    if written.is_err() {
        for one in &counted {
            let health = &room.node.health;
            health.tally(&one.name, |tally| tally.put_back(&one.tally));
        }
        for ((model, shadow), found) in &shadows {
            room.node.found.add(model, shadow, *found);
        }
    }
    written
}

async fn write(
    room: &Gateway,
    counted: &[Counted],
    shadows: &HashMap<(String, String), ShadowTally>,
) -> Result<(), Error> {
    let now = room.cx.clock.now();
    let minute = now.duration_trunc(TimeDelta::minutes(1)).unwrap_or(now);
    // nodes write the same rows: all in one order
    let mut sums: BTreeMap<(String, String), Minute> = BTreeMap::new();
    for one in counted {
        let target = one
            .name
            .rsplit_once('@')
            .map_or(one.name.as_str(), |(target, _)| target);
        let (provider, model) = target.split_once('/').unwrap_or(("", target));
        let of = sums
            .entry((provider.to_owned(), model.to_owned()))
            .or_default();
        of.add(one, now);
    }
    let mut shadows: Vec<_> = shadows.iter().collect();
    shadows.sort_unstable_by_key(|(names, _)| *names);
    let mut tx = room.cx.db.begin(Scope::House("how targets answer")).await?;
    for ((provider, model), sum) in &sums {
        store::add_minute(&mut tx, (minute, provider, model), sum).await?;
    }
    for ((model, shadow), found) in shadows {
        store::add_shadow(&mut tx, (now.date_naive(), model, shadow), *found).await?;
    }
    store::forget_before(&mut tx, minute - KEPT).await?;
    tx.commit().await?;
    Ok(())
}

/// One minute of one target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Minute {
    calls: i32,
    failed: i32,
    first_words: Vec<i32>,
    trouble: Option<String>,
    trouble_at: Option<DateTime<Utc>>,
    rests_until: Option<DateTime<Utc>>,
}

impl Minute {
    fn add(&mut self, one: &Counted, now: DateTime<Utc>) {
        let count = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
        let tally = &one.tally;
        self.calls = self.calls.saturating_add(count(tally.calls));
        self.failed = self.failed.saturating_add(count(tally.failed));
        self.first_words.resize(PLACES, 0);
        for (sum, more) in self.first_words.iter_mut().zip(tally.first_words) {
            *sum = sum.saturating_add(count(more));
        }
        if let Some(why) = tally.trouble {
            self.trouble = Some(why.to_owned());
            self.trouble_at = Some(now);
        }
        let rests = one.rests.and_then(|rest| TimeDelta::from_std(rest).ok());
        self.rests_until = self.rests_until.max(rests.map(|rest| now + rest));
    }

    /// Puts a later minute behind this one.
    fn follow(&mut self, later: Self) {
        self.calls = self.calls.saturating_add(later.calls);
        self.failed = self.failed.saturating_add(later.failed);
        self.first_words.resize(PLACES, 0);
        for (sum, more) in self.first_words.iter_mut().zip(later.first_words) {
            *sum = sum.saturating_add(more);
        }
        if later.trouble_at.is_some() {
            self.trouble = later.trouble;
            self.trouble_at = later.trouble_at;
        }
        self.rests_until = later.rests_until;
    }
}

/// How a target, or a provider, has answered in the last hour, over all nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = TargetPulse)]
pub struct Pulse {
    pub calls: i32,
    pub failed: i32,
    /// Half of the first words took no longer, within the steps that are counted by.
    #[schema(required)]
    pub first_word_p50_ms: Option<u32>,
    #[schema(required)]
    pub first_word_p95_ms: Option<u32>,
    /// It is left alone for a while, since it failed again and again.
    pub rests: bool,
    /// The last failure's reason in the words of runs, such as `upstream_busy`.
    #[schema(required)]
    pub trouble: Option<String>,
    #[schema(required)]
    pub trouble_at: Option<DateTime<Utc>>,
}

impl Pulse {
    fn of(sum: &Minute, now: DateTime<Utc>) -> Self {
        Self {
            calls: sum.calls,
            failed: sum.failed,
            first_word_p50_ms: within(&sum.first_words, 50),
            first_word_p95_ms: within(&sum.first_words, 95),
            rests: sum.rests_until.is_some_and(|until| until > now),
            trouble: sum.trouble.clone(),
            trouble_at: sum.trouble_at,
        }
    }
}

/// The time within which so many of a hundred came; the longest that is counted by for those that came later.
fn within(counts: &[i32], of_hundred: i64) -> Option<u32> {
    let all: i64 = counts.iter().copied().map(i64::from).sum();
    let wanted = (all * of_hundred + 99) / 100;
    let mut sum = 0;
    let place = counts.iter().position(|count| {
        sum += i64::from(*count);
        sum >= wanted
    })?;
    let longest = WITHIN_MS.last().copied();
    (all > 0)
        .then(|| WITHIN_MS.get(place).copied().or(longest))
        .flatten()
}

/// The last hour of all providers.
fn providers(
    sums: impl IntoIterator<Item = ((String, String), Minute)>,
    now: DateTime<Utc>,
) -> BTreeMap<String, Pulse> {
    let mut of: BTreeMap<String, Minute> = BTreeMap::new();
    for ((provider, _), sum) in sums {
        let known = of.entry(provider).or_default();
        let (rests, trouble) = (
            known.rests_until.max(sum.rests_until),
            (known.trouble.clone(), known.trouble_at),
        );
        let is_older = sum.trouble_at < known.trouble_at;
        known.follow(sum);
        known.rests_until = rests;
        if is_older {
            (known.trouble, known.trouble_at) = trouble;
        }
    }
    of.into_iter()
        .map(|(provider, sum)| (provider, Pulse::of(&sum, now)))
        .collect()
}

async fn sums(
    room: &Gateway,
) -> Result<(BTreeMap<(String, String), Minute>, DateTime<Utc>), Error> {
    let now = room.cx.clock.now();
    let mut tx = room.cx.db.read(Scope::House("how targets answer")).await?;
    let minutes = store::minutes_since(&mut tx, now - LOOK_BACK).await?;
    tx.commit().await?;
    let mut sums: BTreeMap<(String, String), Minute> = BTreeMap::new();
    for (provider, model, minute) in minutes {
        sums.entry((provider, model)).or_default().follow(minute);
    }
    Ok((sums, now))
}

/// The last hour of all targets, and of all providers.
pub(crate) async fn all(
    room: &Gateway,
) -> Result<(BTreeMap<(String, String), Pulse>, BTreeMap<String, Pulse>), Error> {
    let (sums, now) = sums(room).await?;
    let of_targets = sums
        .iter()
        .map(|(target, sum)| (target.clone(), Pulse::of(sum, now)))
        .collect();
    Ok((of_targets, providers(sums, now)))
}

/// The last hour of all providers as callers may see it. Where one is left alone for a while, it is down.
///
/// # Errors
/// When the database is away.
pub async fn provider_traffic(room: &Gateway) -> Result<BTreeMap<String, Traffic>, Error> {
    let (sums, now) = sums(room).await?;
    Ok(providers(sums, now)
        .into_iter()
        .map(|(provider, pulse)| (provider, seen(&pulse)))
        .collect())
}

fn seen(pulse: &Pulse) -> Traffic {
    let (calls, failed) = (i64::from(pulse.calls), i64::from(pulse.failed));
    let first_word = pulse.first_word_p50_ms.map(i64::from);
    let mut traffic = Traffic::of(calls - failed, failed, first_word);
    if pulse.rests {
        traffic.health = ModelHealth::Down;
    }
    traffic
}

/// What was found out in a model's shadow in the last thirty days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ShadowFound {
    pub answered: i64,
    pub failed: i64,
    /// Not asked, since too many were under way.
    pub left_out: i64,
    /// How much it said the same, of a hundred, on average.
    #[schema(required)]
    pub agreement_percent: Option<i64>,
    /// What it wrote, which nobody is billed for.
    pub tokens: i64,
}

impl From<ShadowTally> for ShadowFound {
    fn from(found: ShadowTally) -> Self {
        Self {
            answered: found.answered,
            failed: found.failed,
            left_out: found.left_out,
            agreement_percent: found.agreement.checked_div(found.answered),
            tokens: found.tokens,
        }
    }
}

/// What was found out in all shadows, by model and shadow.
pub(crate) async fn shadows(
    room: &Gateway,
) -> Result<BTreeMap<(String, String), ShadowFound>, Error> {
    let since: NaiveDate = (room.cx.clock.now() - TimeDelta::days(SHADOW_DAYS)).date_naive();
    let mut tx = room.cx.db.read(Scope::House("what shadows found")).await?;
    let found = store::shadows_since(&mut tx, since).await?;
    tx.commit().await?;
    Ok(found
        .into_iter()
        .map(|(model, shadow, found)| ((model, shadow), found.into()))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_words_are_told_by_the_time_that_so_many_came_within() {
        let mut tally = Tally::default();
        for ms in [10, 90, 150, 400, 60_000] {
            tally.answered(Duration::from_millis(ms));
        }
        tally.failed("upstream_busy");
        let counts = tally.first_words.map(|count| i32::try_from(count).unwrap());
        assert_eq!((tally.calls, tally.failed), (6, 1));
        assert_eq!(within(&counts, 50), Some(200));
        assert_eq!(
            within(&counts, 95),
            Some(34_000),
            "the longest that is told"
        );
        assert_eq!(within(&[0; PLACES], 50), None);
    }

    #[test]
    fn a_provider_is_all_its_targets() {
        let now = DateTime::UNIX_EPOCH;
        let minute = |calls, failed, trouble_at: Option<i64>, rests: bool| Minute {
            calls,
            failed,
            first_words: vec![calls - failed],
            trouble: trouble_at.map(|at| format!("trouble {at}")),
            trouble_at: trouble_at.map(|at| now - TimeDelta::seconds(at)),
            rests_until: rests.then(|| now + TimeDelta::seconds(9)),
        };
        let target = |model: &str| ("a".to_owned(), model.to_owned());
        let of = providers(
            [
                (target("m"), minute(10, 1, Some(5), true)),
                (target("n"), minute(5, 2, Some(60), false)),
            ],
            now,
        );
        let a = &of["a"];
        assert_eq!((a.calls, a.failed, a.rests), (15, 3, true));
        assert_eq!(a.trouble.as_deref(), Some("trouble 5"), "the last one");
        assert_eq!(a.first_word_p50_ms, Some(50));
        assert_eq!(seen(a).health, ModelHealth::Down, "one of them rests");
        let well = Pulse {
            rests: false,
            failed: 1,
            ..a.clone()
        };
        let told = seen(&well);
        assert_eq!((told.health, told.p50_ms), (ModelHealth::Up, Some(50)));
    }
}
