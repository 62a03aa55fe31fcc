mod store;

use chrono::{DateTime, Duration, Utc};
use db::{OnConstraint, Scope};
use entitlement::{Plan, PlanVersionId};
use identity::{AuditAction, Caller, Principal, RequestMeta};
use serde_json::json;

use crate::{
    Billing, Error, Shop, customer,
    order::{self, Kind, OrderId},
    stripe::{CheckoutSession, instant},
    subscription, topup,
};

kernel::id!(
    /// A way to the hosted checkout.
    CheckoutId, "chk"
);

/// How long a way is good when Stripe does not say; it closes them after 24 hours.
const LIVES: Duration = Duration::hours(23);

/// A way as it is kept.
#[derive(Debug)]
struct Open {
    id: CheckoutId,
    version: PlanVersionId,
    /// What was shown before; a way from before there were orders has none.
    order: Option<OrderId>,
    stripe_id: Option<String>,
    url: Option<String>,
    expires_at: DateTime<Utc>,
}

/// What somebody wants to pay for.
#[derive(Clone, Copy, Debug)]
pub enum Wish<'a> {
    /// What they were shown and agreed to.
    Order(OrderId),
    /// A plan by its name; what they would be shown is kept as an order.
    Plan { storefront: &'a str, plan: &'a str },
}

/// Opens the way to pay for a plan or a top-up, or finds the open one. What it costs is what the plan says, whatever the caller may
/// think. At most one way is open per storefront, so that nobody pays for two plans of it.
pub async fn start(
    room: &Billing,
    caller: &Caller,
    meta: &RequestMeta,
    wish: Wish<'_>,
) -> Result<String, Error> {
    let shop = room.shop()?;
    let by = caller.principal;
    let order = match wish {
        Wish::Order(id) => match topup::start(room, shop, by, meta, id).await? {
            Some(url) => return Ok(url),
            None => id,
        },
        Wish::Plan { storefront, plan } => {
            order::place(room, caller, meta, storefront, plan).await?.id
        }
    };
    let order = order::fresh(room, shop, by, order).await?;
    if order.kind != Kind::New {
        return Err(Error::AlreadySubscribed);
    }
    let plan = order.plan;
    let customer = customer::of_tenant(&room.cx, shop, by.tenant).await?;
    let open = open_row(room, shop, by, meta, &plan, order.id).await?;
    if let Some(url) = open.url {
        return Ok(url);
    }
    let session = ask(room, shop, &open, &customer, &plan, by).await?;
    let url = session.url.clone().ok_or(Error::Closed)?;
    let expires_at = session
        .expires_at
        .and_then(instant)
        .unwrap_or(open.expires_at);
    let mut tx = begin(room).await?;
    store::answered(&mut tx, open.id, &session.id, &url, expires_at).await?;
    tx.commit().await?;
    Ok(url)
}

/// The open row for this plan. One for another plan is closed, here and at Stripe.
async fn open_row(
    room: &Billing,
    shop: &Shop,
    by: Principal,
    meta: &RequestMeta,
    plan: &Plan,
    order: OrderId,
) -> Result<Open, Error> {
    let cx = &room.cx;
    // two rounds: one that finds what is in the way, one after it is gone
    for _ in 0..3 {
        let now = cx.clock.now();
        let mut tx = begin(room).await?;
        let live = subscription::live(&mut tx, by.tenant, &plan.storefront, shop.livemode).await?;
        if live.is_some() {
            return Err(Error::AlreadySubscribed);
        }
        let found = store::open(&mut tx, by.tenant, &plan.storefront, shop.livemode).await?;
        match found {
            Some(open) if open.version == plan.version_id && open.expires_at > now => {
                return Ok(open);
            }
            Some(open) => {
                store::close(&mut tx, open.id).await?;
                tx.commit().await?;
                end_at_stripe(shop, &open, now).await;
            }
            None => {
                let open = Open {
                    id: cx.ids.new_id(),
                    version: plan.version_id,
                    order: Some(order),
                    stripe_id: None,
                    url: None,
                    expires_at: now + LIVES,
                };
                let made = store::insert(
                    &mut tx,
                    &open,
                    by.tenant,
                    &plan.storefront,
                    shop.livemode,
                    now,
                )
                .await
                .on_constraint("checkout_one_open", || Error::AlreadySubscribed);
                match made {
                    Ok(()) => {}
                    // another click was faster; its row is as good
                    Err(Error::AlreadySubscribed) => continue,
                    Err(error) => return Err(error),
                }
                AuditAction::new("billing.checkout", open.id)
                    .after(json!({ "storefront": plan.storefront, "plan": plan.id, "version": plan.version }))
                    .record(&mut tx, cx, meta, by)
                    .await?;
                tx.commit().await?;
                return Ok(open);
            }
        }
    }
    Err(Error::AlreadySubscribed)
}

async fn ask(
    room: &Billing,
    shop: &Shop,
    open: &Open,
    customer: &str,
    plan: &Plan,
    by: Principal,
) -> Result<CheckoutSession, Error> {
    let price = plan
        .terms
        .stripe_price
        .as_deref()
        .ok_or(Error::NotForSale)?;
    let home = &room.terms.account_url;
    let what = format!("storefront={}&plan={}", plan.storefront, plan.id);
    let (tenant, checkout) = (by.tenant.to_string(), open.id.to_string());
    // the row's own, since the same key has to bring the same words whoever asks
    let order = open.order.map(|order| order.to_string());
    let success = format!("{home}/billing/result?outcome=success&{what}");
    let cancel = format!("{home}/billing/result?outcome=cancel&{what}");
    let mut form = vec![
        ("mode", "subscription"),
        ("customer", customer),
        ("line_items[0][price]", price),
        ("line_items[0][quantity]", "1"),
        ("client_reference_id", checkout.as_str()),
        ("subscription_data[metadata][tenant]", tenant.as_str()),
        ("success_url", success.as_str()),
        ("cancel_url", cancel.as_str()),
    ];
    if let Some(order) = &order {
        form.push(("metadata[order]", order));
    }
    let key = customer::operation("checkout", open.id.0);
    Ok(shop
        .stripe
        .post("/v1/checkout/sessions", &form, &key)
        .await?)
}

/// Best effort: a session that can't be ended ends by itself, and whoever pays it nevertheless has one more subscription,
/// which both sides see.
async fn end_at_stripe(shop: &Shop, open: &Open, now: DateTime<Utc>) {
    let Some(id) = open.stripe_id.as_ref().filter(|_| open.expires_at > now) else {
        return;
    };
    let path = format!("/v1/checkout/sessions/{id}/expire");
    let key = customer::operation("expire", open.id.0);
    let ended: Result<CheckoutSession, _> = shop.stripe.post(&path, &[], &key).await;
    if let Err(error) = ended {
        tracing::warn!(%error, checkout = %open.id, "a session at Stripe could not be ended");
    }
}

/// Closes the way whose session is over.
pub(crate) async fn over(room: &Billing, session: &CheckoutSession) -> Result<(), Error> {
    if session.status.as_deref() == Some("open") {
        return Ok(());
    }
    let mut tx = begin(room).await?;
    store::close_session(&mut tx, &session.id).await?;
    tx.commit().await?;
    Ok(())
}

async fn begin(room: &Billing) -> sqlx::Result<db::Tx> {
    room.cx.db.begin(Scope::House("checkout")).await
}
