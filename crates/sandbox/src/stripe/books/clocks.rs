//! Clocks of single customers, as Stripe's test clocks: a tenant lives through months while the others stay where they are.

use serde_json::{Value, json};

use super::{Books, text};

/// Whose an object is; nobody's goes by the clock of all.
pub(super) fn customer_of(object: &Value) -> String {
    if text(object, "object") == "customer" {
        return text(object, "id");
    }
    text(object, "customer")
}

impl Books {
    /// What time it is for a customer.
    pub(in crate::stripe) fn now_of(&self, customer: &str) -> i64 {
        let clock = self.get(customer).map(|known| text(known, "test_clock"));
        let ahead = clock.and_then(|clock| self.clocks.get(&clock).copied());
        self.now() + ahead.unwrap_or(0)
    }

    /// Makes a clock that shows this instant.
    pub(in crate::stripe) fn add_clock(&mut self, shows: i64, name: Option<&String>) -> String {
        let id = self.id("clock");
        let created = self.now();
        self.add(json!({ "id": id, "object": "test_helpers.test_clock", "created": created, "livemode": false,
            "name": name, "status": "ready", "frozen_time": shows, "deletes_after": created + 30 * 86_400 }));
        self.clocks.insert(id.clone(), shows - created);
        id
    }

    /// Lets a customer go by a clock of its own, which shows what it was for it.
    pub(in crate::stripe) fn clock_of(&mut self, customer: &str) -> Option<String> {
        let known = text(self.get(customer)?, "test_clock");
        if !known.is_empty() {
            return Some(known);
        }
        let now = self.now_of(customer);
        let clock = self.add_clock(now, None);
        self.set(customer, &json!({ "test_clock": clock }));
        Some(clock)
    }

    /// Moves a clock on to an instant, and those who go by it with it; false when it is there already, or there is none.
    pub(in crate::stripe) fn set_clock(&mut self, clock: &str, shows: i64) -> bool {
        let Some(ahead) = self.clocks.get(clock).copied() else {
            return false;
        };
        let now = self.now();
        if shows <= now + ahead {
            return false;
        }
        self.clocks.insert(clock.to_owned(), shows - now);
        self.set(clock, &json!({ "frozen_time": shows }));
        self.catch_up();
        true
    }
}
