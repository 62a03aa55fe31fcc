//! `GET /v1/models` and `GET /v1/models/{model}`, for whoever speaks this protocol.
//!
//! Source: <https://platform.claude.com/docs/en/api/models/list>.

use serde_json::{Value, json};
use url::form_urlencoded;

use crate::Refusal;
use crate::openai::door::ModelCard;

/// The most models of one page, and as many as come where nobody says how many.
const MOST: usize = 1_000;

/// Writes one model. Nobody knows when it was made, which this protocol says by the beginning of time; what is listed can be asked.
pub fn write_model(card: &ModelCard) -> Value {
    json!({
        "type": "model", "id": card.id, "display_name": card.id, "created_at": "1970-01-01T00:00:00Z",
        "lifecycle": "active",
    })
}

/// Writes the page of the list that a query asks for by `limit`, `after_id` and `before_id`.
pub fn write_models(cards: &[ModelCard], query: &str) -> Result<Value, Refusal> {
    let (mut limit, mut from, mut to, mut is_before) = (MOST, 0, cards.len(), false);
    let place = |id: &str| cards.iter().position(|card| card.id == id);
    let unknown = |name| Refusal::at(name, "There is no such model.");
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match name.as_ref() {
            "limit" => {
                let said = value.parse().ok().filter(|said| (1..=MOST).contains(said));
                limit = said.ok_or_else(|| {
                    Refusal::at("/limit", format!("This has to be from 1 to {MOST}."))
                })?;
            }
            "after_id" => from = place(&value).ok_or_else(|| unknown("/after_id"))? + 1,
            "before_id" => {
                to = place(&value).ok_or_else(|| unknown("/before_id"))?;
                is_before = true;
            }
            _ => {}
        }
    }
    let all = cards.get(from..to).unwrap_or_default();
    let cut = all.len().saturating_sub(limit);
    let page = if is_before {
        all.get(cut..)
    } else {
        all.get(..all.len() - cut)
    };
    let page = page.unwrap_or_default();
    Ok(json!({
        "data": page.iter().map(write_model).collect::<Vec<_>>(), "has_more": cut > 0,
        "first_id": page.first().map(|card| &card.id), "last_id": page.last().map(|card| &card.id),
    }))
}
