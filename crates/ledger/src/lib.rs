//! The ledger: every lot of tickets, points, chats, tokens or yen, and every movement of it, in double entry.
//!
//! Owns: accounts, lots, holds, transfers, entries. A balance is always a sum of entries. Per tenant and unit there are
//! five accounts: `issued` (negative, where grants come from), `available`, `held`, `spent`, `expired`.
//! Never: a price, a plan, a reason why; and no update of an entry, which the database refuses.
//!
//! Functions that take a connection join the caller's transaction. Whatever moves units of a tenant first takes the
//! lock of that tenant and unit, so that movements of one tenant are in a line and those of two never meet.

mod account;
mod book;
mod error;
mod hold;
mod http;
mod lot;
mod story;
mod verify;

use db::Ctx;
use identity::Identity;

pub use book::{Balance, LotId, Movement, TransferId, balances, export};
pub use error::Error;
pub use hold::{
    Held, Hold, HoldId, NewHold, hold, hold_some, lapse_due, release, settle, settled_of,
};
pub use http::router;
pub use lot::{
    Grant, PeriodStock, RollOver, Source, Stock, Whereabouts, expire_due, grant, is_granted,
    period_stocks, reverse, roll_over, stock, whereabouts,
};
pub use verify::{Drift, verify};

/// The room with what it needs to work.
#[derive(Clone, Debug, axum::extract::FromRef)]
pub struct Ledger {
    pub cx: Ctx,
    pub identity: Identity,
}
