//! What every door checks alike, whatever its dialect.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::json::Node;
use crate::{Effort, Image, Refusal, Tool, ToolChoice, schema};

/// The most tokens that an answer can be asked for. A plan allows fewer.
pub const MOST_TOKENS: u32 = 1_000_000;
pub(crate) const MOST_MESSAGES: usize = 4_000;
pub(crate) const MOST_PARTS: usize = 1_000;
/// More than OpenAI takes: whoever has many servers of tools brings them all.
pub(crate) const MOST_TOOLS: usize = 1_000;
pub(crate) const MOST_STOPS: usize = 16;
pub(crate) const LONGEST_NAME: usize = 200;

/// How one answer introduces itself at a door.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Face {
    /// The id that the dialect shows, its prefix included.
    pub id: String,
    /// The name that the caller asked for.
    pub model: String,
    /// Seconds since 1970.
    pub created: i64,
}

/// Reads a limit of tokens.
pub(crate) fn max_tokens(node: &Node) -> Result<u32, Refusal> {
    let tokens = node.int(1, i64::from(MOST_TOKENS))?;
    u32::try_from(tokens).map_err(|_| node.fail("This is too large."))
}

/// Reads how long a model is to think.
pub(crate) fn effort(node: &Node) -> Result<Effort, Refusal> {
    let name = node.text()?;
    let known = Effort::ALL.into_iter().find(|known| known.as_str() == name);
    known.ok_or_else(|| {
        let names = Effort::ALL.map(Effort::as_str).join(", ");
        node.fail(format!("This has to be one of {names}."))
    })
}

/// Reads texts at which an answer stops: one or several.
pub(crate) fn stops(node: &Node) -> Result<Vec<String>, Refusal> {
    if node.value.is_string() {
        return Ok(vec![node.name(1_000)?]);
    }
    let items = node.items(0, MOST_STOPS)?;
    items.iter().map(|item| item.name(1_000)).collect()
}

/// Reads the name of a tool.
pub(crate) fn tool_name(node: &Node) -> Result<String, Refusal> {
    let name = node.text()?;
    let good = (1..=128).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if good {
        Ok(name.to_owned())
    } else {
        Err(node.fail("This has to be 1 to 128 of a-z, A-Z, 0-9, _ and -."))
    }
}

/// Reads the schema of a tool's arguments; without one it takes none.
pub(crate) fn parameters(node: Option<Node>) -> Result<Value, Refusal> {
    match node {
        None => Ok(serde_json::json!({"type": "object", "properties": {}})),
        Some(node) => {
            node.object()?;
            schema::object(&node)?;
            Ok(node.value.clone())
        }
    }
}

/// Checks that the tools differ, and that the choice is among them.
pub(crate) fn agree(
    tools: &[Tool],
    choice: Option<&ToolChoice>,
    root: &Node,
) -> Result<(), Refusal> {
    let mut names: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair.first() == pair.get(1)) {
        return Err(root.need("tools")?.fail("Two tools have the same name."));
    }
    let unknown = match choice {
        Some(ToolChoice::Named(name)) => !names.contains(&name.as_str()),
        Some(ToolChoice::Required) => names.is_empty(),
        _ => false,
    };
    if unknown {
        return Err(root.need("tool_choice")?.fail("There is no such tool."));
    }
    Ok(())
}

/// Reads a picture's address: http(s), or the picture itself as `data:`.
pub(crate) fn image_url(node: &Node) -> Result<Image, Refusal> {
    let url = node.text()?;
    if let Some(rest) = url.strip_prefix("data:") {
        let (media_type, data) = rest
            .split_once(";base64,")
            .ok_or_else(|| node.fail("This has to be data:<media type>;base64,<data>."))?;
        return image_data(node, media_type, data);
    }
    if url.starts_with("https://") || url.starts_with("http://") {
        return Ok(Image::Url(url.to_owned()));
    }
    Err(node.fail("This has to be an http, https or data URL."))
}

/// Checks a picture that came along.
pub(crate) fn image_data(node: &Node, media_type: &str, data: &str) -> Result<Image, Refusal> {
    const KNOWN: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];
    // no such type is registered, but files are called so
    let media_type = if media_type == "image/jpg" {
        "image/jpeg"
    } else {
        media_type
    };
    if !KNOWN.contains(&media_type) {
        return Err(node.fail(format!(
            "The media type has to be one of {}.",
            KNOWN.join(", ")
        )));
    }
    if data.is_empty() || STANDARD.decode(data).is_err() {
        return Err(node.fail("This is no base64."));
    }
    Ok(Image::Base64 {
        media_type: media_type.to_owned(),
        data: data.to_owned(),
    })
}

/// Writes one server-sent event.
pub(crate) fn sse(event: Option<&str>, data: &Value) -> String {
    match event {
        Some(event) => format!("event: {event}\ndata: {data}\n\n"),
        None => format!("data: {data}\n\n"),
    }
}
