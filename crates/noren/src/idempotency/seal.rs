use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;

/// What belongs to one sending, not to the answer.
const NOT_KEPT: [HeaderName; 4] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::DATE,
    header::TRANSFER_ENCODING,
];

/// What is made of the client's key for one asker and route. The client's key itself is never kept, so nobody else opens what
/// it sealed: not another asker who guesses it, nor a reader of the database.
pub(super) struct Keys {
    scope: [u8; 32],
    body: [u8; 32],
    answer: [u8; 32],
}

impl Keys {
    /// HKDF (RFC 5869) with the house's secret as salt. None never happens: the lengths are fixed.
    pub(super) fn derive(house: &SecretSlice<u8>, key: &str, about: &[&str]) -> Option<Self> {
        let source = Hkdf::<Sha256>::new(Some(house.expose_secret()), key.as_bytes());
        let derived = |purpose: &str| {
            let mut out = [0_u8; 32];
            // lengths first, so that no two lists of words are the same bytes
            let info = std::iter::once(&purpose)
                .chain(about)
                .fold(Vec::new(), |mut info, word| {
                    info.extend_from_slice(&word.len().to_be_bytes());
                    info.extend_from_slice(word.as_bytes());
                    info
                });
            source.expand(&info, &mut out).ok().map(|()| out)
        };
        Some(Self {
            scope: derived("scope")?,
            body: derived("body")?,
            answer: derived("answer")?,
        })
    }

    pub(super) fn scope(&self) -> Vec<u8> {
        self.scope.to_vec()
    }

    /// Tells a request from another with the same key.
    pub(super) fn fingerprint(&self, path: &str, body: &[u8]) -> Vec<u8> {
        let Ok(mut mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.body) else {
            return Vec::new();
        };
        mac.update(&path.len().to_be_bytes());
        mac.update(path.as_bytes());
        mac.update(body);
        mac.finalize().into_bytes().to_vec()
    }

    /// The answer for the database; bound to the request that it answers.
    pub(super) fn seal(&self, said: &Said, fingerprint: &[u8]) -> Option<Vec<u8>> {
        seal::close(&self.answer, fingerprint, &said.encode()?).ok()
    }

    pub(super) fn open(&self, sealed: &[u8], fingerprint: &[u8]) -> Option<Said> {
        let opened = seal::disclose(&self.answer, fingerprint, sealed).ok()?;
        Said::decode(opened.expose_secret())
    }
}

/// An answer as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Said {
    pub(super) fn of(status: u16, headers: &HeaderMap, body: &[u8]) -> Self {
        let headers = headers
            .iter()
            .filter(|(name, _)| !NOT_KEPT.contains(name))
            .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
            .collect();
        Self {
            status,
            headers,
            body: body.to_vec(),
        }
    }

    /// The head's length, the head, the body.
    fn encode(&self) -> Option<Vec<u8>> {
        let head = serde_json::to_vec(&(self.status, &self.headers)).ok()?;
        let length = u32::try_from(head.len()).ok()?.to_be_bytes();
        Some([length.as_slice(), &head, &self.body].concat())
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (head, body) = rest.split_at_checked(length)?;
        let (status, headers) = serde_json::from_slice(head).ok()?;
        Some(Self {
            status,
            headers,
            body: body.to_vec(),
        })
    }

    pub(super) fn response(self) -> Option<Response> {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = StatusCode::from_u16(self.status).ok()?;
        for (name, value) in self.headers {
            response.headers_mut().append(
                HeaderName::try_from(name).ok()?,
                HeaderValue::from_bytes(&value).ok()?,
            );
        }
        Some(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(key: &str, about: &[&str]) -> Keys {
        Keys::derive(&SecretSlice::from(vec![7; 32]), key, about).unwrap()
    }

    #[test]
    fn only_the_same_key_asker_route_and_request_open_an_answer() {
        let mut headers = HeaderMap::new();
        headers.append("set-cookie", HeaderValue::from_static("a=1"));
        headers.append("set-cookie", HeaderValue::from_static("b=2"));
        headers.append("content-length", HeaderValue::from_static("6"));
        let said = Said::of(201, &headers, b"secret");
        let own = keys("a key", &["tenant", "/keys"]);
        let request = own.fingerprint("/keys", b"{}");
        let sealed = own.seal(&said, &request).unwrap();
        assert!(!sealed.windows(6).any(|part| part == b"secret"));
        let again = keys("a key", &["tenant", "/keys"]);
        let opened = again.open(&sealed, &request).unwrap();
        assert_eq!(opened, said);
        let response = opened.response().unwrap();
        assert_eq!(
            (response.status().as_u16(), response.headers().len()),
            (201, 2)
        );
        for other in [
            keys("another", &["tenant", "/keys"]),
            keys("a key", &["another", "/keys"]),
            keys("a key", &["tenant", "/tenants"]),
            keys("a key", &["tenant/", "keys"]),
        ] {
            assert_eq!(other.open(&sealed, &request), None);
            assert_ne!(other.scope(), own.scope());
        }
        assert_eq!(own.open(&sealed, &own.fingerprint("/keys", b"{ }")), None);
        assert_eq!(own.open(&sealed[..20], &request), None);
        assert_ne!(sealed, own.seal(&said, &request).unwrap());
    }
}
