//! What comes in, whatever house it is from: a list of trees of which only what was said is read.

use serde::{Deserialize, de::IgnoredAny};

use super::{CHAT_FORMAT, ChatExport, HISTORY_FORMAT, chatgpt, fit, librechat};
use crate::{
    Error,
    chat::{Conversation, Said},
};

/// The most conversations of a file, the most messages of a conversation and of a file.
const MOST_CHATS: usize = 2_000;
const MOST_IN_CHAT: usize = 5_000;
const MOST_MESSAGES: usize = 50_000;

/// A conversation that can't be taken in.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bad {
    pub(super) title: Option<String>,
    pub(super) code: &'static str,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    ChatGpt(chatgpt::Export),
    LibreChat(librechat::Export),
    Ours(ChatExport),
    Titled { title: Option<String> },
    Other(IgnoredAny),
}

#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    format: Option<String>,
}

#[derive(Deserialize)]
struct History {
    chats: Vec<Entry>,
}

/// Reads a file; each conversation for itself, so that a broken one keeps no other out.
pub(super) fn read(file: &[u8]) -> Result<Vec<Result<Conversation, Bad>>, Error> {
    let unreadable = |_| Error::ImportUnreadable("not its form");
    let entries: Vec<Entry> = if file.trim_ascii_start().starts_with(b"[") {
        serde_json::from_slice(file).map_err(unreadable)?
    } else {
        let head: Head = serde_json::from_slice(file).map_err(unreadable)?;
        if head.format.as_deref() == Some(HISTORY_FORMAT) {
            serde_json::from_slice::<History>(file)
                .map_err(unreadable)?
                .chats
        } else {
            vec![serde_json::from_slice(file).map_err(unreadable)?]
        }
    };
    if entries.len() > MOST_CHATS {
        return Err(Error::ImportUnreadable("too many conversations"));
    }
    let read: Vec<_> = entries.into_iter().map(conversation).collect();
    let messages: usize = read.iter().flatten().map(|one| one.said.len()).sum();
    if messages > MOST_MESSAGES {
        return Err(Error::ImportUnreadable("too many messages"));
    }
    if !read.is_empty()
        && read
            .iter()
            .all(|one| one.as_ref().is_err_and(|bad| bad.code == "form"))
    {
        return Err(Error::ImportUnreadable("no conversation that can be read"));
    }
    Ok(read)
}

fn conversation(entry: Entry) -> Result<Conversation, Bad> {
    let bad = |title, code| Err(Bad { title, code });
    let read = match entry {
        Entry::ChatGpt(export) => chatgpt::conversation(export),
        Entry::LibreChat(export) => librechat::conversation(export),
        Entry::Ours(export) if export.format == CHAT_FORMAT => ours(export),
        Entry::Ours(ChatExport { title, .. }) | Entry::Titled { title } => {
            return bad(title.map(|title| fit::title(&title)), "form");
        }
        Entry::Other(_) => return bad(None, "form"),
    };
    if read.said.len() > MOST_IN_CHAT {
        return bad(Some(read.title), "too_long");
    }
    Ok(read)
}

