use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration as StdDuration,
};

use axum::http::header::CONTENT_TYPE;
use chrono::{DateTime, Duration, Utc};
use futures::StreamExt;
use jsonwebtoken::{Algorithm, jwk::Jwk};
use kernel::Fault;
use reqwest::{Client, RequestBuilder, redirect::Policy};
use secrecy::ExposeSecret;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::sync::Mutex;
use url::{Url, form_urlencoded};

use super::{
    IssuerConfig,
    id_token::{self, Claims, Rules},
};
use crate::Error;

/// An issuer's answer has to be whole within this time.
const PATIENCE: StdDuration = StdDuration::from_secs(10);
/// The largest answer that is read, in bytes.
const LARGEST: usize = 256 * 1024;
/// What an issuer says about itself is read anew after this long, and used for longer only while it is away.
const FRESH: Duration = Duration::hours(1);
const USABLE: Duration = Duration::days(1);
/// After a failure an issuer is left alone for this long.
const REST: Duration = Duration::seconds(5);
/// Keys that we don't know make us ask at most this often.
const ASK_EVERY: Duration = Duration::seconds(10);

/// An issuer outside, with what it said about itself.
#[derive(Debug)]
pub(super) struct Issuer {
    pub(super) config: IssuerConfig,
    http: Client,
    known: RwLock<Option<Arc<Known>>>,
    /// Held while the issuer is asked, so that it is asked once however many wait for the answer.
    asking: Mutex<Asked>,
}

#[derive(Debug, Default)]
struct Asked {
    failed_at: Option<DateTime<Utc>>,
    for_keys_at: Option<DateTime<Utc>>,
}

#[derive(Debug)]
pub(super) struct Known {
    document: Document,
    algorithms: Vec<Algorithm>,
    keys: Vec<Jwk>,
    read_at: DateTime<Utc>,
}

/// What we need of an issuer's configuration (OpenID Connect Discovery §3).
#[derive(Clone, Debug, Default, Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    jwks_uri: Option<String>,
    id_token_signing_alg_values_supported: Option<Vec<String>>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
struct Keys {
    keys: Vec<Value>,
}

#[derive(Debug, Deserialize)]
struct Exchanged {
    id_token: Option<String>,
}

/// What a trip to the issuer carries along (OpenID Connect Core §3.1.2.1, RFC 7636).
#[derive(Debug)]
pub(super) struct Question<'a> {
    pub(super) redirect_uri: &'a str,
    pub(super) state: &'a str,
    pub(super) nonce: &'a str,
    pub(super) challenge: &'a str,
    /// Whether the user has to prove who they are even if the issuer knows it.
    pub(super) again: bool,
}

/// A code that somebody brought back, and what proves that it was asked for here.
#[derive(Debug)]
pub(super) struct Code<'a> {
    pub(super) text: &'a str,
    pub(super) verifier: &'a str,
    pub(super) redirect_uri: &'a str,
}

