//! A request as this provider reads it.
//!
//! Source: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>.

use serde_json::{Map, Value, json};

use crate::anthropic::{input, is_blank, known, thinking};
use crate::{
    ChatRequest, Document, DocumentSource, Format, Image, Part, Refusal, Role, Thought, Tool,
    ToolCall, ToolChoice, ToolResult,
};

/// What the person says before a model that speaks first: a conversation has to begin with them, and with something to read.
const BEFORE: &str = ".";

/// Where the request goes: the model stands in the path, encoded as [`super::sign`] expects it.
pub fn path(request: &ChatRequest) -> String {
    let model = super::sign::encoded(&request.model, false);
    let verb = if request.stream {
        "converse-stream"
    } else {
        "converse"
    };
    format!("/model/{model}/{verb}")
}

/// What a request is called under in the provider's log of invocations.
pub const CALLED: &str = "noren_run";

/// Writes the body of a request that the provider's log of invocations is to call `name`; refuses what this protocol can't say.
pub fn encode(request: &ChatRequest, name: &str) -> Result<Value, Refusal> {
    let mut body = Map::new();
    body.insert("requestMetadata".into(), json!({CALLED: name}));
    let tools = tools(request);
    let (system, turns) = conversation(request, tools.is_some())?;
    if !system.is_empty() {
        body.insert("system".into(), Value::Array(system));
    }
    body.insert("messages".into(), Value::Array(turns));
    let mut config = Map::new();
    if let Some(limit) = request.max_tokens {
        config.insert("maxTokens".into(), json!(limit));
    }
    if let Some(value) = request.temperature.map(|t| t.min(1.0)) {
        config.insert("temperature".into(), json!(value));
    }
    if let Some(value) = request.top_p {
        config.insert("topP".into(), json!(value));
    }
    let stops: Vec<&String> = request.stop.iter().filter(|it| !is_blank(it)).collect();
    if !stops.is_empty() {
        config.insert("stopSequences".into(), json!(stops));
    }
    if !config.is_empty() {
        body.insert("inferenceConfig".into(), Value::Object(config));
    }
    // what this protocol has no word for is said in the vendor's, which is Claude's: others know no effort here
    let effort = request.effort.map(|effort| {
        let config = json!({"effort": known(effort).as_str()});
        ("output_config".to_owned(), config)
    });
    let thinking = thinking(request).map(|thinking| ("thinking".to_owned(), thinking));
    let fields: Map<String, Value> = effort.into_iter().chain(thinking).collect();
    if !fields.is_empty() {
        body.insert("additionalModelRequestFields".into(), json!(fields));
    }
    if let Some(tools) = tools {
        body.insert("toolConfig".into(), tools);
    }
    match &request.format {
        Format::Text => {}
        Format::Json => {
            return Err(Refusal::at(
                "/response_format",
                "This model needs a schema for JSON.",
            ));
        }
        Format::Schema { name, schema, .. } => {
            let schema = json!({"schema": schema.to_string(), "name": name});
            body.insert(
                "outputConfig".into(),
                json!({"textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}}),
            );
        }
    }
    Ok(Value::Object(body))
}

/// The words of the house, which stand apart, and the turns, of which the first is the person's. Where nobody else says anything,
/// those words are what is to be answered.
fn conversation(
    request: &ChatRequest,
    has_tools: bool,
) -> Result<(Vec<Value>, Vec<Value>), Refusal> {
    let mut system = system(request);
    let mut turns = turns(request, has_tools)?;
    match turns.first() {
        None if system.is_empty() => {
            return Err(Refusal::at("/messages", "Nothing is said here."));
        }
        None => turns.push(("user", std::mem::take(&mut system))),
        Some(("assistant", _)) => turns.insert(0, ("user", vec![json!({"text": BEFORE})])),
        Some(_) => {}
    }
    if request.caches
        && let Some((_, last)) = turns.last_mut()
    {
        keep(request, last);
    }
    let turns = turns
        .into_iter()
        .map(|(role, blocks)| json!({"role": role, "content": blocks}));
    Ok((system, turns.collect()))
}

fn system(request: &ChatRequest) -> Vec<Value> {
    let mut blocks = Vec::new();
    let messages = request.messages.iter();
    let system = messages.filter(|message| message.role == Role::System);
    for part in system.flat_map(|message| &message.parts) {
        match part {
            Part::Text(text) if !is_blank(text) => blocks.push(json!({"text": text})),
            Part::CachePoint => keep(request, &mut blocks),
            _ => {}
        }
    }
    blocks
}

/// Puts a point behind the blocks up to which they are kept. Only Claude is told, who keeps tools too and by the same rules as at
/// its maker's; others refuse what they don't know.
///
/// Source: <https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html>.
fn keep(request: &ChatRequest, blocks: &mut Vec<Value>) {
    let is_claude = request.model.contains("anthropic.");
    let takes_one =
        |last: &Value| last.get("cachePoint").is_none() && last.get("reasoningContent").is_none();
    if is_claude && blocks.last().is_some_and(takes_one) {
        blocks.push(json!({"cachePoint": {"type": "default"}}));
    }
}

/// Who speaks, and what.
type Turn = (&'static str, Vec<Value>);

/// Writes the turns; neighbours of one side become one. One that says nothing is left out, and its neighbours become one.
fn turns(request: &ChatRequest, has_tools: bool) -> Result<Vec<Turn>, Refusal> {
    let mut names = Names::default();
    let mut turns: Vec<Turn> = Vec::new();
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
                Part::CachePoint => keep(request, &mut blocks),
                Part::Call(call) if !has_tools => blocks.push(told_call(call)),
                Part::Result(said) if !has_tools => blocks.extend(told_result(said, &mut names)?),
                said => blocks.extend(written(said, &mut names)?),
            }
        }
        if !blocks.is_empty() {
            turns.push((side, blocks));
        }
    }
    Ok(turns)
}

