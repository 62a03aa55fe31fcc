mod guests;
mod http;
mod places;
mod store;

use axum::{
    extract::{FromRef, FromRequestParts},
    http::request::Parts,
};
use chrono::{DateTime, Duration, Utc};
use db::{Ctx, Scope};
use serde::Serialize;
use sqlx::PgConnection;

use crate::{
    Error, Identity, Principal, RequestMeta, Role, SessionId, TenantId, UserId, audit,
    cookie::{Cookie, CookieStyle},
    device, revocation, secret, throttle, user,
};

pub use guests::guest;
pub(crate) use http::router;
pub(crate) use places::end_everything;

const LIFETIME: Duration = Duration::days(30);
/// A session's last use is noted at most this often.
const SEEN_EVERY: Duration = Duration::minutes(5);

/// A live session of a user or a guest. As an extractor it refuses requests without one (401).
#[derive(Clone, Copy, Debug)]
pub struct Session {
    pub id: SessionId,
    pub principal: Principal,
    /// What its user is in the tenant that it acts for.
    pub role: Role,
    pub operator: bool,
    /// When its holder last proved who they are; none for a guest.
    pub proven_at: Option<DateTime<Utc>>,
}

/// By what the holder of a session proved who they are (the words of RFC 8176 where it has one).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    Password,
    Pin,
    Code,
    Passkey,
    Issuer,
    /// A guardian let the child in.
    Guardian,
}

impl Proof {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "pwd",
            Self::Pin => "pin",
            Self::Code => "otp",
            Self::Passkey => "hwk",
            Self::Issuer => "fed",
            Self::Guardian => "guardian",
        }
    }
}

/// A session that was just opened, with the tokens for its cookies, which are not kept anywhere else.
#[derive(Debug)]
pub struct NewSession {
    pub session: Session,
    pub(crate) token: String,
    /// For a browser that its user signed in from for the first time.
    pub(crate) device: Option<String>,
    /// For a guest's browser: by what its guests are counted.
    guest_browser: Option<String>,
}

impl NewSession {
    /// The `Set-Cookie` values that this session needs.
    pub(crate) fn cookies(&self, style: CookieStyle) -> Vec<String> {
        let device = self
            .device
            .as_ref()
            .map(|token| style.set(Cookie::Device, token, device::LIFETIME));
        let guest_browser = self
            .guest_browser
            .as_ref()
            .map(|token| style.set(Cookie::Guest, token, throttle::GUESTS_OF_BROWSER.window));
        std::iter::once(style.set(Cookie::Session, &self.token, LIFETIME))
            .chain(device)
            .chain(guest_browser)
            .collect()
    }
}

/// Ends a session on the server, so that a copy of the cookie is worthless.
pub async fn sign_out(room: &Identity, session: Session, meta: &RequestMeta) -> Result<(), Error> {
    let cx = &room.cx;
    let mut tx = cx.db.begin(Scope::House("sign-out")).await?;
    end(&mut tx, cx, session.id).await?;
    audit::Action::new("session.end", session.id)
        .record(&mut tx, cx, meta, session.principal)
        .await?;
    tx.commit().await?;
    Ok(())
}

/// Who comes in, for whom they act and how they proved it.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) tenant: TenantId,
    pub(crate) user: Option<UserId>,
    pub(crate) proofs: &'a [Proof],
}

/// Opens a session in the caller's transaction, which holds the user's lock.
pub(crate) async fn open(
    conn: &mut PgConnection,
    cx: &Ctx,
    entry: &Entry<'_>,
    meta: &RequestMeta,
) -> Result<NewSession, Error> {
    open_since(conn, cx, entry, cx.clock.now(), meta).await
}

/// As [`open`], for somebody who proved who they are at that time, elsewhere.
pub(crate) async fn open_since(
    conn: &mut PgConnection,
    cx: &Ctx,
    entry: &Entry<'_>,
    proven_at: DateTime<Utc>,
    meta: &RequestMeta,
) -> Result<NewSession, Error> {
    let proven_at = entry.user.is_some().then_some(proven_at);
    let proofs: Vec<String> = entry
        .proofs
        .iter()
        .map(|proof| proof.as_str().to_owned())
        .collect();
    let new = insert(conn, cx, entry, meta, proven_at, proofs).await?;
    audit::Action::new("session.start", new.session.id)
        .after(serde_json::json!({ "proofs": entry.proofs.iter().map(|proof| proof.as_str()).collect::<Vec<_>>() }))
        .record(conn, cx, meta, new.session.principal)
        .await?;
    Ok(new)
}

/// Carries a session over to a new id and token, as at every change of what it may do (ASVS 5.0, 7.2.4): for another
/// tenant, or after a new proof.
///
/// # Errors
/// `Unauthenticated` when it was ended since the request came in.
pub(crate) async fn renew(
    conn: &mut PgConnection,
    cx: &Ctx,
    old: Session,
    tenant: TenantId,
    proof: Option<Proof>,
    meta: &RequestMeta,
) -> Result<NewSession, Error> {
    keep(conn, old).await?;
    carry_over(conn, cx, old, tenant, proof, meta).await
}

/// Makes sure that a session is still open, and that only this transaction can end it.
pub(crate) async fn keep(conn: &mut PgConnection, session: Session) -> Result<(), Error> {
    if let Some(user) = session.principal.user {
        user::lock(conn, user).await?;
    }
    if store::lock(conn, session.id).await? {
        Ok(())
    } else {
        Err(Error::Unauthenticated)
    }
}

