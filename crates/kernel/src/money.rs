use serde::{Deserialize, Serialize};

/// Japanese yen. The currency has no minor unit: 980 yen is 980.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Yen(pub i64);

impl Yen {
    pub const ZERO: Self = Self(0);
}

impl std::fmt::Display for Yen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}円", self.0)
    }
}

/// Model cost in billionths of a US dollar, so that a single token has an exact integer price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NanoUsd(pub i64);

impl NanoUsd {
    /// The cost of `tokens` at a price per 1,000 tokens, rounded up to the next nano-dollar; `None` on overflow.
    pub fn of_tokens(tokens: u64, per_thousand: NanoUsd) -> Option<Self> {
        let product = i128::from(tokens).checked_mul(i128::from(per_thousand.0))?;
        i64::try_from((product + 999).div_euclid(1000))
            .ok()
            .map(Self)
    }

    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_costs_are_exact_and_rounded_up() {
        let price = NanoUsd(150_000); // $0.15 per million tokens
        assert_eq!(NanoUsd::of_tokens(1000, price), Some(NanoUsd(150_000)));
        assert_eq!(NanoUsd::of_tokens(1, price), Some(NanoUsd(150)));
        assert_eq!(NanoUsd::of_tokens(1, NanoUsd(1)), Some(NanoUsd(1)));
        assert_eq!(NanoUsd::of_tokens(0, price), Some(NanoUsd(0)));
        assert_eq!(NanoUsd::of_tokens(u64::MAX, NanoUsd(i64::MAX)), None);
    }
}
