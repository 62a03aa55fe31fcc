//! `POST /v1/responses`, the request.
//!
//! Source: <https://platform.openai.com/docs/api-reference/responses/create>.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::chat::PAUSE;
use crate::document::{Caption, few};
use crate::door::{LONGEST_NAME, MOST_MESSAGES, MOST_PARTS, agree, effort, image_url, max_tokens};
use crate::json::{self, Node};
use crate::{
    ChatRequest, Effort, Format, Image, Message, Part, Refusal, RefusalKind, Role, ThinkingDisplay,
    Thought, ToolCall, ToolResult,
};

use super::chat::{may_wait, schema_format, unknown_file};
use super::responses_thoughts::handed_back;
use super::responses_tools::{arguments_of, full_name_at, is_left_out, tool_choice, tools};

/// A response as somebody asks for it.
#[derive(Debug, Clone, PartialEq)]
pub struct ResponseAsk {
    /// The request; its model is the public name, and the instructions are its first message.
    pub request: ChatRequest,
    /// Whether it asks for the tier that may wait.
    pub may_wait: bool,
    /// The rest.
    pub card: ResponseCard,
    /// How many of the messages are instructions, which hold for this response alone.
    instructions: usize,
}

impl ResponseAsk {
    /// What is said, and what was said before it.
    pub fn conversation(&self) -> &[Message] {
        self.request
            .messages
            .get(self.instructions..)
            .unwrap_or_default()
    }

    /// Lets the request go on from an earlier conversation.
    pub fn follow(&mut self, before: Vec<Message>) -> Result<(), Refusal> {
        let at = self.instructions;
        self.request.messages.splice(at..at, before);
        if self.request.messages.len() > MOST_MESSAGES {
            let message = format!("The conversation has more than {MOST_MESSAGES} messages.");
            return Err(Refusal::at("/previous_response_id", message));
        }
        Ok(())
    }
}

/// What an answer says of its request, however late it is fetched.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ResponseCard {
    /// Whether the answer is made without anybody waiting.
    pub background: bool,
    /// Whether it may be fetched later.
    pub store: bool,
    /// The response that this one goes on from.
    #[serde(default)]
    pub previous: Option<String>,
    /// What the caller wants to see again.
    pub metadata: Map<String, Value>,
    /// Whether thoughts are told with what hands them back.
    #[serde(default)]
    pub(super) seals: bool,
    /// The fields that the answer repeats as they came.
    pub(super) echo: Map<String, Value>,
}

impl ResponseCard {
    /// Whether the caller asked for a summary of what the model thought.
    pub(super) fn has_summary(&self) -> bool {
        let reasoning = self.echo.get("reasoning");
        let said = ["summary", "generate_summary"].into_iter();
        let mut said = said.filter_map(|name| reasoning?.get(name));
        said.any(|summary| !summary.is_null())
    }
}

/// What earlier responses said, by the ids of their items.
pub type SaidBefore = HashMap<String, Vec<Part>>;

/// The ids of items of earlier responses that a request names in their place.
pub fn read_references(body: &[u8]) -> Result<Vec<String>, Refusal> {
    const KIND: &[u8] = b"item_reference";
    if !body.windows(KIND.len()).any(|at| at == KIND) {
        return Ok(Vec::new());
    }
    let body = json::read(body)?;
    let items = body.get("input").and_then(Value::as_array);
    let ids = items.into_iter().flatten().filter_map(|item| {
        let id = item.get("id")?.as_str()?;
        (item.get("type")?.as_str()? == "item_reference").then(|| id.to_owned())
    });
    Ok(ids.collect())
}

