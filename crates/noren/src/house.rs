use std::sync::Arc;

use anyhow::{Context, Result};
use api::base_document;
use axum::{
    Router,
    extract::Request,
    middleware::{Next, from_fn},
};
use billing::Billing;
use db::{Commit, Ctx};
use entitlement::{Catalogue, Entitlement, PlanFile};
use gateway::{Gateway, Patience, Routes};
use genai::Genai;
use hooks::Hooks;
use identity::{Identity, IssuerConfig};
use jobs::Jobs;
use ledger::Ledger;
use mail::Mail;
use misaki::Misaki;
use seal::Vault;
use tokio::sync::RwLock;
use utoipa_axum::router::OpenApiRouter;

use crate::{
    background::{self, Desk, Kept},
    export, figures,
    front::{self, Counter, Front},
    idempotency::{self, Door},
    limits,
    urls::PublicUrls,
    web,
};

/// All rooms, open.
#[derive(Clone, Debug)]
pub(crate) struct House {
    pub(crate) identity: Identity,
    pub(crate) ledger: Ledger,
    pub(crate) entitlement: Entitlement,
    pub(crate) gateway: Gateway,
    pub(crate) misaki: Misaki,
    pub(crate) genai: Genai,
    pub(crate) mail: Mail,
    pub(crate) billing: Billing,
    pub(crate) hooks: Hooks,
    pub(crate) jobs: Jobs,
    pub(crate) urls: PublicUrls,
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
    pub(crate) vault: Vault,
    pub(crate) kept: Kept,
    pub(crate) billing: billing::Config,
    /// Origins of this machine that hooks may be sent to; none unless this is a demo.
    pub(crate) hook_origins: Vec<String>,
    /// Whether plans are sold at a stand-in's prices.
    pub(crate) sandbox_prices: bool,
    /// What the commit of metered work waits for.
    pub(crate) commit: Commit,
}

impl House {
    /// Opens the rooms from the ground up.
    pub(crate) async fn open(cx: Ctx, opening: Opening) -> Result<Self> {
        let urls = opening.urls;
        let config = identity::Config {
            issuers: opening.issuers,
            vault: opening.vault,
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
        let catalogue = plans_in_force(&cx, opening.plans, opening.sandbox_prices).await?;
        let entitlement = Entitlement::open(
            cx.clone(),
            identity.clone(),
            Arc::new(RwLock::new(catalogue)),
            &urls.inference,
        )
        .committing(opening.commit);
        let till = billing::Config {
            account_url: urls.account.clone(),
            ..opening.billing
        };
        let billing = Billing::open(entitlement.clone(), till)?;
        let hooks = Hooks::open(identity.clone(), &opening.hook_origins)?;
        let gateway = Gateway::open(
            entitlement.clone(),
            opening.routes,
            opening.patience,
            Some(hooks.clone()),
        )
        .context("no HTTP client can be made")?;
        gateway.refresh_routes().await?;
        let genai = Genai::open(gateway.clone());
        let misaki = Misaki::open(gateway.clone()).context("the built-in phrases are broken")?;
        let ledger = Ledger {
            cx,
            identity: identity.clone(),
        };
        let jobs = background::open(
            background::Rooms {
                identity: &identity,
                ledger: &ledger,
                billing: &billing,
                hooks: &hooks,
                gateway: &gateway,
                misaki: &misaki,
            },
            opening.kept,
        )?;
        Ok(Self {
            identity,
            ledger,
            entitlement,
            gateway,
            misaki,
            genai,
            mail,
            billing,
            hooks,
            jobs,
            urls,
        })
    }

    /// What the account listener answers.
    ///
    /// # Errors
    /// When its pages can't be made.
    pub(crate) fn account(&self, front: Front) -> Result<Router> {
        let counter = Counter {
            identity: self.identity.clone(),
            front: front.clone(),
            seller: self.billing.issuer().clone(),
        };
        let desk = Desk {
            identity: self.identity.clone(),
            jobs: self.jobs.clone(),
        };
        let (routes, mut document) =
            OpenApiRouter::with_openapi(base_document(env!("CARGO_PKG_VERSION")))
                .merge(front::router().with_state(front))
                .merge(front::account_router().with_state(counter))
                .merge(identity::router().with_state(self.identity.clone()))
                .merge(export::router().with_state(self.clone()))
                .merge(figures::router().with_state(self.clone()))
                .merge(ledger::router().with_state(self.ledger.clone()))
                .merge(entitlement::router().with_state(self.entitlement.clone()))
                .merge(billing::router().with_state(self.billing.clone()))
                .merge(misaki::account_router().with_state(self.misaki.clone()))
                .merge(gateway::account_router().with_state(self.gateway.clone()))
                .merge(genai::router().with_state(self.genai.clone()))
                .merge(mail::router().with_state(self.mail.clone()))
                .merge(mail::sandbox_router().with_state(self.mail.clone()))
                .merge(background::router().with_state(desk))
                .merge(hooks::router().with_state(self.hooks.clone()))
                .split_for_parts();
        idempotency::describe(&mut document);
        let own = self.urls.origins();
        let pages = web::pages(&self.urls, Arc::clone(&self.entitlement.catalogue))?;
        let keys = Arc::new(self.identity.clone());
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
        Ok(api::wrap(routes, self.identity.cx.ids.clone()))
    }

    /// What the inference listener answers.
    pub(crate) fn inference(&self, front: Front) -> Router {
        let (routes, mut document) =
            OpenApiRouter::with_openapi(base_document(env!("CARGO_PKG_VERSION")))
                .merge(front::router().with_state(front))
                .merge(gateway::router().with_state(self.gateway.clone()))
                .merge(misaki::inference_router().with_state(self.misaki.clone()))
                .merge(entitlement::inference_router().with_state(self.entitlement.clone()))
                .split_for_parts();
        idempotency::describe(&mut document);
        let keys = Arc::new(self.identity.clone());
        let room = Arc::new(self.entitlement.clone());
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
            .layer(api::allow_browser_origins(&self.urls.origins()));
        api::wrap(routes, self.identity.cx.ids.clone())
    }
}

/// The plans of the configured file; without one those that were applied before, and in a new house the built-in ones.
async fn plans_in_force(
    cx: &Ctx,
    configured: Option<PlanFile>,
    sandbox_prices: bool,
) -> Result<Catalogue> {
    let known = Catalogue::load(cx).await?;
    let plans = match configured {
        Some(plans) => plans,
        None if known.is_empty() => PlanFile::parse(entitlement::DEFAULT_PLANS)?,
        None => return Ok(known),
    };
    let plans = if sandbox_prices {
        plans.with_stand_in_prices()
    } else {
        plans
    };
    for plan in entitlement::apply(cx, &plans).await? {
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
