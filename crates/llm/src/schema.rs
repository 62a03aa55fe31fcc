//! Whether a JSON Schema is one (2020-12, the part that models are given).
//!
//! Source: <https://json-schema.org/draft/2020-12/json-schema-core>. Unknown keywords are allowed, as the standard wants.

use crate::Refusal;
use crate::json::Node;

const TYPES: [&str; 7] = [
    "array", "boolean", "integer", "null", "number", "object", "string",
];

/// Checks a schema of the arguments of a tool: it has to describe an object.
pub(crate) fn object(node: &Node) -> Result<(), Refusal> {
    check(node)?;
    match node.opt("type")? {
        Some(kind) if kind.value != "object" => {
            Err(kind.fail("The arguments of a tool have to be an object."))
        }
        _ => Ok(()),
    }
}

/// Checks any schema.
pub(crate) fn check(node: &Node) -> Result<(), Refusal> {
    if node.value.is_boolean() {
        return Ok(());
    }
    node.object().map_err(|_| {
        node.fail("A schema has to be an object.")
            .coded("invalid_schema")
    })?;
    types(node)?;
    for name in ["properties", "$defs", "definitions", "patternProperties"] {
        if let Some(inner) = node.opt(name)? {
            for key in inner.object()?.keys() {
                if let Some(schema) = inner.opt(key)? {
                    check(&schema)?;
                }
            }
        }
    }
    for name in ["anyOf", "oneOf", "allOf", "prefixItems"] {
        if let Some(inner) = node.opt(name)? {
            for schema in inner.items(1, 1_000)? {
                check(&schema)?;
            }
        }
    }
    for name in ["items", "additionalProperties", "not", "contains"] {
        if let Some(inner) = node.opt(name)?
            && !(name == "items" && inner.value.is_array())
        {
            check(&inner)?;
        }
    }
    if let Some(required) = node.opt("required")? {
        for name in required.items(0, 10_000)? {
            name.text()?;
        }
    }
    if let Some(choices) = node.opt("enum")? {
        choices.items(1, 10_000)?;
    }
    for name in ["$ref", "description", "title", "pattern", "format"] {
        if let Some(text) = node.opt(name)? {
            text.text()?;
        }
    }
    Ok(())
}

fn types(node: &Node) -> Result<(), Refusal> {
    let Some(kind) = node.opt("type")? else {
        return Ok(());
    };
    let kinds = if kind.value.is_array() {
        kind.items(1, TYPES.len())?
    } else {
        vec![kind]
    };
    for kind in kinds {
        if !TYPES.contains(&kind.text()?) {
            return Err(kind
                .fail(format!("This has to be one of {}.", TYPES.join(", ")))
                .coded("invalid_schema"));
        }
    }
    Ok(())
}
