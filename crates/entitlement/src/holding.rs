//! What this process may admit by itself: rules over plain values.

use std::{collections::VecDeque, sync::Arc};

use chrono::{DateTime, Duration, Utc};

use crate::{
    block::BlockId,
    lease::{LASTS, LeaseId, Load, MINUTE, Totals},
    limit::{InUse, Limits},
    standing::Standing,
};

/// How long what the others have in use is told as if it were so still.
const HEARD: Duration = Duration::seconds(2);
/// Of this many parts of the time, counting it takes one at most: a tenant's busy minute has many rows.
const COUNTING: i32 = 50;
/// How long a process goes by a plan that it has read, unless it hears of a change.
const FRESH: Duration = Duration::seconds(10);
/// What nobody asked for during this time goes back.
pub(crate) const IDLE: Duration = Duration::seconds(1);
/// So many pieces of work in a second make a tenant busy: then more is taken at once than is needed.
const BUSY: u32 = 4;
/// The most that is taken at once of anything.
const LARGEST: u32 = 16_384;

/// What this process may admit by itself: rules only, nothing here waits or asks.
#[derive(Debug)]
pub(crate) struct Holding {
    pub(crate) id: LeaseId,
    pub(crate) standing: Arc<Standing>,
    /// Whether the standing is a guest's.
    pub(crate) guest: bool,
    until: DateTime<Utc>,
    fresh_until: DateTime<Utc>,
    /// When each slot of the rate is free again, the soonest first: one that was used at t is free at t + 60 s.
    slots: VecDeque<DateTime<Utc>>,
    places: u32,
    running: u32,
    shelf: Vec<Stack>,
    demand: Demand,
    touched_at: DateTime<Utc>,
    /// What the others had in use when it was last heard.
    others: InUse,
    heard_at: DateTime<Utc>,
    heard_for: Duration,
}

/// The units of one block.
#[derive(Clone, Debug)]
pub(crate) struct Stack {
    pub(crate) id: BlockId,
    pub(crate) unit: String,
    pub(crate) free: i64,
    /// Of work under way.
    pub(crate) out: i64,
    /// Of work whose end is being written.
    leaving: i64,
    pub(crate) until: DateTime<Utc>,
    /// Nothing more is taken from it; it is to be closed.
    pub(crate) sealed: bool,
}

/// What is missing for a piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Short {
    /// What is known is too old.
    Stale,
    Places,
    Slots,
    Units,
}

/// What was taken for a piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) lease: LeaseId,
    pub(crate) block: BlockId,
    slot: DateTime<Utc>,
    /// Whether it still has its place.
    is_placed: bool,
}

/// How a piece of work gives back what it took.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Back {
    /// It never began.
    Unbegun,
    /// It ended with so many units used.
    Ended(i64),
}