/// Reads the body of a request, with what the items said that it names only.
pub fn read_response(body: &[u8], before: &SaidBefore) -> Result<ResponseAsk, Refusal> {
    let body = json::read(body)?;
    let root = Node::root(&body)?;
    for name in ["conversation", "prompt"] {
        if let Some(node) = root.opt(name)? {
            return Err(node
                .fail("This is not supported; please send the whole conversation, or previous_response_id.")
                .coded("unsupported_parameter"));
        }
    }
    let mut messages = Vec::new();
    if let Some(instructions) = root.opt("instructions")? {
        messages.push(Message::system(instructions.text()?));
    }
    let instructions = messages.len();
    read_input(&root.need("input")?, before, &mut messages)?;
    let (said, display) = match root.opt("reasoning")? {
        Some(reasoning) => thinks(&reasoning)?,
        None => (None, None),
    };
    let seals = wants_seals(&root);
    let request = ChatRequest {
        model: root.need("model")?.name(LONGEST_NAME)?,
        messages,
        max_tokens: root
            .opt("max_output_tokens")?
            .map(|n| max_tokens(&n))
            .transpose()?,
        temperature: root
            .opt("temperature")?
            .map(|n| n.float(0.0, 2.0))
            .transpose()?,
        top_p: root.opt("top_p")?.map(|n| n.float(0.0, 1.0)).transpose()?,
        effort: said,
        display: display.or(seals.then_some(ThinkingDisplay::Omitted)),
        tools: root
            .opt("tools")?
            .map(|n| tools(&n))
            .transpose()?
            .unwrap_or_default(),
        tool_choice: root
            .opt("tool_choice")?
            .map(|n| tool_choice(&n))
            .transpose()?,
        parallel_tools: flag(&root, "parallel_tool_calls")?,
        format: format(&root)?,
        stream: flag(&root, "stream")?.unwrap_or(false),
        ..ChatRequest::default()
    };
    agree(&request.tools, request.tool_choice.as_ref(), &root)?;
    few(&request.messages, &root.need("input")?)?;
    let background = flag(&root, "background")?.unwrap_or(false);
    let store = flag(&root, "store")?.unwrap_or(true);
    if background && !store {
        return Err(root
            .need("store")?
            .fail("A background response has to be stored."));
    }
    let echo = echo(&root);
    Ok(ResponseAsk {
        request,
        may_wait: may_wait(&root)?,
        card: ResponseCard {
            background,
            store,
            previous: root
                .opt("previous_response_id")?
                .map(|n| n.name(LONGEST_NAME))
                .transpose()?,
            metadata: metadata(&root)?,
            seals,
            echo,
        },
        instructions,
    })
}

/// How long the model is to think, and what of that is told.
fn thinks(reasoning: &Node) -> Result<(Option<Effort>, Option<ThinkingDisplay>), Refusal> {
    let said = reasoning.opt("effort")?.map(|n| effort(&n)).transpose()?;
    let summary = match reasoning.opt("summary")? {
        Some(summary) => Some(summary),
        // as it was called before
        None => reasoning.opt("generate_summary")?,
    };
    let Some(summary) = summary else {
        return Ok((said, None));
    };
    let display = match summary.text()? {
        "auto" => ThinkingDisplay::Auto,
        "concise" => ThinkingDisplay::Concise,
        "detailed" => ThinkingDisplay::Detailed,
        _ => return Err(summary.fail("This has to be auto, concise or detailed.")),
    };
    Ok((said, Some(display)))
}

/// Whether thoughts are to be told with what hands them back; of what else an answer could bring along, nothing is here.
fn wants_seals(root: &Node) -> bool {
    let wanted = root.value.get("include").and_then(Value::as_array);
    let mut wanted = wanted.into_iter().flatten();
    wanted.any(|one| one.as_str() == Some("reasoning.encrypted_content"))
}

