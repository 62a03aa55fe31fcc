//! Accounts that were begun and left: addresses that nobody ever confirmed, and guests who do not come back.

mod store;

use chrono::{DateTime, Utc};
use db::{Ctx, Scope};
use sqlx::PgConnection;

use crate::{Error, Identity, Leaver, RequestMeta, TenantId, UserId, audit, farewell, session};

/// Accounts whose address was never confirmed and that were neither made nor used since; at most so many, of users behind `after`.
/// Whoever came in from an issuer outside, runs the house, or goes anyway is not among them.
///
/// # Errors
/// When the database is away.
pub async fn unconfirmed(
    cx: &Ctx,
    since: DateTime<Utc>,
    after: Option<UserId>,
    most: i64,
) -> Result<Vec<Leaver>, Error> {
    let scope = Scope::House("accounts that were never confirmed");
    let mut tx = cx.db.begin(scope).await?;
    let after = after.unwrap_or(UserId(uuid::Uuid::nil()));
    let mut found = Vec::new();
    for user in store::unconfirmed(&mut tx, since, after, most).await? {
        let tenants = farewell::tenants_that_go(&mut tx, user).await?;
        found.push(Leaver { user, tenants });
    }
    tx.commit().await?;
    Ok(found)
}

/// The tenants of guests who were not here since, at most so many.
///
/// # Errors
/// When the database is away.
pub async fn idle_guests(
    cx: &Ctx,
    since: DateTime<Utc>,
    most: i64,
) -> Result<Vec<TenantId>, Error> {
    let scope = Scope::House("guests who do not come back");
    let mut tx = cx.db.begin(scope).await?;
    let found = store::idle_guests(&mut tx, since, most).await?;
    tx.commit().await?;
    Ok(found)
}

/// Removes what is known of a guest, in the caller's transaction; says whether they are still gone. The rows that the books refer
/// to stay. The rooms above have forgotten the tenant before.
///
/// # Errors
/// When the database is away.
pub async fn forget_guest(
    conn: &mut PgConnection,
    room: &Identity,
    tenant: TenantId,
    since: DateTime<Utc>,
) -> Result<bool, Error> {
    let cx = &room.cx;
    if !store::lock_idle_guest(conn, tenant, since).await? {
        return Ok(false);
    }
    for id in store::sessions(conn, tenant).await? {
        session::end(conn, cx, id).await?;
    }
    store::forget_traces(conn, tenant).await?;
    farewell::forget_tenant(conn, cx, tenant).await?;
    let meta = RequestMeta::of_the_house("req_idle");
    audit::Action::new("guest.delete", tenant)
        .record_as(conn, cx, &meta, None, "house")
        .await?;
    Ok(true)
}
