//! The two listeners: which rooms' routes each answers, what stands around them, and the document of both.

use std::sync::Arc;

use anyhow::Result;
use api::base_document;
use axum::{
    Router,
    extract::Request,
    middleware::{Next, from_fn},
};
use utoipa_axum::router::OpenApiRouter;

use crate::{
    background::{self, Desk},
    export, figures,
    front::{self, Counter, Front},
    house::House,
    idempotency::{self, Door},
    limits, web,
};

/// What the account listener answers.
///
/// # Errors
/// When its pages can't be made.
pub(crate) fn account(house: &House, front: Front) -> Result<Router> {
    let counter = Counter {
        identity: house.identity.clone(),
        front: front.clone(),
        seller: house.billing.issuer().clone(),
    };
    let desk = Desk {
        identity: house.identity.clone(),
        jobs: house.jobs.clone(),
    };
    let (routes, mut document) =
        OpenApiRouter::with_openapi(base_document(env!("CARGO_PKG_VERSION")))
            .merge(front::router().with_state(front))
            .merge(front::account_router().with_state(counter))
            .merge(identity::router().with_state(house.identity.clone()))
            .merge(export::router().with_state(house.clone()))
            .merge(figures::router().with_state(house.clone()))
            .merge(ledger::router().with_state(house.ledger.clone()))
            .merge(entitlement::router().with_state(house.entitlement.clone()))
            .merge(billing::router().with_state(house.billing.clone()))
            .merge(misaki::account_router().with_state(house.misaki.clone()))
            .merge(gateway::account_router().with_state(house.gateway.clone()))
            .merge(genai::router().with_state(house.genai.clone()))
            .merge(mail::router().with_state(house.mail.clone()))
            .merge(mail::sandbox_router().with_state(house.mail.clone()))
            .merge(background::router().with_state(desk))
            .merge(hooks::router().with_state(house.hooks.clone()))
            .split_for_parts();
    idempotency::describe(&mut document);
    let own = house.urls.origins();
    let pages = web::pages(&house.urls, Arc::clone(&house.entitlement.catalogue))?;
    let keys = Arc::new(house.identity.clone());
    let around = from_fn(move |request: Request, next: Next| {
        let shape = |request| api::answer_in_shape(request, |request| next.run(request));
        idempotency::once(Arc::clone(&keys), Door::Account, request, shape)
    });
    let routes = routes
        .layer(around)
        .merge(front::document(&document))
        .merge(web::assets())
        .method_not_allowed_fallback({
            let pages = pages.clone();
            move |request| web::other_method(pages, request)
        })
        .fallback_service(pages)
        .layer(from_fn(move |request: Request, next: Next| {
            api::refuse_foreign_origins(own.clone(), request, next)
        }));
    Ok(api::wrap(routes, house.identity.cx.ids.clone()))
}

/// What the inference listener answers.
pub(crate) fn inference(house: &House, front: Front) -> Router {
    let (routes, mut document) =
        OpenApiRouter::with_openapi(base_document(env!("CARGO_PKG_VERSION")))
            .merge(front::router().with_state(front))
            .merge(gateway::router().with_state(house.gateway.clone()))
            .merge(misaki::inference_router().with_state(house.misaki.clone()))
            .merge(entitlement::inference_router().with_state(house.entitlement.clone()))
            .split_for_parts();
    idempotency::describe(&mut document);
    let keys = Arc::new(house.identity.clone());
    let room = Arc::new(house.entitlement.clone());
    // one layer, since each makes a copy of all that is below it for every request
    let around = from_fn(move |request: Request, next: Next| {
        let room = Arc::clone(&room);
        let tell = |request| limits::tell(room, request, |request| next.run(request));
        let shape = |request| api::answer_in_shape(request, tell);
        idempotency::once(Arc::clone(&keys), Door::Inference, request, shape)
    });
    let routes = routes
        .fallback(gateway::no_such_path)
        .method_not_allowed_fallback(gateway::no_such_method)
        .layer(around)
        .merge(front::document(&document))
        .layer(api::allow_browser_origins(&house.urls.calling_origins()));
    api::wrap(routes, house.identity.cx.ids.clone())
}

/// The OpenAPI document of both listeners together, as committed and as the web client is made from.
pub(crate) fn openapi() -> Result<String> {
    let mut document = base_document(env!("CARGO_PKG_VERSION"));
    // on the heap: a document is large
    for part in vec![
        front::router().into_openapi(),
        front::account_router().into_openapi(),
        identity::router().into_openapi(),
        export::router().into_openapi(),
        figures::router().into_openapi(),
        ledger::router().into_openapi(),
        entitlement::router().into_openapi(),
        billing::router().into_openapi(),
        gateway::router().into_openapi(),
        gateway::account_router().into_openapi(),
        misaki::account_router().into_openapi(),
        genai::router().into_openapi(),
        mail::router().into_openapi(),
        mail::sandbox_router().into_openapi(),
        background::router().into_openapi(),
        hooks::router().into_openapi(),
        misaki::inference_router().into_openapi(),
    ] {
        document.merge(part);
    }
    idempotency::describe(&mut document);
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}
