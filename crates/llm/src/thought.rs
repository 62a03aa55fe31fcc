//! What models think, free of any provider's spelling.

use serde::{Deserialize, Serialize};

/// What a model thought, as far as its provider tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Thought {
    /// Words, which are empty where only the seal on them is told.
    Open {
        /// The words.
        text: String,
        /// What the provider knows its own thought by when it is handed back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signature: Option<String>,
    },
    /// One that nobody but its provider can read.
    Closed(String),
}

impl Thought {
    /// The words, if it has any.
    pub fn text(&self) -> &str {
        match self {
            Self::Open { text, .. } => text,
            Self::Closed(_) => "",
        }
    }

    /// Whether its provider sealed it, and it is over.
    pub(crate) fn is_sealed(&self) -> bool {
        match self {
            Self::Open { signature, .. } => signature.is_some(),
            Self::Closed(_) => true,
        }
    }

    /// The words and the seal of a thought that Anthropic signed.
    pub(crate) fn signed(&self) -> Option<(&str, &str)> {
        match self {
            Self::Open {
                text,
                signature: Some(seal),
            } if item_of_seal(seal).is_none() => Some((text, seal)),
            Self::Open { .. } | Self::Closed(_) => None,
        }
    }

    /// The words of a thought of OpenAI's, with the id and the content of its item.
    pub(crate) fn of_item(&self) -> Option<(&str, &str, &str)> {
        match self {
            Self::Open {
                text,
                signature: Some(seal),
            } => item_of_seal(seal).map(|(id, content)| (text.as_str(), id, content)),
            Self::Open { .. } | Self::Closed(_) => None,
        }
    }

    /// The words of a thought that its provider did not seal, so that any model may be told of it.
    pub fn unsigned(&self) -> Option<&str> {
        match self {
            Self::Open {
                text,
                signature: None,
            } if !text.is_empty() => Some(text),
            Self::Open { .. } | Self::Closed(_) => None,
        }
    }
}

/// How a seal of OpenAI's begins here. Other vendors' are base64, which has no colon.
const OF_OPENAI: &str = "openai:";

/// Writes as one seal what OpenAI knows a thought of its models by: the id of an item and its content, which nobody else can read.
pub(crate) fn seal_of_item(id: &str, content: &str) -> String {
    format!("{OF_OPENAI}{id}:{content}")
}

/// The id and the content of an item of OpenAI's, if this is the seal of one.
pub(crate) fn item_of_seal(seal: &str) -> Option<(&str, &str)> {
    seal.strip_prefix(OF_OPENAI)?.split_once(':')
}

/// How much of a model's thoughts somebody wants to read. A provider that has but one way of telling them tells them so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ThinkingDisplay {
    /// As is usual.
    Auto,
    /// Shortly.
    Concise,
    /// At length.
    Detailed,
    /// Nothing but what hands them back.
    Omitted,
}

/// A piece of what a model thinks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThoughtDelta {
    /// The next words; never empty.
    Text(String),
    /// The end of a thought: what its provider knows it by when it is handed back.
    Signature(String),
    /// A whole thought that nobody but its provider can read.
    Closed(String),
}

/// A thought of an answer, and where in it the model had it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThoughtAt {
    /// The thought.
    pub thought: Thought,
    /// How many bytes of the text came before.
    pub text: usize,
    /// How many calls had begun before.
    pub calls: usize,
}

impl From<Thought> for ThoughtAt {
    /// Before everything else.
    fn from(thought: Thought) -> Self {
        Self {
            thought,
            text: 0,
            calls: 0,
        }
    }
}
