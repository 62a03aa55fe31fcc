mod store;

use axum::{
    extract::{FromRef, FromRequestParts},
    http::request::Parts,
};
use chrono::{DateTime, Duration, Utc};
use db::{Ctx, Scope};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use kernel::Fault;
use secrecy::{ExposeSecret, SecretSlice};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    Caller, Error, FamilyId, Identity, KeyId, Permission, Principal, SessionId, TenantId, UserId,
    Via, access, caller::Credential, key, oidc, permission, request, revocation, secret,
};

const ISSUER: &str = "noren";
const AUDIENCE: &str = "inference";
const LIFETIME: Duration = Duration::minutes(5);
const PURPOSE: &str = "inference_token";
/// How often an open stream looks whether its reader may still read.
const LOOK_EVERY: std::time::Duration = std::time::Duration::from_millis(300);

/// A short signed pass from the account listener to the inference listener, which needs no database to check it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct InferenceToken {
    pub token: String,
    pub expires_at: DateTime<Utc>,
}

/// Whoever may use models: the holder of a good inference token, of an API key with that scope, or of an access token.
/// As an extractor it refuses every other request (401). No database is asked while this node is up to date.
#[derive(Clone, Debug)]
pub struct InferenceCaller {
    pub principal: Principal,
    /// The storefront whose plan is used.
    pub storefront: String,
    /// What the caller's API key is limited to; none when it came with a token.
    pub key: Option<KeyLimits>,
    /// What ends the caller's right when it is taken back: a session, a key, a family.
    pub(crate) subject: Uuid,
}

/// Where a request notes who it was, for a layer around its route that asks afterwards.
#[derive(Clone, Debug, Default)]
pub struct CallerSeen(std::sync::Arc<std::sync::OnceLock<(Principal, String)>>);

impl CallerSeen {
    /// The caller and its storefront, once it was let in.
    pub fn get(&self) -> Option<&(Principal, String)> {
        self.0.get()
    }

    fn note(&self, caller: &InferenceCaller) {
        // whoever asks twice gets the same caller
        let _ = self.0.set((caller.principal, caller.storefront.clone()));
    }
}

/// What an API key narrows its tenant's plan to.
#[derive(Clone, Debug)]
pub struct KeyLimits {
    pub id: KeyId,
    pub models: Option<Vec<String>>,
    pub daily_cap: Option<i64>,
    pub daily_cost_nano_usd: Option<i64>,
    /// Who made it, and answers for what it does.
    pub made_by: Option<UserId>,
}

/// The storefront of callers whose credential names none.
const STOREFRONT: &str = "genai";

/// The claims of RFC 7519 with the tenant and the storefront.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: Option<Uuid>,
    tid: Uuid,
    sid: Uuid,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    key: Option<Uuid>,
    sf: String,
    iat: i64,
    exp: i64,
}

/// The key that all nodes share.
#[derive(Clone)]
pub(crate) struct Keys {
    sign: EncodingKey,
    check: DecodingKey,
    secret: SecretSlice<u8>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(…)")
    }
}

impl Keys {
    pub(crate) async fn load(cx: &Ctx) -> Result<Self, Fault> {
        let fresh = secret::random::<32>()?;
        let mut tx = cx
            .db
            .begin(Scope::House("the inference token's key"))
            .await
            .map_err(db::fault)?;
        store::insert_key(&mut tx, PURPOSE, &fresh, cx.clock.now())
            .await
            .map_err(db::fault)?;
        let secret = store::key(&mut tx, PURPOSE).await.map_err(db::fault)?;
        tx.commit().await.map_err(db::fault)?;
        Ok(Self {
            sign: EncodingKey::from_secret(&secret),
            check: DecodingKey::from_secret(&secret),
            secret: secret.into(),
        })
    }

    /// A secret of its own for one purpose, the same on every node.
    pub(crate) fn derive(&self, purpose: &str) -> String {
        let bytes = self.derive_bytes(purpose);
        hex::encode(bytes.expose_secret())
            .chars()
            .take(16)
            .collect()
    }

    /// The same as bytes.
    pub(crate) fn derive_bytes(&self, purpose: &str) -> SecretSlice<u8> {
        let mut hash = Sha256::new();
        hash.update(self.secret.expose_secret());
        hash.update(purpose.as_bytes());
        hash.finalize().to_vec().into()
    }
}

/// Makes a token for one storefront, good for five minutes or until what the caller came with is taken back.
pub fn mint_inference_token(
    room: &Identity,
    caller: &Caller,
    storefront: &str,
) -> Result<InferenceToken, Error> {
    if !caller.may(Permission::InferenceUse) {
        return Err(Error::Forbidden);
    }
    let principal = caller.principal;
    let sid = subject(caller.via);
    let now = room.cx.clock.now();
    let expires_at = now + LIFETIME;
    let claims = Claims {
        iss: ISSUER.to_owned(),
        aud: AUDIENCE.to_owned(),
        sub: principal.user.map(|user| user.0),
        tid: principal.tenant.0,
        sid,
        key: principal.key.map(|key| key.0),
        sf: storefront.to_owned(),
        iat: now.timestamp(),
        exp: expires_at.timestamp(),
    };
    let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &room.tokens.sign)
        .map_err(|e| Fault::internal("a token can't be signed", e))?;
    Ok(InferenceToken { token, expires_at })
}

