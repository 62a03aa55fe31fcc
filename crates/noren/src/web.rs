use axum::{
    Router,
    extract::Request,
    http::{HeaderValue, Method, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::{MethodRouter, any},
};
use memory_serve::CacheControl;
use tower::ServiceExt;

/// The page that starts the web app.
const INDEX: &str = include_str!(env!("NOREN_WEB_INDEX"));

/// First parts of the paths that the web app knows. Every other path is answered 404, with the app's own page for it.
const PAGES: [&str; 15] = [
    "",
    "sign-in",
    "sign-up",
    "forgot",
    "link",
    "account",
    "admin",
    "plans",
    "unsubscribe",
    "legal",
    "sandbox",
    "misaki",
    "webgpt",
    "genai",
    "narai",
];
/// A page among paths that are otherwise operations: where issuers send people back to.
const CALLBACK: &str = "/auth/callback";

/// Pages beside the operations of billing: what one is about to order, and what became of it.
const CONFIRM: &str = "/billing/confirm/";
const RESULT: &str = "/billing/result";

/// Scripts, styles and images; their names change with their content, so they may be kept for ever.
#[expect(unused_qualifications, reason = "in code that the macro writes")]
pub(crate) fn assets() -> Router {
    memory_serve::load!()
        .index_file(None)
        .cache_control(CacheControl::Long)
        .enable_brotli(!cfg!(debug_assertions))
        .enable_gzip(false)
        .into_router()
}

/// What a path whose operation has another method answers: the page that shares the path with an operation, or 405.
pub(crate) async fn other_method(pages: MethodRouter, request: Request) -> Response {
    if *request.method() == Method::GET && request.uri().path() == CALLBACK {
        return match pages.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
    }
    StatusCode::METHOD_NOT_ALLOWED.into_response()
}

fn is_page(path: &str) -> bool {
    let first = path.trim_start_matches('/').split('/').next();
    path == CALLBACK
        || path == RESULT
        || path.starts_with(CONFIRM)
        || first.is_some_and(|first| PAGES.contains(&first))
}

/// The web app's page for whoever asks for a page, and 404 for whoever doesn't.
pub(crate) fn pages(inference_url: &str) -> MethodRouter {
    let policy = format!(
        "default-src 'self'; connect-src 'self' {inference_url}; img-src 'self' data:; style-src 'self' 'unsafe-inline'; \
         script-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    );
    let policy =
        HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'self'"));
    any(move |request: Request| async move { page(&request, policy) })
}

fn page(request: &Request, policy: HeaderValue) -> Response {
    let wants_page = matches!(*request.method(), Method::GET | Method::HEAD)
        && request
            .headers()
            .get(header::ACCEPT)
            .and_then(|v| v.to_str().ok())
            .is_some_and(|v| v.contains("text/html"));
    if !wants_page {
        return StatusCode::NOT_FOUND.into_response();
    }
    let status = if is_page(request.uri().path()) {
        StatusCode::OK
    } else {
        StatusCode::NOT_FOUND
    };
    let mut response = (status, Html(INDEX)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
