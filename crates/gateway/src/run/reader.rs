use std::{sync::Arc, time::Duration};

use futures::Stream;
use identity::Principal;
use serde_json::{Value, json};
use sqlx::PgConnection;

use super::{RunId, RunView, State, live::Feed, store};
use crate::{Error, Gateway};

/// How often a run of another node is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// One numbered event of a run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) seq: i32,
    pub(crate) kind: EventKind,
    pub(crate) data: Value,
}

impl Event {
    /// Takes the words out, if it has any.
    pub(crate) fn empty(&mut self) {
        if self.kind == EventKind::Delta {
            self.data = json!({ "text": "" });
        }
    }
}

/// The number of the end of an answer that came in one piece.
pub(super) const WHOLE_ENDS_AT: i32 = 3;

/// What a run has cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bill {
    pub(super) tokens_in: i64,
    /// Of these, what was read from the provider's own cache.
    pub(super) tokens_cached: i64,
    pub(super) tokens_out: i64,
    pub(super) cost_nano_usd: i64,
}

/// The end of a run.
pub(super) fn the_end(seq: i32, (state, reason): (State, Option<&str>), bill: Bill) -> Event {
    Event {
        seq,
        kind: EventKind::Ended,
        data: json!({
            "state": state, "reason": reason, "tokens_in": bill.tokens_in, "tokens_cached": bill.tokens_cached,
            "tokens_out": bill.tokens_out, "cost_nano_usd": bill.cost_nano_usd,
        }),
    }
}

/// What comes before the end of an answer that came in one piece: all of it stands in its run's row, so none of its events is
/// written.
pub(super) fn before_the_end(id: RunId, model: &str, output: &str) -> Vec<Event> {
    let mut events = vec![Event {
        seq: 1,
        kind: EventKind::Started,
        data: json!({ "run_id": id, "model": model }),
    }];
    // what was said may have been deleted since
    if !output.is_empty() {
        events.push(Event {
            seq: 2,
            kind: EventKind::Delta,
            data: json!({ "text": output }),
        });
    }
    events
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventKind {
    Started,
    /// Small talk while a model warms up; no part of the answer.
    Aside,
    Delta,
    /// What was said so far is taken back; what follows takes its place.
    Withdrawn,
    Ended,
}

impl EventKind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Aside => "aside",
            Self::Delta => "delta",
            Self::Withdrawn => "withdrawn",
            Self::Ended => "ended",
        }
    }

    pub(crate) fn parse(text: &str) -> Self {
        match text {
            "started" => Self::Started,
            "aside" => Self::Aside,
            "withdrawn" => Self::Withdrawn,
            "ended" => Self::Ended,
            _ => Self::Delta,
        }
    }
}

/// The events of a run after number `after`, from what is durable to the end; for any number of readers on any node.
///
/// # Errors
/// `RunNotFound`, also for another tenant's; `TextGone` when what it said was deleted, `TextClosed` when it does not open.
pub(crate) async fn events(
    room: Gateway,
    caller: Principal,
    id: RunId,
    after: i32,
) -> Result<impl Stream<Item = Result<Arc<Event>, Error>> + Send + 'static, Error> {
    let feed = room.node.live.find(id);
    follow(room, caller, (id, feed), after).await
}

/// As [`events`], of a run whose feed is at hand where this process drives it.
pub(crate) async fn follow(
    room: Gateway,
    caller: Principal,
    (id, feed): (RunId, Option<Arc<Feed>>),
    after: i32,
) -> Result<impl Stream<Item = Result<Arc<Event>, Error>> + Send + 'static, Error> {
    let feed = feed.filter(|feed| feed.tenant == caller.tenant);
    if feed.is_none() {
        let mut tx = room.cx.db.begin(caller.scope()).await?;
        let run = store::view(&mut tx, id).await?.ok_or(Error::RunNotFound)?;
        tx.commit().await?;
        if run.text_gone_at.is_some() {
            return Err(Error::TextGone);
        }
    }
    Ok(async_stream::try_stream! {
        let mut last = after.max(0);
        let mut feed = feed.or_else(|| room.node.live.find(id));
        loop {
            let mut news = feed.as_ref().map(|feed| feed.subscribe());
            let (fresh, ended) = fetch(&room, caller, id, last, feed.as_ref()).await?;
            for event in fresh {
                last = event.seq;
                yield event;
            }
            if ended {
                break;
            }
            if let Some(news) = &mut news {
                // subscribed before reading, so nothing between the two is missed
                let _ = news.wait_for(|newest| *newest > last).await;
                // what this process did not end by itself is ended by another, whose words are in the database
                feed = feed.filter(|feed| feed.has_after(last));
            } else {
                tokio::time::sleep(LOOK).await;
                feed = room.node.live.find(id);
            }
        }
    })
}

/// The events after `last` and whether the end is among what is durable.
async fn fetch(
    room: &Gateway,
    caller: Principal,
    id: RunId,
    last: i32,
    feed: Option<&Arc<Feed>>,
) -> Result<(Vec<Arc<Event>>, bool), Error> {
    if let Some(feed) = feed {
        let events = feed.after(last);
        let ended = events
            .last()
            .is_some_and(|event| event.kind == EventKind::Ended);
        return Ok((events, ended));
    }
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    // the state first: a run that ends in between is then read again instead of cut short
    let is_ended = store::is_ended(&mut tx, id)
        .await?
        .ok_or(Error::RunNotFound)?;
    let events = store::events(&mut tx, room.identity.vault(), id, last).await?;
    tx.commit().await?;
    Ok((events.into_iter().map(Arc::new).collect(), is_ended))
}

/// A run and its durable events after number `after`, in the caller's transaction.
///
/// # Errors
/// `RunNotFound`, also for another tenant's; `TextClosed`.
pub(crate) async fn snapshot(
    conn: &mut PgConnection,
    room: &Gateway,
    id: RunId,
    after: i32,
) -> Result<(RunView, Vec<Event>), Error> {
    let vault = room.identity.vault();
    let run = store::find(conn, vault, id)
        .await?
        .ok_or(Error::RunNotFound)?;
    let events = store::events(conn, vault, id, after).await?;
    Ok((run, events))
}
