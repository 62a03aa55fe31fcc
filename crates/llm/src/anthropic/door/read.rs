//! What the door reads.
//!
//! Source: <https://platform.claude.com/docs/en/api/messages/create>. Fields that only colour an answer (`top_k`,
//! `metadata`, …) are passed over; tools that run at the provider are refused.

use crate::cache::{self, and_point};
use crate::document::{Caption, few};
use crate::door::{
    LONGEST_NAME, MOST_MESSAGES, MOST_PARTS, MOST_TOKENS, MOST_TOOLS, agree, effort, image_data,
    image_url, max_tokens, parameters, stops, tool_name,
};
use crate::json::{self, Node};
use crate::{
    ChatRequest, Effort, Format, Image, Message, Part, Refusal, Role, ThinkingDisplay, Thought,
    Tool, ToolCall, ToolChoice, ToolResult, schema,
};

/// Reads the body of a request for an answer; its model is the public name.
pub fn read_messages(body: &[u8]) -> Result<ChatRequest, Refusal> {
    let body = json::read(body)?;
    let root = Node::root(&body)?;
    let limit = max_tokens(&root.need("max_tokens")?)?;
    let request = conversation(&root)?;
    let (effort, display) = thinks(&root)?;
    Ok(ChatRequest {
        max_tokens: Some(limit),
        temperature: root
            .opt("temperature")?
            .map(|n| n.float(0.0, 1.0))
            .transpose()?,
        top_p: root.opt("top_p")?.map(|n| n.float(0.0, 1.0)).transpose()?,
        effort,
        display,
        stop: root
            .opt("stop_sequences")?
            .map(|n| stops(&n))
            .transpose()?
            .unwrap_or_default(),
        stream: root.opt("stream")?.map_or(Ok(false), |n| n.flag())?,
        ..request
    })
}

/// How long the model is to think, not at all where that is said, and what of it the caller wants to read.
fn thinks(root: &Node) -> Result<(Option<Effort>, Option<ThinkingDisplay>), Refusal> {
    let mut display = None;
    if let Some(thinking) = root.opt("thinking")? {
        match thinking.kind()? {
            "disabled" => return Ok((Some(Effort::None), None)),
            "enabled" | "adaptive" => display = Some(shown(&thinking)?),
            "between_tools" => {}
            _ => return Err(thinking.unknown_kind("enabled, adaptive, between_tools or disabled")),
        }
    }
    let said = match root.opt("output_config")? {
        Some(config) => config.opt("effort")?.map(|n| effort(&n)).transpose()?,
        None => None,
    };
    Ok((said, display))
}

/// Reads how thoughts are to be shown. A budget is the vendor's older way to say how long a model may think, and has no place here.
fn shown(thinking: &Node) -> Result<ThinkingDisplay, Refusal> {
    if let Some(budget) = thinking.opt("budget_tokens")? {
        budget.int(1, i64::from(MOST_TOKENS))?;
    }
    let Some(display) = thinking.opt("display")? else {
        return Ok(ThinkingDisplay::Auto);
    };
    match display.text()? {
        "summarized" => Ok(ThinkingDisplay::Auto),
        "omitted" => Ok(ThinkingDisplay::Omitted),
        _ => Err(display.fail("This has to be summarized or omitted.")),
    }
}

/// Reads the body of a request for a count.
pub fn read_count(body: &[u8]) -> Result<ChatRequest, Refusal> {
    let body = json::read(body)?;
    conversation(&Node::root(&body)?)
}

fn conversation(root: &Node) -> Result<ChatRequest, Refusal> {
    if let Some(servers) = root.opt("mcp_servers")?
        && !servers.items(0, MOST_TOOLS)?.is_empty()
    {
        return Err(servers.fail("Servers of tools that the vendor calls are not supported."));
    }
    let mut messages = Vec::new();
    if let Some(system) = root.opt("system")? {
        messages.push(Message {
            role: Role::System,
            parts: texts(&system)?,
        });
    }
    for node in root.need("messages")?.items(1, MOST_MESSAGES)? {
        read_turn(&node, &mut messages)?;
    }
    let (tool_choice, parallel_tools) = match root.opt("tool_choice")? {
        Some(node) => choice(&node)?,
        None => (None, None),
    };
    let request = ChatRequest {
        model: root.need("model")?.name(LONGEST_NAME)?,
        messages,
        tools: root
            .opt("tools")?
            .map(|n| tools(&n))
            .transpose()?
            .unwrap_or_default(),
        tool_choice,
        parallel_tools,
        format: format(root)?,
        caches: cache::point(root)?,
        ..ChatRequest::default()
    };
    agree(&request.tools, request.tool_choice.as_ref(), root)?;
    few(&request.messages, &root.need("messages")?)?;
    cache::few(&request, root)?;
    Ok(request)
}

