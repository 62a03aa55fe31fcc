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

use crate::{ChatRequest, Document, Format, Part};

/// Tokens that the frame of each message costs (role and separators).
const PER_MESSAGE: u64 = 4;
/// Tokens that begin the answer.
const PER_REQUEST: u64 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    let mut estimate = Estimate::default();
    estimate.push(text);
    estimate.tokens()
}

/// The same of a text that grows.
#[derive(Debug, Clone, Default)]
pub struct Estimate {
    /// Of what is before the characters of one kind that the text ends with.
    total: u64,
    /// These, how many there are, and whether they are spaces.
    run: Option<(Kind, u64, bool)>,
}

impl Estimate {
    /// Takes in what follows.
    pub fn push(&mut self, text: &str) {
        for c in text.chars() {
            let kind = kind(c);
            self.run = match self.run {
                Some((last, length, spaces)) if last == kind => {
                    Some((last, length + 1, spaces && c == ' '))
                }
                _ => {
                    self.total = self.tokens();
                    Some((kind, 1, c == ' '))
                }
            };
        }
    }

    /// What a provider will count of all that was taken in.
    pub fn tokens(&self) -> u64 {
        let last = self
            .run
            .map_or(0, |(last, length, spaces)| cost(last, length, spaces));
        self.total.saturating_add(last)
    }
}

/// Estimates what a provider will count as the input of a request, as [`estimate`] does.
pub fn estimate_request(request: &ChatRequest) -> u64 {
    sum_request(request, &estimate)
}

/// A family of vocabularies: how many tokens the same text has differs by half and more between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vocabulary {
    /// 128,000 words and more: GPT-4o and later, Llama 3 and later.
    Large,
    /// About 100,000 words: GPT-3.5 and GPT-4. Taken for Claude up to 4.6, whose vocabulary nobody has published.
    Middle,
    /// Claude since 4.7: by what Anthropic says, the same text has 30 % more tokens than before.
    Fine,
    /// 32,000 words: Llama 2, Mistral 7B, Phi-3 Mini.
    Small,
}

/// Thousandths of a token, fitted to the counts in `tests/fixtures/tokens.json`.
struct Weights {
    hiragana: u64,
    katakana: u64,
    ideograph: u64,
    /// Of CJK punctuation and full-width forms.
    full: u64,
    word: u64,
    /// Of each letter of a word beyond the eighth.
    letter: u64,
    /// Digits that share one token.
    digits: u64,
    space: u64,
    mark: u64,
    other: u64,
}

impl Vocabulary {
    /// Guesses the family by the name of a model.
    pub fn of(model: &str) -> Self {
        let name = model.to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
        if has(&["gpt-4o", "gpt-4.1", "gpt-4.5"]) {
            Self::Large
        } else if has(&["mistral-7b", "mixtral", "phi-3", "llama-2", "llama2"]) {
            Self::Small
        } else if has(&["claude"]) && !has(&["claude-2", "claude-3", "-4-2", "-4-5", "-4-6"]) {
            Self::Fine
        } else if has(&["gpt-3.5", "gpt-4", "claude", "text-embedding"]) {
            Self::Middle
        } else {
            Self::Large
        }
    }

    fn weights(self) -> Weights {
        match self {
            Self::Large => Weights {
                hiragana: 600,
                katakana: 560,
                ideograph: 950,
                full: 1_300,
                word: 1_060,
                letter: 50,
                digits: 3,
                space: 1_100,
                mark: 560,
                other: 2_000,
            },
            Self::Middle | Self::Fine => Weights {
                hiragana: 1_010,
                katakana: 830,
                ideograph: 1_410,
                full: 370,
                word: 1_060,
                letter: 50,
                digits: 3,
                space: 1_100,
                mark: 560,
                other: 3_000,
            },
            Self::Small => Weights {
                hiragana: 1_090,
                katakana: 950,
                ideograph: 1_340,
                full: 700,
                word: 1_180,
                letter: 60,
                digits: 1,
                space: 1_600,
                mark: 650,
                other: 4_000,
            },
        }
    }
}

