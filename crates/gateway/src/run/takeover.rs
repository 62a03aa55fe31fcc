//! What a target is asked that takes up an answer which another broke off.

use kernel::{Lang, Text};
use llm::Message;

use crate::route::Kind;

/// Asks for the rest. Claude since 4.6 refuses turns that end with what is to be gone on from
/// (<https://platform.claude.com/docs/en/about-claude/models/migration-guide>).
static GO_ON: Text = Text::new(
    "（通信が途切れました。今の返答の続きだけを、途切れた文字のすぐ後から、同じ口調で書いてください。ここまでの文は繰り返さず、前置きも要りません。）",
    "(The line broke. Write only the rest of that answer, in the same voice and language, from the very character where it \
     ends. Repeat nothing of it, and add no preface.)",
);

/// Adds what was said so far to the turns of a talk, as the kind of target takes it.
pub(super) fn go_on(turns: &mut Vec<Message>, said: &str, kind: Kind) {
    if said.is_empty() {
        return;
    }
    turns.push(Message::assistant(said));
    if matches!(kind, Kind::Anthropic | Kind::Bedrock) {
        turns.push(Message::user(GO_ON.get(language_of(said))));
    }
}

/// Japanese where there is kana, so that whoever is asked does not change the language.
fn language_of(said: &str) -> Lang {
    let has_kana = said.chars().any(|c| ('\u{3041}'..='\u{30ff}').contains(&c));
    if has_kana { Lang::Ja } else { Lang::En }
}

#[cfg(test)]
mod tests {
    use llm::Role;

    use super::*;

    fn roles(said: &str, kind: Kind) -> Vec<Role> {
        let mut turns = vec![Message::user("a")];
        go_on(&mut turns, said, kind);
        turns.iter().map(|turn| turn.role).collect()
    }

    #[test]
    fn claude_is_asked_by_a_user_and_nothing_is_gone_on_from_that_was_not_said() {
        for kind in [Kind::Anthropic, Kind::Bedrock] {
            assert_eq!(roles("b", kind), [Role::User, Role::Assistant, Role::User]);
            assert_eq!(roles("", kind), [Role::User]);
        }
        assert_eq!(roles("b", Kind::OpenAi), [Role::User, Role::Assistant]);
    }

    #[test]
    fn who_speaks_japanese_is_asked_in_japanese() {
        assert_eq!(language_of("今夜は"), Lang::Ja);
        assert_eq!(language_of("Tonight"), Lang::En);
    }
}
