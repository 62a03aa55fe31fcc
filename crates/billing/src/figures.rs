mod store;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

/// What came in at one storefront in a day or a month, in one currency's smallest unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Takings {
    /// As the shape that was asked for writes it.
    pub period: String,
    /// Empty where a payment is of none.
    pub storefront: String,
    pub currency: String,
    pub paid: i64,
    /// Of what was paid in this time, whenever it went back.
    pub refunded: i64,
}

/// What was paid from `from` until before `to`, and what of that went back, in the house's transaction: by days or months of `zone`,
/// as `shape` writes them (`YYYY-MM-DD`, `YYYY-MM`), by storefront and currency.
///
/// # Errors
/// The database's own.
pub async fn takings(
    conn: &mut PgConnection,
    span: (DateTime<Utc>, DateTime<Utc>),
    zone: &str,
    shape: &str,
) -> sqlx::Result<Vec<Takings>> {
    store::takings(conn, span, zone, shape).await
}
