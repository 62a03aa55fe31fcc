use std::error::Error;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use kernel::{Fault, FaultKind, Text};
use serde::Serialize;

/// A refusal on its way out. It becomes RFC 9457 problem+json in the caller's language at the border, where the
/// request's id and language are known.
#[derive(Clone, Debug)]
pub struct Problem {
    pub status: StatusCode,
    /// Stable, the last part of `type`.
    pub code: &'static str,
    pub text: Text,
    pub fields: Vec<FieldError>,
    /// Seconds, also sent as `Retry-After`.
    pub retry_after: Option<u64>,
    pub suggestion: Option<Suggestion>,
    pub topup: Option<Box<SuggestedTopUp>>,
    /// The names of the limits that are used up, as in the `RateLimit` field.
    pub violated: Vec<String>,
    /// The encodings of bodies that are taken, where one was not: `Accept-Encoding`.
    pub(crate) taken: Option<Taken>,
}

/// How bodies may come at a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    Compressed,
    AsTheyAre,
}

impl Taken {
    /// For `Accept-Encoding`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Compressed => "gzip, deflate, br, zstd",
            Self::AsTheyAre => "identity",
        }
    }
}

/// What is wrong with one field of the input.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// JSON pointer (RFC 6901) into the body, or `?name` for a query parameter.
    pub pointer: String,
    #[schema(value_type = String)]
    pub code: &'static str,
    pub text: Text,
}

/// The cheapest way to be allowed what was refused.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Suggestion {
    pub plan: String,
    pub title: Text,
    /// Where to get it, relative to the web app.
    pub url: String,
}

/// The cheapest units that are bought once and would allow what was refused.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct SuggestedTopUp {
    pub topup: String,
    pub title: Text,
    pub price_yen: i64,
    /// Where to get it, relative to the web app.
    pub url: String,
}

/// The body of a refusal (RFC 9457).
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    pub r#type: String,
    pub code: String,
    pub status: u16,
    /// The status in words.
    pub title: String,
    /// What happened and what to do, in the language asked for.
    pub detail: String,
    /// The same in both languages.
    pub text: Text,
    pub request_id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<Suggestion>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topup: Option<Box<SuggestedTopUp>>,
    /// The names of the limits that are used up, as in the `RateLimit` field.
    #[serde(rename = "violated-policies", skip_serializing_if = "Vec::is_empty")]
    pub violated: Vec<String>,
}

/// On a refusal's response: the limits that are used up, and the seconds of `Retry-After`.
#[derive(Clone, Debug)]
pub struct Violated {
    pub names: Vec<String>,
    pub retry_after: Option<u64>,
}

impl Problem {
    /// A refusal with a stable code.
    pub fn new(status: u16, code: &'static str, text: Text) -> Self {
        Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            code,
            text,
            fields: Vec::new(),
            retry_after: None,
            suggestion: None,
            topup: None,
            violated: Vec::new(),
            taken: None,
        }
    }

    pub fn not_found() -> Self {
        Self::new(
            404,
            "not_found",
            Text::new(
                "見つかりませんでした。URLをお確かめください。",
                "There is nothing here. Please check the address.",
            ),
        )
    }

    pub fn with_fields(mut self, fields: Vec<FieldError>) -> Self {
        self.fields = fields;
        self
    }

    pub fn with_retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    pub(crate) const fn taking(mut self, taken: Taken) -> Self {
        self.taken = Some(taken);
        self
    }

    pub fn with_violated(mut self, policy: &str) -> Self {
        self.violated.push(policy.to_owned());
        self
    }

    /// Notes on a response which limits it is refused by, or what would not have been.
    pub fn mark(&self, response: &mut Response) {
        if let Some(taken) = self.taken {
            let taken = HeaderValue::from_static(taken.as_str());
            response
                .headers_mut()
                .insert(header::ACCEPT_ENCODING, taken);
        }
        if !self.violated.is_empty() {
            response.extensions_mut().insert(Violated {
                names: self.violated.clone(),
                retry_after: self.retry_after,
            });
        }
    }

    pub fn with_suggestion(mut self, suggestion: Option<Suggestion>) -> Self {
        self.suggestion = suggestion;
        self
    }

    pub fn with_topup(mut self, topup: Option<Box<SuggestedTopUp>>) -> Self {
        self.topup = topup;
        self
    }
}

impl From<Fault> for Problem {
    /// Logs the fault with its chain; its text never reaches the caller.
    fn from(fault: Fault) -> Self {
        match fault.kind {
            FaultKind::Internal => {
                tracing::error!(error = chain(&fault), "fault");
                Self::new(
                    500,
                    "internal",
                    Text::new(
                        "こちらの不具合で処理できませんでした。時間をおいてもう一度お試しください。",
                        "Something went wrong on our side. Please try again in a while.",
                    ),
                )
            }
            FaultKind::Unavailable => {
                tracing::warn!(error = chain(&fault), "fault that may pass");
                Self::new(
                    503,
                    "database_unavailable",
                    Text::new(
                        "ただいま混み合っているか、記録に手が届きません。少し待ってもう一度お試しください。",
                        "We can't reach our records right now. Please try again in a moment.",
                    ),
                )
                .with_retry_after(2)
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        self.mark(&mut response);
        response.extensions_mut().insert(self);
        response
    }
}

/// An error and its causes in one line.
fn chain(error: &dyn Error) -> String {
    std::iter::successors(error.source(), |&e| e.source())
        .fold(error.to_string(), |all, cause| format!("{all}: {cause}"))
}
