//! What processes have taken of tenants' limits, as the rows say it, and how they tell each other.

pub(crate) mod store;

use chrono::{DateTime, Duration, Utc};
use db::Ctx;
use identity::TenantId;
use sqlx::PgConnection;
use uuid::Uuid;

/// What processes tell each other on: the tenant whose leases are wanted back, or whose plan has changed.
pub(crate) const CHANNEL: &str = "noren_entitlement";

kernel::id!(
    /// What one process has taken of a tenant's limits at a storefront.
    LeaseId, "lse"
);

/// How long a lease lasts that is not renewed.
pub(crate) const LASTS: Duration = Duration::seconds(15);
/// The window of the rate.
pub(crate) const MINUTE: Duration = Duration::seconds(60);

/// All that a lease holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) slots: i64,
    pub(crate) places: i64,
}

/// What the rows say of one lease of the tenant, or of the work of one that is no more.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) lease: LeaseId,
    /// None when the lease is no more: then its work counts piece by piece.
    pub(crate) node: Option<Uuid>,
    pub(crate) rate_slots: i64,
    pub(crate) places: i64,
    /// Begun in the last minute, and what a process that died may have begun besides.
    pub(crate) recent: i64,
    /// Under way.
    pub(crate) open: i64,
    /// When the oldest of the last minute began.
    pub(crate) oldest: Option<DateTime<Utc>>,
}

/// Counts what is in use of a tenant's limits at a storefront; says how long that took.
pub(crate) async fn count(
    conn: &mut PgConnection,
    cx: &Ctx,
    tenant: TenantId,
    storefront: &str,
) -> sqlx::Result<(Vec<Load>, Duration)> {
    let now = cx.clock.now();
    let loads = store::loads(conn, tenant, storefront, now).await?;
    Ok((loads, cx.clock.now() - now))
}

/// Whoever admits by what it knew of the plan is to ask again, from this transaction's commit on.
pub(crate) async fn changed(
    conn: &mut PgConnection,
    tenant: TenantId,
    storefront: &str,
) -> sqlx::Result<()> {
    store::invalidate(conn, tenant, storefront).await?;
    store::notify(conn, CHANNEL, tenant).await
}
