use chrono::Duration;
use entitlement::{Every, PeriodicGrant, Plan, TopUp};
use identity::TenantId;
use ledger::{Grant, Source};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::Outcome;
use crate::{
    Billing, Currency, Error, Money, Shop, auto, customer, fact,
    order::OrderId,
    payment::{self, New},
    receipt,
    stripe::{Invoice, Line},
    subscription, topup,
};

/// What a grant lives at least: an invoice that we hear of late was paid for nevertheless.
const LEAST: Duration = Duration::days(1);

/// Reads an invoice from Stripe: its subscription, and if it is paid, what came in and what that grants.
pub(crate) async fn invoice(room: &Billing, shop: &Shop, id: &str) -> Result<Outcome, Error> {
    let path = format!("/v1/invoices/{id}");
    let invoice: Invoice = match shop.stripe.get(&path, &[("expand[]", "payments")]).await {
        Ok(invoice) => invoice,
        Err(error) if error.is_missing() => {
            return Ok(Outcome::Ignored("there is no such invoice"));
        }
        Err(error) => return Err(error.into()),
    };
    let order = invoice
        .order()
        .and_then(|order| order.parse::<OrderId>().ok());
    let Some(customer) = invoice
        .customer()
        .filter(|_| invoice.subscription().is_some() || order.is_some())
    else {
        return Ok(Outcome::Ignored(
            "the invoice is of no subscription and no order",
        ));
    };
    let Some(tenant) = customer::tenant_of(&room.cx, shop, customer).await? else {
        return Ok(Outcome::Waiting(customer.to_owned()));
    };
    let Some(subscription) = invoice.subscription() else {
        return match order {
            Some(order) if invoice.is_paid() => record_once(room, tenant, &invoice, order).await,
            _ => Ok(Outcome::Done),
        };
    };
    let outcome = super::subscription(room, shop, subscription).await?;
    if outcome == Outcome::Done && invoice.is_paid() {
        record(room, tenant, &invoice).await?;
    }
    Ok(outcome)
}

/// Writes a paid invoice down and grants what it pays for; both once, however many events tell of it.
async fn record(room: &Billing, tenant: TenantId, invoice: &Invoice) -> Result<(), Error> {
    let money = paid(invoice)?;
    let new = new(room, tenant, invoice, &money, None);
    let mut tx = payment::begin(room).await?;
    // two at once would find each other by the payment's own key first, and fail there
    subscription::store::lock(&mut tx, tenant).await?;
    if !payment::store::insert(&mut tx, &new).await? {
        return Ok(());
    }
    let mut lines = Vec::new();
    for line in &invoice.lines.data {
        let plan = plan_of(&mut tx, invoice, line).await?;
        if let Some(plan) = plan.as_ref().filter(|_| line.is_whole_period()) {
            grant_line(&mut tx, room, &new, line, plan).await?;
        }
        lines.push((line, plan));
    }
    receipt::make(&mut tx, room, &new, &lines).await?;
    end_if_over(&mut tx, room, invoice).await?;
    came_in(&mut tx, room, &new).await?;
    tx.commit().await?;
    tell(&new);
    Ok(())
}

/// A payment of which is heard after its subscription's end ends with it.
async fn end_if_over(
    conn: &mut PgConnection,
    room: &Billing,
    invoice: &Invoice,
) -> Result<(), Error> {
    let Some(subscription) = invoice.subscription() else {
        return Ok(());
    };
    let row = subscription::store::find(conn, subscription).await?;
    let Some(row) = row.filter(|row| row.status == "canceled") else {
        return Ok(());
    };
    match entitlement::plan_version(conn, row.version).await? {
        Some(plan) => payment::end(conn, room, subscription, &plan).await,
        None => Ok(()),
    }
}

fn paid(invoice: &Invoice) -> Result<Money, Error> {
    let Some(currency) = Currency::read(&invoice.currency) else {
        return Err(kernel::Fault::broken("an invoice has no currency").into());
    };
    Ok(Money {
        amount: invoice.amount_paid,
        currency,
    })
}

fn new<'a>(
    room: &Billing,
    tenant: TenantId,
    invoice: &'a Invoice,
    money: &'a Money,
    order: Option<OrderId>,
) -> New<'a> {
    let now = room.cx.clock.now();
    New {
        id: room.cx.ids.new_id(),
        tenant,
        invoice,
        money,
        paid_at: invoice.paid_at().unwrap_or(now),
        order,
        now,
    }
}

