use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures::{StreamExt, stream};
use kernel::Text;
use llm::{CodecError, StreamEvent};
use serde_json::json;
use telemetry::trace::Span;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::{
    EventKind,
    drive::{Driver, HEARTBEAT, Kept},
};
use crate::{
    attempts::{Attempts, Then},
    places::{Guest, NoPlace, Place, Priority},
    provider::{self, Asker, Events, Trouble},
    route::{Target, Use},
    state::Verdict,
    traced,
};

/// How long a target keeps somebody waiting before each line of small talk.
const ASIDES: [Duration; 3] = [
    Duration::from_secs(3),
    Duration::from_secs(15),
    Duration::from_secs(40),
];

/// Said once to whoever waits in a provider's line.
static STARTS: Text = Text::new(
    "モデルを動かす機械の順番を待っています。起動に2分ほどかかることがあります。",
    "Waiting for a machine that runs the model. It may have to start, which can take two minutes.",
);

impl<'a> Driver<'a> {
    /// Opens a target of the route and waits for its first word. Nothing of it has been shown yet, so as long as calls
    /// are left, another may be tried.
    pub(super) async fn open(&mut self) -> Result<(Events, &'a Target, Span), Verdict> {
        let (room, run) = (self.room, self.run);
        let seed = run.seed() ^ u64::from(self.takeovers);
        let mut attempts = Attempts::new(
            &room.node.health,
            &run.targets,
            &self.broke,
            seed,
            |target| room.node.places.is_full(target),
        );
        let mut verdict = Verdict::UpstreamUnavailable;
        while let Some(target) = attempts.turn() {
            let Ok(mut place) = self.place(target).await? else {
                verdict = Verdict::LineFull;
                continue;
            };
            while let Some(call) = attempts.call() {
                let span = traced::of_call(&self.span, target, Use::Chat);
                let calling = self.call(target, call.key, span.clone());
                let called = calling.await;
                let trouble = match called.inspect_err(|verdict| traced::ended(&span, *verdict))? {
                    Ok(events) => {
                        let events = match attempts.succeeded() {
                            Some(underway) => underway.until_the_last(events, place.take()),
                            None => events,
                        };
                        return Ok((events, target, span));
                    }
                    Err(trouble) => trouble,
                };
                tracing::warn!(run = %run.id, provider = target.provider, model = target.model, error = trouble.told(provider::words(&run.request)), "upstream");
                verdict = Verdict::of(trouble.meaning());
                traced::ended(&span, verdict);
                match attempts.failed(&trouble) {
                    Then::GoOn => {}
                    Then::Wait(wait) => self.pause(wait).await?,
                    Then::GiveUp => return Err(verdict),
                }
            }
        }
        Err(verdict)
    }

    /// Waits for a place at a target that has so many of them; what may wait waits as long as it may run.
    async fn place(&mut self, target: &Target) -> Result<Result<Option<Place>, NoPlace>, Verdict> {
        if target.room.is_none() {
            return Ok(Ok(None));
        }
        let (node, run) = (&self.room.node, self.run);
        let within = match run.priority {
            Priority::Low => node.patience.run,
            Priority::Live | Priority::Normal => node.patience.line,
        };
        let guest = Guest {
            run: run.id.0,
            tenant: run.tenant,
            priority: run.priority,
        };
        self.while_alive(node.places.take(target, guest, within))
            .await
    }

