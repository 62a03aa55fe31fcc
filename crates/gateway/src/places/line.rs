//! Who is next where all places of a target are taken: rules over plain values.
//!
//! What is asked live goes before what programs ask, and that before what may wait. Within one urgency the tenants take
//! turns, one run each, so that whoever has a hundred waiting delays another's first by one run of theirs and not by a hundred.

use std::collections::{HashMap, VecDeque};

use identity::TenantId;
use uuid::Uuid;

/// How urgent a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Somebody sits in front of it.
    Live,
    /// A program asks.
    #[default]
    Normal,
    /// It may wait: batches, and what its caller says so of.
    Low,
}

impl Priority {
    const ALL: [Self; 3] = [Self::Live, Self::Normal, Self::Low];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }
}

/// After so many places that went to the more urgent, one goes to the others, so that none waits for ever.
const PASSED_OVER: u32 = 8;

/// The line before one target.
#[derive(Debug, Default)]
pub(super) struct Line {
    taken: usize,
    tiers: [Tier; 3],
}

#[derive(Debug, Default)]
struct Tier {
    /// Whose turn it is, those who have one waiting, each once.
    turns: VecDeque<TenantId>,
    waiting: HashMap<TenantId, VecDeque<Uuid>>,
    /// How often others were served while somebody waited here.
    passed_over: u32,
}

/// What becomes of a run that wants a place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entered {
    /// It has one.
    Place,
    Waits {
        /// Who has to go for it, since the line is full and theirs is the longest part of it.
        turned_away: Option<Uuid>,
    },
    /// The line is full, and nobody has more of it than this tenant.
    Full,
}

impl Line {
    /// Takes a place, or waits for one among at most `longest`.
    pub(super) fn enter(
        &mut self,
        (places, longest): (usize, usize),
        (tenant, priority): (TenantId, Priority),
        run: Uuid,
    ) -> Entered {
        if self.taken < places && self.is_empty() {
            self.taken += 1;
            return Entered::Place;
        }
        let mut turned_away = None;
        if self.len() >= longest {
            let own = self.of(tenant) + 1;
            turned_away = self.last_of_longest(own);
            if turned_away.is_none() {
                return Entered::Full;
            }
        }
        if let Some(tier) = self.tiers.get_mut(priority as usize) {
            tier.push(tenant, run);
        }
        Entered::Waits { turned_away }
    }

    /// A place is given back. It goes to whoever is next, who is returned.
    pub(super) fn free(&mut self, places: usize) -> Option<Uuid> {
        self.taken = self.taken.saturating_sub(1);
        self.next(places)
    }

    /// Who takes the next place, if there is one.
    pub(super) fn next(&mut self, places: usize) -> Option<Uuid> {
        if self.taken >= places {
            return None;
        }
        let at = self.tier_of_turn()?;
        let mut next = None;
        for (place, tier) in self.tiers.iter_mut().enumerate() {
            if place == at {
                tier.passed_over = 0;
                next = tier.pop();
            } else if place > at && !tier.turns.is_empty() {
                tier.passed_over += 1;
            }
        }
        self.taken += 1;
        next
    }

    /// Whether a run still waited; it does no longer.
    pub(super) fn leave(&mut self, run: Uuid) -> bool {
        self.tiers.iter_mut().any(|tier| tier.remove(run))
    }

    /// How many are served before a run, and itself, if nobody comes who goes before it.
    pub(super) fn place_of(&self, run: Uuid) -> Option<usize> {
        let mut before = 0;
        for tier in &self.tiers {
            if let Some(place) = tier.place_of(run) {
                return Some(before + place);
            }
            before += tier.len();
        }
        None
    }

    pub(super) fn len(&self) -> usize {
        self.tiers.iter().map(Tier::len).sum()
    }

    pub(super) const fn taken(&self) -> usize {
        self.taken
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tiers.iter().all(|tier| tier.turns.is_empty())
    }

    fn of(&self, tenant: TenantId) -> usize {
        let of = |tier: &Tier| tier.waiting.get(&tenant).map_or(0, VecDeque::len);
        self.tiers.iter().map(of).sum()
    }