fn texts(node: &Node) -> Result<Vec<Part>, Refusal> {
    if node.value.is_string() {
        return Ok(vec![Part::Text(node.text()?.to_owned())]);
    }
    let mut parts = Vec::new();
    for block in node.items(0, MOST_PARTS)? {
        if block.kind()? != "text" {
            return Err(block.unknown_kind("text"));
        }
        let text = Part::Text(block.need("text")?.text()?.to_owned());
        parts.extend(and_point(text, &block)?);
    }
    Ok(parts)
}

fn read_turn(node: &Node, messages: &mut Vec<Message>) -> Result<(), Refusal> {
    let role = node.need("role")?;
    let content = node.need("content")?;
    let (role, parts) = match role.text()? {
        "user" => return read_user(&content, messages),
        "assistant" => (Role::Assistant, assistant(&content)?),
        "system" => (Role::System, texts(&content)?),
        _ => return Err(role.fail("This has to be user or assistant.")),
    };
    messages.push(Message { role, parts });
    Ok(())
}

/// A turn of the person may bring results of tools, which are a message of their own before it.
fn read_user(content: &Node, messages: &mut Vec<Message>) -> Result<(), Refusal> {
    if content.value.is_string() {
        messages.push(Message::user(content.text()?));
        return Ok(());
    }
    let mut results = Vec::new();
    let mut said = Vec::new();
    for block in content.items(1, MOST_PARTS)? {
        let (side, part) = match block.kind()? {
            "text" => {
                let text = block.need("text")?.text()?.to_owned();
                (&mut said, Part::Text(text))
            }
            "image" => (&mut said, Part::Image(image(&block)?)),
            "tool_result" => (&mut results, Part::Result(result(&block)?)),
            "document" | "search_result" => (&mut said, document(&block)?),
            _ => {
                return Err(
                    block.unknown_kind("text, image, document, search_result or tool_result")
                );
            }
        };
        side.extend(and_point(part, &block)?);
    }
    for (role, parts) in [(Role::Tool, results), (Role::User, said)] {
        if !parts.is_empty() {
            messages.push(Message { role, parts });
        }
    }
    Ok(())
}

fn assistant(content: &Node) -> Result<Vec<Part>, Refusal> {
    if content.value.is_string() {
        return Ok(vec![Part::Text(content.text()?.to_owned())]);
    }
    let mut parts = Vec::new();
    for block in content.items(0, MOST_PARTS)? {
        let part = match block.kind()? {
            "text" => Part::Text(block.need("text")?.text()?.to_owned()),
            "tool_use" => {
                let input = block.need("input")?;
                input.object()?;
                Part::Call(ToolCall {
                    id: block.need("id")?.name(LONGEST_NAME)?,
                    name: tool_name(&block.need("name")?)?,
                    arguments: input.value.to_string(),
                    ..ToolCall::default()
                })
            }
            "thinking" => {
                let signature = block.opt("signature")?;
                let signature = signature.map(|n| n.text().map(ToOwned::to_owned));
                Part::Thought(Thought::Open {
                    text: block.need("thinking")?.text()?.to_owned(),
                    // none of another vendor's model, whose thoughts are told here with an empty one
                    signature: signature.transpose()?.filter(|seal| !seal.is_empty()),
                })
            }
            "redacted_thinking" => {
                let data = block.need("data")?.text()?.to_owned();
                Part::Thought(Thought::Closed(data))
            }
            _ => {
                return Err(block.unknown_kind("text, tool_use, thinking or redacted_thinking"));
            }
        };
        parts.extend(and_point(part, &block)?);
    }
    Ok(parts)
}

fn image(block: &Node) -> Result<Image, Refusal> {
    let source = block.need("source")?;
    match source.kind()? {
        "base64" => {
            let media_type = source.need("media_type")?.text()?;
            let data = source.need("data")?;
            image_data(&data, media_type, data.text()?)
        }
        "url" => image_url(&source.need("url")?),
        _ => Err(source.unknown_kind("base64 or url")),
    }
}

