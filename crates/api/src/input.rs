use std::{error::Error, str::FromStr};

use axum::{
    extract::{FromRequest, FromRequestParts, Path, Request},
    http::{header, request::Parts},
};
use kernel::{Cursor, Fault, PageRequest, Text};
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    FieldError, Problem, Stalled,
    encoding::{Encoding, Folded},
};

/// The largest body that a route takes, in bytes, unless it has an extractor of its own.
const BODY_LIMIT: usize = 256 * 1024;

/// Input that knows its own rules.
pub trait Check {
    /// Adds an error for every field that breaks a rule.
    fn check(&self, errors: &mut FieldErrors);
}

/// The errors found so far.
#[derive(Debug, Default)]
pub struct FieldErrors(Vec<FieldError>);

impl FieldErrors {
    /// Adds an error unless `ok`.
    pub fn require(&mut self, ok: bool, pointer: &str, code: &'static str, text: Text) {
        if !ok {
            self.0.push(FieldError {
                pointer: pointer.to_owned(),
                code,
                text,
            });
        }
    }

    /// Requires a length in characters.
    pub fn length(&mut self, value: &str, pointer: &str, min: usize, max: usize) {
        let length = value.chars().count();
        self.require(
            (min..=max).contains(&length),
            pointer,
            "length",
            Text::owned(
                format!("{min}〜{max}文字で入力してください。"),
                format!("Please use {min} to {max} characters."),
            ),
        );
    }

    /// The value, unless an error was found.
    ///
    /// # Errors
    /// 422 with every field that was found wrong.
    pub fn into_result<T>(self, value: T) -> Result<T, Problem> {
        if self.0.is_empty() {
            Ok(value)
        } else {
            Err(invalid_input(self.0))
        }
    }
}

/// A JSON body that was read within its limits and keeps its own rules.
#[derive(Debug)]
pub struct ValidJson<T>(pub T);

impl<S, T> FromRequest<S> for ValidJson<T>
where
    S: Send + Sync,
    T: DeserializeOwned + Check,
{
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        require_json(request.headers())?;
        let body = read_body(request, BODY_LIMIT).await?;
        if has_nul_escape(&body) {
            return Err(malformed(
                "NUL文字は使えません。",
                "The text contains a NUL character.",
            ));
        }
        let mut reader = serde_json::Deserializer::from_slice(&body);
        let value: T = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let pointer = pointer_of(error.path());
            if error.inner().is_data() {
                invalid_input(vec![FieldError {
                    pointer,
                    code: "type",
                    text: Text::new(
                        "値の形式が正しくありません。",
                        "The value has the wrong form.",
                    ),
                }])
            } else {
                malformed("JSONとして読めません。", "The body is not valid JSON.")
            }
        })?;
        reader
            .end()
            .map_err(|_| malformed("JSONとして読めません。", "The body is not valid JSON."))?;
        let mut errors = FieldErrors::default();
        value.check(&mut errors);
        errors.into_result(value).map(Self)
    }
}

/// Query parameters that keep their own rules.
#[derive(Debug)]
pub struct ValidQuery<T>(pub T);

impl<S, T> FromRequestParts<S> for ValidQuery<T>
where
    S: Send + Sync,
    T: DeserializeOwned + Check,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let value: T = serde_urlencoded::from_str(query).map_err(|_| {
            invalid_input(vec![FieldError {
                pointer: "?".to_owned(),
                code: "type",
                text: Text::new(
                    "検索条件の形式が正しくありません。",
                    "A query parameter has the wrong form.",
                ),
            }])
        })?;
        if query.contains("%00") {
            return Err(malformed(
                "NUL文字は使えません。",
                "The text contains a NUL character.",
            ));
        }
        let mut errors = FieldErrors::default();
        value.check(&mut errors);
        errors.into_result(value).map(Self)
    }
}

/// An id in the path; what is not an id of this kind can't be found.
#[derive(Clone, Copy, Debug)]
pub struct PathId<T>(pub T);

impl<S, T> FromRequestParts<S> for PathId<T>
where
    S: Send + Sync,
    T: FromStr,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::not_found())?;
        text.parse().map(Self).map_err(|_| Problem::not_found())
    }
}

