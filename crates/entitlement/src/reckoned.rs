//! What work cost by the count of whoever did it, for comparison with theirs. Money and units are not looked at.

mod store;

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::PgConnection;

/// What pieces of work of one model used that began on one day, in UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelDay {
    pub day: NaiveDate,
    pub model: String,
    pub requests: i64,
    pub tokens_in: i64,
    pub tokens_out: i64,
}

/// What one piece of work used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelUse {
    /// What was done, such as `emb_…`.
    pub reference: String,
    pub model: String,
    pub tokens_in: i64,
    pub tokens_out: i64,
}

/// What work of a kind (`emb`) used that began from `from` until before `to`, by day and model, in the house's transaction.
///
/// # Errors
/// The database's own.
pub async fn model_days(
    conn: &mut PgConnection,
    kind: &str,
    span: (DateTime<Utc>, DateTime<Utc>),
) -> sqlx::Result<Vec<ModelDay>> {
    store::model_days(conn, kind, span).await
}

/// The same piece by piece, and those that are named whenever they were.
///
/// # Errors
/// The database's own.
pub async fn model_uses(
    conn: &mut PgConnection,
    kind: &str,
    span: (DateTime<Utc>, DateTime<Utc>),
    named: &[String],
) -> sqlx::Result<Vec<ModelUse>> {
    store::model_uses(conn, kind, span, named).await
}
