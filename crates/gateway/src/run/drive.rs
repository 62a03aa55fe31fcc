use std::{sync::Arc, time::Duration};

use db::Scope;
use entitlement::{Outcome, Usage, renew, settle};
use futures::{FutureExt, StreamExt};
use llm::{StreamEvent, tokens};
use serde_json::json;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep, timeout};

use super::{
    Admitted, Event, EventKind, RunId, State,
    live::Feed,
    store::{self, Ending},
};
use crate::{
    Error, Gateway, LEASE, Target,
    provider::{self, Events, ProviderError},
};

/// How often a silent run says that it is alive and looks whether it is to stop.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// The most items of the upstream that become one event.
const LARGEST_BATCH: usize = 64;
/// The most bytes of an answer; no model that keeps to its token limit comes near.
const LARGEST_OUTPUT: usize = 2 * 1024 * 1024;

/// Drives one run to its end. Whatever happens upstream, the run ends once, with a reason, and is settled.
pub(super) async fn drive(room: Gateway, run: Admitted, feed: Arc<Feed>) {
    let id = run.id;
    let mut driver = Driver {
        deadline: Instant::now() + room.node.patience.run,
        room: &room,
        run: &run,
        feed: &feed,
        seq: 0,
        pending: Vec::new(),
        batch: String::new(),
        output: String::new(),
        usage: None,
        model: run.request.model.clone(),
    };
    let verdict = driver.generate().await;
    match driver.finish(verdict).await {
        Ok(()) => {}
        Err(error) => {
            tracing::error!(run = %id, %error, "a run could not be ended; it will be rescued");
        }
    }
    room.node.live.leave(id);
}

/// Why a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Completed,
    Stopped,
    UpstreamFailed,
    UpstreamStalled,
    UpstreamGarbled,
    Deadline,
    NodeLost,
    /// Another node ended it; nothing more is to be written.
    Fenced,
}

impl Verdict {
    pub(super) const fn state(self) -> State {
        match self {
            Self::Completed => State::Completed,
            Self::Stopped => State::Cancelled,
            _ => State::Failed,
        }
    }

    pub(super) const fn reason(self) -> Option<&'static str> {
        match self {
            Self::Completed | Self::Fenced => None,
            Self::Stopped => Some("stopped"),
            Self::UpstreamFailed => Some("upstream_failed"),
            Self::UpstreamStalled => Some("upstream_stalled"),
            Self::UpstreamGarbled => Some("upstream_garbled"),
            Self::Deadline => Some("deadline"),
            Self::NodeLost => Some("node_lost"),
        }
    }

    /// Whether the unit is kept: for an answer, and for one that was stopped after it had begun. A failure is free.
    pub(super) fn is_charged(self, output: &str) -> bool {
        match self {
            Self::Completed => true,
            Self::Stopped => !output.is_empty(),
            _ => false,
        }
    }
}

struct Driver<'a> {
    room: &'a Gateway,
    run: &'a Admitted,
    feed: &'a Feed,
    deadline: Instant,
    /// The number of the newest event.
    seq: i32,
    /// Events that are not durable yet.
    pending: Vec<Event>,
    /// Text that is no event yet.
    batch: String,
    output: String,
    usage: Option<llm::Usage>,
    model: String,
}

