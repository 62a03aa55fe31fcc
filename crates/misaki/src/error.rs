use api::Problem;
use axum::response::{IntoResponse, Response};
use kernel::{Fault, Text};

/// What the bar refuses.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no such chat")]
    ChatNotFound,
    #[error("no such message")]
    MessageNotFound,
    #[error("the token is for another storefront")]
    OtherStorefront,
    #[error("the idempotency key is empty, too long or no text")]
    BadKey,
    #[error("the idempotency key was used for another message")]
    KeyReused,
    #[error(transparent)]
    Identity(#[from] identity::Error),
    #[error(transparent)]
    Gateway(#[from] gateway::Error),
    #[error(transparent)]
    Fault(#[from] Fault),
}

db::from_sqlx!(Error);

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::ChatNotFound => Problem::new(
                404,
                "chat_not_found",
                Text::new("この会話は見つかりません。", "This chat was not found."),
            ),
            Error::MessageNotFound => Problem::new(
                404,
                "message_not_found",
                Text::new(
                    "このメッセージは見つかりません。",
                    "This message was not found.",
                ),
            ),
            Error::OtherStorefront => Problem::new(
                403,
                "other_storefront",
                Text::new(
                    "このお店の合言葉ではありません。",
                    "This token is for another storefront.",
                ),
            ),
            Error::BadKey => Problem::new(
                422,
                "idempotency_key_invalid",
                Text::new(
                    "Idempotency-Key は1〜200文字の英数字にしてください。",
                    "An Idempotency-Key has 1 to 200 characters of plain text.",
                ),
            ),
            Error::KeyReused => Problem::new(
                422,
                "idempotency_key_reused",
                Text::new(
                    "同じ Idempotency-Key で別の内容が送られました。",
                    "This Idempotency-Key was used for another message.",
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
