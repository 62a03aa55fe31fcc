//! What the doors read: JSON that means one thing only (RFC 8259, RFC 6901), and small enough to hold.
//!
//! Readers disagree about duplicate keys, so that a body with them could be checked as one request and run as another.

use std::cell::{Cell, RefCell};
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::{Refusal, RefusalKind};

/// The largest body, in bytes. Pictures travel inside.
pub const BODY_LIMIT: usize = 20 * 1024 * 1024;
/// How deep values may lie in each other.
pub const DEPTH_LIMIT: usize = 64;
/// The most values in one body.
const VALUE_LIMIT: usize = 500_000;

/// Reads a body strictly.
pub fn read(body: &[u8]) -> Result<Value, Refusal> {
    if body.len() > BODY_LIMIT {
        return Err(Refusal::new(
            RefusalKind::TooLarge,
            "The body is larger than 20 MiB.",
        ));
    }
    let text = std::str::from_utf8(body)
        .map_err(|_| Refusal::new(RefusalKind::Invalid, "The body is not UTF-8."))?;
    let trail = Trail::default();
    let mut parser = serde_json::Deserializer::from_str(text);
    let value = Strict {
        trail: &trail,
        depth: 0,
    }
    .deserialize(&mut parser)
    .and_then(|value| parser.end().map(|()| value));
    value.map_err(|error| Refusal {
        pointer: Some(trail.pointer()),
        ..Refusal::new(
            RefusalKind::Invalid,
            format!("The body is no good JSON: {error}."),
        )
        .coded("invalid_json")
    })
}

/// How much was read, and the way out from the place of a fault.
#[derive(Default)]
struct Trail {
    path: RefCell<Vec<String>>,
    values: Cell<usize>,
}

impl Trail {
    fn pointer(&self) -> String {
        let path = self.path.borrow();
        let steps = path.iter().rev();
        steps.fold(String::new(), |at, step| below(&at, step))
    }

    /// A fault lies below this step.
    fn fault<E>(&self, step: impl Into<String>, error: E) -> E {
        self.path.borrow_mut().push(step.into());
        error
    }
}

/// Adds a step to a pointer.
pub(crate) fn below(pointer: &str, step: &str) -> String {
    let mut below = String::with_capacity(pointer.len() + 1 + step.len());
    below.push_str(pointer);
    below.push('/');
    for c in step.chars() {
        match c {
            '~' => below.push_str("~0"),
            '/' => below.push_str("~1"),
            c => below.push(c),
        }
    }
    below
}

#[derive(Clone, Copy)]
struct Strict<'a> {
    trail: &'a Trail,
    depth: usize,
}

impl Strict<'_> {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth >= DEPTH_LIMIT {
            return Err(E::custom(format!("deeper than {DEPTH_LIMIT} levels")));
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }
}

