//! Signature version 4 of AWS, of a given time.
//!
//! Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>.

use std::fmt;
use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// Who signs.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// The id of the key.
    pub access_key: &'a str,
    /// The key.
    pub secret_key: &'a str,
    /// The token of a borrowed key.
    pub session_token: Option<&'a str>,
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
    }
}

/// What is signed.
#[derive(Debug, Clone, Copy)]
pub struct ToSign<'a> {
    /// Such as `POST`.
    pub method: &'a str,
    /// The host as it is sent, with its port where that is not the usual one.
    pub host: &'a str,
    /// The path as it is sent, encoded.
    pub path: &'a str,
    /// Names and values, decoded.
    pub query: &'a [(&'a str, &'a str)],
    /// More headers to sign, their names in lower case.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body.
    pub body: &'a [u8],
    /// Such as `ap-northeast-1`.
    pub region: &'a str,
    /// Such as `bedrock`.
    pub service: &'a str,
    /// When.
    pub time: DateTime<Utc>,
}

/// Gives the headers that make the request signed: `authorization`, `x-amz-date` and, if borrowed, the token.
pub fn sign(request: &ToSign<'_>, who: &Credentials<'_>) -> Vec<(&'static str, String)> {
    let stamp = request.time.format("%Y%m%dT%H%M%SZ").to_string();
    let day = request.time.format("%Y%m%d").to_string();
    let mut headers: Vec<(&str, String)> = request
        .headers
        .iter()
        .map(|(name, value)| (*name, squeezed(value)))
        .collect();
    headers.push(("host", request.host.to_owned()));
    headers.push(("x-amz-date", stamp.clone()));
    if let Some(token) = who.session_token {
        headers.push(("x-amz-security-token", token.to_owned()));
    }
    headers.sort();
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");

    let mut canonical = format!(
        "{}\n{}\n{}\n",
        request.method,
        encoded(request.path, true),
        query(request.query)
    );
    for (name, value) in &headers {
        push(&mut canonical, &format!("{name}:{value}\n"));
    }
    let body = hex::encode(Sha256::digest(request.body));
    push(&mut canonical, &format!("\n{names}\n{body}"));

    let scope = format!("{day}/{}/{}/aws4_request", request.region, request.service);
    let digest = hex::encode(Sha256::digest(canonical.as_bytes()));
    let text = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}");
    let key = [request.region, request.service, "aws4_request"]
        .iter()
        .fold(
            mac(format!("AWS4{}", who.secret_key).as_bytes(), &day),
            |key, step| mac(&key, step),
        );
    let signature = hex::encode(mac(&key, &text));

    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
        who.access_key
    );
    let mut signed = vec![("authorization", authorization), ("x-amz-date", stamp)];
    if let Some(token) = who.session_token {
        signed.push(("x-amz-security-token", token.to_owned()));
    }
    signed
}

fn push(all: &mut String, more: &str) {
    all.push_str(more);
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    match Hmac::<Sha256>::new_from_slice(key) {
        Ok(mut mac) => {
            mac.update(text.as_bytes());
            mac.finalize().into_bytes().to_vec()
        }
        // an HMAC takes keys of any length
        Err(_) => Vec::new(),
    }
}

fn squeezed(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Encodes everything but the unreserved characters of RFC 3986, and the slash if it separates.
///
/// A path that is sent encoded is encoded once more for the signature, as every service but S3 wants it.
pub(crate) fn encoded(text: &str, slashes: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'_' | b'.' | b'~')
            || (slashes && byte == b'/');
        if plain {
            out.push(char::from(byte));
        } else {
            // writing to a string can't fail
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn query(pairs: &[(&str, &str)]) -> String {
    let mut pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", encoded(name, false), encoded(value, false)))
        .collect();
    pairs.sort();
    pairs.join("&")
}