fn ours(export: ChatExport) -> Conversation {
    let mut said: Vec<Said> = Vec::with_capacity(export.messages.len());
    let mut places = Vec::with_capacity(export.messages.len());
    for message in export.messages {
        let parent = message
            .parent
            .and_then(|parent| places.get(parent).copied().flatten());
        // what said nothing is passed over, and what followed it follows what it followed
        let place = match fit::text(&message.text) {
            Some(text) => {
                said.push(Said {
                    speaker: message.role,
                    text,
                    at: Some(message.at),
                    parent,
                });
                Some(said.len() - 1)
            }
            None => parent,
        };
        places.push(place);
    }
    Conversation {
        name: format!("noren {}", export.id),
        ours: Some(export.id),
        title: fit::title(&export.title.unwrap_or_default()),
        at: said.first().and_then(|said| said.at),
        leaf: export
            .shown
            .and_then(|shown| places.get(shown).copied().flatten())
            .or_else(|| said.len().checked_sub(1)),
        said,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(file: &Value) -> Result<Vec<Result<Conversation, Bad>>, Error> {
        super::read(file.to_string().as_bytes())
    }

    fn shape(conversation: &Conversation) -> Vec<(&str, Option<usize>)> {
        conversation
            .said
            .iter()
            .map(|said| (said.text.as_str(), said.parent))
            .collect()
    }

    fn node(role: &str, text: &str, parent: &str, children: &[&str]) -> Value {
        json!({
            "message": { "author": { "role": role }, "create_time": 1_700_000_000.25, "content": { "content_type": "text", "parts": [text] } },
            "parent": parent, "children": children,
        })
    }

    #[test]
    fn what_chatgpt_hands_out_is_read_with_its_branches_and_tools_are_passed_over() {
        let file = json!([{
            "id": "c1", "title": "旅の話", "create_time": 1_700_000_000, "current_node": "tool2",
            "mapping": {
                "root": { "message": null, "parent": null, "children": ["sys"] },
                "sys": node("system", "", "root", &["q"]),
                "q": node("user", "どこへ行こう", "sys", &["a1", "tool"]),
                "a1": node("assistant", "海はどう？", "q", &[]),
                "tool": node("tool", "{}", "q", &["a2"]),
                "a2": node("assistant", "山はどう？", "tool", &["tool2"]),
                "tool2": node("tool", "{}", "a2", &[]),
            }
        }]);
        let read = read(&file).unwrap();
        let conversation = read[0].as_ref().unwrap();
        assert_eq!(
            shape(conversation),
            [
                ("どこへ行こう", None),
                ("海はどう？", Some(0)),
                ("山はどう？", Some(0))
            ]
        );
        assert_eq!(
            (conversation.title.as_str(), conversation.leaf),
            ("旅の話", Some(2))
        );
        assert_eq!(
            conversation.said[0].at.unwrap().timestamp_micros(),
            1_700_000_000_250_000
        );
    }

    #[test]
    fn what_librechat_hands_out_is_read_as_a_tree_and_as_a_list() {
        let message = |id: &str, parent: &str, user: bool, text: &str, children: Value| {
            json!({ "messageId": id, "parentMessageId": parent, "isCreatedByUser": user, "text": text,
                    "createdAt": "2024-05-01T16:35:11.530Z", "children": children })
        };
        let second = message("c", "b", true, "ありがとう", json!([]));
        let first = message("b", "a", false, "ええ", json!([second]));
        let other = message("d", "a", false, "はい", json!([]));
        let question = message("a", "0", true, "ねえ", json!([first, other]));
        let tree = json!({ "conversationId": "x", "title": "夜", "recursive": true, "messages": [question] });
        let flat = json!([{ "conversationId": "x", "title": "夜", "messages": [
            message("a", "0", true, "ねえ", Value::Null), message("b", "a", false, "ええ", Value::Null),
            message("c", "b", true, "ありがとう", Value::Null), message("d", "a", false, "はい", Value::Null),
        ] }]);
        for file in [tree, flat] {
            let read = read(&file).unwrap();
            let conversation = read[0].as_ref().unwrap();
            assert_eq!(
                shape(conversation),
                [
                    ("ねえ", None),
                    ("ええ", Some(0)),
                    ("ありがとう", Some(1)),
                    ("はい", Some(0))
                ]
            );
            assert_eq!(conversation.name, "librechat x");
        }
    }

    #[test]
    fn a_broken_conversation_keeps_no_other_out() {
        let good = json!({ "id": "g", "title": "よい", "mapping": { "a": node("user", "やあ", "", &[]) } });
        let read = read(&json!([good, { "title": "わるい", "mapping": 3 }, 7])).unwrap();
        assert!(read[0].is_ok());
        let bad = |title: Option<&str>| {
            Err(Bad {
                title: title.map(str::to_owned),
                code: "form",
            })
        };
        assert_eq!(read[1..], [bad(Some("わるい")), bad(None)]);
    }

    #[test]
    fn a_circle_ends_and_nonsense_is_refused() {
        let file = json!([{ "mapping": { "a": node("user", "x", "b", &["b"]), "b": node("user", "y", "a", &["a"]) } }]);
        assert!(read(&file).unwrap()[0].as_ref().unwrap().said.is_empty());
        for file in ["", "{}", "[1]", "[{}]", "nothing"] {
            assert!(super::read(file.as_bytes()).is_err(), "{file}");
        }
        assert!(super::read(b"[]").unwrap().is_empty());
    }

    #[test]
    fn our_own_form_comes_back_as_it_was() {
        let at = "2026-11-20T09:00:00Z";
        let file = json!({
            "format": "noren.misaki.chat.v1", "id": "chat_00000000000000000000000000000001", "title": "夜の話", "exported_at": at,
            "shown": 2, "messages": [
                { "role": "user", "text": "ねえ", "at": at, "parent": null },
                { "role": "assistant", "text": " ", "at": at, "parent": 0 },
                { "role": "user", "text": "それでね", "at": at, "parent": 1 },
                { "role": "user", "text": "先のものは追えない", "at": at, "parent": 9 },
            ]
        });
        let history = json!({ "format": "noren.misaki.history.v1", "exported_at": at, "chats": [file.clone()] });
        for file in [file, history] {
            let read = read(&file).unwrap();
            let conversation = read[0].as_ref().unwrap();
            assert_eq!(
                shape(conversation),
                [
                    ("ねえ", None),
                    ("それでね", Some(0)),
                    ("先のものは追えない", None)
                ]
            );
            assert_eq!(conversation.leaf, Some(1));
        }
    }
}
