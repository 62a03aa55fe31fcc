mod store;

use db::Ctx;
use serde::Serialize;
use sqlx::PgConnection;
use utoipa_axum::router::OpenApiRouter;

use crate::{Error, Identity, Principal, Role, TenantId, UserId};

/// A tenant that somebody may act for.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct TenantView {
    pub id: TenantId,
    /// person, family, school or team.
    pub kind: String,
    /// Empty for a person's own.
    pub name: String,
    /// What the caller is in it.
    pub role: Role,
}

pub(crate) fn router() -> OpenApiRouter<Identity> {
    OpenApiRouter::new()
}

/// A tenant for one person, or for a guest.
pub(crate) async fn new_personal(conn: &mut PgConnection, cx: &Ctx) -> sqlx::Result<TenantId> {
    let tenant = cx.ids.new_id();
    store::insert(conn, tenant, "person", "", None, cx.clock.now()).await?;
    Ok(tenant)
}

/// Makes a user the owner of a tenant.
pub(crate) async fn insert_owner(
    conn: &mut PgConnection,
    cx: &Ctx,
    tenant: TenantId,
    user: UserId,
) -> sqlx::Result<()> {
    store::insert_member(conn, tenant, user, Role::Owner, None, cx.clock.now()).await
}

/// The tenant that a user acts for when they sign in: the one they used last, else their own.
pub(crate) async fn of_sign_in(conn: &mut PgConnection, user: UserId) -> Result<TenantId, Error> {
    store::last_used(conn, user)
        .await?
        .ok_or(Error::Unauthenticated)
}

/// All tenants that a user may act for, their own first.
pub(crate) async fn all_of(conn: &mut PgConnection, user: UserId) -> sqlx::Result<Vec<TenantView>> {
    store::all_of(conn, user).await
}

/// The tenant that a caller acts for, as the caller sees it.
pub(crate) async fn current(
    conn: &mut PgConnection,
    by: Principal,
) -> sqlx::Result<Option<TenantView>> {
    store::find(conn, by.tenant, by.user).await
}

/// The time zone (IANA name) in which a tenant's days and months begin.
pub async fn tenant_zone(conn: &mut PgConnection, tenant: TenantId) -> Result<String, Error> {
    store::zone(conn, tenant)
        .await?
        .ok_or(Error::Unauthenticated)
}

/// A tenant with its kind and name, at the operator's command line.
pub async fn find_tenant(room: &Identity, tenant: TenantId) -> Result<TenantView, Error> {
    let mut tx = room.cx.db.begin(db::Scope::House("which tenant")).await?;
    let found = store::find(&mut tx, tenant, None).await?;
    tx.commit().await?;
    found.ok_or(Error::NotFound)
}