    /// The most urgent, or those who were passed over too often.
    fn tier_of_turn(&self) -> Option<usize> {
        let waits = |tier: &Tier| !tier.turns.is_empty();
        let tired = |tier: &Tier| waits(tier) && tier.passed_over >= PASSED_OVER;
        let tired = self.tiers.iter().position(tired);
        tired.or_else(|| self.tiers.iter().position(waits))
    }

    /// Takes out the newest and least urgent of the tenant that has the most waiting, if that is more than `own`.
    fn last_of_longest(&mut self, own: usize) -> Option<Uuid> {
        let all = self.tiers.iter().flat_map(|tier| &tier.turns);
        let longest = all
            .copied()
            .max_by_key(|tenant| (self.of(*tenant), *tenant))?;
        if self.of(longest) <= own {
            return None;
        }
        let run = Priority::ALL.iter().rev().find_map(|priority| {
            let tier = self.tiers.get(*priority as usize)?;
            tier.waiting.get(&longest)?.back().copied()
        })?;
        self.leave(run).then_some(run)
    }
}

impl Tier {
    fn len(&self) -> usize {
        self.waiting.values().map(VecDeque::len).sum()
    }

    fn push(&mut self, tenant: TenantId, run: Uuid) {
        let own = self.waiting.entry(tenant).or_default();
        if own.is_empty() {
            self.turns.push_back(tenant);
        }
        own.push_back(run);
    }

    fn pop(&mut self) -> Option<Uuid> {
        let tenant = self.turns.pop_front()?;
        let own = self.waiting.get_mut(&tenant)?;
        let run = own.pop_front();
        if own.is_empty() {
            self.waiting.remove(&tenant);
        } else {
            self.turns.push_back(tenant);
        }
        run
    }

    fn find(&self, run: Uuid) -> Option<(TenantId, usize)> {
        self.waiting.iter().find_map(|(tenant, own)| {
            let at = own.iter().position(|one| *one == run)?;
            Some((*tenant, at))
        })
    }

    fn remove(&mut self, run: Uuid) -> bool {
        let Some((tenant, at)) = self.find(run) else {
            return false;
        };
        if let Some(own) = self.waiting.get_mut(&tenant) {
            own.remove(at);
            if own.is_empty() {
                self.waiting.remove(&tenant);
                self.turns.retain(|one| *one != tenant);
            }
        }
        true
    }

