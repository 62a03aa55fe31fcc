//! What we read of Stripe's objects, in the shape before 2025-03-31 ("basil") and in the one since: an endpoint for events
//! keeps the version that it was made with, and an account that of its first day.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use super::StripeError;

/// An instant as Stripe writes it.
pub(crate) fn instant(seconds: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(seconds, 0)
}

/// Another object: its id, or the whole of it where the answer was asked to be long.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Ref {
    Id(String),
    Whole { id: String },
}

impl Ref {
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Id(id) | Self::Whole { id } => id,
        }
    }
}

fn id_of(reference: Option<&Ref>) -> Option<&str> {
    reference.map(Ref::id)
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct List<T> {
    pub(crate) data: Vec<T>,
    #[serde(default)]
    pub(crate) has_more: bool,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self {
            data: Vec::new(),
            has_more: false,
        }
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Event {
    pub(crate) id: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) livemode: bool,
    pub(crate) api_version: Option<String>,
    pub(crate) created: i64,
    data: EventData,
}

#[derive(Debug, Deserialize)]
struct EventData {
    object: Value,
}

impl Event {
    fn text(&self, field: &str) -> Option<&str> {
        self.data.object.get(field).and_then(Value::as_str)
    }

    pub(crate) fn object_type(&self) -> &str {
        self.text("object").unwrap_or_default()
    }

    /// Empty for what is only announced, such as an invoice to come.
    pub(crate) fn object_id(&self) -> &str {
        self.text("id").unwrap_or_default()
    }

    pub(crate) fn customer(&self) -> Option<&str> {
        if self.object_type() == "customer" {
            return self.text("id");
        }
        let customer = self.data.object.get("customer")?;
        customer
            .as_str()
            .or_else(|| customer.get("id").and_then(Value::as_str))
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Customer {
    pub(crate) id: String,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Debug, Default, Deserialize)]
struct Metadata {
    tenant: Option<String>,
}

impl Customer {
    /// For which tenant we made it.
    pub(crate) fn tenant(&self) -> Option<&str> {
        self.metadata.tenant.as_deref()
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct CheckoutSession {
    pub(crate) id: String,
    pub(crate) url: Option<String>,
    pub(crate) status: Option<String>,
    pub(crate) expires_at: Option<i64>,
    subscription: Option<Ref>,
    invoice: Option<Ref>,
}

impl CheckoutSession {
    /// What was paid for, whether it goes on or was bought once.
    pub(crate) fn invoice(&self) -> Option<&str> {
        id_of(self.invoice.as_ref())
    }

    pub(crate) fn subscription(&self) -> Option<&str> {
        id_of(self.subscription.as_ref())
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct PortalSession {
    pub(crate) url: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Subscription {
    pub(crate) id: String,
    customer: Ref,
    pub(crate) status: String,
    pub(crate) livemode: bool,
    pub(crate) created: i64,
    #[serde(default)]
    cancel_at_period_end: bool,
    cancel_at: Option<i64>,
    pub(crate) ended_at: Option<i64>,
    #[serde(default)]
    items: List<Item>,
    latest_invoice: Option<LatestInvoice>,
    #[serde(default)]
    metadata: Held,
    // before basil
    current_period_start: Option<i64>,
    current_period_end: Option<i64>,
}

/// Which plan holds on although the price is another's already: what we wrote when a cheaper plan was ordered.
#[derive(Debug, Default, Deserialize)]
struct Held {
    #[serde(rename = "held_version")]
    version: Option<String>,
    #[serde(rename = "held_until")]
    until: Option<String>,
    /// The price that this is about: whoever sets another one elsewhere is past it.
    #[serde(rename = "held_for")]
    price: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct Item {
    #[serde(default)]
    id: String,
    price: Price,
    // since basil
    current_period_start: Option<i64>,
    current_period_end: Option<i64>,
}

#[derive(Clone, Debug, Deserialize)]
struct Price {
    id: String,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum LatestInvoice {
    Whole {
        id: String,
        status: Option<String>,
        created: i64,
        #[serde(default)]
        amount_due: i64,
    },
    Id(#[expect(dead_code, reason = "tells the shapes apart")] String),
}

/// An invoice that is owed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owed<'a> {
    pub(crate) invoice: &'a str,
    pub(crate) amount: i64,
    pub(crate) since: DateTime<Utc>,
}

impl Subscription {
    pub(crate) fn customer(&self) -> &str {
        self.customer.id()
    }

    /// We sell one thing per subscription.
    pub(crate) fn price(&self) -> Option<&str> {
        self.items.data.first().map(|item| item.price.id.as_str())
    }

    pub(crate) fn period_start(&self) -> Option<DateTime<Utc>> {
        let item = self.items.data.first();
        item.and_then(|item| item.current_period_start)
            .or(self.current_period_start)
            .and_then(instant)
    }

    pub(crate) fn period_end(&self) -> Option<DateTime<Utc>> {
        let item = self.items.data.first();
        item.and_then(|item| item.current_period_end)
            .or(self.current_period_end)
            .and_then(instant)
    }

    /// When it ends, if it was told to.
    pub(crate) fn cancel_at(&self) -> Option<DateTime<Utc>> {
        let told = self.cancel_at.and_then(instant);
        told.or_else(|| {
            self.cancel_at_period_end
                .then(|| self.period_end())
                .flatten()
        })
    }

    /// What a change of its price names.
    pub(crate) fn item(&self) -> Option<&str> {
        self.items.data.first().map(|item| item.id.as_str())
    }

    /// The newest invoice, if it is owed.
    pub(crate) fn owed(&self) -> Option<Owed<'_>> {
        match &self.latest_invoice {
            Some(LatestInvoice::Whole {
                id,
                status,
                created,
                amount_due,
            }) if matches!(status.as_deref(), Some("open" | "uncollectible")) => Some(Owed {
                invoice: id,
                amount: *amount_due,
                since: instant(*created)?,
            }),
            _ => None,
        }
    }

    /// The plan's version that holds on although the price is another's, and until when; none once that period is over.
    pub(crate) fn held(&self) -> Option<(&str, DateTime<Utc>)> {
        let until = instant(self.metadata.until.as_deref()?.parse().ok()?)?;
        let about = self.metadata.price.as_deref() == self.price();
        let running = self.period_start().is_some_and(|start| start < until);
        let version = self.metadata.version.as_deref()?;
        (about && running).then_some((version, until))
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Invoice {
    pub(crate) id: String,
    customer: Option<Ref>,
    pub(crate) status: Option<String>,
    pub(crate) livemode: bool,
    pub(crate) amount_paid: i64,
    pub(crate) currency: String,
    pub(crate) number: Option<String>,
    pub(crate) customer_name: Option<String>,
    pub(crate) hosted_invoice_url: Option<String>,
    created: i64,
    status_transitions: Option<Transitions>,
    #[serde(default)]
    pub(crate) lines: List<Line>,
    #[serde(default)]
    metadata: Option<InvoiceMetadata>,
    // before basil
    subscription: Option<Ref>,
    payment_intent: Option<Ref>,
    // since basil
    parent: Option<InvoiceParent>,
    payments: Option<List<InvoicePayment>>,
}

#[derive(Debug, Deserialize)]
struct InvoiceMetadata {
    order: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Transitions {
    paid_at: Option<i64>,
}

#[derive(Debug, Deserialize)]
struct InvoiceParent {
    subscription_details: Option<SubscriptionDetails>,
}

#[derive(Debug, Deserialize)]
struct SubscriptionDetails {
    subscription: Option<Ref>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct InvoicePayment {
    invoice: Option<Ref>,
    status: Option<String>,
    payment: Option<PaidBy>,
}

#[derive(Clone, Debug, Deserialize)]
struct PaidBy {
    payment_intent: Option<Ref>,
}

impl InvoicePayment {
    pub(crate) fn invoice(&self) -> Option<&str> {
        id_of(self.invoice.as_ref())
    }
}

impl Invoice {
    pub(crate) fn customer(&self) -> Option<&str> {
        id_of(self.customer.as_ref())
    }

    /// The order of ours that it was made for; what is bought once has one.
    pub(crate) fn order(&self) -> Option<&str> {
        self.metadata.as_ref()?.order.as_deref()
    }

    pub(crate) fn is_paid(&self) -> bool {
        self.status.as_deref() == Some("paid")
    }

    pub(crate) fn paid_at(&self) -> Option<DateTime<Utc>> {
        let told = self.status_transitions.as_ref().and_then(|all| all.paid_at);
        instant(told.unwrap_or(self.created))
    }

    pub(crate) fn subscription(&self) -> Option<&str> {
        let details = self
            .parent
            .as_ref()
            .and_then(|parent| parent.subscription_details.as_ref());
        id_of(details.and_then(|details| details.subscription.as_ref()))
            .or_else(|| id_of(self.subscription.as_ref()))
    }

    /// The payment that paid it; none when there was nothing to pay.
    pub(crate) fn payment_intent(&self) -> Option<&str> {
        let payments = self.payments.iter().flat_map(|list| &list.data);
        let paid = payments
            .filter(|payment| payment.status.as_deref() != Some("canceled"))
            .filter_map(|payment| payment.payment.as_ref()?.payment_intent.as_ref())
            .map(Ref::id)
            .next_back();
        paid.or_else(|| id_of(self.payment_intent.as_ref()))
    }
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Line {
    pub(crate) amount: i64,
    period: LinePeriod,
    // before basil
    price: Option<Price>,
    #[serde(default)]
    proration: bool,
    // since basil
    pricing: Option<Pricing>,
    parent: Option<LineParent>,
}

#[derive(Clone, Debug, Deserialize)]
struct LinePeriod {
    #[serde(default)]
    start: i64,
    end: i64,
}

/// What a change would cost.
#[derive(Debug, Deserialize)]
pub(crate) struct Preview {
    pub(crate) amount_due: i64,
    #[serde(default)]
    lines: List<Line>,
}

impl Preview {
    /// What of the running period is given back, and what it costs instead; both from zero up.
    pub(crate) fn proration(&self) -> (i64, i64) {
        let amounts = || {
            let lines = self.lines.data.iter().filter(|line| line.is_proration());
            lines.map(|line| line.amount)
        };
        let credit = -amounts().filter(|amount| *amount < 0).sum::<i64>();
        (credit, amounts().filter(|amount| *amount > 0).sum())
    }
}

#[derive(Clone, Debug, Deserialize)]
struct Pricing {
    price_details: Option<PriceDetails>,
}

#[derive(Clone, Debug, Deserialize)]
struct PriceDetails {
    price: Option<Ref>,
}

#[derive(Clone, Debug, Deserialize)]
struct LineParent {
    subscription_item_details: Option<ItemDetails>,
}

#[derive(Clone, Debug, Deserialize)]
struct ItemDetails {
    #[serde(default)]
    proration: bool,
}

impl Line {
    pub(crate) fn price(&self) -> Option<&str> {
        let details = self
            .pricing
            .as_ref()
            .and_then(|pricing| pricing.price_details.as_ref());
        id_of(details.and_then(|details| details.price.as_ref()))
            .or_else(|| self.price.as_ref().map(|price| price.id.as_str()))
    }

    /// Whether it mends a change in the middle of a period.
    pub(crate) fn is_proration(&self) -> bool {
        let details = self
            .parent
            .as_ref()
            .and_then(|parent| parent.subscription_item_details.as_ref());
        details.map_or(self.proration, |details| details.proration)
    }

    /// Whether it pays for a whole period. What mends a change in the middle of one does not, nor does a trial.
    pub(crate) fn is_whole_period(&self) -> bool {
        !self.is_proration() && self.amount > 0
    }

    pub(crate) fn period_start(&self) -> Option<DateTime<Utc>> {
        instant(self.period.start)
    }

    pub(crate) fn period_end(&self) -> Option<DateTime<Utc>> {
        instant(self.period.end)
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Charge {
    payment_intent: Option<Ref>,
    pub(crate) amount_refunded: i64,
    #[serde(default)]
    pub(crate) disputed: bool,
    customer: Option<Ref>,
    // before basil
    invoice: Option<Ref>,
    payment_method_details: Option<PaidWith>,
}

#[derive(Debug, Deserialize)]
struct PaidWith {
    card: Option<Card>,
}

#[derive(Debug, Deserialize)]
struct Card {
    fingerprint: Option<String>,
}

impl Charge {
    /// What stands for the card, whoever has it.
    pub(crate) fn card(&self) -> Option<&str> {
        let card = self.payment_method_details.as_ref()?.card.as_ref()?;
        card.fingerprint.as_deref()
    }

    pub(crate) fn payment_intent(&self) -> Option<&str> {
        id_of(self.payment_intent.as_ref())
    }

    pub(crate) fn customer(&self) -> Option<&str> {
        id_of(self.customer.as_ref())
    }

    pub(crate) fn invoice(&self) -> Option<&str> {
        id_of(self.invoice.as_ref())
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Refund {
    charge: Option<Ref>,
}

impl Refund {
    pub(crate) fn charge(&self) -> Option<&str> {
        id_of(self.charge.as_ref())
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Dispute {
    pub(crate) status: String,
    charge: Option<Ref>,
}

impl Dispute {
    pub(crate) fn charge(&self) -> Option<&str> {
        id_of(self.charge.as_ref())
    }
}

/// Reads a refusal.
pub(super) fn refusal(status: u16, body: &[u8]) -> StripeError {
    #[derive(Deserialize)]
    struct Refusal {
        error: Details,
    }
    #[derive(Deserialize)]
    struct Details {
        code: Option<String>,
        #[serde(rename = "type")]
        kind: Option<String>,
        message: Option<String>,
    }
    let details = serde_json::from_slice(body).map(|refusal: Refusal| refusal.error);
    let (code, message) = match details {
        Ok(details) => (details.code.or(details.kind), details.message),
        Err(_) => (None, None),
    };
    StripeError::Refused {
        status,
        code: code.unwrap_or_default(),
        message: message
            .unwrap_or_else(|| "(no error object)".to_owned())
            .chars()
            .take(300)
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_shapes_of_an_invoice_say_the_same() {
        let common = json!({ "id": "in_1", "customer": "cus_1", "status": "paid", "livemode": false,
            "amount_paid": 980, "currency": "jpy", "created": 5, "status_transitions": { "paid_at": 7 } });
        let (mut old, mut new) = (common.clone(), common);
        old["subscription"] = json!("sub_1");
        old["payment_intent"] = json!({ "id": "pi_1", "object": "payment_intent" });
        old["lines"] = json!({ "data": [{ "amount": 980, "period": { "start": 1, "end": 9 }, "proration": false,
            "price": { "id": "price_1" } }] });
        new["parent"] = json!({ "type": "subscription_details", "subscription_details": { "subscription": "sub_1" } });
        new["payments"] = json!({ "data": [
            { "invoice": "in_1", "status": "canceled", "payment": { "type": "payment_intent", "payment_intent": "pi_0" } },
            { "invoice": "in_1", "status": "paid", "payment": { "type": "payment_intent", "payment_intent": "pi_1" } }] });
        new["lines"] = json!({ "data": [{ "amount": 980, "period": { "start": 1, "end": 9 },
            "pricing": { "type": "price_details", "price_details": { "price": "price_1" } },
            "parent": { "type": "subscription_item_details", "subscription_item_details": { "proration": false } } }] });
        for value in [old, new] {
            let invoice: Invoice = serde_json::from_value(value).unwrap();
            assert_eq!(invoice.subscription(), Some("sub_1"));
            assert_eq!(invoice.payment_intent(), Some("pi_1"));
            assert_eq!(invoice.paid_at(), instant(7));
            let line = &invoice.lines.data[0];
            assert_eq!(line.price(), Some("price_1"));
            assert!(line.is_whole_period());
            assert_eq!(line.period_end(), instant(9));
        }
    }

    #[test]
    fn both_shapes_of_a_subscription_say_the_same() {
        let common = json!({ "id": "sub_1", "customer": "cus_1", "status": "past_due", "livemode": false, "created": 1,
            "cancel_at_period_end": true, "cancel_at": null, "ended_at": null,
            "latest_invoice": { "id": "in_1", "status": "open", "created": 4, "amount_due": 980 } });
        let (mut old, mut new) = (common.clone(), common);
        old["current_period_start"] = json!(2);
        old["current_period_end"] = json!(9);
        old["items"] = json!({ "data": [{ "price": { "id": "price_1" } }] });
        new["items"] = json!({ "data": [{ "price": { "id": "price_1" }, "current_period_start": 2, "current_period_end": 9 }] });
        for value in [old, new] {
            let read: Subscription = serde_json::from_value(value).unwrap();
            assert_eq!(
                (read.period_start(), read.period_end()),
                (instant(2), instant(9))
            );
            assert_eq!(
                (read.cancel_at(), read.owed().map(|owed| owed.since)),
                (instant(9), instant(4))
            );
            assert_eq!((read.price(), read.customer()), (Some("price_1"), "cus_1"));
        }
    }

    #[test]
    fn a_plan_holds_on_for_the_price_and_the_period_that_it_was_written_for() {
        let read = |start: i64, price: &str| {
            let said: Subscription = serde_json::from_value(json!({ "id": "sub_1", "customer": "cus_1", "status": "active",
                "livemode": false, "created": 1, "cancel_at": null, "ended_at": null, "latest_invoice": null,
                "metadata": { "held_version": "plv_1", "held_until": "9", "held_for": "price_low" },
                "items": { "data": [{ "id": "si_1", "price": { "id": price }, "current_period_start": start }] } }))
            .unwrap();
            said.held()
                .map(|(version, until)| (version.to_owned(), until))
        };
        assert_eq!(
            read(2, "price_low"),
            Some(("plv_1".to_owned(), instant(9).unwrap()))
        );
        assert_eq!(read(9, "price_low"), None, "the period is over");
        assert_eq!(read(2, "price_other"), None, "another price was set since");
    }

    #[test]
    fn a_mended_period_and_a_trial_are_no_whole_period() {
        let line = |amount: i64, proration: bool| -> Line {
            serde_json::from_value(
                json!({ "amount": amount, "period": { "end": 9 }, "proration": proration }),
            )
            .unwrap()
        };
        assert!(line(980, false).is_whole_period());
        assert!(!line(980, true).is_whole_period());
        assert!(!line(0, false).is_whole_period());
    }

    #[test]
    fn an_event_names_its_object_and_customer() {
        let event = |object: Value| -> Event {
            serde_json::from_value(json!({ "id": "evt_1", "type": "x", "livemode": false, "api_version": null, "created": 1,
                "data": { "object": object } })).unwrap()
        };
        let one = event(json!({ "object": "customer", "id": "cus_1" }));
        assert_eq!((one.object_id(), one.customer()), ("cus_1", Some("cus_1")));
        let one = event(json!({ "object": "invoice", "customer": { "id": "cus_2" } }));
        assert_eq!((one.object_id(), one.customer()), ("", Some("cus_2")));
        assert_eq!(event(json!([])).object_type(), "");
    }
}