impl Driver<'_> {
    async fn generate(&mut self) -> Verdict {
        let (upstream, target) = match self.open().await {
            Ok(opened) => opened,
            Err(verdict) => return verdict,
        };
        self.model.clone_from(&target.model);
        self.note(
            EventKind::Started,
            json!({ "run_id": self.run.id, "model": self.model }),
        );
        self.relay(upstream).await
    }

    /// Opens the first target of the route that accepts; nothing has been shown yet, so the next may be tried.
    async fn open(&mut self) -> Result<(Events, Target), Verdict> {
        let mut verdict = Verdict::UpstreamFailed;
        for target in &self.run.targets {
            let mut request = self.run.request.clone();
            request.model.clone_from(&target.model);
            request.stream = target.streams;
            let call = timeout(
                self.room.node.patience.silence,
                provider::open(&self.room.http, target, &request),
            );
            let mut call = std::pin::pin!(call);
            let mut beat = heartbeat();
            let result = loop {
                tokio::select! {
                    result = &mut call => break result,
                    () = self.feed.cancel.cancelled() => return Err(Verdict::Stopped),
                    () = self.room.node.abandon.cancelled() => return Err(Verdict::NodeLost),
                    _ = beat.tick() => match self.write().await {
                        Ok(Kept::Go) | Err(()) => {}
                        Ok(Kept::Stop) => return Err(Verdict::Stopped),
                        Ok(Kept::Fenced) => return Err(Verdict::Fenced),
                    },
                }
            };
            match result {
                Ok(Ok(events)) => return Ok((events, target.clone())),
                Ok(Err(error)) => {
                    tracing::warn!(run = %self.run.id, model = target.model, %error, "upstream");
                    verdict = of_error(&error);
                }
                Err(_) => {
                    tracing::warn!(run = %self.run.id, model = target.model, "the upstream is silent");
                    verdict = Verdict::UpstreamStalled;
                }
            }
        }
        Err(verdict)
    }

    /// Passes on what the upstream says, making it durable in batches: while one is being written the next gathers.
    /// What comes with the end is left to be written with the end.
    async fn relay(&mut self, mut upstream: Events) -> Verdict {
        let mut heard = Instant::now();
        let mut beat = heartbeat();
        loop {
            if Instant::now() > self.deadline {
                return Verdict::Deadline;
            }
            if self.output.len() > LARGEST_OUTPUT {
                return Verdict::UpstreamGarbled;
            }
            let mut gathered = 0;
            while gathered < LARGEST_BATCH
                && let Some(next) = upstream.next().now_or_never()
            {
                heard = Instant::now();
                gathered += 1;
                if let Some(verdict) = self.take(next) {
                    return verdict;
                }
            }
            if self.has_news() {
                match self.write().await {
                    Ok(Kept::Go) => beat.reset(),
                    Ok(Kept::Stop) => return Verdict::Stopped,
                    Ok(Kept::Fenced) => return Verdict::Fenced,
                    Err(()) => return Verdict::NodeLost,
                }
            }
            if gathered == LARGEST_BATCH {
                continue;
            }
            tokio::select! {
                () = self.feed.cancel.cancelled() => return Verdict::Stopped,
                () = self.room.node.abandon.cancelled() => return Verdict::NodeLost,
                next = upstream.next() => {
                    heard = Instant::now();
                    if let Some(verdict) = self.take(next) {
                        return verdict;
                    }
                }
                _ = beat.tick() => {
                    if heard.elapsed() > self.room.node.patience.silence {
                        return Verdict::UpstreamStalled;
                    }
                    match self.write().await {
                        Ok(Kept::Go) | Err(()) => {}
                        Ok(Kept::Stop) => return Verdict::Stopped,
                        Ok(Kept::Fenced) => return Verdict::Fenced,
                    }
                }
            }
        }
    }

    /// Takes in one item of the upstream; says how the run ends if it was the last.
    fn take(&mut self, next: Option<Result<StreamEvent, ProviderError>>) -> Option<Verdict> {
        match next {
            Some(Ok(StreamEvent::Text(text))) => {
                // Postgres can't store NUL, and nobody can read it
                self.batch.push_str(&text.replace('\0', ""));
                None
            }
            Some(Ok(StreamEvent::Usage(usage))) => {
                self.usage = Some(usage);
                None
            }
            Some(Ok(StreamEvent::Finish(_))) => None,
            Some(Ok(StreamEvent::Done)) | None => Some(Verdict::Completed),
            Some(Err(error)) => {
                tracing::warn!(run = %self.run.id, model = self.model, %error, "upstream");
                Some(of_error(&error))
            }
        }
    }

    /// Numbers an event that is to become durable.
    fn note(&mut self, kind: EventKind, data: serde_json::Value) {
        self.seq += 1;
        self.pending.push(Event {
            seq: self.seq,
            kind,
            data,
        });
    }

    /// Makes one event of the text that has gathered.
    fn seal(&mut self) {
        if !self.batch.is_empty() {
            let text = std::mem::take(&mut self.batch);
            self.output.push_str(&text);
            self.note(EventKind::Delta, json!({ "text": text }));
        }
    }

    fn has_news(&self) -> bool {
        !self.batch.is_empty() || !self.pending.is_empty()
    }

    /// Makes what is pending durable and renews the lease, then shows it. A database that is away is waited for as long
    /// as the lease lasts.
    async fn write(&mut self) -> Result<Kept, ()> {
        self.seal();
        let give_up = Instant::now() + LEASE.to_std().unwrap_or_default();
        loop {
            match self.try_write().await {
                Ok(kept) => {
                    self.feed.publish(&self.pending);
                    self.pending.clear();
                    return Ok(kept);
                }
                Err(error) => {
                    tracing::warn!(run = %self.run.id, %error, "events can't be written yet");
                    if Instant::now() > give_up {
                        return Err(());
                    }
                    sleep(Duration::from_millis(300)).await;
                }
            }
        }
    }

    async fn try_write(&self) -> Result<Kept, Error> {
        let cx = &self.room.cx;
        let lease_until = cx.clock.now() + LEASE;
        let mut tx = cx.db.begin(self.scope()).await?;
        let touched = store::touch(
            &mut tx,
            self.run.id,
            self.seq,
            &self.model,
            lease_until,
            cx.clock.now(),
        )
        .await?;
        let Some(cancel_requested) = touched else {
            return Ok(Kept::Fenced);
        };
        store::insert_events(&mut tx, self.run.id, self.run.tenant, &self.pending).await?;
        renew(&mut tx, self.run.reservation, lease_until).await?;
        tx.commit().await?;
        Ok(if cancel_requested {
            Kept::Stop
        } else {
            Kept::Go
        })
    }

    /// Ends the run: its last event, its usage and the ledger commit together.
    async fn finish(&mut self, verdict: Verdict) -> Result<(), Error> {
        if verdict == Verdict::Fenced {
            tracing::warn!(run = %self.run.id, "another node ended this run");
            return Ok(());
        }
        self.seal();
        let usage = self.usage.unwrap_or_else(|| llm::Usage {
            input: if self.output.is_empty() {
                0
            } else {
                tokens::estimate_messages(&self.run.request.messages)
            },
            output: tokens::estimate(&self.output),
            cached: 0,
        });
        let price = self
            .run
            .targets
            .iter()
            .find(|t| t.model == self.model)
            .map(|t| t.price)
            .unwrap_or_default();
        let ending = Ending {
            id: self.run.id,
            tenant: self.run.tenant,
            verdict,
            seq: self.seq + 1,
            output: &self.output,
            model: &self.model,
            tokens_in: i64::try_from(usage.input).unwrap_or(i64::MAX),
            tokens_out: i64::try_from(usage.output).unwrap_or(i64::MAX),
            cost_nano_usd: price.of(usage).0,
        };
        let give_up = Instant::now() + Duration::from_secs(30);
        loop {
            match self.try_finish(&ending).await {
                Ok(last) => {
                    let events: Vec<Event> = self.pending.iter().cloned().chain(last).collect();
                    self.feed.publish(&events);
                    metrics::counter!("gateway_runs_ended_total", "state" => verdict.state().as_str()).increment(1);
                    return Ok(());
                }
                Err(error) if Instant::now() > give_up => return Err(error),
                Err(error) => {
                    tracing::warn!(run = %self.run.id, %error, "the end can't be written yet");
                    sleep(Duration::from_millis(500)).await;
                }
            }
        }
    }

    async fn try_finish(&self, ending: &Ending<'_>) -> Result<Option<Event>, Error> {
        let mut tx = self.room.cx.db.begin(self.scope()).await?;
        let event = end(&mut tx, self.room, self.run.reservation, ending).await?;
        if event.is_some() {
            store::insert_events(&mut tx, self.run.id, self.run.tenant, &self.pending).await?;
        }
        tx.commit().await?;
        Ok(event)
    }

    fn scope(&self) -> Scope {
        Scope::Tenant {
            tenant: self.run.tenant.0,
            user: None,
        }
    }
}

