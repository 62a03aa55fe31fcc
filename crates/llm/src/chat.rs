//! Requests and answers, free of any provider's spelling.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Document, ThinkingDisplay, Thought, ThoughtAt, ThoughtDelta, TokenLogprob};

/// Who said a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The house: persona and rules.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// The result of a tool that the model called.
    Tool,
}

/// A picture to look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Image {
    /// Where the provider finds it.
    Url(String),
    /// The picture itself.
    Base64 {
        /// Such as `image/png`.
        media_type: String,
        /// Standard base64 with padding.
        data: String,
    },
}

/// A tool that the model wants called.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Ties the result to the call.
    pub id: String,
    /// Which tool.
    pub name: String,
    /// A JSON object as text, exactly as the model wrote it; a model may write it badly.
    pub arguments: String,
    /// What the provider told beside it and wants to have back unchanged: a JSON object of at most [`MOST_EXTRA`]. Gemini's holds the
    /// `thought_signature` without which it refuses the call: <https://ai.google.dev/gemini-api/docs/thought-signatures>.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra_content: Option<Value>,
}

/// What a called tool said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolResult {
    /// The id of the call.
    pub call: String,
    /// What it said.
    pub text: String,
    /// What it showed.
    pub images: Vec<Image>,
    /// What it gave to read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<Document>,
    /// Whether it failed.
    pub failed: bool,
}

/// One piece of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// A thought; of the model only.
    Thought(Thought),
    /// Words.
    Text(String),
    /// A picture; of the person only.
    Image(Image),
    /// A document; of the person only.
    Document(Document),
    /// A call; of the model only.
    Call(ToolCall),
    /// The result of a call; of the role `tool` only.
    Result(ToolResult),
    /// Not said: the provider is to keep what it has read up to here, where it does so when told.
    CachePoint,
}

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who said it.
    pub role: Role,
    /// What was said, in order.
    pub parts: Vec<Part>,
}

impl Message {
    /// Makes a message of any role that has words only.
    pub fn new(role: Role, text: impl Into<String>) -> Self {
        Self {
            role,
            parts: vec![Part::Text(text.into())],
        }
    }

    /// Makes a message of the house.
    pub fn system(text: impl Into<String>) -> Self {
        Self::new(Role::System, text)
    }

    /// Makes a message of the person.
    pub fn user(text: impl Into<String>) -> Self {
        Self::new(Role::User, text)
    }

    /// Makes a message of the model.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::new(Role::Assistant, text)
    }

    /// The documents of the message, those that its results gave with them.
    pub fn documents(&self) -> impl Iterator<Item = &Document> {
        self.parts.iter().flat_map(|part| match part {
            Part::Document(document) => std::slice::from_ref(document),
            Part::Result(result) => &result.documents,
            Part::Thought(_)
            | Part::Text(_)
            | Part::Image(_)
            | Part::Call(_)
            | Part::CachePoint => &[],
        })
    }

    /// Gives the words of the message without its pictures, documents, calls and results.
    pub fn text(&self) -> Cow<'_, str> {
        let mut texts = self.parts.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            _ => None,
        });
        match (texts.next(), texts.next()) {
            (None, _) => Cow::Borrowed(""),
            (Some(only), None) => Cow::Borrowed(only),
            (Some(first), Some(second)) => {
                Cow::Owned([first, second].into_iter().chain(texts).collect())
            }
        }
    }
}

/// A tool that the model may ask for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    /// Letters, digits, `_` and `-`, 64 at most.
    pub name: String,
    /// What it is good for.
    pub description: Option<String>,
    /// JSON Schema of the arguments: an object.
    pub parameters: Value,
    /// Whether the arguments have to keep the schema exactly.
    pub strict: Option<bool>,
    /// Whether the provider is to keep the tools up to this one, where it does so when told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cache_point: bool,
}

/// Which tool the model has to call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolChoice {
    /// As it likes.
    Auto,
    /// None.
    None,
    /// Any, but one at least.
    Required,
    /// This one.
    Named(String),
}

/// How the answer is to be written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// As the model likes.
    #[default]
    Text,
    /// As some JSON object.
    Json,
    /// As JSON of this schema.
    Schema {
        /// What the schema is called.
        name: String,
        /// JSON Schema.
        schema: Value,
        /// Whether the answer has to keep it exactly.
        strict: Option<bool>,
    },
}

/// How long a model thinks before it speaks; what a provider doesn't know it takes for the nearest that it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effort {
    /// Not at all.
    None,
    /// Hardly.
    Minimal,
    /// Shortly.
    Low,
    /// As is usual.
    Medium,
    /// Thoroughly.
    High,
    /// Longer still.
    XHigh,
    /// As long as it can.
    Max,
}

