//! Entitlement: what a plan lets a tenant do, and the reservation before every piece of work.
//!
//! Owns: plans and their versions, enrolments, reservations (rate, concurrency, quota in one decision), usage rows.
//! Never: how units are booked (the ledger does), how a plan is paid (billing will), what the work is.

mod error;
mod grant;
mod http;
mod plan;
mod reservation;
mod usage;

use std::sync::Arc;

use db::Ctx;
use identity::Identity;
use tokio::sync::RwLock;

pub use error::Error;
pub use http::router;
pub use plan::{
    Catalogue, Every, Plan, PlanFile, PlanFileError, PlanVersionId, Terms, apply, assign, list,
    plan_of,
};
pub use reservation::{Reservation, ReservationId, Work, lapse_due, renew, reserve, settle};
pub use usage::{Outcome, Usage, UsageRow, export as export_usage};

/// The plan file that is used unless the operator names another.
pub const DEFAULT_PLANS: &str = include_str!("../../../plans/default.toml");

/// The room with what it needs to work.
#[derive(Clone, Debug, axum::extract::FromRef)]
pub struct Entitlement {
    pub cx: Ctx,
    pub identity: Identity,
    /// The newest version of every plan.
    pub catalogue: Arc<RwLock<Catalogue>>,
    /// The inference listener's public URL, which callers are sent to.
    pub inference_url: Arc<str>,
}
