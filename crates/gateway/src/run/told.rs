use std::collections::HashSet;

use db::Ctx;
use hooks::EventType;
use serde_json::{Value, json};
use sqlx::PgConnection;

use super::{
    RunId, State,
    store::{Closed, Ending},
};
use crate::door::{is_awaited, tell_ends};

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
        "tokens_in": ending.tokens_in, "tokens_out": ending.tokens_out, "cost_nano_usd": ending.cost_nano_usd })
}
