mod leftover;
mod reward;
mod store;

use chrono::{DateTime, Duration, Utc};
use db::Scope;
use entitlement::{Every, PeriodicGrant, Plan, TopUp};
use identity::{AuditAction, RequestMeta, TenantId};
use ledger::{Grant, LotId, Source};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    Billing, Currency, Error, Money, Shop, auto, customer,
    event::Outcome,
    fact,
    order::OrderId,
    receipt,
    stripe::{Charge, Dispute, Invoice, InvoicePayment, Line, List},
    subscription, topup,
};

pub(crate) use leftover::end;
pub use leftover::refund_ends;
pub use reward::settle_rewards;

kernel::id!(
    /// Money that came in for an invoice.
    PaymentId, "pay"
);

/// What a grant lives at least: an invoice that we hear of late was paid for nevertheless.
const LEAST: Duration = Duration::days(1);
/// How long units that were set aside may take to come back; nothing is held for longer.
const WATCHED: Duration = Duration::hours(1);
/// What units live at least that were taken for a dispute and are given again.
const AGAIN: Duration = Duration::days(30);

/// A payment as it is kept.
#[derive(Debug)]
struct Row {
    id: PaymentId,
    tenant: TenantId,
    amount: i64,
    currency: String,
    refunded: i64,
    dispute: Option<String>,
    reading: i64,
}

/// Units that a payment granted.
#[derive(Debug)]
struct Granted {
    lot: LotId,
    /// Whose lot it is: a reward may be somebody else's.
    tenant: TenantId,
    unit: String,
    amount: i64,
    debt: i64,
    expires_at: Option<DateTime<Utc>>,
    /// What was taken while it could still be used.
    taken: i64,
    /// What was given again when a dispute was won.
    again: Option<LotId>,
}

/// A payment to write down.
#[derive(Debug)]
pub(crate) struct New<'a> {
    pub(crate) id: PaymentId,
    pub(crate) tenant: TenantId,
    pub(crate) invoice: &'a Invoice,
    pub(crate) money: &'a Money,
    pub(crate) paid_at: DateTime<Utc>,
    /// What it fulfils, when it is for something that is bought once.
    order: Option<OrderId>,
    now: DateTime<Utc>,
}

/// Reads an invoice from Stripe: its subscription, and if it is paid, what came in and what that grants.
pub(crate) async fn read_invoice(room: &Billing, shop: &Shop, id: &str) -> Result<Outcome, Error> {
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
    let outcome = subscription::read_again(room, shop, subscription).await?;
    if outcome == Outcome::Done && invoice.is_paid() {
        record(room, tenant, &invoice).await?;
    }
    Ok(outcome)
}

