//! The issuer that stands in: it checks everything that a good one checks, and signs whatever it is told to.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    routing::{get, post},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use identity::{Config, IssuerConfig};
use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};
use p256::pkcs8::EncodePrivateKey;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::access::{ACCOUNT_URL, House};

pub(super) const CLIENT: &str = "noren-client";
pub(super) const SECRET: &str = "s3cret/+";

/// An issuer with a key, its codes, and what was asked of it.
pub(super) struct Outside {
    pub(super) url: String,
    pub(super) inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
pub(super) struct Inner {
    pub(super) url: String,
    pub(super) keys: Vec<Value>,
    pub(super) codes: HashMap<String, Code>,
    pub(super) discoveries: usize,
    pub(super) key_reads: usize,
    pub(super) exchanges: Vec<String>,
    pub(super) is_down: bool,
    /// Replaces fields of the configuration.
    pub(super) says: Value,
}

pub(super) struct Code {
    pub(super) challenge: String,
    pub(super) id_token: String,
}

type Shared = State<Arc<Mutex<Inner>>>;

async fn configuration(State(inner): Shared) -> (StatusCode, Json<Value>) {
    let mut inner = inner.lock().unwrap();
    inner.discoveries += 1;
    let url = &inner.url;
    let mut document = json!({
        "issuer": url,
        "authorization_endpoint": format!("{url}/authorize?tenant=1"),
        "token_endpoint": format!("{url}/token"),
        "jwks_uri": format!("{url}/keys"),
        "id_token_signing_alg_values_supported": ["ES256", "RS256", "PS256", "EdDSA", "HS256", "none"],
    });
    if let Some(says) = inner.says.as_object() {
        for (field, value) in says {
            document[field] = value.clone();
        }
    }
    let status = if inner.is_down { 500 } else { 200 };
    (StatusCode::from_u16(status).unwrap(), Json(document))
}

async fn keys(State(inner): Shared) -> Json<Value> {
    let mut inner = inner.lock().unwrap();
    inner.key_reads += 1;
    Json(json!({ "keys": inner.keys }))
}

/// Checks everything that a good issuer checks.
async fn token(
    State(inner): Shared,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, Json<Value>) {
    let mut inner = inner.lock().unwrap();
    inner.exchanges.push(body.clone());
    let form: HashMap<String, String> = url::form_urlencoded::parse(body.as_bytes())
        .into_owned()
        .collect();
    let credentials = format!("{CLIENT}:{}", "s3cret%2F%2B");
    let basic = format!(
        "Basic {}",
        base64::engine::general_purpose::STANDARD.encode(credentials)
    );
    let code = inner.codes.remove(&form["code"]);
    let good = code.filter(|code| {
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&form["code_verifier"]));
        form["grant_type"] == "authorization_code"
            && form["redirect_uri"] == format!("{ACCOUNT_URL}/auth/callback")
            && headers[header::AUTHORIZATION] == basic
            && challenge == code.challenge
    });
    match good {
        Some(code) => (
            StatusCode::OK,
            Json(
                json!({ "token_type": "Bearer", "access_token": "at", "id_token": code.id_token }),
            ),
        ),
        None => (
            StatusCode::BAD_REQUEST,
            Json(json!({ "error": "invalid_grant" })),
        ),
    }
}

/// A key with its public form.
pub(super) struct Key {
    pub(super) kid: String,
    pub(super) algorithm: Algorithm,
    pub(super) sign: EncodingKey,
    pub(super) public: Value,
}

impl Key {
    pub(super) fn ec(kid: &str, seed: u8) -> Self {
        let secret = p256::SecretKey::from_slice(&[seed; 32]).unwrap();
        let sign = EncodingKey::from_ec_der(secret.to_pkcs8_der().unwrap().as_bytes());
        Self::of(kid, Algorithm::ES256, sign)
    }

    pub(super) fn rsa(kid: &str, algorithm: Algorithm) -> Self {
        // made for these tests, and for nothing else
        Self::of(
            kid,
            algorithm,
            EncodingKey::from_rsa_der(include_bytes!("rsa.der")),
        )
    }

    pub(super) fn ed(kid: &str) -> Self {
        let mut der = hex::decode("302e020100300506032b657004220420").unwrap();
        der.extend([7; 32]);
        Self::of(kid, Algorithm::EdDSA, EncodingKey::from_ed_der(&der))
    }

    pub(super) fn of(kid: &str, algorithm: Algorithm, sign: EncodingKey) -> Self {
        let mut public =
            serde_json::to_value(Jwk::from_encoding_key(&sign, algorithm).unwrap()).unwrap();
        public["kid"] = json!(kid);
        public["use"] = json!("sig");
        Self {
            kid: kid.to_owned(),
            algorithm,
            sign,
            public,
        }
    }

    pub(super) fn header(&self) -> Header {
        Header {
            kid: Some(self.kid.clone()),
            ..Header::new(self.algorithm)
        }
    }

    pub(super) fn sign(&self, claims: &Value) -> String {
        jsonwebtoken::encode(&self.header(), claims, &self.sign).unwrap()
    }
}

impl Outside {
    pub(super) async fn start(keys: &[&Key]) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let inner = Arc::new(Mutex::new(Inner {
            url: url.clone(),
            keys: keys.iter().map(|key| key.public.clone()).collect(),
            ..Inner::default()
        }));
        let app = Router::new()
            .route("/.well-known/openid-configuration", get(configuration))
            .route("/keys", get(self::keys))
            .route("/token", post(token))
            .with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, inner }
    }

    pub(super) fn config(&self, id: &str) -> IssuerConfig {
        IssuerConfig {
            id: id.to_owned(),
            url: self.url.clone(),
            client_id: CLIENT.to_owned(),
            client_secret: Some(SECRET.to_owned().into()),
            title: Some("外の門".to_owned()),
            jwks_url: None,
            scopes: "openid email profile".to_owned(),
            trust_email: true,
        }
    }

    pub(super) fn counts(&self) -> (usize, usize) {
        let inner = self.inner.lock().unwrap();
        (inner.discoveries, inner.key_reads)
    }

    pub(super) fn publish(&self, keys: &[&Key]) {
        self.inner.lock().unwrap().keys = keys.iter().map(|key| key.public.clone()).collect();
    }

    pub(super) fn claims(&self, house: &House, sub: &str) -> Value {
        let now = house.test.cx.clock.now().timestamp();
        json!({
            "iss": self.url, "sub": sub, "aud": CLIENT, "iat": now, "exp": now + 3600, "auth_time": now,
            "email": "guest@outside.test", "email_verified": true, "name": "外の人", "locale": "en-US",
        })
    }

    /// A house that people may enter from here.
    pub(super) async fn house(&self) -> House {
        self.house_with(|_| ()).await
    }

    pub(super) async fn house_with(&self, change: impl FnOnce(&mut IssuerConfig)) -> House {
        let mut issuer = self.config("outside");
        change(&mut issuer);
        House::open_with(Config {
            issuers: vec![issuer],
            ..Config::at(ACCOUNT_URL)
        })
        .await
    }
}
