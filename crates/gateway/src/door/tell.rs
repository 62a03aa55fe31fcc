use std::{
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures::{Stream, StreamExt, future::try_join_all, stream};
use identity::{InferenceCaller, Principal};
use llm::{ChatAnswer, Finish, StreamEvent, Usage};
use tokio::time::timeout;

use super::Begun;
use crate::{
    Error, Gateway, RunId, RunView,
    dialect::Turned,
    failure::failure,
    run::{Event, Told, follow, snapshot, told},
};

/// How often a silent stream says that it is alive.
const PING: Duration = Duration::from_secs(15);
/// How long a stream's headers wait for its first word: what fails before is told by its status, so that a client knows that it may
/// ask again.
const FIRST: Duration = Duration::from_secs(2);

/// Waits for the end of a run and gives its whole answer.
pub(crate) async fn collect(
    room: &Gateway,
    caller: Principal,
    run: impl Into<Begun>,
) -> Result<ChatAnswer, Turned> {
    let mut answer = ChatAnswer::empty("");
    let run: Begun = run.into();
    let mut events = Box::pin(follow(room.clone(), caller, (run.id, run.feed), 0).await?);
    while let Some(event) = events.next().await {
        match told(&*event?) {
            Some(Told::Said(said)) => answer.take(&said),
            Some(Told::Withdrawn) => answer = ChatAnswer::empty(""),
            Some(Told::Ended(usage) | Told::Stopped(usage)) => {
                end(&mut answer, usage);
                return Ok(answer);
            }
            Some(Told::Failed(reason)) => return Err(failure(&reason).into()),
            None => {}
        }
    }
    Err(Error::RunNotFound.into())
}

/// As [`collect`], of runs that are answered together. When one fails, the others are stopped.
pub(crate) async fn collect_all(
    room: &Gateway,
    caller: Principal,
    runs: &[Begun],
) -> Result<Vec<ChatAnswer>, Turned> {
    let all = runs.iter().map(|run| collect(room, caller, run.clone()));
    let answers = try_join_all(all).await;
    if answers.is_err() && runs.len() > 1 {
        for run in runs {
            room.node.live.cancel(run.id);
        }
    }
    answers
}

/// What ends as it should is told by its end alone.
fn end(answer: &mut ChatAnswer, usage: Usage) {
    answer.usage = Some(usage);
    if answer.finish == Finish::Other {
        answer.finish = Finish::Stop;
    }
}

/// Waits for what comes of these runs, and stops them when their caller is `gone` before.
pub(crate) async fn unless_gone<T>(
    room: &Gateway,
    runs: impl IntoIterator<Item = RunId>,
    gone: impl Future<Output = ()>,
    wait: impl Future<Output = T>,
) -> T {
    let mut wait = pin!(wait);
    tokio::select! {
        heard = &mut wait => return heard,
        () = gone => {}
    }
    for id in runs {
        room.node.live.cancel(id);
    }
    wait.await
}

/// A run and what it has said until now, without waiting.
pub(crate) async fn so_far(
    room: &Gateway,
    caller: Principal,
    id: RunId,
) -> Result<(RunView, ChatAnswer), Error> {
    room.node.live.written(id).await;
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    let (run, events) = snapshot(&mut tx, room, id, 0).await?;
    tx.commit().await?;
    let mut answer = ChatAnswer::empty("");
    for event in &events {
        match told(event) {
            Some(Told::Said(said)) => answer.take(&said),
            Some(Told::Withdrawn) => answer = ChatAnswer::empty(""),
            Some(Told::Ended(usage) | Told::Stopped(usage)) => end(&mut answer, usage),
            Some(Told::Failed(_)) | None => {}
        }
    }
    Ok((run, answer))
}

/// Writes what a stream tells in one dialect.
pub(crate) trait Write: Send + 'static {
    /// Before anything was said.
    fn begin(&mut self) -> String {
        String::new()
    }
    /// What follows is of this choice; most dialects have one.
    fn turn(&mut self, _choice: usize) {}
    fn said(&mut self, event: &StreamEvent) -> String;
    /// It ends, since somebody stopped it; most dialects have no word for that.
    fn stopped(&mut self, usage: Usage) -> String {
        let usage = self.said(&StreamEvent::Usage(usage));
        usage + &self.said(&StreamEvent::Done)
    }
    fn failed(&mut self, turned: Turned) -> String;
}

/// Streams a run's events in a dialect, from the event after `after` on, with the events' numbers as ids.
pub(crate) async fn sse(
    room: &Gateway,
    caller: InferenceCaller,
    run: impl Into<Begun>,
    after: i32,
    aborts: bool,
    write: impl Write,
) -> Result<Response, Turned> {
    sse_all(room, caller, vec![run.into()], after, aborts, write).await
}

