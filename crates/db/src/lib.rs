//! The database room: the pool, the transaction with its row-level scope, the one migrator, the private cluster.
//!
//! Owns: how a connection is made and handed back, how many writers share a commit, which role and claims a transaction carries.
//! Never: a table of another room, or a query that is not about the database itself.

mod connect;
mod constraint;
mod group;
mod migrate;
mod pool;
mod replica;
mod scope;

pub mod cluster;

use kernel::{Clock, IdSource};

pub use connect::{ConnectError, PoolSize, Url, app_url};
pub use constraint::{OnConstraint, fault};
pub use group::{Batch, GroupCommit};
pub use migrate::{MIGRATOR, MigrateError, migrate};
pub use pool::Db;
pub use scope::{Commit, Scope, Tx};

/// What every use case needs: the database, the time and new ids.
#[derive(Clone, Debug)]
pub struct Ctx {
    pub db: Db,
    pub clock: Clock,
    pub ids: IdSource,
}

impl Ctx {
    pub fn new(db: Db, clock: Clock) -> Self {
        Self {
            db,
            ids: IdSource::new(clock.clone()),
            clock,
        }
    }
}
