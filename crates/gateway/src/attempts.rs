//! The calls that are made for one answer before its first word: target after target, each with another of its keys or
//! once more after a wait, as [`choose`] rules and as [`Health`] allows.

use std::{sync::Arc, time::Duration};

use crate::{
    breaker::{Health, Underway},
    choose::{self, MOST_CALLS, Next},
    provider::Trouble,
    route::Target,
};

/// Where such a search for an answer stands.
pub(crate) struct Attempts<'a> {
    health: &'a Arc<Health>,
    targets: &'a [Target],
    /// Of targets that were not turned to yet, the next one last.
    left: Vec<usize>,
    seed: u64,
    /// Of all calls.
    calls: usize,
    at: Option<At<'a>>,
}

/// The target that is being tried.
struct At<'a> {
    target: &'a Target,
    name: String,
    calls: usize,
    failed_keys: Vec<usize>,
    /// The key of the call under way.
    key: Option<usize>,
    underway: Option<Underway>,
    is_passed_over: bool,
}

/// A call that is to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    /// The place of the key to use, where the target has any.
    pub(crate) key: Option<usize>,
}

/// What follows from a failed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    GoOn,
    /// After a wait.
    Wait(Duration),
    /// It would fail everywhere.
    GiveUp,
}

impl<'a> Attempts<'a> {
    /// `avoided` are the names of targets that are tried only after all others.
    pub(crate) fn new(
        health: &'a Arc<Health>,
        targets: &'a [Target],
        avoided: &[String],
        seed: u64,
        is_full: impl Fn(&Target) -> bool,
    ) -> Self {
        let mut left = match targets {
            [_] => vec![0],
            _ => health.order(targets, avoided, seed, is_full),
        };
        left.reverse();
        Self {
            health,
            targets,
            left,
            seed,
            calls: 0,
            at: None,
        }
    }

    /// Turns to the next target.
    pub(crate) fn turn(&mut self) -> Option<&'a Target> {
        let target = self.targets.get(self.left.pop()?)?;
        self.at = Some(At {
            target,
            name: target.name(),
            calls: 0,
            failed_keys: Vec::new(),
            key: None,
            underway: None,
            is_passed_over: false,
        });
        Some(target)
    }

    /// The next call to this target, if another is to be made. What comes of it is to be told.
    pub(crate) fn call(&mut self) -> Option<Call> {
        let at = self.at.as_mut()?;
        if at.is_passed_over || self.calls >= MOST_CALLS || !self.health.admits(&at.name) {
            return None;
        }
        self.calls += 1;
        at.calls += 1;
        at.underway = Some(self.health.begin(at.target));
        at.key = choose::key(&at.target.keys, choose::throw(self.seed), &at.failed_keys);
        Some(Call { key: at.key })
    }

    /// The first word has come. What is returned is the call under way, until it is dropped.
    pub(crate) fn succeeded(&mut self) -> Option<Underway> {
        let at = self.at.as_mut()?;
        self.health.succeeded(&at.name);
        let underway = at.underway.take()?;
        underway.answered();
        Some(underway)
    }

    pub(crate) fn failed(&mut self, trouble: &Trouble) -> Then {
        let mut others = self.left.iter().filter_map(|&at| self.targets.get(at));
        let has_others = others.any(|other| self.health.is_well(&other.name()));
        let Some(at) = &mut self.at else {
            return Then::GoOn;
        };
        let underway = at.underway.take();
        if trouble.is_ours() {
            self.health.succeeded(&at.name);
            at.is_passed_over = true;
            return if trouble.is_too_long() {
                Then::GoOn
            } else {
                Then::GiveUp
            };
        }
        if let Some(underway) = underway {
            underway.failed(trouble.meaning().reason());
        }
        at.failed_keys.extend(at.key);
        if trouble.is_of_the_key() && at.failed_keys.len() < at.target.keys.len() {
            return Then::GoOn;
        }
        match choose::after(trouble, at.calls, has_others, self.seed) {
            Next::Again(wait) if self.calls < MOST_CALLS => Then::Wait(wait),
            Next::Again(_) | Next::Another => {
                self.health.failed(&at.name, trouble.retry_after());
                at.is_passed_over = true;
                Then::GoOn
            }
            Next::GiveUp => Then::GiveUp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::ApiKey;

    fn target(model: &str, keys: usize) -> Target {
        Target {
            model: model.to_owned(),
            keys: (0..keys).map(|_| ApiKey::new("k".into(), 1)).collect(),
            ..Target::default()
        }
    }

    fn refused(status: u16) -> Trouble {
        Trouble::Refused {
            status,
            code: None,
            retry_after: None,
            message: String::new(),
        }
    }

    /// The model and the key of each call when all fail in the same way.
    fn calls(targets: &[Target], avoided: &[String], status: u16) -> Vec<(String, Option<usize>)> {
        let health = Arc::new(Health::default());
        let mut attempts = Attempts::new(&health, targets, avoided, 7, |_| false);
        let mut made = Vec::new();
        while let Some(target) = attempts.turn() {
            while let Some(call) = attempts.call() {
                made.push((target.model.clone(), call.key));
                if attempts.failed(&refused(status)) == Then::GiveUp {
                    return made;
                }
            }
        }
        made
    }

    #[test]
    fn each_key_is_tried_once_and_then_the_next_target() {
        let targets = [target("a", 2), target("b", 0)];
        let made = calls(&targets, &[targets[1].name()], 401);
        assert_eq!(made.len(), 3, "{made:?}");
        assert!(made[..2].iter().all(|(model, _)| model == "a"));
        assert_ne!(made[0].1, made[1].1, "another key");
        assert_eq!(made[2], ("b".to_owned(), None));
    }

    #[test]
    fn the_last_is_tried_twice_and_no_answer_costs_more_than_so_many_calls() {
        assert_eq!(calls(&[target("a", 0)], &[], 500).len(), 2);
        let many: Vec<Target> = ["a", "b", "c", "d", "e", "f"]
            .map(|name| target(name, 0))
            .into();
        assert_eq!(calls(&many, &[], 500).len(), MOST_CALLS);
    }

    #[test]
    fn what_would_fail_everywhere_is_asked_once_and_is_nobodys_fault() {
        let targets = [target("a", 1), target("b", 1)];
        assert_eq!(calls(&targets, &[], 400).len(), 1);
    }

    #[test]
    fn what_broke_off_before_comes_last() {
        let targets = [target("a", 0), target("b", 0)];
        for avoided in &targets {
            let made = calls(&targets, &[avoided.name()], 500);
            assert_ne!(made[0].0, avoided.model);
        }
    }
}
