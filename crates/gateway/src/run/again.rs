use db::Scope;
use identity::TenantId;
use llm::ChatRequest;
use serde_json::Value;

use super::{EventKind, snapshot};
use crate::{CacheUse, Error, Gateway, Target, cache};

/// An answer that was given before.
#[derive(Clone, Debug)]
pub(super) struct Again {
    pub(super) model: String,
    /// What its events said, in order; never empty.
    pub(super) deltas: Vec<Value>,
}

/// What this target said when the tenant asked the same before. A cache that can't be read is as good as an empty one.
pub(super) async fn find(
    room: &Gateway,
    tenant: TenantId,
    wanted: CacheUse,
    asked: (&Target, &ChatRequest),
) -> Option<Again> {
    let found = try_find(room, tenant, wanted, asked).await;
    found.unwrap_or_else(|error| {
        tracing::warn!(%error, "the cache can't be read");
        None
    })
}

async fn try_find(
    room: &Gateway,
    tenant: TenantId,
    wanted: CacheUse,
    asked: (&Target, &ChatRequest),
) -> Result<Option<Again>, Error> {
    let scope = Scope::Tenant {
        tenant: tenant.0,
        user: None,
    };
    let mut tx = room.cx.db.begin(scope).await?;
    let when = (tenant, wanted, room.cx.clock.now());
    let Some(run) = cache::find(&mut tx, when, asked).await? else {
        return Ok(None);
    };
    let (run, events) = snapshot(&mut tx, room, run, 0).await?;
    tx.commit().await?;
    let said = events.into_iter();
    let deltas: Vec<Value> = said
        .filter(|event| event.kind == EventKind::Delta)
        .map(|event| event.data)
        // the answer is given again, and not how it came about
        .filter(|said| said.get("thought").is_none())
        .collect();
    // without them it was deleted meanwhile
    let model = run.model;
    Ok((!deltas.is_empty()).then_some(Again { model, deltas }))
}
