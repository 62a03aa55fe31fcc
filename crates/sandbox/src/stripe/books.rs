//! What the stand-in knows: objects by id, as Stripe would show them in its newest shape.

mod clocks;
mod manual;
mod prices;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use clocks::customer_of;
pub(super) use prices::PriceChange;

/// How long a checkout stays open.
const CHECKOUT_LIVES: i64 = 86_400;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Books {
    /// In the order in which they were made.
    objects: Vec<Value>,
    places: BTreeMap<String, usize>,
    /// The key that callers bring: whoever may read these books may ask as well.
    pub(super) key: String,
    /// Makes ids differ from those of other books.
    seed: String,
    made: u64,
    /// How far the clock was moved on.
    ahead: i64,
    /// How much further the clocks of single customers were moved, by the clock's id.
    clocks: BTreeMap<String, i64>,
    /// What was answered under which key: a digest of the call, the status, the answer.
    pub(super) answers: BTreeMap<String, (String, u16, Value)>,
    /// Mistakes of callers that Stripe would let pass.
    pub(super) flags: Vec<String>,
    declined: Vec<String>,
    /// The cards of customers who do not have one of their own.
    cards: BTreeMap<String, String>,
    /// Where the clock stands, if it does not go by itself.
    #[serde(skip)]
    pub(super) stands_at: Option<i64>,
    /// Where the pages of invoices are.
    #[serde(skip)]
    pub(super) base: String,
    #[serde(skip)]
    new_events: Vec<Value>,
    #[serde(skip)]
    file: Option<PathBuf>,
}

fn system_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(0))
}

impl Books {
    pub(super) fn open(file: Option<PathBuf>) -> Self {
        let kept = file.as_ref().and_then(|file| std::fs::read(file).ok());
        let known = kept.and_then(|text| serde_json::from_slice::<Self>(&text).ok());
        let mut books = known.unwrap_or_else(|| {
            let nanos = SystemTime::now().duration_since(UNIX_EPOCH);
            Self {
                seed: format!("{:x}", nanos.map_or(0, |since| since.as_nanos())),
                ..Self::default()
            }
        });
        books.file = file;
        books
    }

    /// Writes them down where they are to be kept; a stand-in that can't goes on without.
    pub(super) fn keep(&self) {
        if let Some(file) = &self.file
            && let Ok(text) = serde_json::to_vec(self)
        {
            let _ = std::fs::write(file, text);
        }
    }

    pub(super) fn now(&self) -> i64 {
        self.stands_at.unwrap_or_else(system_seconds) + self.ahead
    }

    pub(super) fn move_on(&mut self, seconds: i64) {
        self.ahead += seconds;
    }

    /// Changes an object's metadata by name; an empty value removes it.
    pub(super) fn set_metadata(&mut self, id: &str, changes: &Value) {
        let mut metadata = self
            .get(id)
            .and_then(|of| of.get("metadata"))
            .cloned()
            .unwrap_or(json!({}));
        if let (Some(known), Some(changes)) = (metadata.as_object_mut(), changes.as_object()) {
            for (name, value) in changes {
                if value.as_str().is_none_or(str::is_empty) {
                    known.remove(name);
                } else {
                    known.insert(name.clone(), value.clone());
                }
            }
        }
        self.set(id, &json!({ "metadata": metadata }));
    }

    fn id(&mut self, prefix: &str) -> String {
        self.made += 1;
        format!("{prefix}_{}{:06}", self.seed, self.made)
    }

    pub(super) fn get(&self, id: &str) -> Option<&Value> {
        self.places
            .get(id)
            .and_then(|place| self.objects.get(*place))
    }

    /// Changes fields of an object.
    pub(super) fn set(&mut self, id: &str, fields: &Value) {
        let Some(object) = self
            .places
            .get(id)
            .and_then(|place| self.objects.get_mut(*place))
        else {
            return;
        };
        if let (Some(object), Some(fields)) = (object.as_object_mut(), fields.as_object()) {
            for (name, value) in fields {
                object.insert(name.clone(), value.clone());
            }
        }
    }

    fn add(&mut self, object: Value) -> String {
        let id = text(&object, "id");
        self.places.insert(id.clone(), self.objects.len());
        self.objects.push(object);
        id
    }

