mod store;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

/// What all tenants asked of one storefront in a day or a month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    /// As the shape that was asked for writes it.
    pub period: String,
    pub storefront: String,
    pub requests: i64,
    pub completed: i64,
    pub failed: i64,
    pub cancelled: i64,
    pub tokens_in: i64,
    pub tokens_out: i64,
    pub cost_nano_usd: i64,
}

/// What was used from `from` until before `to`, in the house's transaction: by days or months of `zone`, as `shape` writes them
/// (`YYYY-MM-DD`, `YYYY-MM`), and by storefront.
///
/// # Errors
/// The database's own.
pub async fn demand(
    conn: &mut PgConnection,
    span: (DateTime<Utc>, DateTime<Utc>),
    zone: &str,
    shape: &str,
) -> sqlx::Result<Vec<Demand>> {
    store::demand(conn, span, zone, shape).await
}
