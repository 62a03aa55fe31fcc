mod family;
mod http;
mod password;
mod signer;
mod store;
mod tokens;

use chrono::{DateTime, Duration, Utc};
use db::{Ctx, Scope};
use jsonwebtoken::{Algorithm, Validation};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    Caller, Error, FamilyId, Identity, Permission, Principal, RequestMeta, TenantId, UserId, Via,
    audit, oauth, revocation, secret, session, user,
};

pub(crate) use family::{Entry, Family, Standing};
pub(crate) use http::router;
pub(crate) use signer::Signer;
pub use signer::rotate_issuer_key;
pub(crate) use tokens::{Tokens, answer, begin, refresh};

/// Who our access tokens are for.
const AUDIENCE: &str = "noren";
/// The media type that tells an access token from every other token (RFC 9068 §2.1).
const TYPE: &str = "at+jwt";
/// What tokens say instead of a client's id when the user gave the client the password itself. No client has it.
pub(crate) const NO_CLIENT: &str = "noren";
pub(crate) const LIFETIME: Duration = Duration::minutes(5);
/// How far the clocks of two nodes may be apart.
const SKEW: Duration = Duration::minutes(1);

/// The claims of an access token (RFC 9068 §2.2) with the tenant and the family.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Claims {
    iss: String,
    aud: String,
    pub(crate) sub: UserId,
    tid: TenantId,
    pub(crate) sid: FamilyId,
    client_id: String,
    /// None: all that the user may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) scope: Option<String>,
    auth_time: i64,
    amr: Vec<String>,
    jti: Uuid,
    iat: i64,
    exp: i64,
}

impl Claims {
    /// Whether the token is good for this scope.
    pub(crate) fn has_scope(&self, wanted: &str) -> bool {
        self.scope
            .as_ref()
            .is_none_or(|scope| scope.split(' ').any(|one| one == wanted))
    }

    fn permissions(&self) -> Option<Vec<Permission>> {
        let scope = self.scope.as_ref()?;
        Some(
            scope
                .split(' ')
                .filter_map(Permission::from_scope)
                .collect(),
        )
    }
}

/// Signs an access token for a family.
async fn mint(room: &Identity, family: &Family, scopes: &[String]) -> Result<String, Error> {
    let now = room.cx.clock.now();
    let claims = Claims {
        iss: room.access.issuer().to_owned(),
        aud: AUDIENCE.to_owned(),
        sub: family.user,
        tid: family.tenant,
        sid: family.id,
        client_id: family
            .client
            .clone()
            .unwrap_or_else(|| NO_CLIENT.to_owned()),
        scope: (!scopes.is_empty()).then(|| scopes.join(" ")),
        auth_time: family.proven_at.timestamp(),
        amr: family.proofs.clone(),
        jti: room.cx.ids.new_id(),
        iat: now.timestamp(),
        exp: (now + LIFETIME).timestamp(),
    };
    room.access.sign(&room.cx, TYPE, &claims).await
}

/// The caller of an access token of ours; none when another issuer made it.
pub(crate) async fn caller(room: &Identity, token: &str) -> Result<Option<Caller>, Error> {
    let Some(claims) = read(room, token).await? else {
        return Ok(None);
    };
    caller_of(room, &claims).await.map(Some)
}

/// The caller of checked claims: still signed in, still a member.
pub(crate) async fn caller_of(room: &Identity, claims: &Claims) -> Result<Caller, Error> {
    let mut tx = room.cx.db.begin(Scope::House("whose token")).await?;
    let live = store::is_live(&mut tx, claims.sid, room.cx.clock.now()).await?;
    let standing = standing(&mut tx, claims.tid, claims.sub).await?;
    tx.commit().await?;
    let standing = standing.filter(|_| live).ok_or(Error::Unauthenticated)?;
    Ok(Caller {
        principal: Principal::user(claims.tid, claims.sub),
        role: standing.role,
        operator: standing.operator,
        via: Via::Token(claims.sid),
        proven_at: DateTime::from_timestamp(claims.auth_time, 0),
        scopes: claims.permissions(),
    })
}

/// The claims of an access token of ours; none when another issuer made it.
///
/// # Errors
/// `Unauthenticated` when it says that it is ours and anything about it is not as we write it.
pub(crate) async fn read(room: &Identity, token: &str) -> Result<Option<Claims>, Error> {
    if issuer_of(token).as_deref() != Some(room.access.issuer()) {
        return Ok(None);
    }
    let refused = |_| Error::Unauthenticated;
    let header = jsonwebtoken::decode_header(token).map_err(refused)?;
    let is_ours = header.alg == Algorithm::ES256
        && header.crit.is_none()
        && header.typ.as_deref() == Some(TYPE);
    let kid = header
        .kid
        .filter(|_| is_ours)
        .ok_or(Error::Unauthenticated)?;
    let key = room.access.key(&room.cx, &kid).await?;
    let key = key.ok_or(Error::Unauthenticated)?;
    let mut rules = Validation::new(Algorithm::ES256);
    rules.set_issuer(&[room.access.issuer()]);
    rules.set_audience(&[AUDIENCE]);
    rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    // the library asks the machine's clock; ours is asked below
    rules.validate_exp = false;
    let claims = jsonwebtoken::decode::<Claims>(token, &key, &rules)
        .map_err(refused)?
        .claims;
    let now = room.cx.clock.now();
    let latest = (now + SKEW).timestamp();
    let in_time = now.timestamp() < claims.exp
        && claims.iat <= latest
        && claims.exp <= latest + LIFETIME.num_seconds();
    in_time
        .then_some(Some(claims))
        .ok_or(Error::Unauthenticated)
}

