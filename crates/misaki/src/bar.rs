//! The time at the bar.

use chrono::{DateTime, Datelike, Timelike, Utc};

/// The hour at the bar: it keeps Tokyo's wherever the guest is.
pub(crate) fn bar_hour(now: DateTime<Utc>) -> u32 {
    now.with_timezone(&chrono_tz::Asia::Tokyo).hour()
}

/// The month at the bar, from 1 to 12.
pub(crate) fn bar_month(now: DateTime<Utc>) -> u32 {
    now.with_timezone(&chrono_tz::Asia::Tokyo).month()
}
