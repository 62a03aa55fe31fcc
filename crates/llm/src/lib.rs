//! What every language-model provider has in common, and how each one writes it on the wire.
//!
//! Owns the request and answer types, the provider codecs, the stream decoders and the token estimate.
//! Never does IO, never reads a clock and never knows a plan or a price: `gateway` moves the bytes and this crate
//! gives them meaning, so that every decoder is tested with bytes alone, cut at every position.

pub mod anthropic;
pub mod bedrock;
mod cache;
mod chat;
mod decoder;
mod document;
pub mod door;
mod error;
mod failure;
mod in_turn;
pub mod json;
mod logprob;
pub mod openai;
mod refusal;
pub mod runpod;
mod schema;
mod sse;
mod stops;
mod thought;
pub mod tokens;

pub use chat::{
    ChatAnswer, ChatRequest, Effort, EmbedAnswer, EmbedInput, EmbedRequest, Finish, Format, Image,
    MOST_CALLS, MOST_EXTRA, Message, Part, Role, StreamEvent, Tool, ToolCall, ToolChoice,
    ToolDelta, ToolResult, Usage,
};
pub use decoder::Decoder;
pub use document::{Document, DocumentSource};
pub use door::Face;
pub use error::CodecError;
pub use failure::{Failure, read_refusal};
pub use logprob::{Likely, TokenLogprob};
pub use refusal::{Refusal, RefusalKind};
pub use stops::Stops;
pub use thought::{ThinkingDisplay, Thought, ThoughtAt, ThoughtDelta};
