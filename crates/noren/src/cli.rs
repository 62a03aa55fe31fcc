use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use secrecy::ExposeSecret;
use settings::{LogFormat, Settings};
use telemetry::trace::Traces;

use crate::{
    admin, background, caps, check, database, grants, listeners, output::say, people, providers,
    run, seals, till, training, versions,
};

/// Several subscription services behind one counter.
#[derive(Debug, Parser)]
#[command(name = "noren", version, about)]
pub(crate) struct Cli {
    /// A TOML file with settings; NOREN__ROOM__FIELD variables override it.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Everything in one process: database (private unless DATABASE_URL), migrations, both listeners, background work.
    Run(run::RunArgs),
    /// One listener only, on the database of DATABASE_URL.
    Serve(run::ServeArgs),
    /// Background work only, on the database of DATABASE_URL.
    Work,
    /// Brings the database of DATABASE_URL up to date.
    Migrate,
    /// Recomputes the books from their entries and fails on a single unit of drift.
    Verify(DataArgs),
    /// Prints the effective settings with secrets masked and what production still lacks.
    Check,
    /// Prints the OpenAPI document.
    Openapi,
    /// Plans and their versions.
    Plans(Beside<admin::PlansCommand>),
    /// People who sign in.
    Users(Beside<people::UsersCommand>),
    /// Families, schools and teams.
    Tenants(Beside<people::TenantsCommand>),
    /// Units that tenants have beside their plans.
    Grants(Beside<grants::GrantsCommand>),
    /// What a tenant may use in a month, by the house.
    Caps(Beside<caps::CapsCommand>),
    /// API keys.
    Keys(Beside<people::KeysCommand>),
    /// Apps that people may sign in to with their account here.
    Clients(Beside<people::ClientsCommand>),
    /// Who did what.
    Audit(Beside<people::AuditCommand>),
    /// Letters that could not be delivered.
    Letters(Beside<people::LettersCommand>),
    /// What Stripe told us, and whether we missed something.
    Billing(Beside<till::BillingCommand>),
    /// Work in line, done later, or given up.
    Jobs(Beside<background::JobsCommand>),
    /// The bar's models: what they are trained with, and whether they answer as she would.
    #[command(subcommand)]
    Misaki(training::MisakiCommand),
    /// Models, what they cost and who answers for them: versions that all nodes follow without a restart.
    Models(Beside<versions::ModelsCommand>),
    /// Keys of providers, beside those of the settings.
    Providers(Beside<providers::ProvidersCommand>),
    /// The keys that secrets in the database are sealed under.
    Seal(Beside<seals::command::SealCommand>),
    /// Removes the private cluster of a data directory with everything in it.
    Reset(DataArgs),
}

#[derive(Debug, Args)]
pub(crate) struct DataArgs {
    /// The data directory whose private cluster is meant; DATABASE_URL comes first.
    #[arg(long, default_value = database::USUAL, value_name = "DIR")]
    pub(crate) data: PathBuf,
}

/// A command beside a running house, on its database.
#[derive(Debug, Args)]
struct Beside<C: Subcommand> {
    /// The data directory of the house, for its private database and sealing keys; `var` unless DATABASE_URL is set.
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(subcommand)]
    command: C,
}

impl<C: Subcommand> Beside<C> {
    async fn run(
        self,
        settings: Settings,
        command: impl AsyncFnOnce(&Settings, C) -> Result<()>,
    ) -> Result<()> {
        let settings = database::beside(settings, self.data.as_deref())?;
        command(&settings, self.command).await
    }
}

fn traces(settings: &settings::Traces) -> Result<Option<Traces>> {
    if settings.endpoint.is_empty() {
        return Ok(None);
    }
    let headers = settings.headers.expose_secret().split(',');
    let headers = headers.filter_map(|header| header.split_once('='));
    let headers = headers.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
    let traces = Traces::start(&settings.endpoint, headers);
    traces.context("traces.endpoint can't be used").map(Some)
}

impl Cli {
    pub(crate) async fn execute(self) -> Result<()> {
        if let Command::Openapi = self.command {
            return say(&listeners::openapi()?);
        }
        let settings = Settings::load(self.config.as_deref())?;
        let format = match settings.log.format {
            LogFormat::Plain => telemetry::Format::Plain,
            LogFormat::Json => telemetry::Format::Json,
        };
        telemetry::start_logging(&settings.log.filter, format)
            .map_err(|error| anyhow::anyhow!("log.filter can't be used: {error}"))?;
        // spans are sent until the command has ended
        let _traces = traces(&settings.traces)?;
        match self.command {
            Command::Run(args) => run::everything(settings, args).await,
            Command::Serve(args) => run::one_listener(settings, &args).await,
            Command::Work => run::work(settings).await,
            Command::Migrate => {
                let url = settings.database.url.context("DATABASE_URL is not set")?;
                db::migrate(&url)
                    .await
                    .context("the database could not be brought up to date")
            }
            Command::Verify(args) => admin::verify(&settings, &args.data).await,
            Command::Check => check::check(&settings),
            Command::Openapi => say(&listeners::openapi()?),
            Command::Plans(at) => at.run(settings, admin::plans).await,
            Command::Users(at) => at.run(settings, people::users).await,
            Command::Tenants(at) => at.run(settings, people::tenants).await,
            Command::Caps(at) => at.run(settings, caps::command).await,
            Command::Grants(at) => at.run(settings, grants::command).await,
            Command::Keys(at) => at.run(settings, people::keys).await,
            Command::Clients(at) => at.run(settings, people::clients).await,
            Command::Audit(at) => at.run(settings, people::audit).await,
            Command::Letters(at) => at.run(settings, people::letters).await,
            Command::Billing(at) => at.run(settings, till::command).await,
            Command::Jobs(at) => at.run(settings, background::command).await,
            Command::Misaki(command) => {
                training::command(&database::beside(settings, None)?, command).await
            }
            Command::Models(at) => at.run(settings, versions::command).await,
            Command::Providers(at) => at.run(settings, providers::command).await,
            Command::Seal(at) => at.run(settings, seals::command::run).await,
            Command::Reset(args) => {
                database::reset(&args.data)?;
                say("the private cluster is gone\n")
            }
        }
    }
}
