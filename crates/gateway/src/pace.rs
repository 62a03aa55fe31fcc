//! How quickly a target answers just now: the time to its first word, where a slow one counts at once and is forgotten bit by
//! bit (peak EWMA), times what it has to do already.

use std::time::Duration;

use tokio::time::Instant;

/// After this time half of what is known is forgotten, so that a target that was slow is tried again.
const HALF_LIFE: Duration = Duration::from_secs(10);
/// What a call that failed counts as, since a quick refusal is no quick answer.
const FAILED: Duration = Duration::from_secs(5);

/// What is known of one target's pace.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    micros: u64,
    at: Option<Instant>,
    open: u32,
}

impl Pace {
    pub(crate) fn began(&mut self) {
        self.open = self.open.saturating_add(1);
    }

    pub(crate) fn ended(&mut self) {
        self.open = self.open.saturating_sub(1);
    }

    /// Its first word took as long.
    pub(crate) fn took(&mut self, now: Instant, first_word: Duration) {
        let sample = u64::try_from(first_word.as_micros())
            .unwrap_or(u64::MAX)
            .max(1);
        let known = self.micros;
        self.micros = if sample >= known {
            sample
        } else {
            sample + self.left_of(known - sample, now)
        };
        self.at = Some(now);
    }

    pub(crate) fn failed(&mut self, now: Instant) {
        self.took(now, FAILED);
    }

    /// What it would cost to ask it. Nobody knows it of a target that was never asked: one call finds out, and others keep
    /// away meanwhile.
    pub(crate) fn load(&self, now: Instant) -> u64 {
        match (self.at, self.open) {
            (None, 0) => 0,
            (None, _) => u64::MAX,
            (Some(_), open) => self
                .left_of(self.micros, now)
                .saturating_mul(u64::from(open) + 1),
        }
    }

    /// What is left of an amount by now: half of it each half-life, and straight lines between.
    fn left_of(&self, amount: u64, now: Instant) -> u64 {
        let Some(at) = self.at else { return amount };
        let half = HALF_LIFE.as_micros();
        let passed = now.saturating_duration_since(at).as_micros();
        let halves = u32::try_from(passed / half).unwrap_or(u32::MAX);
        let amount = amount.checked_shr(halves).unwrap_or(0);
        let gone = u128::from(amount) * (passed % half) / (2 * half);
        amount - u64::try_from(gone).unwrap_or(amount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_slow_answer_counts_at_once_and_is_forgotten_by_halves() {
        let now = Instant::now();
        let mut pace = Pace::default();
        pace.took(now, ms(100));
        assert_eq!(pace.load(now), 100_000);
        pace.took(now, ms(900));
        assert_eq!(pace.load(now), 900_000, "at once");
        pace.took(now, ms(100));
        assert_eq!(pace.load(now), 900_000, "one quick answer proves nothing");
        assert_eq!(pace.load(now + HALF_LIFE / 2), 675_000);
        assert_eq!(pace.load(now + HALF_LIFE), 450_000);
        pace.took(now + HALF_LIFE, ms(100));
        assert_eq!(pace.load(now + HALF_LIFE), 500_000, "half way to it");
        assert_eq!(pace.load(now + HALF_LIFE * 200), 0, "it is tried again");
    }

    #[test]
    fn what_is_under_way_makes_a_target_dearer() {
        let now = Instant::now();
        let mut pace = Pace::default();
        pace.took(now, ms(10));
        pace.began();
        pace.began();
        assert_eq!(pace.load(now), 30_000);
        pace.ended();
        pace.ended();
        pace.ended();
        assert_eq!(pace.load(now), 10_000);
    }

    #[test]
    fn a_target_that_nobody_knows_is_tried_by_one() {
        let now = Instant::now();
        let mut pace = Pace::default();
        assert_eq!(pace.load(now), 0);
        pace.began();
        assert_eq!(pace.load(now), u64::MAX);
        pace.took(now, ms(20));
        assert!(pace.load(now) < u64::MAX);
    }

    #[test]
    fn a_quick_refusal_is_no_quick_answer() {
        let now = Instant::now();
        let mut pace = Pace::default();
        pace.failed(now);
        assert_eq!(pace.load(now), 5_000_000);
    }
}
