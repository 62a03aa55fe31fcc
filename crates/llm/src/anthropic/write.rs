//! A request as this provider reads it.
//!
//! Source: <https://platform.claude.com/docs/en/api/messages/create>.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::{
    ChatRequest, Document, DocumentSource, Effort, Format, Image, Part, Role, ThinkingDisplay,
    Thought, Tool, ToolCall, ToolChoice, ToolResult,
};

/// The limit of an answer where nobody set one: the protocol wants one.
const MAX_TOKENS: u32 = 4_096;
/// Asks for JSON where the protocol has no switch for it; in both languages, so as not to lead an answer out of its own.
const JSON_ONLY: &str =
    "Answer with one JSON object and nothing else. JSONオブジェクト一つだけで答えること。";

/// Writes the body of a request.
pub fn encode(request: &ChatRequest) -> Value {
    let mut body = Map::new();
    body.insert("model".into(), json!(request.model));
    body.insert(
        "max_tokens".into(),
        json!(request.max_tokens.unwrap_or(MAX_TOKENS)),
    );
    let (system, turns) = conversation(request);
    if !system.is_empty() {
        body.insert("system".into(), Value::Array(system));
    }
    body.insert("messages".into(), Value::Array(turns));
    if request.caches {
        body.insert("cache_control".into(), kept());
    }
    // models since Claude Opus 4.1 take one of the two alone
    if let Some(value) = request.temperature.map(|t| t.min(1.0)) {
        body.insert("temperature".into(), json!(value));
    } else if let Some(value) = request.top_p {
        body.insert("top_p".into(), json!(value));
    }
    let stops: Vec<&String> = request.stop.iter().filter(|it| !is_blank(it)).collect();
    if !stops.is_empty() {
        body.insert("stop_sequences".into(), json!(stops));
    }
    tools(request, &mut body);
    if let Some(thinking) = thinking(request) {
        body.insert("thinking".into(), thinking);
    }
    let config = output_config(request);
    if !config.is_empty() {
        body.insert("output_config".into(), Value::Object(config));
    }
    body.insert("stream".into(), json!(request.stream));
    Value::Object(body)
}

/// How the answer is written and how much thought goes before it. Some models can't leave thinking off altogether, so none
/// is as little as all of them know.
fn output_config(request: &ChatRequest) -> Map<String, Value> {
    let mut config = Map::new();
    if let Format::Schema { schema, .. } = &request.format {
        config.insert(
            "format".into(),
            json!({"type": "json_schema", "schema": schema}),
        );
    }
    if let Some(effort) = request.effort {
        config.insert("effort".into(), json!(known(effort).as_str()));
    }
    config
}

/// That its thoughts are to be told, where somebody wants to read them. How long it thinks is the model's own decision, by the
/// effort: those of today take no budget. One that has to call a tool may not be asked to think.
pub(crate) fn thinking(request: &ChatRequest) -> Option<Value> {
    let display = match request.display? {
        ThinkingDisplay::Omitted => "omitted",
        ThinkingDisplay::Auto | ThinkingDisplay::Concise | ThinkingDisplay::Detailed => {
            "summarized"
        }
    };
    let has_to_call = matches!(
        request.tool_choice,
        Some(ToolChoice::Required | ToolChoice::Named(_))
    );
    (!has_to_call).then(|| json!({"type": "adaptive", "display": display}))
}

/// The nearest effort that this vendor's models know.
pub(crate) const fn known(effort: Effort) -> Effort {
    match effort {
        Effort::None | Effort::Minimal => Effort::Low,
        more => more,
    }
}

