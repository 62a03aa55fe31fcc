//! What a provider's refusal says.

use crate::error::{CodecError, is_lasting, passing};
use crate::{bedrock, openai};

/// A refusal of a provider by status, with what its words and headers say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The HTTP status.
    pub status: u16,
    /// The provider's words. For logs, not for the person who waits: they may name accounts.
    pub message: String,
    /// The provider's code or type, where it gives one.
    pub code: Option<String>,
    /// Whether the same request may succeed later or at another target.
    pub retryable: bool,
    /// Seconds to wait before that, where the provider says so.
    pub retry_after: Option<u64>,
}

/// The most characters kept of a provider's words.
const LONGEST_MESSAGE: usize = 500;
/// The longest wait that is believed, in seconds.
const LONGEST_WAIT: u64 = 86_400;

impl Failure {
    /// Reads a refusal. `code` is what a header says of its kind (`x-amzn-errortype`), `retry_after` the header of that
    /// name, of which only seconds are read: a date needs a clock.
    pub fn read(status: u16, code: Option<&str>, retry_after: Option<&str>, body: &[u8]) -> Self {
        let (message, told) = match openai::decode(body) {
            Err(CodecError::Upstream { message, code }) => (message, code),
            _ => match bedrock::decode(body, "") {
                Err(CodecError::Upstream { message, code }) => (message, code),
                _ => ("no message".to_owned(), None),
            },
        };
        let code = code
            .map(|code| bedrock::kind_name(code).to_owned())
            .or(told);
        let lasting = code.as_deref().is_some_and(is_lasting);
        Self {
            status,
            message: message.chars().take(LONGEST_MESSAGE).collect(),
            retryable: passing(status) && !lasting,
            code,
            retry_after: retry_after
                .and_then(|text| text.trim().parse::<f64>().ok())
                .filter(|seconds| seconds.is_finite() && *seconds >= 0.0)
                .and_then(|seconds| format!("{:.0}", seconds.ceil()).parse().ok())
                .map(|seconds: u64| seconds.min(LONGEST_WAIT)),
        }
    }
}
