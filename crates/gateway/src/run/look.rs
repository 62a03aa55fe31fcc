use identity::Principal;
use llm::{ChatAnswer, Finish, ToolCall};
use sqlx::PgConnection;

use super::{
    Event, Told, store, told,
    view::{InferenceResult, InferenceView, Row, ToolCallView},
};
use crate::{Error, Gateway, RunId, State};

/// A run of the caller's tenant.
///
/// # Errors
/// `RunNotFound`, also for another tenant's.
pub(crate) async fn view(
    room: &Gateway,
    caller: Principal,
    id: RunId,
) -> Result<InferenceView, Error> {
    room.node.live.written(id).await;
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    let mut row = store::view(&mut tx, id).await?.ok_or(Error::RunNotFound)?;
    tx.commit().await?;
    stand_in_line(&mut row, room);
    Ok(row.into())
}

/// What a run of the caller's tenant has come to; none while it is under way.
///
/// # Errors
/// `RunNotFound`; `TextGone` when what it said was deleted, `TextClosed` when it does not open,
/// and `RunFailed` when it failed.
pub(crate) async fn result(
    room: &Gateway,
    caller: Principal,
    id: RunId,
) -> Result<(InferenceView, Option<InferenceResult>), Error> {
    room.node.live.written(id).await;
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    let mut row = store::view(&mut tx, id).await?.ok_or(Error::RunNotFound)?;
    if !row.state.is_ended() {
        stand_in_line(&mut row, room);
        return Ok((row.into(), None));
    }
    if row.state == State::Failed {
        return Err(Error::RunFailed(row.reason.unwrap_or_default()));
    }
    if row.text_gone_at.is_some() {
        return Err(Error::TextGone);
    }
    let said = said(&mut tx, room, &row).await?;
    tx.commit().await?;
    let view: InferenceView = row.into();
    let result = InferenceResult {
        inference: view.clone(),
        text: said.text,
        tool_calls: said.calls.into_iter().map(ToolCallView::from).collect(),
        finish_reason: said.finish_reason,
    };
    Ok((view, Some(result)))
}

/// Says its place in the line where this process has it in one.
fn stand_in_line(row: &mut Row, room: &Gateway) {
    if row.state == State::Queued
        && let Some(place) = room.node.places.place_of(row.id.0)
    {
        row.queue_position = i64::try_from(place).ok();
    }
}

/// What a run has said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) text: String,
    pub(crate) calls: Vec<ToolCall>,
    pub(crate) finish_reason: Option<String>,
}

/// What a run has said, from its durable events.
pub(crate) async fn said(
    conn: &mut PgConnection,
    room: &Gateway,
    row: &Row,
) -> Result<Said, Error> {
    let events = store::events(conn, room.identity.vault(), row.id, 0).await?;
    let answer = answer(&events);
    Ok(Said {
        text: answer.text,
        calls: answer.calls,
        finish_reason: (row.state == State::Completed).then(|| word(answer.finish).to_owned()),
    })
}

fn answer(events: &[Event]) -> ChatAnswer {
    let mut answer = ChatAnswer::empty("");
    // what ends as it should has no event of its own
    answer.finish = Finish::Stop;
    for event in events {
        match told(event) {
            Some(Told::Said(said)) => answer.take(&said),
            Some(Told::Withdrawn) => {
                answer.thoughts.clear();
                answer.text.clear();
            }
            _ => {}
        }
    }
    answer
}

const fn word(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
        Finish::ToolCalls => "tool_calls",
        Finish::ContentFilter => "content_filter",
        Finish::Other => "other",
    }
}
