//! The chat protocol of OpenAI, which vLLM, llama.cpp, Ollama, Together, Hugging Face's router and most others speak too.
//!
//! Source: <https://platform.openai.com/docs/api-reference/chat>.
//!
//! Reads generously (fields may be missing, null or unknown) and writes plainly (nothing that an older server refuses).

mod calls;
mod content;
pub mod door;
mod embed;
pub mod responses;
mod stream;
mod write;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ChatAnswer, ChatRequest, CodecError, Finish, Thought, TokenLogprob, Usage};

use calls::WireCall;
use content::Content;

pub use embed::{decode_embed, encode_embed};
pub use stream::StreamDecoder;

/// How one server's protocol differs from the common one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dialect {
    /// Calls the limit `max_completion_tokens`, as OpenAI's reasoning models want it. Others know only `max_tokens`.
    pub max_completion_tokens: bool,
    /// When a stream tells its count.
    pub counts: Counts,
    /// Where a thought stands that is handed back to it; without, none is.
    pub thoughts: Option<ThoughtField>,
    /// Whether it is handed back what was told beside calls (`extra_content`). Others refuse fields that they don't know.
    pub extra_content: bool,
}

/// Where a server reads what its model thought before, in a message of the model. OpenAI's own refuses fields that it doesn't know.
///
/// Sources: <https://api-docs.deepseek.com/guides/thinking_mode>, <https://docs.vllm.ai/en/latest/features/reasoning_outputs/>.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThoughtField {
    /// DeepSeek's, which asks for it after calls of tools, and `LiteLLM`'s.
    ReasoningContent,
    /// That of OpenRouter and of today's vLLM.
    Reasoning,
}

impl ThoughtField {
    /// As it stands in a message.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReasoningContent => "reasoning_content",
            Self::Reasoning => "reasoning",
        }
    }
}

/// When a server tells what a stream has cost so far, and how it is asked to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Counts {
    /// At the end, as OpenAI does: a stream that is stopped before is counted by nobody.
    #[default]
    End,
    /// In each chunk, as vLLM and SGLang do when asked by `continuous_usage_stats`.
    Chunks,
    /// In each chunk beside how long it took, as llama.cpp does when asked by `timings_per_token`.
    Timings,
}

/// Writes the body of a request in the common dialect.
pub fn encode(request: &ChatRequest) -> Value {
    Dialect::default().encode(request)
}

/// Reads a whole answer, or the provider's report of a failure, which has the same place in a body of any status.
pub fn decode(body: &[u8]) -> Result<ChatAnswer, CodecError> {
    let text = std::str::from_utf8(body).map_err(|_| CodecError::garbled("not UTF-8"))?;
    let wire: Wire = parse(text)?;
    if let Some(error) = wire.error() {
        return Err(error);
    }
    let usage = wire.usage();
    let Some(choice) = wire.choices.into_iter().flatten().find(Choice::is_first) else {
        return Err(CodecError::garbled("no choice"));
    };
    let finish = choice.finish().unwrap_or(Finish::Other);
    let logprobs = choice.logprobs();
    let Some(message) = choice.message else {
        return Err(CodecError::garbled("no message"));
    };
    let refused = message
        .refusal
        .as_ref()
        .is_some_and(|text| !text.as_str().is_empty());
    let thought = message.thought().map(|text| Thought::Open {
        text: text.to_owned(),
        signature: None,
    });
    let calls = calls::whole(message.tool_calls.unwrap_or_default())?;
    Ok(ChatAnswer {
        thoughts: thought.into_iter().map(Into::into).collect(),
        text: message
            .content
            .map(|content| content.words)
            .or(message.refusal.map(|refusal| refusal.0))
            .map(Cow::into_owned)
            .unwrap_or_default(),
        logprobs,
        finish: ended(finish, refused, !calls.is_empty()),
        calls,
        model: wire.model.map(Text::into_owned).unwrap_or_default(),
        usage,
    })
}

/// Reads JSON, a provider's or a part of it.
pub(crate) fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, CodecError> {
    // The category and place only: the parser's own words may quote the answer.
    serde_json::from_str(text).map_err(|error| {
        let kind = error.classify();
        CodecError::garbled(format!("JSON {kind:?} error at column {}", error.column()))
    })
}

/// A string of JSON, where nothing is written in escapes as it stands there.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

impl Text<'_> {
    fn as_str(&self) -> &str {
        &self.0
    }

    fn into_owned(self) -> String {
        self.0.into_owned()
    }
}

/// A body or a chunk: the two differ in one field.
#[derive(Debug, Deserialize)]
struct Wire<'a> {
    error: Option<Value>,
    object: Option<Value>,
    message: Option<Value>,
    code: Option<Value>,
    #[serde(borrow)]
    model: Option<Text<'a>>,
    #[serde(borrow)]
    choices: Option<Vec<Choice<'a>>>,
    usage: Option<Value>,
    timings: Option<Timings>,
}