/// What ends a caller's right when it is taken back; an outside issuer's token just runs out.
const fn subject(via: Via) -> Uuid {
    match via {
        Via::Session(SessionId(id)) | Via::Key(KeyId(id)) | Via::Token(FamilyId(id)) => id,
        Via::Outside => Uuid::nil(),
    }
}

fn check(room: &Identity, token: &str) -> Result<InferenceCaller, Error> {
    let mut rules = Validation::new(Algorithm::HS256);
    rules.set_issuer(&[ISSUER]);
    rules.set_audience(&[AUDIENCE]);
    rules.set_required_spec_claims(&["exp", "iss", "aud"]);
    // the library asks the machine's clock; ours is asked below
    rules.validate_exp = false;
    let claims = jsonwebtoken::decode::<Claims>(token, &room.tokens.check, &rules)
        .map_err(|_| Error::Unauthenticated)?
        .claims;
    let now = room.cx.clock.now().timestamp();
    if claims.exp <= now || claims.exp > now + LIFETIME.num_seconds() + 60 {
        return Err(Error::Unauthenticated);
    }
    Ok(InferenceCaller {
        principal: Principal {
            tenant: TenantId(claims.tid),
            user: claims.sub.map(UserId),
            key: claims.key.map(KeyId),
        },
        storefront: claims.sf,
        key: None,
        subject: claims.sid,
    })
}

impl InferenceCaller {
    /// The member of the tenant in whose name the work is done: the caller, or whoever made its key.
    pub fn member(&self) -> Option<UserId> {
        let maker = || self.key.as_ref().and_then(|key| key.made_by);
        self.principal.user.or_else(maker)
    }

    /// A caller whose right to use models was checked, at one storefront.
    pub fn of(caller: &Caller, storefront: &str) -> Self {
        Self {
            principal: caller.principal,
            storefront: storefront.to_owned(),
            key: None,
            subject: subject(caller.via),
        }
    }

    /// The caller of work that goes on long after its request: what its key is limited to, or whether the person may still
    /// use models, is read anew.
    ///
    /// # Errors
    /// `Unauthenticated` and `Forbidden` as for a request that came now.
    pub async fn again(
        room: &Identity,
        principal: Principal,
        storefront: &str,
    ) -> Result<Self, Error> {
        if let Some(id) = principal.key {
            let facts = key::facts_of(room, id).await?;
            let facts = facts.filter(|facts| facts.tenant == principal.tenant);
            let facts = facts.ok_or(Error::Unauthenticated)?;
            return Ok(Self {
                principal,
                storefront: storefront.to_owned(),
                ..Self::with_key(&facts)?
            });
        }
        let user = principal.user.ok_or(Error::Unauthenticated)?;
        let standing = access::standing_of(&room.cx, principal.tenant, user).await?;
        let standing = standing.ok_or(Error::Unauthenticated)?;
        if !permission::allows(standing.role, Permission::InferenceUse) {
            return Err(Error::Forbidden);
        }
        Ok(Self {
            principal,
            storefront: storefront.to_owned(),
            key: None,
            subject: Uuid::nil(),
        })
    }

    /// Refuses once what the caller came with was taken back; for what goes on long after its request was let in.
    pub async fn still_in(&self, room: &Identity) -> Result<(), Error> {
        if !revocation::is_revoked(room, self.subject).await? {
            return Ok(());
        }
        match &self.key {
            // what is heard of a key may also be a change of its terms
            Some(key) if key::is_live(&room.cx, key.id).await? => Ok(()),
            _ => Err(Error::Unauthenticated),
        }
    }

