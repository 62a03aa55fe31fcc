use std::{path::Path, time::Duration};

use anyhow::{Context, Result, bail};
use api::Proxies;
use clap::Subcommand;
use db::Ctx;
use sandbox::{StripeDouble, StripePrice};
use secrecy::{ExposeSecret, SecretString};
use settings::Settings;
use tokio::{
    net::TcpListener,
    time::{MissedTickBehavior, interval},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use crate::{
    admin::{self, context, open_identity},
    house::House,
    output::say,
};

/// How often each node looks for events that another took in or gave up.
const EVERY: Duration = Duration::from_millis(500);
/// The most events in one look.
const MOST: i64 = 200;

#[derive(Debug, Subcommand)]
pub(crate) enum BillingCommand {
    /// Events of Stripe's that were given up.
    Dead,
    /// Works on an event again.
    Replay { event: String },
    /// Compares with Stripe, repairs what differs, and prints what did.
    Reconcile {
        /// How far back events are looked at.
        #[arg(long, default_value_t = 72)]
        hours: u32,
    },
}

/// The counter's stand-in, before anybody stands there.
#[derive(Debug)]
pub(crate) struct StandIn {
    listener: TcpListener,
    base_url: String,
    key: String,
    secret: String,
}

/// How the room is set up by the settings.
pub(crate) fn config(settings: &Settings, stand_in: Option<&StandIn>) -> billing::Config {
    let stripe = &settings.billing.stripe;
    let configured = || billing::StripeConfig {
        api_url: stripe.api_url.clone(),
        secret_key: stripe.secret_key.clone(),
        api_version: stripe.api_version.clone(),
        webhook_secrets: stripe.secrets(),
    };
    let sandbox = |one: &StandIn| billing::StripeConfig {
        api_url: one.base_url.clone(),
        secret_key: one.key.as_str().into(),
        api_version: stripe.api_version.clone(),
        webhook_secrets: vec![SecretString::from(one.secret.as_str())],
    };
    billing::Config {
        stripe: if stripe.is_configured() {
            Some(configured())
        } else {
            stand_in.map(sandbox)
        },
        account_url: settings.server.account_url.clone(),
        grace: chrono::Duration::days(settings.billing.grace_days.into()),
        issuer: issuer(settings),
    }
}

fn issuer(settings: &Settings) -> billing::Issuer {
    let issuer = &settings.billing.issuer;
    billing::Issuer {
        name: issuer.name.clone(),
        registration_number: Some(issuer.registration_number.clone())
            .filter(|number| !number.is_empty()),
        address: issuer.address.clone(),
    }
}

/// A place for the stand-in: in a demo without a key of Stripe's, and nowhere else.
pub(crate) async fn stand_in(settings: &Settings, demo: bool, cx: &Ctx) -> Result<Option<StandIn>> {
    if settings.billing.stripe.is_configured() {
        return Ok(None);
    }
    if !demo {
        tracing::warn!(
            "nothing can be bought: set billing.stripe.secret_key, or start with --demo for a stand-in"
        );
        return Ok(None);
    }
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .context("the stand-in for Stripe has no port")?;
    Ok(Some(StandIn {
        base_url: format!("http://{}", listener.local_addr()?),
        listener,
        key: format!("sk_test_{}", cx.ids.new_id::<Uuid>().simple()),
        secret: format!("whsec_{}", cx.ids.new_id::<Uuid>().simple()),
    }))
}

impl StandIn {
    /// Serves it. What it sells is what the house sells; what it remembers is in the data directory.
    pub(crate) fn serve(
        self,
        house: &House,
        account: &str,
        data: &Path,
        (tasks, stop): (&TaskTracker, &CancellationToken),
    ) {
        let catalogue = house.entitlement.catalogue.now();
        let plans = catalogue.all().map(|plan| {
            let terms = &plan.terms;
            (&terms.stripe_price, terms.price_yen, &terms.title, false)
        });
        let topups = catalogue.topups().map(|topup| {
            let terms = &topup.terms;
            (&terms.stripe_price, terms.price_yen, &terms.title, true)
        });
        let prices = plans.chain(topups).filter_map(|(id, price, title, once)| {
            Some(StripePrice {
                id: id.clone()?,
                amount: price.0,
                title: format!("{} / {}", title.ja, title.en),
                once,
            })
        });
        let double = StripeDouble::open(sandbox::StripeConfig {
            prices: prices.collect(),
            base_url: self.base_url,
            events: Some((format!("{account}/webhooks/stripe"), self.secret)),
            file: Some(data.join("sandbox-stripe.json")),
            secret_key: self.key,
            stands_at: None,
        });
        let limits = api::Limits {
            connections: 1024,
            per_address: 1024,
            header_timeout: Duration::from_mins(1),
            patience: Duration::from_mins(1),
            drain: Duration::from_secs(1),
        };
        tasks.spawn(api::serve(
            self.listener,
            double.router(),
            limits,
            Proxies::default(),
            stop.child_token(),
        ));
    }
}

/// Works on events as they come, until `stop`. What was missed is a schedule's to ask.
pub(crate) async fn keep(house: House, stop: CancellationToken) {
    let mut looks = interval(EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = billing::arrived(&house.billing) => {}
            _ = looks.tick() => {}
        }
        if let Err(error) = billing::process_due(&house.billing, MOST).await {
            tracing::warn!(%error, "events can't be worked on; the next round tries again");
        }
    }
}

/// The billing room alone, for the command line.
pub(crate) async fn command(settings: &Settings, command: BillingCommand) -> Result<()> {
    match command {
        BillingCommand::Dead => {
            for event in billing::list_dead(&context(settings).await?, 1000).await? {
                say(&format!(
                    "{}  {}  {} tries  {}  {}\n",
                    event.id,
                    event.kind,
                    event.attempts,
                    event.received_at.to_rfc3339(),
                    event.note
                ))?;
            }
            Ok(())
        }
        BillingCommand::Replay { event } => {
            if billing::replay(&context(settings).await?, &event).await? {
                say(&format!("{event} is in line again\n"))
            } else {
                bail!("there is no such event, it has no effect, or it is in line")
            }
        }
        BillingCommand::Reconcile { hours } => {
            if settings
                .billing
                .stripe
                .secret_key
                .expose_secret()
                .is_empty()
            {
                bail!("billing.stripe.secret_key is not set");
            }
            let identity = open_identity(settings).await?;
            let entitlement = admin::entitlement(identity).await?;
            let room = billing::Billing::open(entitlement, config(settings, None))?;
            let back = chrono::Duration::hours(hours.into());
            let report = billing::reconcile(&room, back).await?;
            billing::process_due(&room, 10_000).await?;
            say(&format!("{}\n", serde_json::to_string_pretty(&report)?))
        }
    }
}