/// Writes a paid invoice down that is for something bought once, and grants its units; once for each order.
async fn record_once(
    room: &Billing,
    tenant: TenantId,
    invoice: &Invoice,
    order: OrderId,
) -> Result<Outcome, Error> {
    let money = paid(invoice)?;
    let new = new(room, tenant, invoice, &money, Some(order));
    let mut tx = payment::begin(room).await?;
    subscription::store::lock(&mut tx, tenant).await?;
    let bought = topup::ordered(&mut tx, order, tenant, invoice.livemode).await?;
    let is_its_price = |topup: &TopUp| {
        let mut prices = invoice.lines.data.iter().map(Line::price);
        prices.any(|price| price.is_some() && price == topup.terms.stripe_price.as_deref())
    };
    let Some(topup) = bought.filter(is_its_price) else {
        return Ok(Outcome::Ignored("the invoice is of no order of its tenant"));
    };
    if !payment::store::insert(&mut tx, &new).await? {
        return Ok(Outcome::Done);
    }
    let name = format!("topup:{}", invoice.id);
    let reason = format!("{}/{} {}", topup.storefront, topup.id, invoice.id);
    let grant = Grant {
        id: Uuid::new_v5(&tenant.0, name.as_bytes()),
        tenant,
        unit: &topup.terms.unit,
        amount: i64::from(topup.terms.amount),
        source: Source::Paid,
        priority: 0,
        reason: &reason,
        expires_at: Some(topup.expires_at(new.paid_at).max(new.now + LEAST)),
    };
    let lot = ledger::grant(&mut tx, &room.cx, &grant).await?;
    payment::store::insert_grant(&mut tx, new.id, lot, &grant).await?;
    receipt::make_once(&mut tx, room, &new, &topup).await?;
    auto::paid(&mut tx, order, new.now).await?;
    came_in(&mut tx, room, &new).await?;
    tx.commit().await?;
    tell(&new);
    Ok(Outcome::Done)
}

/// Tells the outside of money that came in, in the transaction in which it is written down.
async fn came_in(conn: &mut PgConnection, room: &Billing, new: &New<'_>) -> Result<(), Error> {
    let facts = json!({ "invoice": new.invoice.id, "subscription": new.invoice.subscription(), "order": new.order,
        "amount": new.money.amount, "currency": new.money.currency.as_str() });
    fact::payment_succeeded(conn, room, new.tenant, new.id.to_string(), facts).await
}

fn tell(new: &New<'_>) {
    let money = new.money;
    tracing::info!(payment = %new.id, invoice = new.invoice.id, %money, "a payment came in");
    metrics::counter!("billing_payments_total", "currency" => money.currency.as_str().to_owned())
        .increment(1);
}

/// The version of the plan that a line pays for: the subscription's own as long as its price is the line's.
async fn plan_of(
    conn: &mut PgConnection,
    invoice: &Invoice,
    line: &Line,
) -> Result<Option<Plan>, Error> {
    let Some(price) = line.price() else {
        return Ok(None);
    };
    let subscribed = match invoice.subscription() {
        Some(id) => subscription::store::find(conn, id).await?,
        None => None,
    };
    Ok(match subscribed {
        Some(row) if row.price == price => {
            entitlement::plan_version(conn, row.version_of_price()).await?
        }
        _ => entitlement::plan_of_price(conn, price).await?,
    })
}

async fn grant_line(
    conn: &mut PgConnection,
    room: &Billing,
    new: &New<'_>,
    line: &Line,
    plan: &Plan,
) -> Result<(), Error> {
    let paid_for = |grant: &&PeriodicGrant| grant.every == Every::Invoice;
    for periodic in plan.terms.grants.iter().filter(paid_for) {
        let lot = payment::lot_of(new.tenant, &new.invoice.id, &periodic.unit);
        let expires_at = line.period_end().map(|end| end.max(new.now + LEAST));
        let reason = format!("{}/{} {}", plan.storefront, plan.id, new.invoice.id);
        let grant = Grant {
            id: lot.0,
            tenant: new.tenant,
            unit: &periodic.unit,
            amount: i64::from(periodic.amount),
            source: Source::Paid,
            priority: 0,
            reason: &reason,
            expires_at,
        };
        let lot = ledger::grant(conn, &room.cx, &grant).await?;
        payment::store::insert_grant(conn, new.id, lot, &grant).await?;
    }
    Ok(())
}
