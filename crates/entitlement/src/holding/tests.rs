use super::*;
use uuid::Uuid;

use crate::{
    Plan,
    plan::{PlanVersionId, Status, Terms},
};

fn at(millis: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + Duration::milliseconds(millis)
}

fn standing(holds_until: Option<DateTime<Utc>>) -> Arc<Standing> {
    let terms = Terms {
        default_for: None,
        title: kernel::Text::new("試し", "Trial"),
        price_yen: kernel::Yen::ZERO,
        stripe_price: None,
        limits: Limits {
            per_minute: 10,
            concurrent: 10,
        },
        grants: Vec::new(),
        routes: std::collections::BTreeMap::new(),
        models: Vec::new(),
        features: std::collections::BTreeMap::new(),
        highlights: Vec::new(),
        at_end: crate::Leftover::Keep,
    };
    let plan = Plan {
        version_id: PlanVersionId(Uuid::nil()),
        storefront: "misaki".to_owned(),
        id: "trial".to_owned(),
        version: 1,
        terms,
    };
    Arc::new(Standing {
        plan,
        status: Status::Active,
        expires_at: None,
        holds_until,
        limits_cost: false,
        limited: Vec::new(),
    })
}

fn holding(slots: i64, places: i64, units: i64, holds_until: Option<DateTime<Utc>>) -> Holding {
    let mut holding = Holding::new(
        LeaseId(Uuid::from_u128(1)),
        standing(holds_until),
        false,
        at(0),
    );
    let stack = Stack::new(
        BlockId(Uuid::from_u128(2)),
        "misaki.chat",
        units,
        at(600_000),
    );
    holding.granted(
        at(0),
        standing(holds_until),
        false,
        Totals { slots, places },
        Some(stack),
    );
    holding
}

fn take(holding: &mut Holding, now: i64) -> Result<Taken, Short> {
    holding.take(at(now), false, "misaki.chat", 1)
}

#[test]
fn each_limit_is_missed_by_itself() {
    assert_eq!(take(&mut holding(0, 1, 1, None), 0), Err(Short::Slots));
    assert_eq!(take(&mut holding(1, 0, 1, None), 0), Err(Short::Places));
    assert_eq!(take(&mut holding(1, 1, 0, None), 0), Err(Short::Units));
    assert!(take(&mut holding(1, 1, 1, None), 0).is_ok());
    assert_eq!(take(&mut holding(1, 1, 1, None), 10_000), Err(Short::Stale));
    assert_eq!(
        take(&mut holding(1, 1, 1, Some(at(500))), 500),
        Err(Short::Stale)
    );
    let mut other = holding(1, 1, 1, None);
    assert_eq!(
        other.take(at(0), true, "misaki.chat", 1),
        Err(Short::Stale),
        "a guest who signed up is on another plan"
    );
    assert_eq!(
        other.take(at(0), false, "misaki.call", 1),
        Err(Short::Units)
    );
}

#[test]
fn a_slot_is_free_a_minute_after_it_was_used_and_not_before() {
    let mut held = holding(1, 9, 9, None);
    take(&mut held, 5).unwrap();
    held.renewed(at(900_000));
    for now in [6, 59_000, 60_004] {
        held.fresh_until = at(900_000);
        assert_eq!(take(&mut held, now), Err(Short::Slots), "{now}");
    }
    assert!(take(&mut held, 60_005).is_ok());
}

#[test]
fn what_never_began_leaves_no_trace_and_what_ended_frees_its_place_and_not_its_slot() {
    let mut held = holding(2, 1, 2, None);
    let unbegun = take(&mut held, 0).unwrap();
    held.give_unbegun(&unbegun, 1);
    let begun = take(&mut held, 1).unwrap();
    assert!(
        held.leave(at(2), begun.block, 1, 0),
        "a quiet tenant's block closes"
    );
    held.give(at(2), &begun, 1, Back::Ended(0));
    let own = held.own(at(2));
    assert_eq!((own.free_slots, own.running), (1, 0));
    assert_eq!(take(&mut held, 3), Err(Short::Units), "it is sealed");
    held.closed(begun.block, None);
    assert!(held.blocks().is_empty());
}

#[test]
fn what_is_over_frees_its_place_once_before_it_is_written() {
    let mut held = holding(9, 1, 9, None);
    let mut over = take(&mut held, 0).unwrap();
    assert_eq!(take(&mut held, 1), Err(Short::Places));
    held.vacate(&mut over);
    held.vacate(&mut over);
    let next = take(&mut held, 2).unwrap();
    assert_eq!(held.own(at(2)).running, 1);
    assert!(
        !held.leave(at(3), over.block, 1, 1),
        "the other is still under way"
    );
    held.give(at(3), &over, 1, Back::Ended(1));
    assert_eq!(held.own(at(3)).running, 1);
    held.give(at(3), &next, 1, Back::Ended(1));
    assert_eq!(held.own(at(3)).running, 0);
}

