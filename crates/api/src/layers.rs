use std::{convert::Infallible, panic::AssertUnwindSafe, time::Instant};

use axum::{
    Router,
    body::Body,
    extract::{FromRequestParts, MatchedPath, Request},
    http::{HeaderName, HeaderValue, Method, header, request::Parts},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
};
use futures::FutureExt;
use kernel::{Fault, IdSource, Lang, Text};
use telemetry::trace;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use uuid::Uuid;

use crate::{Problem, ProblemBody};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of one request, in its answer, its log lines and its audit rows.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

/// Tells work that goes on without its caller when that one has hung up before it was answered.
#[derive(Clone, Debug, Default)]
pub struct HungUp(CancellationToken);

impl HungUp {
    /// Ends when the caller has hung up.
    pub async fn wait(&self) {
        self.0.cancelled().await;
    }
}

impl<S: Sync> FromRequestParts<S> for HungUp {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_default())
    }
}

/// Puts around a listener's routes what every request gets: an id, a log line, metrics, security headers,
/// problems in the caller's language, no panic that reaches a socket, and work that a hang-up can't cut short.
pub fn wrap(router: Router, ids: IdSource) -> Router {
    // one layer, since each makes a copy of all that is below it for every request
    router.layer(from_fn(move |request: Request, next: Next| {
        let id = RequestId(format!("req_{}", ids.new_id::<Uuid>().simple()));
        let finish = |request| finish_what_changes_something(request, next);
        observe(request, id, |request| answer_in_shape(request, finish))
    }))
}

async fn observe<F: Future<Output = Response>>(
    mut request: Request,
    id: RequestId,
    next: impl FnOnce(Request) -> F,
) -> Response {
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("(none)", MatchedPath::as_str)
        .to_owned();
    let span = tracing::info_span!("request", id = id.0);
    let traced = traced(&request, &method, &route, &id);
    request.extensions_mut().insert(id.clone());
    let started = Instant::now();

    let work = next(request).instrument(span.clone());
    let mut response = traced.clone().around(work).await;

    let seconds = started.elapsed().as_secs_f64();
    let status = response.status().as_u16();
    traced.set("http.response.status_code", i64::from(status));
    if status >= 500 {
        traced.failed("server_error");
    }
    traced.end();
    let labels = [
        ("method", method.to_string()),
        ("route", route.clone()),
        ("status", status.to_string()),
    ];
    metrics::counter!("http_requests_total", &labels).increment(1);
    metrics::histogram!("http_request_duration_seconds", "route" => route.clone()).record(seconds);
    span.in_scope(
        || tracing::info!(%method, route, status, ms = started.elapsed().as_millis(), "answered"),
    );
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    secure(&mut response);
    response
}

/// The span of a request; whoever only looks whether we live is not traced.
fn traced(request: &Request, method: &Method, route: &str, id: &RequestId) -> trace::Span {
    if matches!(route, "/health" | "/ready" | "/metrics") {
        return trace::Span::default();
    }
    let span = trace::Span::of_request(request.headers(), || format!("{method} {route}"));
    if span.is_on() {
        span.set("http.request.method", method.as_str().to_owned());
        span.set("http.route", route.to_owned());
        span.set("noren.request.id", id.0.clone());
    }
    span
}

/// Headers that every answer carries; the web app's page sets a policy of its own.
fn secure(response: &mut Response) {
    let headers = response.headers_mut();
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "strict-origin-when-cross-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=()",
        ),
        (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
    ];
    for (name, value) in fixed {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(
            "default-src 'none'; frame-ancestors 'none'",
        ));
}

/// Turns a [`Problem`] into its body, and a bare refusal of the framework into a problem. [`wrap`] does so for every answer; a layer
/// below that keeps answers needs it before.
pub async fn answer_in_shape<F: Future<Output = Response>>(
    request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response {
    let lang = request
        .headers()
        .get(header::ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok())
        .map_or(Lang::default(), Lang::from_accept_language);
    let id = request
        .extensions()
        .get::<RequestId>()
        .map_or_else(String::new, |id| id.0.clone());
    let result = AssertUnwindSafe(async { next(request).await })
        .catch_unwind()
        .await;
    let mut response = result
        .unwrap_or_else(|_| Problem::from(Fault::broken("a handler panicked")).into_response());
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        return render(problem, &response, lang, id);
    }
    match framework_refusal(&response) {
        Some(problem) => render(problem, &response, lang, id),
        None => response,
    }
}

fn framework_refusal(response: &Response) -> Option<Problem> {
    let media = response.headers().get(header::CONTENT_TYPE);
    // a handler's own words stay, such as a protocol's error object; the framework's are plain text
    let is_said = media.is_some_and(|media| {
        response.status() != http::StatusCode::BAD_REQUEST
            || media == "application/json"
            || media == "application/problem+json"
    });
    if is_said {
        return None;
    }
    match response.status().as_u16() {
        404 => Some(Problem::not_found()),
        405 => Some(Problem::new(
            405,
            "method_not_allowed",
            Text::new("この操作はできません。", "This can't be done here."),
        )),
        400 => Some(Problem::new(
            400,
            "malformed_request",
            Text::new("リクエストを読めません。", "The request can't be read."),
        )),
        _ => None,
    }
}