/// A client with time-outs that follows no redirect: an issuer's answer comes from where we asked.
pub(super) fn client() -> Result<Client, Fault> {
    Client::builder()
        .connect_timeout(StdDuration::from_secs(5))
        .timeout(PATIENCE)
        .redirect(Policy::none())
        .user_agent(concat!("noren/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|e| Fault::internal("no HTTP client for issuers", e))
}

impl Issuer {
    pub(super) fn new(config: IssuerConfig, http: Client) -> Self {
        Self {
            config,
            http,
            known: RwLock::default(),
            asking: Mutex::default(),
        }
    }

    /// Whether a token says that it comes from here.
    pub(super) fn is(&self, iss: &str) -> bool {
        iss.trim_end_matches('/') == self.config.url.trim_end_matches('/')
    }

    /// Where the browser goes to sign in.
    pub(super) async fn sign_in_url(
        &self,
        question: &Question<'_>,
        now: DateTime<Utc>,
    ) -> Result<String, Error> {
        let known = self.known(now).await?;
        let endpoint = endpoint(known.document.authorization_endpoint.as_deref())?;
        let mut url = Url::parse(endpoint)
            .map_err(|e| Fault::internal("an issuer's endpoint is no URL", e))?;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.config.client_id)
            .append_pair("redirect_uri", question.redirect_uri)
            .append_pair("scope", &self.config.scopes)
            .append_pair("state", question.state)
            .append_pair("nonce", question.nonce)
            .append_pair("code_challenge", question.challenge)
            .append_pair("code_challenge_method", "S256");
        if question.again {
            url.query_pairs_mut()
                .append_pair("prompt", "login")
                .append_pair("max_age", "0");
        }
        Ok(url.into())
    }

    /// Exchanges a code for an ID token.
    pub(super) async fn exchange(
        &self,
        code: &Code<'_>,
        now: DateTime<Utc>,
    ) -> Result<String, Error> {
        let known = self.known(now).await?;
        let request = self.code_request(code, &known.document)?;
        let answer: Exchanged = self.ask(request).await?;
        answer
            .id_token
            .ok_or(Error::IssuerRefused("the issuer gave no ID token"))
    }

    fn code_request(&self, code: &Code<'_>, document: &Document) -> Result<RequestBuilder, Error> {
        let mut request = self
            .http
            .post(endpoint(document.token_endpoint.as_deref())?)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", code.text)
            .append_pair("redirect_uri", code.redirect_uri)
            .append_pair("client_id", &self.config.client_id)
            .append_pair("code_verifier", code.verifier);
        if let Some(secret) = &self.config.client_secret {
            let methods = document.token_endpoint_auth_methods_supported.as_deref();
            if takes_basic(methods) {
                // both are form-encoded first (RFC 6749 §2.3.1)
                let encoded = |text: &str| -> String {
                    form_urlencoded::byte_serialize(text.as_bytes()).collect()
                };
                let password = encoded(secret.expose_secret());
                request = request.basic_auth(encoded(&self.config.client_id), Some(password));
            } else {
                form.append_pair("client_secret", secret.expose_secret());
            }
        }
        Ok(request.body(form.finish()))
    }

    /// Checks an ID token of this issuer.
    pub(super) async fn check(
        &self,
        token: &str,
        nonce: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<Claims, Error> {
        let mut known = self.known(now).await?;
        let header = id_token::header(token, &known.algorithms).map_err(Error::IssuerRefused)?;
        let mut key = id_token::key_for(&known.keys, &header).map_err(Error::IssuerRefused)?;
        if key.is_none() {
            known = self.ask_for_keys(now).await?;
            key = id_token::key_for(&known.keys, &header).map_err(Error::IssuerRefused)?;
        }
        let key = key.ok_or(Error::IssuerRefused("the issuer has no such key"))?;
        let rules = Rules {
            issuer: &known.document.issuer,
            client_id: &self.config.client_id,
            nonce,
            now,
        };
        id_token::check(token, &header, key, &rules).map_err(Error::IssuerRefused)
    }

    fn remembered(&self) -> Option<Arc<Known>> {
        self.known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn remember(&self, known: Known) -> Arc<Known> {
        let known = Arc::new(known);
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&known));
        known
    }

    /// What the issuer says about itself; asked for at the first use and every hour.
    async fn known(&self, now: DateTime<Utc>) -> Result<Arc<Known>, Error> {
        let is_fresh = |known: &Arc<Known>| known.read_at + FRESH > now;
        if let Some(known) = self.remembered().filter(is_fresh) {
            return Ok(known);
        }
        let mut asked = self.asking.lock().await;
        // somebody else may have asked while we waited
        if let Some(known) = self.remembered().filter(is_fresh) {
            return Ok(known);
        }
        let usable = self
            .remembered()
            .filter(|known| known.read_at + USABLE > now);
        if asked.failed_at.is_some_and(|failed| failed + REST > now) {
            return usable.ok_or(Error::IssuerAway);
        }
        match self.discover(now).await {
            Ok(known) => {
                asked.failed_at = None;
                Ok(self.remember(known))
            }
            Err(error) => {
                asked.failed_at = Some(now);
                tracing::warn!(issuer = self.config.id, %error, "an issuer can't be read");
                usable.ok_or(Error::IssuerAway)
            }
        }
    }

    /// Reads the keys once more because a token names one that we don't know; soon after the last time nothing is asked,
    /// so that nobody makes us a nuisance to the issuer with invented names.
    async fn ask_for_keys(&self, now: DateTime<Utc>) -> Result<Arc<Known>, Error> {
        let before = self.known(now).await?;
        let mut asked = self.asking.lock().await;
        let current = self.remembered().unwrap_or(before);
        if asked.for_keys_at.is_some_and(|at| at + ASK_EVERY > now) {
            return Ok(current);
        }
        asked.for_keys_at = Some(now);
        metrics::counter!("issuer_key_refreshes_total").increment(1);
        match self.keys(&current.document).await {
            Ok(keys) => Ok(self.remember(Known {
                document: current.document.clone(),
                algorithms: current.algorithms.clone(),
                keys,
                read_at: current.read_at,
            })),
            Err(error) => {
                tracing::warn!(issuer = self.config.id, %error, "an issuer's keys can't be read");
                Ok(current)
            }
        }
    }

    async fn discover(&self, now: DateTime<Utc>) -> Result<Known, Error> {
        let base = self.config.url.trim_end_matches('/');
        let url = format!("{base}/.well-known/openid-configuration");
        let mut read_at = now;
        let document = match self.ask::<Document>(self.http.get(url)).await {
            Ok(document) if self.is(&document.issuer) => document,
            Ok(_) => {
                return Err(Error::IssuerRefused(
                    "the configuration is another issuer's",
                ));
            }
            // whoever names the keys can judge tokens without the document; only the trip needs it, so it is soon asked for
            // again
            Err(_) if self.config.jwks_url.is_some() => {
                read_at = now - FRESH + ASK_EVERY;
                match self.remembered() {
                    Some(before) => before.document.clone(),
                    None => Document {
                        issuer: self.config.url.clone(),
                        ..Document::default()
                    },
                }
            }
            Err(error) => return Err(error),
        };
        let algorithms =
            id_token::accepted(document.id_token_signing_alg_values_supported.as_deref());
        Ok(Known {
            keys: self.keys(&document).await?,
            algorithms,
            document,
            read_at,
        })
    }

    async fn keys(&self, document: &Document) -> Result<Vec<Jwk>, Error> {
        let url = self.config.jwks_url.as_deref();
        let url = endpoint(url.or(document.jwks_uri.as_deref()))?;
        let answer: Keys = self.ask(self.http.get(url)).await?;
        // a key of a kind that we don't know is no reason to do without the others
        let readable = answer.keys.into_iter();
        Ok(readable
            .filter_map(|key| serde_json::from_value(key).ok())
            .collect())
    }

    async fn ask<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Error> {
        let away = |error: reqwest::Error| {
            tracing::warn!(issuer = self.config.id, %error, "an issuer did not answer");
            Error::IssuerAway
        };
        let response = request.send().await.map_err(away)?;
        let status = response.status();
        let mut body = Vec::new();
        let mut chunks = response.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            body.extend_from_slice(&chunk.map_err(away)?);
            if body.len() > LARGEST {
                return Err(Error::IssuerRefused("the answer is too large"));
            }
        }
        if status.is_client_error() {
            tracing::info!(issuer = self.config.id, %status, why = why(&body), "an issuer refused");
            return Err(Error::IssuerRefused("the issuer refused"));
        }
        if !status.is_success() {
            tracing::warn!(issuer = self.config.id, %status, "an issuer failed");
            return Err(Error::IssuerAway);
        }
        serde_json::from_slice(&body)
            .map_err(|_| Error::IssuerRefused("the issuer's answer can't be read"))
    }
}

