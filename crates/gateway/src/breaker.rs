//! Whether a target is worth a call, and how quick it is: what the last calls to it were like.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use futures::Stream;
use llm::Usage;
use tokio::time::Instant;

use crate::{
    choose,
    meters::{Meters, label},
    pace::Pace,
    places::Place,
    provider::Events,
    pulse::{Counted, Tally},
    route::Target,
};

/// Failed runs in a row after which a target is left alone.
const TOLERANCE: u32 = 8;
/// A shorter wait that a target asks for is waited by the run itself.
const SHORT: Duration = Duration::from_secs(3);
/// The first time that it is left alone for; each further failure doubles it.
const FIRST_REST: Duration = Duration::from_secs(2);
const LONGEST_REST: Duration = Duration::from_mins(1);
/// How long a call that finds out whether the target is back may take before another may try.
const TRIAL: Duration = Duration::from_secs(30);

/// What is known of one target.
#[derive(Clone, Copy, Debug, Default)]
struct Breaker {
    failures: u32,
    /// Nobody calls before then.
    rests_until: Option<Instant>,
}

impl Breaker {
    /// Whether a call may be made now. Once the rest is over one caller at a time finds out how things are.
    fn admits(&mut self, now: Instant) -> bool {
        match self.rests_until {
            None => true,
            Some(until) if now < until => false,
            Some(_) => {
                self.rests_until = Some(now + TRIAL);
                true
            }
        }
    }

    /// How long it is left alone from now on.
    fn rests(&self, now: Instant) -> Option<Duration> {
        let until = self.rests_until?;
        until
            .checked_duration_since(now)
            .filter(|rest| !rest.is_zero())
    }

    fn is_well(&self, now: Instant) -> bool {
        self.rests_until.is_none_or(|until| until <= now)
    }

    fn succeeded(&mut self) {
        *self = Self::default();
    }

    fn failed(&mut self, now: Instant, asked_to_wait: Option<Duration>) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= TOLERANCE {
            let doubled = self.failures - TOLERANCE;
            let rest = FIRST_REST
                .saturating_mul(2_u32.saturating_pow(doubled))
                .min(LONGEST_REST);
            self.rests_until = Some(now + rest);
        }
        if let Some(wait) = asked_to_wait.filter(|wait| *wait > SHORT) {
            let until = now + wait.min(LONGEST_REST);
            self.rests_until = Some(self.rests_until.map_or(until, |rest| rest.max(until)));
        }
    }
}

#[derive(Debug)]
struct Known {
    breaker: Breaker,
    pace: Pace,
    tally: Tally,
    meters: Meters,
}

impl Known {
    fn of(target: &str) -> Self {
        Self {
            breaker: Breaker::default(),
            pace: Pace::default(),
            tally: Tally::default(),
            meters: Meters::of(target),
        }
    }
}

/// What this process knows of all targets.
#[derive(Debug, Default)]
pub(crate) struct Health(Mutex<HashMap<String, Known>>);

impl Health {
    /// Whether a call may be made; what came of it is to be told with [`Health::succeeded`] or, once a run, [`Health::failed`].
    pub(crate) fn admits(&self, target: &str) -> bool {
        self.with(target, |known| known.breaker.admits(Instant::now()))
    }

    /// The order in which targets are to be tried, where `broke` names those that failed this run already.
    pub(crate) fn order(
        &self,
        targets: &[Target],
        broke: &[String],
        seed: u64,
        is_full: impl Fn(&Target) -> bool,
    ) -> Vec<usize> {
        let is_well = |target: &Target| {
            let name = target.name();
            self.is_well(&name) && !broke.contains(&name)
        };
        let now = Instant::now();
        let load = |target: &Target| self.with(&target.name(), |known| known.pace.load(now));
        let order = choose::order(targets, is_well, seed);
        let order = choose::quicker_of_two(order, targets, is_well, load);
        choose::free_first(order, targets, is_well, is_full)
    }

    /// A call has begun at the target; what comes of its first word is to be told.
    pub(crate) fn begin(self: &Arc<Self>, target: &Target) -> Underway {
        let name = target.name();
        self.with(&name, |known| known.pace.began());
        Underway {
            health: Arc::clone(self),
            name,
            begun: Instant::now(),
        }
    }

    /// Whether the target is thought to answer.
    pub(crate) fn is_well(&self, target: &str) -> bool {
        self.with(target, |known| known.breaker.is_well(Instant::now()))
    }

    pub(crate) fn succeeded(&self, target: &str) {
        self.with(target, |known| known.breaker.succeeded());
    }

    pub(crate) fn failed(&self, target: &str, asked_to_wait: Option<Duration>) {
        self.with(target, |known| {
            known.breaker.failed(Instant::now(), asked_to_wait);
        });
    }

    /// Counts what came of a call, for the desk.
    pub(crate) fn tally(&self, target: &str, count: impl FnOnce(&mut Tally)) {
        self.with(target, |known| count(&mut known.tally));
    }

    /// An answer that had begun has broken off.
    pub(crate) fn broke_off(&self, target: &str, why: &'static str) {
        self.with(target, |known| {
            known.tally.broke_off(why);
            known.meters.failed(why);
        });
    }

    /// A question beside all runs has failed, which the desk is not told.
    pub(crate) fn failed_beside(&self, target: &str, why: &'static str) {
        self.with(target, |known| known.meters.failed(why));
    }

