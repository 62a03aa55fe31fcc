//! A guess of how many tokens a text has, without any model's vocabulary.
//!
//! It serves to reserve before the work, and to count where an upstream gives no usage; a bill with the upstream's
//! own count never uses it. It errs upwards. The rule, per run of like characters:
//!
//! | characters | tokens |
//! |---|---|
//! | ASCII letters | one per 4, rounded up |
//! | ASCII digits | one per 2, rounded up |
//! | ASCII punctuation | one each |
//! | one space before something | none; it is part of the next word |
//! | more white space, line ends | one per run |
//! | other alphabets (é, Я, α, ا) | one per 2, rounded up |
//! | kana, kanji, hangul, full-width forms, CJK punctuation | one each |
//! | anything else (emoji, symbols) | two each |

use crate::Message;

/// Tokens that the frame of each message costs (role and separators).
const PER_MESSAGE: u64 = 4;
/// Tokens that begin the answer.
const PER_REQUEST: u64 = 3;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Letter,
    Digit,
    Mark,
    Space,
    Alphabet,
    Ideograph,
    Other,
}

fn kind(c: char) -> Kind {
    match c {
        'a'..='z' | 'A'..='Z' => Kind::Letter,
        '0'..='9' => Kind::Digit,
        _ if c.is_whitespace() => Kind::Space,
        _ if c.is_ascii() => Kind::Mark,
        '\u{1100}'..='\u{11ff}'
        | '\u{2e80}'..='\u{9fff}'
        | '\u{a960}'..='\u{a97f}'
        | '\u{ac00}'..='\u{d7ff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe4f}'
        | '\u{ff00}'..='\u{ffef}'
        | '\u{20000}'..='\u{3ffff}' => Kind::Ideograph,
        _ if c.is_alphabetic() => Kind::Alphabet,
        _ => Kind::Other,
    }
}

fn cost(kind: Kind, length: u64, only_space: bool) -> u64 {
    match kind {
        Kind::Letter => length.div_ceil(4),
        Kind::Digit | Kind::Alphabet => length.div_ceil(2),
        Kind::Mark | Kind::Ideograph => length,
        Kind::Space => u64::from(!only_space || length > 1),
        Kind::Other => length.saturating_mul(2),
    }
}

/// Estimates the tokens of a text; zero only for an empty one or a single space.
pub fn estimate(text: &str) -> u64 {
    let mut total: u64 = 0;
    let mut run: Option<(Kind, u64, bool)> = None;
    for c in text.chars() {
        let kind = kind(c);
        run = match run {
            Some((last, length, spaces)) if last == kind => {
                Some((last, length + 1, spaces && c == ' '))
            }
            other => {
                if let Some((last, length, spaces)) = other {
                    total = total.saturating_add(cost(last, length, spaces));
                }
                Some((kind, 1, c == ' '))
            }
        };
    }
    if let Some((last, length, spaces)) = run {
        total = total.saturating_add(cost(last, length, spaces));
    }
    total
}

/// Estimates what a provider will count as the input of a request with these messages.
pub fn estimate_messages(messages: &[Message]) -> u64 {
    messages
        .iter()
        .map(|message| estimate(&message.content).saturating_add(PER_MESSAGE))
        .fold(PER_REQUEST, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_of_the_table_holds() {
        for (text, tokens) in [
            ("", 0),
            (" ", 0),
            ("a", 1),
            ("hello world", 4),
            ("hello, world!", 6),
            ("2026", 2),
            ("a\n\nb", 3),
            ("a    b", 3),
            ("こんばんは", 5),
            ("水割りを、ください。", 10),
            ("Привет", 3),
            ("🍶", 2),
        ] {
            assert_eq!(estimate(text), tokens, "{text:?}");
        }
    }

    #[test]
    fn messages_cost_their_frame() {
        assert_eq!(estimate_messages(&[]), 3);
        assert_eq!(
            estimate_messages(&[Message::system("こんばんは"), Message::user("hi")]),
            3 + 4 + 5 + 4 + 1
        );
    }

    #[test]
    fn a_part_never_costs_more_than_the_whole() {
        let text = "Misaki: こんばんは 2026年、いらっしゃい!  🍶 Привет";
        let whole = estimate(text);
        for (at, _) in text.char_indices() {
            let (head, tail) = text.split_at(at);
            assert!(estimate(head) <= whole, "{head:?}");
            assert!(estimate(head) + estimate(tail) + 1 >= whole, "{at}");
        }
    }
}