fn written(part: &Part, names: &mut Names) -> Result<Vec<Value>, Refusal> {
    Ok(match part {
        Part::CachePoint => Vec::new(),
        Part::Thought(thought) => of_its_own(thought).into_iter().collect(),
        Part::Text(text) if is_blank(text) => Vec::new(), // refused there
        Part::Text(text) => vec![json!({"text": text})],
        Part::Image(shown) => vec![image(shown)?],
        Part::Document(given) => document(given, names)?.into(),
        Part::Call(call) => vec![json!({
            "toolUse": {"toolUseId": call.id, "name": call.name, "input": input(call)},
        })],
        Part::Result(said) => vec![result(said, names)?],
    })
}

/// A call in words: where no tool may be called none is defined, and without any the protocol refuses calls and results. In no
/// language, so as not to lead an answer out of its own.
///
/// Source: <https://github.com/langgenius/dify/issues/17545>.
fn told_call(call: &ToolCall) -> Value {
    json!({"text": format!("[{}] {}({})", call.id, call.name, call.arguments)})
}

/// A result in words, known by the id of its call, with what it showed and gave behind it.
fn told_result(result: &ToolResult, names: &mut Names) -> Result<Vec<Value>, Refusal> {
    let state = if result.failed { "error: " } else { "" };
    let text = format!("[{}] {state}{}", result.call, result.text);
    let mut blocks = vec![json!({"text": text})];
    blocks.extend(shown(result, names)?);
    Ok(blocks)
}

/// A thought that the model's maker has signed; all others are refused.
fn of_its_own(thought: &Thought) -> Option<Value> {
    let content = if let Thought::Closed(data) = thought {
        json!({"redactedContent": data})
    } else {
        let (text, signature) = thought.signed()?;
        json!({"reasoningText": {"text": text, "signature": signature}})
    };
    Some(json!({"reasoningContent": content}))
}

/// The names of the documents of a request, no two of which may be the same there.
#[derive(Default)]
struct Names(Vec<String>);

impl Names {
    /// The longest part of a title that becomes a name; 200 characters are allowed.
    const LONGEST: usize = 180;