/// Writes a paid invoice down and grants what it pays for; both once, however many events tell of it.
async fn record(room: &Billing, tenant: TenantId, invoice: &Invoice) -> Result<(), Error> {
    let money = paid(invoice)?;
    let new = new(room, tenant, invoice, &money, None);
    let mut tx = begin(room).await?;
    // two at once would find each other by the payment's own key first, and fail there
    subscription::store::lock(&mut tx, tenant).await?;
    if !store::insert(&mut tx, &new).await? {
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
        Some(plan) => end(conn, room, subscription, &plan).await,
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
    let mut tx = begin(room).await?;
    subscription::store::lock(&mut tx, tenant).await?;
    let bought = topup::ordered(&mut tx, order, tenant, invoice.livemode).await?;
    let is_its_price = |topup: &TopUp| {
        let mut prices = invoice.lines.data.iter().map(Line::price);
        prices.any(|price| price.is_some() && price == topup.terms.stripe_price.as_deref())
    };
    let Some(topup) = bought.filter(is_its_price) else {
        return Ok(Outcome::Ignored("the invoice is of no order of its tenant"));
    };
    if !store::insert(&mut tx, &new).await? {
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
    store::insert_grant(&mut tx, new.id, lot, &grant).await?;
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
        let lot = leftover::lot_of(new.tenant, &new.invoice.id, &periodic.unit);
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
        store::insert_grant(conn, new.id, lot, &grant).await?;
    }
    Ok(())
}

/// Reads a charge from Stripe: how much of it went back, and whether its holder disputes it.
pub(crate) async fn read_charge(room: &Billing, shop: &Shop, id: &str) -> Result<Outcome, Error> {
    let reading = subscription::next_reading(room).await?;
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
    match read_invoice(room, shop, &invoice).await? {
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

/// Takes back the units of a payment beyond what of it was kept; and when more of it is kept than was, since a dispute was
/// won, gives again what was taken.
async fn take_units(
    conn: &mut PgConnection,
    room: &Billing,
    payment: &Row,
) -> Result<Vec<Granted>, Error> {
    let now = room.cx.clock.now();
    let mut grants = store::grants(conn, payment.id).await?;
    for grant in &mut grants {
        let kept = kept_units(grant.amount, payment);
        let reason = payment.id.to_string();
        // what was given again is another lot, and goes first
        let (own, again) = shares(grant, kept);
        grant.debt = ledger::reverse(conn, &room.cx, grant.lot, own, &reason).await?;
        if let Some(lot) = grant.again {
            grant.debt += ledger::reverse(conn, &room.cx, lot, again, &reason).await?;
        } else {
            let gone = grant.amount - kept - grant.debt;
            let usable = grant.expires_at.is_none_or(|at| at > now);
            if gone > grant.taken && usable {
                grant.taken = gone;
            } else if gone < grant.taken {
                grant.again = Some(give_again(conn, room, payment, grant, gone).await?);
            }
        }
        let watch = (grant.debt > 0).then(|| now + WATCHED);
        store::set_debt(conn, grant, watch).await?;
    }
    Ok(grants)
}

/// What of the kept units is the first lot's, and what the one's that was given again.
fn shares(grant: &Granted, kept: i64) -> (i64, i64) {
    if grant.again.is_none() {
        return (kept, 0);
    }
    let own = kept.min(grant.amount - grant.taken);
    (own, kept - own)
}

/// Grants anew what was taken beyond `gone`. It lives as long as what was taken, and at least a month from now.
async fn give_again(
    conn: &mut PgConnection,
    room: &Billing,
    payment: &Row,
    grant: &mut Granted,
    gone: i64,
) -> Result<LotId, Error> {
    let name = format!("again:{}", grant.lot);
    let least = room.cx.clock.now() + AGAIN;
    let reason = payment.id.to_string();
    let again = Grant {
        id: Uuid::new_v5(&grant.tenant.0, name.as_bytes()),
        tenant: grant.tenant,
        unit: &grant.unit,
        amount: grant.taken - gone,
        source: Source::Paid,
        priority: 0,
        reason: &reason,
        expires_at: grant.expires_at.map(|at| at.max(least)),
    };
    Ok(ledger::grant(conn, &room.cx, &again).await?)
}

/// Whether the bank of the card's holder keeps the money.
pub(crate) fn is_withheld(dispute: Option<&str>) -> bool {
    matches!(dispute, Some("lost" | "needs_response" | "under_review"))
}

/// How many of the units stay granted: in proportion to the money that stayed, rounded up for the customer; none while the
/// holder's bank keeps all of it.
fn kept_units(amount: i64, payment: &Row) -> i64 {
    let withheld = is_withheld(payment.dispute.as_deref());
    if withheld || payment.refunded >= payment.amount {
        return if payment.amount == 0 && !withheld {
            amount
        } else {
            0
        };
    }
    let gone = i128::from(amount) * i128::from(payment.refunded) / i128::from(payment.amount);
    amount - i64::try_from(gone).unwrap_or(amount)
}

/// Takes what was set aside when its money went back and has come back since, at most `most` payments; returns how many.
///
/// # Errors
/// When the database is away.
pub async fn mend_debts(room: &Billing, most: i64) -> Result<usize, Error> {
    let mut tx = begin(room).await?;
    let due = store::watched(&mut tx, most).await?;
    tx.commit().await?;
    let count = due.len();
    for invoice in due {
        let mut tx = begin(room).await?;
        if let Some(payment) = store::lock(&mut tx, &invoice).await? {
            for grant in store::grants(&mut tx, payment.id).await? {
                mend(&mut tx, room, &payment, grant).await?;
            }
        }
        tx.commit().await?;
    }
    Ok(count)
}

async fn mend(
    conn: &mut PgConnection,
    room: &Billing,
    payment: &Row,
    mut grant: Granted,
) -> Result<(), Error> {
    let now = room.cx.clock.now();
    let kept = kept_units(grant.amount, payment);
    let reason = payment.id.to_string();
    let (own, again) = shares(&grant, kept);
    grant.debt = ledger::reverse(conn, &room.cx, grant.lot, own, &reason).await?;
    if let Some(lot) = grant.again {
        grant.debt += ledger::reverse(conn, &room.cx, lot, again, &reason).await?;
    } else if grant.expires_at.is_none_or(|at| at > now) {
        grant.taken = grant.taken.max(grant.amount - kept - grant.debt);
    }
    Ok(store::mend_debt(conn, &grant, now).await?)
}

async fn begin(room: &Billing) -> sqlx::Result<db::Tx> {
    room.cx.db.begin(Scope::House("payments")).await
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn payment(amount: i64, refunded: i64, dispute: Option<&str>) -> Row {
        Row {
            id: PaymentId(Uuid::nil()),
            tenant: TenantId(Uuid::nil()),
            amount,
            currency: "jpy".to_owned(),
            refunded,
            dispute: dispute.map(str::to_owned),
            reading: 0,
        }
    }

    #[test]
    fn units_go_back_with_the_money_that_paid_for_them() {
        for (amount, refunded, dispute, kept) in [
            (980, 0, None, 10),
            (980, 980, None, 0),
            (980, 490, None, 5),
            (980, 489, None, 6),
            (980, 1, None, 10),
            (980, 0, Some("needs_response"), 0),
            (980, 0, Some("lost"), 0),
            (980, 0, Some("won"), 10),
            (980, 0, Some("warning_needs_response"), 10),
            (0, 0, None, 10),
        ] {
            let row = payment(amount, refunded, dispute);
            assert_eq!(kept_units(10, &row), kept, "{row:?}");
        }
    }

    proptest! {
        #[test]
        fn never_more_nor_less_than_there_was(units in 1_i64..i64::MAX, paid in 1_i64..i64::MAX, part in 0.0_f64..=1.0) {
            #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a share for a test")]
            let refunded = ((paid as f64 * part) as i64).clamp(0, paid);
            let kept = kept_units(units, &payment(paid, refunded, None));
            prop_assert!((0..=units).contains(&kept));
            prop_assert_eq!(kept_units(units, &payment(paid, paid, None)), 0);
            prop_assert_eq!(kept_units(units, &payment(paid, 0, None)), units);
        }
    }
}