    /// Counts what was billed of a target.
    pub(crate) fn used(&self, target: &str, usage: Usage, cost_nano_usd: i64) {
        self.with(target, |known| known.meters.used(usage, cost_nano_usd));
    }

    /// What was counted since this was last asked.
    pub(crate) fn tallies(&self) -> Vec<Counted> {
        let now = Instant::now();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = known
            .iter_mut()
            .filter(|(_, known)| !known.tally.is_empty());
        counted
            .map(|(name, known)| Counted {
                name: name.clone(),
                tally: std::mem::take(&mut known.tally),
                rests: known.breaker.rests(now),
            })
            .collect()
    }

    fn with<T>(&self, target: &str, act: impl FnOnce(&mut Known) -> T) -> T {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get_mut(target) {
            return act(known);
        }
        let new = known.entry(target.to_owned());
        act(new.or_insert_with(|| Known::of(target)))
    }
}

/// A call that its target is busy with until this is dropped.
#[derive(Debug)]
pub(crate) struct Underway {
    health: Arc<Health>,
    name: String,
    begun: Instant,
}

impl Underway {
    /// The first word has come.
    pub(crate) fn answered(&self) {
        let now = Instant::now();
        let first_word = now.saturating_duration_since(self.begun);
        let target = label(&self.name).to_owned();
        metrics::histogram!("gateway_first_word_seconds", "target" => target).record(first_word);
        self.health.with(&self.name, |known| {
            known.pace.took(now, first_word);
            known.tally.answered(first_word);
        });
    }

    /// Keeps the call under way, and its place, for as long as there is somebody who hears it.
    pub(crate) fn until_the_last(self, events: Events, place: Option<Place>) -> Events {
        Box::pin(Busy {
            events,
            _underway: self,
            _place: place,
        })
    }

    pub(crate) fn failed(&self, why: &'static str) {
        let now = Instant::now();
        self.health.with(&self.name, |known| {
            known.pace.failed(now);
            known.tally.failed(why);
            known.meters.failed(why);
        });
    }
}

struct Busy {
    events: Events,
    _underway: Underway,
    _place: Option<Place>,
}

impl Stream for Busy {
    type Item = <Events as Stream>::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.as_mut().poll_next(cx)
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.health.with(&self.name, |known| known.pace.ended());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::Choice;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn after_some_failures_in_a_row_a_target_is_left_alone_and_then_tried_by_one() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..TOLERANCE {
            assert!(breaker.admits(now));
            breaker.failed(now, None);
        }
        assert!(!breaker.admits(now) && !breaker.is_well(now));
        let later = now + FIRST_REST;
        assert!(breaker.admits(later), "one finds out");
        assert!(!breaker.admits(later), "and the others wait for it");
        breaker.failed(later, None);
        assert!(!breaker.admits(later + FIRST_REST), "the rest grows");
        let back = later + FIRST_REST * 2;
        assert!(breaker.admits(back));
        breaker.succeeded();
        assert!(breaker.admits(back) && breaker.admits(back));
    }

    #[test]
    fn calls_go_to_whoever_is_quicker_and_less_busy() {
        let named = |model: &str| Target {
            model: model.to_owned(),
            weight: 1,
            choice: Choice::Quick,
            ..Target::default()
        };
        let targets = [named("one"), named("other")];
        let health = Arc::new(Health::default());
        let always = |first: usize| {
            (0..100).all(|seed| health.order(&targets, &[], seed, |_| false) == [first, 1 - first])
        };
        assert!(!always(0) && !always(1), "of strangers the lot decides");
        let finding_out = health.begin(&targets[0]);
        assert!(always(1), "one call finds out how quick a stranger is");
        finding_out.answered();
        health.begin(&targets[1]).failed("upstream_failed");
        assert!(always(0), "a failure is slower than an answer");
        finding_out.failed("upstream_failed");
        let events = finding_out.until_the_last(Box::pin(futures::stream::pending()), None);
        assert!(
            always(1),
            "of two that failed the one with nothing to do is asked"
        );
        drop(events);
        health.begin(&targets[1]).failed("upstream_failed");
        assert!(always(0), "what failed longer ago is forgotten more");
        let broke = [targets[0].name()];
        let order = (0..100).map(|seed| health.order(&targets, &broke, seed, |_| false));
        assert!(
            order.into_iter().all(|order| order == [1, 0]),
            "what broke in this run comes last"
        );
    }

    #[test]
    fn a_success_forgets_the_failures_before_it() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..10 {
            breaker.failed(now, None);
            breaker.succeeded();
        }
        assert!(breaker.admits(now));
    }

    #[test]
    fn who_asks_to_wait_is_left_alone_as_long_but_no_longer_than_a_minute() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        breaker.failed(now, Some(5 * SECOND));
        assert!(!breaker.admits(now + 4 * SECOND));
        assert!(breaker.admits(now + 5 * SECOND));
        breaker.succeeded();
        breaker.failed(now, Some(3600 * SECOND));
        assert!(breaker.admits(now + LONGEST_REST));
    }

    #[test]
    fn in_a_full_outage_hardly_any_call_reaches_the_upstream() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        let calls = (0..1000_u32)
            .filter(|n| {
                let at = now + Duration::from_millis(u64::from(n * 10));
                let called = breaker.admits(at);
                if called {
                    breaker.failed(at, None);
                }
                called
            })
            .count();
        assert!(calls < 20, "{calls} of 1000");
    }
}
