mod store;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{TenantId, UserId};

/// Who stands behind a tenant, for telling two tenants apart that are the same people.
#[derive(Clone, Debug)]
pub struct Kin {
    /// Its members.
    pub people: Vec<UserId>,
    /// Its members, and whoever is in a family with one of them.
    pub relatives: Vec<UserId>,
    /// The browsers that its members signed in from.
    pub browsers: Vec<Uuid>,
    /// Since when the tenant is there.
    pub since: DateTime<Utc>,
}

/// Who stands behind a tenant; in the caller's transaction, which is the house's.
pub async fn kin(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<Kin> {
    store::kin(conn, tenant).await
}
