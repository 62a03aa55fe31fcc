use api::Problem;
use axum::response::{IntoResponse, Response};
use kernel::{Fault, Text};

/// What the ledger refuses.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("only {available} are available")]
    Insufficient { available: i64 },
    #[error("an amount must be positive and within the hold")]
    BadAmount,
    #[error("the transfer's id was used for another transfer")]
    TransferMismatch,
    #[error("no such hold")]
    HoldNotFound,
    #[error("the hold is closed")]
    HoldClosed,
    #[error("no such tenant, unit or lot")]
    NotFound,
    #[error(transparent)]
    Fault(#[from] Fault),
}

db::from_sqlx!(Error);

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Insufficient { .. } => Problem::new(
                402,
                "quota_exhausted",
                Text::new("残りがありません。", "There is nothing left."),
            ),
            Error::BadAmount => Problem::new(
                422,
                "bad_amount",
                Text::new("数量が正しくありません。", "The amount is not right."),
            ),
            Error::TransferMismatch => Problem::new(
                409,
                "transfer_mismatch",
                Text::new(
                    "同じ番号で別の移動が記録済みです。",
                    "This id belongs to another movement.",
                ),
            ),
            Error::HoldNotFound | Error::NotFound => Problem::not_found(),
            Error::HoldClosed => Problem::new(
                409,
                "hold_closed",
                Text::new(
                    "この取り置きは終わっています。",
                    "This hold is closed already.",
                ),
            ),
            Error::Fault(fault) => fault.into(),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}
