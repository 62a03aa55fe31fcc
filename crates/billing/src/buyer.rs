//! What tenants agreed to have bought by itself is ordered and paid.

mod store;

use chrono::{DateTime, Duration, Utc};
use entitlement::TopUp;
use identity::{AuditAction, RequestMeta, TenantId};
use kernel::Lang;
use mail::{Letter, Template};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Billing, Error, Shop,
    auto::{Rule, Stopped, begin, card, shown, store as rules},
    customer,
    order::OrderId,
    reading::{self, Outcome},
    stripe::StripeError,
    topup::{self, TopUpOrder},
};

/// For how long Stripe surely remembers a key (24 hours). After that nothing new is begun for an order.
const KEY_LIVES: Duration = Duration::hours(12);

/// An order that is being paid.
#[derive(Clone, Debug)]
pub(super) struct Open {
    pub(super) id: OrderId,
    pub(super) tenant: TenantId,
    pub(super) storefront: String,
    pub(super) invoice: Option<String>,
    pub(super) created_at: DateTime<Utc>,
}

/// An object of Stripe's of which only the name matters.
#[derive(Debug, Deserialize)]
struct Made {
    id: String,
}

/// Orders what tenants agreed to have bought by itself when few units are left, and pays what is ordered; at most `most` of
/// each. Returns how many were ordered. Every node may do this at once: one order is open at a time, and each call of Stripe's
/// carries a key of its order.
///
/// # Errors
/// When the database is away. What Stripe does not answer for is left to the next round.
pub async fn top_up_due(room: &Billing, most: i64) -> Result<usize, Error> {
    let Some(shop) = &room.shop else {
        return Ok(0);
    };
    let mut ordered = 0;
    let mut after = (TenantId(uuid::Uuid::nil()), String::new());
    loop {
        let mut tx = begin(room).await?;
        let rules = store::on_after(&mut tx, &after, shop.livemode, most).await?;
        tx.commit().await?;
        let Some(last) = rules.last() else {
            break;
        };
        after = (last.tenant, last.storefront.clone());
        for rule in rules {
            ordered += usize::from(order(room, shop, &rule).await?);
        }
    }
    let mut tx = begin(room).await?;
    let open = store::open(&mut tx, shop.livemode, most).await?;
    tx.commit().await?;
    for one in open {
        match pay(room, shop, &one).await {
            Err(Error::Stripe(error)) if error.may_pass() => {
                tracing::warn!(%error, order = %one.id, "an automatic order waits for Stripe");
            }
            Err(Error::Stripe(error)) => {
                tracing::warn!(%error, order = %one.id, "an automatic order failed");
                fail(room, shop, &one, Stopped::PaymentFailed).await?;
            }
            other => other?,
        }
    }
    Ok(ordered)
}

/// Whether fewer units are left than the rule wants.
async fn is_short(
    conn: &mut sqlx::PgConnection,
    room: &Billing,
    rule: &Rule,
) -> Result<bool, Error> {
    let of = (rule.storefront.as_str(), rule.unit.as_str());
    let left = entitlement::available(conn, &room.entitlement, rule.principal(), of).await?;
    Ok(left < rule.threshold)
}

/// Whether the top-up that somebody agreed to is what is sold now: neither withdrawn nor changed.
fn is_still_sold(room: &Billing, storefront: &str, topup: &TopUp) -> bool {
    let catalogue = room.entitlement.catalogue.now();
    let sold = catalogue.topup(storefront, &topup.id);
    sold.is_some_and(|sold| sold.version_id == topup.version_id)
}