/// What a token says about its issuer, unchecked: only for choosing whose rules to check it by.
pub(crate) fn issuer_of(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Issuer {
        iss: String,
    }
    let claims: Issuer = jsonwebtoken::dangerous::insecure_decode_claims(token).ok()?;
    Some(claims.iss)
}

/// As [`standing`], in a transaction of its own.
pub(crate) async fn standing_of(
    cx: &Ctx,
    tenant: TenantId,
    user: UserId,
) -> Result<Option<Standing>, Error> {
    let mut tx = cx.db.begin(Scope::House("whose work")).await?;
    let found = standing(&mut tx, tenant, user).await?;
    tx.commit().await?;
    Ok(found)
}

/// What a user is in a tenant; none when they are no member, or one of the two is gone.
pub(crate) async fn standing(
    conn: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
) -> sqlx::Result<Option<Standing>> {
    store::standing(conn, tenant, user).await
}

/// The family of a refresh token, whatever has become of both.
pub(crate) async fn find_by_token(
    conn: &mut PgConnection,
    token: &str,
) -> sqlx::Result<Option<Family>> {
    match store::family_of_token(conn, &secret::hash(token)).await? {
        Some(id) => store::find_family(conn, id).await,
        None => Ok(None),
    }
}

pub(crate) async fn find(conn: &mut PgConnection, id: FamilyId) -> sqlx::Result<Option<Family>> {
    store::find_family(conn, id).await
}

/// The API clients that a user is signed in with.
pub(crate) async fn list(
    conn: &mut PgConnection,
    user: UserId,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<session::View>> {
    store::list(conn, user, now).await
}

/// Ends one of the user's own families; says whether it was one.
pub(crate) async fn end_own(
    conn: &mut PgConnection,
    cx: &Ctx,
    user: UserId,
    family: FamilyId,
) -> Result<bool, Error> {
    let ended = store::end(
        conn,
        family,
        Some(user),
        "ended by its user",
        cx.clock.now(),
    )
    .await?;
    if ended {
        revocation::publish(conn, cx, &[family.0]).await?;
    }
    Ok(ended)
}

/// Ends a family because something of it was used twice, which is written down.
pub(crate) async fn end_for_reuse(
    conn: &mut PgConnection,
    cx: &Ctx,
    family: &Family,
    action: &'static str,
    meta: &RequestMeta,
) -> Result<(), Error> {
    if store::end(conn, family.id, None, "used twice", cx.clock.now()).await? {
        revocation::publish(conn, cx, &[family.id.0]).await?;
        metrics::counter!("refresh_token_reuse_total").increment(1);
    }
    audit::Action::new(action, family.id)
        .record(conn, cx, meta, Principal::user(family.tenant, family.user))
        .await?;
    Ok(())
}

/// Ends a family because its client says so.
pub(crate) async fn end_by_client(
    conn: &mut PgConnection,
    cx: &Ctx,
    family: &Family,
    meta: &RequestMeta,
) -> Result<(), Error> {
    if store::end(conn, family.id, None, "revoked", cx.clock.now()).await? {
        revocation::publish(conn, cx, &[family.id.0]).await?;
        audit::Action::new("token.revoke", family.id)
            .record(conn, cx, meta, Principal::user(family.tenant, family.user))
            .await?;
    }
    Ok(())
}

/// Ends a user's families, everywhere: all but `except`, or only those that act for `tenant`. Codes that would lead to
/// new ones end too.
pub(crate) async fn end_all(
    conn: &mut PgConnection,
    cx: &Ctx,
    user: UserId,
    except: Option<FamilyId>,
    tenant: Option<TenantId>,
) -> Result<(), Error> {
    user::lock(conn, user).await?;
    oauth::void_codes(conn, cx, user, tenant).await?;
    let ended = store::end_all(conn, user, except, tenant, cx.clock.now()).await?;
    revocation::publish(conn, cx, &ended).await
}

/// Ends all families of a client, everywhere.
pub(crate) async fn end_of_client(
    conn: &mut PgConnection,
    cx: &Ctx,
    client: &str,
) -> Result<(), Error> {
    let ended = store::end_of_client(conn, client, cx.clock.now()).await?;
    revocation::publish(conn, cx, &ended).await
}
