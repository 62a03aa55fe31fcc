use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use billing::{Billing, StripeConfig};
use db::{
    Ctx, Db, PoolSize,
    cluster::{Cluster, Durability},
};
use entitlement::Entitlement;
use futures::future::try_join_all;
use hmac::{Hmac, KeyInit, Mac};
use identity::{Identity, NewUser, RequestMeta, TenantId};
use kernel::{Clock, Lang};
use ledger::{Grant, Source};
use secrecy::ExposeSecret;
use sha2::Sha256;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::{CLIENTS, MEASURE};

const SECRET: &str = "whsec_0123456789abcdef";

/// The rooms that are measured, on a durable cluster of their own.
pub(crate) struct House {
    cx: Ctx,
    billing_url: String,
    http: reqwest::Client,
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
        let entitlement = Entitlement::open(
            cx.clone(),
            identity,
            Arc::default(),
            "https://noren.example",
        );
        let config = billing::Config {
            stripe: Some(StripeConfig {
                // nobody is asked: the events are of a kind that has no effect
                api_url: "http://127.0.0.1:9".to_owned(),
                secret_key: "sk_test_bench".into(),
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
        let room = Billing::open(entitlement, config)?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let billing_url = format!("http://{}/webhooks/stripe", listener.local_addr()?);
        let (routes, _) = billing::router().with_state(room).split_for_parts();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Ok(Self {
            cx,
            billing_url,
            http: reqwest::Client::builder().timeout(MEASURE).build()?,
            cluster,
            folder,
            tenants,
            app_conninfo: app.expose_secret().to_owned(),
            pgbench: pgbench()?,
        })
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
                    let (http, url) = (self.http.clone(), self.billing_url.clone());
                    let clock = self.cx.clock.clone();
                    async move {
                        tokio::spawn(send(http, url, clock, format!("{round}_{client}"))).await?
                    }
                }),
            )
            .await?;
        Ok(rate(done, started))
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
        let at = clock.now().timestamp();
        let body = serde_json::json!({
            "id": format!("evt_bench_{name}_{done}"), "object": "event", "type": "product.updated", "created": at,
            "livemode": false, "api_version": null, "data": { "object": { "id": "prod_1", "object": "product" } },
        })
        .to_string();
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes())?;
        mac.update(format!("{at}.{body}").as_bytes());
        let signature = hex::encode(mac.finalize().into_bytes());
        http.post(&url)
            .header("stripe-signature", format!("t={at},v1={signature}"))
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await?
            .error_for_status()?;
        done += 1;
    }
    Ok(done)
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
