use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Duration, SubsecRound, Utc};

/// The only source of time, so that a test can run a year in a second.
///
/// Times are cut to microseconds, which is what Postgres keeps: a value read back equals the one written.
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    System,
    Manual(ManualClock),
}

impl Clock {
    /// The machine's clock.
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// The current instant in UTC.
    pub fn now(&self) -> DateTime<Utc> {
        match &self.0 {
            #[expect(
                clippy::disallowed_methods,
                reason = "this is the one place that asks the system"
            )]
            Source::System => Utc::now().trunc_subsecs(6),
            Source::Manual(clock) => *clock.0.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// A clock that stands still until it is moved.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Mutex<DateTime<Utc>>>);

impl ManualClock {
    pub fn starting_at(now: DateTime<Utc>) -> Self {
        Self(Arc::new(Mutex::new(now.trunc_subsecs(6))))
    }

    /// Moves the clock on for everyone who holds it.
    pub fn advance(&self, by: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }

    /// The clock to hand to the code under test.
    pub fn clock(&self) -> Clock {
        Clock(Source::Manual(self.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let manual = ManualClock::starting_at(DateTime::UNIX_EPOCH);
        let clock = manual.clock();
        assert_eq!(clock.now(), DateTime::UNIX_EPOCH);
        manual.advance(Duration::days(1));
        assert_eq!(clock.now(), DateTime::UNIX_EPOCH + Duration::days(1));
    }
}
