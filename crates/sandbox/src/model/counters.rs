//! What the stand-in has really done, so that a test can hold a bill against it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use llm::tokens;
use serde_json::{Value, json};

use super::Model;

/// Sums since the start.
#[derive(Debug, Default)]
pub(super) struct Counters {
    requests: AtomicU64,
    in_flight: AtomicU64,
    chunks: AtomicU64,
    tokens_in: AtomicU64,
    tokens_out: AtomicU64,
    completed: AtomicU64,
    failed: AtomicU64,
    cancelled: AtomicU64,
}

impl Counters {
    pub(super) fn view(&self) -> Value {
        json!({
            "requests": self.requests.load(Relaxed),
            "in_flight": self.in_flight.load(Relaxed),
            "chunks": self.chunks.load(Relaxed),
            "tokens_in": self.tokens_in.load(Relaxed),
            "tokens_out": self.tokens_out.load(Relaxed),
            "completed": self.completed.load(Relaxed),
            "failed": self.failed.load(Relaxed),
            "cancelled": self.cancelled.load(Relaxed),
        })
    }
}

#[derive(Debug, Clone, Copy)]
enum Outcome {
    Cancelled,
    Completed,
    Failed,
}

/// One request in work. The server drops it when the client leaves, and then it counts as cancelled.
#[derive(Debug)]
pub(super) struct Work {
    model: Arc<Model>,
    outcome: Outcome,
    said: tokens::Estimate,
    counted: u64,
    thought: u64,
}

impl Work {
    pub(super) fn begin(model: Arc<Model>) -> Self {
        model.counters.requests.fetch_add(1, Relaxed);
        model.counters.in_flight.fetch_add(1, Relaxed);
        Self {
            model,
            outcome: Outcome::Cancelled,
            said: tokens::Estimate::default(),
            counted: 0,
            thought: 0,
        }
    }

    pub(super) fn count_input(&self, tokens: u64) {
        self.model.counters.tokens_in.fetch_add(tokens, Relaxed);
    }

    /// Counts what is produced and not said.
    pub(super) fn think(&mut self, tokens: u64) {
        self.thought += tokens;
        self.model.counters.tokens_out.fetch_add(tokens, Relaxed);
    }

    /// Counts a chunk as produced just before it is handed to the connection.
    pub(super) fn count_chunk(&mut self, piece: &str) {
        self.said.push(piece);
        let total = self.said.tokens().max(self.counted);
        self.model.counters.chunks.fetch_add(1, Relaxed);
        self.model
            .counters
            .tokens_out
            .fetch_add(total - self.counted, Relaxed);
        self.counted = total;
    }

    /// Tells the tokens produced so far.
    pub(super) fn output(&self) -> u64 {
        self.counted + self.thought
    }

    pub(super) fn complete(&mut self) {
        self.outcome = Outcome::Completed;
    }

    pub(super) fn fail(&mut self) {
        self.outcome = Outcome::Failed;
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let counters = &self.model.counters;
        let outcome = match self.outcome {
            Outcome::Cancelled => &counters.cancelled,
            Outcome::Completed => &counters.completed,
            Outcome::Failed => &counters.failed,
        };
        outcome.fetch_add(1, Relaxed);
        counters.in_flight.fetch_sub(1, Relaxed);
    }
}
