//! What the door writes: an answer, whole or as events, and a count.
//!
//! Source: <https://platform.claude.com/docs/en/build-with-claude/streaming>.

use serde_json::{Value, json};

use crate::anthropic::write::input;
use crate::chat::Piece;
use crate::door::{Face, sse};
use crate::in_turn::InTurn;
use crate::{
    ChatAnswer, Finish, Refusal, StreamEvent, ThinkingDisplay, Thought, ThoughtDelta, ToolDelta,
    Usage,
};

/// An event that only says that the line is open.
pub const PING: &str = "event: ping\ndata: {\"type\":\"ping\"}\n\n";

/// Writes the answer of `count_tokens`.
pub fn write_count(tokens: u64) -> Value {
    json!({"input_tokens": tokens})
}

/// A block that has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    Thought,
    Text,
    Tool(u32),
}

/// Writes one answer.
#[derive(Debug, Clone)]
pub struct MessageWriter {
    face: Face,
    /// What of the thoughts is shown.
    display: Option<ThinkingDisplay>,
    request_id: Option<String>,
    /// What is known of the usage before the answer.
    usage: Usage,
    blocks: Vec<Block>,
    calls: InTurn,
    open: bool,
    finish: Option<Finish>,
    begun: bool,
    ended: bool,
}

impl MessageWriter {
    /// Starts an answer; `input` is the count that `message_start` shows, an estimate as a rule.
    pub fn new(face: Face, input: u64) -> Self {
        Self {
            face,
            display: None,
            request_id: None,
            usage: Usage {
                input,
                ..Usage::default()
            },
            blocks: Vec::new(),
            calls: InTurn::default(),
            open: false,
            finish: None,
            begun: false,
            ended: false,
        }
    }

    /// Shows what the model thinks, as far as the caller wants to read it.
    #[must_use]
    pub fn with_thoughts(mut self, display: Option<ThinkingDisplay>) -> Self {
        self.display = display;
        self
    }

    /// Names the request where a stream tells that it failed.
    #[must_use]
    pub fn with_request_id(mut self, request_id: Option<String>) -> Self {
        self.request_id = request_id;
        self
    }

    /// Writes the whole answer as one body.
    pub fn answer(&self, answer: &ChatAnswer) -> Value {
        let content = answer.pieces().into_iter().filter_map(|piece| match piece {
            Piece::Thought(thought) => self.thought_whole(thought),
            Piece::Text(text) => Some(json!({"type": "text", "text": text})),
            Piece::Call(_, call) => Some(json!({
                "type": "tool_use", "id": call.id, "name": call.name, "input": input(call),
            })),
        });
        let content: Vec<Value> = content.collect();
        let usage = answer.usage.unwrap_or(self.usage);
        self.message(&content, Some(answer.finish), usage)
    }

    /// Writes what a stream has told next; nothing for what is kept until the end.
    pub fn event(&mut self, event: &StreamEvent) -> String {
        if self.ended {
            return String::new();
        }
        let calls = self.calls.hear(event);
        let mut out: String = calls.iter().map(|piece| self.tool(piece)).collect();
        out.push_str(&self.other(event));
        out
    }

    /// Writes what is no call.
    fn other(&mut self, event: &StreamEvent) -> String {
        match event {
            StreamEvent::Text(text) => self.text(text),
            StreamEvent::Thought(piece) => self.thought(piece),
            StreamEvent::Usage(usage) => {
                self.usage = *usage;
                String::new()
            }
            StreamEvent::Finish(finish) => {
                self.finish = Some(*finish);
                String::new()
            }
            StreamEvent::Tool(_)
            | StreamEvent::Logprobs(_)
            | StreamEvent::Read(_)
            | StreamEvent::Alive => String::new(),
            StreamEvent::Done => self.end(),
        }
    }

    /// Ends the stream with a failure.
    pub fn fail(&mut self, refusal: &Refusal) -> String {
        if std::mem::replace(&mut self.ended, true) {
            return String::new();
        }
        sse(
            Some("error"),
            &super::refuse(refusal, self.request_id.as_deref()),
        )
    }

