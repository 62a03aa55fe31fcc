//! How likely a model found its words, token by token.
//!
//! Source: <https://platform.openai.com/docs/api-reference/chat/object>.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Number;

/// The most others that are told of beside each token.
pub(crate) const MOST_OTHERS: i64 = 20;

/// A token of an answer, and how likely it was there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenLogprob {
    /// As text; some tokens are part of a letter, and then not readable.
    pub token: String,
    /// The natural logarithm of how likely it was.
    pub logprob: Number,
    /// The token as UTF-8, where the provider tells.
    #[serde(default)]
    pub bytes: Option<Vec<u8>>,
    /// The likeliest tokens at this place, as many as were asked for.
    #[serde(default, deserialize_with = "or_none")]
    pub top_logprobs: Vec<Likely>,
}

/// A token that could have stood in a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Likely {
    /// As text.
    pub token: String,
    /// The natural logarithm of how likely it was.
    pub logprob: Number,
    /// The token as UTF-8, where the provider tells.
    #[serde(default)]
    pub bytes: Option<Vec<u8>>,
}

fn or_none<'de, D: Deserializer<'de>>(told: D) -> Result<Vec<Likely>, D::Error> {
    Option::deserialize(told).map(Option::unwrap_or_default)
}
