use std::{io::ErrorKind, net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Context, Result, bail};
use api::Proxies;
use axum::Router;
use clap::{Args, ValueEnum};
use db::{Commit, Ctx, Db};
use entitlement::follow_plans;
use gateway::{Patience, Routes, follow_routes};
use identity::{IssuerConfig, follow_revocations};
use kernel::{Clock, Text};
use settings::{Durability, Settings};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    admin,
    background::Kept,
    database::{self, Database},
    demo,
    front::{Front, Readiness},
    house::{House, Opening},
    listeners, models,
    output::say,
    seals,
    signals::StopSignals,
    sweep::{post, sweep},
    till,
    urls::PublicUrls,
};

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Where the private cluster lives.
    #[arg(long, default_value = database::USUAL, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Identity, billing, storefront data, web app. Port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "HOST:PORT")]
    pub(crate) account: SocketAddr,
    /// Messages, runs. Port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8081", value_name = "HOST:PORT")]
    pub(crate) inference: SocketAddr,
    /// With demo users, and a stand-in model unless a real one is configured.
    #[arg(long, overrides_with = "no_demo")]
    pub(crate) demo: bool,
    /// Without them; the default.
    #[arg(long)]
    pub(crate) no_demo: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Which listener.
    #[arg(long, value_name = "LISTENER")]
    pub(crate) only: Listener,
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) listen: SocketAddr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Listener {
    Account,
    Inference,
}

/// Database, migrations, both listeners and background work in one process, until a signal says stop.
pub(crate) async fn everything(settings: Settings, args: RunArgs) -> Result<()> {
    let mut stop_signals = StopSignals::listen()?;
    // what is cheap to find out comes first: a taken port should not cost the start of a cluster
    let account = bind(args.account, "--account").await?;
    let inference = bind(args.inference, "--inference").await?;
    let addresses = (account.local_addr()?, inference.local_addr()?);
    let urls = PublicUrls::of(&settings, addresses.0, addresses.1);
    let plans = admin::configured_plans(&settings)?;
    let database = Database::open(&settings, &args.data)?;
    let served = async {
        db::migrate(&database.url)
            .await
            .context("the database could not be brought up to date")?;
        let cx = Ctx::new(
            admin::connect(&settings, &database.url).await?,
            Clock::system(),
        );
        let demo = args.demo && !args.no_demo;
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let routes = routes(&settings, demo, &tasks, &stop).await?;
        let readiness = readiness(&settings, &urls, &routes);
        let stand_in = till::stand_in(&settings, demo, &cx).await?;
        let opening = Opening {
            urls: urls.clone(),
            plans,
            routes,
            patience: patience(&settings),
            letters: letters(&settings, demo.then(|| args.data.join("mail")))?,
            letters_from: settings.mail.from.clone(),
            issuers: issuers(&settings),
            vault: seals::vault(&settings, &cx, Some(&args.data)).await?,
            kept: kept(&settings),
            billing: till::config(&settings, stand_in.as_ref()),
            sandbox_prices: stand_in.is_some(),
            hook_origins: hook_origins(&settings, demo),
            commit: commit(&settings),
        };
        let house = House::open(cx.clone(), opening).await?;
        if demo {
            demo::seed(&house)
                .await
                .context("the demo users can't be made")?;
        }
        let front = Front {
            db: cx.db.clone(),
            metrics: telemetry::Metrics::start()?,
            demo,
            readiness: readiness.into(),
        };

        if let Some(stand_in) = stand_in {
            let here = format!("http://{}", addresses.0);
            stand_in.serve(&house, &here, &args.data, (&tasks, &stop));
        }
        let limits = limits(&settings);
        let proxies = Proxies::new(settings.server.proxies()?);
        tasks.spawn(api::serve(
            account,
            listeners::account(&house, front.clone())?,
            limits,
            proxies.clone(),
            stop.clone(),
        ));
        tasks.spawn(api::serve(
            inference,
            listeners::inference(&house, front),
            limits,
            proxies,
            stop.clone(),
        ));
        tasks.spawn(sweep(house.clone(), stop.clone()));
        tasks.spawn(post(house.clone(), stop.clone()));
        tasks.spawn(till::keep(house.clone(), stop.clone()));
        tasks.spawn(jobs::work(
            house.jobs.clone(),
            job_drain(&settings),
            stop.clone(),
        ));
        tasks.spawn(follow_revocations(house.identity.clone(), stop.clone()));
        tasks.spawn(follow_routes(house.gateway.clone(), stop.clone()));
        tasks.spawn(follow_plans(house.entitlement.clone(), stop.clone()));
        announce(&house, &urls, addresses, &database, demo)?;
        let ended = tokio::select! {
            () = stop_signals.received() => Ok(()),
            error = database.keep() => Err(error),
        };
        stop_all(&settings, &house, &cx.db, stop, tasks).await;
        ended
    }
    .await;
    database.close()?;
    served
}

