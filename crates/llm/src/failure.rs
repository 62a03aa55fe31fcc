//! What a provider's refusal says.

use serde_json::Value;

use crate::error::{CodecError, is_lasting, passing};
use crate::{bedrock, openai};

/// A refusal of a provider by status, with what its words and headers say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The HTTP status.
    pub status: u16,
    /// The provider's words. For logs, not for the person who waits: they may name accounts.
    pub message: String,
    /// The provider's code or type, where it gives one; see [`read_refusal`].
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

/// How refusals begin whose meaning only their words tell: they come with 400 and no code but that. Beside each is the code that
/// OpenAI or Anthropic has for the same. Only the beginning counts, since further on a message may repeat what it was sent.
const KNOWN_BY_WORDS: [(&str, &str); 11] = [
    // about our account; Anthropic: https://platform.claude.com/docs/en/api/errors, and as seen in anthropics/claude-code#66314, #38035 and #19028
    ("Your credit balance is too low", "billing_error"),
    ("You have reached your specified", "billing_error"),
    ("This organization has been disabled", "account_deactivated"),
    // Gemini: https://ai.google.dev/gemini-api/docs/troubleshooting, and google-gemini/gemini-cli#24641
    (
        "User location is not supported for the API use",
        "unsupported_country_region_territory",
    ),
    (
        "Gemini API free tier is not available in your country",
        "unsupported_country_region_territory",
    ),
    // xAI: as seen in openai/codex#1352
    ("Incorrect API key provided", "invalid_api_key"),
    // longer than the model reads; Anthropic, as seen in anthropics/claude-code#86507
    ("prompt is too long", TOO_LONG),
    (
        "input length and `max_tokens` exceed context limit",
        TOO_LONG,
    ),
    // Bedrock, vLLM and Gemini
    ("Input is too long for requested model", TOO_LONG),
    ("This model's maximum context length is", TOO_LONG),
    ("The input token count", TOO_LONG),
];
const TOO_LONG: &str = "context_length_exceeded";

impl Failure {
    /// Reads a refusal. `code` is what a header says of its kind (`x-amzn-errortype`), `retry_after` the header of that
    /// name, of which only seconds are read: a date needs a clock.
    pub fn read(status: u16, code: Option<&str>, retry_after: Option<&str>, body: &[u8]) -> Self {
        let (message, told) = match read_refusal(body) {
            Some(CodecError::Upstream { message, code }) => (message, code),
            _ => ("no message".to_owned(), None),
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

/// What the body of a refusal says, in any provider's protocol; none where it reports no failure. Its code is the provider's, or where
/// only its words tell that it is about our account there or too long for the model, what others call that.
pub fn read_refusal(body: &[u8]) -> Option<CodecError> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let body = match body {
        // Gemini puts it into a list at its door of OpenAI's protocol
        Value::Array(mut list) if list.len() == 1 => list.pop()?,
        body => body,
    };
    let text = body.to_string();
    let read = [
        openai::decode(text.as_bytes()),
        bedrock::decode(text.as_bytes(), ""),
    ];
    let told = read.into_iter().find_map(|read| match read {
        Err(CodecError::Upstream { message, code }) => Some((message, code)),
        _ => None,
    });
    let (message, code) = told?;
    let code = by_words(&body, &message).map_or(code, |code| Some(code.to_owned()));
    Some(CodecError::Upstream { message, code })
}

/// A code for what says by its words what it is about, or by a reason as Google gives it
/// (<https://google.aip.dev/193>).
fn by_words(body: &Value, message: &str) -> Option<&'static str> {
    let details = body.pointer("/error/details").and_then(Value::as_array);
    let mut reasons = details.into_iter().flatten().map(|one| one.get("reason"));
    if reasons.any(|reason| reason.and_then(Value::as_str) == Some("API_KEY_INVALID")) {
        return Some("invalid_api_key");
    }
    let mut known = KNOWN_BY_WORDS.iter();
    let (_, code) = known.find(|(beginning, _)| message.starts_with(beginning))?;
    Some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_of(body: &str) -> Option<String> {
        match read_refusal(body.as_bytes()) {
            Some(CodecError::Upstream { code, .. }) => code,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_has_no_code_is_known_by_the_providers_own_words() {
        for (body, code) in [
            (
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits."},"request_id":"req_1"}"#,
                "billing_error",
            ),
            (
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"You have reached your specified API usage limits. You will regain access on 2026-04-01 at 00:00 UTC."}}"#,
                "billing_error",
            ),
            (
                r#"[{"error":{"code":400,"message":"API Key not found. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"},{"@type":"type.googleapis.com/google.rpc.LocalizedMessage"}]}}]"#,
                "invalid_api_key",
            ),
            (
                r#"{"error":{"code":400,"message":"User location is not supported for the API use.","status":"FAILED_PRECONDITION"}}"#,
                "unsupported_country_region_territory",
            ),
            (
                r#"{"code":"Client specified an invalid argument","error":"Incorrect API key provided: sk***gA. You can obtain an API key from https://console.x.ai."}"#,
                "invalid_api_key",
            ),
            (
                r#"{"error":{"code":"billing_hard_limit_reached","message":"Billing hard limit has been reached","param":null,"type":"invalid_request_error"}}"#,
                "billing_hard_limit_reached",
            ),
            (
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 200012 tokens > 200000 maximum"}}"#,
                TOO_LONG,
            ),
            (
                r#"{"object":"error","message":"This model's maximum context length is 8192 tokens. However, your request has 9000 input tokens.","type":"BadRequestError","param":null,"code":400}"#,
                TOO_LONG,
            ),
            (
                r#"{"message":"Input is too long for requested model."}"#,
                TOO_LONG,
            ),
        ] {
            assert_eq!(code_of(body).as_deref(), Some(code), "{body}");
        }
    }

    #[test]
    fn what_a_caller_wrote_says_nothing_of_our_account() {
        for (body, code) in [
            (
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"messages.0: unexpected value 'Your credit balance is too low to access the Anthropic API'"}}"#,
                Some("invalid_request_error"),
            ),
            (
                r#"[{"error":{"code":400,"message":"Invalid JSON payload received. Unknown name \"API_KEY_INVALID\"","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"description":"API_KEY_INVALID","reason":"API_KEY_INVALID"}]}]}}]"#,
                Some("400"),
            ),
            (
                r#"{"message":"The model returned: Incorrect API key provided"}"#,
                None,
            ),
        ] {
            assert_eq!(code_of(body).as_deref(), code, "{body}");
        }
    }

    #[test]
    fn what_reports_no_failure_says_nothing() {
        for body in ["", "<html>", "[]", "[{},{}]", "[1]", "null", r#"{"a":1}"#] {
            assert_eq!(read_refusal(body.as_bytes()), None, "{body}");
        }
    }
}
