use axum::{
    extract::Request,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use llm::{Refusal, RefusalKind};

use crate::dialect::{Dialect, Turned, lang};

/// Answers where nothing is. Whoever calls below `/v1/` or `/v2/` is told so in the words of its vendor, by which its client knows a
/// failure.
pub async fn no_such_path(request: Request) -> Response {
    refused(&request, StatusCode::NOT_FOUND, "unknown_url")
}

/// Answers where something is, but not for this method.
pub async fn no_such_method(request: Request) -> Response {
    refused(
        &request,
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_supported",
    )
}

fn refused(request: &Request, status: StatusCode, code: &str) -> Response {
    let path = request.uri().path();
    let dialect = if path.starts_with("/v2/") {
        Dialect::RunPod
    } else if path.starts_with("/v1/messages") || path == "/v1/complete" {
        Dialect::Anthropic
    } else if path.starts_with("/v1/") {
        Dialect::of(request.headers())
    } else {
        return status.into_response();
    };
    let message = format!("There is no operation {} {path} here.", request.method());
    let refusal = Refusal::new(RefusalKind::NotFound, message).coded(code);
    let turned = Turned {
        status,
        ..refusal.into()
    };
    let lang = lang(request.headers());
    match dialect {
        Dialect::Anthropic => dialect.answer_named(Err(turned), lang, request.extensions().get()),
        _ => dialect.refuse(turned, lang),
    }
}
