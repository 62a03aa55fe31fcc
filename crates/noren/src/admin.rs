use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use db::{Ctx, Db, PoolSize, Url};
use entitlement::{Catalogue, Change, Direction, Entitlement, PlanChange, PlanFile};
use identity::{Identity, TenantId};
use kernel::Clock;
use seal::Vault;
use secrecy::ExposeSecret;
use settings::Settings;

use crate::{database::Database, output::say, seals};

#[derive(Debug, Subcommand)]
pub(crate) enum PlansCommand {
    /// Every version of every plan.
    List,
    /// Makes a new version of each plan of FILE that differs from its newest one.
    Apply { file: PathBuf },
    /// Shows what FILE would change, and for how many; changes nothing.
    Diff {
        file: PathBuf,
        /// As one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Puts everybody who is on an older version of a plan on its newest one.
    Migrate {
        /// Such as misaki/paid.
        plan: String,
        /// There is nowhere else to go; said so that nobody moves customers by a slip.
        #[arg(long, required = true)]
        to_newest: bool,
        /// Only shows who would gain or lose what.
        #[arg(long)]
        dry_run: bool,
    },
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
    let size = PoolSize(settings.database.connections);
    let db = Db::connect(&app, size).await?;
    let replica = &settings.database.read_url;
    if replica.expose_secret().is_empty() {
        return Ok(db);
    }
    db.with_replica(replica, &app, size)
        .await
        .context("the replica of READ_DATABASE_URL can't be used")
}

pub(crate) async fn context(settings: &Settings) -> Result<Ctx> {
    let owner = settings
        .database
        .url
        .as_ref()
        .context(
            "DATABASE_URL is not set, and no house with a private database runs on the data directory (--data, or var)",
        )?;
    Ok(Ctx::new(connect(settings, owner).await?, Clock::system()))
}

/// The identity room alone, for the command line.
pub(crate) async fn open_identity(settings: &Settings) -> Result<Identity> {
    // nothing at the command line writes a link, so any address will do where none is set
    let url = match settings.server.account_url.as_str() {
        "" => "http://localhost",
        url => url,
    };
    let config = identity::Config {
        vault: seals::configured(settings)?.unwrap_or_else(Vault::without_keys),
        ..identity::Config::at(url)
    };
    Ok(Identity::open(context(settings).await?, config).await?)
}

/// The entitlement room alone, for the command line.
pub(crate) async fn entitlement(identity: Identity) -> Result<Entitlement> {
    let catalogue = Catalogue::load(&identity.cx).await?;
    let cx = identity.cx.clone();
    Ok(Entitlement::open(cx, identity, catalogue, ""))
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
    let mut drifts = ledger::verify(&cx).await?;
    drifts.extend(entitlement::verify(&cx).await?);
    Ok((drifts, identity::verify_audit(&cx).await?))
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
        PlansCommand::Diff { file, json } => {
            let changes = entitlement::diff(&cx, &read_plans(&file)?).await?;
            if json {
                say(&format!("{}\n", serde_json::to_string_pretty(&changes)?))?;
            } else {
                for plan in &changes {
                    say(&shown(plan))?;
                }
            }
        }
        PlansCommand::Migrate {
            plan,
            to_newest: _,
            dry_run,
        } => migrate(&cx, &plan, dry_run).await?,
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

/// What a plan file would make of one plan, in lines.
fn shown(plan: &PlanChange) -> String {
    let name = format!("{}/{}", plan.storefront, plan.plan);
    let mut text = match (plan.version, plan.absent) {
        (Some(version), true) => format!("{name} v{version} is not in the file and stays\n"),
        (Some(version), false) if plan.changes.is_empty() => {
            format!("{name} v{version} is the same\n")
        }
        (Some(version), false) => format!("{name} v{version} becomes v{}\n", version + 1),
        (None, _) => format!("{name} is new\n"),
    };
    if plan.version.is_some() {
        text += &changed(&plan.changes);
    }
    text.extend(
        plan.customers
            .iter()
            .map(|of| format!("    {} customers stay on v{}\n", of.customers, of.version)),
    );
    if plan.default_for.is_some() && !plan.changes.is_empty() {
        text += "    whoever has no subscription gets it at once\n";
    }
    text
}

fn changed(changes: &[Change]) -> String {
    changes.iter().fold(String::new(), |text, change| {
        let for_them = match change.direction {
            Direction::Gain => "gain",
            Direction::Lose => "lose",
            Direction::Other => "differs",
        };
        let Change {
            term,
            before,
            after,
            ..
        } = change;
        format!("{text}    {for_them}: {term} {before} -> {after}\n")
    })
}

async fn migrate(cx: &Ctx, plan: &str, dry_run: bool) -> Result<()> {
    let (storefront, plan) = plan
        .split_once('/')
        .context("name the plan as STOREFRONT/PLAN")?;
    let migrations = entitlement::migrate(cx, storefront, plan, dry_run).await?;
    if migrations.is_empty() {
        return say("nobody is on an older version\n");
    }
    let verb = if dry_run { "would move" } else { "moved" };
    for one in migrations {
        say(&format!(
            "v{} to v{}: {} {verb}, {} stay until their subscription pays the new price\n{}",
            one.from,
            one.to,
            one.customers,
            one.stay,
            changed(&one.changes)
        ))?;
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
