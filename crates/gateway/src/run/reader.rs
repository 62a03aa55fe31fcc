use std::{sync::Arc, time::Duration};

use futures::Stream;
use identity::Principal;
use sqlx::PgConnection;

use super::{Event, EventKind, RunView, live::Feed, store};
use crate::{Error, Gateway, RunId};

/// How often a run of another node is looked at.
const LOOK: Duration = Duration::from_millis(250);

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