/// Counts the tokens of a text as a model of a family does: Japanese and English prose within 15 %, code and JSON
/// within 20 %, set phrases of courtesy up to a third too many for the large vocabularies, which know them by heart.
pub fn count(text: &str, vocabulary: Vocabulary) -> u64 {
    let weights = vocabulary.weights();
    let mut total: u64 = 0;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let mut run = 1;
        let kind = kind(c);
        let mut plain = c == ' ';
        if matches!(kind, Kind::Letter | Kind::Digit | Kind::Space) {
            while let Some(next) = rest.next_if(|next| self::kind(*next) == kind) {
                run += 1;
                plain = plain && next == ' ';
            }
        }
        let cost = match kind {
            Kind::Letter => weights.word + weights.letter * u64::saturating_sub(run, 8),
            Kind::Digit => 1_000 * run.div_ceil(weights.digits),
            Kind::Space if plain && run == 1 => 0,
            Kind::Space => weights.space,
            Kind::Mark => weights.mark,
            Kind::Ideograph => match c {
                '\u{3041}'..='\u{309f}' => weights.hiragana,
                '\u{30a0}'..='\u{30ff}' => weights.katakana,
                '\u{3000}'..='\u{303f}' | '\u{ff00}'..='\u{ffef}' => weights.full,
                _ => weights.ideograph,
            },
            Kind::Alphabet => 500,
            Kind::Other => weights.other,
        };
        total = total.saturating_add(cost);
    }
    let tokens = total.div_ceil(1_000);
    match vocabulary {
        Vocabulary::Fine => tokens.saturating_mul(13).div_ceil(10),
        Vocabulary::Large | Vocabulary::Middle | Vocabulary::Small => tokens,
    }
}

/// What a picture costs at most at the providers that say it.
const PER_IMAGE: u64 = 1_600;
/// What a page of a PDF costs at most, its words and its picture: Anthropic says 1,500 to 3,000
/// (<https://platform.claude.com/docs/en/build-with-claude/pdf-support>), OpenAI puts words and picture in too
/// (<https://developers.openai.com/api/docs/guides/pdf-files>); Bedrock reads the words alone, which is less.
const PER_PAGE: u64 = 3_000;

/// Counts what a provider will count as the input of a request: messages, tools and the wanted form.
pub fn count_request(request: &ChatRequest, vocabulary: Vocabulary) -> u64 {
    sum_request(request, &|text| count(text, vocabulary))
}

fn sum_request(request: &ChatRequest, count: &dyn Fn(&str) -> u64) -> u64 {
    let mut total = PER_REQUEST;
    for message in &request.messages {
        total = total.saturating_add(PER_MESSAGE);
        for part in &message.parts {
            let cost = match part {
                Part::Text(text) => count(text),
                Part::Thought(thought) => count(thought.text()),
                Part::CachePoint => 0,
                Part::Image(_) => PER_IMAGE,
                Part::Document(document) => sum_document(document, count),
                Part::Call(call) => count(&call.name) + count(&call.arguments) + PER_MESSAGE,
                Part::Result(result) => count(&result.text)
                    .saturating_add(PER_IMAGE * result.images.len() as u64)
                    .saturating_add(
                        result
                            .documents
                            .iter()
                            .map(|document| sum_document(document, count))
                            .sum(),
                    ),
            };
            total = total.saturating_add(cost);
        }
    }
    for tool in &request.tools {
        let described = count(tool.description.as_deref().unwrap_or(""));
        let schema = count(&tool.parameters.to_string());
        total = [described, schema, count(&tool.name), 8]
            .into_iter()
            .fold(total, u64::saturating_add);
    }
    if let Format::Schema { schema, .. } = &request.format {
        total = total.saturating_add(count(&schema.to_string()));
    }
    total
}

fn sum_document(document: &Document, count: &dyn Fn(&str) -> u64) -> u64 {
    let said = [&document.title, &document.context].into_iter().flatten();
    let said: u64 = said.map(|text| count(text)).sum();
    said + PER_PAGE * u64::from(document.pages())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Message;

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
            let mut growing = Estimate::default();
            let mut so_far = String::new();
            for c in text.chars() {
                growing.push(c.encode_utf8(&mut [0; 4]));
                so_far.push(c);
                assert_eq!(growing.tokens(), estimate(&so_far), "{so_far:?}");
            }
        }
    }

    #[test]
    fn messages_cost_their_frame() {
        let request = |messages: Vec<Message>| ChatRequest {
            messages,
            ..ChatRequest::default()
        };
        assert_eq!(estimate_request(&request(vec![])), 3);
        assert_eq!(
            estimate_request(&request(vec![
                Message::system("こんばんは"),
                Message::user("hi")
            ])),
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
