//! A request as a server of this protocol reads it.
//!
//! Source: <https://platform.openai.com/docs/api-reference/chat/create>.

use serde_json::{Map, Value, json};

use crate::{
    ChatRequest, Document, DocumentSource, Format, Image, Message, Part, Role, Tool, ToolChoice,
};

use super::{Counts, Dialect};

impl Dialect {
    /// Writes the body of a request in this dialect.
    ///
    /// A streamed request asks for usage, since without it a stream has to be billed by an estimate.
    pub fn encode(self, request: &ChatRequest) -> Value {
        let mut body = Map::new();
        body.insert("model".into(), json!(request.model));
        let written = request.messages.iter();
        let messages: Vec<Value> = written.flat_map(|it| messages(it, self)).collect();
        body.insert("messages".into(), Value::Array(messages));
        if let Some(limit) = request.max_tokens {
            let name = if self.max_completion_tokens {
                "max_completion_tokens"
            } else {
                "max_tokens"
            };
            body.insert(name.into(), json!(limit));
        }
        for (name, value) in [
            ("temperature", request.temperature),
            ("top_p", request.top_p),
        ] {
            if let Some(value) = value {
                body.insert(name.into(), json!(value));
            }
        }
        if let Some(effort) = request.effort {
            body.insert("reasoning_effort".into(), json!(effort.as_str()));
        }
        if let Some(others) = request.logprobs {
            body.insert("logprobs".into(), json!(true));
            // a zero that is said means none at all to llama.cpp
            if others > 0 {
                body.insert("top_logprobs".into(), json!(others));
            }
        }
        if !request.stop.is_empty() {
            body.insert("stop".into(), json!(request.stop));
        }
        if let Some(seed) = request.seed {
            body.insert("seed".into(), json!(seed));
        }
        let named = |name: &str| json!({"type": "function", "function": {"name": name}});
        tools(request, &mut body, tool, named);
        if let Some(format) = format(&request.format) {
            body.insert("response_format".into(), format);
        }
        body.insert("stream".into(), json!(request.stream));
        if request.stream {
            let options = match self.counts {
                Counts::End | Counts::Timings => json!({ "include_usage": true }),
                Counts::Chunks => json!({ "include_usage": true, "continuous_usage_stats": true }),
            };
            body.insert("stream_options".into(), options);
            if self.counts == Counts::Timings {
                body.insert("timings_per_token".into(), json!(true));
            }
        }
        Value::Object(body)
    }
}

/// Writes the tools and which of them is to be called; each protocol has its own words for one, and for the one that is `named`.
pub(super) fn tools(
    request: &ChatRequest,
    body: &mut Map<String, Value>,
    tool: fn(&Tool) -> Value,
    named: fn(&str) -> Value,
) {
    if request.tools.is_empty() {
        return; // servers refuse a choice among no tools
    }
    let tools: Vec<Value> = request.tools.iter().map(tool).collect();
    body.insert("tools".into(), Value::Array(tools));
    if let Some(choice) = &request.tool_choice {
        let choice = match choice {
            ToolChoice::Auto => json!("auto"),
            ToolChoice::None => json!("none"),
            ToolChoice::Required => json!("required"),
            ToolChoice::Named(name) => named(name),
        };
        body.insert("tool_choice".into(), choice);
    }
    if let Some(parallel) = request.parallel_tools {
        body.insert("parallel_tool_calls".into(), json!(parallel));
    }
}

fn tool(tool: &Tool) -> Value {
    let mut function = Map::new();
    function.insert("name".into(), json!(tool.name));
    if let Some(description) = &tool.description {
        function.insert("description".into(), json!(description));
    }
    function.insert("parameters".into(), tool.parameters.clone());
    if let Some(strict) = tool.strict {
        function.insert("strict".into(), json!(strict));
    }
    json!({"type": "function", "function": function})
}

