//! What a subscription costs, from when to when, and what a change of it settles.

use chrono::{DateTime, Months};
use serde_json::{Value, json};

use super::{Books, first_item, number, text};

/// One side of a settlement.
#[derive(Clone, Debug)]
struct Side {
    price: String,
    amount: i64,
}

/// What a change of price is asked with.
#[derive(Clone, Debug)]
pub(in super::super) struct PriceChange {
    pub(in super::super) price: String,
    pub(in super::super) amount: i64,
    /// Whether the rest of the period is settled at once.
    pub(in super::super) settles: bool,
    pub(in super::super) at: i64,
}

/// The end of the period that begins at `from`: so many whole months after the anchor, on its day or the month's last.
pub(super) fn period_end(anchor: i64, from: i64) -> i64 {
    let Some(first) = DateTime::from_timestamp(anchor, 0) else {
        return from;
    };
    (1..=1200)
        .filter_map(|months| first.checked_add_months(Months::new(months)))
        .map(|end| end.timestamp())
        .find(|end| *end > from)
        .unwrap_or(from)
}

impl Books {
    /// The lines that settle the rest of the running period: what was paid is given back, the new price is charged.
    pub(in super::super) fn settlement(
        &self,
        subscription: &str,
        change: &PriceChange,
    ) -> Vec<Value> {
        let Some(item) = self.get(subscription).and_then(first_item) else {
            return Vec::new();
        };
        let (start, end) = (
            number(item, "current_period_start"),
            number(item, "current_period_end"),
        );
        let price = item.get("price").cloned().unwrap_or_default();
        let before = Side {
            price: text(&price, "id"),
            amount: -number(&price, "unit_amount"),
        };
        let after = Side {
            price: change.price.clone(),
            amount: change.amount,
        };
        let (rest, whole) = (
            (end - change.at).clamp(0, end - start),
            (end - start).max(1),
        );
        [before, after]
            .into_iter()
            .map(|side| {
                // to the nearest yen, away from zero
                let product = side.amount * rest;
                let amount = (product + product.signum() * whole / 2) / whole;
                line(
                    subscription,
                    &text(item, "id"),
                    &side.price,
                    amount,
                    (change.at, end),
                )
            })
            .collect()
    }

    /// Sets another price, settling the rest of the period or not; false when that was to be paid and was declined, and then
    /// nothing has changed.
    pub(in super::super) fn change_price(
        &mut self,
        subscription: &str,
        change: &PriceChange,
    ) -> bool {
        let Some(of) = self.get(subscription).cloned() else {
            return false;
        };
        let lines = self.settlement(subscription, change);
        let due: i64 = lines.iter().map(|line| number(line, "amount")).sum();
        if change.settles && due > 0 && self.is_declined(&text(&of, "customer")) {
            return false;
        }
        let mut items = of.get("items").cloned().unwrap_or_default();
        if let Some(item) = items.pointer_mut("/data/0").and_then(Value::as_object_mut) {
            let price = json!({ "id": change.price, "object": "price", "currency": "jpy", "unit_amount": change.amount });
            item.insert("price".to_owned(), price);
        }
        self.set(subscription, &json!({ "items": items }));
        if change.settles && due != 0 {
            let invoice = self.invoice_of(subscription, "subscription_update", &lines);
            if let Some(invoice) = invoice {
                self.pay(&invoice);
            }
        }
        self.tell("customer.subscription.updated", subscription);
        true
    }
}

/// A line of an invoice that settles a change.
fn line(
    subscription: &str,
    item: &str,
    price: &str,
    amount: i64,
    (start, end): (i64, i64),
) -> Value {
    json!({ "id": format!("il_{price}_{start}"), "object": "line_item", "amount": amount, "currency": "jpy",
        "period": { "start": start, "end": end }, "quantity": 1,
        "pricing": { "type": "price_details", "price_details": { "price": price } },
        "parent": { "type": "subscription_item_details", "subscription_item_details": { "proration": true,
            "subscription": subscription, "subscription_item": item } } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<DateTime<chrono::Utc>>().unwrap().timestamp()
    }

    #[test]
    fn months_keep_their_anchors_day_and_fall_back_to_the_last_one() {
        let anchor = at("2027-12-31T15:00:00Z");
        let mut from = anchor;
        let mut days = Vec::new();
        for _ in 0..5 {
            from = period_end(anchor, from);
            days.push(
                DateTime::from_timestamp(from, 0)
                    .unwrap()
                    .format("%m-%d")
                    .to_string(),
            );
        }
        assert_eq!(days, ["01-31", "02-29", "03-31", "04-30", "05-31"]);
    }
}
