use std::{collections::HashMap, time::Duration};

use axum::{
    extract::{FromRequest, Request},
    http::header,
};
use url::form_urlencoded;

use super::refusal::{Code, Refusal};

/// The largest form that is read, in bytes.
const LARGEST: usize = 16 * 1024;
/// A form has to arrive whole within this time.
const PATIENCE: Duration = Duration::from_secs(12);

/// Parameters of a request, none of them twice (RFC 6749 §3.1 and §3.2). An empty one counts as left out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters {
    values: HashMap<String, String>,
    /// Names that came more than once, which makes the request as a whole suspicious.
    repeated: Vec<String>,
}

impl Parameters {
    pub(super) fn parse(text: &str) -> Self {
        let mut parameters = Self::default();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            if value.is_empty() {
                continue;
            }
            // PostgreSQL can't hold a NUL, and nothing that we gave out has one
            let broken = value.contains('\0');
            let before = parameters
                .values
                .insert(name.clone().into_owned(), value.into_owned());
            if before.is_some() || broken {
                parameters.repeated.push(name.into_owned());
            }
        }
        parameters
    }

    /// A parameter that came once.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        if self.repeated.iter().any(|one| one == name) {
            return None;
        }
        self.values.get(name).map(String::as_str)
    }

    pub(super) fn are_sound(&self) -> bool {
        self.repeated.is_empty()
    }
}

/// A form that was read within its limits.
#[derive(Debug)]
pub(super) struct Form(pub(super) Parameters);

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let refuse = |why| Refusal::OAuth(Code::InvalidRequest, why);
        let headers = request.headers();
        let is_form = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .is_some_and(|media| {
                media
                    .trim()
                    .eq_ignore_ascii_case("application/x-www-form-urlencoded")
            });
        if !is_form {
            return Err(refuse("send the body as application/x-www-form-urlencoded"));
        }
        if headers.contains_key(header::AUTHORIZATION) {
            return Err(Refusal::OAuth(
                Code::InvalidClient,
                "clients are public: name client_id in the body and no secret",
            ));
        }
        if headers.contains_key(header::CONTENT_ENCODING) {
            return Err(refuse("send the body as it is, without Content-Encoding"));
        }
        let body = axum::body::to_bytes(request.into_body(), LARGEST);
        let body = tokio::time::timeout(PATIENCE, body)
            .await
            .map_err(|_| refuse("the body took too long to arrive"))?
            .map_err(|_| refuse("the body is too large or ended early"))?;
        let text = std::str::from_utf8(&body).map_err(|_| refuse("the body is no text"))?;
        let parameters = Parameters::parse(text);
        if !parameters.are_sound() {
            return Err(refuse("a parameter came twice or holds a NUL"));
        }
        if parameters.get("client_secret").is_some() {
            return Err(Refusal::OAuth(
                Code::InvalidClient,
                "clients are public: none has a secret",
            ));
        }
        Ok(Self(parameters))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_count_once_and_empty_ones_not_at_all() {
        let read = Parameters::parse("a=1&b=&c=%E6%9A%96+%E7%B0%BE&a=2&d=x%00");
        assert_eq!((read.get("a"), read.get("b")), (None, None));
        assert_eq!(read.get("c"), Some("暖 簾"));
        assert_eq!(read.get("d"), None);
        assert!(!read.are_sound());
        assert!(Parameters::parse("a=1&b=&b=").are_sound());
    }
}
