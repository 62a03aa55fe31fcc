use kernel::Fault;
use serde::Serialize;
use sqlx::PgConnection;
use utoipa_axum::router::OpenApiRouter;

use crate::{Error, Identity, UserId};

/// A second factor that a sign-in may be finished with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    Totp,
    Recovery,
    Passkey,
}

#[derive(Debug)]
pub(crate) struct Factors;

impl Factors {
    pub(crate) fn new(_account_url: &str) -> Result<Self, Fault> {
        Ok(Self)
    }
}

pub(crate) fn router() -> OpenApiRouter<Identity> {
    OpenApiRouter::new()
}

/// What a user's sign-in asks for after the password; empty when nothing is set up.
pub(crate) async fn second_factors(
    _conn: &mut PgConnection,
    _user: UserId,
) -> sqlx::Result<Vec<Method>> {
    Ok(Vec::new())
}

/// Whether the code is the user's, now and for the first time.
pub(crate) async fn accept_code(
    _room: &Identity,
    _user: UserId,
    _code: &str,
) -> Result<bool, Error> {
    Ok(false)
}
