use std::collections::HashMap;

use kernel::NanoUsd;
use llm::Usage;
use secrecy::SecretString;

/// One provider's copy of a model: where it is, what it is called there, what it costs.
#[derive(Clone, Debug)]
pub struct Target {
    /// An OpenAI-compatible base URL, such as `https://api.openai.com/v1`.
    pub base_url: String,
    pub api_key: Option<SecretString>,
    /// The provider's own name of the model.
    pub model: String,
    pub price: Price,
    /// Whether the server can stream; otherwise its answer arrives as one event.
    pub streams: bool,
}

/// What 1,000 tokens cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Price {
    pub input: NanoUsd,
    pub output: NanoUsd,
}

impl Price {
    /// The cost of `usage`; what would not fit is the largest cost there is, so that it is noticed.
    pub(crate) fn of(&self, usage: Usage) -> NanoUsd {
        let input = NanoUsd::of_tokens(usage.input, self.input);
        let output = NanoUsd::of_tokens(usage.output, self.output);
        input
            .zip(output)
            .and_then(|(input, output)| input.checked_add(output))
            .unwrap_or(NanoUsd(i64::MAX))
    }
}

/// The ordered targets behind each public name.
#[derive(Clone, Debug, Default)]
pub struct Routes(HashMap<String, Vec<Target>>);

impl Routes {
    pub fn new(routes: impl IntoIterator<Item = (String, Vec<Target>)>) -> Self {
        Self(routes.into_iter().collect())
    }

    /// The targets of a route, the preferred one first; empty when none is configured.
    pub(crate) fn targets(&self, route: &str) -> &[Target] {
        self.0.get(route).map_or(&[], Vec::as_slice)
    }

    /// Whether any route has a target.
    pub fn is_empty(&self) -> bool {
        self.0.values().all(Vec::is_empty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cost_is_the_sum_of_both_sides() {
        let price = Price {
            input: NanoUsd(150_000),
            output: NanoUsd(600_000),
        };
        assert_eq!(
            price.of(Usage {
                input: 1000,
                output: 500,
                cached: 0
            }),
            NanoUsd(450_000)
        );
        assert_eq!(
            price.of(Usage::default()),
            NanoUsd(0),
            "an explicit zero stays zero"
        );
        assert_eq!(
            price.of(Usage {
                input: u64::MAX,
                output: 0,
                cached: 0
            }),
            NanoUsd(i64::MAX)
        );
    }
}
