//! `GET /v1/models` and `GET /v1/models/{model}`.
//!
//! Source: <https://platform.openai.com/docs/api-reference/models>.

use serde_json::{Value, json};

/// A model as the list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelCard {
    /// The public name.
    pub id: String,
    /// Seconds since 1970.
    pub created: i64,
    /// Who runs it.
    pub owned_by: String,
}

/// Writes one model.
pub fn write_model(card: &ModelCard) -> Value {
    json!({"id": card.id, "object": "model", "created": card.created, "owned_by": card.owned_by})
}

/// Writes the list.
pub fn write_models(cards: &[ModelCard]) -> Value {
    let data: Vec<Value> = cards.iter().map(write_model).collect();
    json!({"object": "list", "data": data})
}
