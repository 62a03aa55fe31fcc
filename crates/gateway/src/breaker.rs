//! Whether a target is worth a call: what the last calls to it were like.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

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

/// What this process knows of all targets.
#[derive(Debug, Default)]
pub(crate) struct Health(Mutex<HashMap<String, Breaker>>);

impl Health {
    /// Whether a call may be made; what came of it is to be told with [`Health::succeeded`] or, once a run, [`Health::failed`].
    pub(crate) fn admits(&self, target: &str) -> bool {
        self.with(target, |breaker| breaker.admits(Instant::now()))
    }

    /// Whether the target is thought to answer.
    pub(crate) fn is_well(&self, target: &str) -> bool {
        self.with(target, |breaker| breaker.is_well(Instant::now()))
    }

    pub(crate) fn succeeded(&self, target: &str) {
        self.with(target, Breaker::succeeded);
    }

    pub(crate) fn failed(&self, target: &str, asked_to_wait: Option<Duration>) {
        metrics::counter!("gateway_upstream_failures_total").increment(1);
        self.with(target, |breaker| {
            breaker.failed(Instant::now(), asked_to_wait);
        });
    }

    fn with<T>(&self, target: &str, act: impl FnOnce(&mut Breaker) -> T) -> T {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        act(known.entry(target.to_owned()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
