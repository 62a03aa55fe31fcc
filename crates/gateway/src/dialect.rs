use std::collections::BTreeMap;

use api::{Problem, RequestId};
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use kernel::Lang;
use llm::{Refusal, RefusalKind};
use serde::Serialize;
use serde_json::Value;
use utoipa::openapi::{ContentBuilder, ObjectBuilder, Ref, RefOr, ResponseBuilder};

use crate::Error;

/// The answers that every operation of a vendor's protocol may give instead of its own: refusals in that vendor's words, and in the
/// house's own for what is refused before the door, such as a broken `Idempotency-Key`.
#[derive(Debug)]
pub(crate) struct VendorRefusals;

impl utoipa::IntoResponses for VendorRefusals {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let refusal = |description: &str| {
            ResponseBuilder::new()
                .description(description)
                .content(
                    "application/json",
                    ContentBuilder::new()
                        .schema(Some(ObjectBuilder::new()))
                        .build(),
                )
                .content(
                    "application/problem+json",
                    ContentBuilder::new()
                        .schema(Some(Ref::from_schema_name("Problem")))
                        .build(),
                )
                .build()
                .into()
        };
        BTreeMap::from([
            (
                "4XX".to_owned(),
                refusal("The request is refused, in the form of the vendor's protocol."),
            ),
            (
                "5XX".to_owned(),
                refusal("We failed, or the model's provider; trying again may help."),
            ),
        ])
    }
}

/// The name of the house's own door among the dialects'.
pub(crate) const NATIVE: &str = "native";

/// Whose words a door speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    OpenAi,
    Anthropic,
    RunPod,
}

impl Dialect {
    /// A short name, also the scope of idempotency keys.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::RunPod => "runpod",
        }
    }

    /// The dialect of a request to an address that two vendors have.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        if headers.contains_key("anthropic-version") {
            Self::Anthropic
        } else {
            Self::OpenAi
        }
    }

    fn write(self, refusal: &Refusal, request_id: Option<&str>) -> Value {
        match self {
            Self::OpenAi => llm::openai::door::refuse(refusal),
            Self::Anthropic => llm::anthropic::door::refuse(refusal, request_id),
            Self::RunPod => llm::runpod::door::refuse(refusal),
        }
    }

    /// As a status and a body, where a refusal is no response.
    pub(crate) fn said(self, turned: Turned, lang: Lang) -> (StatusCode, Value) {
        let turned = turned.in_words(lang);
        (turned.status, self.write(&turned.refusal, None))
    }

    /// What came of the work, or its refusal in this dialect.
    pub(crate) fn answer(self, done: Result<Response, Turned>, lang: Lang) -> Response {
        done.unwrap_or_else(|turned| self.refuse(turned, lang))
    }

    /// As [`Self::answer`], naming the request where Anthropic's clients look for it: in the header, and in what refuses it.
    pub(crate) fn answer_named(
        self,
        done: Result<Response, Turned>,
        lang: Lang,
        id: Option<&RequestId>,
    ) -> Response {
        let named = id.map(|id| id.0.as_str());
        let answer = done.unwrap_or_else(|turned| self.refuse_named(turned, lang, named));
        name_request(answer, id)
    }

    /// Refuses in this dialect.
    pub(crate) fn refuse(self, turned: Turned, lang: Lang) -> Response {
        self.refuse_named(turned, lang, None)
    }

    fn refuse_named(self, turned: Turned, lang: Lang, request_id: Option<&str>) -> Response {
        let Turned {
            refusal,
            status,
            problem,
        } = turned.in_words(lang);
        let mut body = self.write(&refusal, request_id);
        if (self, status) == (Self::Anthropic, StatusCode::PAYMENT_REQUIRED)
            && let Some(kind) = body.pointer_mut("/error/type")
        {
            *kind = "billing_error".into();
        }
        if let Some(suggestion) = problem
            .as_ref()
            .and_then(|problem| problem.suggestion.as_ref())
            && let Some(error) = body.get_mut("error").and_then(Value::as_object_mut)
            && let Ok(suggestion) = serde_json::to_value(suggestion)
        {
            error.insert("suggestion".to_owned(), suggestion);
        }
        if let Some(topup) = problem.as_ref().and_then(|problem| problem.topup.as_ref())
            && let Some(error) = body.get_mut("error").and_then(Value::as_object_mut)
            && let Ok(topup) = serde_json::to_value(topup)
        {
            error.insert("topup".to_owned(), topup);
        }
        if self == Self::RunPod
            && let (Some(body), Some(problem)) = (body.as_object_mut(), &problem)
        {
            // the protocol has no place for a code, and its clients pass over what they do not know
            body.insert("code".to_owned(), problem.code.into());
        }
        let mut response = json(status, &body);
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = problem.as_ref().and_then(|problem| problem.retry_after) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if !may_pass(refusal.kind) {
            // both vendors' clients read it, and would else ask again for what stays refused
            headers.insert("x-should-retry", HeaderValue::from_static("false"));
        }
        if let Some(problem) = &problem {
            problem.mark(&mut response);
        }
        response
    }
}