/// As [`renew`], for a session that this transaction kept, and perhaps ended itself.
pub(crate) async fn carry_over(
    conn: &mut PgConnection,
    cx: &Ctx,
    old: Session,
    tenant: TenantId,
    proof: Option<Proof>,
    meta: &RequestMeta,
) -> Result<NewSession, Error> {
    let mut proofs = store::proofs(conn, old.id).await?;
    proofs.extend(proof.map(|proof| proof.as_str().to_owned()));
    proofs.dedup();
    let proven_at = if proof.is_some() {
        Some(cx.clock.now())
    } else {
        old.proven_at
    };
    end(conn, cx, old.id).await?;
    let entry = Entry {
        tenant,
        user: old.principal.user,
        proofs: &[],
    };
    insert(conn, cx, &entry, meta, proven_at, proofs).await
}

async fn insert(
    conn: &mut PgConnection,
    cx: &Ctx,
    entry: &Entry<'_>,
    meta: &RequestMeta,
    proven_at: Option<DateTime<Utc>>,
    proofs: Vec<String>,
) -> Result<NewSession, Error> {
    let token = secret::new_token()?;
    let now = cx.clock.now();
    let row = Row {
        id: cx.ids.new_id(),
        token_hash: secret::hash(&token),
        tenant_id: entry.tenant,
        user_id: entry.user,
        user_agent: meta.user_agent.clone(),
        network: meta.network(),
        proven_at,
        proofs,
        created_at: now,
        expires_at: now + LIFETIME,
    };
    store::insert(conn, &row).await?;
    let session = store::find_live(conn, &row.token_hash, now)
        .await?
        .ok_or(Error::Unauthenticated)?
        .0;
    let device = match entry.user {
        Some(user) => device::remember(conn, cx, user, meta).await?,
        None => None,
    };
    Ok(NewSession {
        session,
        token,
        device,
        guest_browser: None,
    })
}

/// How the holder of a session proved who they are, in the words of [`Proof`].
pub(crate) async fn proofs(conn: &mut PgConnection, id: SessionId) -> sqlx::Result<Vec<String>> {
    store::proofs(conn, id).await
}

/// Ends one session, everywhere.
pub(crate) async fn end(conn: &mut PgConnection, cx: &Ctx, id: SessionId) -> Result<(), Error> {
    store::revoke(conn, id, cx.clock.now()).await?;
    revocation::publish(conn, cx, &[id.0]).await
}

/// Which sessions of a user are to end.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ending {
    /// This one stays.
    pub(crate) except: Option<SessionId>,
    /// Only those that act for this tenant.
    pub(crate) tenant: Option<TenantId>,
}

/// Ends a user's sessions, everywhere.
pub(crate) async fn end_all(
    conn: &mut PgConnection,
    cx: &Ctx,
    user: UserId,
    which: Ending,
) -> Result<(), Error> {
    user::lock(conn, user).await?;
    let ended = store::revoke_all(conn, user, which, cx.clock.now()).await?;
    revocation::publish(conn, cx, &ended).await
}

/// A place where the user is signed in.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = SessionView)]
pub(crate) struct View {
    pub(crate) id: SessionId,
    /// Whether this request came from it.
    pub(crate) current: bool,
    pub(crate) kind: Kind,
    pub(crate) user_agent: String,
    /// Roughly where from: an IPv4 /24 or an IPv6 /48.
    pub(crate) network: String,
    pub(crate) created_at: DateTime<Utc>,
    /// To within some minutes.
    #[schema(required)]
    pub(crate) last_seen_at: Option<DateTime<Utc>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = SessionKind)]
pub(crate) enum Kind {
    Browser,
    /// An API client with an access token.
    Api,
}

/// The browsers that a user is signed in with.
pub(crate) async fn all_of(
    conn: &mut PgConnection,
    cx: &Ctx,
    user: UserId,
) -> sqlx::Result<Vec<View>> {
    store::list(conn, user, cx.clock.now()).await
}

#[derive(Debug)]
struct Row {
    id: SessionId,
    token_hash: Vec<u8>,
    tenant_id: TenantId,
    user_id: Option<UserId>,
    user_agent: String,
    network: String,
    proven_at: Option<DateTime<Utc>>,
    proofs: Vec<String>,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

impl<S> FromRequestParts<S> for Session
where
    S: Send + Sync,
    Identity: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let room = Identity::from_ref(state);
        let now = room.cx.clock.now();
        let token = room
            .cookie
            .read(Cookie::Session, &parts.headers)
            .ok_or(Error::Unauthenticated)?;
        let mut tx = room.cx.db.begin(Scope::House("whose session")).await?;
        let found = store::find_live(&mut tx, &secret::hash(token), now).await?;
        if let Some((session, seen_at)) = found
            && seen_at.is_none_or(|seen_at| seen_at + SEEN_EVERY < now)
        {
            store::seen(&mut tx, session.id, now).await?;
        }
        tx.commit().await?;
        found
            .map(|(session, _)| session)
            .ok_or(Error::Unauthenticated)
    }
}

/// As [`Session`], but none is no refusal.
impl<S> axum::extract::OptionalFromRequestParts<S> for Session
where
    S: Send + Sync,
    Identity: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Error> {
        match <Self as FromRequestParts<S>>::from_request_parts(parts, state).await {
            Ok(session) => Ok(Some(session)),
            Err(Error::Unauthenticated) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