/// How llama.cpp tells its count.
#[derive(Debug, Clone, Copy, Deserialize)]
#[expect(clippy::struct_field_names, reason = "the names of the protocol")]
struct Timings {
    /// Read anew. Older servers don't say what they knew already, and then this is no count of what was read.
    prompt_n: Option<u64>,
    cache_n: Option<u64>,
    predicted_n: Option<u64>,
}

impl Timings {
    fn usage(self) -> Option<Usage> {
        let cached = self.cache_n?;
        Usage {
            input: self.prompt_n?.saturating_add(cached),
            output: self.predicted_n?,
            cached,
            written: 0,
            thought: 0,
        }
        .if_possible()
    }
}

#[derive(Debug, Deserialize)]
struct Choice<'a> {
    index: Option<u64>,
    #[serde(borrow)]
    message: Option<Spoken<'a>>,
    #[serde(borrow)]
    delta: Option<Spoken<'a>>,
    #[serde(borrow)]
    finish_reason: Option<Text<'a>>,
    logprobs: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Spoken<'a> {
    #[serde(borrow)]
    content: Option<Content<'a>>,
    /// What the model says instead when it won't answer.
    #[serde(borrow)]
    refusal: Option<Text<'a>>,
    /// What the model thinks, as DeepSeek and LiteLLM call it, and vLLM did.
    reasoning_content: Option<Value>,
    /// The same as OpenRouter, Together, Ollama and today's vLLM call it; some servers send both.
    reasoning: Option<Value>,
    tool_calls: Option<Vec<WireCall>>,
}

impl Spoken<'_> {
    /// What it thinks, where a server tells that.
    fn thought(&self) -> Option<&str> {
        let told = [&self.reasoning_content, &self.reasoning].into_iter();
        let texts = told.filter_map(|field| field.as_ref()?.as_str());
        let parts = self.content.as_ref();
        let mut texts = texts.chain(parts.map(|content| content.thought.as_str()));
        texts.find(|text| !text.is_empty())
    }
}

impl Wire<'_> {
    fn error(&self) -> Option<CodecError> {
        if let Some(error) = self.error.as_ref().filter(|error| !error.is_null()) {
            return Some(fault(error));
        }
        // Older vLLM puts the error itself where the answer would be.
        if self.object.as_ref().and_then(Value::as_str) == Some("error") {
            return Some(CodecError::Upstream {
                message: self
                    .message
                    .as_ref()
                    .and_then(Value::as_str)
                    .unwrap_or("no message")
                    .to_owned(),
                code: self.code.as_ref().and_then(code_text),
            });
        }
        None
    }

    /// Reads the usage, as all tell it or else as llama.cpp does.
    fn usage(&self) -> Option<Usage> {
        let told = self.usage.as_ref().and_then(Self::told);
        told.or_else(|| self.timings?.usage())
    }

    /// A count that is missing beside one that is there is zero, and none at all is no usage. Some count thoughts beside
    /// `completion_tokens` instead of in it, which their total tells.
    fn told(usage: &Value) -> Option<Usage> {
        let count = |counts: &Value, name| counts.get(name).and_then(Value::as_u64);
        let input = count(usage, "prompt_tokens");
        let said = count(usage, "completion_tokens");
        if input.is_none() && said.is_none() {
            return None;
        }
        let (input, said) = (input.unwrap_or(0), said.unwrap_or(0));
        let detail = |of, name| usage.get(of).and_then(|details| count(details, name));
        let thought = detail("completion_tokens_details", "reasoning_tokens");
        let total = count(usage, "total_tokens").unwrap_or(0);
        let beside = total.saturating_sub(input).saturating_sub(said);
        let beside = beside.min(thought.unwrap_or(beside));
        // DeepSeek's own name, and Moonshot's
        let cached = detail("prompt_tokens_details", "cached_tokens")
            .or_else(|| count(usage, "prompt_cache_hit_tokens"))
            .or_else(|| count(usage, "cached_tokens"));
        Usage {
            input,
            output: said.saturating_add(beside),
            cached: cached.unwrap_or(0),
            written: detail("prompt_tokens_details", "cache_write_tokens").unwrap_or(0),
            thought: thought.unwrap_or(beside),
        }
        .if_possible()
    }
}