/// What a waiting client may try again by itself. What failed upstream has been tried again here.
const fn may_pass(kind: RefusalKind) -> bool {
    matches!(
        kind,
        RefusalKind::RateLimited | RefusalKind::Overloaded | RefusalKind::Internal
    )
}

/// Tells a request's id where Anthropic's clients look for it.
fn name_request(mut response: Response, id: Option<&RequestId>) -> Response {
    if let Some(value) = id.and_then(|id| HeaderValue::from_str(&id.0).ok()) {
        response.headers_mut().insert("request-id", value);
    }
    response
}

/// A request that was turned away, before its dialect is known.
#[derive(Debug)]
pub(crate) struct Turned {
    pub(crate) refusal: Refusal,
    pub(crate) status: StatusCode,
    pub(crate) problem: Option<Box<Problem>>,
}

impl Turned {
    /// With the problem's text in one language.
    fn in_words(mut self, lang: Lang) -> Self {
        if let Some(problem) = &self.problem {
            problem.text.get(lang).clone_into(&mut self.refusal.message);
        }
        self
    }

    /// As the words that end a stream which has begun.
    pub(crate) fn into_refusal(self, lang: Lang) -> Refusal {
        self.in_words(lang).refusal
    }
}

impl From<Refusal> for Turned {
    fn from(refusal: Refusal) -> Self {
        Self {
            status: StatusCode::from_u16(refusal.kind.status())
                .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            refusal,
            problem: None,
        }
    }
}

impl From<Problem> for Turned {
    fn from(problem: Problem) -> Self {
        let kind = match problem.status.as_u16() {
            401 => RefusalKind::Unauthenticated,
            402 => RefusalKind::OutOfQuota,
            403 => RefusalKind::Forbidden,
            404 => RefusalKind::NotFound,
            409 => RefusalKind::Conflict,
            413 => RefusalKind::TooLarge,
            429 => RefusalKind::RateLimited,
            502 => RefusalKind::Upstream,
            503 => RefusalKind::Overloaded,
            408 | 504 => RefusalKind::TimedOut,
            400..=499 => RefusalKind::Invalid,
            _ => RefusalKind::Internal,
        };
        // the vendors' word for a key that is not good is one that programs look for
        let code = (kind != RefusalKind::Unauthenticated).then(|| problem.code.to_owned());
        let status = match problem.status {
            StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
            status => status,
        };
        Self {
            refusal: Refusal {
                kind,
                message: String::new(),
                pointer: problem.fields.first().map(|field| field.pointer.clone()),
                code,
            },
            status,
            problem: Some(Box::new(problem)),
        }
    }
}

impl From<Error> for Turned {
    fn from(error: Error) -> Self {
        Problem::from(error).into()
    }
}

impl From<sqlx::Error> for Turned {
    fn from(error: sqlx::Error) -> Self {
        Error::from(error).into()
    }
}

/// A JSON answer that nobody keeps.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    let body = serde_json::to_vec(body).unwrap_or_default();
    (status, headers, Body::from(body)).into_response()
}

/// The language that a caller asks for. Programs that name none of ours read English, as the vendors' do: those that say nothing, or
/// another, or whose HTTP client says `*` for them.
pub(crate) fn lang(headers: &HeaderMap) -> Lang {
    headers
        .get("accept-language")
        .and_then(|value| value.to_str().ok())
        .map_or(Lang::En, |said| {
            Lang::from_accept_language(&format!("{said},en"))
        })
}

#[cfg(test)]
mod tests {
    use kernel::Text;

    use super::*;

    fn turned(status: u16, code: &'static str) -> Response {
        let problem = Problem::new(status, code, Text::new("だめ", "no")).with_retry_after(7);
        Dialect::OpenAi.refuse(problem.into(), Lang::En)
    }

    #[test]
    fn too_fast_and_nothing_left_are_told_apart() {
        for (status, code, sent, retry) in [
            (429, "rate_exceeded", 429, None),
            (402, "quota_exhausted", 402, Some("false")),
            (402, "model_not_in_plan", 402, Some("false")),
            (422, "invalid_input", 400, Some("false")),
            (503, "database_unavailable", 503, None),
        ] {
            let response = turned(status, code);
            assert_eq!(response.status().as_u16(), sent, "{code}");
            let should = response.headers().get("x-should-retry");
            assert_eq!(should.and_then(|v| v.to_str().ok()), retry, "{code}");
            assert_eq!(response.headers().get("retry-after").unwrap(), "7");
        }
    }
}