/// The fields that the answer repeats; of the tools, those that the model is told of.
fn echo(root: &Node) -> Map<String, Value> {
    let repeated = [
        "instructions",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "temperature",
        "top_p",
        "max_output_tokens",
        "reasoning",
        "text",
    ];
    let fields = repeated.into_iter();
    let mut echo: Map<String, Value> = fields
        .filter_map(|name| Some((name.to_owned(), root.value.get(name)?.clone())))
        .filter(|(_, value)| !value.is_null())
        .collect();
    if let Some(tools) = echo.get_mut("tools").and_then(Value::as_array_mut) {
        tools.retain(|tool| {
            let kind = tool.get("type").and_then(Value::as_str);
            !kind.is_some_and(is_left_out)
        });
    }
    echo
}

fn flag(root: &Node, name: &str) -> Result<Option<bool>, Refusal> {
    root.opt(name)?.map(|n| n.flag()).transpose()
}

fn metadata(root: &Node) -> Result<Map<String, Value>, Refusal> {
    let Some(node) = root.opt("metadata")? else {
        return Ok(Map::new());
    };
    let fields = node.object()?;
    if fields.len() > 16 {
        return Err(node.fail("This has to have 16 keys at most."));
    }
    for key in fields.keys() {
        if let Some(value) = node.opt(key)?
            && value.text()?.chars().nth(512).is_some()
        {
            return Err(value.fail("This has to have 512 characters at most."));
        }
    }
    Ok(fields.clone())
}

fn read_input(
    node: &Node,
    before: &SaidBefore,
    messages: &mut Vec<Message>,
) -> Result<(), Refusal> {
    if node.value.is_string() {
        messages.push(Message::user(node.text()?));
        return Ok(());
    }
    for item in node.items(1, MOST_MESSAGES)? {
        let kind = match item.opt("type")? {
            Some(kind) => kind.text()?,
            // a reference may come without its type
            None if item.opt("role")?.is_none() && item.opt("id")?.is_some() => "item_reference",
            None => "message",
        };
        match kind {
            "message" => take_message(message(&item)?, messages),
            "function_call" | "custom_tool_call" => take_said(call(&item, kind)?, messages),
            "function_call_output" | "custom_tool_call_output" => messages.push(output(&item)?),
            "item_reference" => {
                let id = item.need("id")?;
                let said = before.get(id.text()?).ok_or_else(|| Refusal {
                    kind: RefusalKind::NotFound,
                    ..id.fail("This item is not known: its response was not stored, or it is gone.")
                })?;
                for part in said {
                    take_said(part.clone(), messages);
                }
            }
            "reasoning" => {
                if let Some(thought) = thought(&item)? {
                    take_said(Part::Thought(thought), messages);
                }
            }
            // nobody else can use what the vendor's own machines found
            "web_search_call" => {}
            _ => {
                return Err(item.unknown_kind(
                    "message, function_call, function_call_output, custom_tool_call, custom_tool_call_output, \
                     item_reference or reasoning",
                ));
            }
        }
    }
    // nothing came of what was only thought
    messages.retain(|message| {
        let thinks = |part: &Part| matches!(part, Part::Thought(_));
        message.parts.is_empty() || !message.parts.iter().all(thinks)
    });
    Ok(())
}

/// A thought that is brought back: the words that were told of it, and its seal.
fn thought(item: &Node) -> Result<Option<Thought>, Refusal> {
    let parts = item.opt("summary")?;
    let parts = parts.map(|parts| parts.items(0, MOST_PARTS)).transpose()?;
    let mut words = Vec::new();
    for part in parts.iter().flatten() {
        words.push(part.need("text")?.text()?.to_owned());
    }
    let seal = item.opt("encrypted_content")?;
    let seal = seal.as_ref().map(Node::text).transpose()?;
    Ok(handed_back(words.join(PAUSE), seal))
}

fn call(item: &Node, kind: &str) -> Result<Part, Refusal> {
    let arguments = if kind == "custom_tool_call" {
        arguments_of(item.need("input")?.text()?)
    } else {
        item.need("arguments")?.text()?.to_owned()
    };
    Ok(Part::Call(ToolCall {
        id: item.need("call_id")?.name(LONGEST_NAME)?,
        name: full_name_at(item)?,
        arguments,
        ..ToolCall::default()
    }))
}