/// Opens an order if few units are left and the month's ceiling allows it. Whoever holds the one open order looks at the books
/// again: the units of the order before are there when that is closed.
async fn order(room: &Billing, shop: &Shop, rule: &Rule) -> Result<bool, Error> {
    let cx = &room.cx;
    let now = cx.clock.now();
    let mut tx = begin(room).await?;
    if !is_short(&mut tx, room, rule).await? {
        tx.commit().await?;
        return Ok(false);
    }
    let topup = entitlement::topup_version(&mut tx, rule.version).await?;
    let topup = topup.ok_or(Error::NoTopUp)?;
    let (month, _) = entitlement::running_month(&mut tx, cx, rule.tenant).await?;
    let spent = rules::spent(&mut tx, rule.tenant, &rule.storefront, month).await?;
    let price = topup.terms.price_yen.0;
    tx.commit().await?;
    if spent + price > rule.monthly_yen {
        return Ok(false);
    }
    if !is_still_sold(room, &rule.storefront, &topup) {
        let mut tx = begin(room).await?;
        stop(
            &mut tx,
            room,
            shop,
            (rule.tenant, &rule.storefront),
            Stopped::NotSold,
        )
        .await?;
        tx.commit().await?;
        return Ok(false);
    }
    // over as soon as it was shown: nobody else is to pay for it
    let order = TopUpOrder::of(
        cx.ids.new_id(),
        &topup,
        now,
        now + Duration::milliseconds(1),
    );
    let kept = rules::Shown {
        id: order.id,
        tenant: rule.tenant,
        livemode: shop.livemode,
        storefront: &rule.storefront,
        version: topup.version_id,
        kind: "topup",
        wording: topup::words::WORDING,
        facts: shown(&order)?,
        created_at: now,
        expires_at: order.expires_at,
    };
    let mut tx = begin(room).await?;
    rules::insert_shown(&mut tx, &kept).await?;
    // dropped transactions leave nothing behind
    if !store::insert(&mut tx, &kept, price).await?
        || !store::is_on(&mut tx, rule, shop.livemode).await?
        || !is_short(&mut tx, room, rule).await?
        || rules::spent(&mut tx, rule.tenant, &rule.storefront, month).await? > rule.monthly_yen
    {
        return Ok(false);
    }
    AuditAction::new("billing.auto_topup.order", order.id)
        .after(json!({ "storefront": rule.storefront, "topup": topup.id, "version": topup.version, "total_yen": price }))
        .record_as(&mut tx, cx, &RequestMeta::of_the_house("auto"), Some(rule.tenant), "auto_topup")
        .await?;
    tx.commit().await?;
    Ok(true)
}

/// Pays for an order with the card that is kept. Each step has a key of its own, so whoever repeats them repeats nothing.
async fn pay(room: &Billing, shop: &Shop, order: &Open) -> Result<(), Error> {
    if order.created_at + KEY_LIVES < room.cx.clock.now() {
        return fail(room, shop, order, Stopped::PaymentFailed).await;
    }
    let customer = customer::known(&room.cx, shop, order.tenant).await?;
    let (Some(customer), Some(topup)) = (customer, ordered(room, shop, order).await?) else {
        return fail(room, shop, order, Stopped::NotSold).await;
    };
    let Some(card) = card(shop, &customer).await? else {
        return fail(room, shop, order, Stopped::PaymentFailed).await;
    };
    let stripe = &shop.stripe;
    let key = |step: &str| customer::operation(&format!("auto-{step}"), order.id.0);
    let name = order.id.to_string();
    let form = [
        ("customer", customer.as_str()),
        ("collection_method", "charge_automatically"),
        ("auto_advance", "false"),
        ("pending_invoice_items_behavior", "exclude"),
        ("metadata[order]", name.as_str()),
    ];
    let invoice: Made = stripe.post("/v1/invoices", &form, &key("invoice")).await?;
    let mut tx = begin(room).await?;
    store::set_invoice(&mut tx, order.id, &invoice.id).await?;
    tx.commit().await?;
    let price = topup.terms.stripe_price.as_deref().unwrap_or_default();
    let form = [
        ("customer", customer.as_str()),
        ("invoice", invoice.id.as_str()),
        ("pricing[price]", price),
        ("quantity", "1"),
    ];
    let _: Made = stripe.post("/v1/invoiceitems", &form, &key("item")).await?;
    let path = format!("/v1/invoices/{}", invoice.id);
    let form = [("auto_advance", "false")];
    let _: Made = stripe
        .post(&format!("{path}/finalize"), &form, &key("finalize"))
        .await?;
    let form = [("off_session", "true"), ("payment_method", card.as_str())];
    let _: Made = stripe
        .post(&format!("{path}/pay"), &form, &key("pay"))
        .await?;
    // the event says so as well, whichever comes first
    reading::invoice(room, shop, &invoice.id).await?;
    Ok(())
}

