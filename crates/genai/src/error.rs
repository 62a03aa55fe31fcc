use api::Problem;
use axum::response::{IntoResponse, Response};
use kernel::{Fault, Text};

/// What the console refuses.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("nothing says what is to be deleted")]
    NothingNamed,
    #[error("no such talk")]
    TalkNotFound,
    #[error("a talk has no more than two hundred runs")]
    TalkFull,
    #[error("the run is in another talk")]
    RunInAnotherTalk,
    #[error("another run has this place of the turn")]
    PlaceTaken,
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
            Error::NothingNamed => Problem::new(
                422,
                "nothing_named",
                Text::new(
                    "消すものを指定してください（ids、before、model、status）。",
                    "Please say what to delete: ids, before, model or status.",
                ),
            ),
            Error::TalkNotFound => Problem::new(
                404,
                "talk_not_found",
                Text::new("この会話は見つかりません。", "This talk was not found."),
            ),
            Error::TalkFull => Problem::new(
                409,
                "talk_full",
                Text::new(
                    "ひとつの会話に入るのは200件までです。新しい会話をはじめてください。",
                    "A talk has up to 200 requests. Please begin a new one.",
                ),
            ),
            Error::RunInAnotherTalk => Problem::new(
                409,
                "run_in_another_talk",
                Text::new(
                    "このリクエストは、ほかの会話に入っています。",
                    "This request is in another talk.",
                ),
            ),
            Error::PlaceTaken => Problem::new(
                409,
                "talk_place_taken",
                Text::new(
                    "この場所には、ほかのリクエストがあります。",
                    "Another request has this place of the turn.",
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
