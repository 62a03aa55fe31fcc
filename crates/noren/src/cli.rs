use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use secrecy::ExposeSecret;
use settings::{LogFormat, Settings};
use telemetry::trace::Traces;

use crate::{
    admin, background, caps, database, grants, listeners, output::say, people, providers, run,
    seals, till, training, versions,
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
    #[command(subcommand)]
    Plans(admin::PlansCommand),
    /// People who sign in.
    #[command(subcommand)]
    Users(people::UsersCommand),
    /// Families, schools and teams.
    #[command(subcommand)]
    Tenants(people::TenantsCommand),
    /// Units that tenants have beside their plans.
    #[command(subcommand)]
    Grants(grants::GrantsCommand),
    /// What a tenant may use in a month, by the house.
    #[command(subcommand)]
    Caps(caps::CapsCommand),
    /// API keys.
    #[command(subcommand)]
    Keys(people::KeysCommand),
    /// Apps that people may sign in to with their account here.
    #[command(subcommand)]
    Clients(people::ClientsCommand),
    /// Who did what.
    #[command(subcommand)]
    Audit(people::AuditCommand),
    /// Letters that could not be delivered.
    #[command(subcommand)]
    Letters(people::LettersCommand),
    /// What Stripe told us, and whether we missed something.
    #[command(subcommand)]
    Billing(till::BillingCommand),
    /// Work in line, done later, or given up.
    #[command(subcommand)]
    Jobs(background::JobsCommand),
    /// The bar's models: what they are trained with, and whether they answer as she would.
    #[command(subcommand)]
    Misaki(training::MisakiCommand),
    /// Models, what they cost and who answers for them: versions that all nodes follow without a restart.
    #[command(subcommand)]
    Models(versions::ModelsCommand),
    /// Keys of providers, beside those of the settings.
    #[command(subcommand)]
    Providers(providers::ProvidersCommand),
    /// The keys that secrets in the database are sealed under.
    #[command(subcommand)]
    Seal(seals::command::SealCommand),
    /// Removes the private cluster of a data directory with everything in it.
    Reset(DataArgs),
}

#[derive(Debug, Args)]
pub(crate) struct DataArgs {
    /// The data directory whose private cluster is meant; DATABASE_URL comes first.
    #[arg(long, default_value = "var", value_name = "DIR")]
    pub(crate) data: PathBuf,
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
            Command::Check => {
                let missing = settings.missing_for_production();
                let mut text = settings.describe();
                if missing.is_empty() {
                    text += "\nready for production\n";
                } else {
                    text += "\nmissing for production:\n";
                    for what in missing {
                        text = text + "- " + what + "\n";
                    }
                }
                say(&text)
            }
            Command::Openapi => say(&listeners::openapi()?),
            Command::Plans(command) => admin::plans(&settings, command).await,
            Command::Users(command) => people::users(&settings, command).await,
            Command::Tenants(command) => people::tenants(&settings, command).await,
            Command::Caps(command) => caps::command(&settings, command).await,
            Command::Grants(command) => grants::command(&settings, command).await,
            Command::Keys(command) => people::keys(&settings, command).await,
            Command::Clients(command) => people::clients(&settings, command).await,
            Command::Audit(command) => people::audit(&settings, command).await,
            Command::Letters(command) => people::letters(&settings, command).await,
            Command::Billing(command) => till::command(&settings, command).await,
            Command::Jobs(command) => background::command(&settings, command).await,
            Command::Misaki(command) => training::command(&settings, command).await,
            Command::Models(command) => versions::command(&settings, command).await,
            Command::Providers(command) => providers::command(&settings, command).await,
            Command::Seal(command) => seals::command::run(&settings, command).await,
            Command::Reset(args) => {
                database::reset(&args.data)?;
                say("the private cluster is gone\n")
            }
        }
    }
}
