use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use axum::{Router, routing::get};
use billing::{Billing, StripeConfig};
use db::{
    Ctx, Db, PoolSize,
    cluster::{Cluster, Durability},
};
use entitlement::{Catalogue, Entitlement, PlanFile};
use futures::future::try_join_all;
use hmac::{Hmac, KeyInit, Mac};
use identity::{Identity, NewUser, Principal, RequestMeta, TenantId};
use kernel::{Clock, Lang};
use ledger::{Grant, Source};
use sandbox::{StripeDouble, StripePrice};
use secrecy::ExposeSecret;
use sha2::Sha256;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::{CLIENTS, MEASURE};

const SECRET: &str = "whsec_0123456789abcdef";
const KEY: &str = "sk_test_bench";
/// The plan that is bought.
pub(crate) const PAID: &str = "paid";
/// What a guest may use in a day.
pub(crate) const QUOTA: u32 = 20_000;

/// The plans that are measured: limits that stand in nobody's way, a quota to use up, a plan to buy.
const PLANS: &str = r#"
[[plan]]
storefront = "misaki"
id = "guest"
default_for = "guest"
title = { ja = "ゲスト", en = "Guest" }
price_yen = 0
limits = { per_minute = 100000000, concurrent = 1000000 }
grants = [{ unit = "misaki.chat", amount = 20000, every = "day" }]
routes = {}
[[plan]]
storefront = "misaki"
id = "paid"
title = { ja = "有料", en = "Paid" }
price_yen = 980
stripe_price = "price_misaki_paid"
limits = { per_minute = 1000, concurrent = 100 }
grants = [{ unit = "misaki.chat", amount = 1000, every = "month" }]
routes = {}
"#;

/// The rooms that are measured, on a durable cluster of their own.
pub(crate) struct House {
    cx: Ctx,
    pub(crate) room: Billing,
    pub(crate) stripe: StripeDouble,
    /// Where the rooms are served.
    pub(crate) url: String,
    /// Of a guest.
    pub(crate) cookie: String,
    pub(crate) http: reqwest::Client,
    cluster: Cluster,
    pub(crate) folder: TempDir,
    /// A tenant for each client, so that none waits in another's line.
    pub(crate) tenants: Vec<TenantId>,
    pub(crate) app_conninfo: String,
    pub(crate) pgbench: PathBuf,
}

impl House {
    pub(crate) async fn open() -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("noren-bench-")
            .tempdir_in(std::env::temp_dir())?;
        let cluster = Cluster::start(folder.path(), Durability::Full)?;
        let owner = cluster.url();
        db::migrate(&owner).await?;
        let app = db::app_url(&owner)?;
        let clients = u32::try_from(CLIENTS)?;
        let cx = Ctx::new(
            Db::connect(&app, PoolSize(clients + 4)).await?,
            Clock::system(),
        );
        let identity =
            Identity::open(cx.clone(), identity::Config::at("https://noren.example")).await?;
        let mut tenants = Vec::with_capacity(CLIENTS);
        for n in 0..CLIENTS {
            let new = NewUser {
                email: format!("bench{n}@noren.example"),
                password: "a long enough passphrase".into(),
                display_name: None,
                locale: Lang::En,
            };
            let meta = RequestMeta::of_the_house("req_bench");
            tenants.push(
                identity::add_user(&identity, new, false, &meta)
                    .await?
                    .tenant,
            );
        }
        entitlement::apply(&cx, &PlanFile::parse(PLANS)?).await?;
        let catalogue = Catalogue::load(&cx).await?;
        let entitlement = Entitlement::open(
            cx.clone(),
            identity.clone(),
            catalogue,
            "https://noren.example",
        );
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (stripe, stripe_url) = stand_in(&url).await?;
        let config = billing::Config {
            stripe: Some(StripeConfig {
                api_url: stripe_url,
                secret_key: KEY.into(),
                api_version: "2026-10-28.endive".to_owned(),
                webhook_secrets: vec![SECRET.into()],
            }),
            account_url: "https://noren.example".to_owned(),
            grace: chrono::Duration::days(7),
            issuer: billing::Issuer {
                name: "Bench".to_owned(),
                registration_number: None,
                address: String::new(),
            },
        };
        let room = Billing::open(entitlement.clone(), config)?;
        tokio::spawn(work(room.clone()));
        let (bills, _) = billing::router().with_state(room.clone()).split_for_parts();
        let (plans, _) = entitlement::router()
            .with_state(entitlement)
            .split_for_parts();
        let (people, _) = identity::router().with_state(identity).split_for_parts();
        let routes = Router::new()
            .route("/health", get(async || "ok"))
            .merge(bills)
            .merge(plans)
            .merge(people);
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let http = reqwest::Client::builder().timeout(MEASURE).build()?;
        let entered = http
            .post(format!("{url}/auth/guest"))
            .send()
            .await?
            .error_for_status()?;
        let cookies = entered.headers().get_all("set-cookie").iter();
        let cookie = cookies
            .filter_map(|cookie| cookie.to_str().ok()?.split(';').next())
            .collect::<Vec<_>>()
            .join("; ");
        Ok(Self {
            cx,
            room,
            stripe,
            url,
            cookie,
            http,
            cluster,
            folder,
            tenants,
            app_conninfo: app.expose_secret().to_owned(),
            pgbench: pgbench()?,
        })
    }

    pub(crate) fn cx(&self) -> &Ctx {
        &self.cx
    }

    /// Grants posted a second by all clients together.
    pub(crate) async fn postings(&self) -> Result<f64> {
        let started = Instant::now();
        let done = try_join_all(self.tenants.iter().map(|tenant| {
            let (cx, tenant) = (self.cx.clone(), *tenant);
            async move { tokio::spawn(post(cx, tenant)).await? }
        }))
        .await?;
        Ok(rate(done, started))
    }

    /// Events taken in a second from all clients together.
    pub(crate) async fn intake(&self, round: usize) -> Result<f64> {
        let started = Instant::now();
        let done =
            try_join_all(
                (0..CLIENTS).map(|client| {
                    let (http, url) = (self.http.clone(), format!("{}/webhooks/stripe", self.url));
                    let clock = self.cx.clock.clone();
                    async move {
                        tokio::spawn(send(http, url, clock, format!("{round}_{client}"))).await?
                    }
                }),
            )
            .await?;
        Ok(rate(done, started))
    }

    /// An event of no effect, ready to be sent.
    pub(crate) fn event(&self, name: &str) -> Result<reqwest::RequestBuilder> {
        let url = format!("{}/webhooks/stripe", self.url);
        event(&self.http, &url, &self.cx.clock, name)
    }

    /// The plan that somebody is on now.
    pub(crate) async fn plan(&self, caller: Principal) -> Result<String> {
        let mut tx = self.cx.db.begin(caller.scope()).await?;
        let catalogue = self.room.entitlement.catalogue.now();
        let now = self.cx.clock.now();
        let standing = entitlement::plan_of(&mut tx, &catalogue, caller, "misaki", now).await?;
        Ok(standing.plan.id)
    }

    pub(crate) fn close(self) -> Result<()> {
        self.cluster.stop().context("the cluster does not stop")
    }
}

