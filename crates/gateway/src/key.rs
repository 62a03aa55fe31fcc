use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use secrecy::SecretString;
use tokio::time::Instant;

use crate::CredentialId;

/// How long a key is left alone that a provider does not know or not allow, at first and at most.
const UNKNOWN: (Duration, Duration) = (Duration::from_secs(30), Duration::from_mins(10));
/// How long one that is used too much, unless the provider says.
const BUSY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_mins(1));

/// A provider's key and how much of the work it takes.
#[derive(Clone, Debug)]
pub struct ApiKey {
    pub secret: SecretString,
    pub weight: u32,
    /// None for a key of the settings.
    pub(crate) id: Option<CredentialId>,
    pub(crate) health: KeyHealth,
}

impl ApiKey {
    pub fn new(secret: SecretString, weight: u32) -> Self {
        Self {
            secret,
            weight,
            id: None,
            health: KeyHealth::default(),
        }
    }
}

/// How one key does at its provider, as far as this process knows.
#[derive(Clone, Debug, Default)]
pub struct KeyHealth(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    refusals: u32,
    rests_until: Option<Instant>,
}

impl State {
    fn rests(&self, now: Instant) -> bool {
        self.rests_until.is_some_and(|until| now < until)
    }

    /// Lets the key rest; says whether it did not rest already. What was under way when it was sent to rest does not count.
    fn refused(&mut self, status: u16, asked: Option<Duration>, now: Instant) -> bool {
        if self.rests(now) {
            return false;
        }
        let (first, most) = if status == 429 { BUSY } else { UNKNOWN };
        let doubled = first.saturating_mul(2_u32.saturating_pow(self.refusals));
        let rest = asked.unwrap_or(doubled).min(most);
        self.refusals = self.refusals.saturating_add(1);
        self.rests_until = Some(now + rest);
        true
    }
}

impl KeyHealth {
    /// Whether it should be used only when there is no other.
    pub(crate) fn rests(&self) -> bool {
        self.with(|state| state.rests(Instant::now()))
    }

    /// It opened the door.
    pub(crate) fn works(&self) {
        self.with(|state| *state = State::default());
    }

    /// Its provider would not have it; says whether that was not known already.
    pub(crate) fn refused(&self, status: u16, asked: Option<Duration>) -> bool {
        self.with(|state| state.refused(status, asked, Instant::now()))
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_refused_rests_longer_each_time_and_one_that_works_is_forgiven() {
        let now = Instant::now();
        let mut state = State::default();
        assert!(state.refused(401, None, now));
        assert!(!state.refused(401, None, now), "it rests already");
        let later = now + UNKNOWN.0;
        assert!(state.rests(later - Duration::from_secs(1)) && !state.rests(later));
        assert!(state.refused(403, None, later));
        assert!(state.rests(later + UNKNOWN.0) && !state.rests(later + UNKNOWN.0 * 2));
        let mut at = later;
        for _ in 0..20 {
            at += UNKNOWN.1;
            assert!(state.refused(401, None, at), "never longer than the most");
        }
        state = State::default();
        assert!(!state.rests(at));
    }

    #[test]
    fn one_that_is_used_too_much_rests_as_long_as_the_provider_asks() {
        let now = Instant::now();
        let asked = Duration::from_secs(20);
        let mut state = State::default();
        assert!(state.refused(429, Some(asked), now));
        assert!(state.rests(now + asked - Duration::from_secs(1)) && !state.rests(now + asked));
        let mut state = State::default();
        assert!(state.refused(429, Some(Duration::from_hours(1)), now));
        assert!(!state.rests(now + BUSY.1));
        let mut state = State::default();
        assert!(state.refused(429, None, now) && !state.rests(now + BUSY.0));
    }
}