/// Whether a text is white space alone, which this vendor refuses as a place to stop and as a block of words.
pub fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// The words of the house, which stand apart, and the turns. Where nobody else says anything, those words are what is to be answered.
fn conversation(request: &ChatRequest) -> (Vec<Value>, Vec<Value>) {
    let mut system = system(request);
    let mut turns = turns(request);
    if turns.is_empty() && !system.is_empty() {
        let words = std::mem::take(&mut system);
        turns.push(json!({"role": "user", "content": words}));
    }
    if request.format == Format::Json {
        system.push(json!({"type": "text", "text": JSON_ONLY}));
    }
    (system, turns)
}

fn system(request: &ChatRequest) -> Vec<Value> {
    let mut blocks = Vec::new();
    let messages = request.messages.iter();
    let system = messages.filter(|message| message.role == Role::System);
    for part in system.flat_map(|message| &message.parts) {
        match part {
            Part::Text(text) if !is_blank(text) => {
                blocks.push(json!({"type": "text", "text": text}));
            }
            Part::CachePoint => keep(&mut blocks),
            _ => {}
        }
    }
    blocks
}

/// Writes the turns; neighbours of one side become one, since results of tools are the person's here. One that says nothing is
/// left out, and its neighbours become one.
fn turns(request: &ChatRequest) -> Vec<Value> {
    let mut turns: Vec<(&str, Vec<Value>)> = Vec::new();
    for message in &request.messages {
        let side = match message.role {
            Role::System => continue,
            Role::User | Role::Tool => "user",
            Role::Assistant => "assistant",
        };
        let mut blocks = match turns.pop_if(|(last, _)| *last == side) {
            Some((_, known)) => known,
            None => Vec::new(),
        };
        for part in &message.parts {
            match part {
                Part::CachePoint => keep(&mut blocks),
                said => blocks.extend(block(said)),
            }
        }
        if !blocks.is_empty() {
            turns.push((side, blocks));
        }
    }
    turns
        .into_iter()
        .map(|(role, blocks)| json!({"role": role, "content": blocks}))
        .collect()
}

/// Marks the last block, with all that comes before it, for the provider's cache, which takes no mark at a thought.
fn keep(blocks: &mut [Value]) {
    if let Some(Value::Object(block)) = blocks.last_mut()
        && !matches!(
            block.get("type").and_then(Value::as_str),
            Some("thinking" | "redacted_thinking")
        )
    {
        block.insert("cache_control".into(), kept());
    }
}

fn kept() -> Value {
    json!({"type": "ephemeral"})
}

fn block(part: &Part) -> Option<Value> {
    match part {
        Part::CachePoint => None,
        Part::Thought(thought) => of_its_own(thought),
        Part::Text(text) if is_blank(text) => None, // refused there
        Part::Text(text) => Some(json!({"type": "text", "text": text})),
        Part::Image(shown) => Some(image(shown)),
        Part::Document(given) => Some(document(given)),
        Part::Call(call) => Some(json!({
            "type": "tool_use", "id": call.id, "name": call.name, "input": input(call),
        })),
        Part::Result(said) => Some(result(said)),
    }
}

/// A thought that this vendor has signed; it refuses all others.
fn of_its_own(thought: &Thought) -> Option<Value> {
    if let Thought::Closed(data) = thought {
        return Some(json!({"type": "redacted_thinking", "data": data}));
    }
    let (text, signature) = thought.signed()?;
    Some(json!({"type": "thinking", "thinking": text, "signature": signature}))
}

fn image(image: &Image) -> Value {
    let source = match image {
        Image::Url(url) => json!({"type": "url", "url": url}),
        Image::Base64 { media_type, data } => {
            json!({"type": "base64", "media_type": media_type, "data": data})
        }
    };
    json!({"type": "image", "source": source})
}

fn document(document: &Document) -> Value {
    let source = match &document.source {
        DocumentSource::Url(url) => json!({"type": "url", "url": url}),
        DocumentSource::Base64 { data, .. } => {
            json!({"type": "base64", "media_type": "application/pdf", "data": data})
        }
    };
    let mut block = Map::new();
    block.insert("type".into(), json!("document"));
    block.insert("source".into(), source);
    for (name, said) in [("title", &document.title), ("context", &document.context)] {
        if let Some(said) = said {
            block.insert(name.into(), json!(said));
        }
    }
    Value::Object(block)
}

