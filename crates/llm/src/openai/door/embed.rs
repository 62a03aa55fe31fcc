//! `POST /v1/embeddings`.
//!
//! Source: <https://platform.openai.com/docs/api-reference/embeddings/create>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::door::LONGEST_NAME;
use crate::json::{self, Node};
use crate::{EmbedAnswer, EmbedInput, EmbedRequest, Refusal};

/// The most inputs of one request.
const MOST_INPUTS: usize = 2_048;
/// The most tokens of one input, where they come as numbers.
const LONGEST_INPUT: usize = 8_192;

/// How vectors are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Encoding {
    /// As numbers.
    #[default]
    Float,
    /// As base64 of 32-bit floats, little-endian.
    Base64,
}

/// A request for vectors as somebody asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbedAsk {
    /// The request; its model is the public name.
    pub request: EmbedRequest,
    /// How the answer is wanted.
    pub encoding: Encoding,
}

/// Reads the body of a request.
pub fn read_embed(body: &[u8]) -> Result<EmbedAsk, Refusal> {
    let body = json::read(body)?;
    let root = Node::root(&body)?;
    let encoding = match root.opt("encoding_format")? {
        None => Encoding::Float,
        Some(format) => match format.text()? {
            "float" => Encoding::Float,
            "base64" => Encoding::Base64,
            _ => return Err(format.fail("This has to be float or base64.")),
        },
    };
    let dimensions = root
        .opt("dimensions")?
        .map(|n| n.int(1, 65_536))
        .transpose()?;
    Ok(EmbedAsk {
        request: EmbedRequest {
            model: root.need("model")?.name(LONGEST_NAME)?,
            input: input(&root.need("input")?)?,
            dimensions: dimensions.and_then(|n| u32::try_from(n).ok()),
        },
        encoding,
    })
}

fn input(node: &Node) -> Result<EmbedInput, Refusal> {
    if node.value.is_string() {
        return Ok(EmbedInput::Texts(vec![words(node)?]));
    }
    let first = node.value.get(0);
    if first.is_some_and(Value::is_number) {
        return Ok(EmbedInput::Tokens(vec![tokens(node)?]));
    }
    let items = node.items(1, MOST_INPUTS)?;
    if first.is_some_and(Value::is_array) {
        let inputs = items.iter().map(tokens).collect::<Result<_, _>>()?;
        return Ok(EmbedInput::Tokens(inputs));
    }
    let inputs = items.iter().map(words).collect::<Result<_, _>>()?;
    Ok(EmbedInput::Texts(inputs))
}

fn words(node: &Node) -> Result<String, Refusal> {
    let text = node.text()?;
    if text.is_empty() {
        return Err(node.fail("This is empty."));
    }
    Ok(text.to_owned())
}

fn tokens(node: &Node) -> Result<Vec<u32>, Refusal> {
    node.items(1, LONGEST_INPUT)?
        .iter()
        .map(|token| {
            let number = token.int(0, i64::from(u32::MAX))?;
            u32::try_from(number).map_err(|_| token.fail("This is no token."))
        })
        .collect()
}

/// Writes the vectors.
pub fn write_embed(answer: &EmbedAnswer, model: &str, encoding: Encoding) -> Value {
    let data: Vec<Value> = answer
        .vectors
        .iter()
        .enumerate()
        .map(|(index, vector)| {
            let vector = match encoding {
                Encoding::Float => json!(vector),
                Encoding::Base64 => {
                    let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
                    json!(STANDARD.encode(bytes))
                }
            };
            json!({"object": "embedding", "index": index, "embedding": vector})
        })
        .collect();
    let tokens = answer.usage.map_or(0, |usage| usage.input);
    json!({
        "object": "list", "data": data, "model": model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    })
}
