use api::Problem;
use axum::response::{IntoResponse, Response};
use kernel::{Fault, Text};

/// What the console refuses.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("nothing says what is to be deleted")]
    NothingNamed,
    #[error(transparent)]
    Identity(#[from] identity::Error),
    #[error(transparent)]
    Gateway(#[from] gateway::Error),
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NothingNamed => Problem::new(
                422,
                "nothing_named",
                Text::new(
                    "消すものを指定してください（ids、before、model、status）。",
                    "Please say what to delete: ids, before, model or status.",
                ),
            ),
            Error::Identity(error) => error.into(),
            Error::Gateway(error) => error.into(),
            Error::Fault(fault) => fault.into(),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}