/// `limit` and `cursor` of a list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// 1 to 100, 20 unless said.
    #[param(minimum = 1, maximum = 100)]
    pub limit: Option<i64>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

impl PageQuery {
    /// What to read, once checked.
    pub fn request(&self) -> PageRequest {
        PageRequest {
            limit: self.limit.unwrap_or(20).clamp(1, 100),
            after: self
                .cursor
                .as_deref()
                .and_then(|text| Cursor::decode(text).ok()),
        }
    }
}

impl Check for PageQuery {
    fn check(&self, errors: &mut FieldErrors) {
        errors.require(
            self.limit.is_none_or(|limit| (1..=100).contains(&limit)),
            "?limit",
            "range",
            Text::new("1〜100で指定してください。", "Please use 1 to 100."),
        );
        errors.require(
            self.cursor
                .as_deref()
                .is_none_or(|text| Cursor::decode(text).is_ok()),
            "?cursor",
            "cursor",
            Text::new(
                "続きの位置が正しくありません。最初から読み直してください。",
                "This is not a cursor of ours. Please start from the first page.",
            ),
        );
    }
}

/// The whole body of a request, unfolded if it came compressed, while its sender is neither too generous nor too slow. The limit
/// counts for what is sent and for what it unfolds to.
///
/// # Errors
/// 413 `body_too_large`, 408 `body_too_slow`, 415 `unsupported_encoding`, 400 `malformed_body`.
pub async fn read_body(request: Request, limit: usize) -> Result<Vec<u8>, Problem> {
    let encoding = Encoding::of(request.headers())?;
    let body = read_body_as_sent(request, limit).await?;
    let Some(encoding) = encoding else {
        return Ok(body);
    };
    tokio::task::spawn_blocking(move || encoding.unfold(&body, limit))
        .await
        .map_err(|error| Fault::internal("a body was not unfolded", error))?
        .map_err(|folded| match folded {
            Folded::TooLarge => too_large(limit),
            Folded::Broken => malformed(
                "圧縮された本文を展開できません。",
                "The body can't be decompressed as its Content-Encoding says.",
            ),
        })
}

fn too_large(limit: usize) -> Problem {
    Problem::new(
        413,
        "body_too_large",
        Text::owned(
            format!("本文が大きすぎます。{}KBまでにしてください。", limit / 1024),
            format!("The body is too large; the limit is {} kB.", limit / 1024),
        ),
    )
}

/// As [`read_body`], the bytes that were sent.
///
/// # Errors
/// 413 `body_too_large`, 408 `body_too_slow`, 400 `malformed_body`.
pub async fn read_body_as_sent(request: Request, limit: usize) -> Result<Vec<u8>, Problem> {
    let declared: Option<usize> = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse().ok());
    if declared.is_some_and(|length| length > limit) {
        return Err(too_large(limit));
    }
    match axum::body::to_bytes(request.into_body(), limit).await {
        Ok(body) => Ok(body.into()),
        Err(error) if is::<http_body_util::LengthLimitError>(&error) => Err(too_large(limit)),
        Err(error) if is::<Stalled>(&error) => Err(Problem::new(
            408,
            "body_too_slow",
            Text::new(
                "本文が届くのを待ちきれませんでした。",
                "The body took too long to arrive.",
            ),
        )),
        Err(_) => Err(malformed(
            "本文が途中で切れました。",
            "The body ended early.",
        )),
    }
}

fn is<E: Error + 'static>(error: &axum::Error) -> bool {
    std::iter::successors(Error::source(error), |&e| e.source()).any(<dyn Error + 'static>::is::<E>)
}

/// Refuses a body that does not call itself JSON, which is all that a foreign page's form could send.
///
/// # Errors
/// `unsupported_media_type`.
pub fn require_json(headers: &http::HeaderMap) -> Result<(), Problem> {
    if is_json(headers) {
        return Ok(());
    }
    Err(Problem::new(
        415,
        "unsupported_media_type",
        Text::new(
            "Content-Type は application/json にしてください。",
            "Send the body as application/json.",
        ),
    ))
}

fn is_json(headers: &http::HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|media| media.trim().eq_ignore_ascii_case("application/json"))
}

