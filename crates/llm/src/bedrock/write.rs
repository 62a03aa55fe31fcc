//! A request as this provider reads it.
//!
//! Source: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>.

use serde_json::{Map, Value, json};

use crate::anthropic::{input, known};
use crate::{
    ChatRequest, Format, Image, Message, Part, Refusal, Role, Tool, ToolChoice, ToolResult,
};

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
    let system: Vec<Value> = request
        .messages
        .iter()
        .filter(|message| message.role == Role::System)
        .map(Message::text)
        .filter(|text| !text.is_empty())
        .map(|text| json!({"text": text}))
        .collect();
    if !system.is_empty() {
        body.insert("system".into(), Value::Array(system));
    }
    body.insert("messages".into(), Value::Array(turns(request)?));
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
    if !request.stop.is_empty() {
        config.insert("stopSequences".into(), json!(request.stop));
    }
    if !config.is_empty() {
        body.insert("inferenceConfig".into(), Value::Object(config));
    }
    if let Some(effort) = request.effort {
        // what this protocol has no word for is said in the vendor's, which is Claude's: others know no effort here
        let fields = json!({"output_config": {"effort": known(effort).as_str()}});
        body.insert("additionalModelRequestFields".into(), fields);
    }
    if let Some(tools) = tools(request) {
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

fn turns(request: &ChatRequest) -> Result<Vec<Value>, Refusal> {
    let mut turns: Vec<(&str, Vec<Value>)> = Vec::new();
    for message in &request.messages {
        let side = match message.role {
            Role::System => continue,
            Role::User | Role::Tool => "user",
            Role::Assistant => "assistant",
        };
        let blocks: Vec<Value> = message
            .parts
            .iter()
            .filter_map(|part| block(part).transpose())
            .collect::<Result<_, _>>()?;
        match turns.last_mut() {
            Some((last, known)) if *last == side => known.extend(blocks),
            _ => turns.push((side, blocks)),
        }
    }
    Ok(turns
        .into_iter()
        .filter(|(_, blocks)| !blocks.is_empty())
        .map(|(role, blocks)| json!({"role": role, "content": blocks}))
        .collect())
}

fn block(part: &Part) -> Result<Option<Value>, Refusal> {
    Ok(match part {
        Part::Text(text) if text.is_empty() => None,
        Part::Text(text) => Some(json!({"text": text})),
        Part::Image(shown) => Some(image(shown)?),
        Part::Call(call) => Some(json!({
            "toolUse": {"toolUseId": call.id, "name": call.name, "input": input(call)},
        })),
        Part::Result(said) => Some(result(said)?),
    })
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

fn result(result: &ToolResult) -> Result<Value, Refusal> {
    let mut content = vec![json!({"text": result.text})];
    for shown in &result.images {
        content.push(image(shown)?);
    }
    let status = if result.failed { "error" } else { "success" };
    Ok(json!({
        "toolResult": {"toolUseId": result.call, "content": content, "status": status},
    }))
}

/// The protocol has no «none»: without tools there is nothing to choose.
fn tools(request: &ChatRequest) -> Option<Value> {
    if request.tools.is_empty() || request.tool_choice == Some(ToolChoice::None) {
        return None;
    }
    let mut config = Map::new();
    let tools: Vec<Value> = request.tools.iter().map(tool).collect();
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