impl Holding {
    pub(crate) fn new(
        id: LeaseId,
        standing: Arc<Standing>,
        guest: bool,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            id,
            standing,
            guest,
            until: now,
            fresh_until: now,
            slots: VecDeque::new(),
            places: 0,
            running: 0,
            shelf: Vec::new(),
            demand: Demand::default(),
            touched_at: now,
            others: InUse::default(),
            heard_at: DateTime::<Utc>::MIN_UTC,
            heard_for: HEARD,
        }
    }

    /// Notes what the others have in use, which took so long to be counted.
    pub(crate) fn heard(&mut self, loads: &[Load], now: DateTime<Utc>, took: Duration) {
        let others = || loads.iter().filter(|load| load.lease != self.id);
        self.others = InUse {
            recent: others().map(|load| load.recent).sum(),
            open: others().map(|load| load.open).sum(),
            next_free: others()
                .filter_map(|load| load.oldest)
                .min()
                .map(|oldest| oldest + MINUTE),
        };
        self.heard_at = now;
        self.heard_for = (took * COUNTING).clamp(HEARD, FRESH);
    }

    /// What is in use of rate and places here and, as far as was heard, elsewhere; none when that is too old.
    pub(crate) fn in_use(&self, now: DateTime<Utc>) -> Option<InUse> {
        if now >= self.until || now >= self.fresh_until || now - self.heard_at >= self.heard_for {
            return None;
        }
        // the free ones stand in front, and the others in the order in which they become free
        let free = self.slots.partition_point(|free_at| *free_at <= now);
        let own = self.slots.get(free).copied();
        let elsewhere = self.others.next_free.filter(|at| *at > now);
        Some(InUse {
            recent: self.others.recent + count(self.slots.len() - free),
            open: self.others.open + i64::from(self.running),
            next_free: own.into_iter().chain(elsewhere).min(),
        })
    }

    /// Takes what a piece of work needs, all of it or nothing.
    pub(crate) fn take(
        &mut self,
        now: DateTime<Utc>,
        guest: bool,
        unit: &str,
        amount: i64,
    ) -> Result<Taken, Short> {
        if now >= self.until || now >= self.fresh_until || guest != self.guest {
            return Err(Short::Stale);
        }
        if self.running >= self.places {
            return Err(Short::Places);
        }
        if self.slots.front().is_none_or(|free_at| *free_at > now) {
            return Err(Short::Slots);
        }
        let Some(stack) = self
            .shelf
            .iter_mut()
            .find(|stack| stack.gives(unit, amount, now))
        else {
            return Err(Short::Units);
        };
        stack.free -= amount;
        stack.out += amount;
        let slot = now + MINUTE;
        self.slots.pop_front();
        self.slots.push_back(slot);
        self.running += 1;
        self.demand.count(now);
        self.touched_at = now;
        Ok(Taken {
            lease: self.id,
            block: stack.id,
            slot,
            is_placed: true,
        })
    }

    /// Takes back what work took that never began.
    pub(crate) fn give_unbegun(&mut self, taken: &Taken, amount: i64) {
        self.give(self.touched_at, taken, amount, Back::Unbegun);
    }

    /// Frees the place of a piece of work that is over and has yet to be written.
    pub(crate) fn vacate(&mut self, taken: &mut Taken) {
        if taken.lease == self.id && taken.is_placed {
            taken.is_placed = false;
            self.running = self.running.saturating_sub(1);
        }
    }

    /// Takes nothing more from a block.
    pub(crate) fn seal(&mut self, block: BlockId) {
        if let Some(stack) = self.shelf.iter_mut().find(|stack| stack.id == block) {
            stack.sealed = true;
        }
    }

    /// The blocks that wait to be closed.
    pub(crate) fn leftover(&self) -> Vec<BlockId> {
        self.shelf
            .iter()
            .filter(|stack| stack.sealed && stack.out == 0)
            .map(|stack| stack.id)
            .collect()
    }

    /// Takes back what a piece of work took.
    pub(crate) fn give(&mut self, now: DateTime<Utc>, taken: &Taken, amount: i64, back: Back) {
        if taken.lease != self.id {
            return;
        }
        if taken.is_placed {
            self.running = self.running.saturating_sub(1);
        }
        self.touched_at = now;
        if matches!(back, Back::Unbegun)
            && let Some(at) = self.slots.iter().rposition(|slot| *slot == taken.slot)
        {
            self.slots.remove(at);
            self.slots.push_front(now);
        }
        if let Some(stack) = self.shelf.iter_mut().find(|stack| stack.id == taken.block) {
            stack.out -= amount;
            match back {
                Back::Unbegun => stack.free += amount,
                Back::Ended(used) => {
                    stack.leaving -= amount;
                    stack.free += amount - used;
                }
            }
        }
    }

    /// Notes that a piece of work is about to end; says whether its block is to be closed with it.
    pub(crate) fn leave(
        &mut self,
        now: DateTime<Utc>,
        block: BlockId,
        amount: i64,
        used: i64,
    ) -> bool {
        let busy = self.demand.is_busy(now);
        let Some(stack) = self.shelf.iter_mut().find(|stack| stack.id == block) else {
            return false;
        };
        stack.leaving += amount;
        let last = stack.out == stack.leaving;
        if last && (!busy || stack.sealed || stack.free + amount - used == 0) {
            stack.sealed = true;
            return true;
        }
        false
    }

    /// Whether a place is free, or the end of the work that has it is being written.
    pub(crate) fn frees_a_place(&self) -> bool {
        self.running < self.places || self.shelf.iter().any(|stack| stack.leaving > 0)
    }

    /// The end was not written after all.
    pub(crate) fn stay(&mut self, block: BlockId, amount: i64) {
        if let Some(stack) = self.shelf.iter_mut().find(|stack| stack.id == block) {
            stack.leaving -= amount;
        }
    }

    /// Makes what is known count no longer, so that the next piece of work asks again.
    pub(crate) fn distrust(&mut self, now: DateTime<Utc>) {
        self.fresh_until = now;
    }

    /// Gives the lease up for lost.
    pub(crate) fn lose(&mut self, now: DateTime<Utc>) {
        self.until = now;
        self.fresh_until = now;
    }

    pub(crate) fn until(&self) -> DateTime<Utc> {
        self.until
    }

    pub(crate) fn renewed(&mut self, until: DateTime<Utc>) {
        self.until = until;
    }

    /// What of it is held and idle.
    pub(crate) fn own(&self, now: DateTime<Utc>) -> Own {
        let free = self.slots.partition_point(|slot| *slot <= now);
        Own {
            slots: count(self.slots.len()),
            free_slots: count(free),
            places: i64::from(self.places),
            running: i64::from(self.running),
        }
    }

    pub(crate) fn has_units(&self, unit: &str, amount: i64, now: DateTime<Utc>) -> bool {
        self.shelf
            .iter()
            .any(|stack| stack.gives(unit, amount, now))
    }

    pub(crate) fn blocks(&self) -> &[Stack] {
        &self.shelf
    }

    /// How many to take at once.
    pub(crate) fn chunk(&mut self, now: DateTime<Utc>) -> u32 {
        self.demand.chunk(now)
    }

    /// Notes what was taken under the lease.
    pub(crate) fn granted(
        &mut self,
        now: DateTime<Utc>,
        standing: Arc<Standing>,
        guest: bool,
        totals: Totals,
        block: Option<Stack>,
    ) {
        self.fresh_until = standing
            .holds_until
            .map_or(now + FRESH, |end| end.min(now + FRESH));
        self.standing = standing;
        self.guest = guest;
        self.until = now + LASTS;
        self.resize(totals);
        self.shelf.extend(block);
        self.touched_at = now;
    }

    fn resize(&mut self, totals: Totals) {
        self.places = u32::try_from(totals.places).unwrap_or(0);
        let wanted = usize::try_from(totals.slots).unwrap_or(0);
        // the free ones stand in front
        while self.slots.len() > wanted {
            self.slots.pop_front();
        }
        while self.slots.len() < wanted {
            self.slots.push_front(DateTime::<Utc>::MIN_UTC);
        }
    }

    /// Whether nobody asked for anything of late.
    pub(crate) fn is_idle(&self, now: DateTime<Utc>) -> bool {
        now - self.touched_at >= IDLE
    }

    /// Whether there is anything to give back although some of it is in use.
    pub(crate) fn has_spare(&self, now: DateTime<Utc>) -> bool {
        let own = self.own(now);
        own.free_slots > 0
            || own.places > own.running
            || self.shelf.iter().any(|stack| stack.is_spare(now))
    }

    /// Whether a block waits to be closed.
    pub(crate) fn has_leftover(&self) -> bool {
        self.shelf
            .iter()
            .any(|stack| stack.sealed && stack.out == 0)
    }

    /// Keeps what is in use, and names what is left of it and which blocks are to be closed.
    pub(crate) fn shrink(&mut self, now: DateTime<Utc>) -> (Totals, Vec<BlockId>) {
        let own = self.own(now);
        let totals = Totals {
            slots: own.slots - own.free_slots,
            places: own.running,
        };
        self.resize(totals);
        let spare = self.shelf.iter_mut().filter(|stack| stack.is_spare(now));
        let spare = spare
            .map(|stack| {
                stack.sealed = true;
                stack.id
            })
            .collect();
        (totals, spare)
    }

    /// Forgets a block that was closed; what was under way goes on in another one.
    pub(crate) fn closed(&mut self, block: BlockId, goes_on_in: Option<BlockId>) {
        match goes_on_in {
            None => self.shelf.retain(|stack| stack.id != block),
            Some(next) => {
                if let Some(stack) = self.shelf.iter_mut().find(|stack| stack.id == block) {
                    stack.id = next;
                    stack.free = 0;
                    stack.sealed = true;
                }
            }
        }
    }
}

