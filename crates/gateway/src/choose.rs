//! Which target is called next, when, and with which key: rules over plain values.

use std::time::Duration;

use crate::{
    key::ApiKey,
    provider::Trouble,
    route::{Choice, Target},
};

/// The most calls that one run makes before its first word.
pub(crate) const MOST_CALLS: usize = 4;
/// The most calls of one run to one target before its first word.
const MOST_TO_ONE: usize = 2;
/// The longest that a run waits because an upstream asked for it; whoever asks for more is passed over.
const LONGEST_WAIT: Duration = Duration::from_secs(3);
const FIRST_WAIT: Duration = Duration::from_millis(150);

/// A number that looks thrown and is not (splitmix64), so that a choice can be told again.
pub(crate) fn throw(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The order in which targets are to be tried: those that are well before the others, lower ranks first, and within a
/// rank by lot, where the heavier ones come first more often. Where their model asks for the cheapest, the lot falls among
/// those of one price; without a weight a target stays the last of its rank.
pub(crate) fn order(
    targets: &[Target],
    is_well: impl Fn(&Target) -> bool,
    seed: u64,
) -> Vec<usize> {
    let mut lots: Vec<_> = targets
        .iter()
        .enumerate()
        .map(|(at, target)| {
            let salt = u64::try_from(at).unwrap_or_default();
            let lot = wait_by_lot(throw(seed ^ throw(salt)), target.weight);
            let place = (target.rank, target.weight == 0, target.dear);
            (!is_well(target), place, lot, at)
        })
        .collect();
    lots.sort_unstable();
    lots.into_iter().map(|(.., at)| at).collect()
}

/// Puts the quicker of the first two in front, where their model asks for that and they are equally well and of one rank
/// (the power of two choices): the lot still decides which two, so that not all calls go to whoever was quickest last.
pub(crate) fn quicker_of_two(
    mut order: Vec<usize>,
    targets: &[Target],
    is_well: impl Fn(&Target) -> bool,
    load: impl Fn(&Target) -> u64,
) -> Vec<usize> {
    let at = |place: usize| order.get(place).and_then(|&at| targets.get(at));
    if let (Some(first), Some(second)) = (at(0), at(1))
        && first.choice == Choice::Quick
        && first.rank == second.rank
        && second.weight > 0
        && is_well(first) == is_well(second)
        && load(second) < load(first)
    {
        order.swap(0, 1);
    }
    order
}

/// Puts those with a free place before their equals that are full; whoever is of another rank is turned to only after a wait.
pub(crate) fn free_first(
    mut order: Vec<usize>,
    targets: &[Target],
    is_well: impl Fn(&Target) -> bool,
    is_full: impl Fn(&Target) -> bool,
) -> Vec<usize> {
    if targets.iter().any(|target| target.room.is_some()) {
        order.sort_by_cached_key(|&at| {
            let target = targets.get(at)?;
            Some((!is_well(target), target.rank, is_full(target)))
        });
    }
    order
}

/// A waiting time thrown for a weight: the shortest of several falls to each with the chance of its weight. In integers,
/// since the order has to be the same on every machine: -log2 of a random number, in 2^-16 steps, over the weight.
fn wait_by_lot(random: u64, weight: u32) -> u64 {
    if weight == 0 {
        return u64::MAX;
    }
    let zeros = random.leading_zeros();
    let fraction = (random << zeros.min(63) << 1) >> 48;
    // the logarithm is taken as straight between powers of two: off by less than a tenth of a bit
    let bits = (u64::from(zeros) << 16) + (0xffff - fraction);
    (bits << 20) / u64::from(weight)
}

/// One of the keys, the heavier ones more often; those that rest or failed in this run only when there is no other.
pub(crate) fn key(keys: &[ApiKey], seed: u64, failed: &[usize]) -> Option<usize> {
    (0..keys.len()).min_by_key(|&at| {
        let salt = u64::try_from(at).unwrap_or_default();
        let weight = keys.get(at).map_or(0, |key| key.weight);
        (
            failed.contains(&at),
            keys.get(at).is_some_and(|key| key.health.rests()),
            wait_by_lot(throw(seed ^ throw(salt + 1)), weight),
        )
    })
}

/// What to do after a call that failed before the first word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The same target once more, after a wait.
    Again(Duration),
    Another,
    /// It would fail everywhere.
    GiveUp,
}

