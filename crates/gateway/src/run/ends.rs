//! Who hears of the end of a run: the tenant's endpoints; a job of RunPod's door, in the words of that door; an address that the run
//! named itself, signed and tried like every endpoint of the tenant.

mod store;

use std::collections::HashSet;

use db::Ctx;
use hooks::{DeliveryView, EventType};
use identity::TenantId;
use jobs::Job;
use kernel::Fault;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use super::store::{Closed, Ending};
use crate::{
    Error, Gateway, RunId, State,
    dialect::{Dialect, NATIVE},
};

/// The ends that an address can be told of.
pub(crate) const EVENTS: [EventType; 2] = [EventType::RunCompleted, EventType::RunFailed];

/// An address that a run names to be told of its end.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) url: String,
    /// Names of events; empty: all.
    pub(crate) events: Vec<String>,
}

impl Named {
    /// Judges the address before anything is begun for it.
    pub(crate) async fn judge(&self, room: &Gateway, tenant: TenantId) -> Result<(), Error> {
        let broken = || Fault::broken("a run names an address where nobody tells anything");
        let hooks = room.hooks.as_ref().ok_or_else(broken)?;
        Ok(hooks.name_for_run(tenant, &self.url).await?)
    }

    /// Keeps it in the transaction in which the run is admitted.
    pub(crate) async fn keep(
        &self,
        conn: &mut PgConnection,
        tenant: TenantId,
        run: RunId,
    ) -> sqlx::Result<()> {
        store::insert(conn, tenant, run, self).await
    }
}

/// Tells the address that a job named of its end, with what `status` would say.
#[derive(Debug, Serialize, Deserialize)]
pub struct TellJobsEnd {
    pub(crate) tenant: Uuid,
    pub(crate) job: Uuid,
    pub(crate) run: Uuid,
}

/// The address that a run named, and how it went to tell it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct RunHook {
    pub url: String,
    /// Which ends it is told of; empty: all.
    pub events: Vec<String>,
    /// Newest first; for a month.
    pub deliveries: Vec<DeliveryView>,
}

/// The address that a run named, in the tenant's transaction.
pub(crate) async fn hook_of(
    conn: &mut PgConnection,
    tenant: TenantId,
    run: RunId,
) -> sqlx::Result<Option<RunHook>> {
    let Some(named) = store::find(conn, run).await? else {
        return Ok(None);
    };
    Ok(Some(RunHook {
        url: named.url,
        events: named.events,
        deliveries: hooks::of_run(conn, tenant, run.0).await?,
    }))
}

/// Whether somebody can wait for a run that came in by this door.
fn is_awaited(door: &str) -> bool {
    door == NATIVE || door == Dialect::RunPod.name()
}

/// Has those told who wait for these runs, in the transaction in which they ended.
async fn tell_ends<T: Sync>(
    conn: &mut PgConnection,
    cx: &Ctx,
    ends: &[(RunId, EventType, T)],
    payload: impl Fn(&T) -> Value + Send,
) -> sqlx::Result<()> {
    if ends.is_empty() {
        return Ok(());
    }
    let ids: Vec<_> = ends.iter().map(|(run, ..)| run.0).collect();
    for waiting in store::awaited(conn, &ids).await? {
        let Some(named) = waiting.named else {
            let told = TellJobsEnd {
                tenant: waiting.tenant.0,
                job: waiting.job.0,
                run: waiting.run.0,
            };
            told.enqueue(conn, cx).await?;
            continue;
        };
        let end = ends.iter().find(|(run, ..)| *run == waiting.run);
        if let Some((run, event, end)) = end
            && (named.events.is_empty() || named.events.iter().any(|one| one == event.as_str()))
        {
            let to = (run.0, named.url.as_str());
            hooks::tell_run(conn, cx, waiting.tenant, *event, &payload(end), to).await?;
        }
    }
    Ok(())
}

/// Removes what is kept of a tenant that goes, in the caller's transaction.
pub(crate) async fn forget(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<()> {
    store::delete_all(conn, tenant).await
}

/// Tells the tenants that want to hear of it, in the transaction in which their runs ended. What was asked and answered is
/// not told: who may read a run can ask for it.
pub(super) async fn ended(
    conn: &mut PgConnection,
    cx: &Ctx,
    endings: &[&Ending],
    closed: &[Closed],
) -> sqlx::Result<()> {
    if endings.is_empty() {
        return Ok(());
    }
    let facts: Vec<_> = endings
        .iter()
        .map(|ending| (ending.tenant, event(ending.verdict.state()), *ending))
        .collect();
    hooks::emit_all(conn, cx, &facts, |ending| payload(ending)).await?;
    let awaited: HashSet<RunId> = closed
        .iter()
        .filter(|run| is_awaited(&run.door))
        .map(|run| run.id)
        .collect();
    let ends: Vec<_> = endings
        .iter()
        .filter(|ending| awaited.contains(&ending.id))
        .map(|ending| (ending.id, event(ending.verdict.state()), *ending))
        .collect();
    tell_ends(conn, cx, &ends, |ending| payload(ending)).await
}

/// Who waits for a run hears of every end, so one that was stopped counts among those that did not complete.
const fn event(state: State) -> EventType {
    match state {
        State::Completed => EventType::RunCompleted,
        _ => EventType::RunFailed,
    }
}

fn payload(ending: &Ending) -> Value {
    json!({ "id": ending.id, "state": ending.verdict.state(), "reason": ending.verdict.reason(), "model": ending.model,
        "tokens_in": ending.tokens.input, "tokens_out": ending.tokens.output, "cost_nano_usd": ending.cost_nano_usd })
}
