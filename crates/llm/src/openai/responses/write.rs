//! A request as a server of this protocol reads it.
//!
//! Source: <https://platform.openai.com/docs/api-reference/responses/create>.

use serde_json::{Map, Value, json};

use crate::openai::write::{image_url, tools};
use crate::{
    ChatRequest, Document, DocumentSource, Effort, Format, Image, Message, Part, Role,
    ThinkingDisplay, Thought, Tool, ToolResult,
};

/// The lowest limit of an answer that the server takes.
pub const LEAST_TOKENS: u32 = 16;

/// Writes the body of a request. The protocol has no place for `stop` and `seed`.
pub fn encode(request: &ChatRequest) -> Value {
    let mut body = Map::new();
    body.insert("model".into(), json!(request.model));
    let input: Vec<Value> = request.messages.iter().flat_map(items).collect();
    body.insert("input".into(), Value::Array(input));
    // whoever asks here is kept here, by the rules of this house
    body.insert("store".into(), json!(false));
    if let Some(limit) = request.max_tokens {
        let limit = limit.max(LEAST_TOKENS);
        body.insert("max_output_tokens".into(), json!(limit));
    }
    for (name, value) in [
        ("temperature", request.temperature),
        ("top_p", request.top_p),
    ] {
        if let Some(value) = value {
            body.insert(name.into(), json!(value));
        }
    }
    if let Some(reasoning) = reasoning(request) {
        body.insert("reasoning".into(), reasoning);
    }
    // what is not kept there is brought again, and a thought is brought closed
    if request.display.is_some() {
        let closed = "reasoning.encrypted_content";
        body.insert("include".into(), json!([closed]));
    }
    let named = |name: &str| json!({"type": "function", "name": name});
    tools(request, &mut body, tool, named);
    if let Some(format) = format(&request.format) {
        body.insert("text".into(), json!({ "format": format }));
    }
    body.insert("stream".into(), json!(request.stream));
    Value::Object(body)
}

/// How long it thinks, and what of that is told. There is a summary at most: the thoughts themselves are never.
fn reasoning(request: &ChatRequest) -> Option<Value> {
    let summary = request.display.and_then(|display| match display {
        ThinkingDisplay::Auto => Some("auto"),
        ThinkingDisplay::Concise => Some("concise"),
        ThinkingDisplay::Detailed => Some("detailed"),
        ThinkingDisplay::Omitted => None,
    });
    let effort = request.effort.map(Effort::as_str);
    let said = [("effort", effort), ("summary", summary)].into_iter();
    let said: Map<String, Value> = said
        .filter_map(|(name, value)| Some((name.to_owned(), json!(value?))))
        .collect();
    (!said.is_empty()).then_some(Value::Object(said))
}

/// Strictness is said in any case: left out, this protocol means strict and makes every argument required, where the others mean loose.
fn tool(tool: &Tool) -> Value {
    let mut written = Map::new();
    written.insert("type".into(), json!("function"));
    written.insert("name".into(), json!(tool.name));
    if let Some(description) = &tool.description {
        written.insert("description".into(), json!(description));
    }
    written.insert("parameters".into(), tool.parameters.clone());
    written.insert("strict".into(), json!(tool.strict.unwrap_or(false)));
    Value::Object(written)
}

fn format(format: &Format) -> Option<Value> {
    match format {
        Format::Text => None,
        Format::Json => Some(json!({"type": "json_object"})),
        Format::Schema {
            name,
            schema,
            strict,
        } => Some(json!({
            "type": "json_schema", "name": name, "schema": schema,
            "strict": strict.unwrap_or(false),
        })),
    }
}

/// Writes a message; its words, each of its calls and each result of a tool are items of their own.
fn items(message: &Message) -> Vec<Value> {
    match message.role {
        Role::System => vec![said("system", &json!(message.text()))],
        Role::User => vec![said("user", &shown(&message.parts))],
        Role::Assistant => of_the_model(message),
        Role::Tool => message.parts.iter().filter_map(result).collect(),
    }
}

