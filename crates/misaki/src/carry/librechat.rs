//! The form in which LibreChat hands out a conversation: messages in a list, or each with those that followed it.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use super::fit;
use crate::chat::{Conversation, Said, Speaker};

#[derive(Deserialize)]
pub(super) struct Export {
    #[serde(default, rename = "conversationId")]
    id: Option<String>,
    #[serde(default)]
    title: Option<String>,
    messages: Vec<Message>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    #[serde(rename = "messageId")]
    id: String,
    #[serde(default, rename = "parentMessageId")]
    parent: Option<String>,
    is_created_by_user: bool,
    #[serde(default)]
    text: String,
    #[serde(default)]
    content: Value,
    #[serde(default)]
    created_at: Option<DateTime<Utc>>,
    #[serde(default)]
    children: Option<Vec<Message>>,
}

pub(super) fn conversation(export: Export) -> Conversation {
    let mut said: Vec<Said> = Vec::new();
    let mut places: HashMap<String, Option<usize>> = HashMap::new();
    let mut line: Vec<Message> = export.messages.into_iter().rev().collect();
    while let Some(message) = line.pop() {
        let parent = message
            .parent
            .as_ref()
            .and_then(|id| places.get(id).copied().flatten());
        let text = fit::text(&message.text).or_else(|| fit::text(&parts(&message.content)));
        let place = match text {
            Some(text) => {
                let speaker = if message.is_created_by_user {
                    Speaker::User
                } else {
                    Speaker::Assistant
                };
                said.push(Said {
                    speaker,
                    text,
                    at: message.created_at,
                    parent,
                });
                Some(said.len() - 1)
            }
            None => parent,
        };
        places.insert(message.id, place);
        line.extend(message.children.unwrap_or_default().into_iter().rev());
    }
    let title = fit::title(&export.title.unwrap_or_default());
    Conversation {
        name: format!("librechat {}", export.id.as_deref().unwrap_or(&title)),
        ours: None,
        title,
        at: said.first().and_then(|said| said.at),
        leaf: said.len().checked_sub(1),
        said,
    }
}

/// The texts among the parts of a message of many kinds.
fn parts(content: &Value) -> String {
    let parts = content.as_array().into_iter().flatten();
    let texts = parts.filter_map(|part| {
        let text = part.get("text")?;
        text.as_str()
            .or_else(|| text.get("value").and_then(Value::as_str))
    });
    texts.collect::<Vec<_>>().join("\n\n")
}
