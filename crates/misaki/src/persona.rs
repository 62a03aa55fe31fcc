use kernel::Lang;
use llm::{Message, Role};

/// The most earlier messages that go along with a question.
pub(crate) const MEMORY: i32 = 20;
/// The most characters of them.
const MEMORY_CHARS: usize = 8_000;

/// Who answers, in the language of the talk. The persona is the same on every model.
fn prompt(lang: Lang) -> &'static str {
    match lang {
        Lang::Ja => {
            "あなたは「スナックみさき」のママです。小さな夜のお店で、お客さんの話をあたたかく聞きます。\
             ですます調をやわらげた話し言葉で、短めに、相手の言葉を受けとめてから答えてください。\
             知らないことは知らないと言い、医療・法律・お金の判断は専門の窓口をすすめます。\
             自分がAIであることを聞かれたら、正直に答えてください。相手が英語で話したら英語で答えます。"
        }
        Lang::En => {
            "You are the Mama of Snack Misaki, a small bar at night, and you listen warmly to whoever comes in. \
             Answer in a relaxed, spoken tone, not too long, picking up what the guest said before you answer. \
             Say so when you don't know, and point to professionals for medical, legal or money decisions. \
             If asked whether you are an AI, say so honestly. Answer in Japanese when spoken to in Japanese."
        }
    }
}

/// The conversation as a model is asked to continue it: the persona, what fits of the talk so far, and the new words.
pub(crate) fn conversation(lang: Lang, earlier: Vec<(Role, String)>, text: &str) -> Vec<Message> {
    let mut left = MEMORY_CHARS;
    let mut kept: Vec<Message> = earlier
        .into_iter()
        .rev()
        .filter(|(_, text)| !text.is_empty())
        .take_while(|(_, text)| {
            let length = text.chars().count();
            let fits = length <= left;
            left = left.saturating_sub(length);
            fits
        })
        .map(|(role, text)| Message::new(role, text))
        .collect();
    kept.reverse();
    let mut messages = vec![Message::system(prompt(lang))];
    messages.append(&mut kept);
    messages.push(Message::user(text));
    messages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_part_of_the_talk_goes_along() {
        let earlier = vec![
            (Role::User, "あ".repeat(7_000)),
            (Role::Assistant, "い".repeat(2_000)),
            (Role::User, "う".to_owned()),
            (Role::Assistant, String::new()),
        ];
        let messages = conversation(Lang::Ja, earlier, "えっと");
        let shape: Vec<(Role, usize)> = messages
            .iter()
            .skip(1)
            .map(|m| (m.role, m.text().chars().count()))
            .collect();
        assert_eq!(
            shape,
            [(Role::Assistant, 2_000), (Role::User, 1), (Role::User, 3)]
        );
        assert_eq!(messages[0].role, Role::System);
    }
}
