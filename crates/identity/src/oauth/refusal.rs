use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::Error;

/// How a client is refused (RFC 6749 §5.2): in the protocol's words, or in the house's when we failed.
#[derive(Debug)]
pub(super) enum Refusal {
    OAuth(Code, &'static str),
    House(Error),
}

/// The protocol's codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    InvalidRequest,
    InvalidClient,
    InvalidGrant,
    InvalidScope,
    UnsupportedGrantType,
    /// Of a bearer token (RFC 6750 §3.1).
    InvalidToken,
    InsufficientScope,
}

impl Code {
    const fn parts(self) -> (StatusCode, &'static str) {
        match self {
            Self::InvalidRequest => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::InvalidClient => (StatusCode::UNAUTHORIZED, "invalid_client"),
            Self::InvalidGrant => (StatusCode::BAD_REQUEST, "invalid_grant"),
            Self::InvalidScope => (StatusCode::BAD_REQUEST, "invalid_scope"),
            Self::UnsupportedGrantType => (StatusCode::BAD_REQUEST, "unsupported_grant_type"),
            Self::InvalidToken => (StatusCode::UNAUTHORIZED, "invalid_token"),
            Self::InsufficientScope => (StatusCode::FORBIDDEN, "insufficient_scope"),
        }
    }

    /// How to do better, for those who speak HTTP's authentication.
    const fn challenge(self) -> Option<&'static str> {
        match self {
            Self::InvalidClient => Some(r#"Basic realm="noren""#),
            Self::InvalidToken => Some(r#"Bearer realm="noren", error="invalid_token""#),
            Self::InsufficientScope => {
                Some(r#"Bearer realm="noren", error="insufficient_scope", scope="openid""#)
            }
            _ => None,
        }
    }
}

/// What the client reads.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = OAuthError)]
pub(super) struct Body {
    #[schema(value_type = String)]
    error: &'static str,
    #[schema(value_type = String)]
    error_description: &'static str,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::Unauthenticated => {
                Self::OAuth(Code::InvalidGrant, "the grant is not good, or not any more")
            }
            Error::Forbidden => Self::OAuth(Code::InvalidScope, "more than was granted"),
            error => Self::House(error),
        }
    }
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        Self::House(error.into())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (code, error_description) = match self {
            Self::OAuth(code, description) => (code, description),
            Self::House(error) => return error.into_response(),
        };
        let (status, error) = code.parts();
        let body = axum::Json(Body {
            error,
            error_description,
        });
        let mut response = (status, [(header::CACHE_CONTROL, "no-store")], body).into_response();
        if let Some(challenge) = code.challenge() {
            let value = HeaderValue::from_static(challenge);
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, value);
        }
        response
    }
}
