use std::time::Duration;

use chrono::{DateTime, Utc};
use kernel::NanoUsd;
use llm::{
    Effort, Usage,
    openai::{Counts, ThoughtField, responses},
};

use crate::{
    key::ApiKey,
    price::{Price, price_at},
};

/// One provider's copy of a model: where it is, what it is called there, what it costs.
#[derive(Clone, Debug, Default)]
pub struct Target {
    /// The operator's name of the provider; with the model's name it is what health is kept by.
    pub provider: String,
    pub kind: Kind,
    /// Where the provider answers, such as `https://api.openai.com/v1`.
    pub base_url: String,
    /// Any of them opens the door; the heavier ones are used more.
    pub keys: Vec<ApiKey>,
    /// Where a provider with regions is asked, such as `ap-northeast-1`.
    pub region: String,
    /// The provider's own name of the model.
    pub model: String,
    pub price: Price,
    /// What the call that is to be made may cost, where the cheapest is chosen.
    pub dear: NanoUsd,
    /// Prices and the moments from which they hold; `price` holds where there is none.
    pub prices: Vec<(DateTime<Utc>, Price)>,
    /// Whether the server can stream; otherwise its answer arrives as one event.
    pub streams: bool,
    /// How long its first word may take, since its machine may have to start; as long as any silence unless said.
    pub start: Option<Duration>,
    /// Those of a lower rank are tried first.
    pub rank: u32,
    /// The share of calls among those of one rank; 0 only when nothing else is left.
    pub weight: u32,
    /// How one of several of a rank is chosen.
    pub choice: Choice,
    /// How many it takes at once; as many as come unless said.
    pub room: Option<Room>,
    /// By which of OpenAI's protocols it is asked, where it speaks one of them.
    pub api: Api,
    /// When its streams tell what they have cost so far.
    pub counts: Counts,
    /// Where it is handed back what its model thought; without, it isn't.
    pub thoughts: Option<ThoughtField>,
    /// How many tokens a question and its answer may have together, where that is said.
    pub window: Option<u32>,
    /// How long it thinks where nobody says; none where it knows no such thing, and then it is told nothing of it.
    pub effort: Option<Effort>,
    /// Whether it refuses to be told how freely to choose.
    pub fixed_sampling: bool,
    /// Whether its model reads PDF.
    pub pdf: bool,
}

/// How a target is chosen among those of equal rank and health.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    serde::Deserialize,
    serde::Serialize,
    utoipa::ToSchema,
)]
#[schema(as = TargetChoice)]
#[serde(rename_all = "lowercase")]
pub enum Choice {
    /// By weight alone.
    #[default]
    Weight,
    /// Two by weight, and of these the one that is quicker just now.
    Quick,
    /// The one where this call may cost least; by weight among those that cost the same.
    Cheap,
}

/// One of the protocols in which a server of OpenAI's is asked for a chat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Api {
    /// `POST /chat/completions`, which most others speak too.
    #[default]
    Chat,
    /// `POST /responses`, where OpenAI's present models take tools.
    Responses,
}

impl Api {
    /// The lowest limit of an answer's tokens that it takes.
    pub(crate) const fn least_tokens(self) -> u32 {
        match self {
            Self::Chat => 1,
            Self::Responses => responses::LEAST_TOKENS,
        }
    }
}

/// The protocol that a provider speaks.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    serde::Deserialize,
    serde::Serialize,
    utoipa::ToSchema,
)]
#[schema(as = ProviderKind)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// OpenAI's chat protocol, which vLLM, llama.cpp, Ollama, Together and most others speak.
    #[default]
    OpenAi,
    Anthropic,
    /// The Converse protocol of AWS Bedrock.
    Bedrock,
    /// The queue of a serverless endpoint at RunPod whose worker is vLLM's.
    RunPod,
    /// The same with a handler of the house, which takes `{"text": …}`.
    #[serde(rename = "runpod-text")]
    RunPodText,
}

impl Kind {
    const ALL: [Self; 5] = [
        Self::OpenAi,
        Self::Anthropic,
        Self::Bedrock,
        Self::RunPod,
        Self::RunPodText,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Bedrock => "bedrock",
            Self::RunPod => "runpod",
            Self::RunPodText => "runpod-text",
        }
    }

    /// The kind of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    pub(crate) fn from_stored(name: &str) -> Self {
        Self::named(name).unwrap_or_default()
    }

    /// How long the first word may take where a machine may have to start.
    pub const fn cold_start(self) -> Option<Duration> {
        match self {
            Self::RunPod | Self::RunPodText => Some(Duration::from_mins(2)),
            Self::OpenAi | Self::Anthropic | Self::Bedrock => None,
        }
    }
}

impl Target {
    /// Says what a call of so many tokens may cost here, where its model chooses by that. What nobody knows is dearest.
    pub(crate) fn weigh(&mut self, usage: Usage, now: DateTime<Utc>) {
        if self.choice == Choice::Cheap {
            let price = price_at(&self.prices, now);
            self.dear = price.map_or(NanoUsd(i64::MAX), |price| price.of(usage));
        }
    }

    /// What health is kept by.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}@{}", self.provider, self.model, self.base_url)
    }
}

/// What a model is for.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Deserialize,
    serde::Serialize,
    utoipa::ToSchema,
)]
#[schema(as = ModelUse)]
#[serde(rename_all = "lowercase")]
pub enum Use {
    #[default]
    Chat,
    Embedding,
}

/// How many a target takes at once, and how many may wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    pub places: u32,
    pub line: Option<u32>,
}

/// Who is asked beside a model, and how often.
#[derive(Clone, Debug, Default)]
pub struct Shadow {
    /// The public name of the other model.
    pub model: String,
    pub targets: Vec<Target>,
    /// Of a hundred calls.
    pub percent: u32,
}

/// What is behind a public name.
#[derive(Clone, Debug, Default)]
pub struct Route {
    pub use_for: Use,
    pub targets: Vec<Target>,
    /// What becomes of an answer that breaks off after its first word.
    pub after_break: AfterBreak,
    /// A model that is asked beside it, for comparison alone.
    pub shadow: Option<Shadow>,
    /// Whether it lacks what the operator's file has for it, since providers outside are switched off.
    pub degraded: bool,
}

/// What becomes of an answer that breaks off after its first word was shown.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    serde::Deserialize,
    serde::Serialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum AfterBreak {
    /// It ends there, and the reader is told.
    #[default]
    End,
    /// Another target takes it up where it broke off, told the same things in the same words.
    Continue,
}
