use std::sync::Arc;

use anyhow::{Context, Result};
use api::{Origins, base_document};
use axum::{
    Router,
    extract::Request,
    middleware::{Next, from_fn},
};
use db::Ctx;
use entitlement::{Catalogue, Entitlement, PlanFile};
use gateway::{Gateway, Patience, Routes};
use identity::{Identity, IssuerConfig};
use ledger::Ledger;
use mail::Mail;
use misaki::Misaki;
use tokio::sync::RwLock;
use utoipa_axum::router::OpenApiRouter;

use crate::{
    farewell,
    front::{self, Counter, Front},
    web,
};

/// Where the listeners are reached from outside.
#[derive(Clone, Debug)]
pub(crate) struct PublicUrls {
    pub(crate) account: String,
    pub(crate) inference: String,
}

/// All rooms, open.
#[derive(Clone, Debug)]
pub(crate) struct House {
    pub(crate) identity: Identity,
    pub(crate) ledger: Ledger,
    pub(crate) entitlement: Entitlement,
    pub(crate) gateway: Gateway,
    pub(crate) misaki: Misaki,
    pub(crate) mail: Mail,
    urls: PublicUrls,
}

impl axum::extract::FromRef<House> for Identity {
    fn from_ref(house: &House) -> Self {
        house.identity.clone()
    }
}

/// What the rooms are opened with.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) urls: PublicUrls,
    pub(crate) plans: Option<PlanFile>,
    pub(crate) routes: Routes,
    pub(crate) patience: Patience,
    pub(crate) letters: mail::Way,
    pub(crate) letters_from: String,
    pub(crate) issuers: Vec<IssuerConfig>,
}

impl House {
    /// Opens the rooms from the ground up.
    pub(crate) async fn open(cx: Ctx, opening: Opening) -> Result<Self> {
        let urls = opening.urls;
        let config = identity::Config {
            issuers: opening.issuers,
            ..identity::Config::at(&urls.account)
        };
        let identity = Identity::open(cx.clone(), config).await?;
        let letters = mail::Config {
            way: opening.letters,
            from: opening.letters_from,
            account_url: urls.account.clone(),
            secret: identity.derived_secret("mail"),
        };
        let mail = Mail::open(cx.clone(), letters)?;
        let catalogue = plans_in_force(&cx, opening.plans.as_ref()).await?;
        let entitlement = Entitlement {
            cx: cx.clone(),
            identity: identity.clone(),
            catalogue: Arc::new(RwLock::new(catalogue)),
            inference_url: urls.inference.as_str().into(),
        };
        let gateway = Gateway::open(entitlement.clone(), opening.routes, opening.patience)
            .context("no HTTP client can be made")?;
        let misaki = Misaki::open(gateway.clone()).context("the built-in phrases are broken")?;
        Ok(Self {
            ledger: Ledger {
                cx,
                identity: identity.clone(),
            },
            identity,
            entitlement,
            gateway,
            misaki,
            mail,
            urls,
        })
    }

    /// What the account listener answers.
    pub(crate) fn account(&self, front: Front) -> Router {
        let counter = Counter {
            identity: self.identity.clone(),
            front: front.clone(),
        };
        let (routes, document) =
            OpenApiRouter::with_openapi(base_document(env!("CARGO_PKG_VERSION")))
                .merge(front::router().with_state(front))
                .merge(front::account_router().with_state(counter))
                .merge(identity::router().with_state(self.identity.clone()))
                .merge(farewell::router().with_state(self.clone()))
                .merge(ledger::router().with_state(self.ledger.clone()))
                .merge(entitlement::router().with_state(self.entitlement.clone()))
                .merge(misaki::account_router().with_state(self.misaki.clone()))
                .merge(mail::router().with_state(self.mail.clone()))
                .merge(mail::sandbox_router().with_state(self.mail.clone()))
                .split_for_parts();
        let own = origins(&self.urls.account);
        let routes = routes
            .merge(front::document(&document))
            .merge(web::assets())
            .method_not_allowed_fallback({
                let pages = web::pages(&self.urls.inference);
                move |request| web::other_method(pages, request)
            })
            .fallback_service(web::pages(&self.urls.inference))
            .layer(from_fn(move |request: Request, next: Next| {
                api::refuse_foreign_origins(own.clone(), request, next)
            }));
        api::wrap(routes, self.identity.cx.ids.clone())
    }

    /// What the inference listener answers.
    pub(crate) fn inference(&self, front: Front) -> Router {
        let (routes, document) =
            OpenApiRouter::with_openapi(base_document(env!("CARGO_PKG_VERSION")))
                .merge(front::router().with_state(front))
                .merge(gateway::router().with_state(self.gateway.clone()))
                .merge(misaki::inference_router().with_state(self.misaki.clone()))
                .split_for_parts();
        let routes = routes
            .merge(front::document(&document))
            .layer(api::allow_browser_origins(&origins(&self.urls.account)));
        api::wrap(routes, self.identity.cx.ids.clone())
    }
}

/// The plans of the configured file; without one those that were applied before, and in a new house the built-in ones.
async fn plans_in_force(cx: &Ctx, configured: Option<&PlanFile>) -> Result<Catalogue> {
    let known = Catalogue::load(cx).await?;
    let built_in = PlanFile::parse(entitlement::DEFAULT_PLANS)?;
    let plans = match configured {
        Some(plans) => plans,
        None if known.is_empty() => &built_in,
        None => return Ok(known),
    };
    for plan in entitlement::apply(cx, plans).await? {
        tracing::info!(
            storefront = plan.storefront,
            plan = plan.id,
            version = plan.version,
            "a plan has a new version"
        );
    }
    Ok(Catalogue::load(cx).await?)
}

/// The OpenAPI document of both listeners together, as committed and as the web client is made from.
pub(crate) fn openapi() -> Result<String> {
    let mut document = base_document(env!("CARGO_PKG_VERSION"));
    for part in [
        front::router().into_openapi(),
        front::account_router().into_openapi(),
        identity::router().into_openapi(),
        farewell::router().into_openapi(),
        ledger::router().into_openapi(),
        entitlement::router().into_openapi(),
        gateway::router().into_openapi(),
        misaki::account_router().into_openapi(),
        mail::router().into_openapi(),
        mail::sandbox_router().into_openapi(),
        misaki::inference_router().into_openapi(),
    ] {
        document.merge(part);
    }
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

/// The origins whose pages are our own: the public one, and on a single machine every name of it.
fn origins(public: &str) -> Origins {
    let url = url::Url::parse(public).ok();
    let here = url
        .as_ref()
        .is_some_and(|url| matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")));
    let own = url.as_ref().map(|url| url.origin().ascii_serialization());
    let port = url
        .and_then(|url| url.port_or_known_default())
        .filter(|_| here);
    let names = ["localhost", "127.0.0.1", "[::1]"];
    Origins::new(
        own.into_iter().chain(
            port.into_iter()
                .flat_map(|port| names.map(|name| format!("http://{name}:{port}"))),
        ),
    )
}
