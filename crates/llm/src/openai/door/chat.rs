//! `POST /v1/chat/completions`, the request.
//!
//! Source: <https://platform.openai.com/docs/api-reference/chat/create>. Fields that only colour an answer
//! (penalties, `logit_bias`, `user`, `metadata`, a message's `name`, …) are passed over; those that would change its shape are refused.

use std::iter::repeat_n;

use serde_json::Value;

use crate::cache::{self, and_point};
use crate::document::{Caption, few};
use crate::door::{
    LONGEST_NAME, MOST_MESSAGES, MOST_PARTS, MOST_TOOLS, agree, effort, image_url, max_tokens,
    parameters, stops, tool_name,
};
use crate::json::{self, Node};
use crate::logprob::MOST_OTHERS;
use crate::{
    ChatRequest, Effort, Format, MOST_CALLS, MOST_EXTRA, Message, Part, Refusal, Role,
    ThinkingDisplay, Thought, Tool, ToolCall, ToolChoice, ToolResult, schema,
};

/// The most answers to one question.
const MOST_CHOICES: i64 = 8;

/// A chat as somebody asks for it.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatAsk {
    /// The request; its model is the public name.
    pub request: ChatRequest,
    /// Whether a stream ends with its usage.
    pub include_usage: bool,
    /// Whether it is told what the model thought, as far as that is to be had.
    pub include_reasoning: bool,
    /// Whether it asks for the tier that may wait.
    pub may_wait: bool,
    /// How many answers are wanted.
    pub choices: usize,
}

/// Reads the body of a request.
pub fn read_chat(body: &[u8]) -> Result<ChatAsk, Refusal> {
    let body = json::read(body)?;
    let root = Node::root(&body)?;
    refuse_shapes(&root)?;
    let (stream, include_usage) = streaming(&root)?;
    let limit = match root.opt("max_completion_tokens")? {
        Some(limit) => Some(limit),
        None => root.opt("max_tokens")?,
    };
    let messages = root.need("messages")?.items(1, MOST_MESSAGES)?;
    // as vLLM and OpenRouter have it: unsaid, what a provider tells by itself is passed on, and none is asked to tell
    let include_reasoning = root.opt("include_reasoning")?;
    let include_reasoning = include_reasoning.map(|n| n.flag()).transpose()?;
    let request = ChatRequest {
        model: root.need("model")?.name(LONGEST_NAME)?,
        messages: messages.iter().map(message).collect::<Result<_, _>>()?,
        max_tokens: limit.map(|n| max_tokens(&n)).transpose()?,
        effort: thinks(&root)?,
        display: (include_reasoning == Some(true)).then_some(ThinkingDisplay::Auto),
        tools: root
            .opt("tools")?
            .map(|n| tools(&n))
            .transpose()?
            .unwrap_or_default(),
        tool_choice: root
            .opt("tool_choice")?
            .map(|n| tool_choice(&n))
            .transpose()?,
        parallel_tools: root
            .opt("parallel_tool_calls")?
            .map(|n| n.flag())
            .transpose()?,
        format: root
            .opt("response_format")?
            .map(|n| format(&n))
            .transpose()?
            .unwrap_or_default(),
        logprobs: logprobs(&root)?,
        caches: cache::point(&root)?,
        stream,
        ..sampling(&root)?
    };
    agree(&request.tools, request.tool_choice.as_ref(), &root)?;
    few(&request.messages, &root.need("messages")?)?;
    cache::few(&request, &root)?;
    Ok(ChatAsk {
        request,
        include_usage,
        include_reasoning: include_reasoning.unwrap_or(true),
        may_wait: may_wait(&root)?,
        choices: choices(&root)?,
    })
}

/// How long the model is to think: as OpenAI says it, or else as `OpenRouter` does.
///
/// Source: <https://openrouter.ai/docs/use-cases/reasoning-tokens>.
fn thinks(root: &Node) -> Result<Option<Effort>, Refusal> {
    let said = match (root.opt("reasoning_effort")?, root.opt("reasoning")?) {
        (None, Some(reasoning)) => reasoning.opt("effort")?,
        (said, _) => said,
    };
    said.map(|n| effort(&n)).transpose()
}