    /// A name of letters and digits of ASCII, single spaces, hyphens and brackets, which is all that is allowed.
    fn of(&mut self, title: &str) -> String {
        let stem = title.strip_suffix(".pdf").unwrap_or(title);
        let stem: String = stem.chars().take(Self::LONGEST).collect();
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-()[]".contains(c);
        let words = stem.split(|c| !allowed(c)).filter(|word| !word.is_empty());
        let plain = words.collect::<Vec<_>>().join(" ");
        let plain = if plain.is_empty() { "document" } else { &plain };
        let same = |name: &str| {
            let mut known = self.0.iter();
            known.any(|known| known.eq_ignore_ascii_case(name))
        };
        let mut name = plain.to_owned();
        let mut number = 1;
        while same(&name) {
            number += 1;
            name = format!("{plain} ({number})");
        }
        self.0.push(name.clone());
        name
    }
}

/// Writes a document after words of its own: the protocol wants some beside it, and its name may not say what its title does.
fn document(document: &Document, names: &mut Names) -> Result<[Value; 2], Refusal> {
    let DocumentSource::Base64 { data, .. } = &document.source else {
        return Err(Refusal::at(
            "/messages",
            "This model takes documents as data only, not by address.",
        ));
    };
    let title = document.title.as_deref().unwrap_or("document");
    let name = names.of(title);
    let said: Vec<&str> = [title]
        .into_iter()
        .chain(document.context.as_deref())
        .collect();
    Ok([
        json!({"text": said.join("\n")}),
        json!({"document": {"format": "pdf", "name": name, "source": {"bytes": data}}}),
    ])
}

fn image(image: &Image) -> Result<Value, Refusal> {
    match image {
        Image::Url(_) => Err(Refusal::at(
            "/messages",
            "This model takes pictures as data only, not by address.",
        )),
        Image::Base64 { media_type, data } => {
            let format = media_type.strip_prefix("image/").unwrap_or(media_type);
            Ok(json!({"image": {"format": format, "source": {"bytes": data}}}))
        }
    }
}

fn result(result: &ToolResult, names: &mut Names) -> Result<Value, Refusal> {
    let mut content = vec![json!({"text": result.text})];
    content.extend(shown(result, names)?);
    let status = if result.failed { "error" } else { "success" };
    Ok(json!({
        "toolResult": {"toolUseId": result.call, "content": content, "status": status},
    }))
}

/// The pictures and documents of a result.
fn shown(result: &ToolResult, names: &mut Names) -> Result<Vec<Value>, Refusal> {
    let mut content = Vec::new();
    for shown in &result.images {
        content.push(image(shown)?);
    }
    for given in &result.documents {
        content.extend(document(given, names)?);
    }
    Ok(content)
}

/// The protocol has no «none»: without tools there is nothing to choose, and what was called is told in words.
fn tools(request: &ChatRequest) -> Option<Value> {
    if request.tools.is_empty() || request.tool_choice == Some(ToolChoice::None) {
        return None;
    }
    let mut config = Map::new();
    let mut tools = Vec::with_capacity(request.tools.len());
    for offered in &request.tools {
        tools.push(tool(offered));
        if offered.cache_point {
            keep(request, &mut tools);
        }
    }
    config.insert("tools".into(), Value::Array(tools));
    let choice = match &request.tool_choice {
        None | Some(ToolChoice::None) => None,
        Some(ToolChoice::Auto) => Some(json!({"auto": {}})),
        Some(ToolChoice::Required) => Some(json!({"any": {}})),
        Some(ToolChoice::Named(name)) => Some(json!({"tool": {"name": name}})),
    };
    if let Some(choice) = choice {
        config.insert("toolChoice".into(), choice);
    }
    Some(Value::Object(config))
}

fn tool(tool: &Tool) -> Value {
    let mut spec = Map::new();
    spec.insert("name".into(), json!(tool.name));
    if let Some(description) = &tool.description {
        spec.insert("description".into(), json!(description));
    }
    spec.insert("inputSchema".into(), json!({"json": tool.parameters}));
    json!({"toolSpec": spec})
}
