//! Folding: what two spellings must share to be the same phrase.
//!
//! Every character class is listed here by number rather than taken from a library, because the browser has to agree
//! on each of them.

use unicode_normalization::UnicodeNormalization as _;

/// Folds a text for comparison.
///
/// NFKC, then per character: lower case, katakana to hiragana, and nothing at all for white space, long vowel marks and
/// waves, punctuation, and emoji.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.nfkc() {
        fold_char(c, &mut folded);
    }
    folded
}

fn fold_char(c: char, into: &mut String) {
    if is_space(c) || is_wave(c) || is_punctuation(c) || is_pictograph(c) {
        return;
    }
    for lower in c.to_lowercase() {
        into.push(match lower {
            'ァ'..='ヶ' => u32::from(lower)
                .checked_sub(0x60)
                .and_then(char::from_u32)
                .unwrap_or(lower),
            _ => lower,
        });
    }
}

/// A text with each of its characters beside what it folds to.
pub(super) struct Folded {
    pub(super) chars: Vec<char>,
    pieces: Vec<String>,
}

impl Folded {
    pub(super) fn of(text: &str) -> Self {
        let chars: Vec<char> = text.nfkc().collect();
        let pieces = chars
            .iter()
            .map(|c| {
                let mut piece = String::new();
                fold_char(*c, &mut piece);
                piece
            })
            .collect();
        Self { chars, pieces }
    }

    /// Finds the first place before which the text folds to `prefix`.
    pub(super) fn end_of_prefix(&self, prefix: &str) -> Option<usize> {
        let mut rest = prefix;
        for (index, piece) in self.pieces.iter().enumerate() {
            if rest.is_empty() {
                return Some(index);
            }
            rest = rest.strip_prefix(piece.as_str())?;
        }
        rest.is_empty().then_some(self.pieces.len())
    }

    /// Finds the last place after which the text folds to `suffix`.
    pub(super) fn start_of_suffix(&self, suffix: &str) -> Option<usize> {
        let mut rest = suffix;
        for (index, piece) in self.pieces.iter().enumerate().rev() {
            if rest.is_empty() {
                return Some(index + 1);
            }
            rest = rest.strip_suffix(piece.as_str())?;
        }
        rest.is_empty().then_some(0)
    }

    /// Tells whether a cut here would part an English word.
    pub(super) fn parts_a_word(&self, at: usize) -> bool {
        let is_word = |index: Option<usize>| {
            index
                .and_then(|index| self.chars.get(index))
                .is_some_and(char::is_ascii_alphanumeric)
        };
        is_word(at.checked_sub(1)) && is_word(Some(at))
    }
}

/// Writes the ASCII words of a text in lower case, one space before and after each.
///
/// Apostrophes vanish and anything else is a gap.
pub(super) fn words(text: &str) -> String {
    let mut spaced = String::from(" ");
    for c in text
        .nfkc()
        .filter(|c| !matches!(c, '\'' | '\u{2018}' | '\u{2019}'))
    {
        if c.is_ascii_alphanumeric() {
            spaced.push(c.to_ascii_lowercase());
        } else if !spaced.ends_with(' ') {
            spaced.push(' ');
        }
    }
    if !spaced.ends_with(' ') {
        spaced.push(' ');
    }
    spaced
}

/// Takes white space from both ends.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// Takes from a slot what is not part of a name: marks around it, but no long vowel at its end.
pub(super) fn strip_slot(chars: &[char]) -> &[char] {
    let mark = |c: &char| is_space(*c) || is_punctuation(*c) || is_pictograph(*c);
    let begin = chars.iter().position(|c| !mark(c) && !is_wave(*c));
    let end = chars.iter().rposition(|c| !mark(c));
    match (begin, end) {
        (Some(begin), Some(end)) => chars.get(begin..=end).unwrap_or(&[]),
        _ => &[],
    }
}

/// Tells whether a mark ends a line, a sentence or a clause; a slot is never more than a few words of one.
pub(super) fn is_sentence_mark(c: char) -> bool {
    matches!(c, '\n' | '\r' | '。' | '、' | '!' | '?' | ',')
}

fn is_space(c: char) -> bool {
    matches!(
        u32::from(c),
        0x09..=0x0d
            | 0x20
            | 0x85
            | 0xa0
            | 0xad
            | 0x1680
            | 0x2000..=0x200c
            | 0x2028
            | 0x2029
            | 0x202f
            | 0x205f
            | 0x2060
            | 0x3000
            | 0xfeff
    )
}

/// ー 〜 ~ and the wavy dash; the full-width ～ and the half-width ｰ are theirs after NFKC.
fn is_wave(c: char) -> bool {
    matches!(u32::from(c), 0x30fc | 0x301c | 0x7e | 0x3030)
}

/// 。、．，.,!?！？…・「」『』"'()（） and curly quotes; the full-width ones are ASCII after NFKC.
fn is_punctuation(c: char) -> bool {
    matches!(
        c,
        '。' | '、'
            | '．'
            | '，'
            | '.'
            | ','
            | '!'
            | '?'
            | '！'
            | '？'
            | '…'
            | '・'
            | '「'
            | '」'
            | '『'
            | '』'
            | '"'
            | '\''
            | '('
            | ')'
            | '（'
            | '）'
            | '\u{2018}'
            | '\u{2019}'
            | '\u{201c}'
            | '\u{201d}'
    )
}

/// Emoji, symbols such as ♪ ☆ ♡, arrows, and the invisible joints of emoji.
fn is_pictograph(c: char) -> bool {
    matches!(
        u32::from(c),
        0x200d
            | 0x20e3
            | 0x2190..=0x21ff
            | 0x2300..=0x23ff
            | 0x25a0..=0x27bf
            | 0x2900..=0x297f
            | 0x2b00..=0x2bff
            | 0xfe00..=0xfe0f
            | 0x1f000..=0x1faff
            | 0xe0020..=0xe007f
    )
}
