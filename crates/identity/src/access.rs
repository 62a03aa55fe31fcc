use chrono::{DateTime, Utc};
use db::Ctx;
use kernel::Fault;
use sqlx::PgConnection;
use utoipa_axum::router::OpenApiRouter;

use crate::{Caller, Error, Identity, TenantId, UserId, session};

kernel::id!(
    /// The refresh tokens that one sign-in of an API client led to.
    FamilyId, "fam"
);

#[derive(Debug)]
pub(crate) struct Signer;

impl Signer {
    pub(crate) async fn load(_cx: &Ctx, _account_url: &str) -> Result<Self, Fault> {
        Ok(Self)
    }
}

pub(crate) fn router() -> OpenApiRouter<Identity> {
    OpenApiRouter::new()
}

/// The caller of an access token of ours; none when another issuer made it.
pub(crate) async fn caller(_room: &Identity, _token: &str) -> Result<Option<Caller>, Error> {
    Ok(None)
}

/// The API clients that a user is signed in with.
pub(crate) async fn list(
    _conn: &mut PgConnection,
    _user: UserId,
    _now: DateTime<Utc>,
) -> sqlx::Result<Vec<session::View>> {
    Ok(Vec::new())
}

/// Ends one of the user's own families; says whether it was one.
pub(crate) async fn end_own(
    _conn: &mut PgConnection,
    _cx: &Ctx,
    _user: UserId,
    _family: FamilyId,
) -> Result<bool, Error> {
    Ok(false)
}

/// Ends a user's families, everywhere: all but `except`, or only those that act for `tenant`.
pub(crate) async fn end_all(
    _conn: &mut PgConnection,
    _cx: &Ctx,
    _user: UserId,
    _except: Option<FamilyId>,
    _tenant: Option<TenantId>,
) -> Result<(), Error> {
    Ok(())
}
