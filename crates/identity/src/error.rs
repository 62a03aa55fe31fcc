use api::{FieldError, Problem};
use axum::response::{IntoResponse, Response};
use kernel::{Fault, Text};

/// What identity refuses.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no live session, key or token")]
    Unauthenticated,
    #[error("the key opens nothing")]
    KeyRefused,
    #[error("the caller may not do this")]
    Forbidden,
    #[error("a recent proof of who the caller is is needed")]
    StepUpRequired,
    #[error("not found")]
    NotFound,
    #[error("e-mail and password don't match")]
    WrongCredentials,
    #[error("the second factor is not right")]
    WrongCode,
    #[error("too many tries; the window ends in {0} s")]
    TooManyAttempts(u64),
    #[error("enough guests came from there; the window ends in {0} s")]
    TooManyGuests(u64),
    #[error("the password would be guessed soon")]
    WeakPassword,
    #[error("a proven account has the e-mail address")]
    EmailTaken,
    #[error("the name is taken")]
    NameTaken,
    #[error("the link is unknown, old, replaced or used")]
    LinkExpired,
    #[error("the invitation is for another address")]
    OtherAddress,
    #[error("a family has two guardians at most")]
    TwoGuardians,
    #[error("the role does not fit the tenant")]
    RoleDoesNotFit,
    #[error("a tenant needs somebody who owns it")]
    LastOwner,
    #[error("already a member")]
    AlreadyMember,
    #[error("as many as there may be")]
    TooMany,
    #[error("there is no passkey that has worked, or no confirmed address")]
    PasskeyNeeded,
    #[error("the passkey could not be checked")]
    PasskeyRefused,
    #[error("the address of this house can't have passkeys")]
    PasskeysOff,
    #[error("the issuer's answer was refused: {0}")]
    IssuerRefused(&'static str),
    #[error("the issuer does not answer")]
    IssuerAway,
    #[error("the client is unknown, or did not register where the answer is to go")]
    ClientRefused,
    #[error("{0}")]
    BadClient(&'static str),
    #[error("too many passwords are being checked")]
    Busy,
    #[error("a secret can't be opened for want of its key")]
    SecretClosed,
    #[error(transparent)]
    Fault(#[from] Fault),
}

db::from_sqlx!(Error);

impl From<seal::Error> for Error {
    fn from(error: seal::Error) -> Self {
        if error.lacks_key() {
            tracing::error!(%error, "a secret stays closed");
            Self::SecretClosed
        } else {
            Self::Fault(error.into())
        }
    }
}

const ENOUGH_TRIES: Text = Text::new(
    "試した回数が多すぎます。しばらく待ってからもう一度お試しください。",
    "Too many tries. Please wait a while and try again.",
);
const ENOUGH_GUESTS: Text = Text::new(
    "ゲストとしての入店は、今日はここまでです。無料の会員登録をすると続けられます。",
    "That is all for guests from here today. Sign up for free to go on.",
);

/// Says no more than that: whoever tries keys is to learn nothing of which are near.
const KEY_REFUSED: Text = Text::new(
    "有効なAPIキーが必要です。届いていないか、打ちまちがえたか、取り消されたか、期限が切れたか、使える場所ではありません。",
    "A valid API key is needed: it is missing, mistyped, revoked, expired, or may not be used from here.",
);

impl Error {
    const fn code(&self) -> (u16, &'static str) {
        match self {
            Self::Unauthenticated | Self::KeyRefused => (401, "unauthenticated"),
            Self::Forbidden => (403, "forbidden"),
            Self::StepUpRequired => (403, "step_up_required"),
            Self::NotFound => (404, "not_found"),
            Self::WrongCredentials => (401, "wrong_credentials"),
            Self::WrongCode => (401, "wrong_code"),
            Self::TooManyAttempts(_) => (429, "too_many_attempts"),
            Self::TooManyGuests(_) => (429, "too_many_guests"),
            Self::WeakPassword | Self::BadClient(_) => (422, "invalid_input"),
            Self::EmailTaken => (409, "email_taken"),
            Self::NameTaken => (409, "name_taken"),
            Self::LinkExpired => (410, "link_expired"),
            Self::OtherAddress => (409, "other_address"),
            Self::TwoGuardians => (409, "two_guardians"),
            Self::RoleDoesNotFit => (409, "role_does_not_fit"),
            Self::LastOwner => (409, "last_owner"),
            Self::AlreadyMember => (409, "already_member"),
            Self::TooMany => (409, "too_many"),
            Self::PasskeyNeeded => (409, "passkey_needed"),
            Self::PasskeyRefused => (401, "passkey_refused"),
            Self::PasskeysOff => (404, "passkeys_off"),
            Self::IssuerRefused(_) => (401, "issuer_refused"),
            Self::ClientRefused => (400, "client_refused"),
            Self::IssuerAway => (503, "issuer_unavailable"),
            Self::Busy => (503, "sign_in_busy"),
            Self::SecretClosed => (503, "secret_closed"),
            Self::Fault(_) => (500, "internal"),
        }
    }

    const fn text(&self) -> Text {
        match self {
            Self::Unauthenticated => Text::new("サインインが必要です。", "Please sign in first."),
            Self::KeyRefused => KEY_REFUSED,
            Self::Forbidden => Text::new(
                "この操作をする権限がありません。",
                "You are not allowed to do this.",
            ),
            Self::StepUpRequired => Text::new(
                "大切な操作です。もう一度ご本人であることを確かめさせてください。",
                "This is a sensitive action. Please confirm once more that it is you.",
            ),
            Self::NotFound => Text::new(
                "見つかりませんでした。URLをお確かめください。",
                "There is nothing here. Please check the address.",
            ),
            Self::WrongCredentials => Text::new(
                "入力された内容ではサインインできません。もう一度お確かめください。",
                "This does not let you in. Please check what you entered.",
            ),
            Self::WrongCode => Text::new(
                "コードが違うか、もう使われています。新しいコードで試してください。",
                "The code is not right or was used already. Please try a new one.",
            ),
            Self::TooManyAttempts(_) => ENOUGH_TRIES,
            Self::TooManyGuests(_) => ENOUGH_GUESTS,
            Self::WeakPassword | Self::BadClient(_) => Text::new(
                "入力に直すところがあります。",
                "Some of the input needs another look.",
            ),
            Self::EmailTaken => Text::new(
                "このメールアドレスは登録済みです。",
                "This address has an account already.",
            ),
            Self::NameTaken => Text::new(
                "その名前はもう使われています。別の名前にしてください。",
                "This name is taken. Please choose another.",
            ),
            Self::LinkExpired => Text::new(
                "このリンクは期限が切れたか、もう使われています。新しいリンクをお送りください。",
                "This link has expired or was used already. Please ask for a new one.",
            ),
            Self::OtherAddress => Text::new(
                "この招待は別のメールアドレスあてです。そのアドレスのアカウントで開いてください。",
                "This invitation is for another address. Please open it with the account of that address.",
            ),
            Self::TwoGuardians => Text::new(
                "家族の保護者は2人までです。",
                "A family has at most two guardians.",
            ),
            Self::RoleDoesNotFit => Text::new(
                "この役割はここでは使えません。",
                "This role does not exist here.",
            ),
            Self::LastOwner => Text::new(
                "最後のオーナーは外れることができません。先に別の人をオーナーにしてください。",
                "The last owner can't leave. Please make somebody else an owner first.",
            ),
            Self::AlreadyMember => Text::new("すでにメンバーです。", "Already a member."),
            Self::TooMany => Text::new(
                "これ以上は増やせません。使っていないものを消してください。",
                "There can't be more. Please remove what is not used.",
            ),
            Self::PasskeyNeeded => Text::new(
                "先にメールアドレスを確認し、パスキーで一度サインインしてください。",
                "Please confirm your address and sign in with a passkey once before.",
            ),
            Self::PasskeyRefused => Text::new(
                "パスキーを確かめられませんでした。もう一度お試しください。",
                "The passkey could not be checked. Please try again.",
            ),
            Self::PasskeysOff => Text::new(
                "このアドレスではパスキーを使えません。ほかの方法をお使いください。",
                "Passkeys don't work at this address. Please use another way.",
            ),
            Self::IssuerRefused(_) => Text::new(
                "外部サービスでのサインインを確かめられませんでした。もう一度お試しください。",
                "The sign-in at the other service could not be checked. Please try again.",
            ),
            Self::ClientRefused => Text::new(
                "このアプリは登録されていないか、登録と違う戻り先を求めています。アプリの作り手にお知らせください。",
                "This app is not registered, or wants to take you elsewhere than it registered. Please tell its makers.",
            ),
            Self::IssuerAway => Text::new(
                "外部サービスが応答していません。少し待つか、別の方法でサインインしてください。",
                "The other service does not answer. Please wait a moment or sign in another way.",
            ),
            Self::Busy => Text::new(
                "サインインが混み合っています。少し待ってもう一度お試しください。",
                "Many people are signing in. Please try again in a moment.",
            ),
            Self::SecretClosed => Text::new(
                "認証アプリを今は使えません。リカバリーコードかパスキーをお使いください。直らないときは運営者にお知らせください。",
                "Authenticators can't be used at the moment. Please use a recovery code or a passkey, and tell the operator if it stays so.",
            ),
            Self::Fault(_) => Text::new(
                "こちらの不具合で処理できませんでした。時間をおいてもう一度お試しください。",
                "Something went wrong on our side. Please try again in a while.",
            ),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let (status, code) = error.code();
        let problem = Self::new(status, code, error.text());
        match error {
            Error::Fault(fault) => fault.into(),
            Error::Busy => problem.with_retry_after(2),
            Error::IssuerAway => problem.with_retry_after(10),
            Error::TooManyAttempts(seconds) | Error::TooManyGuests(seconds) => {
                problem.with_retry_after(seconds)
            }
            Error::IssuerRefused(why) => {
                tracing::info!(why, "an issuer's answer was refused");
                problem
            }
            Error::WeakPassword => problem.with_fields(vec![FieldError {
                pointer: "/password".to_owned(),
                code: "weak_password",
                text: Text::new(
                    "推測されやすいパスワードです。長く、ありふれていないものにしてください。",
                    "This password would be guessed soon. Please choose a longer, less common one.",
                ),
            }]),
            _ => problem,
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}
