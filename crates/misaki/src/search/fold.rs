//! How search reads a text, and by which letters it is found.

use std::collections::BTreeSet;

use identity::TenantId;
use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization as _;

/// The longest part of a message that is looked into, in characters.
const LONGEST: usize = 20_000;
/// What stands before and after the place that was found.
const BEFORE: usize = 8;
const AFTER: usize = 80;

/// Folds a text for search: NFKC, lower case, katakana to hiragana, one space for any white space.
pub(super) fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.nfkc().take(LONGEST) {
        if c.is_whitespace() {
            if !folded.ends_with(' ') {
                folded.push(' ');
            }
        } else {
            folded.extend(letters(c));
        }
    }
    folded.trim().to_owned()
}

fn letters(c: char) -> impl Iterator<Item = char> {
    c.to_lowercase().map(|lower| match lower {
        'ァ'..='ヶ' => u32::from(lower)
            .checked_sub(0x60)
            .and_then(char::from_u32)
            .unwrap_or(lower),
        _ => lower,
    })
}

/// The words of a query, folded.
pub(super) fn terms(query: &str) -> Vec<String> {
    fold(query)
        .split(' ')
        .filter(|term| !term.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The hashes of all single letters and pairs of a folded text.
pub(super) fn grams_of_text(tenant: TenantId, folded: &str) -> Vec<i32> {
    let mut grams = BTreeSet::new();
    for word in folded.split(' ') {
        let letters: Vec<char> = word.chars().collect();
        grams.extend(letters.iter().map(|c| vec![*c]));
        grams.extend(letters.windows(2).map(<[char]>::to_vec));
    }
    hashes(tenant, grams)
}

/// The hashes that a text must have in order to contain every term: the pairs, or the letter of a term that is one letter.
pub(super) fn grams_of_terms(tenant: TenantId, terms: &[String]) -> Vec<i32> {
    let mut grams = BTreeSet::new();
    for term in terms {
        let letters: Vec<char> = term.chars().collect();
        match letters.len() {
            1 => drop(grams.insert(letters)),
            _ => grams.extend(letters.windows(2).map(<[char]>::to_vec)),
        }
    }
    hashes(tenant, grams)
}

fn hashes(tenant: TenantId, grams: BTreeSet<Vec<char>>) -> Vec<i32> {
    let salted = Sha256::new_with_prefix(tenant.0.as_bytes());
    let found: BTreeSet<i32> = grams
        .into_iter()
        .map(|gram| {
            let text: String = gram.into_iter().collect();
            let digest = salted.clone().chain_update(text.as_bytes()).finalize();
            digest
                .iter()
                .take(4)
                .fold(0_i32, |hash, byte| (hash << 8) | i32::from(*byte))
        })
        .collect();
    found.into_iter().collect()
}

/// The place of a text where a term stands: what is before, the term as it is written there, what is after.
pub(super) fn place(text: &str, term: &str) -> Option<(String, String, String)> {
    let chars: Vec<char> = text.nfkc().collect();
    let folded: Vec<(char, usize)> = chars
        .iter()
        .enumerate()
        .flat_map(|(at, c)| letters(*c).map(move |letter| (letter, at)))
        .collect();
    let wanted: Vec<char> = term.chars().collect();
    let window = folded
        .windows(wanted.len().max(1))
        .find(|window| window.iter().map(|(c, _)| c).eq(wanted.iter()))?;
    let (from, to) = (window.first()?.1, window.last()?.1 + 1);
    let start = from.saturating_sub(BEFORE);
    let end = (to + AFTER).min(chars.len());
    let part = |range: std::ops::Range<usize>| {
        chars
            .get(range)
            .unwrap_or_default()
            .iter()
            .collect::<String>()
    };
    let mut before = part(start..from);
    if start > 0 {
        before.insert(0, '…');
    }
    let mut after = part(to..end);
    if end < chars.len() {
        after.push('…');
    }
    Some((before, part(from..to), after))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn contains(text: &str, query: &str) -> bool {
        let tenant = TenantId(Uuid::from_u128(7));
        let folded = fold(text);
        let terms = terms(query);
        let have = grams_of_text(tenant, &folded);
        let by_grams = grams_of_terms(tenant, &terms)
            .iter()
            .all(|gram| have.contains(gram));
        let by_letters = terms.iter().all(|term| folded.contains(term.as_str()));
        assert!(
            by_grams || !by_letters,
            "the grams lose nothing that the letters find"
        );
        by_letters
    }

    #[test]
    fn one_and_two_letters_of_japanese_are_found_in_any_writing() {
        assert!(contains("今夜は雨だね", "雨"));
        assert!(contains("ビールをもう一杯", "びーる"));
        assert!(contains("ﾋﾞｰﾙをもう一杯", "ビール"));
        assert!(contains("Whisky Soda", "ＳＯＤＡ whisky"));
        assert!(contains("猫が二匹", "猫 二"));
        assert!(!contains("今夜は晴れ", "雨"));
        assert!(
            !contains("東 京", "東京"),
            "a pair is two letters side by side"
        );
    }

    #[test]
    fn tenants_share_no_gram() {
        let grams = |n| grams_of_text(TenantId(Uuid::from_u128(n)), "雨がふる");
        assert!(grams(1).iter().all(|gram| !grams(2).contains(gram)));
    }

    #[test]
    fn the_place_is_shown_as_it_was_written() {
        assert_eq!(
            place("冷えたﾋﾞｰﾙをもう一杯", "びーる"),
            Some((
                "冷えた".to_owned(),
                "ビール".to_owned(),
                "をもう一杯".to_owned()
            ))
        );
        assert_eq!(place("なにもない", "雨"), None);
    }
}
