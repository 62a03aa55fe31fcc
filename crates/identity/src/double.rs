//! For PATCH bodies: told apart are a field that is left out (`None`), one that is `null` (`Some(None)`) and a value.

use serde::{Deserialize, Deserializer};

#[expect(
    clippy::option_option,
    reason = "the three states are what this is for"
)]
pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Some)
}
