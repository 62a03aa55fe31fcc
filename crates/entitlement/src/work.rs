use chrono::{DateTime, Utc};
use identity::UserId;

kernel::id!(
    /// Admission of one piece of work.
    ReservationId, "rsv"
);

/// A piece of work that asks to be admitted.
#[derive(Clone, Debug)]
pub struct Work<'a> {
    pub storefront: &'a str,
    pub unit: &'a str,
    pub amount: i64,
    /// What the units are for, such as a run's id.
    pub reference: &'a str,
    /// Without a renewal until then the work is given up for dead.
    pub lease_until: DateTime<Utc>,
    /// The most pieces of work in a day that the caller's API key may ask for.
    pub daily_cap: Option<i64>,
    /// What the work of a day of the caller's API key may cost, in billionths of a US dollar.
    pub daily_cost: Option<i64>,
    /// The member of the tenant in whose name it is done.
    pub member: Option<UserId>,
}
