use chrono::{DateTime, Utc};
use kernel::Text;
use llm::{ToolCall, Usage};
use serde::Serialize;

use crate::{RunId, State, failure::failure};

/// Where a run stands, as its callers read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum InferenceStatus {
    Queued,
    Processing,
    Completed,
    Failed,
    Cancelled,
}

impl InferenceStatus {
    /// As a run's state is stored.
    pub(super) const fn state(self) -> State {
        match self {
            Self::Queued => State::Queued,
            Self::Processing => State::Running,
            Self::Completed => State::Completed,
            Self::Failed => State::Failed,
            Self::Cancelled => State::Cancelled,
        }
    }
}

impl From<State> for InferenceStatus {
    fn from(state: State) -> Self {
        match state {
            State::Queued => Self::Queued,
            State::Running => Self::Processing,
            State::Completed => Self::Completed,
            State::Failed => Self::Failed,
            State::Cancelled => Self::Cancelled,
        }
    }
}

/// A run as its callers read it, without what was said.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct InferenceView {
    pub id: RunId,
    pub status: InferenceStatus,
    /// The public name that was asked for, or the plan's own choice.
    pub model: String,
    /// The provider's own name of the model that answers.
    pub model_used: String,
    /// Where it came in: native, openai, anthropic, runpod, or a storefront.
    pub door: String,
    /// How many begin before it, and itself, where it waits for a place at a model; else its place among the tenant's own that
    /// have not begun. `null` once it has.
    #[schema(required)]
    pub queue_position: Option<i64>,
    pub created_at: DateTime<Utc>,
    #[schema(required)]
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended, well or not.
    #[schema(required)]
    pub completed_at: Option<DateTime<Utc>>,
    /// From the request to the end.
    #[schema(required)]
    pub processing_time_ms: Option<i64>,
    pub tokens: Tokens,
    /// Billionths of a US dollar.
    pub cost_nano_usd: i64,
    /// Whether it was answered from the response cache, which costs nothing.
    pub is_cached: bool,
    /// Whether what was asked and answered is still here and is to stay.
    pub is_stored: bool,
    pub tags: Vec<String>,
    /// Why it failed.
    #[schema(required)]
    pub error: Option<RunError>,
    /// The number of the newest event.
    pub last_event_id: i32,
}

/// Tokens that a run has read and written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Tokens {
    /// Those from the provider's cache included.
    pub input: i64,
    pub output: i64,
    /// The part of `input` that came from the provider's cache.
    pub cached: i64,
    /// The part of `input` that was put into the provider's cache, which may cost more.
    pub written: i64,
    /// The part of `output` that was thought and not said, where the provider tells.
    pub thought: i64,
}

impl From<Usage> for Tokens {
    fn from(usage: Usage) -> Self {
        let count = |tokens: u64| i64::try_from(tokens).unwrap_or(i64::MAX);
        Self {
            input: count(usage.input),
            output: count(usage.output),
            cached: count(usage.cached),
            written: count(usage.written),
            thought: count(usage.thought),
        }
    }
}

/// Why a run failed.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct RunError {
    /// Stable.
    #[schema(value_type = String)]
    pub code: &'static str,
    pub title: Text,
}

/// A run that has ended, with what it said.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct InferenceResult {
    #[serde(flatten)]
    pub(crate) inference: InferenceView,
    pub(crate) text: String,
    pub(crate) tool_calls: Vec<ToolCallView>,
    /// Why the model stopped: stop, length, tool_calls, content_filter or other; `null` when it was stopped or failed.
    #[schema(required)]
    pub(crate) finish_reason: Option<String>,
}

/// A tool that the model wants called.
#[derive(Clone, Debug, Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct ToolCallView {
    pub id: String,
    pub name: String,
    /// A JSON object as text, as the model wrote it.
    pub arguments: String,
}

impl From<ToolCall> for ToolCallView {
    fn from(call: ToolCall) -> Self {
        Self {
            id: call.id,
            name: call.name,
            arguments: call.arguments,
        }
    }
}

/// A run as it is stored.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) id: RunId,
    pub(crate) state: State,
    pub(crate) reason: Option<String>,
    pub(crate) route: String,
    pub(crate) model: String,
    pub(crate) door: String,
    pub(crate) queue_position: Option<i64>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) ended_at: Option<DateTime<Utc>>,
    pub(crate) tokens_in: i64,
    pub(crate) tokens_out: i64,
    pub(crate) tokens_cached: i64,
    pub(crate) tokens_written: i64,
    pub(crate) tokens_thought: i64,
    pub(crate) cost_nano_usd: i64,
    pub(crate) is_cached: bool,
    pub(crate) is_stored: bool,
    pub(crate) text_gone_at: Option<DateTime<Utc>>,
    pub(crate) tags: Vec<String>,
    pub(crate) last_event: i32,
}

impl From<Row> for InferenceView {
    fn from(row: Row) -> Self {
        let failed = row.reason.filter(|_| row.state == State::Failed);
        Self {
            id: row.id,
            status: row.state.into(),
            model: row.route,
            model_used: row.model,
            door: row.door,
            queue_position: row.queue_position,
            created_at: row.created_at,
            started_at: row.started_at,
            completed_at: row.ended_at,
            processing_time_ms: row
                .ended_at
                .map(|ended| (ended - row.created_at).num_milliseconds()),
            tokens: Tokens {
                input: row.tokens_in,
                output: row.tokens_out,
                cached: row.tokens_cached,
                written: row.tokens_written,
                thought: row.tokens_thought,
            },
            cost_nano_usd: row.cost_nano_usd,
            is_cached: row.is_cached,
            is_stored: row.is_stored && row.text_gone_at.is_none(),
            tags: row.tags,
            error: failed.map(|reason| {
                let problem = failure(&reason);
                RunError {
                    code: problem.code,
                    title: problem.text,
                }
            }),
            last_event_id: row.last_event,
        }
    }
}