    fn end(&mut self) -> String {
        self.ended = true;
        let mut out = self.opening();
        self.close(&mut out);
        let reason = reason(self.finish.unwrap_or(Finish::Stop));
        let body = json!({
            "type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": null},
            "usage": write_usage(self.usage),
        });
        out.push_str(&sse(Some("message_delta"), &body));
        out.push_str(&sse(Some("message_stop"), &json!({"type": "message_stop"})));
        out
    }

    fn thought_whole(&self, thought: &Thought) -> Option<Value> {
        let display = self.display?;
        let shown = match thought {
            Thought::Open {
                signature: None, ..
            } if display == ThinkingDisplay::Omitted => return None,
            Thought::Open { text, signature } => {
                let text = match display {
                    ThinkingDisplay::Omitted => "",
                    _ => text,
                };
                let signature = signature.as_deref().unwrap_or_default();
                json!({"type": "thinking", "thinking": text, "signature": signature})
            }
            Thought::Closed(data) => json!({"type": "redacted_thinking", "data": data}),
        };
        Some(shown)
    }

    fn thought(&mut self, piece: &ThoughtDelta) -> String {
        let is_hidden = match self.display {
            None => true,
            Some(display) => {
                display == ThinkingDisplay::Omitted && matches!(piece, ThoughtDelta::Text(_))
            }
        };
        if is_hidden {
            return String::new();
        }
        let mut out = self.opening();
        if let ThoughtDelta::Closed(data) = piece {
            self.close(&mut out);
            let shown = json!({"type": "redacted_thinking", "data": data});
            self.begin(Block::Thought, &shown, &mut out);
            self.close(&mut out);
            return out;
        }
        if !self.open || self.blocks.last() != Some(&Block::Thought) {
            self.close(&mut out);
            let shown = json!({"type": "thinking", "thinking": "", "signature": ""});
            self.begin(Block::Thought, &shown, &mut out);
        }
        let at = self.blocks.len().saturating_sub(1);
        match piece {
            ThoughtDelta::Signature(seal) => {
                let body = json!({"type": "signature_delta", "signature": seal});
                out.push_str(&delta(at, &body));
                self.close(&mut out);
            }
            ThoughtDelta::Text(text) | ThoughtDelta::Closed(text) => {
                out.push_str(&delta(
                    at,
                    &json!({"type": "thinking_delta", "thinking": text}),
                ));
            }
        }
        out
    }

    fn text(&mut self, text: &str) -> String {
        let mut out = self.opening();
        if !self.open || self.blocks.last() != Some(&Block::Text) {
            self.close(&mut out);
            self.begin(Block::Text, &json!({"type": "text", "text": ""}), &mut out);
        }
        let at = self.blocks.len().saturating_sub(1);
        out.push_str(&delta(at, &json!({"type": "text_delta", "text": text})));
        out
    }

    fn tool(&mut self, piece: &ToolDelta) -> String {
        let mut out = self.opening();
        let block = Block::Tool(piece.index);
        // a late piece of an earlier call keeps that call's number: readers gather by number
        let known = self.blocks.iter().position(|known| *known == block);
        let at = known.unwrap_or_else(|| {
            self.close(&mut out);
            let shown =
                json!({"type": "tool_use", "id": piece.id, "name": piece.name, "input": {}});
            self.begin(block, &shown, &mut out);
            self.blocks.len().saturating_sub(1)
        });
        if !piece.arguments.is_empty() {
            let body = json!({"type": "input_json_delta", "partial_json": piece.arguments});
            out.push_str(&delta(at, &body));
        }
        out
    }

    /// The first event says who speaks.
    fn opening(&mut self) -> String {
        if std::mem::replace(&mut self.begun, true) {
            return String::new();
        }
        let message = self.message(&[], None, self.usage);
        let body = json!({"type": "message_start", "message": message});
        sse(Some("message_start"), &body)
    }

    fn begin(&mut self, block: Block, shown: &Value, out: &mut String) {
        let body = json!({
            "type": "content_block_start", "index": self.blocks.len(), "content_block": shown,
        });
        out.push_str(&sse(Some("content_block_start"), &body));
        self.blocks.push(block);
        self.open = true;
    }

    fn close(&mut self, out: &mut String) {
        if std::mem::replace(&mut self.open, false) {
            let at = self.blocks.len().saturating_sub(1);
            let body = json!({"type": "content_block_stop", "index": at});
            out.push_str(&sse(Some("content_block_stop"), &body));
        }
    }

    fn message(&self, content: &[Value], finish: Option<Finish>, usage: Usage) -> Value {
        json!({
            "id": self.face.id, "type": "message", "role": "assistant", "model": self.face.model,
            "content": content, "stop_reason": finish.map(reason), "stop_sequence": null,
            "usage": write_usage(usage),
        })
    }
}

fn delta(at: usize, delta: &Value) -> String {
    let body = json!({"type": "content_block_delta", "index": at, "delta": delta});
    sse(Some("content_block_delta"), &body)
}

fn reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::Other => "end_turn",
        Finish::Length => "max_tokens",
        Finish::ToolCalls => "tool_use",
        Finish::ContentFilter => "refusal",
    }
}

/// This dialect counts what came from the cache, and what was put there, apart from what was only read.
fn write_usage(usage: Usage) -> Value {
    json!({
        "input_tokens": usage.input.saturating_sub(usage.cached).saturating_sub(usage.written),
        "cache_read_input_tokens": usage.cached,
        "cache_creation_input_tokens": usage.written,
        "output_tokens": usage.output,
        "output_tokens_details": {"thinking_tokens": usage.thought},
    })
}