    /// The others have had their turn as often as this one's tenant, and those before it in the round once more.
    fn place_of(&self, run: Uuid) -> Option<usize> {
        let (tenant, at) = self.find(run)?;
        let own_turn = self.turns.iter().position(|one| *one == tenant)?;
        let others = self.turns.iter().enumerate();
        let before = others
            .filter(|(_, one)| **one != tenant)
            .map(|(turn, one)| {
                let rounds = if turn < own_turn { at + 1 } else { at };
                self.waiting.get(one).map_or(0, |own| own.len().min(rounds))
            });
        Some(before.sum::<usize>() + at + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOISY: TenantId = TenantId(Uuid::from_u128(1));
    const QUIET: TenantId = TenantId(Uuid::from_u128(2));
    const THIRD: TenantId = TenantId(Uuid::from_u128(3));
    const ONE: (usize, usize) = (1, 1_000);

    const fn run(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    fn waits(line: &mut Line, who: TenantId, priority: Priority, number: u128) {
        let entered = line.enter(ONE, (who, priority), run(number));
        assert_eq!(entered, Entered::Waits { turned_away: None });
    }

    /// A line whose one place is taken.
    fn busy() -> Line {
        let mut line = Line::default();
        let entered = line.enter(ONE, (NOISY, Priority::Normal), run(9_999));
        assert_eq!(entered, Entered::Place);
        line
    }

    /// The runs in the order in which they get their places.
    fn served(line: &mut Line) -> Vec<u128> {
        std::iter::from_fn(|| line.free(1))
            .map(|run| run.as_u128())
            .collect()
    }

    #[test]
    fn a_quiet_tenants_first_waits_for_one_run_of_a_noisy_one_and_not_for_a_hundred() {
        let mut line = busy();
        for number in 0..100 {
            waits(&mut line, NOISY, Priority::Normal, number);
        }
        waits(&mut line, QUIET, Priority::Normal, 200);
        waits(&mut line, QUIET, Priority::Normal, 201);
        waits(&mut line, THIRD, Priority::Normal, 300);
        let places = [0, 99, 200, 201, 300].map(|number| line.place_of(run(number)).unwrap());
        let order = served(&mut line);
        assert_eq!(order[..6], [0, 200, 300, 1, 201, 2]);
        let really = [0, 99, 200, 201, 300]
            .map(|number| order.iter().position(|one| *one == number).unwrap() + 1);
        assert_eq!(
            places, really,
            "the place that is told is the place that comes"
        );
        assert_eq!(order.len(), 103, "everybody is served");
        assert!(line.is_empty() && line.taken() == 0);
    }

    #[test]
    fn whoever_comes_back_at_once_waits_a_round_like_all_others() {
        let mut line = busy();
        waits(&mut line, NOISY, Priority::Normal, 1);
        waits(&mut line, QUIET, Priority::Normal, 2);
        assert_eq!(line.free(1), Some(run(1)));
        waits(&mut line, NOISY, Priority::Normal, 3);
        assert_eq!(served(&mut line), [2, 3]);
    }

    #[test]
    fn what_is_live_goes_first_and_what_may_wait_last_but_not_never() {
        let mut line = busy();
        waits(&mut line, NOISY, Priority::Low, 1);
        waits(&mut line, NOISY, Priority::Normal, 2);
        waits(&mut line, QUIET, Priority::Live, 3);
        assert_eq!(line.place_of(run(1)), Some(3));
        assert_eq!(served(&mut line), [3, 2, 1]);

        let mut line = busy();
        waits(&mut line, QUIET, Priority::Low, 1_000);
        for number in 0..20 {
            waits(&mut line, NOISY, Priority::Live, number);
        }
        let order = served(&mut line);
        let at = order.iter().position(|number| *number == 1_000).unwrap();
        assert_eq!(at, usize::try_from(PASSED_OVER).unwrap());
    }

    #[test]
    fn a_full_line_turns_away_the_newest_of_whoever_has_the_most_of_it() {
        let mut line = busy();
        let bounds = (1, 3);
        for number in [1, 2] {
            waits(&mut line, NOISY, Priority::Normal, number);
        }
        waits(&mut line, NOISY, Priority::Low, 3);
        assert_eq!(
            line.enter(bounds, (NOISY, Priority::Live), run(4)),
            Entered::Full,
            "nobody pushes out their own"
        );
        assert_eq!(
            line.enter(bounds, (QUIET, Priority::Normal), run(5)),
            Entered::Waits {
                turned_away: Some(run(3))
            }
        );
        assert_eq!(
            line.enter(bounds, (QUIET, Priority::Normal), run(6)),
            Entered::Full,
            "two each would be no fairer than two and one"
        );
        assert_eq!(line.len(), 3);
        assert_eq!(served(&mut line), [1, 5, 2]);
    }

    #[test]
    fn who_leaves_the_line_is_forgotten_and_more_places_serve_more() {
        let mut line = busy();
        for number in [1, 2] {
            waits(&mut line, NOISY, Priority::Normal, number);
        }
        waits(&mut line, QUIET, Priority::Normal, 3);
        assert!(line.leave(run(1)) && !line.leave(run(1)));
        assert!(line.leave(run(3)));
        assert_eq!(line.place_of(run(3)), None);
        assert_eq!(line.next(1), None, "there is no place");
        assert_eq!(line.next(2), Some(run(2)), "another place has been added");
        assert_eq!((line.taken(), line.next(3)), (2, None));
        assert_eq!(
            line.enter((2, 1_000), (QUIET, Priority::Live), run(4)),
            Entered::Waits { turned_away: None }
        );
    }

    #[test]
    fn nobody_walks_past_a_line() {
        let mut line = busy();
        waits(&mut line, NOISY, Priority::Low, 1);
        let entered = line.enter((2, 1_000), (QUIET, Priority::Low), run(2));
        assert_eq!(entered, Entered::Waits { turned_away: None });
    }
}
