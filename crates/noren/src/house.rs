use anyhow::{Context, Result};
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

use crate::{
    background::{self, Kept},
    urls::PublicUrls,
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
        let entitlement =
            Entitlement::open(cx.clone(), identity.clone(), catalogue, &urls.inference)
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
