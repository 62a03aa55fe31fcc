//! Billing: how a plan is paid, by way of Stripe.
//!
//! Owns: the one customer that a tenant is, orders as they were shown, the ways to checkout and portal, every event that
//! Stripe ever sent, subscriptions as they were last read, payments with their receipts and what became of them; points and
//! invitations, whose rewards come with payments and go with them.
//! Never: a card's number; a price, plan or amount that a client named; a network call inside a transaction; an effect of
//! what an event says, since events come twice, late and in any order. An event is a reason to read its object again.
//!
//! Readings of one object are numbered before they begin, and an older one never writes over a younger. So whichever
//! events come how often in which order, the end is what Stripe said last.

mod auto;
mod buyer;
mod change;
mod checkout;
mod customer;
mod earning;
mod error;
mod event;
mod export;
mod fact;
mod figures;
mod http;
mod money;
mod operate;
mod order;
mod payment;
mod points;
mod portal;
mod process;
mod reading;
mod receipt;
mod reconcile;
mod referral;
mod reward;
mod stripe;
mod subscription;
mod topup;

use std::{fmt, sync::Arc};

use chrono::Duration;
use db::{Ctx, GroupCommit};
use entitlement::Entitlement;
use identity::Identity;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Notify;

pub use buyer::top_up_due;
pub use change::{pays, see_off};
pub use checkout::{CheckoutId, Wish, start as start_checkout};
pub use earning::settle_rewards;
pub use error::Error;
pub use event::{DeadEvent, arrived, list_dead, replay};
pub use export::{Export, export};
pub use figures::{Takings, takings};
pub use http::router;
pub use money::{Currency, Money};
pub use order::OrderId;
pub use payment::{PaymentId, mend_debts, refund_ends};
pub use points::{RedemptionId, earn};
pub use process::process_due;
pub use receipt::{Issuer, ReceiptId};
pub use reconcile::{Repair, Report, reconcile};
pub use referral::ReferralId;
pub use stripe::{OpenError, sign};
pub use subscription::{PlanChange, SubscriptionView};

use stripe::{Secrets, Stripe};

/// How the room is set up.
#[derive(Debug)]
pub struct Config {
    /// None: nothing can be bought, and no event is taken.
    pub stripe: Option<StripeConfig>,
    /// Where people reach the house; checkout and portal lead back there.
    pub account_url: String,
    /// How long a plan goes on when a payment failed.
    pub grace: Duration,
    /// Who sells, as receipts say.
    pub issuer: Issuer,
}

/// How Stripe is reached.
#[derive(Debug)]
pub struct StripeConfig {
    pub api_url: String,
    pub secret_key: SecretString,
    /// The version of the interface that answers are read in.
    pub api_version: String,
    /// What its events are signed with; two while one replaces the other.
    pub webhook_secrets: Vec<SecretString>,
}

/// The room with what it needs to work.
#[derive(Clone, axum::extract::FromRef)]
pub struct Billing {
    pub cx: Ctx,
    pub identity: Identity,
    pub entitlement: Entitlement,
    shop: Option<Shop>,
    terms: Arc<HouseTerms>,
    intake: GroupCommit<event::Intake>,
    /// Rung when an event came in, so that nobody waits for the next look.
    arrival: Arc<Notify>,
}

/// Stripe as it was set up.
#[derive(Clone)]
struct Shop {
    stripe: Stripe,
    secrets: Arc<Secrets>,
    livemode: bool,
}

#[derive(Debug)]
struct HouseTerms {
    account_url: String,
    grace: Duration,
    issuer: Issuer,
}

impl Billing {
    /// Opens the room. Nobody is asked for anything yet.
    ///
    /// # Errors
    /// When a setting can't be used; the message names it and shows no secret.
    pub fn open(entitlement: Entitlement, config: Config) -> Result<Self, OpenError> {
        let shop = config.stripe.map(Shop::open).transpose()?;
        let cx = entitlement.cx.clone();
        Ok(Self {
            intake: GroupCommit::start(event::Intake(cx.clone())),
            cx,
            identity: entitlement.identity.clone(),
            entitlement,
            shop,
            terms: Arc::new(HouseTerms {
                account_url: config.account_url.trim_end_matches('/').to_owned(),
                grace: config.grace,
                issuer: config.issuer,
            }),
            arrival: Arc::default(),
        })
    }

    /// Whether anything can be bought here.
    pub fn is_open(&self) -> bool {
        self.shop.is_some()
    }

    /// Who sells, as receipts say.
    pub fn issuer(&self) -> &Issuer {
        &self.terms.issuer
    }

    fn shop(&self) -> Result<&Shop, Error> {
        self.shop.as_ref().ok_or(Error::Closed)
    }
}

impl Shop {
    fn open(config: StripeConfig) -> Result<Self, OpenError> {
        // restricted keys begin with rk_ and say the mode in the same place
        let livemode = config.secret_key.expose_secret().contains("_live_");
        Ok(Self {
            secrets: Arc::new(Secrets::new(&config.webhook_secrets)?),
            stripe: Stripe::open(config)?,
            livemode,
        })
    }
}

impl fmt::Debug for Billing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Billing")
            .field("open", &self.is_open())
            .finish_non_exhaustive()
    }
}