impl Stack {
    pub(crate) fn new(id: BlockId, unit: &str, free: i64, until: DateTime<Utc>) -> Self {
        Self {
            id,
            unit: unit.to_owned(),
            free,
            out: 0,
            leaving: 0,
            until,
            sealed: false,
        }
    }

    fn gives(&self, unit: &str, amount: i64, now: DateTime<Utc>) -> bool {
        !self.sealed && self.free >= amount && self.until > now && self.unit == unit
    }

    /// Whether it keeps units that nobody uses.
    fn is_spare(&self, now: DateTime<Utc>) -> bool {
        self.out == 0 || (self.free > 0 && self.until > now)
    }
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// How much is asked for. What is taken at once doubles while a tenant is busy and starts from one after a pause.
#[derive(Clone, Copy, Debug, Default)]
struct Demand {
    since: Option<DateTime<Utc>>,
    count: u32,
    before: u32,
    chunk: u32,
}

impl Demand {
    fn roll(&mut self, now: DateTime<Utc>) {
        let since = *self.since.get_or_insert(now);
        if now - since >= IDLE {
            self.before = if now - since < IDLE * 2 {
                self.count
            } else {
                0
            };
            self.count = 0;
            self.since = Some(now);
        }
    }

    fn count(&mut self, now: DateTime<Utc>) {
        self.roll(now);
        self.count = self.count.saturating_add(1);
    }

