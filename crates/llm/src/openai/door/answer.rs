//! `POST /v1/chat/completions`, the answer: whole, or piece by piece.
//!
//! Source: <https://platform.openai.com/docs/api-reference/chat-streaming>.

use serde_json::{Map, Value, json};

use crate::door::{Face, sse};
use crate::{ChatAnswer, Finish, Refusal, StreamEvent, ToolDelta, Usage};

/// Writes one answer.
#[derive(Debug, Clone)]
pub struct ChatWriter {
    face: Face,
    include_usage: bool,
    begun: bool,
    finish: Option<Finish>,
    usage: Option<Usage>,
    ended: bool,
}

impl ChatWriter {
    /// Starts an answer that introduces itself like this.
    pub fn new(face: Face, include_usage: bool) -> Self {
        Self {
            face,
            include_usage,
            begun: false,
            finish: None,
            usage: None,
            ended: false,
        }
    }

    /// Writes the whole answer as one body.
    pub fn answer(&self, answer: &ChatAnswer) -> Value {
        let mut message = Map::new();
        message.insert("role".into(), json!("assistant"));
        let silent = answer.text.is_empty() && !answer.calls.is_empty();
        let content = if silent {
            Value::Null
        } else {
            json!(answer.text)
        };
        message.insert("content".into(), content);
        message.insert("refusal".into(), Value::Null);
        if !answer.calls.is_empty() {
            let calls: Vec<Value> = answer
                .calls
                .iter()
                .map(|call| {
                    json!({"id": call.id, "type": "function",
                           "function": {"name": call.name, "arguments": call.arguments}})
                })
                .collect();
            message.insert("tool_calls".into(), Value::Array(calls));
        }
        let mut body = self.head("chat.completion");
        body.insert(
            "choices".into(),
            json!([{"index": 0, "message": message, "logprobs": null,
                    "finish_reason": reason(answer.finish)}]),
        );
        if let Some(usage) = answer.usage {
            body.insert("usage".into(), write_usage(usage));
        }
        Value::Object(body)
    }

    /// Writes what a stream has told next; nothing for what is kept until the end.
    pub fn event(&mut self, event: &StreamEvent) -> String {
        if self.ended {
            return String::new();
        }
        match event {
            StreamEvent::Text(text) => self.piece(&json!({"content": text})),
            StreamEvent::Tool(delta) => self.piece(&json!({"tool_calls": [call(delta)]})),
            StreamEvent::Usage(usage) => {
                self.usage = Some(*usage);
                String::new()
            }
            StreamEvent::Finish(finish) => {
                self.finish = Some(*finish);
                String::new()
            }
            StreamEvent::Read(_) | StreamEvent::Alive => String::new(),
            StreamEvent::Done => self.end(),
        }
    }

    /// Ends the stream with a failure.
    pub fn fail(&mut self, refusal: &Refusal) -> String {
        if std::mem::replace(&mut self.ended, true) {
            return String::new();
        }
        format!("{}data: [DONE]\n\n", sse(None, &super::refuse(refusal)))
    }

    fn end(&mut self) -> String {
        self.ended = true;
        let mut written = self.opening();
        let finish = self.finish.unwrap_or(Finish::Stop);
        written.push_str(&self.chunk(&json!({}), Some(finish)));
        if self.include_usage {
            let mut body = self.head("chat.completion.chunk");
            body.insert("choices".into(), json!([]));
            body.insert("usage".into(), self.usage.map_or(Value::Null, write_usage));
            written.push_str(&sse(None, &Value::Object(body)));
        }
        written.push_str("data: [DONE]\n\n");
        written
    }

    fn piece(&mut self, delta: &Value) -> String {
        let mut written = self.opening();
        written.push_str(&self.chunk(delta, None));
        written
    }

    /// The first chunk says who speaks.
    fn opening(&mut self) -> String {
        if std::mem::replace(&mut self.begun, true) {
            return String::new();
        }
        self.chunk(&json!({"role": "assistant", "content": ""}), None)
    }

    fn chunk(&self, delta: &Value, finish: Option<Finish>) -> String {
        let mut body = self.head("chat.completion.chunk");
        body.insert(
            "choices".into(),
            json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish.map(reason)}]),
        );
        if self.include_usage {
            body.insert("usage".into(), Value::Null);
        }
        sse(None, &Value::Object(body))
    }

    fn head(&self, object: &str) -> Map<String, Value> {
        let mut body = Map::new();
        body.insert("id".into(), json!(self.face.id));
        body.insert("object".into(), json!(object));
        body.insert("created".into(), json!(self.face.created));
        body.insert("model".into(), json!(self.face.model));
        body
    }
}

fn call(delta: &ToolDelta) -> Value {
    let mut function = Map::new();
    if let Some(name) = &delta.name {
        function.insert("name".into(), json!(name));
    }
    function.insert("arguments".into(), json!(delta.arguments));
    let mut call = Map::new();
    call.insert("index".into(), json!(delta.index));
    if let Some(id) = &delta.id {
        call.insert("id".into(), json!(id));
        call.insert("type".into(), json!("function"));
    }
    call.insert("function".into(), Value::Object(function));
    Value::Object(call)
}

fn reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::Other => "stop",
        Finish::Length => "length",
        Finish::ToolCalls => "tool_calls",
        Finish::ContentFilter => "content_filter",
    }
}

fn write_usage(usage: Usage) -> Value {
    json!({
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input.saturating_add(usage.output),
        "prompt_tokens_details": {"cached_tokens": usage.cached},
    })
}
