use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, Duration, Utc};
use db::{Ctx, Scope};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header,
    jwk::{AlgorithmParameters, Jwk, ThumbprintHash},
};
use kernel::Fault;
use p256::{SecretKey, pkcs8::EncodePrivateKey};
use serde::Serialize;
use sqlx::PgConnection;

use super::store;
use crate::{Error, Identity, RequestMeta, audit, secret};

/// A node signs with a key, and accepts one, for at most this long after another node changed them.
const READ_AGAIN: Duration = Duration::seconds(10);

/// The keys that this house signs access and ID tokens with: ES256, the newest signs, the others are still good.
///
/// The first node makes one; all nodes read them from the database and look again every few seconds, and at once when
/// somebody shows a token of a key that they don't know.
#[derive(Debug)]
pub(crate) struct Signer {
    issuer: String,
    ring: RwLock<Arc<Ring>>,
}

#[derive(Debug)]
struct Ring {
    /// The newest first; never empty.
    keys: Vec<Key>,
    read_at: DateTime<Utc>,
}

/// One key.
pub(super) struct Key {
    kid: String,
    sign: EncodingKey,
    check: DecodingKey,
    public: PublicKey,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({})", self.kid)
    }
}

/// A key as published (RFC 7517).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(super) struct PublicKey {
    kty: String,
    r#use: String,
    alg: String,
    crv: String,
    kid: String,
    x: String,
    y: String,
}

impl Signer {
    pub(crate) async fn load(cx: &Ctx, account_url: &str) -> Result<Self, Fault> {
        let fresh = new_key()?;
        let kid = fresh.kid.clone();
        let mut tx = cx
            .db
            .begin(Scope::House("the issuer's keys"))
            .await
            .map_err(db::fault)?;
        // nodes that start together make one key between them
        store::lock_keys(&mut tx).await.map_err(db::fault)?;
        if store::keys(&mut tx).await.map_err(db::fault)?.is_empty() {
            store::insert_key(&mut tx, &kid, fresh.sign.as_bytes(), cx.clock.now())
                .await
                .map_err(db::fault)?;
        }
        let ring = read(&mut tx, cx).await?;
        tx.commit().await.map_err(db::fault)?;
        Ok(Self {
            issuer: account_url.to_owned(),
            ring: RwLock::new(Arc::new(ring)),
        })
    }

    /// Who we are to those who read our tokens.
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Signs claims with the newest key; `typ` tells an access token from an ID token.
    pub(crate) async fn sign<C: Serialize>(
        &self,
        cx: &Ctx,
        typ: &str,
        claims: &C,
    ) -> Result<String, Error> {
        let ring = self.ring(cx).await?;
        let key = ring
            .keys
            .first()
            .ok_or_else(|| Fault::broken("the issuer has no key"))?;
        let header = Header {
            typ: Some(typ.to_owned()),
            kid: Some(key.kid.clone()),
            ..Header::new(Algorithm::ES256)
        };
        Ok(jsonwebtoken::encode(&header, claims, &key.sign)
            .map_err(|e| Fault::internal("a token can't be signed", e))?)
    }

    /// The key that a token names, if it is one of ours and not retired.
    pub(super) async fn key(&self, cx: &Ctx, kid: &str) -> Result<Option<DecodingKey>, Error> {
        let find = |ring: &Ring| {
            let key = ring.keys.iter().find(|key| key.kid == kid)?;
            Some(key.check.clone())
        };
        if let Some(known) = find(&*self.ring(cx).await?) {
            return Ok(Some(known));
        }
        Ok(find(&*self.read_again(cx).await?))
    }

    /// All keys that tokens may be checked with.
    pub(super) async fn published(&self, cx: &Ctx) -> Result<Vec<PublicKey>, Error> {
        let ring = self.ring(cx).await?;
        Ok(ring.keys.iter().map(|key| key.public.clone()).collect())
    }

    async fn ring(&self, cx: &Ctx) -> Result<Arc<Ring>, Error> {
        let ring = Arc::clone(&*self.ring.read().unwrap_or_else(PoisonError::into_inner));
        if ring.read_at + READ_AGAIN > cx.clock.now() {
            return Ok(ring);
        }
        self.read_again(cx).await
    }

