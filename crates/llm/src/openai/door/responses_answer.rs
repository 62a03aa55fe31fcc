//! `POST /v1/responses` and `GET /v1/responses/{id}`, the answer: whole, waiting, or as numbered events.
//!
//! Source: <https://platform.openai.com/docs/api-reference/responses-streaming>. The numbers depend on the events of
//! the run alone, so that a reader who comes again with `starting_after` is told the rest.

use serde_json::{Map, Value, json};

use crate::chat::Piece;
use crate::door::{Face, sse};
use crate::in_turn::InTurn;
use crate::{
    ChatAnswer, Finish, Part, Refusal, StreamEvent, Thought, ThoughtDelta, ToolCall, ToolDelta,
    Usage,
};

use super::responses::ResponseCard;
use super::responses_thoughts::{closed, seal_of, sealed};
use super::responses_tools::Toolbox;

/// Where a response stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseState {
    /// Waits for its turn.
    Queued,
    /// Is being made.
    InProgress,
    /// Is whole.
    Completed,
    /// Ended at the token limit, or was withheld.
    Incomplete,
    /// Failed.
    Failed,
    /// Was cancelled.
    Cancelled,
}

impl ResponseState {
    /// The word of the protocol.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete => "incomplete",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// How an answer that stopped for this reason stands.
    pub fn of(finish: Finish) -> Self {
        match finish {
            Finish::Length | Finish::ContentFilter => Self::Incomplete,
            Finish::Stop | Finish::ToolCalls | Finish::Other => Self::Completed,
        }
    }
}

/// An item of the answer, in the order in which it began.
#[derive(Debug, Clone)]
enum Item {
    Thought(Mind),
    /// The how manieth words of the answer, from 0 on.
    Words(usize, String),
    Call(u32, ToolCall),
}

/// A thought, as far as it is told.
#[derive(Debug, Clone, Default)]
struct Mind {
    /// The how manieth of the answer, from 0 on.
    at: usize,
    text: String,
    /// What hands it back.
    seal: Option<String>,
}

/// What an item of an answer said, by the item's id.
pub fn said_in(item: &str, answer: &ChatAnswer) -> Option<Vec<Part>> {
    let (kind, rest) = item.split_once('_')?;
    let at: usize = rest.rsplit_once('_')?.1.parse().ok()?;
    match kind {
        "msg" if at == 0 => Some(vec![Part::Text(answer.text.clone())]),
        // words after a call: the first have them all
        "msg" => Some(Vec::new()),
        "rs" => Some(vec![Part::Thought(
            answer.thoughts.get(at)?.thought.clone(),
        )]),
        "fc" | "ctc" => Some(vec![Part::Call(answer.calls.get(at)?.clone())]),
        _ => None,
    }
}

/// Writes one response.
#[derive(Debug, Clone)]
pub struct ResponseWriter {
    face: Face,
    card: ResponseCard,
    tools: Toolbox,
    items: Vec<Item>,
    calls: InTurn,
    /// How many thoughts have begun, told or not.
    thoughts: usize,
    /// Whether the newest of them goes on.
    thinks: bool,
    usage: Option<Usage>,
    finish: Option<Finish>,
    next: u64,
    ended: bool,
}

impl ResponseWriter {
    /// Starts an answer to a request.
    pub fn new(face: Face, card: ResponseCard) -> Self {
        Self {
            face,
            tools: Toolbox::of(card.echo.get("tools")),
            card,
            items: Vec::new(),
            calls: InTurn::default(),
            thoughts: 0,
            thinks: false,
            usage: None,
            finish: None,
            next: 0,
            ended: false,
        }
    }

    /// Writes the response as it stands, with what has been said so far, or why it failed.
    pub fn body(
        &self,
        state: ResponseState,
        said: Option<&ChatAnswer>,
        error: Option<&Refusal>,
    ) -> Value {
        let Some(said) = said else {
            return self.object(state, &[], None, None, error);
        };
        let mut items: Vec<Item> = Vec::new();
        let (mut thoughts, mut messages) = (0.., 0..);
        for piece in said.pieces() {
            match piece {
                Piece::Thought(thought) => {
                    let at = thoughts.next().unwrap_or_default();
                    items.extend(self.shown(at, thought).map(Item::Thought));
                }
                Piece::Text(text) => {
                    if let Some(Item::Words(_, words)) = items.last_mut() {
                        words.push_str(text);
                    } else {
                        let at = messages.next().unwrap_or_default();
                        items.push(Item::Words(at, text.to_owned()));
                    }
                }
                Piece::Call(at, call) => items.push(Item::Call(at, call.clone())),
            }
        }
        self.object(state, &items, said.usage, Some(said.finish), error)
    }

