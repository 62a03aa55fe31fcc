use identity::{InferenceCaller, KeyId};
use llm::{ChatRequest, Format, Message, Part, ToolChoice};
use serde_json::{Map, Value, json};

use super::{
    Ask, RunId,
    words::{self, Place, require_key},
};
use crate::{Error, Gateway};

/// The most characters of one text that the history keeps.
const LONGEST_TEXT: usize = 100_000;
/// The most messages that the history keeps, the newest ones.
const MOST_MESSAGES: usize = 500;

/// What is written down of a run beside what it needs to run.
#[derive(Clone, Debug)]
pub(super) struct Note {
    pub(super) key: Option<KeyId>,
    pub(super) door: &'static str,
    pub(super) tags: Vec<String>,
    pub(super) is_stored: bool,
    /// What was asked, sealed, where that may be kept.
    pub(super) request: Option<Vec<u8>>,
}

impl Note {
    /// # Errors
    /// `SecretClosed` where there is no key: nothing that a run says could be written.
    pub(super) fn of(
        room: &Gateway,
        caller: &InferenceCaller,
        id: RunId,
        ask: &Ask,
    ) -> Result<Self, Error> {
        let (terms, vault) = (&ask.terms, room.identity.vault());
        require_key(vault)?;
        let place = Place::new(caller.principal.tenant, id, words::Part::Asked);
        let request = (terms.is_shown && terms.is_stored)
            .then(|| place.seal_json(vault, &written(&ask.request)))
            .transpose()?;
        Ok(Self {
            key: caller.principal.key,
            door: terms.door,
            tags: terms.tags.clone(),
            is_stored: terms.is_stored,
            request,
        })
    }
}

/// A request as the history shows it: the words and calls of its messages, how many pictures and documents they had, and what was asked of
/// the model beside them.
fn written(request: &ChatRequest) -> Value {
    let left_out = request.messages.len().saturating_sub(MOST_MESSAGES);
    let messages: Vec<Value> = request
        .messages
        .iter()
        .skip(left_out)
        .map(message)
        .collect();
    json!({ "messages": messages, "parameters": parameters(request) })
}

fn message(message: &Message) -> Value {
    let mut images = 0;
    let mut texts = Vec::new();
    let mut calls = Vec::new();
    for part in &message.parts {
        match part {
            Part::Text(text) => texts.push(short(text)),
            Part::Image(_) => images += 1,
            Part::Thought(_) | Part::Document(_) | Part::CachePoint => {}
            Part::Call(call) => calls.push(json!({
                "id": short(&call.id), "name": short(&call.name), "arguments": short(&call.arguments),
            })),
            Part::Result(result) => {
                texts.push(short(&result.text));
                images += result.images.len();
            }
        }
    }
    let documents = message.documents().count();
    json!({
        "role": message.role, "text": texts.concat(), "images": images, "documents": documents,
        "tool_calls": calls,
    })
}

fn parameters(request: &ChatRequest) -> Value {
    let mut said = Map::new();
    let mut note = |name: &str, value: Value| {
        said.insert(name.to_owned(), value);
    };
    if let Some(most) = request.max_tokens {
        note("max_tokens", most.into());
    }
    if let Some(temperature) = request.temperature {
        note("temperature", json!(temperature));
    }
    if let Some(share) = request.top_p {
        note("top_p", json!(share));
    }
    if !request.stop.is_empty() {
        note(
            "stop",
            request.stop.iter().map(|stop| short(stop)).collect(),
        );
    }
    if let Some(seed) = request.seed {
        note("seed", seed.into());
    }
    if !request.tools.is_empty() {
        let names = request.tools.iter().map(|tool| short(&tool.name));
        note("tools", names.collect());
    }
    match &request.tool_choice {
        Some(ToolChoice::Named(name)) => note("tool_choice", short(name).into()),
        Some(ToolChoice::Required) => note("tool_choice", "required".into()),
        Some(ToolChoice::None) => note("tool_choice", "none".into()),
        Some(ToolChoice::Auto) | None => {}
    }
    match &request.format {
        Format::Text => {}
        Format::Json => note("response_format", "json".into()),
        Format::Schema { name, .. } => note("response_format", short(name).into()),
    }
    Value::Object(said)
}

/// Cut to what is kept, without what Postgres can't store.
fn short(text: &str) -> String {
    if text.len() <= LONGEST_TEXT && !text.contains('\0') {
        return text.to_owned();
    }
    text.chars()
        .filter(|c| *c != '\0')
        .take(LONGEST_TEXT)
        .collect()
}

#[cfg(test)]
mod tests {
    use llm::{Document, DocumentSource, Image, Role, ToolCall};

    use super::*;

    #[test]
    fn what_is_kept_has_the_words_and_counts_the_pictures_and_documents() {
        let request = ChatRequest {
            messages: vec![
                Message::system("短く\0"),
                Message {
                    role: Role::User,
                    parts: vec![
                        Part::Text("これは".to_owned()),
                        Part::Image(Image::Url("https://example.test/a.png".to_owned())),
                        Part::Document(Document {
                            title: Some("b.pdf".to_owned()),
                            context: Some("秘密".to_owned()),
                            source: DocumentSource::Base64 {
                                data: "JVBERi0=".to_owned(),
                                pages: 1,
                            },
                        }),
                        Part::Text("何？".to_owned()),
                    ],
                },
                Message {
                    role: Role::Assistant,
                    parts: vec![Part::Call(ToolCall {
                        id: "1".to_owned(),
                        name: "look".to_owned(),
                        arguments: "{}".to_owned(),
                        ..ToolCall::default()
                    })],
                },
            ],
            max_tokens: Some(9),
            temperature: Some(0.2),
            ..ChatRequest::default()
        };
        let kept = written(&request);
        assert_eq!(
            kept["messages"][0],
            json!({ "role": "system", "text": "短く", "images": 0, "documents": 0, "tool_calls": [] })
        );
        assert_eq!(kept["messages"][1]["text"], "これは何？");
        assert_eq!(kept["messages"][1]["images"], 1);
        assert_eq!(kept["messages"][1]["documents"], 1);
        assert_eq!(kept["messages"][2]["tool_calls"][0]["name"], "look");
        assert_eq!(
            kept["parameters"],
            json!({ "max_tokens": 9, "temperature": 0.2 })
        );
        for gone in ["a.png", "JVBERi0=", "b.pdf", "秘密"] {
            assert!(!kept.to_string().contains(gone), "{gone} is kept");
        }
    }

    #[test]
    fn of_a_long_talk_the_newest_is_kept_and_a_long_text_is_cut() {
        let mut messages = vec![Message::user("first")];
        messages.extend(
            (0..MOST_MESSAGES)
                .map(|_| Message::user("長".repeat(LONGEST_TEXT + 1)))
                .take(2),
        );
        let request = ChatRequest {
            messages: messages.clone(),
            ..ChatRequest::default()
        };
        let kept = written(&request);
        let length = kept["messages"][1]["text"]
            .as_str()
            .map(|text| text.chars().count());
        assert_eq!(length, Some(LONGEST_TEXT));
        let many = ChatRequest {
            messages: messages
                .into_iter()
                .take(1)
                .chain((0..MOST_MESSAGES).map(|n| Message::user(n.to_string())))
                .collect(),
            ..ChatRequest::default()
        };
        let kept = written(&many);
        assert_eq!(
            kept["messages"].as_array().map(Vec::len),
            Some(MOST_MESSAGES)
        );
        assert_eq!(kept["messages"][0]["text"], "0");
    }
}