    async fn read_again(&self, cx: &Ctx) -> Result<Arc<Ring>, Error> {
        let mut tx = cx.db.begin(Scope::House("the issuer's keys")).await?;
        let ring = Arc::new(read(&mut tx, cx).await?);
        tx.commit().await?;
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&ring);
        Ok(ring)
    }
}

/// Makes a new key, which signs from now on; gives its id. The one before stays good, those before that are retired, so
/// that two rotations get rid of a key that leaked.
///
/// # Errors
/// When the database is away.
pub async fn rotate_issuer_key(room: &Identity, meta: &RequestMeta) -> Result<String, Error> {
    let cx = &room.cx;
    let fresh = new_key()?;
    let mut tx = cx.db.begin(Scope::House("a new issuer's key")).await?;
    store::lock_keys(&mut tx).await?;
    store::insert_key(&mut tx, &fresh.kid, fresh.sign.as_bytes(), cx.clock.now()).await?;
    store::retire_keys(&mut tx, cx.clock.now()).await?;
    audit::Action::new("issuer_key.rotate", &fresh.kid)
        .record_as(&mut tx, cx, meta, None, "operator")
        .await?;
    tx.commit().await?;
    room.access.read_again(cx).await?;
    Ok(fresh.kid)
}

async fn read(conn: &mut PgConnection, cx: &Ctx) -> Result<Ring, Fault> {
    let rows = store::keys(conn).await.map_err(db::fault)?;
    let keys = rows
        .iter()
        .map(|secret| key_of(secret))
        .collect::<Result<_, _>>()?;
    Ok(Ring {
        keys,
        read_at: cx.clock.now(),
    })
}

fn new_key() -> Result<Key, Fault> {
    // a random number is no scalar of the curve once in 2^32 times
    let secret = loop {
        if let Ok(secret) = SecretKey::from_slice(&secret::random::<32>()?) {
            break secret;
        }
    };
    let der = secret
        .to_pkcs8_der()
        .map_err(|e| Fault::internal("a key can't be written", e.to_string()))?;
    key_of(der.as_bytes())
}

/// A key from its PKCS #8 form. Its id is its thumbprint (RFC 7638), so nobody can give two keys one id.
fn key_of(der: &[u8]) -> Result<Key, Fault> {
    let unreadable = |e| Fault::internal("an issuer's key can't be read", e);
    let sign = EncodingKey::from_ec_der(der);
    let jwk = Jwk::from_encoding_key(&sign, Algorithm::ES256).map_err(unreadable)?;
    let kid = jwk.thumbprint(ThumbprintHash::SHA256).map_err(unreadable)?;
    let AlgorithmParameters::EllipticCurve(point) = &jwk.algorithm else {
        return Err(Fault::broken("an issuer's key is of another kind"));
    };
    let public = PublicKey {
        kty: "EC".to_owned(),
        r#use: "sig".to_owned(),
        alg: "ES256".to_owned(),
        crv: "P-256".to_owned(),
        kid: kid.clone(),
        x: point.x.clone(),
        y: point.y.clone(),
    };
    Ok(Key {
        check: DecodingKey::from_jwk(&jwk).map_err(unreadable)?,
        kid,
        sign,
        public,
    })
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    use super::*;

    #[test]
    fn a_keys_id_is_its_thumbprint_and_its_secret_is_not_shown() {
        let key = new_key().unwrap();
        let again = key_of(key.sign.as_bytes()).unwrap();
        assert_eq!(again.public, key.public);
        let form = format!(
            r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#,
            key.public.x, key.public.y
        );
        assert_eq!(key.kid, URL_SAFE_NO_PAD.encode(secret::hash(&form)));
        assert_ne!(new_key().unwrap().kid, key.kid);
        let shown = serde_json::to_value(&key.public).unwrap();
        assert!(shown.get("d").is_none(), "{shown}");
        assert_eq!(format!("{key:?}"), format!("Key({})", key.kid));
    }
}