/// As [`sse`], of runs that are told together, each as it goes on; then the events have no ids. When one fails, the others are stopped.
pub(crate) async fn sse_all(
    room: &Gateway,
    caller: InferenceCaller,
    runs: Vec<Begun>,
    after: i32,
    aborts: bool,
    mut write: impl Write,
) -> Result<Response, Turned> {
    let identity = room.identity.clone();
    let is_new = runs.iter().all(|run| run.feed.is_some());
    let open: Vec<(usize, RunId)> = runs.iter().map(|run| run.id).enumerate().collect();
    let is_alone = open.len() == 1;
    let mut told_by = Vec::with_capacity(open.len());
    for (choice, run) in runs.into_iter().enumerate() {
        let events = follow(room.clone(), caller.principal, (run.id, run.feed), after).await?;
        told_by.push(events.map(move |event| (choice, event)).boxed());
    }
    let events = match told_by.pop() {
        Some(only) if is_alone => only,
        last => stream::select_all(told_by.into_iter().chain(last)).boxed(),
    };
    let mut events: Events = Box::pin(events.take_until(Box::pin(caller.taken_back(identity))));
    let mut leaving = Leaving {
        room: room.clone(),
        aborts,
        open,
    };
    if is_new {
        events = opened(events)
            .await
            .inspect_err(|_| leaving.aborts = true)?;
    }
    let body = async_stream::stream! {
        let mut leaving = leaving;
        let opening = write.begin();
        if !opening.is_empty() {
            yield opening;
        }
        while !leaving.open.is_empty() {
            let Ok(next) = timeout(PING, events.next()).await else {
                yield ": ping\n\n".to_owned();
                continue;
            };
            let (seq, text) = match next {
                None => (0, write.failed(leaving.all_go_on(failure("").into()))),
                Some((_, Err(error))) => (0, write.failed(leaving.all_go_on(error.into()))),
                Some((choice, Ok(event))) => {
                    write.turn(choice);
                    let text = match told(&event) {
                        // no dialect can take a word back; a storefront whose words are judged is read by its own events
                        None | Some(Told::Withdrawn) => continue,
                        Some(Told::Said(said)) => write.said(&said),
                        Some(Told::Ended(usage)) => {
                            leaving.is_over(choice);
                            let usage = write.said(&StreamEvent::Usage(usage));
                            usage + &write.said(&StreamEvent::Done)
                        }
                        Some(Told::Stopped(usage)) => {
                            leaving.is_over(choice);
                            write.stopped(usage)
                        }
                        Some(Told::Failed(reason)) => {
                            leaving.is_over(choice);
                            leaving.stop();
                            write.failed(failure(&reason).into())
                        }
                    };
                    (event.seq, text)
                }
            };
            if !text.is_empty() {
                yield if seq > 0 && is_alone { format!("id: {seq}\n{text}") } else { text };
            }
        }
    };
    let stream = body.map(Ok::<_, std::convert::Infallible>);
    let mut response = Body::from_stream(stream).into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        // a proxy that gathers events before passing them on would spoil the stream
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

/// The events of runs that are told together, each with the place of its run among them.
type Events = Pin<Box<dyn Stream<Item = (usize, Result<Arc<Event>, Error>)> + Send>>;

/// Waits a little for the first word; an end without one is a failure yet.
async fn opened(mut events: Events) -> Result<Events, Turned> {
    let mut heard = Vec::new();
    let first = async {
        while let Some((choice, event)) = events.next().await {
            let told = event.as_ref().ok().and_then(|event| told(event));
            let is_silent = event.is_ok() && told.is_none();
            heard.push((choice, event));
            if let Some(Told::Failed(reason)) = told {
                return Err(failure(&reason));
            }
            if !is_silent {
                break;
            }
        }
        Ok(())
    };
    // whoever waits for a machine to start is told that we are here
    if let Ok(failed) = timeout(FIRST, first).await {
        failed?;
    }
    Ok(Box::pin(stream::iter(heard).chain(events)))
}

/// Stops the runs that are still under way when their only reader goes before their end, if that was asked for.
struct Leaving {
    room: Gateway,
    aborts: bool,
    /// The runs that have not ended, with their places.
    open: Vec<(usize, RunId)>,
}

impl Leaving {
    fn is_over(&mut self, choice: usize) {
        self.open.retain(|(other, _)| *other != choice);
    }

    /// Stops what is still under way: nobody will hear of it.
    fn stop(&mut self) {
        for (_, id) in std::mem::take(&mut self.open) {
            self.room.node.live.cancel(id);
        }
    }

    /// It is the reading that ends here, not the runs.
    fn all_go_on(&mut self, why: Turned) -> Turned {
        self.open.clear();
        why
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        if self.aborts {
            self.stop();
        }
    }
}