async fn post(cx: Ctx, tenant: TenantId) -> Result<u32> {
    let (started, mut done) = (Instant::now(), 0);
    while started.elapsed() < MEASURE {
        let mut tx = cx
            .db
            .begin(db::Scope::Tenant {
                tenant: tenant.0,
                user: None,
            })
            .await?;
        let grant = Grant {
            id: cx.ids.new_id(),
            tenant,
            unit: "bench.unit",
            amount: 10,
            source: Source::Free,
            priority: 0,
            reason: "bench",
            expires_at: None,
        };
        ledger::grant(&mut tx, &cx, &grant).await?;
        tx.commit().await?;
        done += 1;
    }
    Ok(done)
}

async fn send(http: reqwest::Client, url: String, clock: Clock, name: String) -> Result<u32> {
    let (started, mut done) = (Instant::now(), 0);
    while started.elapsed() < MEASURE {
        event(&http, &url, &clock, &format!("{name}_{done}"))?
            .send()
            .await?
            .error_for_status()?;
        done += 1;
    }
    Ok(done)
}

fn event(
    http: &reqwest::Client,
    url: &str,
    clock: &Clock,
    name: &str,
) -> Result<reqwest::RequestBuilder> {
    let at = clock.now().timestamp();
    let body = serde_json::json!({
        "id": format!("evt_bench_{name}"), "object": "event", "type": "product.updated", "created": at,
        "livemode": false, "api_version": null, "data": { "object": { "id": "prod_1", "object": "product" } },
    })
    .to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes())?;
    mac.update(format!("{at}.{body}").as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    Ok(http
        .post(url)
        .header("stripe-signature", format!("t={at},v1={signature}"))
        .header("content-type", "application/json")
        .body(body))
}

/// The stand-in for Stripe, which tells the house at `url`.
async fn stand_in(url: &str) -> Result<(StripeDouble, String)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let base = format!("http://{}", listener.local_addr()?);
    let double = StripeDouble::open(sandbox::StripeConfig {
        prices: vec![StripePrice {
            id: "price_misaki_paid".to_owned(),
            amount: 980,
            title: PAID.to_owned(),
            once: false,
        }],
        base_url: base.clone(),
        events: Some((format!("{url}/webhooks/stripe"), SECRET.to_owned())),
        secret_key: KEY.to_owned(),
        ..sandbox::StripeConfig::default()
    });
    let router = double.router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok((double, base))
}

/// Works on events as they come, as a node does.
async fn work(room: Billing) -> Result<()> {
    loop {
        billing::arrived(&room).await;
        billing::process_due(&room, 200).await?;
    }
}

fn rate(done: Vec<u32>, started: Instant) -> f64 {
    let elapsed = started.elapsed().max(Duration::from_millis(1));
    f64::from(done.into_iter().sum::<u32>()) / elapsed.as_secs_f64()
}

/// pgbench of the newest server that is installed.
fn pgbench() -> Result<PathBuf> {
    (15..=30)
        .rev()
        .map(|major| PathBuf::from(format!("/usr/lib/postgresql/{major}/bin/pgbench")))
        .find(|path| path.exists())
        .context("pgbench is not installed")
}