/// Whether the answer is wanted piece by piece, and its usage at the end of that.
pub(super) fn streaming(root: &Node) -> Result<(bool, bool), Refusal> {
    let stream = root.opt("stream")?.map_or(Ok(false), |n| n.flag())?;
    let include_usage = match root.opt("stream_options")? {
        None => false,
        Some(options) if !stream => {
            return Err(options.fail("This is only allowed together with \"stream\": true."));
        }
        Some(options) => options
            .opt("include_usage")?
            .map_or(Ok(false), |n| n.flag())?,
    };
    Ok((stream, include_usage))
}

/// Whether it is asked how likely each token was, and how many others in its place.
fn logprobs(root: &Node) -> Result<Option<u8>, Refusal> {
    let is_asked = root.opt("logprobs")?.map_or(Ok(false), |n| n.flag())?;
    let Some(others) = root.opt("top_logprobs")? else {
        return Ok(is_asked.then_some(0));
    };
    let count = others.int(0, MOST_OTHERS)?;
    if !is_asked {
        return Err(others.fail("This is only allowed together with \"logprobs\": true."));
    }
    Ok(u8::try_from(count).ok())
}

/// How the words are chosen, in a request that asks for nothing yet.
pub(super) fn sampling(root: &Node) -> Result<ChatRequest, Refusal> {
    Ok(ChatRequest {
        temperature: root
            .opt("temperature")?
            .map(|n| n.float(0.0, 2.0))
            .transpose()?,
        top_p: root.opt("top_p")?.map(|n| n.float(0.0, 1.0)).transpose()?,
        stop: root
            .opt("stop")?
            .map(|n| stops(&n))
            .transpose()?
            .unwrap_or_default(),
        seed: root
            .opt("seed")?
            .map(|n| n.int(i64::MIN, i64::MAX))
            .transpose()?,
        ..ChatRequest::default()
    })
}

/// Reads `n`, how many answers are wanted to one question.
pub(super) fn choices(root: &Node) -> Result<usize, Refusal> {
    let Some(n) = root.opt("n")? else {
        return Ok(1);
    };
    usize::try_from(n.int(1, MOST_CHOICES)?).map_err(|_| n.fail("This is too large."))
}

/// The same request for each of its answers. A seed makes an answer repeatable and not all of them alike, so each has the next.
pub(super) fn each_choice(request: ChatRequest, choices: usize) -> Vec<ChatRequest> {
    let each = repeat_n(request, choices).zip(0..);
    each.map(|(request, at)| ChatRequest {
        seed: request.seed.map(|seed| seed.wrapping_add(at)),
        ..request
    })
    .collect()
}

impl ChatAsk {
    /// What is asked of a model: once for each answer.
    pub fn requests(self) -> Vec<ChatRequest> {
        each_choice(self.request, self.choices)
    }
}

/// Whether a request is of the tier `flex`. Nobody is served sooner by asking for another.
pub(super) fn may_wait(root: &Node) -> Result<bool, Refusal> {
    let tier = root.opt("service_tier")?;
    tier.map_or(Ok(false), |tier| Ok(tier.text()? == "flex"))
}

/// Refuses what would make the answer another thing than the one that is written.
fn refuse_shapes(root: &Node) -> Result<(), Refusal> {
    for name in [
        "functions",
        "function_call",
        "audio",
        "web_search_options",
        "prediction",
    ] {
        if let Some(node) = root.opt(name)? {
            return Err(node
                .fail("This is not supported.")
                .coded("unsupported_parameter"));
        }
    }
    if let Some(modalities) = root.opt("modalities")? {
        for item in modalities.items(0, 10)? {
            if item.text()? != "text" {
                return Err(item
                    .fail("Only text is supported.")
                    .coded("unsupported_value"));
            }
        }
    }
    Ok(())
}

