use std::time::Duration;

use futures::{StreamExt, stream};
use llm::CodecError;
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use super::{
    EventKind,
    drive::{Driver, Kept, Verdict, heartbeat},
};
use crate::{
    choose::{self, MOST_CALLS, Next},
    provider::{self, Events, Trouble},
    route::Target,
};

/// How long a target keeps somebody waiting before each line of small talk.
const ASIDES: [Duration; 3] = [
    Duration::from_secs(3),
    Duration::from_secs(15),
    Duration::from_secs(40),
];

impl Driver<'_> {
    /// Opens a target of the route and waits for its first word. Nothing of it has been shown yet, so as long as calls
    /// are left, another may be tried.
    pub(super) async fn open(&mut self) -> Result<(Events, Target), Verdict> {
        let health = &self.room.node.health;
        let targets = &self.run.targets;
        let seed = self.run.seed() ^ u64::from(self.takeovers);
        let order = health.order(targets, &self.broke, seed);
        let mut verdict = Verdict::UpstreamUnavailable;
        let mut calls = 0;
        for (place, target) in order.iter().filter_map(|&at| targets.get(at)).enumerate() {
            let name = target.name();
            let mut failed_keys = Vec::new();
            let mut made = 0;
            while calls < MOST_CALLS && health.admits(&name) {
                calls += 1;
                made += 1;
                let underway = health.begin(target);
                let key = choose::key(&target.keys, choose::throw(seed), &failed_keys);
                let trouble = match self.call(target, key).await? {
                    Ok(events) => {
                        health.succeeded(&name);
                        underway.answered();
                        let events = underway.until_the_last(events);
                        return Ok((events, target.clone()));
                    }
                    Err(trouble) => trouble,
                };
                if !trouble.is_ours() {
                    underway.failed();
                }
                drop(underway);
                tracing::warn!(run = %self.run.id, provider = target.provider, model = target.model, error = %trouble, "upstream");
                verdict = Verdict::of(trouble.meaning());
                if trouble.is_ours() {
                    health.succeeded(&name);
                    return Err(verdict);
                }
                failed_keys.extend(key);
                if trouble.is_of_the_key() && failed_keys.len() < target.keys.len() {
                    continue;
                }
                let others = order
                    .iter()
                    .skip(place + 1)
                    .filter_map(|&at| targets.get(at))
                    .any(|other| health.is_well(&other.name()));
                match choose::after(&trouble, made, others, seed) {
                    Next::Again(wait) if calls < MOST_CALLS => self.pause(wait).await?,
                    Next::Again(_) | Next::Another => {
                        health.failed(&name, trouble.retry_after());
                        break;
                    }
                    Next::GiveUp => return Err(verdict),
                }
            }
        }
        Err(verdict)
    }

    /// Makes one call and waits for its first event; an error outside means that the run is to end.
    async fn call(
        &mut self,
        target: &Target,
        key: Option<usize>,
    ) -> Result<Result<Events, Trouble>, Verdict> {
        let mut request = self.request();
        request.model.clone_from(&target.model);
        request.stream = target.streams;
        let room = self.room.clone();
        let run = (self.run.id, self.run.tenant);
        let (of, secret) = (
            target.clone(),
            key.and_then(|at| target.keys.get(at)).cloned(),
        );
        let silence = target.start.unwrap_or(self.room.node.patience.silence);
        let opening = async move {
            let opening = provider::open(&room, run, &of, secret.as_ref(), &request);
            let opened = timeout(silence, opening)
                .await
                .map_err(|_| Trouble::Silent)??;
            let mut events = opened.events;
            let first = timeout(silence, events.next())
                .await
                .map_err(|_| Trouble::Silent)?
                .ok_or(CodecError::Truncated)??;
            Ok(stream::iter([Ok(first)]).chain(events).boxed())
        };
        self.while_alive(opening).await
    }

    /// Makes the next line of small talk when it is time for it.
    fn talk(&mut self, begun: Instant) {
        let is_due = ASIDES
            .get(self.asides)
            .is_some_and(|after| begun.elapsed() >= *after);
        let line = self.run.small_talk.get(self.asides);
        if let Some(text) = line.filter(|_| is_due && self.takeovers == 0) {
            self.asides += 1;
            self.note(EventKind::Aside, json!({ "text": text }));
        }
    }

    async fn pause(&mut self, wait: Duration) -> Result<(), Verdict> {
        self.while_alive(sleep(wait)).await
    }

    /// Waits for something that takes long, and meanwhile keeps the run's lease and looks whether it is to stop.
    async fn while_alive<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Verdict> {
        let mut work = std::pin::pin!(work);
        let mut beat = heartbeat();
        let begun = Instant::now();
        let room = self.room;
        let feed = self.feed;
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                () = feed.cancel.cancelled() => return Err(Verdict::Stopped),
                () = room.node.abandon.cancelled() => return Err(Verdict::NodeLost),
                () = tokio::time::sleep_until(self.deadline) => return Err(Verdict::Deadline),
                _ = beat.tick() => {
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