fn clean<E: serde::de::Error>(text: &str) -> Result<(), E> {
    if text.contains('\0') {
        return Err(E::custom("a NUL character in a string"));
    }
    Ok(())
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        let values = self.trail.values.get() + 1;
        if values > VALUE_LIMIT {
            return Err(D::Error::custom(format!("more than {VALUE_LIMIT} values")));
        }
        self.trail.values.set(values);
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Value, E> {
        clean(text)?;
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E: serde::de::Error>(self, text: String) -> Result<Value, E> {
        clean(&text)?;
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = from
            .next_element_seed(inner)
            .map_err(|error| self.trail.fault(items.len().to_string(), error))?
        {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut fields = Map::new();
        while let Some(key) = from.next_key::<String>()? {
            let mut read = || {
                clean(&key)?;
                if fields.contains_key(&key) {
                    return Err(A::Error::custom("the key stands here twice"));
                }
                from.next_value_seed(inner)
            };
            match read() {
                Ok(value) => fields.insert(key, value),
                Err(error) => return Err(self.trail.fault(key, error)),
            };
        }
        Ok(Value::Object(fields))
    }
}

/// A value of a body together with its place.
#[derive(Clone)]
pub(crate) struct Node<'a> {
    pub(crate) value: &'a Value,
    at: String,
}

impl<'a> Node<'a> {
    /// Starts at the whole body, which has to be an object.
    pub(crate) fn root(value: &'a Value) -> Result<Self, Refusal> {
        let node = Self {
            value,
            at: String::new(),
        };
        node.object()?;
        Ok(node)
    }

    pub(crate) fn fail(&self, message: impl Into<String>) -> Refusal {
        Refusal::at(self.at.clone(), message)
    }

    pub(crate) fn object(&self) -> Result<&'a Map<String, Value>, Refusal> {
        self.value
            .as_object()
            .ok_or_else(|| self.fail("This has to be an object."))
    }

    /// Gives a field of an object; null is as good as absent.
    pub(crate) fn opt(&self, name: &str) -> Result<Option<Self>, Refusal> {
        let value = self.object()?.get(name).filter(|value| !value.is_null());
        Ok(value.map(|value| Self {
            value,
            at: below(&self.at, name),
        }))
    }

    /// Gives a field that has to be there.
    pub(crate) fn need(&self, name: &str) -> Result<Self, Refusal> {
        self.opt(name)?.ok_or_else(|| {
            Refusal::at(below(&self.at, name), "This is required.")
                .coded("missing_required_parameter")
        })
    }

    pub(crate) fn text(&self) -> Result<&'a str, Refusal> {
        self.value
            .as_str()
            .ok_or_else(|| self.fail("This has to be a string.").coded("invalid_type"))
    }

    /// Gives a string of 1 to `most` characters.
    pub(crate) fn name(&self, most: usize) -> Result<String, Refusal> {
        let text = self.text()?;
        if text.is_empty() || text.chars().nth(most).is_some() {
            return Err(self.fail(format!("This has to have 1 to {most} characters.")));
        }
        Ok(text.to_owned())
    }

    pub(crate) fn flag(&self) -> Result<bool, Refusal> {
        self.value.as_bool().ok_or_else(|| {
            self.fail("This has to be true or false.")
                .coded("invalid_type")
        })
    }

    pub(crate) fn int(&self, least: i64, most: i64) -> Result<i64, Refusal> {
        let Some(number) = self.value.as_i64() else {
            let message = if self.value.is_number() {
                format!("This has to be a whole number from {least} to {most}.")
            } else {
                "This has to be a whole number.".to_owned()
            };
            return Err(self.fail(message).coded("invalid_type"));
        };
        if (least..=most).contains(&number) {
            Ok(number)
        } else {
            Err(self
                .fail(format!("This has to be from {least} to {most}."))
                .coded("invalid_value"))
        }
    }

    pub(crate) fn float(&self, least: f64, most: f64) -> Result<f64, Refusal> {
        let Some(number) = self.value.as_f64() else {
            return Err(self.fail("This has to be a number.").coded("invalid_type"));
        };
        if (least..=most).contains(&number) {
            Ok(number)
        } else {
            Err(self
                .fail(format!("This has to be from {least} to {most}."))
                .coded("invalid_value"))
        }
    }

    /// Gives the items of an array of `least` to `most`.
    pub(crate) fn items(&self, least: usize, most: usize) -> Result<Vec<Self>, Refusal> {
        let Some(items) = self.value.as_array() else {
            return Err(self.fail("This has to be an array.").coded("invalid_type"));
        };
        if !(least..=most).contains(&items.len()) {
            return Err(self
                .fail(format!("This has to have {least} to {most} items."))
                .coded("invalid_value"));
        }
        Ok(items
            .iter()
            .enumerate()
            .map(|(index, value)| Self {
                value,
                at: below(&self.at, &index.to_string()),
            })
            .collect())
    }

    /// Gives the `type` of a tagged object.
    pub(crate) fn kind(&self) -> Result<&'a str, Refusal> {
        self.need("type")?.text()
    }

    /// Refuses the `type` of a tagged object.
    pub(crate) fn unknown_kind(&self, known: &str) -> Refusal {
        Refusal::at(below(&self.at, "type"), format!("This has to be {known}."))
            .coded("invalid_value")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(body: &str) -> Option<String> {
        read(body.as_bytes()).unwrap_err().pointer
    }

    #[test]
    fn good_json_is_read_as_it_is() {
        let body = r#"{"a":[1,-2,3.5,true,null,"あ\n\ud83c\udf76"],"b":{"":{}}}"#;
        assert_eq!(
            read(body.as_bytes()).unwrap(),
            serde_json::from_str::<Value>(body).unwrap()
        );
    }

    #[test]
    fn a_key_twice_is_refused_at_its_place() {
        assert_eq!(
            place(r#"{"a":[{"x/y":1,"x/y":2}]}"#).as_deref(),
            Some("/a/0/x~1y")
        );
        assert_eq!(place(r#"{"a":1,"\u0061":2}"#).as_deref(), Some("/a"));
    }

    #[test]
    fn depth_has_an_end() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(read(nested(64).as_bytes()).is_ok());
        assert!(read(nested(65).as_bytes()).is_err());
        assert!(read("[".repeat(100_000).as_bytes()).is_err());
    }

    #[test]
    fn characters_that_nothing_can_store_are_refused() {
        for body in [
            r#"{"a":"\u0000"}"#,
            r#"{"a\u0000":1}"#,
            r#"{"a":"\ud800"}"#,
            r#"{"a":"\udc00x"}"#,
        ] {
            assert!(read(body.as_bytes()).is_err(), "{body}");
        }
        assert!(read(b"{\"a\":\"\xff\"}").is_err());
    }

    #[test]
    fn more_than_one_value_and_numbers_without_end_are_refused() {
        for body in ["{} {}", "", "{", "1e999", "NaN", "{'a':1}"] {
            assert!(read(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn size_has_an_end() {
        let body = vec![b' '; BODY_LIMIT + 1];
        assert_eq!(read(&body).unwrap_err().kind, RefusalKind::TooLarge);
        let many = format!("[{}0]", "0,".repeat(VALUE_LIMIT));
        assert!(read(many.as_bytes()).is_err());
    }
}
