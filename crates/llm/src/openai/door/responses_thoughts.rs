//! How thoughts go out at `/v1/responses` and come back: closed, in the `encrypted_content` of their items, whoever thought them.

use crate::Thought;
use crate::thought::item_of_seal;

/// How a thought that somebody else than OpenAI sealed is told: one with words or without, and one that nobody here can read.
const SIGNED: &str = "signed:";
const CLOSED: &str = "closed:";

/// What hands a thought back at these doors; none where its provider did not seal it.
pub(super) fn seal_of(thought: &Thought) -> Option<String> {
    match thought {
        Thought::Closed(data) => Some(closed(data)),
        Thought::Open { signature, .. } => signature.as_deref().map(sealed),
    }
}

/// What hands back a thought that nobody here can read.
pub(super) fn closed(data: &str) -> String {
    format!("{CLOSED}{data}")
}

/// What hands back a thought with this seal.
pub(super) fn sealed(signature: &str) -> String {
    match item_of_seal(signature) {
        Some(_) => signature.to_owned(),
        None => format!("{SIGNED}{signature}"),
    }
}

/// The thought that is handed back with these words and this seal. One that no answer here was told with says no more than its words.
pub(super) fn handed_back(text: String, seal: Option<&str>) -> Option<Thought> {
    if let Some(data) = seal.and_then(|seal| seal.strip_prefix(CLOSED)) {
        return Some(Thought::Closed(data.to_owned()));
    }
    let signature = seal.and_then(|seal| match item_of_seal(seal) {
        Some(_) => Some(seal),
        None => seal.strip_prefix(SIGNED),
    });
    let signature = signature.map(str::to_owned);
    (!text.is_empty() || signature.is_some()).then_some(Thought::Open { text, signature })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::thought::seal_of_item;

    fn open(text: &str, signature: Option<&str>) -> Thought {
        Thought::Open {
            text: text.to_owned(),
            signature: signature.map(str::to_owned),
        }
    }

    #[test]
    fn a_thought_comes_back_as_it_went() {
        let item = seal_of_item("rs_1", "gAAAA");
        for thought in [
            open("hm", Some("c2lnbmVk")),
            open("", Some(&item)),
            open("hm", None),
            Thought::Closed("Y2xvc2Vk".to_owned()),
        ] {
            let seal = seal_of(&thought);
            let back = handed_back(thought.text().to_owned(), seal.as_deref());
            assert_eq!(back, Some(thought));
        }
    }

    #[test]
    fn of_a_thought_that_was_told_elsewhere_only_the_words_are_kept() {
        assert_eq!(
            handed_back("hm".to_owned(), Some("gAAAA")),
            Some(open("hm", None))
        );
        assert_eq!(handed_back(String::new(), Some("gAAAA")), None);
        assert_eq!(handed_back(String::new(), None), None);
    }
}
