//! The door `/v1/messages` and `/v1/messages/count_tokens`, and `/v1/models` as this vendor writes it.
//!
//! Source: <https://platform.claude.com/docs/en/api/messages> and <https://platform.claude.com/docs/en/api/errors>.

mod answer;
mod models;
mod read;

use serde_json::{Value, json};

use crate::{Refusal, RefusalKind};

pub use answer::{MessageWriter, PING, write_count};
pub use models::{write_model, write_models};
pub use read::{read_count, read_messages};

/// The status of a refusal at this door, which has one of its own for «overloaded».
pub fn status(refusal: &Refusal) -> u16 {
    match refusal.kind {
        RefusalKind::Overloaded => 529,
        kind => kind.status(),
    }
}

/// Writes a refusal: `{"type": "error", "error": {"type", "message"}}`.
pub fn refuse(refusal: &Refusal, request_id: Option<&str>) -> Value {
    let kind = match refusal.kind {
        RefusalKind::Invalid | RefusalKind::Conflict => "invalid_request_error",
        RefusalKind::TooLarge => "request_too_large",
        RefusalKind::Unauthenticated => "authentication_error",
        RefusalKind::Forbidden => "permission_error",
        RefusalKind::NotFound => "not_found_error",
        RefusalKind::RateLimited | RefusalKind::OutOfQuota => "rate_limit_error",
        RefusalKind::Internal | RefusalKind::Upstream => "api_error",
        RefusalKind::Overloaded => "overloaded_error",
        RefusalKind::TimedOut => "timeout_error",
    };
    json!({
        "type": "error", "error": {"type": kind, "message": refusal.placed()},
        "request_id": request_id,
    })
}
