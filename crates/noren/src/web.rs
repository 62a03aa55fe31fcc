mod public;

use std::sync::Arc;

use axum::{
    Router,
    extract::Request,
    http::{HeaderValue, Method, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::{MethodRouter, any},
};
use entitlement::{Catalogue, LiveCatalogue};
use kernel::{Fault, Lang};
use memory_serve::CacheControl;
use tower::ServiceExt;

use crate::urls::PublicUrls;
use public::{Public, is_public};

/// The page that starts the web app. What a path is about comes between its marks.
const INDEX: &str = include_str!(env!("NOREN_WEB_INDEX"));
const HEAD: [&str; 2] = ["<!--head-->", "<!--/head-->"];
const BODY: [&str; 2] = ["<!--body-->", "<!--/body-->"];

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
///
/// # Errors
/// When a template is broken.
pub(crate) fn pages(
    urls: &PublicUrls,
    catalogue: Arc<LiveCatalogue>,
) -> anyhow::Result<MethodRouter> {
    let policy = format!(
        "default-src 'self'; connect-src 'self' {}; img-src 'self' data:; style-src 'self' 'unsafe-inline'; \
         script-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        urls.inference
    );
    let policy = HeaderValue::from_str(&policy)?;
    let public = Arc::new(Public::new(urls.clone())?);
    Ok(any(move |request: Request| async move {
        let catalogue = catalogue.now();
        page(&request, &public, &catalogue, policy)
    }))
}

/// Browsers say that they want a page. Whoever takes anything (previews of links, `curl`) gets those that are for everybody.
fn wants_page(request: &Request, public: bool) -> bool {
    let accept = request.headers().get(header::ACCEPT);
    match accept.map(HeaderValue::to_str) {
        None => public,
        Some(Ok(accept)) => accept.contains("text/html") || (public && accept.contains("*/*")),
        Some(Err(_)) => false,
    }
}

fn page(
    request: &Request,
    public: &Public,
    catalogue: &Catalogue,
    policy: HeaderValue,
) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let path = request.uri().path();
    match path {
        "/robots.txt" => return public.robots().into_response(),
        "/sitemap.xml" => {
            let kind = [(header::CONTENT_TYPE, "application/xml")];
            return public
                .sitemap()
                .map_or_else(broken, |map| (kind, map).into_response());
        }
        _ => {}
    }
    if !wants_page(request, is_public(path)) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let status = if is_page(path) {
        StatusCode::OK
    } else {
        StatusCode::NOT_FOUND
    };
    let lang = if request
        .uri()
        .query()
        .is_some_and(|query| query.split('&').any(|part| part == "lang=en"))
    {
        Lang::En
    } else {
        Lang::Ja
    };
    let parts = match public.parts(path, lang, catalogue) {
        Ok(parts) => parts,
        Err(error) => return broken(error),
    };
    let html = between(INDEX, HEAD, &parts.head);
    let html = between(&html, BODY, &parts.body);
    let html = match lang {
        Lang::Ja => html,
        Lang::En => html.replacen("<html lang=\"ja\">", "<html lang=\"en\">", 1),
    };
    let mut response = (status, Html(html)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

fn broken(error: minijinja::Error) -> Response {
    api::Problem::from(Fault::internal("a page can't be written", error)).into_response()
}

/// A page with something else between two marks, if it has them.
fn between(page: &str, [from, to]: [&str; 2], text: &str) -> String {
    page.split_once(from)
        .and_then(|(before, rest)| Some((before, rest.split_once(to)?.1)))
        .map_or_else(
            || page.to_owned(),
            |(before, after)| [before, text, after].concat(),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_between_two_marks_is_replaced() {
        let marks = ["<a>", "</a>"];
        assert_eq!(between("1<a>2</a>3", marks, "-"), "1-3");
        assert_eq!(between("1<a>2", marks, "-"), "1<a>2");
        assert_eq!(between("123", marks, "-"), "123");
    }
}
