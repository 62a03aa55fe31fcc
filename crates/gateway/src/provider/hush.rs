//! What may be written into the log of a provider's complaint: providers like to quote what they were sent, which are people's words.

use std::collections::HashSet;

use llm::{ChatRequest, Part};

/// The most characters of a complaint.
const LONGEST: usize = 300;
/// How many letters and digits in a row are taken for a quotation.
const QUOTATION: usize = 12;
/// Shorter texts than that are looked for whole, the shortest not at all: a complaint may well have "no" in it.
const SHORTEST: usize = 4;

const HUSHED: &str = "(it quotes what was asked)";

/// The beginning of a complaint in one line, unless it repeats one of these texts.
pub(super) fn hush<'a>(complaint: &str, texts: impl Iterator<Item = &'a str>) -> String {
    let beginning = || complaint.chars().take(LONGEST);
    // letters that are written as their numbers can't be compared
    if complaint.contains("\\u") || quotes(beginning(), texts) {
        return HUSHED.to_owned();
    }
    beginning()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// The words of a request.
pub(crate) fn words(request: &ChatRequest) -> impl Iterator<Item = &str> {
    let parts = request.messages.iter().flat_map(|message| &message.parts);
    parts
        .flat_map(|part| match part {
            Part::Text(text) => [Some(text.as_str()), None],
            Part::Thought(thought) => [Some(thought.text()), None],
            Part::Call(call) => [Some(call.arguments.as_str()), None],
            Part::Result(result) => [Some(result.text.as_str()), None],
            Part::Document(document) => [document.title.as_deref(), document.context.as_deref()],
            Part::Image(_) | Part::CachePoint => [None, None],
        })
        .flatten()
}

fn quotes<'a>(
    complaint: impl Iterator<Item = char>,
    mut texts: impl Iterator<Item = &'a str>,
) -> bool {
    let complaint = letters(complaint);
    let windows: HashSet<&[char]> = complaint.windows(QUOTATION).collect();
    texts.any(|text| {
        let text = letters(text.chars());
        match text.len() {
            0..SHORTEST => false,
            short if short < QUOTATION => complaint.windows(short).any(|window| window == text),
            _ => text
                .windows(QUOTATION)
                .any(|window| windows.contains(window)),
        }
    })
}

/// Without what is written in several ways: spaces, line ends, quotation marks and their escapes.
fn letters(text: impl Iterator<Item = char>) -> Vec<char> {
    text.filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(complaint: &str, asked: &str) -> String {
        hush(complaint, std::iter::once(asked))
    }

    #[test]
    fn a_complaint_that_quotes_people_is_not_told() {
        for (complaint, asked) in [
            (
                "[{'msg': 'not a string', 'input': 'My diagnosis is bad\\nnews'}]",
                "My diagnosis is bad\nnews",
            ),
            (
                "cannot parse \"診断の結果が悪かったんです。\"",
                "昨日のこと。診断の結果が悪かったんです",
            ),
            ("bad input: \\u8a3a\\u65ad", "診断"),
            ("bad value 'Tanaka'", "tanaka"),
        ] {
            assert_eq!(told(complaint, asked), HUSHED, "{complaint}");
        }
    }

    #[test]
    fn what_is_the_providers_own_is_told_in_one_line_of_a_bounded_length() {
        let own = "Unsupported parameter: 'max_tokens' is not supported with this model.";
        assert_eq!(told(own, "How are you today? no"), own);
        assert_eq!(
            told("a\nINFO forged\u{1b}[31m", "hello"),
            "a INFO forged [31m"
        );
        assert_eq!(told(&"x ".repeat(9_000), "hello").chars().count(), LONGEST);
        assert_eq!(told("no such model", "no"), "no such model");
    }
}
