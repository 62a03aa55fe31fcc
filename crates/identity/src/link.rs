mod store;

use chrono::{DateTime, Duration, Utc};
use db::Ctx;
use sqlx::PgConnection;

use crate::{Error, InvitationId, LinkId, UserId, secret};

/// How long a mailed link works.
pub(crate) const LIFETIME: Duration = Duration::minutes(30);

/// What a mailed link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Proves an address.
    Verify,
    /// Sets a new password.
    Reset,
    /// Proves a new address, which then replaces the old one.
    Change,
    /// Joins a tenant.
    Invite,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Reset => "reset",
            Self::Change => "change",
            Self::Invite => "invite",
        }
    }

    /// The page of the web app that takes the token, which travels in the fragment: no server and no log sees it.
    const fn page(self) -> &'static str {
        match self {
            Self::Verify => "/link/verify",
            Self::Reset => "/link/reset",
            Self::Change => "/link/email",
            Self::Invite => "/link/invite",
        }
    }
}

/// Whom or what a link is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    User(UserId),
    Invitation(InvitationId),
}

/// A link that was used up or looked at.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) about: About,
    pub(crate) email: String,
    /// Whether its time is over, it was replaced, or it was used.
    pub(crate) stale: bool,
}

/// Makes a link's URL and voids those of the same kind before it.
///
/// The host comes from the configuration, whatever a request's headers say.
pub(crate) async fn make(
    conn: &mut PgConnection,
    cx: &Ctx,
    account_url: &str,
    kind: Kind,
    about: About,
    email: &str,
) -> Result<String, Error> {
    let token = secret::new_token()?;
    let now = cx.clock.now();
    store::void(conn, Some(kind), about, now).await?;
    let row = Row {
        id: cx.ids.new_id(),
        kind,
        token_hash: secret::hash(&token),
        about,
        email,
        created_at: now,
        expires_at: now + LIFETIME,
    };
    store::insert(conn, &row).await?;
    Ok(format!("{account_url}{}#{token}", kind.page()))
}

/// Uses a link up; of twenty at once one succeeds.
///
/// # Errors
/// `LinkExpired` when it is unknown, old, replaced or used.
pub(crate) async fn use_up(
    conn: &mut PgConnection,
    cx: &Ctx,
    kind: Kind,
    token: &str,
) -> Result<Link, Error> {
    store::use_up(conn, kind, &secret::hash(token), cx.clock.now())
        .await?
        .ok_or(Error::LinkExpired)
}

/// Looks at a link without using it; none when it is unknown.
pub(crate) async fn look_at(
    conn: &mut PgConnection,
    cx: &Ctx,
    kind: Kind,
    token: &str,
) -> sqlx::Result<Option<Link>> {
    store::find(conn, kind, &secret::hash(token), cx.clock.now()).await
}

/// Voids every link that is about this user or invitation, as after a change of the password.
pub(crate) async fn void_all(conn: &mut PgConnection, cx: &Ctx, about: About) -> sqlx::Result<()> {
    store::void(conn, None, about, cx.clock.now()).await
}

/// Forgets links long after their time.
pub(crate) async fn clear(conn: &mut PgConnection, cx: &Ctx, most: i64) -> sqlx::Result<()> {
    store::delete_before(conn, cx.clock.now() - Duration::days(30), most).await
}

#[derive(Debug)]
struct Row<'a> {
    id: LinkId,
    kind: Kind,
    token_hash: Vec<u8>,
    about: About,
    email: &'a str,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

impl About {
    const fn parts(self) -> (Option<UserId>, Option<InvitationId>) {
        match self {
            Self::User(user) => (Some(user), None),
            Self::Invitation(invitation) => (None, Some(invitation)),
        }
    }

    /// None can't be: a constraint of the table sees to it.
    fn from_parts(user: Option<UserId>, invitation: Option<InvitationId>) -> Option<Self> {
        user.map(Self::User)
            .or_else(|| invitation.map(Self::Invitation))
    }
}