    /// Makes one call and waits for its first word, thought or call: who has only read, or was counted, may still fail and be
    /// replaced. An error outside means that the run is to end; then what was read until then is to be paid.
    async fn call(
        &mut self,
        target: &'a Target,
        key: Option<usize>,
        span: Span,
    ) -> Result<Result<Events, Trouble>, Verdict> {
        let request = self.request(target);
        traced::asks(&span, &request);
        let room = self.room;
        let asker = self.asker();
        self.asker = Some(asker.clone());
        let secret = key.and_then(|at| target.keys.get(at));
        let silence = provider::patience(target, &request, self.room.node.patience.silence);
        // what it has read, and what it has used so far
        let counts = Mutex::new((None, None));
        let heard = || counts.lock().unwrap_or_else(PoisonError::into_inner);
        let opening = async move {
            let opening = provider::open(room, &asker, target, secret, &request);
            let opened = timeout(silence, opening)
                .await
                .map_err(|_| Trouble::Silent)??;
            let mut events = opened.events;
            let first = loop {
                let next = timeout(silence, events.next());
                match next.await.map_err(|_| Trouble::Silent)? {
                    Some(Ok(StreamEvent::Alive)) => {}
                    Some(Ok(StreamEvent::Read(read))) => heard().0 = Some(read),
                    Some(Ok(StreamEvent::Usage(usage))) => heard().1 = Some(usage),
                    next => break next.ok_or(CodecError::Truncated)??,
                }
            };
            let (read, usage) = *heard();
            let before = [read.map(StreamEvent::Read), usage.map(StreamEvent::Usage)];
            let begun = before.into_iter().flatten().chain([first]).map(Ok);
            Ok(stream::iter(begun.collect::<Vec<_>>())
                .chain(events)
                .boxed())
        };
        // boxed: it is the largest that a run waits for, and everything around it would move it
        let called = self.while_alive(Box::pin(span.around(opening))).await;
        self.asker = None;
        if called.is_err() {
            let (read, usage) = *heard();
            self.leave(target, read, usage);
        }
        called
    }

    fn asker(&self) -> Asker {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let left = chrono::Duration::from_std(left).unwrap_or(chrono::Duration::days(1));
        let mut asker = Asker::new(self.run.id, self.run.tenant);
        asker.is_judged = self.run.judge.is_some();
        asker.until = Some(self.room.cx.clock.now() + left);
        asker
    }

    /// Makes the next line of small talk when it is time for it. Where a storefront has none, whoever waits for a machine to start
    /// is told so once.
    fn talk(&mut self, begun: Instant) {
        let is_due = ASIDES
            .get(self.asides)
            .is_some_and(|after| begun.elapsed() >= *after);
        let starts = self.asker.as_ref().is_some_and(Asker::is_queued);
        let line = match self.run.small_talk.as_slice() {
            [] => (starts && self.asides == 0).then_some(&STARTS),
            lines => lines.get(self.asides),
        };
        if let Some(text) = line.filter(|_| is_due && self.takeovers == 0) {
            self.asides += 1;
            self.draft.note(EventKind::Aside, json!({ "text": text }));
        }
    }

    async fn pause(&mut self, wait: Duration) -> Result<(), Verdict> {
        self.while_alive(sleep(wait)).await
    }

    /// Waits for something that takes long, and meanwhile keeps the run's lease and looks whether it is to stop.
    async fn while_alive<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Verdict> {
        let mut work = std::pin::pin!(work);
        let begun = Instant::now();
        let mut beat = begun + HEARTBEAT;
        let room = self.room;
        let feed = self.feed;
        loop {
            let wake = self.due().unwrap_or(beat).min(beat).min(self.deadline);
            tokio::select! {
                done = &mut work => return Ok(done),
                () = feed.cancel.cancelled() => return Err(Verdict::Stopped),
                () = room.node.abandon.cancelled() => return Err(Verdict::NodeLost),
                () = sleep_until(wake) => {
                    let now = Instant::now();
                    if now >= self.deadline {
                        return Err(Verdict::Deadline);
                    }
                    if now >= beat {
                        beat = now + HEARTBEAT;
                    }
                    self.talk(begun);
                    match self.write().await {
                        Ok(Kept::Go) | Err(()) => {}
                        Ok(Kept::Stop) => return Err(Verdict::Stopped),
                        Ok(Kept::Fenced) => return Err(Verdict::Fenced),
                    }
                }
            }
        }
    }
}
