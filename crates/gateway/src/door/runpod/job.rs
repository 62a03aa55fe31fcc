use identity::TenantId;
use llm::{ChatRequest, runpod::door::Shape};
use sqlx::PgConnection;

use super::store;
use crate::{Error, Gateway, RunId};

/// How long a job can be asked again, and how far back the health of an endpoint looks.
pub(super) const DAY: chrono::Duration = chrono::Duration::hours(24);

/// What is kept of a job beside its run.
#[derive(Debug)]
pub(crate) struct Job {
    pub(super) shape: Shape,
    /// None where it may not be asked again.
    pub(super) ask: Option<ChatRequest>,
    pub(super) webhook: Option<String>,
}

impl Job {
    /// Keeps it in the transaction in which the run is admitted.
    pub(crate) async fn keep(
        &self,
        conn: &mut PgConnection,
        room: &Gateway,
        tenant: TenantId,
        id: RunId,
    ) -> Result<(), Error> {
        let now = room.cx.clock.now();
        store::forget_asks(conn, tenant, now - DAY).await?;
        let kept = store::NewJob {
            id,
            tenant,
            shape: mark(self.shape),
            ask: self.ask.as_ref(),
            webhook: self.webhook.as_deref(),
            now,
        };
        store::insert(conn, room.identity.vault(), &kept).await
    }
}

/// How a job's shape is written at the end of its name, and kept.
pub(super) const fn mark(shape: Shape) -> char {
    match shape {
        Shape::Plain => 't',
        Shape::Vllm => 'v',
    }
}