/// Reads a document or something found: what brings its words is words.
fn document(block: &Node) -> Result<Part, Refusal> {
    if let Some(citations) = block.opt("citations")?
        && let Some(enabled) = citations.opt("enabled")?
        && enabled.flag()?
    {
        return Err(enabled.fail("Citations are not supported."));
    }
    let caption = Caption::read(block.opt("title")?, block.opt("context")?)?;
    let source = block.need("source")?;
    if source.value.is_string() {
        let found = format!("{}\n{}", source.text()?, words(&block.need("content")?)?);
        return Ok(Part::Text(caption.words(&found)));
    }
    match source.kind()? {
        "base64" => {
            let (kind, data) = (source.need("media_type")?, source.need("data")?);
            caption.of_data(&kind, &data, kind.text()?, data.text()?)
        }
        "url" => caption.at(&source.need("url")?),
        "text" => {
            if let Some(kind) = source.opt("media_type")?
                && kind.text()? != "text/plain"
            {
                return Err(kind.fail("The media type of a text has to be text/plain."));
            }
            let data = source.need("data")?;
            if data.value == "" {
                return Err(data.fail("The document is empty."));
            }
            Ok(Part::Text(caption.words(&words(&data)?)))
        }
        "content" => Ok(Part::Text(caption.words(&words(&source.need("content")?)?))),
        "file" => {
            let message = "Files that were sent before can't be used in messages; please send the document itself.";
            Err(source.need("file_id")?.fail(message))
        }
        _ => Err(source.unknown_kind("base64, url, text or content")),
    }
}

fn words(content: &Node) -> Result<String, Refusal> {
    let said = Message {
        role: Role::User,
        parts: texts(content)?,
    };
    Ok(said.text().into_owned())
}

fn result(block: &Node) -> Result<ToolResult, Refusal> {
    let mut result = ToolResult {
        call: block.need("tool_use_id")?.name(LONGEST_NAME)?,
        failed: block.opt("is_error")?.map_or(Ok(false), |n| n.flag())?,
        ..ToolResult::default()
    };
    let Some(content) = block.opt("content")? else {
        return Ok(result);
    };
    if content.value.is_string() {
        content.text()?.clone_into(&mut result.text);
        return Ok(result);
    }
    for inner in content.items(0, MOST_PARTS)? {
        match inner.kind()? {
            "text" => result.text.push_str(inner.need("text")?.text()?),
            "image" => result.images.push(image(&inner)?),
            "document" | "search_result" => match document(&inner)? {
                Part::Document(document) => result.documents.push(document),
                Part::Text(text) => result.text.push_str(&text),
                Part::Thought(_)
                | Part::Image(_)
                | Part::Call(_)
                | Part::Result(_)
                | Part::CachePoint => {}
            },
            // the tool itself came with the request
            "tool_reference" => result.text.push_str(inner.need("tool_name")?.text()?),
            _ => {
                return Err(
                    inner.unknown_kind("text, image, document, search_result or tool_reference")
                );
            }
        }
    }
    Ok(result)
}

fn tools(node: &Node) -> Result<Vec<Tool>, Refusal> {
    node.items(0, MOST_TOOLS)?
        .iter()
        .map(|node| {
            if node.opt("type")?.is_some_and(|kind| kind.value != "custom") {
                return Err(node.unknown_kind("custom"));
            }
            let schema = node.need("input_schema")?;
            Ok(Tool {
                name: tool_name(&node.need("name")?)?,
                description: node
                    .opt("description")?
                    .map(|n| n.text().map(ToOwned::to_owned))
                    .transpose()?,
                parameters: parameters(Some(schema))?,
                strict: node.opt("strict")?.map(|n| n.flag()).transpose()?,
                cache_point: cache::point(node)?,
            })
        })
        .collect()
}

fn choice(node: &Node) -> Result<(Option<ToolChoice>, Option<bool>), Refusal> {
    let choice = match node.kind()? {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Named(node.need("name")?.name(LONGEST_NAME)?),
        _ => return Err(node.unknown_kind("auto, any, tool or none")),
    };
    let single = node
        .opt("disable_parallel_tool_use")?
        .map(|n| n.flag())
        .transpose()?;
    Ok((Some(choice), single.map(|single| !single)))
}

fn format(root: &Node) -> Result<Format, Refusal> {
    let inner = match root.opt("output_config")? {
        Some(config) => config.opt("format")?,
        None => None,
    };
    // where it stood before it had a place of its own
    let Some(format) = inner.or(root.opt("output_format")?) else {
        return Ok(Format::Text);
    };
    if format.kind()? != "json_schema" {
        return Err(format.unknown_kind("json_schema"));
    }
    let inner = format.need("schema")?;
    inner.object()?;
    schema::check(&inner)?;
    Ok(Format::Schema {
        name: "answer".to_owned(),
        schema: inner.value.clone(),
        strict: Some(true),
    })
}