impl Choice<'_> {
    /// How likely its tokens were, as far as that is told as the protocol has it.
    fn logprobs(&self) -> Vec<TokenLogprob> {
        let told = self.logprobs.as_ref();
        let lists = ["content", "refusal"].into_iter();
        let lists = lists.filter_map(|name| told?.get(name));
        lists
            .filter_map(|tokens| Vec::<TokenLogprob>::deserialize(tokens).ok())
            .flatten()
            .collect()
    }

    /// Tells whether this is the one answer that was asked for.
    fn is_first(&self) -> bool {
        self.index.unwrap_or(0) == 0
    }

    fn finish(&self) -> Option<Finish> {
        match self.finish_reason.as_ref().map(Text::as_str) {
            None | Some("") => None,
            Some("stop" | "eos" | "end_turn") => Some(Finish::Stop),
            Some("length" | "max_tokens") => Some(Finish::Length),
            Some("tool_calls" | "function_call") => Some(Finish::ToolCalls),
            Some("content_filter") => Some(Finish::ContentFilter),
            Some(_) => Some(Finish::Other),
        }
    }
}

/// Why an answer ended that said or called something. Gemini says `stop` of calls, as OpenAI does of one that had to be, and agents take
/// that for the end: <https://github.com/googleapis/python-genai/issues/2868>.
fn ended(finish: Finish, refused: bool, called: bool) -> Finish {
    match finish {
        Finish::Stop if refused => Finish::ContentFilter,
        Finish::Stop if called => Finish::ToolCalls,
        finish => finish,
    }
}

/// An error object as the failure that it reports.
fn fault(error: &Value) -> CodecError {
    let message = error
        .get("message")
        .and_then(Value::as_str)
        .or_else(|| error.as_str())
        .unwrap_or("no message");
    let code = [error.get("code"), error.get("type")]
        .into_iter()
        .flatten()
        .find_map(code_text);
    CodecError::Upstream {
        message: message.to_owned(),
        code,
    }
}