/// One listener on an existing database.
pub(crate) async fn one_listener(settings: Settings, args: &ServeArgs) -> Result<()> {
    let mut stop_signals = StopSignals::listen()?;
    let owner = settings
        .database
        .url
        .clone()
        .context("DATABASE_URL is not set")?;
    let listener = bind(args.listen, "--listen").await?;
    let address = listener.local_addr()?;
    let urls = PublicUrls::of(&settings, address, address);
    let (needed, name) = match args.only {
        Listener::Account => (&settings.server.inference_url, "server.inference_url"),
        Listener::Inference => (&settings.server.account_url, "server.account_url"),
    };
    if needed.is_empty() {
        bail!(
            "{name} is not set; this process does not serve that listener, so it can't know its address"
        );
    }
    let plans = admin::configured_plans(&settings)?;
    let cx = Ctx::new(admin::connect(&settings, &owner).await?, Clock::system());
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let routes = routes(&settings, false, &tasks, &stop).await?;
    let readiness = readiness(&settings, &urls, &routes);
    let opening = Opening {
        urls,
        plans,
        routes,
        patience: patience(&settings),
        letters: letters(&settings, None)?,
        letters_from: settings.mail.from.clone(),
        issuers: issuers(&settings),
        vault: seals::vault(&settings, &cx, None).await?,
        kept: kept(&settings),
        billing: till::config(&settings, None),
        sandbox_prices: false,
        hook_origins: hook_origins(&settings, false),
        commit: commit(&settings),
    };
    let house = House::open(cx.clone(), opening).await?;
    let front = Front {
        db: cx.db.clone(),
        metrics: telemetry::Metrics::start()?,
        demo: false,
        readiness: readiness.into(),
    };
    let app: Router = match args.only {
        Listener::Account => listeners::account(&house, front)?,
        Listener::Inference => listeners::inference(&house, front),
    };
    tasks.spawn(follow_revocations(house.identity.clone(), stop.clone()));
    tasks.spawn(follow_routes(house.gateway.clone(), stop.clone()));
    tasks.spawn(follow_plans(house.entitlement.clone(), stop.clone()));
    let proxies = Proxies::new(settings.server.proxies()?);
    tasks.spawn(api::serve(
        listener,
        app,
        limits(&settings),
        proxies,
        stop.clone(),
    ));
    say(&format!(
        "{}\n",
        serde_json::json!({ "ready": true, "listen": format!("http://{address}") })
    ))?;
    stop_signals.received().await;
    stop_all(&settings, &house, &cx.db, stop, tasks).await;
    Ok(())
}

