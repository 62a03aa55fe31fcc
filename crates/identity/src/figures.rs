mod store;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

/// Who came in a day or a month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrivals {
    /// As the shape that was asked for writes it.
    pub period: String,
    pub sign_ups: i64,
    pub sign_ins: i64,
}

/// How many signed up and signed in from `from` until before `to`, in the house's transaction: by days or months of `zone`, as
/// `shape` writes them (`YYYY-MM-DD`, `YYYY-MM`). Guests are neither.
///
/// # Errors
/// The database's own.
pub async fn arrivals(
    conn: &mut PgConnection,
    span: (DateTime<Utc>, DateTime<Utc>),
    zone: &str,
    shape: &str,
) -> sqlx::Result<Vec<Arrivals>> {
    store::arrivals(conn, span, zone, shape).await
}
