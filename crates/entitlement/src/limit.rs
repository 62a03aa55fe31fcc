//! What is limited: the names of limits as callers are told them, and what is in use of one.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};

/// The name of the limit of work begun in a minute.
pub(crate) const PER_MINUTE: &str = "permin";
/// The name of the limit of work under way at once.
pub(crate) const CONCURRENT: &str = "concurrent";
/// The name of a key's own cap.
pub(crate) const KEY_DAY: &str = "key-day";
/// The name of what a key's work of a day may cost.
pub(crate) const KEY_DAY_COST: &str = "key-day-cost";

/// How fast and how much at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Pieces of work begun in any sixty seconds.
    pub per_minute: u32,
    /// Pieces of work under way at once.
    pub concurrent: u32,
}

/// What is in use of rate and places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct InUse {
    /// Begun in the last minute.
    pub(crate) recent: i64,
    /// Under way.
    pub(crate) open: i64,
    /// When the oldest of the last minute stops to count.
    pub(crate) next_free: Option<DateTime<Utc>>,
}

/// A limit of the month: the tenant's own or the house's, whichever is stricter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) monthly: i64,
    /// Whether the tenant can't raise it.
    pub(crate) by_house: bool,
}

impl Limit {
    pub(crate) fn strictest(own: Option<i64>, cap: Option<i64>) -> Option<Self> {
        let by_house = cap.is_some_and(|cap| own.is_none_or(|own| cap <= own));
        let monthly = if by_house { cap } else { own };
        monthly.map(|monthly| Self { monthly, by_house })
    }
}

/// What was spent, and the most that work under way may add to it, in billionths of a US dollar.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spent {
    pub(crate) settled: i64,
    pub(crate) under_way: i64,
}

impl Spent {
    /// Whether work that costs `most` might pass the limit.
    pub(crate) const fn passes(self, most: i64, limit: i64) -> bool {
        self.settled
            .saturating_add(self.under_way)
            .saturating_add(most)
            > limit
    }

    /// Whether it is the end: nothing that is under way could make it fit.
    pub(crate) const fn is_final(self, most: i64, limit: i64) -> bool {
        self.settled.saturating_add(most) > limit
    }

    /// In how many seconds it may pass: soon, if what is under way may turn out smaller, or when the limit's time is over.
    pub(crate) fn seconds(self, most: i64, limit: i64, left: Duration) -> u64 {
        if self.is_final(most, limit) {
            u64::try_from(left.num_seconds() + 1).unwrap_or(1)
        } else {
            1
        }
    }
}
