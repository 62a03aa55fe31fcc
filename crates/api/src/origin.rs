use std::sync::Arc;

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use kernel::Text;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use crate::Problem;

/// Stands for every origin there is.
const ANY: &str = "*";

/// The web origins whose pages may use a listener. An empty list means nobody; `*` in one for [`allow_browser_origins`] means all.
#[derive(Clone, Debug)]
pub struct Origins(Arc<[HeaderValue]>);

impl Origins {
    pub fn new(origins: impl IntoIterator<Item = String>) -> Self {
        Self(
            origins
                .into_iter()
                .filter_map(|origin| HeaderValue::try_from(origin).ok())
                .collect(),
        )
    }

    fn are_all(&self) -> bool {
        self.0.iter().any(|origin| origin == ANY)
    }

    fn contains(&self, origin: &HeaderValue) -> bool {
        self.0.contains(origin)
    }
}

/// Refuses state-changing requests that a foreign page made a browser send (CSRF). Every browser sends `Origin` with
/// them; a program sends neither header and brings no cookie by accident.
pub async fn refuse_foreign_origins(origins: Origins, request: Request, next: Next) -> Response {
    let safe = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    let headers = request.headers();
    let foreign = match headers.get(header::ORIGIN) {
        Some(origin) => !origins.contains(origin),
        None => headers
            .get("sec-fetch-site")
            .is_some_and(|site| site != "same-origin" && site != "none"),
    };
    if safe || !foreign {
        return next.run(request).await;
    }
    Problem::new(
        403,
        "origin_not_allowed",
        Text::new(
            "このサイトからの操作は受け付けていません。",
            "Requests from this site are not accepted.",
        ),
    )
    .into_response()
}

/// Lets pages of these origins call a listener that is authenticated by a token or key, never by cookies. They may send any header:
/// the vendors' clients have dozens of their own, and none of them is what makes a call somebody's.
pub fn allow_browser_origins(origins: &Origins) -> CorsLayer {
    let allowed = if origins.are_all() {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(origins.0.iter().cloned())
    };
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([
            HeaderName::from_static("x-request-id"),
            HeaderName::from_static("request-id"),
            HeaderName::from_static("x-should-retry"),
            HeaderName::from_static("x-noren-run"),
            HeaderName::from_static("idempotency-replayed"),
            header::RETRY_AFTER,
            HeaderName::from_static("ratelimit"),
            HeaderName::from_static("ratelimit-policy"),
            HeaderName::from_static("x-noren-cache"),
        ])
        .max_age(std::time::Duration::from_mins(10))
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, middleware::from_fn, routing::post};
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn only_our_own_pages_may_change_something() {
        let origins = Origins::new(["https://noren.example".to_owned()]);
        let app = Router::new()
            .route("/", post(|| async {}).get(|| async {}))
            .layer(from_fn(move |request: Request, next: Next| {
                refuse_foreign_origins(origins.clone(), request, next)
            }));
        for (method, header, value, status) in [
            ("POST", "origin", "https://noren.example", 200),
            ("POST", "x-none", "", 200),
            ("POST", "origin", "https://evil.example", 403),
            ("POST", "origin", "https://noren.example.evil.example", 403),
            ("POST", "origin", "http://noren.example", 403),
            ("POST", "origin", "https://noren.example:444", 403),
            ("POST", "origin", "null", 403),
            ("POST", "sec-fetch-site", "cross-site", 403),
            ("POST", "sec-fetch-site", "same-site", 403),
            ("GET", "origin", "https://evil.example", 200),
        ] {
            let request = Request::builder()
                .method(method)
                .uri("/")
                .header(header, value)
                .body(Body::empty())
                .unwrap();
            let response = app.clone().oneshot(request).await.unwrap();
            assert_eq!(response.status(), status, "{method} {header}: {value}");
        }
    }

    #[tokio::test]
    async fn a_page_of_an_allowed_origin_may_send_what_its_client_sends() {
        let sent = "x-api-key,x-stainless-lang";
        for (origins, origin, allowed) in [
            ("https://app.example", "https://app.example", true),
            ("https://app.example", "https://evil.example", false),
            ("*", "https://evil.example", true),
            ("", "https://app.example", false),
        ] {
            let named = (!origins.is_empty()).then(|| origins.to_owned());
            let origins = Origins::new(named.clone());
            let app = Router::new()
                .route("/", post(|| async {}))
                .layer(allow_browser_origins(&origins));
            let request = Request::builder()
                .method("OPTIONS")
                .uri("/")
                .header("origin", origin)
                .header("access-control-request-method", "POST")
                .header("access-control-request-headers", sent)
                .body(Body::empty())
                .unwrap();
            let response = app.oneshot(request).await.unwrap();
            let header = |name| response.headers().get(name).and_then(|v| v.to_str().ok());
            let named = named.as_deref().filter(|_| allowed);
            assert_eq!(header("access-control-allow-origin"), named, "{origin}");
            assert_eq!(header("access-control-allow-headers"), Some(sent));
            assert_eq!(header("access-control-allow-credentials"), None);
        }
    }
}