async fn ordered(room: &Billing, shop: &Shop, order: &Open) -> Result<Option<TopUp>, Error> {
    let mut tx = begin(room).await?;
    let topup = topup::ordered(&mut tx, order.id, order.tenant, shop.livemode).await?;
    tx.commit().await?;
    Ok(topup.filter(|topup| topup.terms.stripe_price.is_some()))
}

/// Ends an order that can't be paid, and with it the rule; an invoice that is paid after all is taken for what it is.
async fn fail(room: &Billing, shop: &Shop, order: &Open, why: Stopped) -> Result<(), Error> {
    let mut tx = begin(room).await?;
    let invoice = store::invoice_of(&mut tx, order.id).await?;
    tx.commit().await?;
    if let Some(invoice) = invoice.or_else(|| order.invoice.clone()) {
        let key = customer::operation("auto-void", order.id.0);
        let path = format!("/v1/invoices/{invoice}/void");
        let voided: Result<Value, StripeError> = shop.stripe.post(&path, &[], &key).await;
        match voided {
            Err(error) if error.may_pass() => return Err(error.into()),
            _ => {}
        }
        if reading::invoice(room, shop, &invoice).await? == Outcome::Done
            && !is_open(room, order).await?
        {
            return Ok(());
        }
    }
    let mut tx = begin(room).await?;
    if store::failed(&mut tx, order.id, room.cx.clock.now()).await? {
        stop(&mut tx, room, shop, (order.tenant, &order.storefront), why).await?;
    }
    tx.commit().await?;
    Ok(())
}

async fn is_open(room: &Billing, order: &Open) -> Result<bool, Error> {
    let mut tx = begin(room).await?;
    let open = store::is_open(&mut tx, order.id).await?;
    tx.commit().await?;
    Ok(open)
}

/// Ends a rule by itself: on the log, and with a letter to those who pay.
async fn stop(
    conn: &mut sqlx::PgConnection,
    room: &Billing,
    shop: &Shop,
    (tenant, storefront): (TenantId, &str),
    why: Stopped,
) -> Result<(), Error> {
    let cx = &room.cx;
    if !rules::stop(conn, tenant, storefront, shop.livemode, why).await? {
        return Ok(());
    }
    AuditAction::new("billing.auto_topup.stopped", storefront)
        .after(json!({ "why": why }))
        .record_as(
            conn,
            cx,
            &RequestMeta::of_the_house("auto"),
            Some(tenant),
            "auto_topup",
        )
        .await?;
    for to in identity::billing_contacts(conn, tenant).await? {
        let (title, body) = match (to.lang, why) {
            (Lang::Ja, Stopped::NotSold) => (
                "自動の買い足しを止めました",
                "お申し込みの内容の販売が変わったため、自動の買い足しを止めました。続けるには、「プランと使用量」のページで今の内容をご確認のうえ、もう一度お申し込みください。",
            ),
            (Lang::Ja, _) => (
                "お支払いができず、自動の買い足しを止めました",
                "保存されたお支払い方法での決済ができなかったため、自動の買い足しを止めました。代金はいただいていません。「プランと使用量」のページでカードを更新して、もう一度お申し込みください。",
            ),
            (Lang::En, Stopped::NotSold) => (
                "Automatic top-ups have stopped",
                "What you agreed to is not sold like that any more, so automatic top-ups have stopped. To go on, look at the present offer under Plan and usage.",
            ),
            (Lang::En, _) => (
                "A payment failed, and automatic top-ups have stopped",
                "Your stored card could not be charged, so automatic top-ups have stopped; nothing was paid. Update the card under Plan and usage, and agree again to go on.",
            ),
        };
        let letter = Letter {
            key: &format!(
                "auto-topup:{tenant}:{storefront}:{}:{}",
                cx.clock.now().timestamp(),
                to.user
            ),
            to: &to.email,
            lang: to.lang,
            template: Template::News,
            data: json!({ "title": title, "body": body,
                "link": format!("{}/account/plan?storefront={storefront}", room.terms.account_url) }),
        };
        mail::post(conn, cx, letter).await?;
    }
    Ok(())
}
