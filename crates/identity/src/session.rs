mod store;

use std::convert::Infallible;

use api::RequestId;
use axum::{
    extract::{FromRef, FromRequestParts},
    http::{HeaderMap, header, request::Parts},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Duration, Utc};
use db::{Ctx, Scope};
use kernel::Fault;
use sha2::{Digest, Sha256};
use sqlx::PgConnection;

use crate::{Error, Identity, Principal, SessionId, TenantId, UserId, audit};

const LIFETIME: Duration = Duration::days(30);

/// A live session of a user or a guest. As an extractor it refuses requests without one (401).
#[derive(Clone, Copy, Debug)]
pub struct Session {
    pub id: SessionId,
    pub principal: Principal,
}

/// A session that was just opened, with the token for its cookie, which is not kept anywhere else.
#[derive(Debug)]
pub struct NewSession {
    pub session: Session,
    pub(crate) token: String,
}

/// What is remembered of the request behind an action.
#[derive(Clone, Debug)]
pub struct RequestMeta {
    pub request_id: String,
    pub user_agent: String,
}

/// How the session cookie is written: behind https with the `__Host-` prefix and `Secure`. Plain http is for
/// loopback only, which the configuration makes sure of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CookieStyle {
    Https,
    PlainHttp,
}

impl CookieStyle {
    const fn name(self) -> &'static str {
        match self {
            Self::Https => "__Host-noren_session",
            Self::PlainHttp => "noren_session",
        }
    }

    const fn secure(self) -> &'static str {
        match self {
            Self::Https => "; Secure",
            Self::PlainHttp => "",
        }
    }

    /// The `Set-Cookie` value that opens a session.
    pub(crate) fn set(self, token: &str) -> String {
        format!(
            "{}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={}{}",
            self.name(),
            LIFETIME.num_seconds(),
            self.secure()
        )
    }

    /// The `Set-Cookie` value that forgets it.
    pub(crate) fn clear(self) -> String {
        format!(
            "{}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0{}",
            self.name(),
            self.secure()
        )
    }

    fn read(self, headers: &HeaderMap) -> Option<&str> {
        headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find_map(|(name, value)| (name == self.name()).then_some(value))
    }
}

/// Opens a guest's session with a personal tenant of its own, in one transaction.
pub async fn guest(room: &Identity, meta: &RequestMeta) -> Result<NewSession, Error> {
    let cx = &room.cx;
    let mut tx = cx.db.begin(Scope::House("a guest comes in")).await?;
    let tenant = crate::user::new_tenant(&mut tx, cx).await?;
    let new = open(&mut tx, cx, Principal { tenant, user: None }, meta).await?;
    tx.commit().await?;
    Ok(new)
}

/// Ends a session on the server, so that a copy of the cookie is worthless.
pub async fn sign_out(room: &Identity, session: Session, meta: &RequestMeta) -> Result<(), Error> {
    let cx = &room.cx;
    let mut tx = cx.db.begin(Scope::House("sign-out")).await?;
    store::revoke(&mut tx, session.id, cx.clock.now()).await?;
    audit::record(
        &mut tx,
        cx,
        meta,
        session.principal,
        "session.end",
        &session.id.to_string(),
    )
    .await?;
    tx.commit().await?;
    Ok(())
}

/// Opens a session in the caller's transaction.
pub(crate) async fn open(
    conn: &mut PgConnection,
    cx: &Ctx,
    principal: Principal,
    meta: &RequestMeta,
) -> Result<NewSession, Error> {
    let token = new_token()?;
    let session = Session {
        id: cx.ids.new_id(),
        principal,
    };
    let now = cx.clock.now();
    store::insert(
        conn,
        &Row {
            id: session.id,
            token_hash: hash(&token),
            tenant_id: principal.tenant,
            user_id: principal.user,
            user_agent: meta.user_agent.clone(),
            created_at: now,
            expires_at: now + LIFETIME,
        },
    )
    .await?;
    audit::record(
        conn,
        cx,
        meta,
        principal,
        "session.start",
        &session.id.to_string(),
    )
    .await?;
    Ok(NewSession { session, token })
}

/// Ends the session that a new one replaces.
pub(crate) async fn replace(
    conn: &mut PgConnection,
    cx: &Ctx,
    session: Session,
) -> Result<(), Error> {
    store::revoke(conn, session.id, cx.clock.now()).await?;
    Ok(())
}

#[derive(Debug)]
struct Row {
    id: SessionId,
    token_hash: Vec<u8>,
    tenant_id: TenantId,
    user_id: Option<UserId>,
    user_agent: String,
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
        let token = room
            .cookie
            .read(&parts.headers)
            .ok_or(Error::Unauthenticated)?;
        let mut tx = room.cx.db.begin(Scope::House("whose session")).await?;
        let session = store::find_live(&mut tx, &hash(token), room.cx.clock.now()).await?;
        tx.commit().await?;
        session.ok_or(Error::Unauthenticated)
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

impl<S: Send + Sync> FromRequestParts<S> for RequestMeta {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let user_agent = parts
            .headers
            .get(header::USER_AGENT)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        Ok(Self {
            request_id: parts
                .extensions
                .get::<RequestId>()
                .map(|id| id.0.clone())
                .unwrap_or_default(),
            user_agent: user_agent.chars().take(200).collect(),
        })
    }
}

/// 256 random bits for a cookie.
fn new_token() -> Result<String, Fault> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes)
        .map_err(|e| Fault::internal("no entropy for a session", e.to_string()))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

fn hash(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_closed_to_scripts_and_read_from_among_others() {
        let set = CookieStyle::Https.set("t0ken");
        assert!(
            set.starts_with(
                "__Host-noren_session=t0ken; Path=/; HttpOnly; SameSite=Lax; Max-Age=2592000"
            ),
            "{set}"
        );
        assert!(
            set.ends_with("; Secure") && !set.contains("Domain"),
            "{set}"
        );
        let mut headers = HeaderMap::new();
        headers.append(
            header::COOKIE,
            "a=1; noren_session=x; __Host-noren_session=y"
                .parse()
                .unwrap(),
        );
        assert_eq!(CookieStyle::Https.read(&headers), Some("y"));
        assert_eq!(CookieStyle::PlainHttp.read(&headers), Some("x"));
    }
}
