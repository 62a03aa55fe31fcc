//! What only a stand-in can do: move the clock, decline a card, dispute.

use axum::{Router, body::Bytes, extract::State, response::Response, routing::post};
use chrono::{DateTime, Months};
use serde_json::json;

use super::{
    DeliveryFaults, StripeDouble,
    http::{answer, read_form},
};

pub(super) fn router() -> Router<StripeDouble> {
    Router::new()
        .route("/sandbox/clock", post(clock))
        .route("/sandbox/faults", post(faults))
        .route("/sandbox/card", post(card))
        .route("/sandbox/disputes", post(dispute))
        .route("/sandbox/unpaid", post(unpaid))
        .route("/sandbox/delivery", post(delivery))
}

impl StripeDouble {
    /// Moves the clock on; whatever became due by then happens.
    pub fn advance(&self, seconds: i64) {
        self.write(|books| {
            books.move_on(seconds);
            books.catch_up();
        });
    }

    /// Moves the clock of one customer on; the others stay where they are. False when there is no such customer.
    pub fn advance_customer(&self, customer: &str, seconds: i64) -> bool {
        self.write(|books| {
            let to = books.now_of(customer) + seconds;
            let clock = books.clock_of(customer);
            clock.is_some_and(|clock| books.set_clock(&clock, to))
        })
    }

    /// Lets the clock stand at an instant; whatever became due by then happens.
    pub fn stand_at(&self, at: i64) {
        let ahead = at - self.books().now();
        self.advance(ahead.max(0));
    }

    /// From now on a customer's card is declined, or is good again; then what is owed is taken.
    pub fn decline(&self, customer: &str, fails: bool) {
        self.write(|books| {
            books.decline(customer, fails);
            if !fails {
                books.pay_owed(customer);
            }
        });
    }

    /// From now on a customer pays with a card of this fingerprint.
    pub fn pay_with(&self, customer: &str, fingerprint: &str) {
        self.write(|books| books.set_card(customer, fingerprint));
    }

    /// Says that the tries to get an owed invoice paid are over.
    pub fn give_up(&self, subscription: &str) {
        self.write(|books| {
            books.set(subscription, &json!({ "status": "unpaid" }));
            books.tell("customer.subscription.updated", subscription);
        });
    }

    /// Pays an open checkout, as the button on its page does; says whether the money came.
    pub fn complete_checkout(&self, session: &str) -> bool {
        let Some((price, customer)) = self.open_checkout(session) else {
            return false;
        };
        let Some((amount, once)) = self.price(&price).map(|price| (price.amount, price.once))
        else {
            return false;
        };
        let paid = self.write(|books| {
            if books.is_declined(&customer) {
                return None;
            }
            if once {
                books.sell(session, &price, amount)
            } else {
                books.subscribe(session, &price, amount)
            }
        });
        paid.is_some()
    }
}

async fn clock(State(double): State<StripeDouble>, body: Bytes) -> Response {
    let form = read_form(&body);
    let said = |name: &str| form.get(name).and_then(|text| text.parse::<i64>().ok());
    let whose = form.get("customer").cloned().unwrap_or_default();
    let now = double.books().now_of(&whose);
    let months = said("months").and_then(|months| {
        let later = DateTime::from_timestamp(now, 0)?
            .checked_add_months(Months::new(u32::try_from(months).ok()?))?;
        Some(later.timestamp() - now)
    });
    let days = said("days").and_then(|days| days.checked_mul(86_400));
    match said("seconds")
        .or(days)
        .or(months)
        .filter(|seconds| (0..=800 * 86_400).contains(seconds))
    {
        Some(_) if !whose.is_empty() && double.books().get(&whose).is_none() => {
            answer(404, &json!({ "error": "no such customer" }))
        }
        Some(seconds) => {
            if whose.is_empty() {
                double.advance(seconds);
            } else {
                double.advance_customer(&whose, seconds);
            }
            answer(200, &json!({ "now": double.books().now_of(&whose) }))
        }
        None => answer(
            400,
            &json!({ "error": "seconds, days or months, up to 800 days" }),
        ),
    }
}

async fn faults(State(double): State<StripeDouble>, body: Bytes) -> Response {
    let form = read_form(&body);
    let said = |name: &str| form.get(name).and_then(|text| text.parse::<u64>().ok());
    let is = |name: &str, value: &str| form.get(name).is_some_and(|said| said == value);
    double.deliver_with(DeliveryFaults {
        copies: u32::try_from(said("copies").unwrap_or(1).min(10)).unwrap_or(1),
        drop_every: said("drop").unwrap_or(0),
        delay_ms: said("delay_ms").unwrap_or(0).min(60_000),
        reverse: is("reverse", "true"),
        both_shapes: is("shape", "both"),
        old_shape: is("shape", "old"),
    });
    answer(200, &json!({}))
}

async fn card(State(double): State<StripeDouble>, body: Bytes) -> Response {
    let form = read_form(&body);
    let customer = form.get("customer").cloned().unwrap_or_default();
    let fails = form.get("fails").is_some_and(|fails| fails == "true");
    double.decline(&customer, fails);
    if let Some(fingerprint) = form.get("fingerprint") {
        double.pay_with(&customer, fingerprint);
    }
    answer(200, &json!({ "customer": customer, "fails": fails }))
}

async fn dispute(State(double): State<StripeDouble>, body: Bytes) -> Response {
    let form = read_form(&body);
    let charge = form.get("charge").cloned().unwrap_or_default();
    let status = form
        .get("status")
        .cloned()
        .unwrap_or_else(|| "needs_response".to_owned());
    match double.write(|books| books.dispute(&charge, &status)) {
        Some(id) => answer(200, &json!({ "dispute": id, "status": status })),
        None => answer(404, &json!({ "error": "no such charge" })),
    }
}

async fn unpaid(State(double): State<StripeDouble>, body: Bytes) -> Response {
    let form = read_form(&body);
    let subscription = form.get("subscription").cloned().unwrap_or_default();
    double.give_up(&subscription);
    answer(200, &json!({ "subscription": subscription }))
}

async fn delivery(State(double): State<StripeDouble>, body: Bytes) -> Response {
    let form = read_form(&body);
    let to = form.get("to").filter(|to| !to.is_empty()).cloned();
    let secret = form.get("secret").cloned().unwrap_or_default();
    double.deliver_to(to.map(|to| (to, secret)));
    answer(200, &json!({}))
}