fn render(problem: Problem, before: &Response, lang: Lang, request_id: String) -> Response {
    let status = problem.status;
    let body = ProblemBody {
        r#type: format!("urn:noren:problem:{}", problem.code),
        code: problem.code.to_owned(),
        status: status.as_u16(),
        title: status.canonical_reason().unwrap_or("Error").to_owned(),
        detail: problem.text.get(lang).to_owned(),
        text: problem.text,
        request_id,
        errors: problem.fields,
        retry_after: problem.retry_after,
        suggestion: problem.suggestion,
        topup: problem.topup,
        violated: problem.violated,
    };
    let mut response = Response::new(Body::from(serde_json::to_vec(&body).unwrap_or_default()));
    *response.status_mut() = status;
    *response.headers_mut() = before.headers().clone();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::CONTENT_LANGUAGE,
        HeaderValue::from_static(lang.as_str()),
    );
    if status == http::StatusCode::UNAUTHORIZED {
        // RFC 9110 §11.6.1; a route that knows better has set its own
        headers
            .entry(header::WWW_AUTHENTICATE)
            .or_insert(HeaderValue::from_static("Bearer"));
    }
    if let Some(seconds) = body.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Runs what changes something in a task of its own: a client that hangs up drops the answer, not the work, which is told so by
/// [`HungUp`].
async fn finish_what_changes_something(mut request: Request, next: Next) -> Response {
    if matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    ) {
        return next.run(request).await;
    }
    let hung_up = HungUp::default();
    request.extensions_mut().insert(hung_up.clone());
    let unanswered = hung_up.0.drop_guard();
    let work = next.run(request).in_current_span();
    let done = tokio::spawn(trace::current().around(work)).await;
    unanswered.disarm();
    match done {
        Ok(response) => response,
        Err(error) => Problem::from(Fault::internal("a handler panicked", error)).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::{get, post};
    use http::Request;
    use kernel::Clock;
    use tower::ServiceExt;

    use super::*;

    fn panic_with(text: &str) {
        panic!("{text}");
    }

    async fn answer(request: Request<Body>) -> (u16, http::HeaderMap, serde_json::Value) {
        let app = Router::new()
            .route("/panic", get(|| async { panic_with("secret text") }))
            .route(
                "/fault",
                post(|| async { Problem::from(Fault::broken("secret text")) }),
            )
            .route(
                "/protocol",
                get(|| async {
                    let json = [(header::CONTENT_TYPE, "application/json")];
                    (
                        http::StatusCode::BAD_REQUEST,
                        json,
                        r#"{"error":"invalid_grant"}"#,
                    )
                }),
            )
            .route(
                "/garbled",
                get(|| async { (http::StatusCode::BAD_REQUEST, "the framework's words") }),
            )
            .route(
                "/slow-down",
                get(|| async {
                    Problem::new(429, "rate_exceeded", Text::new("待って", "wait"))
                        .with_retry_after(7)
                }),
            );
        let app = wrap(app, IdSource::new(Clock::system()));
        let response = app.oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 100_000).await.unwrap();
        (
            parts.status.as_u16(),
            parts.headers,
            serde_json::from_slice(&bytes).unwrap(),
        )
    }

    #[tokio::test]
    async fn every_refusal_is_a_problem_in_the_callers_language() {
        let get = |path: &str| {
            Request::builder()
                .uri(path)
                .header("accept-language", "en")
                .body(Body::empty())
                .unwrap()
        };
        let (status, headers, body) = answer(get("/slow-down")).await;
        assert_eq!(
            (status, headers["retry-after"].to_str().unwrap()),
            (429, "7")
        );
        assert_eq!(
            (body["code"].as_str(), body["detail"].as_str()),
            (Some("rate_exceeded"), Some("wait"))
        );
        assert_eq!(headers["content-type"], "application/problem+json");
        assert_eq!(
            headers["x-request-id"].to_str().unwrap(),
            body["request_id"]
        );
        assert_eq!(headers["x-content-type-options"], "nosniff");

        assert_eq!(
            answer(get("/protocol")).await.2["error"],
            "invalid_grant",
            "what a handler says in JSON stays"
        );
        assert_eq!(answer(get("/garbled")).await.2["code"], "malformed_request");
        assert_eq!(answer(get("/nowhere")).await.2["code"], "not_found");
        assert_eq!(answer(get("/fault")).await.2["code"], "method_not_allowed");
        for request in [
            get("/panic"),
            Request::post("/fault").body(Body::empty()).unwrap(),
        ] {
            let (status, _, body) = answer(request).await;
            assert_eq!((status, body["code"].as_str()), (500, Some("internal")));
            assert!(!body.to_string().contains("secret"), "{body}");
        }
        let ja = answer(
            Request::builder()
                .uri("/nowhere")
                .body(Body::empty())
                .unwrap(),
        )
        .await
        .2;
        assert!(ja["detail"].as_str().unwrap().contains("見つかりません"));
    }
}
