mod objects;
mod signature;

use std::time::Duration;

use futures::StreamExt;
use reqwest::{Client, RequestBuilder, redirect::Policy};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use url::form_urlencoded;

use crate::StripeConfig;

pub(crate) use objects::{
    Charge, CheckoutSession, Customer, Dispute, Event, Invoice, InvoicePayment, Line, List, Owed,
    PortalSession, Preview, Refund, Subscription, instant,
};
pub(crate) use signature::Secrets;
pub use signature::sign;

/// The largest answer that is read, in bytes.
const LARGEST: usize = 4 * 1024 * 1024;
const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(15);

/// Parameters of a call, in the names that Stripe's forms have.
pub(crate) type Form<'a> = &'a [(&'a str, &'a str)];

/// Why Stripe did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StripeError {
    #[error("Stripe can't be reached: {0}")]
    Unreachable(#[source] reqwest::Error),
    #[error("Stripe answered {status} {code}: {message}")]
    Refused {
        status: u16,
        code: String,
        message: String,
    },
    #[error("Stripe's answer can't be read: {0}")]
    Garbled(String),
}

impl StripeError {
    /// Whether the same call may go well later.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            // 409: the same operation is under way
            Self::Refused { status, .. } => *status == 409 || *status == 429 || *status >= 500,
            Self::Garbled(_) => false,
        }
    }

    /// Whether the money did not come: the card was declined, or its holder has to say yes in person.
    pub(crate) fn is_declined(&self) -> bool {
        matches!(self, Self::Refused { status: 402, .. })
    }

    /// Whether there is no such object.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }
}

/// What is wrong with the settings, in words for the operator.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("billing.stripe.secret_key is not a key that can be sent")]
    BadKey,
    #[error("billing.stripe.api_url is not a URL: {0}")]
    BadUrl(String),
    #[error(
        "billing.stripe.webhook_secrets: one or two secrets are needed, which begin with whsec_"
    )]
    BadSecrets,
    #[error("no HTTP client can be made: {0}")]
    Http(#[source] reqwest::Error),
}

/// Stripe's interface, as much of it as we use. It follows no redirects and forgets no time-out; a call that changes
/// something carries a key of its operation, so that asking twice does it once.
#[derive(Clone)]
pub(crate) struct Stripe {
    http: Client,
    base: String,
    key: SecretString,
    version: String,
}

impl Stripe {
    pub(crate) fn open(config: StripeConfig) -> Result<Self, OpenError> {
        let url = url::Url::parse(&config.api_url);
        if !url.is_ok_and(|url| url.scheme() == "https" || url.scheme() == "http") {
            return Err(OpenError::BadUrl(config.api_url));
        }
        let key = config.secret_key.expose_secret();
        if key.is_empty() || !key.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(OpenError::BadKey);
        }
        let http = Client::builder()
            .redirect(Policy::none())
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .build()
            .map_err(OpenError::Http)?;
        Ok(Self {
            http,
            base: config.api_url.trim_end_matches('/').to_owned(),
            key: config.secret_key,
            version: config.api_version,
        })
    }

    /// Reads an object or a list.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: Form<'_>,
    ) -> Result<T, StripeError> {
        let mut url = format!("{}{path}", self.base);
        if !query.is_empty() {
            url = url + "?" + &encode(query);
        }
        self.answer(self.http.get(url)).await
    }

    /// Does something once, however often it is asked for under the same key: a lost answer is asked for again, and the
    /// answer is the first one's.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        form: Form<'_>,
        operation: &str,
    ) -> Result<T, StripeError> {
        let ask = || {
            self.http
                .post(format!("{}{path}", self.base))
                .header("idempotency-key", operation)
                .header("content-type", "application/x-www-form-urlencoded")
                .body(encode(form))
        };
        match self.answer(ask()).await {
            Err(StripeError::Unreachable(error)) => {
                tracing::warn!(%error, path, "an answer of Stripe's was lost; asking again under the same key");
                self.answer(ask()).await
            }
            done => done,
        }
    }

    /// Ends an object. Asking again is refused as missing or over, which the caller takes for done.
    pub(crate) async fn delete<T: DeserializeOwned>(
        &self,
        path: &str,
        operation: &str,
    ) -> Result<T, StripeError> {
        let request = self.http.delete(format!("{}{path}", self.base));
        self.answer(request.header("idempotency-key", operation))
            .await
    }

    async fn answer<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, StripeError> {
        let response = request
            .bearer_auth(self.key.expose_secret())
            .header("stripe-version", &self.version)
            .send()
            .await
            .map_err(StripeError::Unreachable)?;
        let status = response.status();
        let mut body = Vec::new();
        let mut chunks = response.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            body.extend_from_slice(&chunk.map_err(StripeError::Unreachable)?);
            if body.len() > LARGEST {
                return Err(StripeError::Garbled("it is too large".to_owned()));
            }
        }
        if !status.is_success() {
            return Err(objects::refusal(status.as_u16(), &body));
        }
        serde_json::from_slice(&body).map_err(|error| StripeError::Garbled(error.to_string()))
    }
}

fn encode(form: Form<'_>) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form)
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_told_from_what_never_will() {
        let refused = |status| StripeError::Refused {
            status,
            code: String::new(),
            message: String::new(),
        };
        for status in [409, 429, 500, 503] {
            assert!(refused(status).may_pass(), "{status}");
        }
        for status in [400, 401, 402, 403, 404] {
            assert!(!refused(status).may_pass(), "{status}");
        }
        assert_eq!(
            encode(&[("line_items[0][price]", "price_1"), ("a", "b c&d")]),
            "line_items%5B0%5D%5Bprice%5D=price_1&a=b+c%26d"
        );
    }

    #[test]
    fn settings_that_can_not_work_are_refused_without_showing_the_key() {
        let open = |url: &str, key: &str| {
            let _ = rustls::crypto::ring::default_provider().install_default();
            Stripe::open(StripeConfig {
                api_url: url.to_owned(),
                secret_key: key.into(),
                api_version: String::new(),
                webhook_secrets: Vec::new(),
            })
            .map(drop)
            .map_err(|error| error.to_string())
        };
        assert!(open("https://api.stripe.com", "sk_test_1").is_ok());
        assert!(
            open("ftp://api.stripe.com", "sk_test_1")
                .unwrap_err()
                .contains("api_url")
        );
        let error = open("https://api.stripe.com", "sk_test_1\n").unwrap_err();
        assert!(error.contains("secret_key") && !error.contains("sk_test_1"));
    }
}