    /// What is told of a thought, if anything.
    fn shown(&self, at: usize, thought: &Thought) -> Option<Mind> {
        let text = if self.card.has_summary() {
            thought.text()
        } else {
            ""
        };
        let seal = seal_of(thought).filter(|_| self.card.seals);
        (!text.is_empty() || seal.is_some()).then(|| Mind {
            at,
            text: text.to_owned(),
            seal,
        })
    }

    /// Writes the first events: the response exists, and (unless it waits) is being made.
    pub fn start(&mut self, state: ResponseState) -> Vec<(u64, String)> {
        let mut out = Vec::new();
        let response = self.object(state, &[], None, None, None);
        self.tell(&mut out, "response.created", json!({"response": response}));
        let kind = match state {
            ResponseState::Queued => "response.queued",
            _ => "response.in_progress",
        };
        self.tell(&mut out, kind, json!({"response": response}));
        out
    }

    /// Writes what the run has told next, each event with its number.
    pub fn event(&mut self, event: &StreamEvent) -> Vec<(u64, String)> {
        let mut out = Vec::new();
        if self.ended {
            return out;
        }
        for piece in self.calls.hear(event) {
            self.tool(&piece, &mut out);
        }
        match event {
            StreamEvent::Text(text) => {
                self.thinks = false;
                self.text(text, &mut out);
            }
            StreamEvent::Tool(_) => self.thinks = false,
            StreamEvent::Thought(ThoughtDelta::Text(text)) => self.thought(text, &mut out),
            StreamEvent::Thought(ThoughtDelta::Signature(seal)) => {
                self.seal(sealed(seal), &mut out);
            }
            StreamEvent::Thought(ThoughtDelta::Closed(data)) => {
                self.thinks = false;
                self.seal(closed(data), &mut out);
            }
            StreamEvent::Logprobs(_) | StreamEvent::Read(_) | StreamEvent::Alive => {}
            StreamEvent::Usage(usage) => self.usage = Some(*usage),
            StreamEvent::Finish(finish) => self.finish = Some(*finish),
            StreamEvent::Done => {
                let state = ResponseState::of(self.finish.unwrap_or(Finish::Stop));
                self.end(state, None, &mut out);
            }
        }
        out
    }

    /// Ends the events with a failure or a cancellation.
    pub fn fail(&mut self, state: ResponseState, refusal: &Refusal) -> Vec<(u64, String)> {
        let mut out = Vec::new();
        if !self.ended {
            self.end(state, Some(refusal), &mut out);
        }
        out
    }

    fn end(&mut self, state: ResponseState, error: Option<&Refusal>, out: &mut Vec<(u64, String)>) {
        for piece in self.calls.end() {
            self.tool(&piece, out);
        }
        self.close_last(out);
        self.ended = true;
        let kind = match state {
            ResponseState::Incomplete => "response.incomplete",
            ResponseState::Failed => "response.failed",
            ResponseState::Cancelled => "response.cancelled",
            _ => "response.completed",
        };
        let response = self.object(state, &self.items, self.usage, self.finish, error);
        self.tell(out, kind, json!({"response": response}));
    }

    /// Counts the next thought, unless the newest goes on.
    fn think(&mut self) {
        if !self.thinks {
            self.thoughts += 1;
        }
        self.thinks = true;
    }

    /// The item of the newest thought; a new one where that has none yet.
    fn mind(&mut self, out: &mut Vec<(u64, String)>) -> usize {
        let number = self.thoughts.saturating_sub(1);
        if !matches!(self.items.last(), Some(Item::Thought(mind)) if mind.at == number) {
            self.close_last(out);
            let item = Item::Thought(Mind {
                at: number,
                ..Mind::default()
            });
            let at = self.items.len();
            let shown = self.item(&item, "in_progress", true);
            self.items.push(item);
            let body = json!({"output_index": at, "item": shown});
            self.tell(out, "response.output_item.added", body);
        }
        self.items.len().saturating_sub(1)
    }

    /// The newest thought is over; one whose words are not told is told by its seal alone.
    fn seal(&mut self, seal: String, out: &mut Vec<(u64, String)>) {
        self.think();
        self.thinks = false;
        if !self.card.seals {
            return;
        }
        let at = self.mind(out);
        if let Some(Item::Thought(mind)) = self.items.get_mut(at) {
            mind.seal = Some(seal);
        }
    }