impl Effort {
    /// All of them, the least first.
    pub const ALL: [Self; 7] = [
        Self::None,
        Self::Minimal,
        Self::Low,
        Self::Medium,
        Self::High,
        Self::XHigh,
        Self::Max,
    ];

    /// As the protocols spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::XHigh => "xhigh",
            Self::Max => "max",
        }
    }
}

/// What a model is asked to continue.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ChatRequest {
    /// The provider's own name of the model.
    pub model: String,
    /// The conversation, oldest first.
    pub messages: Vec<Message>,
    /// The most tokens that the answer may have.
    pub max_tokens: Option<u32>,
    /// How freely the model chooses; the provider's default when absent.
    pub temperature: Option<f64>,
    /// The share of likelihood that the model chooses from.
    #[serde(default)]
    pub top_p: Option<f64>,
    /// How long it thinks first; the provider's default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effort: Option<Effort>,
    /// What of its thoughts is asked for; those that a provider tells unasked are told without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display: Option<ThinkingDisplay>,
    /// Whether it is to be told how likely each token was, and so many of the likeliest in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<u8>,
    /// Where the answer has to stop.
    #[serde(default)]
    pub stop: Vec<String>,
    /// Makes a choice repeatable where the provider can.
    #[serde(default)]
    pub seed: Option<i64>,
    /// What the model may ask for.
    #[serde(default)]
    pub tools: Vec<Tool>,
    /// Which tool it has to ask for.
    #[serde(default)]
    pub tool_choice: Option<ToolChoice>,
    /// Whether it may ask for several at once; the provider's default when absent.
    #[serde(default)]
    pub parallel_tools: Option<bool>,
    /// How the answer is to be written.
    #[serde(default)]
    pub format: Format,
    /// Whether the provider is to keep all of this for a later request that begins alike, where it does so when told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub caches: bool,
    /// Whether the answer is wanted piece by piece.
    pub stream: bool,
}

impl ChatRequest {
    /// Whether there is nothing to answer in it: no picture, document, call or result, and no words but white space.
    pub fn says_nothing(&self) -> bool {
        let mut parts = self.messages.iter().flat_map(|message| &message.parts);
        parts.all(|part| match part {
            Part::Text(text) => text.trim().is_empty(),
            Part::Thought(_) | Part::CachePoint => true,
            Part::Image(_) | Part::Document(_) | Part::Call(_) | Part::Result(_) => false,
        })
    }
}

/// Tokens that a provider says it has read and written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens read, those from the provider's cache included.
    pub input: u64,
    /// Tokens written, hidden reasoning included.
    pub output: u64,
    /// The part of `input` that came from the provider's cache.
    pub cached: u64,
    /// The part of `input` that was written to the provider's cache.
    #[serde(default)]
    pub written: u64,
    /// The part of `output` that was thought and not said, where the provider tells.
    #[serde(default)]
    pub thought: u64,
}

/// The most tokens that one call can have read or written. An engine that subtracts below zero tells more.
const MOST_TOKENS: u64 = 1 << 31;

impl Usage {
    /// The count, where it can be one; what nobody can have read or written is no count, so that it is estimated.
    pub fn if_possible(self) -> Option<Self> {
        let all = [
            self.input,
            self.output,
            self.cached,
            self.written,
            self.thought,
        ];
        all.iter()
            .all(|count| *count <= MOST_TOKENS)
            .then_some(self)
    }

    /// What both together have read and written.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            output: self.output.saturating_add(other.output),
            cached: self.cached.saturating_add(other.cached),
            written: self.written.saturating_add(other.written),
            thought: self.thought.saturating_add(other.thought),
        }
    }
}

/// Why a model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// It had said everything.
    Stop,
    /// It reached the token limit.
    Length,
    /// It asks for tools to be called.
    ToolCalls,
    /// The provider withheld the rest.
    ContentFilter,
    /// A reason that this version doesn't know.
    Other,
}

/// A piece of a tool call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolDelta {
    /// Which call of the answer, from 0 on.
    pub index: u32,
    /// Told with the call's first piece.
    pub id: Option<String>,
    /// Told with the call's first piece.
    pub name: Option<String>,
    /// The next piece of the arguments; may be empty.
    pub arguments: String,
    /// As in [`ToolCall`]; it comes in one piece.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra_content: Option<Value>,
}

