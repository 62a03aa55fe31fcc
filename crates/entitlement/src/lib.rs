//! Entitlement: what a plan lets a tenant do, and the reservation before every piece of work.
//!
//! Owns: plans and their versions, enrolments, reservations (rate, concurrency, quota in one decision), usage rows.
//! Never: how units are booked (the ledger does), how a plan is paid (billing does), what the work is.

mod block;
mod budget;
mod cap;
mod desk;
mod error;
mod figures;
mod grant;
mod holding;
mod http;
mod lease;
mod limit;
mod member;
mod one_off;
mod period;
mod plan;
mod rate;
mod reckoned;
mod reservation;
mod standing;
mod threshold;
mod unit;
mod usage;
mod work;

use std::sync::Arc;

use db::{Commit, Ctx, Scope, Tx};
use identity::Identity;

pub use budget::note_budgets;
pub use cap::{Cap, caps_of, set_cap};
pub use desk::outlives;
pub use error::Error;
pub use figures::{Demand, demand};
pub use grant::available;
pub use http::{inference_router, router};
pub use one_off::{Giver, GrantId, GrantView, OneOff, give, grants_of, revoke, take_revoked};
pub use period::running_month;
pub use plan::{
    Catalogue, Change, Customers, Direction, Earning, Every, Exchange, Feature, Following,
    Leftover, LiveCatalogue, Migration, Occasion, POINT, PeriodicGrant, Plan, PlanChange, PlanFile,
    PlanFileError, PlanVersionId, Programme, Reward, Rewards, RollOver, Status, Terms, TopUp,
    TopUpTerms, TopUpVersionId, Trigger, apply, assign, customers, diff, follow, follow_plans,
    list, lives_until, migrate, plan_of_price, plan_version, topup_version,
};
pub use rate::{
    RateLimits, RatePolicy, known_limits, limit_field, policy_field, rate_limits, refused,
};
pub use reckoned::{ModelDay, ModelUse, model_days, model_uses};
pub use reservation::{
    Admission, Reservation, Settled, TRIES, admit, lapse_due, record, record_all, record_each,
    reserve, settle, settle_all, settle_each,
};
pub use standing::{Standing, plan_of};
pub use threshold::note_thresholds;
pub use usage::{
    Outcome, Usage, UsageDay, UsageMonth, UsageRow, UsageSums, days as usage_days,
    export as export_usage,
};
pub use work::{ReservationId, Work};

/// Compares what is kept of blocks and of operators' grants with the books.
///
/// # Errors
/// When the database is away.
pub async fn verify(cx: &Ctx) -> Result<Vec<ledger::Drift>, Error> {
    let mut drifts = block::verify(cx).await?;
    drifts.extend(one_off::verify(cx).await?);
    Ok(drifts)
}

/// The plan file that is used unless the operator names another.
pub const DEFAULT_PLANS: &str = include_str!("../../../plans/default.toml");

/// The room with what it needs to work.
#[derive(Clone, Debug, axum::extract::FromRef)]
pub struct Entitlement {
    pub cx: Ctx,
    pub identity: Identity,
    /// The newest version of every plan.
    pub catalogue: Arc<LiveCatalogue>,
    /// The inference listener's public URL, which callers are sent to.
    pub inference_url: Arc<str>,
    /// What the commit of metered work waits for.
    #[from_ref(skip)]
    commit: Commit,
    #[from_ref(skip)]
    desk: Arc<desk::Desk>,
}

impl Entitlement {
    /// Opens the room.
    pub fn open(cx: Ctx, identity: Identity, catalogue: Catalogue, inference_url: &str) -> Self {
        let desk = Arc::new(desk::Desk::new(cx.ids.new_id()));
        Self {
            cx,
            identity,
            catalogue: Arc::new(LiveCatalogue::new(catalogue)),
            inference_url: inference_url.into(),
            commit: Commit::Durable,
            desk,
        }
    }

    /// Lets the commits of metered work wait for this instead of the disk.
    #[must_use]
    pub fn committing(mut self, commit: Commit) -> Self {
        self.commit = commit;
        self
    }

    /// A transaction of the house for what work writes: reservations, usage, and the books of both together.
    ///
    /// # Errors
    /// As [`db::Db::begin`].
    pub async fn begin_metered(&self, reason: &'static str) -> sqlx::Result<Tx> {
        self.cx
            .db
            .begin_group(Scope::House(reason), self.commit)
            .await
    }

    /// Whether callers may hear of an end before it is written.
    pub fn answers_first(&self) -> bool {
        self.commit == Commit::Soon
    }

    /// Whether the database was there a moment ago, as far as its connection for calls tells. Nothing waits for an answer here; what
    /// was never admitted before says no.
    pub fn is_in_touch(&self) -> bool {
        self.desk.is_in_touch()
    }

    /// Takes up plans, top-ups and rules of points that were applied since; processes do it by themselves in [`follow_plans`]. What was
    /// admitted by the plans of before goes on, and nothing more is.
    ///
    /// # Errors
    /// When the database is away or holds terms that this version can't read.
    pub async fn refresh_plans(&self) -> Result<(), Error> {
        let newest = Catalogue::load(&self.cx).await?;
        if self.catalogue.take_up(newest) {
            self.desk.distrust(self.cx.clock.now());
            tracing::info!("plans were taken up");
        }
        Ok(())
    }

    /// Gives back all that this process has taken and does not use, for a process that ends.
    pub async fn close(&self) {
        desk::close(self).await;
    }
}
