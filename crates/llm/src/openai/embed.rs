//! Vectors from a server of this protocol.
//!
//! Source: <https://platform.openai.com/docs/api-reference/embeddings/create>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{CodecError, EmbedAnswer, EmbedInput, EmbedRequest, Usage};

/// The longest vector that is read.
const LONGEST_VECTOR: usize = 65_536;

/// Writes the body of a request; base64 is a quarter of the bytes, but not every server knows it.
pub fn encode_embed(request: &EmbedRequest, base64: bool) -> Value {
    let mut body = Map::new();
    body.insert("model".into(), json!(request.model));
    let input = match &request.input {
        EmbedInput::Texts(texts) => json!(texts),
        EmbedInput::Tokens(tokens) => json!(tokens),
    };
    body.insert("input".into(), input);
    if let Some(dimensions) = request.dimensions {
        body.insert("dimensions".into(), json!(dimensions));
    }
    let format = if base64 { "base64" } else { "float" };
    body.insert("encoding_format".into(), json!(format));
    Value::Object(body)
}

#[derive(Deserialize)]
struct Body {
    model: Option<String>,
    data: Vec<Item>,
    usage: Option<Counts>,
}

#[derive(Deserialize)]
struct Item {
    index: Option<usize>,
    embedding: Vector,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Vector {
    Floats(Vec<f32>),
    Base64(String),
}

#[derive(Deserialize)]
struct Counts {
    prompt_tokens: Option<u64>,
    total_tokens: Option<u64>,
}

/// Reads the vectors of `inputs` inputs, and puts them in the order of the inputs.
pub fn decode_embed(body: &[u8], inputs: usize) -> Result<EmbedAnswer, CodecError> {
    let text = std::str::from_utf8(body).map_err(|_| CodecError::garbled("not UTF-8"))?;
    if let Some(error) = super::parse::<super::Wire>(text)
        .ok()
        .and_then(|wire| wire.error())
    {
        return Err(error);
    }
    let body: Body = super::parse(text)?;
    if body.data.len() != inputs {
        return Err(CodecError::garbled("not as many vectors as inputs"));
    }
    let mut places: Vec<Option<Vec<f32>>> = vec![None; inputs];
    for (at, item) in body.data.into_iter().enumerate() {
        let vector = read_vector(item.embedding)?;
        let place = places.get_mut(item.index.unwrap_or(at));
        match place {
            Some(place @ None) => *place = Some(vector),
            _ => return Err(CodecError::garbled("a vector of no input")),
        }
    }
    let vectors: Vec<Vec<f32>> = places.into_iter().flatten().collect();
    let length = vectors.first().map_or(0, Vec::len);
    if vectors.iter().any(|vector| vector.len() != length) {
        return Err(CodecError::garbled("vectors of several lengths"));
    }
    let usage = body.usage.and_then(|usage| {
        let input = usage.prompt_tokens.or(usage.total_tokens)?;
        Usage {
            input,
            ..Usage::default()
        }
        .if_possible()
    });
    Ok(EmbedAnswer {
        model: body.model.unwrap_or_default(),
        vectors,
        usage,
    })
}

fn read_vector(vector: Vector) -> Result<Vec<f32>, CodecError> {
    let floats = match vector {
        Vector::Floats(floats) => floats,
        Vector::Base64(text) => {
            let bytes = STANDARD
                .decode(text)
                .map_err(|_| CodecError::garbled("a vector is no base64"))?;
            let (whole, rest) = bytes.as_chunks::<4>();
            if !rest.is_empty() {
                return Err(CodecError::garbled("a vector is cut"));
            }
            whole.iter().map(|four| f32::from_le_bytes(*four)).collect()
        }
    };
    if floats.is_empty() || floats.len() > LONGEST_VECTOR {
        return Err(CodecError::garbled("a vector of no good length"));
    }
    if floats.iter().any(|x| !x.is_finite()) {
        return Err(CodecError::garbled("a vector is not finite"));
    }
    Ok(floats)
}
