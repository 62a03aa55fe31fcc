use axum::{
    extract::{FromRef, FromRequestParts},
    http::{HeaderMap, header, request::Parts},
};

use super::Caller;
use crate::{Error, Identity, Session, access, key, oidc};

/// What a request's headers carry instead of a cookie.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Credential {
    Key(String),
    Token(String),
}

impl Credential {
    /// Reads `X-API-Key` and `Authorization: Bearer`. A header that is there but can't be read is a refusal, so that a
    /// broken credential never falls back to the cookie beside it.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Self>, Error> {
        if let Some(value) = headers.get("x-api-key") {
            let secret = value.to_str().map_err(|_| Error::Unauthenticated)?;
            return Ok(Some(Self::Key(secret.trim().to_owned())));
        }
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            return Ok(None);
        };
        let (scheme, token) = value
            .to_str()
            .ok()
            .and_then(|value| value.split_once(' '))
            .ok_or(Error::Unauthenticated)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Error::Unauthenticated);
        }
        let token = token.trim().to_owned();
        Ok(Some(if token.starts_with(key::PREFIX) {
            Self::Key(token)
        } else {
            Self::Token(token)
        }))
    }
}

impl<S> FromRequestParts<S> for Caller
where
    S: Send + Sync,
    Identity: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let room = Identity::from_ref(state);
        match Credential::of(&parts.headers)? {
            Some(Credential::Key(secret)) => {
                let address = crate::request::address(&parts.extensions);
                key::caller(&room, &secret, address).await
            }
            Some(Credential::Token(token)) => match access::caller(&room, &token).await? {
                Some(caller) => Ok(caller),
                None => oidc::caller(&room, &token).await,
            },
            None => Ok(Session::from_request_parts(parts, state).await?.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, value: &str) -> Result<Option<Credential>, Error> {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::HeaderName::from_bytes(name.as_bytes()).unwrap(),
            value.parse().unwrap(),
        );
        Credential::of(&headers)
    }

    #[test]
    fn keys_and_tokens_are_told_apart_and_broken_headers_refused() {
        let key = |text: &str| Some(Credential::Key(text.to_owned()));
        assert_eq!(read("x-api-key", "nrn_a").unwrap(), key("nrn_a"));
        assert_eq!(read("authorization", "Bearer nrn_a").unwrap(), key("nrn_a"));
        assert_eq!(
            read("authorization", "bearer  nrn_a ").unwrap(),
            key("nrn_a")
        );
        assert_eq!(
            read("authorization", "Bearer a.b.c").unwrap(),
            Some(Credential::Token("a.b.c".to_owned()))
        );
        assert!(read("authorization", "Basic YTpi").is_err());
        assert!(read("authorization", "nrn_a").is_err());
        assert_eq!(read("cookie", "a=b").unwrap(), None);
    }
}