/// One thing that a stream has told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamEvent {
    /// The next piece of the answer; never empty.
    Text(String),
    /// The next piece of what the model thinks, which is no part of the answer.
    Thought(ThoughtDelta),
    /// How likely the tokens were that were said last.
    Logprobs(Vec<TokenLogprob>),
    /// The next piece of a tool call.
    Tool(ToolDelta),
    /// What was read, where a provider counts that before the first word. What it writes is not in it.
    Read(Usage),
    /// Tokens so far. Some servers repeat it with each piece: the last one counts.
    Usage(Usage),
    /// A sign of life without words: a ping, or what nobody can read.
    Alive,
    /// Why the model stopped. Usage may still follow.
    Finish(Finish),
    /// The stream is whole; comes once, and nothing comes after it.
    Done,
}

/// Between two thoughts, or two messages of one answer, such as what a model says while it works and what it says at the end.
pub(crate) const PAUSE: &str = "\n\n";

/// A piece of an answer, in the order in which it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    Thought(&'a Thought),
    Text(&'a str),
    Call(u32, &'a ToolCall),
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatAnswer {
    /// What the model thought, in order.
    pub thoughts: Vec<ThoughtAt>,
    /// What the model said.
    pub text: String,
    /// How likely its tokens were, where that was asked for and is told.
    #[serde(default)]
    pub logprobs: Vec<TokenLogprob>,
    /// The tools that it wants called.
    pub calls: Vec<ToolCall>,
    /// The model that the provider says has answered.
    pub model: String,
    /// The provider's count; absent when it gave none, which is not the same as zero.
    pub usage: Option<Usage>,
    /// Why the model stopped.
    pub finish: Finish,
}

impl ChatAnswer {
    /// Starts with nothing said.
    pub fn empty(model: impl Into<String>) -> Self {
        Self {
            thoughts: Vec::new(),
            text: String::new(),
            logprobs: Vec::new(),
            calls: Vec::new(),
            model: model.into(),
            usage: None,
            finish: Finish::Other,
        }
    }

    /// Takes in what a stream has told next.
    pub fn take(&mut self, event: &StreamEvent) {
        match event {
            StreamEvent::Text(text) => self.text.push_str(text),
            StreamEvent::Logprobs(tokens) => self.logprobs.extend_from_slice(tokens),
            StreamEvent::Thought(delta) => self.take_thought(delta),
            StreamEvent::Tool(delta) => self.take_tool(delta),
            StreamEvent::Usage(usage) => self.usage = Some(*usage),
            StreamEvent::Finish(finish) => self.finish = *finish,
            StreamEvent::Read(_) | StreamEvent::Alive | StreamEvent::Done => {}
        }
    }

    /// Adds a thought that was had after all that is there.
    pub fn think(&mut self, thought: Thought) {
        self.thoughts.push(ThoughtAt {
            thought,
            text: self.text.len(),
            calls: self.calls.len(),
        });
    }

    /// What the thoughts say, with a pause after each that was sealed.
    pub fn thoughts_text(&self) -> String {
        let mut said = String::new();
        let mut is_over = false;
        for ThoughtAt { thought, .. } in &self.thoughts {
            if is_over && !said.is_empty() && !thought.text().is_empty() {
                said.push_str(PAUSE);
            }
            said.push_str(thought.text());
            is_over = thought.is_sealed();
        }
        said
    }

    /// The answer as the parts of a message, in the order in which it was made.
    pub fn parts(&self) -> Vec<Part> {
        let pieces = self.pieces().into_iter();
        let part = |piece| match piece {
            Piece::Thought(thought) => Part::Thought(thought.clone()),
            Piece::Text(text) => Part::Text(text.to_owned()),
            Piece::Call(_, call) => Part::Call(call.clone()),
        };
        pieces.map(part).collect()
    }

    /// The answer in the order in which it was made.
    pub(crate) fn pieces(&self) -> Vec<Piece<'_>> {
        let mut pieces = Vec::with_capacity(self.calls.len() + 2 * self.thoughts.len() + 1);
        let mut calls = (0..).zip(&self.calls);
        let mut said = 0;
        let mut tell = |pieces: &mut Vec<_>, text: usize, called: usize| {
            let words = self.text.get(said..text).unwrap_or_default();
            said = said.max(text);
            pieces.extend((!words.is_empty()).then_some(Piece::Text(words)));
            let begun = calls.by_ref().take(called);
            pieces.extend(begun.map(|(index, call)| Piece::Call(index, call)));
        };
        let mut called = 0;
        for at in &self.thoughts {
            tell(&mut pieces, at.text, at.calls.saturating_sub(called));
            called = called.max(at.calls);
            pieces.push(Piece::Thought(&at.thought));
        }
        tell(&mut pieces, self.text.len(), self.calls.len());
        pieces
    }

    /// Whether the last that there is, is a thought which is not sealed.
    pub(crate) fn is_thinking(&self) -> bool {
        let here = (self.text.len(), self.calls.len());
        let last = self.thoughts.last();
        last.is_some_and(|last| !last.thought.is_sealed() && (last.text, last.calls) == here)
    }

    fn take_thought(&mut self, delta: &ThoughtDelta) {
        let goes_on = self.is_thinking();
        let open = match self.thoughts.last_mut().filter(|_| goes_on) {
            Some(ThoughtAt {
                thought: Thought::Open { text, signature },
                ..
            }) => Some((text, signature)),
            _ => None,
        };
        match (delta, open) {
            (ThoughtDelta::Text(more), Some((text, _))) => text.push_str(more),
            (ThoughtDelta::Signature(seal), Some((_, signature))) => {
                *signature = Some(seal.clone());
            }
            (ThoughtDelta::Text(text), None) => self.think(Thought::Open {
                text: text.clone(),
                signature: None,
            }),
            (ThoughtDelta::Signature(seal), None) => self.think(Thought::Open {
                text: String::new(),
                signature: Some(seal.clone()),
            }),
            (ThoughtDelta::Closed(data), _) => self.think(Thought::Closed(data.clone())),
        }
    }

    fn take_tool(&mut self, delta: &ToolDelta) {
        let at = delta.index as usize;
        if at >= MOST_CALLS {
            return; // decoders refuse it before
        }
        if self.calls.len() <= at {
            self.calls.resize_with(at + 1, ToolCall::default);
        }
        if let Some(call) = self.calls.get_mut(at) {
            if let Some(id) = &delta.id {
                call.id.clone_from(id);
            }
            if let Some(name) = &delta.name {
                call.name.clone_from(name);
            }
            call.arguments.push_str(&delta.arguments);
            if delta.extra_content.is_some() {
                call.extra_content.clone_from(&delta.extra_content);
            }
        }
    }

    /// Gives the answer as the events of a stream that came in one piece.
    pub fn into_events(self) -> Vec<StreamEvent> {
        let mut events = Vec::with_capacity(self.calls.len() + 2 * self.thoughts.len() + 4);
        for piece in self.pieces() {
            match piece {
                Piece::Text(text) => events.push(StreamEvent::Text(text.to_owned())),
                Piece::Call(index, call) => events.push(StreamEvent::Tool(ToolDelta {
                    index,
                    id: Some(call.id.clone()),
                    name: Some(call.name.clone()),
                    arguments: call.arguments.clone(),
                    extra_content: call.extra_content.clone(),
                })),
                Piece::Thought(Thought::Open { text, signature }) => {
                    let text = (!text.is_empty()).then(|| ThoughtDelta::Text(text.clone()));
                    let seal = signature.clone().map(ThoughtDelta::Signature);
                    events.extend(text.into_iter().chain(seal).map(StreamEvent::Thought));
                }
                Piece::Thought(Thought::Closed(data)) => {
                    events.push(StreamEvent::Thought(ThoughtDelta::Closed(data.clone())));
                }
            }
        }
        if !self.logprobs.is_empty() {
            events.push(StreamEvent::Logprobs(self.logprobs));
        }
        events.extend(self.usage.map(StreamEvent::Usage));
        events.extend([StreamEvent::Finish(self.finish), StreamEvent::Done]);
        events
    }
}

/// The most tool calls that one answer may have.
pub const MOST_CALLS: usize = 128;

/// The most that a provider may tell beside one call, in bytes of JSON.
pub const MOST_EXTRA: usize = 64 * 1024;

/// Texts to be placed in the space of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmbedInput {
    /// As words.
    Texts(Vec<String>),
    /// As the model's own tokens.
    Tokens(Vec<Vec<u32>>),
}

impl EmbedInput {
    /// The words, where it has some.
    pub fn texts(&self) -> &[String] {
        match self {
            Self::Texts(texts) => texts,
            Self::Tokens(_) => &[],
        }
    }

    /// How many are to be placed.
    pub const fn len(&self) -> usize {
        match self {
            Self::Texts(texts) => texts.len(),
            Self::Tokens(inputs) => inputs.len(),
        }
    }

    /// Whether nothing is to be placed.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A request for vectors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmbedRequest {
    /// The provider's own name of the model.
    pub model: String,
    /// What to place, in order.
    pub input: EmbedInput,
    /// The wanted length of the vectors.
    pub dimensions: Option<u32>,
}

/// The vectors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EmbedAnswer {
    /// The model that the provider says has answered.
    pub model: String,
    /// One for each input, in its order, all of one length.
    pub vectors: Vec<Vec<f32>>,
    /// The provider's count, where it gave one.
    pub usage: Option<Usage>,
}
