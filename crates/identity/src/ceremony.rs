mod store;

use chrono::{DateTime, Duration, Utc};
use db::Ctx;
use serde_json::Value;
use sqlx::PgConnection;

use crate::{CeremonyId, Error, UserId, secret};

/// How long the second request may be waited for.
pub(crate) const LIFETIME: Duration = Duration::minutes(5);
/// At an issuer people may make an account first, and wait for its letter.
const TRIP: Duration = Duration::minutes(20);

/// What takes two requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    SecondFactor,
    PasskeySignIn,
    PasskeyAdd,
    PasskeyStepUp,
    Oidc,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::SecondFactor => "second_factor",
            Self::PasskeySignIn => "passkey_sign_in",
            Self::PasskeyAdd => "passkey_add",
            Self::PasskeyStepUp => "passkey_step_up",
            Self::Oidc => "oidc",
        }
    }

    pub(crate) const fn lifetime(self) -> Duration {
        match self {
            Self::Oidc => TRIP,
            _ => LIFETIME,
        }
    }
}

/// What was remembered of the first request.
#[derive(Clone, Debug)]
pub(crate) struct Ceremony {
    pub(crate) user: Option<UserId>,
    pub(crate) state: Value,
}

/// Remembers `state` for the second request, which has to bring the token.
pub(crate) async fn begin(
    conn: &mut PgConnection,
    cx: &Ctx,
    kind: Kind,
    user: Option<UserId>,
    state: Value,
) -> Result<String, Error> {
    let token = secret::new_token()?;
    let now = cx.clock.now();
    let row = Row {
        id: cx.ids.new_id(),
        kind,
        token_hash: secret::hash(&token),
        user,
        state,
        created_at: now,
        expires_at: now + kind.lifetime(),
    };
    store::insert(conn, &row).await?;
    Ok(token)
}

/// What was remembered, which stays so: for what may be tried several times. None when unknown, used or too old.
pub(crate) async fn look_at(
    conn: &mut PgConnection,
    cx: &Ctx,
    kind: Kind,
    token: &str,
) -> sqlx::Result<Option<Ceremony>> {
    store::find(conn, kind, &secret::hash(token), cx.clock.now()).await
}

/// What was remembered, once: of several at a time one gets it.
pub(crate) async fn take(
    conn: &mut PgConnection,
    cx: &Ctx,
    kind: Kind,
    token: &str,
) -> sqlx::Result<Option<Ceremony>> {
    store::take(conn, kind, &secret::hash(token), cx.clock.now()).await
}

/// Forgets what nobody came back for.
pub(crate) async fn clear(conn: &mut PgConnection, cx: &Ctx, most: i64) -> sqlx::Result<()> {
    store::delete_before(conn, cx.clock.now() - Duration::hours(1), most).await
}

#[derive(Debug)]
struct Row {
    id: CeremonyId,
    kind: Kind,
    token_hash: Vec<u8>,
    user: Option<UserId>,
    state: Value,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}