fn format(format: &Format) -> Option<Value> {
    match format {
        Format::Text => None,
        Format::Json => Some(json!({"type": "json_object"})),
        Format::Schema {
            name,
            schema,
            strict,
        } => {
            let mut inner = Map::new();
            inner.insert("name".into(), json!(name));
            inner.insert("schema".into(), schema.clone());
            if let Some(strict) = strict {
                inner.insert("strict".into(), json!(strict));
            }
            Some(json!({"type": "json_schema", "json_schema": inner}))
        }
    }
}

/// Writes a message; one with the results of several tools becomes several.
fn messages(message: &Message, dialect: Dialect) -> Vec<Value> {
    if message.role != Role::Tool {
        return vec![spoken(message, dialect)];
    }
    let mut written = Vec::new();
    let mut shown = Vec::new();
    for part in &message.parts {
        if let Part::Result(result) = part {
            written
                .push(json!({"role": "tool", "tool_call_id": result.call, "content": result.text}));
            shown.extend(result.images.iter().map(image));
            shown.extend(result.documents.iter().flat_map(document));
        }
    }
    if !shown.is_empty() {
        // the protocol has no place for pictures and documents in a result, so the person shows them
        written.push(json!({"role": "user", "content": shown}));
    }
    written
}

fn spoken(message: &Message, dialect: Dialect) -> Value {
    let mut written = Map::new();
    written.insert("role".into(), json!(message.role));
    let calls = message.parts.iter();
    let calls: Vec<Value> = calls.filter_map(|part| call(part, dialect)).collect();
    let shows = message
        .parts
        .iter()
        .any(|part| matches!(part, Part::Image(_) | Part::Document(_)));
    let content = if shows {
        Value::Array(message.parts.iter().flat_map(content).collect())
    } else {
        let text = message.text();
        if text.is_empty() && !calls.is_empty() {
            Value::Null
        } else {
            json!(text)
        }
    };
    written.insert("content".into(), content);
    if let Some(field) = dialect.thoughts {
        // what another vendor has signed is for its own eyes
        let thought = message.parts.iter().filter_map(|part| match part {
            Part::Thought(thought) => thought.unsigned(),
            _ => None,
        });
        let thought: String = thought.collect();
        if !thought.is_empty() {
            written.insert(field.as_str().into(), json!(thought));
        }
    }
    if !calls.is_empty() {
        written.insert("tool_calls".into(), Value::Array(calls));
    }
    Value::Object(written)
}

fn call(part: &Part, dialect: Dialect) -> Option<Value> {
    let Part::Call(call) = part else { return None };
    let mut written = json!({
        "id": call.id, "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    });
    if let (Some(extra), Some(fields)) = (&call.extra_content, written.as_object_mut())
        && dialect.extra_content
    {
        fields.insert("extra_content".into(), extra.clone());
    }
    Some(written)
}

fn content(part: &Part) -> Vec<Value> {
    match part {
        Part::Text(text) => vec![json!({"type": "text", "text": text})],
        Part::Image(shown) => vec![image(shown)],
        Part::Document(given) => document(given),
        Part::Thought(_) | Part::Call(_) | Part::Result(_) | Part::CachePoint => Vec::new(),
    }
}

/// Writes a document, and what is said about it before it, for which the protocol has no place.
fn document(document: &Document) -> Vec<Value> {
    let said = document.context.iter();
    let said = said.map(|text| json!({"type": "text", "text": text}));
    let file = match &document.source {
        // no server of OpenAI's own is chosen for an address; LiteLLM reads it so
        DocumentSource::Url(url) => json!({"file_id": url}),
        DocumentSource::Base64 { data, .. } => json!({
            "filename": document.file_name(),
            "file_data": format!("data:application/pdf;base64,{data}"),
        }),
    };
    said.chain([json!({"type": "file", "file": file})])
        .collect()
}

fn image(image: &Image) -> Value {
    json!({"type": "image_url", "image_url": {"url": image_url(image)}})
}

/// Where a picture is, or the picture itself as an address.
pub(super) fn image_url(image: &Image) -> String {
    match image {
        Image::Url(url) => url.clone(),
        Image::Base64 { media_type, data } => format!("data:{media_type};base64,{data}"),
    }
}
