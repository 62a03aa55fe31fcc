//! Stripe's objects in the shape before 2025-03-31: what moved goes back to where it was.

use serde_json::{Value, json};

/// The first version of the shape that the books are kept in.
const BASIL: &str = "2025-03-31";
/// What the stand-in calls the two.
const NEW: &str = "2026-10-28.endive";
const OLD: &str = "2024-06-20";

/// Whether a version that a caller names has the old shape.
pub(super) fn is_old(version: Option<&str>) -> bool {
    version.is_some_and(|version| version < BASIL)
}

/// An event with its object in one of the shapes.
pub(super) fn event(event: &Value, old: bool) -> Value {
    let mut event = event.clone();
    let object = event.pointer("/data/object").cloned().unwrap_or_default();
    if let Some(event) = event.as_object_mut() {
        event.insert("api_version".to_owned(), json!(if old { OLD } else { NEW }));
        event.insert("data".to_owned(), json!({ "object": shown(&object, old) }));
    }
    event
}

/// An object in one of the shapes.
pub(super) fn shown(object: &Value, old: bool) -> Value {
    let mut shown = object.clone();
    let kind = object
        .get("object")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let Some(fields) = shown.as_object_mut() else {
        return shown;
    };
    let invoice = fields.remove("sandbox_invoice");
    if !old {
        return shown;
    }
    match kind {
        "charge" => {
            fields.insert("invoice".to_owned(), invoice.unwrap_or_default());
        }
        "subscription" => {
            for name in ["current_period_start", "current_period_end"] {
                let value = object.pointer(&format!("/items/data/0/{name}")).cloned();
                fields.insert(name.to_owned(), value.unwrap_or_default());
                if let Some(item) = fields
                    .get_mut("items")
                    .and_then(|items| items.pointer_mut("/data/0"))
                {
                    item.as_object_mut().map(|item| item.remove(name));
                }
            }
        }
        "invoice" => {
            let subscription = object
                .pointer("/parent/subscription_details/subscription")
                .cloned();
            let intent = object
                .pointer("/payments/data/0/payment/payment_intent")
                .cloned();
            fields.remove("parent");
            fields.remove("payments");
            fields.insert("subscription".to_owned(), subscription.unwrap_or_default());
            fields.insert("payment_intent".to_owned(), intent.unwrap_or_default());
            fields.insert(
                "paid".to_owned(),
                json!(object.get("status") == Some(&json!("paid"))),
            );
            let lines = fields
                .get_mut("lines")
                .and_then(|lines| lines.pointer_mut("/data"))
                .and_then(Value::as_array_mut);
            for line in lines.into_iter().flatten() {
                old_line(line);
            }
        }
        _ => {}
    }
    shown
}

fn old_line(line: &mut Value) {
    let price = line
        .pointer("/pricing/price_details/price")
        .cloned()
        .unwrap_or_default();
    let proration = line
        .pointer("/parent/subscription_item_details/proration")
        .cloned();
    if let Some(line) = line.as_object_mut() {
        line.remove("pricing");
        line.remove("parent");
        line.insert(
            "price".to_owned(),
            json!({ "id": price, "object": "price" }),
        );
        line.insert("proration".to_owned(), proration.unwrap_or(json!(false)));
    }
}
