//! The names of units and of what they belong to, and amounts of money in words.

pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= 30 && text.bytes().all(|b| b.is_ascii_lowercase())
}

pub(crate) fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 30
        && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

/// Whether a text can name a unit, such as `misaki.chat`.
pub(crate) fn is_unit(text: &str) -> bool {
    text.split_once('.')
        .is_some_and(|(room, what)| is_name(room) && is_word(what))
}

/// The storefront that a unit belongs to, by its name.
pub(crate) fn storefront_of(unit: &str) -> &str {
    unit.split_once('.')
        .map_or(unit, |(storefront, _)| storefront)
}

/// The name under which what a storefront's models cost is limited.
pub(crate) fn cost_of(storefront: &str) -> String {
    format!("{storefront}.cost")
}

/// Whether the unit is a storefront's cost, in billionths of a US dollar, and nothing that is granted.
pub(crate) fn is_cost(unit: &str) -> bool {
    unit.split_once('.').is_some_and(|(_, what)| what == "cost")
}

/// An amount of billionths of a US dollar in words, exact and without needless digits.
pub(crate) fn dollars(nano: i64) -> String {
    let (whole, part) = (nano / 1_000_000_000, nano % 1_000_000_000);
    let part = format!("{part:09}");
    let digits = part.trim_end_matches('0').len().max(2);
    format!("${whole}.{}", part.get(..digits).unwrap_or(&part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_exact() {
        for (nano, words) in [
            (0, "$0.00"),
            (1, "$0.000000001"),
            (1_500_000_000, "$1.50"),
            (12_345_678_900, "$12.3456789"),
        ] {
            assert_eq!(dollars(nano), words);
        }
    }
}
