//! For tests: a fresh database each, a clock that is moved by hand.
//!
//! Knows floors 0 and 1 only, so that a room's tests don't compile its neighbours. Starts a throw-away cluster
//! under `target/testkit` by itself (or uses `NOREN_TEST_DATABASE_URL`, an owner's URL), so that
//! `cargo nextest run -p room` works without preparation.

mod database;

use chrono::{DateTime, Utc};
use db::{Ctx, Db};
use kernel::ManualClock;

pub use database::TestDatabase;

/// A use case's surroundings on a fresh database, at a fixed instant.
#[derive(Debug)]
pub struct TestCtx {
    pub cx: Ctx,
    pub time: ManualClock,
    pub database: TestDatabase,
}

/// A fresh database with every migration applied, at 2026-11-20 18:00 in Japan.
///
/// # Panics
/// When there is no database server to be had.
pub async fn context() -> TestCtx {
    let database = TestDatabase::create().await;
    let time = ManualClock::starting_at(instant("2026-11-20T09:00:00Z"));
    let cx = Ctx::new(database.connect().await, time.clock());
    TestCtx { cx, time, database }
}

/// Reads an RFC 3339 instant.
///
/// # Panics
/// When the text is none.
pub fn instant(text: &str) -> DateTime<Utc> {
    text.parse().expect("an RFC 3339 instant")
}

impl TestCtx {
    /// A second process on the same database, with a pool of its own.
    pub async fn another_node(&self) -> Db {
        self.database.connect().await
    }
}
