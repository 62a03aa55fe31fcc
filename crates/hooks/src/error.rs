use api::Problem;
use axum::response::{IntoResponse, Response};
use kernel::{Fault, Text};

/// What the room refuses.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no such endpoint or delivery")]
    NotFound,
    #[error("nothing may be sent to this address: {0}")]
    BadUrl(&'static str),
    #[error("the tenant has as many endpoints as it may")]
    TooMany,
    #[error("the endpoint is off")]
    Off,
    #[error("the delivery is in line already")]
    InLine,
    #[error("a secret can't be sealed or opened for want of the sealing key")]
    SecretClosed,
    #[error(transparent)]
    Identity(#[from] identity::Error),
    #[error(transparent)]
    Fault(#[from] Fault),
}

db::from_sqlx!(Error);

impl From<seal::Error> for Error {
    fn from(error: seal::Error) -> Self {
        if error.lacks_key() {
            tracing::error!(%error, "a hook's secret stays closed");
            Self::SecretClosed
        } else {
            Self::Fault(error.into())
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound => Problem::not_found(),
            Error::BadUrl(_) => Problem::new(
                422,
                "hook_url_refused",
                Text::new(
                    "このURLには送れません。インターネットから届く https:// のURLを指定してください。",
                    "Nothing can be sent to this URL. Please use an https:// URL that is on the public internet.",
                ),
            ),
            Error::TooMany => Problem::new(
                409,
                "too_many_hooks",
                Text::new(
                    "通知先は20件までです。使わないものを消してください。",
                    "There can be 20 endpoints at most. Please remove one that is not used.",
                ),
            ),
            Error::Off => Problem::new(
                409,
                "hook_off",
                Text::new(
                    "この通知先は止まっています。再開してからお試しください。",
                    "This endpoint is switched off. Please switch it on first.",
                ),
            ),
            Error::InLine => Problem::new(
                409,
                "hook_delivery_waiting",
                Text::new(
                    "この通知は送信待ちです。",
                    "This delivery is in line already.",
                ),
            ),
            Error::SecretClosed => Problem::new(
                503,
                "secret_closed",
                Text::new(
                    "通知先の秘密を今は作れません。運営者にお知らせください。",
                    "Secrets of endpoints can't be made at the moment. Please tell the operator.",
                ),
            ),
            Error::Identity(error) => error.into(),
            Error::Fault(fault) => fault.into(),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}