    fn is_busy(&mut self, now: DateTime<Utc>) -> bool {
        self.roll(now);
        self.count.max(self.before) >= BUSY
    }

    fn chunk(&mut self, now: DateTime<Utc>) -> u32 {
        self.chunk = if self.is_busy(now) {
            (self.chunk * 2).clamp(2, LARGEST)
        } else {
            1
        };
        self.chunk
    }
}

/// What this process holds already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Own {
    pub(crate) slots: i64,
    pub(crate) free_slots: i64,
    pub(crate) places: i64,
    pub(crate) running: i64,
}

/// What one round trip may take of rate and places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) totals: Totals,
    /// What there is none of.
    pub(crate) short: Option<Short>,
    /// Whether others hold some of it that they don't use.
    pub(crate) idle_elsewhere: bool,
}

/// Divides what the others left: what is needed now, and up to a chunk of it, but no more than half of what is free.
pub(crate) fn decide(limits: Limits, own: Own, others: &[Load], chunk: u32) -> Decision {
    let taken = |of_lease: fn(&Load) -> i64, of_work: fn(&Load) -> i64| -> i64 {
        others
            .iter()
            .map(|load| {
                if load.node.is_some() {
                    of_lease(load)
                } else {
                    of_work(load)
                }
            })
            .sum()
    };
    let free_places = i64::from(limits.concurrent) - taken(|l| l.places, |l| l.open) - own.places;
    let free_slots =
        i64::from(limits.per_minute) - taken(|l| l.rate_slots, |l| l.recent) - own.slots;
    let spare_places = own.places - own.running;
    let totals = Totals {
        places: own.places + more(free_places, spare_places, chunk),
        slots: own.slots + more(free_slots, own.free_slots, chunk),
    };
    let live = || others.iter().filter(|load| load.node.is_some());
    if totals.places <= own.running {
        return Decision {
            totals,
            short: Some(Short::Places),
            idle_elsewhere: live().any(|load| load.places > load.open),
        };
    }
    let short = (totals.slots <= own.slots - own.free_slots).then_some(Short::Slots);
    Decision {
        totals,
        short,
        idle_elsewhere: live().any(|load| load.rate_slots > load.recent),
    }
}

/// How many more to take of `free` ones; when the plan gives less than is taken, how many of the spare ones to hand back.
fn more(free: i64, spare: i64, chunk: u32) -> i64 {
    if free < 0 {
        return free.max(-spare);
    }
    if spare > 0 {
        return 0;
    }
    i64::from(chunk).min(free - free / 2)
}

#[cfg(test)]
mod tests;
