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
    #[error("no such share")]
    ShareNotFound,
    #[error("the share is for those who are signed in")]
    ShareForMembers,
    #[error("a chat has no more than twenty shares")]
    TooManyShares,
    #[error("nothing to share yet")]
    ChatEmpty,
    #[error("the export can't be read: {0}")]
    ImportUnreadable(&'static str),
    #[error("no such import")]
    ImportNotFound,
    #[error("another file of the same tenant waits")]
    ImportUnderWay,
    #[error("only people with an account are remembered")]
    MemoryNeedsAccount,
    #[error("no such memory")]
    MemoryNotFound,
    #[error("the same is remembered already")]
    MemoryThere,
    #[error("no such persona")]
    PersonaNotFound,
    #[error(transparent)]
    Phrases(#[from] crate::phrase::PhraseError),
    #[error("the phrases were changed by somebody else")]
    PhrasesChanged,
    #[error("the help lines are missing")]
    PhrasesWithoutSafety,
    #[error("no such set of phrases")]
    PhrasesVersionNotFound,
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
            Error::ShareNotFound => Problem::new(
                404,
                "share_not_found",
                Text::new(
                    "この共有リンクは見つかりません。取り消されたのかもしれません。",
                    "This link was not found. It may have been taken back.",
                ),
            ),
            Error::ShareForMembers => Problem::new(
                401,
                "share_needs_sign_in",
                Text::new(
                    "この会話は、サインインした方だけが読めます。",
                    "Only those who are signed in can read this conversation.",
                ),
            ),
            Error::TooManyShares => Problem::new(
                409,
                "shares_too_many",
                Text::new(
                    "ひとつの会話に作れるリンクは20本までです。",
                    "A conversation has up to 20 links.",
                ),
            ),
            Error::ChatEmpty => Problem::new(
                409,
                "chat_empty",
                Text::new(
                    "この会話には、まだ何もありません。",
                    "There is nothing in this conversation yet.",
                ),
            ),
            Error::ImportUnreadable(_) => Problem::new(
                422,
                "import_unreadable",
                Text::new(
                    "ChatGPT・LibreChat・このお店のどの書き出しとしても読めません。",
                    "This can't be read as an export of ChatGPT, LibreChat or of this bar.",
                ),
            ),
            Error::ImportNotFound => Problem::new(
                404,
                "import_not_found",
                Text::new(
                    "この取り込みは見つかりません。",
                    "This import was not found.",
                ),
            ),
            Error::ImportUnderWay => Problem::new(
                409,
                "import_under_way",
                Text::new(
                    "前に送られたファイルを取り込んでいます。終わるまでお待ちください。",
                    "A file that you sent before is still being taken in. Please wait for its end.",
                ),
            ),
            Error::MemoryNeedsAccount => Problem::new(
                403,
                "memory_needs_account",
                Text::new(
                    "ママがおぼえておけるのは、アカウントのあるお客さんのことだけです。",
                    "Mama can only remember guests who have an account.",
                ),
            ),
            Error::MemoryNotFound => Problem::new(
                404,
                "memory_not_found",
                Text::new(
                    "このことは、もうおぼえていません。",
                    "This is not remembered any more.",
                ),
            ),
            Error::MemoryThere => Problem::new(
                409,
                "memory_there",
                Text::new(
                    "同じことを、もうおぼえています。",
                    "The same is remembered already.",
                ),
            ),
            Error::PersonaNotFound => Problem::new(
                404,
                "persona_not_found",
                Text::new("この版はありません。", "There is no such version."),
            ),
            Error::Phrases(error) => Problem::new(422, "phrases_invalid", error.told()),
            Error::PhrasesChanged => Problem::new(
                409,
                "phrases_changed",
                Text::new(
                    "ほかの人が定型文を変更しました。読み直してからもう一度お試しください。",
                    "Somebody else has changed the phrases. Please load them again first.",
                ),
            ),
            Error::PhrasesWithoutSafety => Problem::new(
                422,
                "phrases_without_safety",
                Text::new(
                    "相談窓口の定型文（safety.…）は、なくすことができません。",
                    "The phrases with the help lines (safety.…) have to stay.",
                ),
            ),
            Error::PhrasesVersionNotFound => Problem::new(
                404,
                "phrases_version_not_found",
                Text::new("この版はありません。", "There is no such version."),
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
