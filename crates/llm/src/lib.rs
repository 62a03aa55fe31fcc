//! What every language-model provider has in common, and how each one writes it on the wire.
//!
//! Owns the request and answer types, the provider codecs, the stream decoders and the token estimate.
//! Never does IO, never reads a clock and never knows a plan or a price: `gateway` moves the bytes and this crate
//! gives them meaning, so that every decoder is tested with bytes alone, cut at every position.

mod chat;
mod error;
pub mod openai;
mod sse;
pub mod tokens;

pub use chat::{ChatAnswer, ChatRequest, Finish, Message, Role, StreamEvent, Usage};
pub use error::CodecError;