/// Ticks from one heartbeat on.
fn heartbeat() -> Interval {
    let mut beat = interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beat
}

/// What a write found out.
enum Kept {
    Go,
    /// The caller asked the run to stop.
    Stop,
    /// The run has ended without us.
    Fenced,
}

/// Ends a run in the caller's transaction, unless it has ended; of all who try exactly one does.
pub(super) async fn end(
    conn: &mut sqlx::PgConnection,
    room: &Gateway,
    reservation: entitlement::ReservationId,
    ending: &Ending<'_>,
) -> Result<Option<Event>, Error> {
    if !store::close(conn, ending, room.cx.clock.now()).await? {
        return Ok(None);
    }
    let event = Event {
        seq: ending.seq,
        kind: EventKind::Ended,
        data: json!({
            "state": ending.verdict.state(),
            "reason": ending.verdict.reason(),
            "tokens_in": ending.tokens_in,
            "tokens_out": ending.tokens_out,
            "cost_nano_usd": ending.cost_nano_usd,
        }),
    };
    store::insert_events(conn, ending.id, ending.tenant, std::slice::from_ref(&event)).await?;
    let used = Usage {
        amount: i64::from(ending.verdict.is_charged(ending.output)),
        model: ending.model.to_owned(),
        tokens_in: ending.tokens_in,
        tokens_out: ending.tokens_out,
        cost_nano_usd: ending.cost_nano_usd,
        outcome: match ending.verdict.state() {
            State::Completed => Outcome::Completed,
            State::Cancelled => Outcome::Cancelled,
            _ => Outcome::Failed,
        },
    };
    match settle(conn, &room.cx, reservation, &used).await {
        // it lapsed while we were away, so its units are back already
        Ok(()) | Err(entitlement::Error::ReservationClosed) => Ok(Some(event)),
        Err(error) => Err(error.into()),
    }
}

fn of_error(error: &ProviderError) -> Verdict {
    match error {
        ProviderError::Codec(llm::CodecError::Garbled { .. }) => Verdict::UpstreamGarbled,
        _ => Verdict::UpstreamFailed,
    }
}

/// The run that a rescue ends; see [`super::rescue`].
pub(super) fn lost(
    id: RunId,
    tenant: identity::TenantId,
    last_event: i32,
    model: &str,
) -> Ending<'_> {
    Ending {
        id,
        tenant,
        verdict: Verdict::NodeLost,
        seq: last_event + 1,
        output: "",
        model,
        tokens_in: 0,
        tokens_out: 0,
        cost_nano_usd: 0,
    }
}