fn code_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Message;

    fn request(stream: bool) -> ChatRequest {
        ChatRequest {
            model: "m".into(),
            messages: vec![Message::system("s"), Message::user("こんばんは")],
            max_tokens: Some(64),
            temperature: Some(0.7),
            stream,
            ..ChatRequest::default()
        }
    }

    #[test]
    fn a_plain_request_is_written_plainly() {
        assert_eq!(
            encode(&request(false)),
            json!({
                "model": "m",
                "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "こんばんは"}],
                "max_tokens": 64, "temperature": 0.7, "stream": false,
            })
        );
    }

    #[test]
    fn a_streamed_request_asks_for_usage() {
        let body = encode(&request(true));
        assert_eq!(body["stream_options"], json!({ "include_usage": true }));
    }

    #[test]
    fn a_server_is_asked_for_its_count_in_its_own_words() {
        let body = |counts, stream| {
            let dialect = Dialect {
                counts,
                ..Dialect::default()
            };
            dialect.encode(&request(stream))
        };
        let chunks = body(Counts::Chunks, true);
        assert_eq!(
            chunks["stream_options"],
            json!({ "include_usage": true, "continuous_usage_stats": true })
        );
        assert_eq!(chunks.get("timings_per_token"), None);
        let timings = body(Counts::Timings, true);
        assert_eq!(timings["timings_per_token"], json!(true));
        assert_eq!(timings["stream_options"], json!({ "include_usage": true }));
        assert_eq!(body(Counts::Chunks, false), encode(&request(false)));
    }

    #[test]
    fn the_dialect_names_the_limit() {
        let dialect = Dialect {
            max_completion_tokens: true,
            ..Dialect::default()
        };
        let body = dialect.encode(&request(false));
        assert_eq!(body["max_completion_tokens"], json!(64));
        assert_eq!(body.get("max_tokens"), None);
    }

    #[test]
    fn what_was_not_asked_is_not_sent() {
        let body = encode(&ChatRequest {
            max_tokens: None,
            temperature: None,
            ..request(false)
        });
        assert_eq!(body.get("max_tokens"), None);
        assert_eq!(body.get("temperature"), None);
    }

    #[test]
    fn a_whole_answer_is_read() {
        let body = json!({
            "id": "x", "object": "chat.completion", "model": "m-1",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "はい", "refusal": null},
                         "finish_reason": "stop", "logprobs": null}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3},
                      "completion_tokens_details": {"reasoning_tokens": 1}},
        });
        assert_eq!(
            decode(body.to_string().as_bytes()),
            Ok(ChatAnswer {
                thoughts: vec![],
                text: "はい".into(),
                logprobs: vec![],
                calls: vec![],
                model: "m-1".into(),
                usage: Some(Usage {
                    input: 9,
                    output: 2,
                    cached: 4,
                    written: 3,
                    thought: 1,
                }),
                finish: Finish::Stop,
            })
        );
    }

    #[test]
    fn what_came_from_the_cache_is_read_by_every_name() {
        for cached in [
            json!({"prompt_tokens_details": {"cached_tokens": 20}}),
            json!({"prompt_cache_hit_tokens": 20, "prompt_cache_miss_tokens": 12}),
            json!({"cached_tokens": 20}),
            json!({"prompt_tokens_details": {"cached_tokens": 20}, "prompt_cache_hit_tokens": 7}),
        ] {
            let mut usage =
                json!({"prompt_tokens": 32, "completion_tokens": 9, "total_tokens": 41});
            usage
                .as_object_mut()
                .unwrap()
                .extend(cached.as_object().unwrap().clone());
            let body = json!({"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}], "usage": usage});
            let usage = decode(body.to_string().as_bytes()).unwrap().usage.unwrap();
            assert_eq!(
                (usage.input, usage.cached, usage.output),
                (32, 20, 9),
                "{cached}"
            );
        }
    }

    #[test]
    fn thoughts_are_counted_as_written_wherever_a_provider_counts_them() {
        let counted = |usage: Value| {
            let body = json!({"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}], "usage": usage});
            let answer = decode(body.to_string().as_bytes()).unwrap();
            answer
                .usage
                .map(|usage| (usage.input, usage.output, usage.thought))
        };
        let usage = |said: u64, total: u64| json!({"prompt_tokens": 32, "completion_tokens": said, "total_tokens": total});
        let thinking = |said: u64, total: u64| {
            let mut usage = usage(said, total);
            usage["completion_tokens_details"] = json!({"reasoning_tokens": 94});
            usage
        };
        // in what was written, as OpenAI counts; beside it, as xAI does; and beside it without a word, as Gemini does
        assert_eq!(counted(thinking(103, 135)), Some((32, 103, 94)));
        assert_eq!(counted(thinking(9, 135)), Some((32, 103, 94)));
        assert_eq!(counted(usage(9, 135)), Some((32, 103, 94)));
        assert_eq!(counted(usage(9, 41)), Some((32, 9, 0)));
        assert_eq!(
            counted(usage(9, 0)),
            Some((32, 9, 0)),
            "a total that is none"
        );
        assert_eq!(
            counted(thinking(9, 900)),
            Some((32, 103, 94)),
            "a total of more than that"
        );
    }

    #[test]
    fn null_content_and_missing_usage_are_tolerated() {
        let body = r#"{"choices":[{"message":{"content":null,"reasoning_content":"hm"},"finish_reason":"tool_calls"}]}"#;
        assert_eq!(
            decode(body.as_bytes()),
            Ok(ChatAnswer {
                thoughts: vec![
                    Thought::Open {
                        text: "hm".into(),
                        signature: None,
                    }
                    .into()
                ],
                text: String::new(),
                logprobs: vec![],
                calls: vec![],
                model: String::new(),
                usage: None,
                finish: Finish::ToolCalls,
            })
        );
    }

    #[test]
    fn zero_usage_is_usage_and_empty_usage_is_not() {
        for (usage, want) in [
            (
                r#"{"prompt_tokens":0,"completion_tokens":0}"#,
                Some(Usage::default()),
            ),
            ("{}", None),
            ("null", None),
        ] {
            let body =
                format!(r#"{{"choices":[{{"message":{{"content":"a"}}}}],"usage":{usage}}}"#);
            assert_eq!(decode(body.as_bytes()).unwrap().usage, want, "{usage}");
        }
    }

    #[test]
    fn failures_of_every_shape_are_read() {
        for (body, message, code) in [
            (
                r#"{"error":{"message":"slow down","type":"requests","code":"rate_limit_exceeded"}}"#,
                "slow down",
                Some("rate_limit_exceeded"),
            ),
            (
                r#"{"error":{"message":"bad","type":"invalid_request_error","code":null}}"#,
                "bad",
                Some("invalid_request_error"),
            ),
            (
                r#"{"error":{"message":"busy","code":503}}"#,
                "busy",
                Some("503"),
            ),
            (r#"{"error":"boom"}"#, "boom", None),
            (
                r#"{"object":"error","message":"too long","code":400}"#,
                "too long",
                Some("400"),
            ),
        ] {
            let want = CodecError::Upstream {
                message: message.into(),
                code: code.map(Into::into),
            };
            assert_eq!(decode(body.as_bytes()), Err(want), "{body}");
        }
    }

    #[test]
    fn garbage_is_garbled_and_never_quoted() {
        for body in [
            &b"<html>secret</html>"[..],
            b"",
            b"{}",
            b"[]",
            br#"{"choices":[]}"#,
            b"\xff",
            br#"{"choices":["secret"]}"#,
        ] {
            let Err(CodecError::Garbled { reason }) = decode(body) else {
                panic!("{body:?} was read");
            };
            assert!(!reason.contains("secret"), "{reason}");
        }
    }
}
