//! The tools of `POST /v1/responses`, towards models that know functions alone.
//!
//! Source: <https://platform.openai.com/docs/guides/function-calling>. A tool that takes free text is a function with one text; the
//! functions of a namespace bear its name before their own. What a model calls goes out as the tool that the caller knows.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::door::{LONGEST_NAME, MOST_TOOLS, tool_name};
use crate::json::Node;
use crate::{Refusal, Tool, ToolCall, ToolChoice};

use super::chat::{tool, word_choice};

/// Tools of the vendor's own machines that clients offer with every request, whoever answers: the model is not told of them. Others
/// of their kind are asked for on purpose, and refused.
const LEFT_OUT: [&str; 4] = [
    "web_search",
    "web_search_preview",
    "image_generation",
    "tool_search",
];

/// Whether a tool is offered to no model here.
pub(super) fn is_left_out(kind: &str) -> bool {
    LEFT_OUT.contains(&kind) || kind.starts_with("web_search_")
}

/// Reads the tools.
pub(super) fn tools(node: &Node) -> Result<Vec<Tool>, Refusal> {
    let mut all = Vec::new();
    for one in node.items(0, MOST_TOOLS)? {
        read(&one, None, &mut all)?;
    }
    if all.len() > MOST_TOOLS {
        return Err(node.fail(format!("These are more than {MOST_TOOLS} tools.")));
    }
    Ok(all)
}

fn read(node: &Node, within: Option<&str>, all: &mut Vec<Tool>) -> Result<(), Refusal> {
    match node.kind()? {
        "function" => {
            let mut read = tool(node)?;
            read.name = called(node, within, &read.name)?;
            all.push(read);
        }
        "custom" => {
            let name = tool_name(&node.need("name")?)?;
            all.push(Tool {
                name: called(node, within, &name)?,
                description: free_text(node)?,
                parameters: json!({
                    "type": "object", "properties": {"input": {"type": "string"}},
                    "required": ["input"], "additionalProperties": false,
                }),
                strict: None,
                cache_point: false,
            });
        }
        "namespace" if within.is_none() => {
            let name = tool_name(&node.need("name")?)?;
            for inner in node.need("tools")?.items(0, MOST_TOOLS)? {
                read(&inner, Some(&name), all)?;
            }
        }
        kind if is_left_out(kind) => {}
        _ => return Err(node.unknown_kind("function, custom or namespace")),
    }
    Ok(())
}

/// What a tool of free text is good for, and which form its text has to have.
fn free_text(node: &Node) -> Result<Option<String>, Refusal> {
    let mut said = match node.opt("description")? {
        Some(said) => said.text()?.to_owned(),
        None => String::new(),
    };
    if let Some(format) = node.opt("format")?
        && format.kind()? == "grammar"
    {
        let syntax = format.need("syntax")?.text()?;
        let definition = format.need("definition")?.text()?;
        let form = format!("The input has to be a text of this {syntax} grammar:\n{definition}");
        let gap = if said.is_empty() { "" } else { "\n\n" };
        said = [said.as_str(), gap, &form].concat();
    }
    Ok((!said.is_empty()).then_some(said))
}

fn called(node: &Node, within: Option<&str>, name: &str) -> Result<String, Refusal> {
    let full = full_name(within, name);
    if full.len() > LONGEST_NAME {
        return Err(node.fail("The name of this tool is too long together with its namespace."));
    }
    Ok(full)
}

/// The name by which a model knows a tool.
pub(super) fn full_name(within: Option<&str>, name: &str) -> String {
    match within {
        None => name.to_owned(),
        Some(space) if space.ends_with("__") => format!("{space}{name}"),
        Some(space) => format!("{space}__{name}"),
    }
}

/// Reads which tool the model has to call.
pub(super) fn tool_choice(node: &Node) -> Result<ToolChoice, Refusal> {
    if !node.value.is_string() {
        if !matches!(node.kind()?, "function" | "custom") {
            return Err(node.unknown_kind("function or custom"));
        }
        return Ok(ToolChoice::Named(full_name_at(node)?));
    }
    word_choice(node)?.ok_or_else(|| node.fail("This has to be auto, none, required or an object."))
}

/// Reads the name of a call or a choice, which may stand in a namespace.
pub(super) fn full_name_at(node: &Node) -> Result<String, Refusal> {
    let name = node.need("name")?;
    let space = node.opt("namespace")?;
    let space = space.map(|space| tool_name(&space)).transpose()?;
    Ok(full_name(space.as_deref(), &tool_name(&name)?))
}

/// The arguments by which a model would have called a tool of free text.
pub(super) fn arguments_of(input: &str) -> String {
    json!({ "input": input }).to_string()
}

/// The free text within the arguments of a call; what a model wrote badly is the text itself.
fn input_of(arguments: &str) -> String {
    let read = serde_json::from_str::<Value>(arguments).ok();
    let input = read.as_ref().and_then(|read| read.get("input")?.as_str());
    input.unwrap_or(arguments).to_owned()
}

/// How the caller knows the tools, by the names that the model knows.
#[derive(Debug, Clone, Default)]
pub(super) struct Toolbox(HashMap<String, Known>);

#[derive(Debug, Clone)]
struct Known {
    space: Option<String>,
    name: String,
    takes_text: bool,
}

impl Toolbox {
    /// Of the tools as they came; plain functions need no note.
    pub(super) fn of(tools: Option<&Value>) -> Self {
        let mut known = HashMap::new();
        for tool in tools.and_then(Value::as_array).into_iter().flatten() {
            note(tool, None, &mut known);
        }
        Self(known)
    }

    /// Whether a call goes out as free text.
    pub(super) fn takes_text(&self, call: &ToolCall) -> bool {
        self.0.get(&call.name).is_some_and(|known| known.takes_text)
    }

    /// What stands in a call beside its id and state.
    pub(super) fn fields(&self, call: &ToolCall) -> Map<String, Value> {
        let known = self.0.get(&call.name);
        let mut fields = Map::new();
        fields.insert("call_id".into(), json!(call.id));
        let name = known.map_or(&call.name, |known| &known.name);
        fields.insert("name".into(), json!(name));
        if let Some(space) = known.and_then(|known| known.space.as_ref()) {
            fields.insert("namespace".into(), json!(space));
        }
        if self.takes_text(call) {
            fields.insert("type".into(), json!("custom_tool_call"));
            fields.insert("input".into(), json!(input_of(&call.arguments)));
        } else {
            fields.insert("type".into(), json!("function_call"));
            fields.insert("arguments".into(), json!(call.arguments));
        }
        fields
    }
}

fn note(tool: &Value, space: Option<&str>, known: &mut HashMap<String, Known>) {
    let text = |name| tool.get(name).and_then(Value::as_str);
    let Some(name) = text("name") else { return };
    let takes_text = text("type") == Some("custom");
    if text("type") == Some("namespace") {
        let inner = tool.get("tools").and_then(Value::as_array);
        for tool in inner.into_iter().flatten() {
            note(tool, Some(name), known);
        }
    } else if takes_text || space.is_some() {
        let tool = Known {
            space: space.map(ToOwned::to_owned),
            name: name.to_owned(),
            takes_text,
        };
        known.insert(full_name(space, name), tool);
    }
}
