use identity::{AuditAction, RequestMeta};
use serde_json::json;

use super::{Outcome, next_reading};
use crate::{
    Billing, Currency, Error, Money, Shop, customer, fact,
    payment::{Row, begin, store, take_units},
    stripe::{Charge, Dispute, InvoicePayment, List},
};

/// Reads a charge from Stripe: how much of it went back, and whether its holder disputes it.
pub(crate) async fn charge(room: &Billing, shop: &Shop, id: &str) -> Result<Outcome, Error> {
    let reading = next_reading(room).await?;
    let charge: Charge = match shop.stripe.get(&format!("/v1/charges/{id}"), &[]).await {
        Ok(charge) => charge,
        Err(error) if error.is_missing() => return Ok(Outcome::Ignored("there is no such charge")),
        Err(error) => return Err(error.into()),
    };
    let Some(intent) = charge.payment_intent() else {
        return Ok(Outcome::Ignored("the charge pays for nothing of ours"));
    };
    if charge.amount_refunded == 0 && !charge.disputed {
        return Ok(Outcome::Ignored("the invoice tells of it"));
    }
    // the payment itself comes first, whichever event came first
    let Some(invoice) = invoice_of(shop, &charge, intent).await? else {
        return Ok(Outcome::Ignored("the charge is of no invoice"));
    };
    if let Some(customer) = charge.customer()
        && customer::tenant_of(&room.cx, shop, customer)
            .await?
            .is_none()
    {
        return Ok(Outcome::Waiting(customer.to_owned()));
    }
    match super::invoice(room, shop, &invoice).await? {
        Outcome::Done => {}
        other => return Ok(other),
    }
    let dispute = if charge.disputed {
        dispute_of(shop, intent).await?
    } else {
        None
    };
    give_back(room, &invoice, reading, charge.amount_refunded, dispute).await
}

async fn invoice_of(shop: &Shop, charge: &Charge, intent: &str) -> Result<Option<String>, Error> {
    if let Some(invoice) = charge.invoice() {
        return Ok(Some(invoice.to_owned()));
    }
    let query = [
        ("payment[type]", "payment_intent"),
        ("payment[payment_intent]", intent),
    ];
    let found: List<InvoicePayment> = shop.stripe.get("/v1/invoice_payments", &query).await?;
    let mut invoices = found.data.iter().filter_map(InvoicePayment::invoice);
    Ok(invoices.next().map(str::to_owned))
}

/// The state of the disputes of a payment, the worst for us first.
async fn dispute_of(shop: &Shop, intent: &str) -> Result<Option<String>, Error> {
    let query = [("payment_intent", intent), ("limit", "100")];
    let found: List<Dispute> = shop.stripe.get("/v1/disputes", &query).await?;
    let worst = found
        .data
        .into_iter()
        .max_by_key(|dispute| match dispute.status.as_str() {
            "lost" => 3,
            "needs_response" | "under_review" => 2,
            _ => 1,
        });
    Ok(worst.map(|dispute| dispute.status))
}

/// Writes down what went back, and takes the units back whose money it was.
async fn give_back(
    room: &Billing,
    invoice: &str,
    reading: i64,
    refunded: i64,
    dispute: Option<String>,
) -> Result<Outcome, Error> {
    let cx = &room.cx;
    let mut tx = begin(room).await?;
    let Some(before) = store::lock(&mut tx, invoice).await? else {
        return Ok(Outcome::Ignored("the invoice was not paid"));
    };
    if before.reading > reading {
        return Ok(Outcome::Done);
    }
    let after = Row {
        id: before.id,
        tenant: before.tenant,
        amount: before.amount,
        currency: before.currency.clone(),
        refunded: refunded.clamp(0, before.amount),
        dispute,
        reading,
    };
    store::given_back(&mut tx, &after).await?;
    let grants = take_units(&mut tx, room, &after).await?;
    if (before.refunded, &before.dispute) != (after.refunded, &after.dispute) {
        let debts: Vec<_> = grants
            .iter()
            .map(|grant| json!({ "unit": grant.unit, "debt": grant.debt }))
            .collect();
        let meta = RequestMeta::of_the_house("stripe");
        AuditAction::new("payment.give_back", after.id)
            .before(json!({ "refunded": before.refunded, "dispute": before.dispute }))
            .after(json!({ "refunded": after.refunded, "dispute": after.dispute, "units": debts }))
            .record_as(&mut tx, cx, &meta, Some(after.tenant), "stripe")
            .await?;
    }
    if after.refunded > before.refunded
        && let Some(currency) = Currency::read(&after.currency)
    {
        let money = Money {
            amount: after.refunded - before.refunded,
            currency,
        };
        let what = (after.id.to_string(), after.refunded);
        fact::refunded(&mut tx, room, after.tenant, what, &money).await?;
    }
    tx.commit().await?;
    Ok(Outcome::Done)
}
