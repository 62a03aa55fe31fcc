//! What a model costs.

use chrono::{DateTime, Utc};
use kernel::NanoUsd;
use llm::Usage;
use serde::{Deserialize, Serialize};

/// What 1,000 tokens cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Price {
    pub input: NanoUsd,
    pub output: NanoUsd,
    /// What was read from the provider's own cache; as other input unless said.
    pub cached: Option<NanoUsd>,
    /// What was written to the provider's own cache; as other input unless said.
    pub written: Option<NanoUsd>,
    /// Where a call that reads much costs more.
    pub long: Option<LongPrice>,
}

/// What 1,000 tokens of a call cost that reads more than `over`: all of them, not only those above.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LongPrice {
    pub over: u64,
    pub input: NanoUsd,
    pub output: NanoUsd,
    pub cached: Option<NanoUsd>,
    pub written: Option<NanoUsd>,
}

impl Price {
    /// The cost of `usage`; what would not fit is the largest cost there is, so that it is noticed.
    pub(crate) fn of(&self, usage: Usage) -> NanoUsd {
        match self.long {
            Some(long) if usage.input > long.over => long.price().of_any_length(usage),
            _ => self.of_any_length(usage),
        }
    }

    fn of_any_length(&self, usage: Usage) -> NanoUsd {
        let cached = usage.cached.min(usage.input);
        let written = usage.written.min(usage.input - cached);
        [
            (usage.input - cached - written, self.input),
            (cached, self.cached.unwrap_or(self.input)),
            (written, self.written.unwrap_or(self.input)),
            (usage.output, self.output),
        ]
        .into_iter()
        .try_fold(NanoUsd(0), |sum, (tokens, price)| {
            sum.checked_add(NanoUsd::of_tokens(tokens, price)?)
        })
        .unwrap_or(NanoUsd(i64::MAX))
    }
}

impl LongPrice {
    const fn price(self) -> Price {
        Price {
            input: self.input,
            output: self.output,
            cached: self.cached,
            written: self.written,
            long: None,
        }
    }
}

/// A price as it is shown: what 1,000 tokens cost, in billionths of a US dollar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct TokenPrice {
    pub input_nano_usd: i64,
    pub output_nano_usd: i64,
    /// What was read from the provider's own cache.
    pub cached_nano_usd: i64,
    /// What was written to it.
    pub written_nano_usd: i64,
    /// What all tokens of a call cost that reads much; `null` where they cost the same.
    #[schema(required)]
    pub long: Option<LongTokenPrice>,
}

/// What 1,000 tokens of a call cost that reads more than `over`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct LongTokenPrice {
    pub over: u64,
    pub input_nano_usd: i64,
    pub output_nano_usd: i64,
    pub cached_nano_usd: i64,
    pub written_nano_usd: i64,
}

impl From<Price> for TokenPrice {
    fn from(price: Price) -> Self {
        Self {
            input_nano_usd: price.input.0,
            output_nano_usd: price.output.0,
            cached_nano_usd: price.cached.unwrap_or(price.input).0,
            written_nano_usd: price.written.unwrap_or(price.input).0,
            long: price.long.map(|long| LongTokenPrice {
                over: long.over,
                input_nano_usd: long.input.0,
                output_nano_usd: long.output.0,
                cached_nano_usd: long.cached.unwrap_or(long.input).0,
                written_nano_usd: long.written.unwrap_or(long.input).0,
            }),
        }
    }
}

/// The newest price that holds at `now`.
pub(crate) fn price_at(prices: &[(DateTime<Utc>, Price)], now: DateTime<Utc>) -> Option<Price> {
    prices
        .iter()
        .filter(|(from, _)| *from <= now)
        .max_by_key(|(from, _)| *from)
        .map(|(_, price)| *price)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cost_is_the_sum_of_what_was_read_fresh_read_again_and_written() {
        let usage = |input, output, cached| Usage {
            input,
            output,
            cached,
            written: 0,
            thought: 0,
        };
        let price = Price {
            input: NanoUsd(150_000),
            output: NanoUsd(600_000),
            cached: Some(NanoUsd(15_000)),
            ..Price::default()
        };
        let plain = Price {
            cached: None,
            ..price
        };
        assert_eq!(price.of(usage(1000, 500, 0)), NanoUsd(450_000));
        assert_eq!(price.of(usage(1000, 500, 400)), NanoUsd(396_000));
        assert_eq!(plain.of(usage(1000, 500, 400)), NanoUsd(450_000));
        assert_eq!(
            price.of(usage(10, 0, 20)),
            NanoUsd(150),
            "no more is read again than was read"
        );
        assert_eq!(
            price.of(Usage::default()),
            NanoUsd(0),
            "an explicit zero stays zero"
        );
        assert_eq!(price.of(usage(u64::MAX, 0, 0)), NanoUsd(i64::MAX));
    }

    #[test]
    fn what_goes_into_the_providers_cache_and_long_questions_have_prices_of_their_own() {
        let price = Price {
            input: NanoUsd(100),
            output: NanoUsd(500),
            cached: Some(NanoUsd(10)),
            written: Some(NanoUsd(125)),
            long: Some(LongPrice {
                over: 100_000,
                input: NanoUsd(500),
                output: NanoUsd(2_500),
                cached: Some(NanoUsd(50)),
                written: None,
            }),
        };
        let cost = |input, output, cached, written| {
            let usage = Usage {
                input,
                output,
                cached,
                written,
                thought: 0,
            };
            price.of(usage).0
        };
        assert_eq!(cost(10_000, 1_000, 0, 0), 1_500);
        assert_eq!(cost(10_000, 1_000, 2_000, 4_000), 400 + 20 + 500 + 500);
        assert_eq!(cost(4_000, 0, 3_000, 3_000), 30 + 125, "no token twice");
        assert_eq!(cost(100_000, 0, 0, 0), 10_000, "just short enough");
        assert_eq!(
            cost(100_001, 1_000, 50_000, 1_000),
            49_001 / 2 + 1 + 2_500 + 500 + 2_500,
            "all of it at the price of long ones"
        );
    }

    #[test]
    fn the_price_is_the_newest_that_holds() {
        let day = |days| DateTime::UNIX_EPOCH + chrono::Duration::days(days);
        let price = |input| Price {
            input: NanoUsd(input),
            ..Price::default()
        };
        let prices = [(day(0), price(1)), (day(20), price(3)), (day(10), price(2))];
        for (now, want) in [(0, 1), (9, 1), (10, 2), (19, 2), (20, 3), (99, 3)] {
            assert_eq!(price_at(&prices, day(now)), Some(price(want)), "day {now}");
        }
        assert_eq!(price_at(&prices, day(-1)), None);
    }
}
