use std::{sync::Arc, time::Duration};

use api::{Check, FieldErrors, Okay, Problem, Refusals, ValidJson};
use axum::{
    Router,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use db::Db;
use identity::{Identity, RequestMeta, Session};
use kernel::{Fault, Text};
use serde::{Deserialize, Serialize};
use telemetry::Metrics;
use utoipa::openapi::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::demo;

/// What the house says of itself.
#[derive(Clone, Debug)]
pub(crate) struct Front {
    pub(crate) db: Db,
    pub(crate) metrics: Metrics,
    pub(crate) demo: bool,
    pub(crate) readiness: Arc<[Readiness]>,
}

/// The counter at the entrance: [`Front`] and whoever lets people in.
#[derive(Clone, Debug, axum::extract::FromRef)]
pub(crate) struct Counter {
    pub(crate) identity: Identity,
    pub(crate) front: Front,
    /// Who sells, as receipts and the seller's page say.
    pub(crate) seller: billing::Issuer,
}

/// A step towards production.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Readiness {
    pub(crate) id: &'static str,
    pub(crate) ready: bool,
    pub(crate) text: Text,
}

/// Both listeners' routes.
pub(crate) fn router() -> OpenApiRouter<Front> {
    OpenApiRouter::new()
        .routes(routes!(health))
        .routes(routes!(ready))
        .routes(routes!(metrics))
}

/// The account listener's routes.
pub(crate) fn account_router() -> OpenApiRouter<Counter> {
    OpenApiRouter::new()
        .routes(routes!(get_house))
        .routes(routes!(demo_sign_in))
}

/// The document itself, which is the one route that it does not list.
pub(crate) fn document(document: &OpenApi) -> Router {
    let body: Arc<str> = serde_json::to_string(document).unwrap_or_default().into();
    Router::new().route(
        "/openapi.json",
        get(move || async move {
            (
                [(header::CONTENT_TYPE, "application/json")],
                body.to_string(),
            )
        }),
    )
}

/// Whether the process is alive.
#[utoipa::path(get, path = "/health", operation_id = "get_health", tag = "house",
    responses((status = 200, body = Alive), Refusals))]
async fn health() -> Okay<Alive> {
    Okay(Alive { alive: true })
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Alive {
    alive: bool,
}

/// Whether requests can be served: the database answers.
#[utoipa::path(get, path = "/ready", operation_id = "get_ready", tag = "house",
    responses((status = 200, body = Ready), Refusals))]
async fn ready(State(front): State<Front>) -> Result<Okay<Ready>, Problem> {
    match tokio::time::timeout(Duration::from_secs(2), front.db.ping()).await {
        Ok(Ok(())) => Ok(Okay(Ready { ready: true })),
        Ok(Err(error)) => Err(db::fault(error).into()),
        Err(error) => Err(Fault::unavailable("the database does not answer", error).into()),
    }
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Ready {
    ready: bool,
}

/// Metrics in the Prometheus text format; nothing of any tenant.
#[utoipa::path(get, path = "/metrics", operation_id = "get_metrics", tag = "house",
    responses((status = 200, content_type = "text/plain", body = String), Refusals))]
async fn metrics(State(front): State<Front>) -> Response {
    let (open, idle) = front.db.connections();
    ::metrics::gauge!("database_connections_open").set(f64::from(open));
    ::metrics::gauge!("database_connections_idle")
        .set(f64::from(u32::try_from(idle).unwrap_or(u32::MAX)));
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
        front.metrics.render(),
    )
        .into_response()
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct HouseView {
    name: &'static str,
    version: &'static str,
    demo: bool,
    /// Empty unless this is a demo.
    demo_logins: Vec<demo::Login>,
    storefronts: Vec<Storefront>,
    readiness: Vec<Readiness>,
    /// Who sells; an operator who has not said it yet has no address.
    seller: billing::Issuer,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
enum StorefrontId {
    Misaki,
    Webgpt,
    Genai,
    Narai,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Storefront {
    id: StorefrontId,
    /// Whether one can go in already.
    open: bool,
}

/// What the welcome page shows.
#[utoipa::path(get, path = "/house", operation_id = "get_house", tag = "house",
    responses((status = 200, body = HouseView), Refusals))]
async fn get_house(State(counter): State<Counter>) -> Okay<HouseView> {
    let Counter {
        identity,
        front,
        seller,
    } = counter;
    let storefront = |id, open| Storefront { id, open };
    Okay(HouseView {
        name: "Noren",
        version: env!("CARGO_PKG_VERSION"),
        demo: front.demo,
        demo_logins: if front.demo {
            demo::logins(&identity)
        } else {
            Vec::new()
        },
        storefronts: vec![
            storefront(StorefrontId::Misaki, true),
            storefront(StorefrontId::Webgpt, false),
            storefront(StorefrontId::Genai, true),
            storefront(StorefrontId::Narai, false),
        ],
        readiness: front.readiness.to_vec(),
        seller,
    })
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct DemoSignIn {
    r#as: demo::Role,
}

impl Check for DemoSignIn {
    fn check(&self, _: &mut FieldErrors) {}
}

/// Signs in as a demo user; 404 where this is no demo.
#[utoipa::path(post, path = "/demo/sign-in", operation_id = "demo_sign_in", tag = "house", request_body = DemoSignIn,
    responses((status = 200, body = identity::Me), Refusals))]
async fn demo_sign_in(
    State(counter): State<Counter>,
    before: Option<Session>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<DemoSignIn>,
) -> Result<Response, Problem> {
    if !counter.front.demo {
        return Err(Problem::not_found());
    }
    let opened = demo::enter(&counter.identity, body.r#as, before, &meta).await?;
    Ok(identity::came_in(&counter.identity, opened).await?)
}
