//! Noren as an issuer: the code grant of OAuth 2.1 with PKCE for the operator's own clients, and OpenID Connect upon it.
//!
//! Clients are public: an app or a page keeps no secret, so none is given out and none is asked for; PKCE ties a code to
//! whoever asked for it. Clients are the operator's own, so nobody is asked to consent.

mod authorize;
mod client;
mod form;
mod grant;
mod http;
mod refusal;
mod store;

use chrono::{DateTime, Duration, Utc};
use db::Ctx;
use serde::Serialize;
use sqlx::PgConnection;

use crate::{Error, FamilyId, Permission, TenantId, UserId};

pub use client::{add_client, disable_client, list_clients};
pub(crate) use http::router;

/// How long a code may be exchanged.
const CODE_LIFETIME: Duration = Duration::minutes(1);
/// How long a code is remembered, so that one that comes again is known for what it is.
const CODE_KEPT: Duration = Duration::days(1);
/// What a client may ask for beside permissions. A refresh token comes unasked: `offline_access` is taken for granted.
const OPENID: &str = "openid";
const PROFILE: &str = "profile";
const EMAIL: &str = "email";
const OFFLINE_ACCESS: &str = "offline_access";

/// An app that people may sign in to with their account here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Client {
    /// No secret.
    pub id: String,
    pub name: String,
    /// Where codes may be sent, compared letter by letter.
    pub redirect_uris: Vec<String>,
    pub created_at: DateTime<Utc>,
    pub disabled_at: Option<DateTime<Utc>>,
}

/// A code as it is written down.
#[derive(Debug)]
struct NewCode<'a> {
    hash: Vec<u8>,
    client: &'a str,
    tenant: TenantId,
    user: UserId,
    redirect_uri: &'a str,
    challenge: &'a str,
    nonce: Option<&'a str>,
    scopes: &'a [String],
    proofs: &'a [String],
    proven_at: DateTime<Utc>,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

/// A code as it was written down.
#[derive(Debug)]
struct Written {
    client: String,
    tenant: TenantId,
    user: UserId,
    redirect_uri: String,
    challenge: String,
    nonce: Option<String>,
    scopes: Vec<String>,
    proofs: Vec<String>,
    proven_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    used_at: Option<DateTime<Utc>>,
    family: Option<FamilyId>,
}

/// Everything that a client may ask for. To run the house is for people, not for clients.
fn scopes() -> impl Iterator<Item = &'static str> {
    let permissions = Permission::ALL
        .into_iter()
        .filter(|permission| *permission != Permission::HouseOperate)
        .map(Permission::as_str);
    [OPENID, PROFILE, EMAIL, OFFLINE_ACCESS]
        .into_iter()
        .chain(permissions)
}

/// Makes codes that a user's clients have not used yet worthless: all, or those for one tenant.
pub(crate) async fn void_codes(
    conn: &mut PgConnection,
    cx: &Ctx,
    user: UserId,
    tenant: Option<TenantId>,
) -> Result<(), Error> {
    store::void_codes(conn, user, tenant, cx.clock.now()).await?;
    Ok(())
}

/// Forgets codes long after their time.
pub(crate) async fn clear(conn: &mut PgConnection, cx: &Ctx, most: i64) -> sqlx::Result<()> {
    store::delete_before(conn, cx.clock.now() - CODE_KEPT, most).await
}
