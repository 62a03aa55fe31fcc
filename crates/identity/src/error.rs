use api::Problem;
use axum::response::{IntoResponse, Response};
use kernel::{Fault, Text};

/// What identity refuses.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no live session or token")]
    Unauthenticated,
    #[error("e-mail and password don't match")]
    WrongCredentials,
    #[error("the e-mail address has an account")]
    EmailTaken,
    #[error("too many passwords are being checked")]
    Busy,
    #[error(transparent)]
    Fault(#[from] Fault),
}

db::from_sqlx!(Error);

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Unauthenticated => Problem::new(
                401,
                "unauthenticated",
                Text::new("サインインが必要です。", "Please sign in first."),
            ),
            Error::WrongCredentials => Problem::new(
                401,
                "wrong_credentials",
                Text::new(
                    "メールアドレスかパスワードが違います。",
                    "The e-mail address or the password is not right.",
                ),
            ),
            Error::EmailTaken => Problem::new(
                409,
                "email_taken",
                Text::new(
                    "このメールアドレスは登録済みです。サインインしてください。",
                    "This address has an account already. Please sign in.",
                ),
            ),
            Error::Busy => Problem::new(
                503,
                "sign_in_busy",
                Text::new(
                    "サインインが混み合っています。少し待ってもう一度お試しください。",
                    "Many people are signing in. Please try again in a moment.",
                ),
            )
            .with_retry_after(2),
            Error::Fault(fault) => fault.into(),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}