/// Reads one message. As at `LiteLLM`, all of it may be marked for the provider's cache, and not only one part.
pub(crate) fn message(node: &Node) -> Result<Message, Refusal> {
    let mut message = said(node)?;
    if cache::point(node)? && message.parts.last() != Some(&Part::CachePoint) {
        message.parts.push(Part::CachePoint);
    }
    Ok(message)
}

fn said(node: &Node) -> Result<Message, Refusal> {
    let role = node.need("role")?;
    match role.text()? {
        "system" | "developer" => Ok(Message {
            role: Role::System,
            parts: content(&node.need("content")?, false)?,
        }),
        "user" => Ok(Message {
            role: Role::User,
            parts: content(&node.need("content")?, true)?,
        }),
        "assistant" => assistant(node),
        "tool" => {
            let texts = content(&node.need("content")?, false)?;
            let mut result = Message {
                role: Role::Tool,
                parts: texts,
            };
            let text = result.text().into_owned();
            // a point within is one behind it
            result.parts.retain(|part| *part == Part::CachePoint);
            result.parts.truncate(1);
            let said = Part::Result(ToolResult {
                call: node.need("tool_call_id")?.name(LONGEST_NAME)?,
                text,
                ..ToolResult::default()
            });
            result.parts.insert(0, said);
            Ok(result)
        }
        _ => Err(role
            .fail("This has to be system, developer, user, assistant or tool.")
            .coded("invalid_value")),
    }
}

fn assistant(node: &Node) -> Result<Message, Refusal> {
    let mut parts = match node.opt("content")? {
        // some clients keep a turn of calls alone as words of no part
        Some(said) if said.value.as_array().is_some_and(Vec::is_empty) => Vec::new(),
        Some(said) => content(&said, false)?,
        None => Vec::new(),
    };
    if let Some(refusal) = node.opt("refusal")? {
        parts.push(Part::Text(refusal.text()?.to_owned()));
    }
    if let Some(calls) = node.opt("tool_calls")? {
        for call in calls.items(0, MOST_CALLS)? {
            if call
                .opt("type")?
                .is_some_and(|kind| kind.value != "function")
            {
                return Err(call.unknown_kind("function"));
            }
            let function = call.need("function")?;
            parts.push(Part::Call(ToolCall {
                id: call.need("id")?.name(LONGEST_NAME)?,
                name: tool_name(&function.need("name")?)?,
                arguments: function.need("arguments")?.text()?.to_owned(),
                extra_content: extra_content(&call)?,
            }));
        }
    }
    if parts.is_empty() {
        return Err(node
            .need("content")
            .err()
            .unwrap_or_else(|| node.fail("A message of the model needs content or tool_calls.")));
    }
    if let Some(thought) = thought(node)? {
        parts.insert(0, Part::Thought(thought));
    }
    Ok(Message {
        role: Role::Assistant,
        parts,
    })
}

/// What a provider told beside a call, as the client was told it.
fn extra_content(call: &Node) -> Result<Option<Value>, Refusal> {
    let Some(extra) = call.opt("extra_content")? else {
        return Ok(None);
    };
    extra.object()?;
    if extra.value.to_string().len() > MOST_EXTRA {
        let message = format!("This has to have {MOST_EXTRA} bytes of JSON at most.");
        return Err(extra.fail(message).coded("invalid_value"));
    }
    Ok(Some(extra.value.clone()))
}

/// What the model thought, by either of the names that servers of this protocol have for it.
fn thought(node: &Node) -> Result<Option<Thought>, Refusal> {
    for name in ["reasoning_content", "reasoning"] {
        if let Some(said) = node.opt(name)? {
            let text = said.text()?.to_owned();
            let signature = None;
            return Ok((!text.is_empty()).then_some(Thought::Open { text, signature }));
        }
    }
    Ok(None)
}