/// Background work on an existing database.
pub(crate) async fn work(settings: Settings) -> Result<()> {
    let mut stop_signals = StopSignals::listen()?;
    let owner = settings
        .database
        .url
        .clone()
        .context("DATABASE_URL is not set")?;
    let cx = Ctx::new(admin::connect(&settings, &owner).await?, Clock::system());
    let plans = admin::configured_plans(&settings)?;
    let urls = PublicUrls {
        account: settings.server.account_url.clone(),
        inference: settings.server.inference_url.clone(),
        browser_origins: Vec::new(),
    };
    let opening = Opening {
        urls,
        plans,
        routes: Routes::default(),
        patience: patience(&settings),
        letters: letters(&settings, None)?,
        letters_from: settings.mail.from.clone(),
        issuers: issuers(&settings),
        vault: seals::vault(&settings, &cx, None).await?,
        kept: kept(&settings),
        billing: till::config(&settings, None),
        sandbox_prices: false,
        hook_origins: hook_origins(&settings, false),
        commit: commit(&settings),
    };
    let house = House::open(cx.clone(), opening).await?;
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    tasks.spawn(sweep(house.clone(), stop.clone()));
    tasks.spawn(post(house.clone(), stop.clone()));
    tasks.spawn(till::keep(house.clone(), stop.clone()));
    tasks.spawn(jobs::work(
        house.jobs.clone(),
        job_drain(&settings),
        stop.clone(),
    ));
    tasks.spawn(follow_revocations(house.identity.clone(), stop.clone()));
    tasks.spawn(follow_routes(house.gateway.clone(), stop.clone()));
    tasks.spawn(follow_plans(house.entitlement.clone(), stop.clone()));
    say(&format!("{}\n", serde_json::json!({ "ready": true })))?;
    stop_signals.received().await;
    stop_all(&settings, &house, &cx.db, stop, tasks).await;
    Ok(())
}

async fn bind(address: SocketAddr, flag: &str) -> Result<TcpListener> {
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            bail!("{address} is taken by another program; choose another with {flag} HOST:PORT")
        }
        Err(error) => Err(error).with_context(|| format!("{address} can't be listened on")),
    }
}

/// The models that answer: the configured server, or the stand-in where this is a demo, or none.
async fn routes(
    settings: &Settings,
    demo: bool,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> Result<Routes> {
    if !settings.gateway.openai.base_url.is_empty() {
        let routes = models::openai(&settings.gateway.openai).await?;
        return models::named(&settings.gateway, routes, None);
    }
    if !demo {
        if !settings.gateway.is_configured() {
            tracing::warn!(
                "no model is configured: set gateway.providers or gateway.openai, or start with --demo for a stand-in"
            );
        }
        return models::named(&settings.gateway, Routes::default(), None);
    }
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .context("the stand-in model has no port")?;
    let base_url = format!("http://{}/v1", listener.local_addr()?);
    tracing::info!(base_url, "the stand-in model");
    let limits = api::Limits {
        connections: 4096,
        per_address: 4096,
        header_timeout: Duration::from_mins(5),
        patience: Duration::from_mins(5),
        drain: Duration::from_secs(1),
    };
    tasks.spawn(api::serve(
        listener,
        sandbox::model_router(),
        limits,
        Proxies::default(),
        stop.child_token(),
    ));
    let routes = models::stand_ins(&base_url);
    models::named(&settings.gateway, routes, Some(&base_url))
}

/// How letters go out: by the configured server; in a demo into a folder, which its mailbox page shows; else they wait.
fn letters(settings: &Settings, demo: Option<PathBuf>) -> Result<mail::Way> {
    if settings.mail.is_configured() {
        return Ok(mail::Way::Smtp(settings.mail.smtp_url.clone()));
    }
    let Some(folder) = demo else {
        tracing::warn!("no mail server is configured: letters wait until mail.smtp_url is set");
        return Ok(mail::Way::Nowhere);
    };
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("{} can't be made", folder.display()))?;
    Ok(mail::Way::Folder(folder))
}

fn issuers(settings: &Settings) -> Vec<IssuerConfig> {
    let known = settings.identity.issuers.iter();
    known
        .map(|(id, issuer)| IssuerConfig {
            id: id.clone(),
            url: issuer.url.clone(),
            client_id: issuer.client_id.clone(),
            client_secret: issuer.client_secret.clone(),
            title: issuer.title.clone(),
            jwks_url: issuer.jwks_url.clone(),
            scopes: issuer.scopes.clone(),
            trust_email: issuer.trust_email,
        })
        .collect()
}