#[test]
fn a_busy_tenants_block_stays_until_it_is_used_up() {
    let mut held = holding(20, 20, 5, None);
    let taken: Vec<Taken> = (0..4).map(|n| take(&mut held, n).unwrap()).collect();
    for taken in &taken {
        assert!(!held.leave(at(5), taken.block, 1, 1));
        held.give(at(5), taken, 1, Back::Ended(1));
    }
    let last = take(&mut held, 6).unwrap();
    assert!(held.leave(at(7), last.block, 1, 1), "all five are used");
}

#[test]
fn what_is_taken_at_once_doubles_while_it_is_busy_and_starts_again_after_a_pause() {
    let mut demand = Demand::default();
    assert_eq!(demand.chunk(at(0)), 1);
    for _ in 0..BUSY {
        demand.count(at(0));
    }
    let chunks: Vec<u32> = (0..16).map(|_| demand.chunk(at(10))).collect();
    let doubled: Vec<u32> = (1..=14).map(|power| 1 << power).collect();
    assert_eq!(chunks.split_at(14), (&doubled[..], &[16_384, 16_384][..]));
    assert_eq!(demand.chunk(at(3000)), 1);
}

#[test]
fn idle_leases_shrink_to_what_is_in_use() {
    let mut held = holding(8, 4, 4, None);
    take(&mut held, 0).unwrap();
    let (totals, spare) = held.shrink(at(100));
    assert_eq!(
        totals,
        Totals {
            slots: 1,
            places: 1
        }
    );
    assert_eq!(spare.len(), 1);
    assert_eq!(take(&mut held, 101), Err(Short::Places));
    let next = BlockId(Uuid::from_u128(9));
    held.closed(spare[0], Some(next));
    assert_eq!(
        held.blocks().first().map(|stack| (stack.id, stack.free)),
        Some((next, 0))
    );
}

fn load(node: Option<u128>, rate_slots: i64, places: i64, recent: i64, open: i64) -> Load {
    Load {
        lease: LeaseId(Uuid::from_u128(7)),
        node: node.map(Uuid::from_u128),
        rate_slots,
        places,
        recent,
        open,
        oldest: None,
    }
}

#[test]
fn leases_and_what_is_under_way_outside_of_them_never_exceed_the_plan() {
    let limits = Limits {
        per_minute: 10,
        concurrent: 4,
    };
    let own = Own::default();
    let alone = decide(limits, own, &[], 1);
    assert_eq!(
        (alone.totals.slots, alone.totals.places, alone.short),
        (1, 1, None)
    );
    let greedy = decide(limits, own, &[], 256);
    assert_eq!(
        (greedy.totals.slots, greedy.totals.places),
        (5, 2),
        "half of what is free"
    );

    let others = [load(Some(1), 6, 2, 6, 2), load(None, 0, 0, 3, 1)];
    let rest = decide(limits, own, &others, 256);
    assert_eq!(
        (rest.totals.slots, rest.totals.places, rest.short),
        (1, 1, None)
    );

    let full = [load(Some(1), 6, 3, 6, 3), load(None, 0, 0, 3, 1)];
    let none = decide(limits, own, &full, 1);
    assert_eq!(
        (none.short, none.idle_elsewhere),
        (Some(Short::Places), false)
    );
    let idle = [load(Some(1), 10, 3, 9, 1)];
    let recallable = decide(limits, own, &idle, 1);
    assert_eq!(
        (recallable.short, recallable.idle_elsewhere),
        (Some(Short::Slots), true)
    );
}

#[test]
fn a_smaller_plan_takes_back_what_is_spare() {
    let limits = Limits {
        per_minute: 3,
        concurrent: 2,
    };
    let own = Own {
        slots: 9,
        free_slots: 4,
        places: 5,
        running: 3,
    };
    let decision = decide(limits, own, &[], 4);
    assert_eq!(
        decision.totals,
        Totals {
            slots: 5,
            places: 3
        }
    );
    assert_eq!(decision.short, Some(Short::Places));
}

#[test]
fn what_takes_long_to_count_is_told_longer_and_never_for_more_than_a_plan_is_gone_by() {
    let mut held = holding(9, 9, 9, None);
    held.renewed(at(900_000));
    for (took, told, too_old) in [
        (1, 1_999, 2_000),
        (100, 4_999, 5_000),
        (9_000, 9_999, 10_000),
    ] {
        held.heard(&[], at(0), Duration::milliseconds(took));
        assert!(held.in_use(at(told)).is_some(), "{took}");
        assert!(held.in_use(at(too_old)).is_none(), "{took}");
    }
}