/// Decides after the `made`th call to one target failed. `others` is whether another target is left; with one left nobody
/// waits.
pub(crate) fn after(trouble: &Trouble, made: usize, others: bool, seed: u64) -> Next {
    if trouble.is_ours() {
        return Next::GiveUp;
    }
    if others {
        return Next::Another;
    }
    if made >= MOST_TO_ONE || !trouble.may_pass() {
        return Next::Another;
    }
    match trouble.retry_after() {
        Some(wait) if wait > LONGEST_WAIT => Next::Another,
        Some(wait) => Next::Again(wait + jitter(FIRST_WAIT, seed)),
        None => Next::Again(jitter(FIRST_WAIT * 2, seed)),
    }
}

/// Between half of `longest` and all of it, so that those who failed together don't come back together.
fn jitter(longest: Duration, seed: u64) -> Duration {
    let half = longest / 2;
    let steps = u32::try_from(throw(seed) % 1000).unwrap_or_default();
    half + half * steps / 1000
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use kernel::NanoUsd;
    use llm::Usage;

    use super::*;
    use crate::{Price, Room};

    fn target(rank: u32, weight: u32) -> Target {
        Target {
            rank,
            weight,
            ..Target::default()
        }
    }

    fn firsts(targets: &[Target], is_well: impl Fn(&Target) -> bool) -> Vec<usize> {
        let mut count = vec![0; targets.len()];
        for seed in 0..10_000 {
            count[order(targets, &is_well, seed)[0]] += 1;
        }
        count
    }

    #[test]
    fn lower_ranks_come_first_and_the_sick_last() {
        let targets = [target(1, 1), target(0, 1), target(0, 0)];
        assert_eq!(order(&targets, |_| true, 7), [1, 2, 0]);
        assert_eq!(order(&targets, |target| target.rank == 1, 7)[0], 0);
        assert_eq!(order(&[], |_| true, 7), Vec::<usize>::new());
    }

    #[test]
    fn weights_are_shares() {
        let count = firsts(&[target(0, 90), target(0, 10)], |_| true);
        assert!((8_700..=9_300).contains(&count[0]), "{count:?}");
        let count = firsts(&[target(0, 1), target(0, 1), target(0, 2)], |_| true);
        assert!((4_700..=5_300).contains(&count[2]), "{count:?}");
        assert!((2_200..=2_800).contains(&count[0]), "{count:?}");
        assert_eq!(firsts(&[target(0, 1), target(0, 0)], |_| true)[1], 0);
    }

    #[test]
    fn of_two_that_the_lot_names_the_quicker_is_asked() {
        let quick = |rank, weight| Target {
            choice: Choice::Quick,
            ..target(rank, weight)
        };
        let firsts = |targets: &[Target], loads: &[u64], is_well: &dyn Fn(&Target) -> bool| {
            let mut count = vec![0; targets.len()];
            for seed in 0..3_000 {
                let load = |target: &Target| {
                    let at = targets.iter().position(|other| std::ptr::eq(other, target));
                    loads[at.unwrap()]
                };
                let order = order(targets, is_well, seed);
                count[quicker_of_two(order, targets, is_well, load)[0]] += 1;
            }
            count
        };
        let well = |_: &Target| true;
        let three = [quick(0, 1), quick(0, 1), quick(0, 1)];
        let count = firsts(&three, &[10, 20, 30], &well);
        assert_eq!(
            count[2], 0,
            "the slowest of three is never the quicker of two"
        );
        assert!((1_800..=2_200).contains(&count[0]), "{count:?}");
        assert_eq!(firsts(&three[..2], &[20, 10], &well), [0, 3_000]);
        assert_eq!(
            firsts(&[quick(0, 1), quick(1, 1)], &[20, 10], &well)[0],
            3_000,
            "a rank is a rank"
        );
        assert_eq!(
            firsts(&[quick(0, 1), quick(0, 0)], &[20, 10], &well)[0],
            3_000,
            "no weight, no calls"
        );
        let sick = [
            quick(0, 1),
            Target {
                streams: true,
                ..quick(0, 1)
            },
        ];
        assert_eq!(
            firsts(&sick, &[20, 10], &|target| !target.streams)[0],
            3_000,
            "the sick come last"
        );
        let by_weight = firsts(&[target(0, 1), target(0, 1)], &[20, 10], &well);
        assert!(
            by_weight[0] > 1_000,
            "unless it is asked for, weights alone decide: {by_weight:?}"
        );
    }

    #[test]
    fn the_cheapest_for_this_call_is_asked_and_by_weight_among_equals() {
        let now = DateTime::UNIX_EPOCH;
        // what is read is cheap at the one, what is written at the other
        let priced = |input, output| Target {
            choice: Choice::Cheap,
            prices: vec![(
                now,
                Price {
                    input: NanoUsd(input),
                    output: NanoUsd(output),
                    ..Price::default()
                },
            )],
            ..target(0, 1)
        };
        let order = |targets: &[Target], (input, written): (u64, u64), seed| {
            let mut targets = targets.to_vec();
            for target in &mut targets {
                let usage = Usage {
                    input,
                    output: written,
                    ..Usage::default()
                };
                target.weigh(usage, now);
            }
            order(&targets, |target| target.streams, seed)
        };
        let well = |target| Target {
            streams: true,
            ..target
        };
        let reads = well(priced(1_000, 9_000));
        let writes = well(priced(3_000, 3_000));
        let both = [reads.clone(), writes.clone()];
        for seed in 0..50 {
            assert_eq!(order(&both, (10_000, 100), seed), [0, 1], "a long question");
            assert_eq!(order(&both, (100, 10_000), seed), [1, 0], "a long answer");
        }
        let free = well(priced(0, 0));
        let unknown = Target {
            prices: vec![],
            ..reads.clone()
        };
        let others = [
            unknown,
            writes.clone(),
            Target {
                rank: 1,
                ..free.clone()
            },
            Target {
                weight: 0,
                ..free.clone()
            },
            Target {
                streams: false,
                ..free.clone()
            },
        ];
        assert_eq!(
            order(&others, (1, 1), 3),
            [1, 0, 3, 2, 4],
            "without a price it is dearest, without a weight last, and neither a rank nor health is outbid"
        );
        let twins = [free.clone(), free, writes];
        let first = (0..3_000).filter(|seed| order(&twins, (1, 1), *seed)[0] == 0);
        let first = first.count();
        assert!((1_350..=1_650).contains(&first), "{first}");
        assert!((0..100).all(|seed| order(&twins, (1, 1), seed)[2] == 2));
    }

    #[test]
    fn a_free_equal_goes_before_a_full_one_but_a_rank_is_a_rank() {
        let full = |rank| Target {
            room: Some(Room {
                places: 1,
                line: None,
            }),
            ..target(rank, 1)
        };
        let order = |targets: &[Target]| {
            let is_full = |target: &Target| target.room.is_some();
            free_first(vec![0, 1, 2], targets, |_| true, is_full)
        };
        assert_eq!(order(&[full(0), target(0, 1), target(1, 1)]), [1, 0, 2]);
        assert_eq!(order(&[full(0), full(0), target(1, 1)]), [0, 1, 2]);
        assert_eq!(order(&[target(0, 1), target(0, 1), full(1)]), [0, 1, 2]);
    }

    #[test]
    fn a_key_that_failed_is_used_last() {
        let key_of = |weight| ApiKey::new("k".into(), weight);
        let keys = [key_of(1), key_of(1)];
        assert_eq!(key(&[], 1, &[]), None);
        assert!((0..100).all(|seed| key(&keys, seed, &[0]) == Some(1)));
        let firsts = (0..1000).filter(|&s| key(&keys, s, &[]) == Some(0)).count();
        assert!((400..=600).contains(&firsts), "{firsts}");
    }

    fn refused(status: u16, seconds: Option<u64>) -> Trouble {
        Trouble::Refused {
            status,
            code: None,
            retry_after: seconds.map(Duration::from_secs),
            message: String::new(),
        }
    }

    #[test]
    fn what_would_fail_everywhere_is_given_up_at_once() {
        for status in [400, 413, 422] {
            assert_eq!(after(&refused(status, None), 1, true, 1), Next::GiveUp);
        }
        for status in [401, 403, 404, 429, 500, 529] {
            assert_eq!(after(&refused(status, None), 1, true, 1), Next::Another);
        }
    }

    #[test]
    fn the_last_target_is_tried_once_more_after_a_short_wait() {
        let Next::Again(wait) = after(&refused(500, None), 1, false, 3) else {
            panic!("not again");
        };
        assert!(wait >= FIRST_WAIT && wait <= FIRST_WAIT * 2);
        assert_eq!(after(&refused(500, None), 2, false, 3), Next::Another);
        assert_eq!(
            after(&refused(401, None), 1, false, 3),
            Next::Another,
            "a bad key stays bad"
        );
    }

    #[test]
    fn retry_after_is_obeyed_or_the_target_passed_over() {
        let Next::Again(wait) = after(&refused(429, Some(2)), 1, false, 3) else {
            panic!("not again");
        };
        assert!(wait >= Duration::from_secs(2));
        assert_eq!(after(&refused(429, Some(60)), 1, false, 3), Next::Another);
    }
}
