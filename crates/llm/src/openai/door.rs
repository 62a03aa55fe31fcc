//! The doors that speak this protocol: what comes in is read here, what goes out is written here.

mod answer;
mod chat;
mod completion;
mod embed;
mod models;
mod responses;
mod responses_answer;
mod responses_thoughts;
mod responses_tools;

use serde_json::{Value, json};

use crate::{Refusal, RefusalKind};

pub use answer::ChatWriter;
pub(crate) use chat::message as read_message;
pub use chat::{ChatAsk, read_chat};
pub use completion::{CompletionAsk, read_completion};
pub use embed::{EmbedAsk, Encoding, read_embed, write_embed};
pub use models::{ModelCard, write_model, write_models};
pub use responses::{ResponseAsk, ResponseCard, SaidBefore, read_references, read_response};
pub use responses_answer::{ResponseState, ResponseWriter, said_in};

/// The status of a refusal at these doors.
pub fn status(refusal: &Refusal) -> u16 {
    refusal.kind.status()
}

/// Writes a refusal: `{"error": {"message", "type", "param", "code"}}`.
///
/// Source: <https://platform.openai.com/docs/guides/error-codes>.
pub fn refuse(refusal: &Refusal) -> Value {
    let (kind, code) = match refusal.kind {
        RefusalKind::Invalid | RefusalKind::TooLarge => ("invalid_request_error", None),
        RefusalKind::Unauthenticated => ("invalid_request_error", Some("invalid_api_key")),
        RefusalKind::Forbidden => ("invalid_request_error", Some("permission_denied")),
        RefusalKind::NotFound => ("invalid_request_error", Some("not_found")),
        RefusalKind::Conflict => ("invalid_request_error", Some("conflict")),
        RefusalKind::RateLimited => ("requests", Some("rate_limit_exceeded")),
        RefusalKind::OutOfQuota => ("insufficient_quota", Some("insufficient_quota")),
        RefusalKind::Internal => ("server_error", None),
        RefusalKind::Upstream => ("server_error", Some("upstream_failed")),
        RefusalKind::Overloaded => ("server_error", Some("overloaded")),
        RefusalKind::TimedOut => ("server_error", Some("timeout")),
    };
    let code = refusal.code.as_deref().or(code);
    json!({"error": {"message": refusal.message, "type": kind, "param": refusal.pointer, "code": code}})
}
