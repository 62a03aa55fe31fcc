//! Invoices that a program writes itself: a draft, its items, its end, and the payment with the card that is kept.

use serde_json::{Value, json};

use super::{Books, number, text};

impl Books {
    /// Begins an invoice that nobody pays until it is asked for.
    pub(in crate::stripe) fn draft(&mut self, customer: &str, metadata: &Value) -> String {
        let (now, id) = (self.now_of(customer), self.id("in"));
        let name = self.get(customer).and_then(|known| known.get("name"));
        let name = name.cloned();
        self.add(json!({ "id": id, "object": "invoice", "customer": customer, "livemode": false, "status": "draft",
            "number": null, "customer_name": name, "hosted_invoice_url": null, "billing_reason": "manual",
            "currency": "jpy", "created": now, "total": 0, "amount_due": 0, "amount_paid": 0, "attempt_count": 0,
            "auto_advance": false, "status_transitions": { "finalized_at": null, "paid_at": null }, "parent": null,
            "metadata": metadata, "payments": { "object": "list", "has_more": false, "data": [] },
            "lines": { "object": "list", "has_more": false, "data": [] } }));
        self.tell("invoice.created", &id);
        id
    }

    /// Adds one of what has a price to a draft; none when it is no draft of the customer's.
    pub(in crate::stripe) fn add_item(
        &mut self,
        invoice: &str,
        customer: &str,
        (price, amount): (&str, i64),
    ) -> Option<String> {
        let of = self.get(invoice).cloned()?;
        if text(&of, "status") != "draft" || text(&of, "customer") != customer {
            return None;
        }
        let (now, id, line) = (self.now_of(customer), self.id("ii"), self.id("il"));
        let pricing = json!({ "type": "price_details", "price_details": { "price": price } });
        self.add(json!({ "id": id, "object": "invoiceitem", "customer": customer, "livemode": false, "invoice": invoice,
            "amount": amount, "currency": "jpy", "quantity": 1, "date": now, "pricing": pricing }));
        let line = json!({ "id": line, "object": "line_item", "amount": amount, "currency": "jpy", "quantity": 1,
            "period": { "start": now, "end": now }, "pricing": pricing,
            "parent": { "type": "invoice_item_details",
                "invoice_item_details": { "proration": false, "invoice_item": id } } });
        let mut lines = of.get("lines").cloned().unwrap_or_default();
        if let Some(data) = lines.pointer_mut("/data").and_then(Value::as_array_mut) {
            data.push(line);
        }
        let total = number(&of, "total") + amount;
        self.set(
            invoice,
            &json!({ "lines": lines, "total": total, "amount_due": total }),
        );
        Some(id)
    }

    /// Closes a draft; false when it is none.
    pub(in crate::stripe) fn finalize(&mut self, invoice: &str) -> bool {
        if self
            .get(invoice)
            .is_none_or(|of| text(of, "status") != "draft")
        {
            return false;
        }
        self.made += 1;
        let number = format!("SANDBOX-{:06}", self.made);
        let page = format!("{}/sandbox/invoice/{invoice}", self.base);
        let now = self
            .get(invoice)
            .map_or(0, |of| self.now_of(&text(of, "customer")));
        self.set(
            invoice,
            &json!({ "status": "open", "number": number, "hosted_invoice_url": page,
                "status_transitions": { "finalized_at": now, "paid_at": null } }),
        );
        self.tell("invoice.finalized", invoice);
        true
    }

    /// Makes an open invoice one that is never paid; false when it is not open.
    pub(in crate::stripe) fn void(&mut self, invoice: &str) -> bool {
        let is_open = self
            .get(invoice)
            .is_some_and(|of| text(of, "status") == "open");
        if is_open {
            self.set(invoice, &json!({ "status": "void" }));
            self.tell("invoice.voided", invoice);
        }
        is_open
    }

    /// The cards that are kept for a customer: whoever subscribed has one.
    pub(in crate::stripe) fn kept_cards(&self, customer: &str) -> Vec<Value> {
        let subscribed = self
            .all("subscription")
            .any(|known| text(known, "customer") == customer);
        if !subscribed {
            return Vec::new();
        }
        vec![
            json!({ "id": format!("pm_{customer}"), "object": "payment_method", "type": "card", "customer": customer,
            "livemode": false, "card": { "brand": "visa", "last4": "4242", "fingerprint": self.card(customer) } }),
        ]
    }
}