/// The arguments of a call as an object; what a model wrote badly is kept as text in one.
pub(crate) fn input(call: &ToolCall) -> Value {
    if call.arguments.trim().is_empty() {
        return json!({});
    }
    match serde_json::from_str::<Value>(&call.arguments) {
        Ok(value @ Value::Object(_)) => value,
        _ => json!({"arguments": call.arguments}),
    }
}

fn result(result: &ToolResult) -> Value {
    let content = if result.images.is_empty() && result.documents.is_empty() {
        json!(result.text)
    } else {
        let text = (!result.text.is_empty()).then(|| json!({"type": "text", "text": result.text}));
        Value::Array(
            text.into_iter()
                .chain(result.images.iter().map(image))
                .chain(result.documents.iter().map(document))
                .collect(),
        )
    };
    let mut block = Map::new();
    block.insert("type".into(), json!("tool_result"));
    block.insert("tool_use_id".into(), json!(result.call));
    block.insert("content".into(), content);
    if result.failed {
        block.insert("is_error".into(), json!(true));
    }
    Value::Object(block)
}

/// Writes the tools and which of them is to be called. A conversation in which some were called was refused without any, and may
/// still be by others who speak this protocol: they are named then, and none may be called.
///
/// Source: <https://github.com/BerriAI/litellm/issues/4689>.
fn tools(request: &ChatRequest, body: &mut Map<String, Value>) {
    if !request.tools.is_empty() {
        let tools: Vec<Value> = request.tools.iter().map(tool).collect();
        body.insert("tools".into(), Value::Array(tools));
        if let Some(choice) = choice(request) {
            body.insert("tool_choice".into(), choice);
        }
        return;
    }
    let parts = request.messages.iter().flat_map(|message| &message.parts);
    let called: BTreeSet<&str> = parts
        .filter_map(|part| match part {
            Part::Call(call) => Some(call.name.as_str()),
            _ => None,
        })
        .collect();
    if !called.is_empty() {
        let named = |name: &&str| json!({"name": name, "input_schema": {"type": "object"}});
        let tools: Vec<Value> = called.iter().map(named).collect();
        body.insert("tools".into(), Value::Array(tools));
        body.insert("tool_choice".into(), json!({"type": "none"}));
    }
}

fn tool(tool: &Tool) -> Value {
    let mut written = Map::new();
    written.insert("name".into(), json!(tool.name));
    if let Some(description) = &tool.description {
        written.insert("description".into(), json!(description));
    }
    written.insert("input_schema".into(), with_type(&tool.parameters));
    if let Some(strict) = tool.strict {
        written.insert("strict".into(), json!(strict));
    }
    if tool.cache_point {
        written.insert("cache_control".into(), kept());
    }
    Value::Object(written)
}

/// The schema of arguments has to say here that they are an object.
fn with_type(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Some(fields) = schema.as_object_mut() {
        fields.entry("type").or_insert_with(|| json!("object"));
    }
    schema
}

fn choice(request: &ChatRequest) -> Option<Value> {
    let choice = request.tool_choice.as_ref();
    let mut written = match choice {
        None if request.parallel_tools.is_none() => return None,
        None | Some(ToolChoice::Auto) => json!({"type": "auto"}),
        Some(ToolChoice::None) => return Some(json!({"type": "none"})),
        Some(ToolChoice::Required) => json!({"type": "any"}),
        Some(ToolChoice::Named(name)) => json!({"type": "tool", "name": name}),
    };
    if let (Some(parallel), Some(fields)) = (request.parallel_tools, written.as_object_mut()) {
        fields.insert("disable_parallel_tool_use".into(), json!(!parallel));
    }
    Some(written)
}