/// Words that follow a thought belong to it.
fn take_message(message: Message, messages: &mut Vec<Message>) {
    let last = messages.last().and_then(|last| last.parts.last());
    if message.role == Role::Assistant && matches!(last, Some(Part::Thought(_))) {
        message
            .parts
            .into_iter()
            .for_each(|part| take_said(part, messages));
    } else {
        messages.push(message);
    }
}

/// What the model said and called in one turn comes one by one here, and is one message.
fn take_said(part: Part, messages: &mut Vec<Message>) {
    match messages.last_mut() {
        Some(last) if last.role == Role::Assistant => last.parts.push(part),
        _ => messages.push(Message {
            role: Role::Assistant,
            parts: vec![part],
        }),
    }
}

fn output(item: &Node) -> Result<Message, Refusal> {
    let said = item.need("output")?;
    let mut result = ToolResult {
        call: item.need("call_id")?.name(LONGEST_NAME)?,
        ..ToolResult::default()
    };
    for part in content(&said, true)? {
        match part {
            Part::Text(text) => result.text.push_str(&text),
            Part::Image(image) => result.images.push(image),
            Part::Document(document) => result.documents.push(document),
            Part::Thought(_) | Part::Call(_) | Part::Result(_) | Part::CachePoint => {}
        }
    }
    Ok(Message {
        role: Role::Tool,
        parts: vec![Part::Result(result)],
    })
}

fn message(item: &Node) -> Result<Message, Refusal> {
    let role = item.need("role")?;
    let (role, pictures) = match role.text()? {
        "system" | "developer" => (Role::System, false),
        "user" => (Role::User, true),
        "assistant" => (Role::Assistant, false),
        _ => return Err(role.fail("This has to be system, developer, user or assistant.")),
    };
    Ok(Message {
        role,
        parts: content(&item.need("content")?, pictures)?,
    })
}

fn content(node: &Node, pictures: bool) -> Result<Vec<Part>, Refusal> {
    if node.value.is_string() {
        return Ok(vec![Part::Text(node.text()?.to_owned())]);
    }
    node.items(1, MOST_PARTS)?
        .iter()
        .map(|part| match part.kind()? {
            "input_text" | "output_text" => Ok(Part::Text(part.need("text")?.text()?.to_owned())),
            "refusal" => Ok(Part::Text(part.need("refusal")?.text()?.to_owned())),
            "input_image" if pictures => Ok(Part::Image(picture(part)?)),
            "input_file" if pictures => file(part),
            _ if pictures => Err(part.unknown_kind("input_text, input_image or input_file")),
            _ => Err(part.unknown_kind("input_text or output_text")),
        })
        .collect()
}

fn picture(part: &Node) -> Result<Image, Refusal> {
    match (part.opt("image_url")?, part.opt("file_id")?) {
        (None, Some(id)) => Err(unknown_file(&id, "image_url")),
        _ => image_url(&part.need("image_url")?),
    }
}

fn file(part: &Node) -> Result<Part, Refusal> {
    let caption = Caption::read(part.opt("filename")?, None)?;
    match (
        part.opt("file_data")?,
        part.opt("file_url")?,
        part.opt("file_id")?,
    ) {
        (None, Some(url), _) => caption.at(&url),
        (None, None, Some(id)) => Err(unknown_file(&id, "file_data or file_url")),
        _ => caption.of_data_url(&part.need("file_data")?),
    }
}

fn format(root: &Node) -> Result<Format, Refusal> {
    let Some(text) = root.opt("text")? else {
        return Ok(Format::Text);
    };
    let Some(format) = text.opt("format")? else {
        return Ok(Format::Text);
    };
    match format.kind()? {
        "text" => Ok(Format::Text),
        "json_object" => Ok(Format::Json),
        "json_schema" => schema_format(&format),
        _ => Err(format.unknown_kind("text, json_object or json_schema")),
    }
}
