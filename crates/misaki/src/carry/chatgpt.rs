//! The form of `conversations.json`, as ChatGPT hands it out: each conversation is a map of nodes.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use super::fit;
use crate::chat::{Conversation, Said, Speaker};

/// The longest way back over messages that are none of ours, such as a tool's.
const STEPS: usize = 1_000;

#[derive(Deserialize)]
pub(super) struct Export {
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    create_time: Option<f64>,
    #[serde(default, alias = "conversation_id")]
    id: Option<String>,
    #[serde(default)]
    current_node: Option<String>,
    mapping: HashMap<String, Node>,
}

#[derive(Deserialize)]
struct Node {
    #[serde(default)]
    message: Option<Message>,
    #[serde(default)]
    parent: Option<String>,
    #[serde(default)]
    children: Vec<String>,
}

#[derive(Deserialize)]
struct Message {
    author: Author,
    #[serde(default)]
    content: Value,
    #[serde(default)]
    create_time: Option<f64>,
}

#[derive(Deserialize)]
struct Author {
    role: String,
}

pub(super) fn conversation(export: Export) -> Conversation {
    let Export {
        title,
        create_time,
        id,
        current_node,
        mapping,
    } = export;
    let mut said: Vec<Said> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    // from the roots down, so that what is followed comes first
    let mut roots: Vec<&str> = mapping
        .iter()
        .filter(|(_, node)| {
            node.parent
                .as_ref()
                .is_none_or(|parent| !mapping.contains_key(parent))
        })
        .map(|(id, _)| id.as_str())
        .collect();
    roots.sort_unstable_by(|a, b| b.cmp(a));
    let mut line: Vec<(&str, Option<usize>)> = roots.into_iter().map(|id| (id, None)).collect();
    let mut seen = HashSet::new();
    while let Some((id, parent)) = line.pop() {
        let Some(node) = mapping.get(id) else {
            continue;
        };
        if !seen.insert(id) {
            continue;
        }
        let place = match node.message.as_ref().and_then(words) {
            Some((speaker, text, at)) => {
                said.push(Said {
                    speaker,
                    text,
                    at,
                    parent,
                });
                places.insert(id, said.len() - 1);
                Some(said.len() - 1)
            }
            None => parent,
        };
        line.extend(
            node.children
                .iter()
                .rev()
                .map(|child| (child.as_str(), place)),
        );
    }
    let mut leaf = None;
    let mut node = current_node.as_deref();
    for _ in 0..STEPS {
        let Some(id) = node else { break };
        if let Some(place) = places.get(id) {
            leaf = Some(*place);
            break;
        }
        node = mapping.get(id).and_then(|node| node.parent.as_deref());
    }
    Conversation {
        name: format!(
            "chatgpt {}",
            id.unwrap_or_else(|| format!("{title:?} {create_time:?}"))
        ),
        ours: None,
        title: fit::title(&title.unwrap_or_default()),
        at: time(create_time),
        leaf: leaf.or_else(|| said.len().checked_sub(1)),
        said,
    }
}

/// What a person or the model said in it; other roles and empty messages say nothing.
fn words(message: &Message) -> Option<(Speaker, String, Option<DateTime<Utc>>)> {
    let speaker = match message.author.role.as_str() {
        "user" => Speaker::User,
        "assistant" => Speaker::Assistant,
        _ => return None,
    };
    let parts = message.content.get("parts")?.as_array()?;
    let text = parts
        .iter()
        .filter_map(Value::as_str)
        .collect::<Vec<_>>()
        .join("\n\n");
    fit::text(&text).map(|text| (speaker, text, time(message.create_time)))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::float_arithmetic,
    reason = "their times are seconds with a fraction; a microsecond lost is none"
)]
fn time(seconds: Option<f64>) -> Option<DateTime<Utc>> {
    let micros = seconds.filter(|s| s.is_finite() && (0.0..4.0e9).contains(s))? * 1_000_000.0;
    DateTime::from_timestamp_micros(micros as i64)
}