    /// All objects of a kind, the oldest first.
    pub(super) fn all<'a>(&'a self, kind: &'a str) -> impl DoubleEndedIterator<Item = &'a Value> {
        self.objects
            .iter()
            .filter(move |object| object.get("object").and_then(Value::as_str) == Some(kind))
    }

    pub(super) fn take_new_events(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.new_events)
    }

    /// Tells of an object as it is now.
    pub(super) fn tell(&mut self, kind: &str, id: &str) {
        let Some(object) = self.get(id).cloned() else {
            return;
        };
        let created = self.now_of(&customer_of(&object));
        let event = json!({ "id": self.id("evt"), "object": "event", "type": kind, "created": created,
            "livemode": false, "pending_webhooks": 1, "request": { "id": null, "idempotency_key": null },
            "data": { "object": object } });
        self.add(event.clone());
        self.new_events.push(event);
    }

    pub(super) fn add_customer(
        &mut self,
        email: Option<&String>,
        name: Option<&String>,
        metadata: &Value,
    ) -> String {
        let id = self.id("cus");
        let created = self.now();
        self.add(json!({ "id": id, "object": "customer", "created": created, "livemode": false, "email": email,
            "name": name, "metadata": metadata }));
        self.tell("customer.created", &id);
        id
    }

    pub(super) fn add_checkout(&mut self, base: &str, wish: &Value) -> String {
        let id = self.id("cs_test");
        let now = self.now();
        let mut session = json!({ "id": id, "object": "checkout.session", "mode": "subscription", "livemode": false,
            "created": now, "expires_at": now + CHECKOUT_LIVES, "status": "open", "payment_status": "unpaid",
            "subscription": null, "url": format!("{base}/sandbox/checkout/{id}") });
        if let (Some(session), Some(wish)) = (session.as_object_mut(), wish.as_object()) {
            session.extend(wish.clone());
        }
        self.add(session)
    }

    pub(super) fn add_portal(&mut self, base: &str, customer: &str, back: &str) -> String {
        let id = self.id("bps");
        let created = self.now();
        self.add(json!({ "id": id, "object": "billing_portal.session", "livemode": false, "created": created,
            "customer": customer, "return_url": back, "url": format!("{base}/sandbox/portal/{id}") }))
    }

    pub(super) fn decline(&mut self, customer: &str, fails: bool) {
        self.declined.retain(|known| known != customer);
        if fails {
            self.declined.push(customer.to_owned());
        }
    }

    pub(super) fn is_declined(&self, customer: &str) -> bool {
        self.declined.iter().any(|known| known == customer)
    }

    /// From now on a customer pays with a card that others may have as well.
    pub(super) fn set_card(&mut self, customer: &str, fingerprint: &str) {
        self.cards
            .insert(customer.to_owned(), fingerprint.to_owned());
    }

    /// What stands for the card that a customer pays with.
    fn card(&self, customer: &str) -> String {
        let shared = self.cards.get(customer).cloned();
        shared.unwrap_or_else(|| format!("fp_{customer}"))
    }

    /// Subscribes and charges; the events come in the order that hurts most: the subscription before its payment, the
    /// checkout last.
    pub(super) fn subscribe(&mut self, session: &str, price: &str, amount: i64) -> Option<String> {
        let checkout = self.get(session)?.clone();
        let customer = text(&checkout, "customer");
        let now = self.now_of(&customer);
        let id = self.id("sub");
        let item = self.id("si");
        let metadata = checkout
            .get("subscription_metadata")
            .cloned()
            .unwrap_or(json!({}));
        self.add(json!({ "id": id, "object": "subscription", "customer": customer, "status": "incomplete",
            "livemode": false, "created": now, "billing_cycle_anchor": now, "cancel_at_period_end": false, "cancel_at": null, "canceled_at": null,
            "ended_at": null, "metadata": metadata, "latest_invoice": null, "items": { "object": "list", "has_more": false,
            "data": [{ "id": item, "object": "subscription_item", "quantity": 1,
                "price": { "id": price, "object": "price", "currency": "jpy", "unit_amount": amount },
                "current_period_start": now,
                "current_period_end": prices::period_end(now, now) }] } }));
        self.tell("customer.subscription.created", &id);
        let invoice = self.invoice(&id, "subscription_create")?;
        self.pay(&invoice);
        self.set(
            session,
            &json!({ "status": "complete", "payment_status": "paid", "subscription": id }),
        );
        self.tell("checkout.session.completed", session);
        Some(id)
    }

    /// Writes an invoice for the subscription's running period.
    fn invoice(&mut self, subscription: &str, reason: &str) -> Option<String> {
        let of = self.get(subscription)?.clone();
        let item = first_item(&of)?.clone();
        let price = item.get("price")?.clone();
        let amount = price.get("unit_amount").and_then(Value::as_i64)?;
        let line = self.id("il");
        let period = json!({ "start": item.get("current_period_start"), "end": item.get("current_period_end") });
        let line = json!({ "id": line, "object": "line_item", "amount": amount,
            "currency": "jpy", "period": period, "quantity": 1,
            "pricing": { "type": "price_details", "price_details": { "price": price.get("id") } },
            "parent": { "type": "subscription_item_details",
                "subscription_item_details": { "proration": false, "subscription": subscription,
                    "subscription_item": item.get("id") } } });
        self.invoice_of(subscription, reason, &[line])
    }

    /// Writes an invoice of some lines.
    fn invoice_of(&mut self, subscription: &str, reason: &str, lines: &[Value]) -> Option<String> {
        let customer = self.get(subscription)?.get("customer").cloned();
        let amount: i64 = lines.iter().map(|line| number(line, "amount")).sum();
        let whose = customer
            .as_ref()
            .and_then(Value::as_str)
            .unwrap_or_default();
        let (now, id) = (self.now_of(whose), self.id("in"));
        let number = format!("SANDBOX-{:06}", self.made);
        let page = format!("{}/sandbox/invoice/{id}", self.base);
        let name = customer
            .as_ref()
            .and_then(Value::as_str)
            .and_then(|id| self.get(id));
        let name = name.and_then(|customer| customer.get("name")).cloned();
        self.add(json!({ "id": id, "object": "invoice", "customer": customer, "livemode": false, "status": "open",
            "number": number, "customer_name": name, "hosted_invoice_url": page,
            "billing_reason": reason, "currency": "jpy", "created": now, "total": amount, "amount_due": amount.max(0),
            "amount_paid": 0, "attempt_count": 0, "status_transitions": { "finalized_at": now, "paid_at": null },
            "parent": { "type": "subscription_details", "subscription_details": { "subscription": subscription } },
            "payments": { "object": "list", "has_more": false, "data": [] },
            "lines": { "object": "list", "has_more": false, "data": lines } }));
        self.set(subscription, &json!({ "latest_invoice": id }));
        self.tell("invoice.created", &id);
        self.tell("invoice.finalized", &id);
        Some(id)
    }

    /// Sells something once: the payment, then the invoice that tells of it if one was asked for, the checkout last.
    pub(super) fn sell(&mut self, session: &str, price: &str, amount: i64) -> Option<String> {
        let checkout = self.get(session)?.clone();
        let customer = text(&checkout, "customer");
        let now = self.now_of(&customer);
        let (id, line) = (self.id("in"), self.id("il"));
        let (number, page) = (
            format!("SANDBOX-{:06}", self.made),
            format!("{}/sandbox/invoice/{id}", self.base),
        );
        let name = self
            .get(&customer)
            .and_then(|customer| customer.get("name"))
            .cloned();
        let line = json!({ "id": line, "object": "line_item", "amount": amount, "currency": "jpy", "quantity": 1,
            "period": { "start": now, "end": now },
            "pricing": { "type": "price_details", "price_details": { "price": price } },
            "parent": { "type": "invoice_item_details", "invoice_item_details": { "proration": false } } });
        self.add(json!({ "id": id, "object": "invoice", "customer": customer, "livemode": false, "status": "open",
            "number": number, "customer_name": name, "hosted_invoice_url": page, "billing_reason": "manual",
            "currency": "jpy", "created": now, "total": amount, "amount_due": amount, "amount_paid": 0,
            "attempt_count": 0, "status_transitions": { "finalized_at": now, "paid_at": null }, "parent": null,
            "metadata": checkout.get("invoice_metadata"),
            "payments": { "object": "list", "has_more": false, "data": [] },
            "lines": { "object": "list", "has_more": false, "data": [line] } }));
        self.pay(&id);
        self.set(
            session,
            &json!({ "status": "complete", "payment_status": "paid", "invoice": id }),
        );
        self.tell("checkout.session.completed", session);
        Some(id)
    }

    /// Tries to take the money of an open invoice, and tells of both ends in every way that Stripe does.
    pub(super) fn pay(&mut self, invoice: &str) -> bool {
        let Some(of) = self.get(invoice).cloned() else {
            return false;
        };
        let (customer, amount) = (text(&of, "customer"), number(&of, "amount_due"));
        let now = self.now_of(&customer);
        let subscription = invoice_subscription(&of);
        let attempts = number(&of, "attempt_count") + 1;
        if self.declined.contains(&customer) {
            self.set(invoice, &json!({ "attempt_count": attempts }));
            let first = self
                .get(&subscription)
                .is_some_and(|known| text(known, "status") == "incomplete");
            if !first {
                self.set(&subscription, &json!({ "status": "past_due" }));
                self.tell("customer.subscription.updated", &subscription);
            }
            self.tell("invoice.payment_failed", invoice);
            return false;
        }
        let (intent, charge, payment) = (self.id("pi"), self.id("ch"), self.id("inpay"));
        self.add(json!({ "id": intent, "object": "payment_intent", "amount": amount, "currency": "jpy", "livemode": false,
            "created": now, "customer": customer, "status": "succeeded", "latest_charge": charge }));
        self.add(json!({ "id": charge, "object": "charge", "amount": amount, "amount_refunded": 0, "refunded": false,
            "disputed": false, "currency": "jpy", "livemode": false, "created": now, "customer": customer, "paid": true,
            "payment_intent": intent, "sandbox_invoice": invoice,
            "payment_method_details": { "type": "card", "card": { "fingerprint": self.card(&customer) } } }));
        let paid = json!({ "id": payment, "object": "invoice_payment", "amount_paid": amount, "currency": "jpy",
            "livemode": false, "created": now, "invoice": invoice, "status": "paid", "is_default": true,
            "payment": { "type": "payment_intent", "payment_intent": intent } });
        self.add(paid.clone());
        self.set(
            invoice,
            &json!({ "status": "paid", "amount_paid": amount, "attempt_count": attempts,
            "status_transitions": { "finalized_at": of.get("created"), "paid_at": now },
            "payments": { "object": "list", "has_more": false, "data": [paid] } }),
        );
        self.set(&subscription, &json!({ "status": "active" }));
        self.tell("charge.succeeded", &charge);
        self.tell("payment_intent.succeeded", &intent);
        self.tell("customer.subscription.updated", &subscription);
        self.tell("invoice.paid", invoice);
        self.tell("invoice.payment_succeeded", invoice);
        true
    }

    /// Brings subscriptions to the present: renews, ends, and tries again what is owed.
    pub(super) fn catch_up(&mut self) {
        let ids: Vec<String> = self
            .all("subscription")
            .map(|known| text(known, "id"))
            .collect();
        for id in ids {
            let customer = self.get(&id).map(customer_of).unwrap_or_default();
            let now = self.now_of(&customer);
            // a month at a time, as long as one is over
            for _ in 0..120 {
                let Some(of) = self.get(&id).cloned() else {
                    break;
                };
                let end =
                    first_item(&of).map_or(i64::MAX, |item| number(item, "current_period_end"));
                let status = text(&of, "status");
                if end > now || !matches!(status.as_str(), "active" | "trialing" | "past_due") {
                    break;
                }
                if of.get("cancel_at_period_end") == Some(&Value::Bool(true)) {
                    self.end(&id, end);
                    break;
                }
                self.renew(&id, end);
            }
        }
    }

    fn renew(&mut self, id: &str, from: i64) {
        let Some(of) = self.get(id).cloned() else {
            return;
        };
        let mut items = of.get("items").cloned().unwrap_or_default();
        let end = prices::period_end(number(&of, "billing_cycle_anchor"), from);
        if let Some(item) = items.pointer_mut("/data/0").and_then(Value::as_object_mut) {
            item.insert("current_period_start".to_owned(), json!(from));
            item.insert("current_period_end".to_owned(), json!(end));
        }
        self.set(id, &json!({ "items": items }));
        self.tell("customer.subscription.updated", id);
        if let Some(invoice) = self.invoice(id, "subscription_cycle") {
            self.pay(&invoice);
        }
    }

    /// Ends a subscription.
    pub(super) fn end(&mut self, id: &str, at: i64) {
        self.set(
            id,
            &json!({ "status": "canceled", "ended_at": at, "canceled_at": at }),
        );
        self.tell("customer.subscription.deleted", id);
    }

    /// Tells a subscription to end with its period, or not to.
    pub(super) fn cancel_at_period_end(&mut self, id: &str, wanted: bool) {
        let end = self
            .get(id)
            .and_then(first_item)
            .map(|item| number(item, "current_period_end"));
        let at = end.filter(|_| wanted);
        self.set(
            id,
            &json!({ "cancel_at_period_end": wanted, "cancel_at": at }),
        );
        self.tell("customer.subscription.updated", id);
    }

    /// Tries again to take what a customer owes.
    pub(super) fn pay_owed(&mut self, customer: &str) {
        let owed: Vec<String> = self
            .all("invoice")
            .filter(|known| text(known, "customer") == customer && text(known, "status") == "open")
            .map(|known| text(known, "id"))
            .collect();
        for invoice in owed {
            self.pay(&invoice);
        }
    }

    /// Gives money of a charge back; none when there is not so much.
    pub(super) fn refund(&mut self, charge: &str, amount: Option<i64>) -> Option<String> {
        let of = self.get(charge)?.clone();
        let left = number(&of, "amount") - number(&of, "amount_refunded");
        let amount = amount.unwrap_or(left);
        if amount <= 0 || amount > left {
            return None;
        }
        let (id, now) = (self.id("re"), self.now_of(&customer_of(&of)));
        let refunded = number(&of, "amount_refunded") + amount;
        self.add(json!({ "id": id, "object": "refund", "amount": amount, "currency": "jpy", "created": now,
            "charge": charge, "payment_intent": of.get("payment_intent"), "status": "succeeded" }));
        self.set(
            charge,
            &json!({ "amount_refunded": refunded, "refunded": refunded == number(&of, "amount") }),
        );
        self.tell("charge.refunded", charge);
        self.tell("refund.created", &id);
        Some(id)
    }

    /// Disputes a charge, or moves its dispute on.
    pub(super) fn dispute(&mut self, charge: &str, status: &str) -> Option<String> {
        let of = self.get(charge)?.clone();
        let known = self
            .all("dispute")
            .find(|known| text(known, "charge") == charge)
            .map(|known| text(known, "id"));
        if let Some(id) = known {
            self.set(&id, &json!({ "status": status }));
            let over = matches!(status, "won" | "lost");
            self.tell(
                if over {
                    "charge.dispute.closed"
                } else {
                    "charge.dispute.updated"
                },
                &id,
            );
            return Some(id);
        }
        let (id, now) = (self.id("dp"), self.now_of(&customer_of(&of)));
        self.add(json!({ "id": id, "object": "dispute", "amount": of.get("amount"), "currency": "jpy", "created": now,
            "livemode": false, "charge": charge, "payment_intent": of.get("payment_intent"), "status": status }));
        self.set(charge, &json!({ "disputed": true }));
        self.tell("charge.dispute.created", &id);
        Some(id)
    }
}

pub(super) fn text(of: &Value, field: &str) -> String {
    of.get(field)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

pub(super) fn number(of: &Value, field: &str) -> i64 {
    of.get(field).and_then(Value::as_i64).unwrap_or_default()
}

pub(super) fn first_item(subscription: &Value) -> Option<&Value> {
    subscription.pointer("/items/data/0")
}

pub(super) fn invoice_subscription(invoice: &Value) -> String {
    let found = invoice.pointer("/parent/subscription_details/subscription");
    found.and_then(Value::as_str).unwrap_or_default().to_owned()
}
