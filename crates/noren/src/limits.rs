//! What the limits are and what is left of them, on every answer of an operation that admits work.

use std::sync::Arc;

use api::Violated;
use axum::{
    extract::{MatchedPath, Request},
    http::{HeaderName, HeaderValue, Method, StatusCode},
    response::Response,
};
use entitlement::{
    Entitlement, RatePolicy, known_limits, limit_field, policy_field, rate_limits, refused,
};
use identity::{CallerSeen, Principal};

/// The operations that admit work, each a POST.
const ADMITTING: [&str; 11] = [
    "/inference",
    "/misaki/messages",
    "/misaki/messages/{message}/again",
    "/misaki/passing",
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/messages",
    "/v1/responses",
    "/v2/{endpoint}/run",
    "/v2/{endpoint}/runsync",
];

/// Adds `RateLimit-Policy` and `RateLimit` to what was admitted and to what the limits refuse.
pub(crate) async fn tell<F: Future<Output = Response> + Send>(
    room: Arc<Entitlement>,
    mut request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response {
    let admits = request.method() == Method::POST
        && request
            .extensions()
            .get::<MatchedPath>()
            .is_some_and(|route| ADMITTING.contains(&route.as_str()));
    if !admits {
        return next(request).await;
    }
    let seen = CallerSeen::default();
    request.extensions_mut().insert(seen.clone());
    let mut response = next(request).await;
    let Some((caller, storefront)) = seen.get() else {
        return response;
    };
    let status = response.status();
    let violated = response.extensions().get::<Violated>().cloned();
    if !status.is_success() && violated.is_none() {
        return response;
    }
    let out_of_units = status == StatusCode::PAYMENT_REQUIRED;
    let Some(policies) = standing(&room, *caller, storefront, out_of_units).await else {
        return response;
    };
    let left = violated.map_or_else(
        || policies.clone(),
        |violated| refused(&policies, &violated.names, violated.retry_after),
    );
    put(&mut response, "ratelimit-policy", &policy_field(&policies));
    put(&mut response, "ratelimit", &limit_field(&left));
    response
}

/// From memory where that is fresh; units are asked for only where they are what is missing.
async fn standing(
    room: &Entitlement,
    caller: Principal,
    storefront: &str,
    with_units: bool,
) -> Option<Vec<RatePolicy>> {
    let known = if with_units {
        None
    } else {
        known_limits(room, caller, storefront)
    };
    if known.is_some() {
        return known;
    }
    match rate_limits(room, caller, storefront).await {
        Ok(limits) => Some(
            limits
                .policies
                .into_iter()
                .filter(|policy| with_units || policy.unit.is_none())
                .collect(),
        ),
        Err(error) => {
            // the answer itself stands, whatever becomes of what is said beside it
            tracing::warn!(%error, "limits can't be told");
            None
        }
    }
}

fn put(response: &mut Response, name: &'static str, value: &str) {
    if value.is_empty() {
        return;
    }
    if let Ok(value) = HeaderValue::from_str(value) {
        response
            .headers_mut()
            .insert(HeaderName::from_static(name), value);
    }
}