/// How long what was begun and left is kept.
fn kept(settings: &Settings) -> Kept {
    let days = |days: u16| (days > 0).then(|| chrono::Duration::days(days.into()));
    Kept {
        unconfirmed: days(settings.identity.unconfirmed_days),
        guests: days(settings.identity.guest_days),
    }
}

/// Hooks go to this machine in a demo alone, whatever the settings say.
fn hook_origins(settings: &Settings, demo: bool) -> Vec<String> {
    if demo {
        settings.hooks.origins()
    } else {
        Vec::new()
    }
}

/// What the commits of runs and their usage wait for.
const fn commit(settings: &Settings) -> Commit {
    match settings.metering.durability {
        Durability::Commit => Commit::Durable,
        Durability::Async => Commit::Soon,
    }
}

/// Jobs end before the process gives up waiting for everything.
fn job_drain(settings: &Settings) -> Duration {
    Duration::from_secs(settings.server.drain_seconds.min(20))
}

/// The routes that the settings name, for the command line.
pub(crate) async fn configured_routes(settings: &Settings) -> Result<Routes> {
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    routes(settings, false, &tasks, &stop).await
}

pub(crate) fn patience(settings: &Settings) -> Patience {
    Patience {
        silence: Duration::from_secs(settings.gateway.silence_seconds),
        run: Duration::from_secs(settings.gateway.run_seconds),
        ..Patience::default()
    }
}

fn limits(settings: &Settings) -> api::Limits {
    api::Limits {
        connections: settings.server.connections,
        per_address: settings.server.connections_per_address,
        header_timeout: Duration::from_secs(10),
        patience: Duration::from_secs(10),
        drain: Duration::from_secs(settings.server.drain_seconds),
    }
}

fn readiness(settings: &Settings, urls: &PublicUrls, routes: &Routes) -> Vec<Readiness> {
    let step = |id, ready, ja, en| Readiness {
        id,
        ready,
        text: Text::new(ja, en),
    };
    vec![
        step(
            "database",
            settings.database.url.is_some(),
            "データベース（バックアップ付き）",
            "A database with backups",
        ),
        step(
            "https",
            urls.account.starts_with("https://"),
            "HTTPS のドメイン",
            "A domain with HTTPS",
        ),
        step(
            "model",
            settings.gateway.is_configured() && !routes.is_empty(),
            "応答するモデル",
            "A model that answers",
        ),
        step(
            "mail",
            settings.mail.is_configured(),
            "メールサーバー（SMTP）",
            "A mail server (SMTP)",
        ),
        step(
            "stripe",
            settings.billing.stripe.is_configured(),
            "お支払い（Stripe）",
            "Payments (Stripe)",
        ),
        step(
            "backup",
            false,
            "バックアップ（準備中）",
            "Backups (coming)",
        ),
    ]
}

/// One JSON line for programs on standard output, and for eyes the same on standard error.
fn announce(
    house: &House,
    urls: &PublicUrls,
    (account, inference): (SocketAddr, SocketAddr),
    database: &Database,
    demo: bool,
) -> Result<()> {
    let line = serde_json::json!({
        "ready": true,
        "account": format!("http://{account}"),
        "inference": format!("http://{inference}"),
        "database": database.shown(),
    });
    say(&format!("{line}\n"))?;
    eprintln!("\n  暖簾 Noren\n  {}\n", urls.account);
    if demo {
        for login in demo::logins(&house.identity) {
            eprintln!("  demo: {}  {}", login.email, login.password);
        }
        eprintln!("\n  stop: ctrl-c   reset: make reset\n");
    }
    Ok(())
}

/// No new requests; what is open finishes within the drain time, runs too; then the rest is ended with a reason.
async fn stop_all(
    settings: &Settings,
    house: &House,
    db: &Db,
    stop: CancellationToken,
    tasks: TaskTracker,
) {
    let drain = Duration::from_secs(settings.server.drain_seconds);
    tasks.close();
    stop.cancel();
    house.gateway.drain(drain).await;
    let _ = tokio::time::timeout(drain + Duration::from_secs(2), tasks.wait()).await;
    db.close().await;
}