fn content(node: &Node, pictures: bool) -> Result<Vec<Part>, Refusal> {
    if node.value.is_string() {
        return Ok(vec![Part::Text(node.text()?.to_owned())]);
    }
    let mut parts = Vec::new();
    for part in node.items(1, MOST_PARTS)? {
        let read = match part.kind()? {
            "text" => Part::Text(part.need("text")?.text()?.to_owned()),
            "refusal" => Part::Text(part.need("refusal")?.text()?.to_owned()),
            "image_url" if pictures => {
                let shown = part.need("image_url")?;
                let url = if shown.value.is_string() {
                    shown // as the newer door has it
                } else {
                    shown.need("url")?
                };
                Part::Image(image_url(&url)?)
            }
            "file" if pictures => file(&part.need("file")?)?,
            _ if pictures => return Err(part.unknown_kind("text, image_url or file")),
            _ => return Err(part.unknown_kind("text")),
        };
        parts.extend(and_point(read, &part)?);
    }
    Ok(parts)
}

/// Reads a document. Its address may stand for an id, as LiteLLM has it; files that were sent before are a batch's alone here.
fn file(node: &Node) -> Result<Part, Refusal> {
    let caption = Caption::read(node.opt("filename")?, None)?;
    match (node.opt("file_data")?, node.opt("file_id")?) {
        (None, Some(id)) if id.text()?.starts_with("http") => caption.at(&id),
        (None, Some(id)) => Err(unknown_file(&id, "file_data")),
        _ => caption.of_data_url(&node.need("file_data")?),
    }
}

/// Refuses a file that is named only.
pub(super) fn unknown_file(id: &Node, instead: &str) -> Refusal {
    id.fail(format!(
        "Files that were sent before can't be used in messages; please send {instead}."
    ))
    .coded("unsupported_value")
}

fn tools(node: &Node) -> Result<Vec<Tool>, Refusal> {
    node.items(0, MOST_TOOLS)?
        .iter()
        .map(|node| {
            if node.kind()? != "function" {
                return Err(node.unknown_kind("function"));
            }
            let mut tool = tool(&node.need("function")?)?;
            tool.cache_point |= cache::point(node)?;
            Ok(tool)
        })
        .collect()
}

/// Reads the description of one tool, which the newer door doesn't wrap.
pub(super) fn tool(node: &Node) -> Result<Tool, Refusal> {
    Ok(Tool {
        name: tool_name(&node.need("name")?)?,
        description: node
            .opt("description")?
            .map(|n| n.text().map(ToOwned::to_owned))
            .transpose()?,
        parameters: parameters(node.opt("parameters")?)?,
        cache_point: cache::point(node)?,
        strict: node.opt("strict")?.map(|n| n.flag()).transpose()?,
    })
}

fn tool_choice(node: &Node) -> Result<ToolChoice, Refusal> {
    if let Some(choice) = word_choice(node)? {
        return Ok(choice);
    }
    let name = node.need("function")?.need("name")?;
    Ok(ToolChoice::Named(name.name(LONGEST_NAME)?))
}

/// Reads a choice that is one word; none if it is an object that names a tool.
pub(super) fn word_choice(node: &Node) -> Result<Option<ToolChoice>, Refusal> {
    let Value::String(word) = node.value else {
        if node.kind()? != "function" {
            return Err(node.unknown_kind("function"));
        }
        return Ok(None);
    };
    match word.as_str() {
        "auto" => Ok(Some(ToolChoice::Auto)),
        "none" => Ok(Some(ToolChoice::None)),
        "required" => Ok(Some(ToolChoice::Required)),
        _ => Err(node
            .fail("This has to be auto, none, required or an object.")
            .coded("invalid_value")),
    }
}

fn format(node: &Node) -> Result<Format, Refusal> {
    match node.kind()? {
        "text" => Ok(Format::Text),
        "json_object" => Ok(Format::Json),
        "json_schema" => schema_format(&node.need("json_schema")?),
        _ => Err(node.unknown_kind("text, json_object or json_schema")),
    }
}

/// Reads a named schema, which the newer door doesn't wrap.
pub(super) fn schema_format(node: &Node) -> Result<Format, Refusal> {
    let schema = node.need("schema")?;
    schema.object()?;
    schema::check(&schema)?;
    Ok(Format::Schema {
        name: tool_name(&node.need("name")?)?,
        schema: schema.value.clone(),
        strict: node.opt("strict")?.map(|n| n.flag()).transpose()?,
    })
}
