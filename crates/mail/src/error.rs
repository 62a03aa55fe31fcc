use api::Problem;
use axum::response::{IntoResponse, Response};
use kernel::Fault;

/// What the room refuses.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the unsubscribe link was not written by us")]
    BadLink,
    #[error("letters are not kept in a folder here")]
    NoFolder,
    #[error(transparent)]
    Fault(#[from] Fault),
}

db::from_sqlx!(Error);

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::BadLink | Error::NoFolder => Problem::not_found(),
            Error::Fault(fault) => fault.into(),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}