/// Whether the JSON text holds an escaped NUL, which Postgres can't store: `\u0000` behind an even number of backslashes.
fn has_nul_escape(body: &[u8]) -> bool {
    let mut backslashes = 0_usize;
    for (at, byte) in body.iter().enumerate() {
        if *byte == b'\\' {
            backslashes += 1;
            continue;
        }
        if backslashes % 2 == 1 && body.get(at..at + 5) == Some(b"u0000") {
            return true;
        }
        backslashes = 0;
    }
    false
}

fn pointer_of(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .fold(String::new(), |pointer, segment| match segment {
            Segment::Seq { index } => format!("{pointer}/{index}"),
            Segment::Map { key } => {
                format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
            }
            Segment::Enum { variant } => format!("{pointer}/{variant}"),
            Segment::Unknown => pointer,
        })
}

fn invalid_input(fields: Vec<FieldError>) -> Problem {
    Problem::new(
        422,
        "invalid_input",
        Text::new(
            "入力に直すところがあります。",
            "Some of the input needs another look.",
        ),
    )
    .with_fields(fields)
}

fn malformed(ja: &'static str, en: &'static str) -> Problem {
    Problem::new(400, "malformed_body", Text::new(ja, en))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Note {
        text: String,
    }

    impl Check for Note {
        fn check(&self, errors: &mut FieldErrors) {
            errors.length(&self.text, "/text", 1, 5);
        }
    }

    async fn read(
        content_type: &str,
        body: impl Into<Body>,
    ) -> Result<String, (u16, &'static str, Option<String>)> {
        let request = Request::builder()
            .header(header::CONTENT_TYPE, content_type)
            .body(body.into())
            .unwrap();
        match ValidJson::<Note>::from_request(request, &()).await {
            Ok(ValidJson(note)) => Ok(note.text),
            Err(p) => Err((
                p.status.as_u16(),
                p.code,
                p.fields.first().map(|f| f.pointer.clone()),
            )),
        }
    }

    #[tokio::test]
    async fn bodies_are_taken_or_refused_with_a_reason() {
        let json = "application/json; charset=utf-8";
        assert_eq!(
            read(json, r#"{"text":"暖簾"}"#).await,
            Ok("暖簾".to_owned())
        );
        assert_eq!(
            read(json, r#"{"text":"\\u0"}"#).await,
            Ok("\\u0".to_owned())
        );
        let field = |pointer: &str| Err((422, "invalid_input", Some(pointer.to_owned())));
        assert_eq!(read(json, r#"{"text":""}"#).await, field("/text"));
        assert_eq!(
            read(json, r#"{"text":"ああああああ"}"#).await,
            field("/text")
        );
        assert_eq!(read(json, r#"{"text":1}"#).await, field("/text"));
        let bad = Err((400, "malformed_body", None));
        for body in [
            r#"{"text":"a"#,
            r#"{"text":"\u0000"}"#,
            r#"{"text":"\\\u0000"}"#,
            r#"{"text":"\ud800"}"#,
            "",
            r#"{"text":"a"} x"#,
            "{\"text\":\"a\u{0}\"}",
            &format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000)),
        ] {
            let got = read(json, body.to_owned()).await;
            assert!(
                got == bad || matches!(got, Err((422, ..))),
                "{body:.40}: {got:?}"
            );
        }
        assert_eq!(read(json, b"{\"text\":\"\xff\"}".to_vec()).await, bad);
        assert_eq!(
            read("text/plain", r#"{"text":"a"}"#).await,
            Err((415, "unsupported_media_type", None))
        );
        let big = format!(r#"{{"text":"{}"}}"#, "a".repeat(BODY_LIMIT));
        assert_eq!(
            read(json, big.clone()).await,
            Err((413, "body_too_large", None))
        );
        let stream = futures::stream::iter(
            big.into_bytes()
                .chunks(1000)
                .map(|c| Ok::<_, std::io::Error>(c.to_vec()))
                .collect::<Vec<_>>(),
        );
        assert_eq!(
            read(json, Body::from_stream(stream)).await,
            Err((413, "body_too_large", None))
        );
    }
}