    fn thought(&mut self, text: &str, out: &mut Vec<(u64, String)>) {
        self.think();
        if !self.card.has_summary() {
            return;
        }
        let at = self.mind(out);
        let id = self.items.get(at).map(|item| self.item_id(item));
        let mut begins = false;
        if let Some(Item::Thought(mind)) = self.items.get_mut(at) {
            begins = mind.text.is_empty();
            mind.text.push_str(text);
        }
        if begins {
            let body =
                json!({"item_id": id, "output_index": at, "summary_index": 0, "part": summary("")});
            self.tell(out, "response.reasoning_summary_part.added", body);
        }
        let body = json!({"item_id": id, "output_index": at, "summary_index": 0, "delta": text});
        self.tell(out, "response.reasoning_summary_text.delta", body);
    }

    fn text(&mut self, text: &str, out: &mut Vec<(u64, String)>) {
        if !matches!(self.items.last(), Some(Item::Words(..))) {
            self.close_last(out);
            let spoken = |item: &&Item| matches!(item, Item::Words(..));
            let item = Item::Words(self.items.iter().filter(spoken).count(), String::new());
            let (id, at) = (self.item_id(&item), self.items.len());
            let shown = self.item(&item, "in_progress", true);
            self.items.push(item);
            self.tell(
                out,
                "response.output_item.added",
                json!({"output_index": at, "item": shown}),
            );
            let body =
                json!({"item_id": id, "output_index": at, "content_index": 0, "part": words("")});
            self.tell(out, "response.content_part.added", body);
        }
        let at = self.items.len().saturating_sub(1);
        if let Some(Item::Words(_, all)) = self.items.last_mut() {
            all.push_str(text);
        }
        let id = self.items.last().map(|item| self.item_id(item));
        let body = json!({"item_id": id, "output_index": at, "content_index": 0, "delta": text, "logprobs": []});
        self.tell(out, "response.output_text.delta", body);
    }

    fn tool(&mut self, delta: &ToolDelta, out: &mut Vec<(u64, String)>) {
        let known = self
            .items
            .iter()
            .position(|item| matches!(item, Item::Call(index, _) if *index == delta.index));
        let at = known.unwrap_or_else(|| {
            self.close_last(out);
            let call = ToolCall {
                id: delta.id.clone().unwrap_or_default(),
                name: delta.name.clone().unwrap_or_default(),
                ..ToolCall::default()
            };
            let item = Item::Call(delta.index, call);
            let at = self.items.len();
            let shown = self.item(&item, "in_progress", true);
            self.items.push(item);
            let body = json!({"output_index": at, "item": shown});
            self.tell(out, "response.output_item.added", body);
            at
        });
        if let Some(Item::Call(_, call)) = self.items.get_mut(at) {
            call.arguments.push_str(&delta.arguments);
        }
        // free text stands within the arguments, and is told once these are whole
        if let Some(item @ Item::Call(_, call)) = self.items.get(at)
            && !delta.arguments.is_empty()
            && !self.tools.takes_text(call)
        {
            let id = self.item_id(item);
            let body = json!({"item_id": id, "output_index": at, "delta": delta.arguments});
            self.tell(out, "response.function_call_arguments.delta", body);
        }
    }

    /// Tells that the newest item is whole.
    fn close_last(&mut self, out: &mut Vec<(u64, String)>) {
        let Some(item) = self.items.last().cloned() else {
            return;
        };
        let at = self.items.len() - 1;
        let id = self.item_id(&item);
        let shown = self.item(&item, "completed", false);
        match &item {
            Item::Thought(mind) if mind.text.is_empty() => {}
            Item::Thought(Mind { text, .. }) => {
                let body =
                    json!({"item_id": id, "output_index": at, "summary_index": 0, "text": text});
                self.tell(out, "response.reasoning_summary_text.done", body);
                let body = json!({"item_id": id, "output_index": at, "summary_index": 0, "part": summary(text)});
                self.tell(out, "response.reasoning_summary_part.done", body);
            }
            Item::Words(_, text) => {
                let body = json!({"item_id": id, "output_index": at, "content_index": 0, "text": text, "logprobs": []});
                self.tell(out, "response.output_text.done", body);
                let body = json!({"item_id": id, "output_index": at, "content_index": 0, "part": words(text)});
                self.tell(out, "response.content_part.done", body);
            }
            Item::Call(_, call) if self.tools.takes_text(call) => {
                let body = json!({"item_id": id, "output_index": at, "delta": shown.get("input")});
                self.tell(out, "response.custom_tool_call_input.delta", body);
                let body = json!({"item_id": id, "output_index": at, "input": shown.get("input")});
                self.tell(out, "response.custom_tool_call_input.done", body);
            }
            Item::Call(_, call) => {
                let body = json!({"item_id": id, "output_index": at, "name": shown.get("name"), "arguments": call.arguments});
                self.tell(out, "response.function_call_arguments.done", body);
            }
        }
        let body = json!({"output_index": at, "item": shown});
        self.tell(out, "response.output_item.done", body);
    }