/// The code of an OAuth error, which tells no secret.
fn why(body: &[u8]) -> String {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let error = answer.get("error").and_then(Value::as_str);
    error.unwrap_or("-").chars().take(60).collect()
}

/// `client_secret_basic` is the default when nothing is announced.
fn takes_basic(methods: Option<&[String]>) -> bool {
    methods.is_none_or(|methods| methods.iter().any(|one| one == "client_secret_basic"))
}

/// An endpoint that codes and keys may travel to or from: https, or this machine. None is known while the issuer's document
/// can't be had.
fn endpoint(url: Option<&str>) -> Result<&str, Error> {
    let safe = |url: &str| {
        Url::parse(url).is_ok_and(|url| {
            let here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
            url.scheme() == "https" || (url.scheme() == "http" && here)
        })
    };
    let url = url.ok_or(Error::IssuerAway)?;
    if safe(url) {
        Ok(url)
    } else {
        Err(Error::IssuerRefused(
            "an endpoint of the issuer is not encrypted",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_encrypted_unless_they_are_here() {
        for (url, good) in [
            ("https://id.example/token", true),
            ("http://127.0.0.1:9/token", true),
            ("http://[::1]/token", true),
            ("http://id.example/token", false),
            ("http://localhost.evil.example/token", false),
            ("ftp://localhost/token", false),
            ("/token", false),
        ] {
            assert_eq!(endpoint(Some(url)).is_ok(), good, "{url}");
        }
        assert!(endpoint(None).is_err());
    }

    #[test]
    fn a_secret_goes_the_way_that_the_issuer_takes() {
        let methods = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(takes_basic(None));
        assert!(takes_basic(Some(&methods(&[
            "client_secret_post",
            "client_secret_basic"
        ]))));
        assert!(!takes_basic(Some(&methods(&["client_secret_post"]))));
    }
}
