//! What a message says, as servers of this protocol tell it: a text, or the parts of one.
//!
//! Mistral's models tell parts while they think: <https://docs.mistral.ai/capabilities/reasoning/>.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde_json::Value;

/// The words of a message, and what was thought with them.
#[derive(Debug)]
pub(super) struct Content<'a> {
    /// Where they are a text that has no escapes, it stands in what was read.
    pub(super) words: Cow<'a, str>,
    /// What its parts say that are thoughts.
    pub(super) thought: String,
}

impl<'a> From<Cow<'a, str>> for Content<'a> {
    fn from(words: Cow<'a, str>) -> Self {
        Self {
            words,
            thought: String::new(),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader(PhantomData))
    }
}

struct Reader<'a>(PhantomData<&'a ()>);

impl<'de: 'a, 'a> Visitor<'de> for Reader<'a> {
    type Value = Content<'a>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a text or its parts")
    }

    fn visit_borrowed_str<E: Error>(self, words: &'de str) -> Result<Content<'a>, E> {
        Ok(Cow::Borrowed(words).into())
    }

    fn visit_str<E: Error>(self, words: &str) -> Result<Content<'a>, E> {
        Ok(Cow::<str>::Owned(words.to_owned()).into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Content<'a>, A::Error> {
        let (mut words, mut thought) = (String::new(), String::new());
        while let Some(part) = parts.next_element::<Value>()? {
            match part.get("type").and_then(Value::as_str) {
                Some("text") => words.push_str(text(&part)),
                Some("thinking") => match part.get("thinking") {
                    Some(Value::String(all)) => thought.push_str(all),
                    Some(Value::Array(pieces)) => thought.extend(pieces.iter().map(text)),
                    _ => {}
                },
                _ => {} // references to what it has read, and what is yet to be invented
            }
        }
        Ok(Content {
            words: Cow::Owned(words),
            thought,
        })
    }
}

fn text(part: &Value) -> &str {
    part.get("text").and_then(Value::as_str).unwrap_or_default()
}