    fn tell(&mut self, out: &mut Vec<(u64, String)>, kind: &str, mut body: Value) {
        if let Some(fields) = body.as_object_mut() {
            fields.insert("type".into(), json!(kind));
            fields.insert("sequence_number".into(), json!(self.next));
        }
        out.push((self.next, sse(Some(kind), &body)));
        self.next += 1;
    }

    /// An item's own id, the same in an answer that is whole and in one that is told piece by piece.
    fn item_id(&self, item: &Item) -> String {
        let run = self.face.id.trim_start_matches("resp_");
        match item {
            Item::Thought(mind) => format!("rs_{run}_{}", mind.at),
            Item::Words(at, _) => format!("msg_{run}_{at}"),
            Item::Call(at, call) if self.tools.takes_text(call) => format!("ctc_{run}_{at}"),
            Item::Call(at, _) => format!("fc_{run}_{at}"),
        }
    }

    fn item(&self, item: &Item, status: &str, empty: bool) -> Value {
        let id = self.item_id(item);
        match item {
            Item::Thought(mind) => {
                let summary = if empty || mind.text.is_empty() {
                    json!([])
                } else {
                    json!([summary(&mind.text)])
                };
                let mut item =
                    json!({"id": id, "type": "reasoning", "status": status, "summary": summary});
                if let (Some(seal), Some(fields)) = (&mind.seal, item.as_object_mut()) {
                    fields.insert("encrypted_content".into(), json!(seal));
                }
                item
            }
            Item::Words(_, text) => {
                let content = if empty {
                    json!([])
                } else {
                    json!([words(text)])
                };
                json!({"id": id, "type": "message", "role": "assistant", "status": status, "content": content})
            }
            Item::Call(_, call) => {
                let mut fields = self.tools.fields(call);
                if empty && let Some(input) = fields.get_mut("input") {
                    *input = json!("");
                }
                fields.insert("id".into(), json!(id));
                fields.insert("status".into(), json!(status));
                Value::Object(fields)
            }
        }
    }

    fn object(
        &self,
        state: ResponseState,
        items: &[Item],
        usage: Option<Usage>,
        finish: Option<Finish>,
        error: Option<&Refusal>,
    ) -> Value {
        let status = match state {
            ResponseState::Completed => "completed",
            ResponseState::Queued | ResponseState::InProgress => "in_progress",
            _ => "incomplete",
        };
        let output: Vec<Value> = items
            .iter()
            .map(|item| self.item(item, status, false))
            .collect();
        let mut body = Map::new();
        for (name, value) in [
            ("instructions", Value::Null),
            ("tools", json!([])),
            ("tool_choice", json!("auto")),
            ("parallel_tool_calls", json!(true)),
            ("temperature", Value::Null),
            ("top_p", Value::Null),
            ("max_output_tokens", Value::Null),
            ("reasoning", Value::Null),
            ("text", json!({"format": {"type": "text"}})),
        ] {
            let value = self.card.echo.get(name).cloned().unwrap_or(value);
            body.insert(name.into(), value);
        }
        let why = match finish {
            _ if state != ResponseState::Incomplete => Value::Null,
            Some(Finish::ContentFilter) => json!({"reason": "content_filter"}),
            _ => json!({"reason": "max_output_tokens"}),
        };
        let error = error
            .filter(|_| state == ResponseState::Failed)
            .map(|error| {
                let code = error.code.as_deref().unwrap_or("server_error");
                json!({"code": code, "message": error.message})
            });
        for (name, value) in [
            ("id", json!(self.face.id)),
            ("object", json!("response")),
            ("created_at", json!(self.face.created)),
            ("status", json!(state.as_str())),
            ("background", json!(self.card.background)),
            ("store", json!(self.card.store)),
            ("error", json!(error)),
            ("incomplete_details", why),
            ("model", json!(self.face.model)),
            ("output", json!(output)),
            ("previous_response_id", json!(self.card.previous)),
            ("metadata", json!(self.card.metadata)),
            ("usage", json!(usage.map(write_usage))),
        ] {
            body.insert(name.into(), value);
        }
        Value::Object(body)
    }
}

fn summary(text: &str) -> Value {
    json!({"type": "summary_text", "text": text})
}

fn words(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

fn write_usage(usage: Usage) -> Value {
    json!({
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": usage.written},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.thought},
        "total_tokens": usage.input.saturating_add(usage.output),
    })
}