    /// Returns once what the caller came with was taken back, to within half a second: for streams, which outlive the
    /// request that opened them.
    pub async fn taken_back(self, room: Identity) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if matches!(self.still_in(&room).await, Err(Error::Unauthenticated)) {
                return;
            }
        }
    }

    async fn of_parts(room: &Identity, parts: &Parts) -> Result<Self, Error> {
        match Credential::of(&parts.headers)? {
            None => Err(Error::KeyRefused),
            Some(Credential::Key(secret)) => Self::of_key(room, &secret, parts).await,
            Some(Credential::Token(token)) => match check(room, &token) {
                Ok(caller) => {
                    caller.still_in(room).await?;
                    if caller.principal.key.is_some() {
                        // what a key got for itself is limited as the key is
                        return Self::again(room, caller.principal, &caller.storefront).await;
                    }
                    Ok(caller)
                }
                Err(_) => match Self::of_token(room, &token).await {
                    // another house's key, such as a provider's own: tokens have parts
                    Err(Error::Unauthenticated) if !token.contains('.') => Err(Error::KeyRefused),
                    found => found,
                },
            },
        }
    }

    async fn of_key(room: &Identity, secret: &str, parts: &Parts) -> Result<Self, Error> {
        let facts = key::facts(room, secret, request::address(&parts.extensions)).await?;
        Self::with_key(&facts)
    }

    fn with_key(facts: &key::Facts) -> Result<Self, Error> {
        if !facts.scopes.contains(&Permission::InferenceUse) {
            return Err(Error::Forbidden);
        }
        Ok(Self {
            principal: Principal::key(facts.tenant, facts.id),
            storefront: facts.storefront.clone(),
            subject: facts.id.0,
            key: Some(KeyLimits {
                id: facts.id,
                models: facts.models.clone(),
                daily_cap: facts.daily_cap,
                daily_cost_nano_usd: facts.daily_cost_nano_usd,
                made_by: facts.made_by,
            }),
        })
    }

    /// An access token of ours or an ID token of a configured issuer.
    async fn of_token(room: &Identity, token: &str) -> Result<Self, Error> {
        let caller = match access::caller(room, token).await? {
            Some(caller) => caller,
            None => oidc::caller(room, token).await?,
        };
        if !caller.may(Permission::InferenceUse) {
            return Err(Error::Forbidden);
        }
        Ok(Self::of(&caller, STOREFRONT))
    }
}

impl<S> FromRequestParts<S> for InferenceCaller
where
    S: Send + Sync,
    Identity: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let room = Identity::from_ref(state);
        let caller = Self::of_parts(&room, parts).await?;
        if let Some(seen) = parts.extensions.get::<CallerSeen>() {
            seen.note(&caller);
        }
        Ok(caller)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Role};

    #[tokio::test]
    async fn only_our_own_fresh_tokens_pass() {
        let test = testkit::context().await;
        let config = Config::at("https://noren.example");
        let room = Identity::open(test.cx.clone(), config.clone())
            .await
            .unwrap();
        let node = Identity::open(test.cx.clone(), config).await.unwrap();
        let principal = Principal::guest(test.cx.ids.new_id());
        let mut guest = Caller {
            principal,
            role: Role::Guest,
            operator: false,
            via: Via::Session(SessionId(Uuid::from_u128(7))),
            proven_at: None,
            scopes: None,
        };
        let good = mint_inference_token(&room, &guest, "misaki").unwrap().token;
        let caller = check(&node, &good).unwrap();
        assert_eq!(
            (caller.principal, caller.storefront.as_str()),
            (principal, "misaki"),
            "another node shares the key"
        );

        let now = test.cx.clock.now().timestamp();
        let claims = |f: &dyn Fn(&mut Claims)| {
            let mut claims = Claims {
                iss: ISSUER.into(),
                aud: AUDIENCE.into(),
                sub: None,
                tid: Uuid::nil(),
                sid: Uuid::nil(),
                key: None,
                sf: "misaki".into(),
                iat: now,
                exp: now + 300,
            };
            f(&mut claims);
            claims
        };
        let sign = |alg, claims: &Claims, key: &EncodingKey| {
            jsonwebtoken::encode(&Header::new(alg), claims, key).unwrap()
        };
        let own = &room.tokens.sign;
        let mut forged = vec![
            String::new(),
            "x.y.z".to_owned(),
            format!("{good}x"),
            good.replacen("ey", "eY", 1),
            sign(
                Algorithm::HS256,
                &claims(&|_| ()),
                &EncodingKey::from_secret(b"another"),
            ),
            sign(Algorithm::HS512, &claims(&|_| ()), own),
            sign(Algorithm::HS256, &claims(&|c| c.iss = "other".into()), own),
            sign(
                Algorithm::HS256,
                &claims(&|c| c.aud = "account".into()),
                own,
            ),
            sign(Algorithm::HS256, &claims(&|c| c.exp = now), own),
            sign(Algorithm::HS256, &claims(&|c| c.exp = now + 86_400), own),
        ];
        let body = good.split('.').nth(1).unwrap();
        forged.push(format!("eyJhbGciOiJub25lIn0.{body}.")); // {"alg":"none"}
        for token in forged {
            assert!(
                matches!(check(&room, &token), Err(Error::Unauthenticated)),
                "{token}"
            );
        }
        test.time.advance(Duration::minutes(5));
        assert!(check(&room, &good).is_err(), "it has expired");

        guest.role = Role::Child;
        let refused = mint_inference_token(&room, &guest, "misaki");
        assert!(
            matches!(refused, Err(Error::Forbidden)),
            "no models for children"
        );
    }
}