fn said(role: &str, content: &Value) -> Value {
    json!({"role": role, "content": content})
}

fn shown(parts: &[Part]) -> Value {
    if parts
        .iter()
        .all(|part| matches!(part, Part::Text(_) | Part::CachePoint))
    {
        let words = parts.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            _ => None,
        });
        return json!(words.collect::<String>());
    }
    parts.iter().flat_map(content).collect()
}

/// Thoughts, words and calls in the order in which they were said. As plain text the words are the model's own without an id of the
/// server's, which has kept none. A thought is refused where nothing comes of it, so the last ones stay away.
fn of_the_model(message: &Message) -> Vec<Value> {
    let mut written = Vec::new();
    let mut words = String::new();
    let mut thoughts = Vec::new();
    for part in &message.parts {
        match part {
            Part::Text(text) => {
                if !text.is_empty() {
                    written.append(&mut thoughts);
                }
                words.push_str(text);
            }
            Part::Thought(thought) => {
                if let Some(thought) = of_its_own(thought) {
                    if !words.is_empty() {
                        written.push(said("assistant", &json!(std::mem::take(&mut words))));
                    }
                    thoughts.push(thought);
                }
            }
            Part::Call(call) => {
                written.append(&mut thoughts);
                if !words.is_empty() {
                    written.push(said("assistant", &json!(std::mem::take(&mut words))));
                }
                written.push(json!({
                    "type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.arguments,
                }));
            }
            Part::Image(_) | Part::Document(_) | Part::Result(_) | Part::CachePoint => {}
        }
    }
    if !words.is_empty() || written.is_empty() {
        written.push(said("assistant", &json!(words)));
    }
    written
}

/// A thought of one of this vendor's models; others' are none to it.
fn of_its_own(thought: &Thought) -> Option<Value> {
    let (text, id, content) = thought.of_item()?;
    let summary = (!text.is_empty()).then(|| json!({"type": "summary_text", "text": text}));
    let summary: Vec<Value> = summary.into_iter().collect();
    Some(json!({"type": "reasoning", "id": id, "summary": summary, "encrypted_content": content}))
}

fn result(part: &Part) -> Option<Value> {
    let Part::Result(result) = part else {
        return None;
    };
    Some(json!({"type": "function_call_output", "call_id": result.call, "output": output(result)}))
}

fn output(result: &ToolResult) -> Value {
    if result.images.is_empty() && result.documents.is_empty() {
        return json!(result.text);
    }
    let text =
        (!result.text.is_empty()).then(|| json!({"type": "input_text", "text": result.text}));
    text.into_iter()
        .chain(result.images.iter().map(image))
        .chain(result.documents.iter().flat_map(document))
        .collect()
}

fn content(part: &Part) -> Vec<Value> {
    match part {
        Part::Text(text) => vec![json!({"type": "input_text", "text": text})],
        Part::Image(shown) => vec![image(shown)],
        Part::Document(given) => document(given),
        Part::Thought(_) | Part::Call(_) | Part::Result(_) | Part::CachePoint => Vec::new(),
    }
}

/// Writes a document, and what is said about it before it, for which the protocol has no place.
fn document(document: &Document) -> Vec<Value> {
    let said = document.context.iter();
    let said = said.map(|text| json!({"type": "input_text", "text": text}));
    let file = match &document.source {
        DocumentSource::Url(url) => json!({"type": "input_file", "file_url": url}),
        DocumentSource::Base64 { data, .. } => json!({
            "type": "input_file",
            "filename": document.file_name(),
            "file_data": format!("data:application/pdf;base64,{data}"),
        }),
    };
    said.chain([file]).collect()
}

fn image(image: &Image) -> Value {
    json!({"type": "input_image", "image_url": image_url(image), "detail": "auto"})
}
