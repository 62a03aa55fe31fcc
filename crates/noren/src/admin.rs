use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use db::{Ctx, Db, PoolSize, Url};
use entitlement::PlanFile;
use identity::{Identity, TenantId};
use kernel::Clock;
use settings::Settings;

use crate::{cli::say, database::Database};

#[derive(Debug, Subcommand)]
pub(crate) enum PlansCommand {
    /// Every version of every plan.
    List,
    /// Makes a new version of each plan of FILE that differs from its newest one.
    Apply { file: PathBuf },
    /// Puts a tenant on the newest version of a plan.
    Assign {
        tenant: TenantId,
        storefront: String,
        plan: String,
    },
}

/// The pool of the application role on the database of the settings.
pub(crate) async fn connect(settings: &Settings, owner: &Url) -> Result<Db> {
    let app = match &settings.database.app_url {
        Some(url) => url.clone(),
        None => db::app_url(owner)?,
    };
    Ok(Db::connect(&app, PoolSize(settings.database.connections)).await?)
}

pub(crate) async fn context(settings: &Settings) -> Result<Ctx> {
    let owner = settings
        .database
        .url
        .as_ref()
        .context("DATABASE_URL is not set")?;
    Ok(Ctx::new(connect(settings, owner).await?, Clock::system()))
}

/// The identity room alone, for the command line.
pub(crate) async fn open_identity(settings: &Settings) -> Result<Identity> {
    // nothing at the command line writes a link, so any address will do where none is set
    let url = match settings.server.account_url.as_str() {
        "" => "http://localhost",
        url => url,
    };
    let config = identity::Config::at(url);
    Ok(Identity::open(context(settings).await?, config).await?)
}

/// Recomputes the books and the audit log.
pub(crate) async fn verify(settings: &Settings, data: &Path) -> Result<()> {
    let database = Database::visit(settings, data)?;
    let found = recompute(settings, &database.url).await;
    database.close()?;
    let (drifts, breaks) = found?;
    if drifts.is_empty() && breaks.is_empty() {
        return say("the books are right\n");
    }
    for broken in &breaks {
        let chain = broken
            .tenant
            .map_or_else(|| "the house".to_owned(), |tenant| tenant.to_string());
        say(&format!(
            "audit log of {chain}, line {}: {}\n",
            broken.seq, broken.why
        ))?;
    }
    for drift in &drifts {
        say(&format!(
            "{}: {} should be {} and is {}\n",
            drift.rule, drift.place, drift.expected, drift.found
        ))?;
    }
    bail!("{} places don't agree", drifts.len() + breaks.len())
}

async fn recompute(
    settings: &Settings,
    owner: &Url,
) -> Result<(Vec<ledger::Drift>, Vec<identity::AuditBreak>)> {
    let cx = Ctx::new(connect(settings, owner).await?, Clock::system());
    Ok((
        ledger::verify(&cx).await?,
        identity::verify_audit(&cx).await?,
    ))
}

pub(crate) async fn plans(settings: &Settings, command: PlansCommand) -> Result<()> {
    let cx = context(settings).await?;
    match command {
        PlansCommand::List => {
            for (plan, at) in entitlement::list(&cx).await? {
                let terms = &plan.terms;
                say(&format!(
                    "{}/{} v{}  {}  {}/min  {} at once  {}\n",
                    plan.storefront,
                    plan.id,
                    plan.version,
                    terms.price_yen,
                    terms.limits.per_minute,
                    terms.limits.concurrent,
                    at.to_rfc3339()
                ))?;
            }
        }
        PlansCommand::Apply { file } => {
            let made = entitlement::apply(&cx, &read_plans(&file)?).await?;
            for plan in &made {
                say(&format!(
                    "{}/{} is now v{}\n",
                    plan.storefront, plan.id, plan.version
                ))?;
            }
            if made.is_empty() {
                say("nothing differs\n")?;
            }
        }
        PlansCommand::Assign {
            tenant,
            storefront,
            plan,
        } => {
            entitlement::assign(&cx, tenant, &storefront, &plan).await?;
            say(&format!("{tenant} is on {storefront}/{plan}\n"))?;
        }
    }
    Ok(())
}

/// The plans of the file that the settings name; none when they name none.
pub(crate) fn configured_plans(settings: &Settings) -> Result<Option<PlanFile>> {
    let file = Path::new(&settings.plans.file);
    if file.as_os_str().is_empty() {
        return Ok(None);
    }
    read_plans(file).map(Some)
}

fn read_plans(file: &Path) -> Result<PlanFile> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("{} can't be read", file.display()))?;
    PlanFile::parse(&text).with_context(|| format!("{} is not a plan file", file.display()))
}
