//! What `/metrics` tells of each target: the calls that failed and why, and what was used. An alert needs both by provider.

use llm::Usage;
use metrics::Counter;

/// The counters of one target, looked up once.
#[derive(Debug)]
pub(crate) struct Meters {
    target: String,
    input: Counter,
    cached: Counter,
    output: Counter,
    cost: Counter,
}

impl Meters {
    /// Of a target by its [`name`](crate::route::Target::name).
    pub(crate) fn of(name: &str) -> Self {
        let target = label(name).to_owned();
        let tokens = |kind: &'static str| metrics::counter!("gateway_tokens_total", "target" => target.clone(), "kind" => kind);
        Self {
            input: tokens("input"),
            cached: tokens("cached"),
            output: tokens("output"),
            cost: metrics::counter!("gateway_cost_nano_usd_total", "target" => target.clone()),
            target,
        }
    }

    /// A call has failed, before its first word or after it.
    pub(crate) fn failed(&self, reason: &'static str) {
        metrics::counter!("gateway_upstream_failures_total", "target" => self.target.clone(), "reason" => reason).increment(1);
    }

    /// Counts what was billed; `input` has no tokens that came from the provider's cache.
    pub(crate) fn used(&self, usage: Usage, cost_nano_usd: i64) {
        self.input
            .increment(usage.input.saturating_sub(usage.cached));
        self.cached.increment(usage.cached);
        self.output.increment(usage.output);
        self.cost
            .increment(u64::try_from(cost_nano_usd).unwrap_or_default());
    }
}

/// A target's name without its address, which nobody needs to tell it by, and which may have a password in it.
pub(crate) fn label(name: &str) -> &str {
    name.split_once("@http").map_or(name, |(target, _)| target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_no_part_of_a_label() {
        assert_eq!(label("own/m@https://me:pw@host/v1"), "own/m");
        assert_eq!(label("own/claude@2026@http://host"), "own/claude@2026");
    }
}
