use kernel::Fault;
use utoipa_axum::router::OpenApiRouter;

use crate::{Caller, Error, Identity};

/// An issuer outside, as configured.
#[derive(Clone, Debug)]
pub struct IssuerConfig {
    /// Its name in our paths.
    pub id: String,
}

#[derive(Debug)]
pub(crate) struct Issuers;

impl Issuers {
    pub(crate) fn new(_issuers: Vec<IssuerConfig>) -> Result<Self, Fault> {
        Ok(Self)
    }
}

pub(crate) fn router() -> OpenApiRouter<Identity> {
    OpenApiRouter::new()
}

/// The caller of an ID token of a configured issuer.
pub(crate) async fn caller(_room: &Identity, _token: &str) -> Result<Caller, Error> {
    Err(Error::Unauthenticated)
}
