use std::{borrow::Cow, sync::Arc, time::Duration};

use entitlement::{Reservation, ReservationId};
use futures::{FutureExt, StreamExt};
use kernel::NanoUsd;
use llm::{StreamEvent, tokens};
use serde_json::json;
use telemetry::trace::Span;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, sleep, sleep_until},
};

use super::{
    Admitted, Comparable, Event, EventKind,
    again::Again,
    begin::Unwritten,
    draft::Draft,
    end::{last_event, usage_of},
    event::{WHOLE_ENDS_AT, before_the_end},
    live::Feed,
    store::Ending,
    takeover::go_on,
    writer::{Found, Step, What},
};
use crate::{
    Error, Gateway, LEASE, Target, cache,
    guard::Guard,
    price::Price,
    provider::{self, Asker, Events, Trouble},
    route::AfterBreak,
    shadow::{self, Given},
    state::Verdict,
    traced,
};

/// How often a silent run says that it is alive and looks whether it is to stop.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(1);

/// How long a run may go unwritten whose caller waits for the answer: one that is over by then is written once.
const UNWRITTEN: Duration = Duration::from_millis(10);
/// The most items of the upstream that become one event.
const LARGEST_BATCH: usize = 64;
/// How often another target may take up an answer that broke off.
const MOST_TAKEOVERS: u32 = 2;
/// The most bytes of an answer; no model that keeps to its token limit comes near.
const LARGEST_OUTPUT: usize = 2 * 1024 * 1024;

/// Drives one run to its end. Whatever happens upstream, the run ends once, with a reason, and is settled.
pub(super) async fn drive(room: Gateway, mut run: Admitted, feed: Arc<Feed>) {
    let id = run.id;
    let unwritten = run.unwritten.take();
    let mut driver = Driver {
        deadline: Instant::now()
            + run
                .deadline
                .unwrap_or(Duration::MAX)
                .min(room.node.patience.run),
        span: run.span.clone(),
        room: &room,
        run: &run,
        feed: &feed,
        reservation: run.reservation,
        is_waited_for: unwritten.is_some(),
        unwritten,
        kept: None,
        write_at: Instant::now() + UNWRITTEN,
        asides: 0,
        asker: None,
        ahead: None,
        draft: Draft::new(run.judge.clone().map(Guard::new)),
        usage: None,
        read: None,
        model: run.request.model.clone(),
        price: Price::default(),
        spent: None,
        takeovers: 0,
        broke: Vec::new(),
        finish: None,
        answers: None,
    };
    let verdict = driver.generate().await;
    let finished = driver.finish(verdict).await;
    if matches!(finished, Ok(true)) && verdict == Verdict::Completed {
        driver.compare();
    }
    traced::ended(&driver.span, verdict);
    if driver.ahead.is_some() {
        metrics::counter!("gateway_answers_unbilled_total").increment(1);
        tracing::error!(run = %id, "what was answered could not be billed");
    }
    match finished {
        Ok(true) => {}
        Ok(false) => {
            tracing::warn!(run = %id, "another node ended this run, or it was never written");
        }
        Err(error) => {
            tracing::error!(run = %id, %error, "a run could not be ended; it will be rescued");
        }
    }
    room.node.live.leave(id);
}

pub(super) struct Driver<'a> {
    pub(super) span: Span,
    pub(super) room: &'a Gateway,
    pub(super) run: &'a Admitted,
    pub(super) feed: &'a Feed,
    pub(super) deadline: Instant,
    reservation: ReservationId,
    /// Whether its caller waits for the answer.
    is_waited_for: bool,
    /// The run itself as long as it is not durable.
    unwritten: Option<Unwritten>,
    /// What keeps its place since it was written here.
    kept: Option<Reservation>,
    /// When it is written at the latest.
    write_at: Instant,
    /// How much of the small talk was made.
    pub(super) asides: usize,
    /// What the call under way is known by.
    pub(super) asker: Option<Asker>,
    /// What it says.
    pub(super) draft: Draft,
    /// Leave to show that before it is durable.
    ahead: Option<OwnedSemaphorePermit>,
    usage: Option<llm::Usage>,
    /// What the target that answers has read, where it said so before its answer was whole.
    read: Option<llm::Usage>,
    model: String,
    /// Of the target that answers.
    price: Price,
    /// What all targets together have cost, where there were several.
    spent: Option<NanoUsd>,
    /// How often another target has taken up the answer.
    pub(super) takeovers: u32,
    /// The targets that broke off in this run; they come last.
    pub(super) broke: Vec<String>,
    /// Why the model says that it stopped.
    finish: Option<llm::Finish>,
    /// The target that answers.
    answers: Option<&'a Target>,
}

impl<'a> Driver<'a> {
    async fn generate(&mut self) -> Verdict {
        if let Some(again) = &self.run.again {
            return self.say_again(again);
        }
        // the provider's job is written down beside it
        let has_queue = |target: &Target| target.kind.cold_start().is_some();
        if self.unwritten.is_some() && self.run.targets.iter().any(has_queue) {
            match self.write().await {
                Ok(Kept::Go) | Err(()) => {}
                Ok(Kept::Stop) => return Verdict::Stopped,
                Ok(Kept::Fenced) => return Verdict::Fenced,
            }
        }
        loop {
            let (upstream, target, call) = match self.open().await {
                Ok(opened) => opened,
                Err(verdict) => return verdict,
            };
            self.model.clone_from(&target.model);
            self.price = target.price;
            self.answers = Some(target);
            if self.takeovers == 0 {
                self.draft.note(
                    EventKind::Started,
                    json!({ "run_id": self.run.id, "model": self.model }),
                );
            }
            let (before, said) = (self.usage.take(), self.draft.output().len());
            self.read = None;
            self.draft.hand_over();
            let verdict = match self.relay(upstream).await {
                Verdict::Fenced => Verdict::Fenced,
                verdict => self.look(true).unwrap_or(verdict),
            };
            self.draft.seal();
            traced::used(&call, &self.model, self.usage);
            traced::ended(&call, verdict);
            if verdict.is_the_upstreams() {
                let name = target.name();
                self.room.node.health.failed(&name, None);
                if let Some(why) = verdict.reason() {
                    self.room.node.health.broke_off(&name, why);
                }
                self.broke.push(target.name());
            }
            let is_over = !verdict.is_the_upstreams()
                || self.run.after_break == AfterBreak::End && !self.has_only_thought()
                || self.takeovers >= MOST_TAKEOVERS
                // nobody could take up what a tool was to be asked
                || self.draft.has_calls();
            if let Some(before) = before.or((!is_over).then(llm::Usage::default)) {
                let part = self.usage.unwrap_or_else(|| self.estimate(said));
                let spent = self.spent.unwrap_or(NanoUsd(0));
                let spent = spent.checked_add(self.price.of(part));
                self.spent = Some(spent.unwrap_or(NanoUsd(i64::MAX)));
                self.usage = Some(before.and(part));
            }
            if is_over {
                return verdict;
            }
            self.takeovers += 1;
        }
    }

    /// Says what was said before, which costs nothing.
    fn say_again(&mut self, again: &Again) -> Verdict {
        self.model.clone_from(&again.model);
        self.usage = Some(llm::Usage::default());
        let started = json!({ "run_id": self.run.id, "model": self.model, "cached": true });
        self.draft.note(EventKind::Started, started);
        for said in &again.deltas {
            self.draft.repeat(said);
        }
        Verdict::Completed
    }

    /// Has another model asked the same, now that the answer is given.
    fn compare(&self) {
        let Some(Comparable { route, key }) = &self.run.comparable else {
            return;
        };
        if self.run.again.is_none() {
            let given = Given {
                tenant: self.run.tenant,
                key: *key,
                route: route.clone(),
                request: self.run.request.clone(),
                text: self.draft.output().to_owned(),
                seed: self.run.seed(),
            };
            shadow::follow(self.room, given);
        }
    }

    /// Under what the answer is kept for those who ask the same, when that is wanted and it is whole and of one target.
    fn cached_as(&self, verdict: Verdict) -> Option<Vec<u8>> {
        let is_whole = verdict == Verdict::Completed
            && matches!(
                self.finish,
                Some(llm::Finish::Stop | llm::Finish::ToolCalls)
            )
            && (self.draft.has_calls() || !self.draft.output().is_empty());
        if !self.run.cache.writes || !is_whole || self.takeovers > 0 {
            return None;
        }
        let key = cache::key_of_answer(self.answers?, &self.run.request);
        key.inspect_err(|error| tracing::warn!(run = %self.run.id, %error, "an answer can't be kept in the cache"))
            .ok()
    }

    /// What is asked of a target: the same as of the first, with what was said since.
    pub(super) fn request(&self, target: &Target) -> Cow<'a, llm::ChatRequest> {
        let asked = &self.run.request;
        let is_first = asked.model == target.model && asked.stream == target.streams;
        if is_first && self.takeovers == 0 {
            return Cow::Borrowed(asked);
        }
        let mut request = asked.clone();
        request.model.clone_from(&target.model);
        request.stream = target.streams;
        if self.takeovers > 0 {
            go_on(&mut request.messages, self.draft.output(), target.kind);
        }
        Cow::Owned(request)
    }

    /// Keeps what a target has counted that is left before its first word.
    pub(super) fn leave(
        &mut self,
        target: &Target,
        read: Option<llm::Usage>,
        usage: Option<llm::Usage>,
    ) {
        if self.takeovers == 0 {
            self.model.clone_from(&target.model);
            self.price = target.price;
            (self.read, self.usage) = (read, usage);
        }
    }

    /// What an upstream that told no count has probably counted, for what was said since byte `from`.
    fn estimate(&self, from: usize) -> llm::Usage {
        let output = self.draft.tokens_since(from);
        let read = self.read.unwrap_or_else(|| llm::Usage {
            input: if output == 0 {
                0
            } else {
                tokens::estimate_request(&self.run.request)
            },
            ..llm::Usage::default()
        });
        llm::Usage { output, ..read }
    }

    /// Passes on what the upstream says, making it durable in batches: while one is being written the next gathers.
    /// What comes with the end is left to be written with the end.
    async fn relay(&mut self, mut upstream: Events) -> Verdict {
        let mut heard = Instant::now();
        let mut beat = heard + HEARTBEAT;
        loop {
            if Instant::now() > self.deadline {
                return Verdict::Deadline;
            }
            if self.draft.output().len() > LARGEST_OUTPUT {
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
            if let Some(verdict) = self.look(false) {
                return verdict;
            }
            if self.draft.has_news() && !self.may_gather() {
                match self.write().await {
                    Ok(Kept::Go) => beat = Instant::now() + HEARTBEAT,
                    Ok(Kept::Stop) => return Verdict::Stopped,
                    Ok(Kept::Fenced) => return Verdict::Fenced,
                    Err(()) => return Verdict::NodeLost,
                }
            } else if self.draft.has_news() {
                self.go_ahead(None);
            }
            if gathered == LARGEST_BATCH {
                continue;
            }
            let wake = if self.may_gather() {
                self.write_at.min(beat)
            } else {
                beat
            };
            tokio::select! {
                () = self.feed.cancel.cancelled() => return Verdict::Stopped,
                () = self.room.node.abandon.cancelled() => return Verdict::NodeLost,
                next = upstream.next() => {
                    heard = Instant::now();
                    if let Some(verdict) = self.take(next) {
                        return verdict;
                    }
                }
                () = sleep_until(wake) => {
                    if Instant::now() < beat {
                        continue; // what has gathered is to be written
                    }
                    beat = Instant::now() + HEARTBEAT;
                    if heard.elapsed() > self.silence() {
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
    fn take(&mut self, next: Option<Result<StreamEvent, Trouble>>) -> Option<Verdict> {
        match next {
            Some(Ok(StreamEvent::Text(text))) => {
                self.draft.say(&text);
                None
            }
            Some(Ok(StreamEvent::Alive)) => None,
            Some(Ok(StreamEvent::Thought(piece))) => {
                let goes_on = self.draft.think(piece);
                (!goes_on).then_some(Verdict::UpstreamGarbled)
            }
            Some(Ok(StreamEvent::Read(read))) => {
                self.read = Some(read);
                None
            }
            Some(Ok(StreamEvent::Usage(usage))) => {
                self.usage = Some(usage);
                None
            }
            Some(Ok(StreamEvent::Logprobs(tokens))) => {
                self.draft.weigh(&tokens);
                None
            }
            Some(Ok(StreamEvent::Tool(piece))) => {
                let goes_on = self.draft.call(piece);
                (!goes_on).then_some(Verdict::UpstreamGarbled)
            }
            // what ends as it should is told by its end
            Some(Ok(StreamEvent::Finish(llm::Finish::Stop))) => {
                self.finish = Some(llm::Finish::Stop);
                None
            }
            Some(Ok(StreamEvent::Finish(finish))) => {
                self.finish = Some(finish);
                if let Some(verdict) = self.look(true) {
                    return Some(verdict);
                }
                self.draft
                    .note_piece(json!({ "text": "", "finish": finish }));
                None
            }
            Some(Ok(StreamEvent::Done)) | None => Some(Verdict::Completed),
            Some(Err(error)) => {
                let provider = self.answers.map(|target| &target.provider);
                let error_told = error.told(provider::words(&self.run.request));
                tracing::warn!(run = %self.run.id, provider, model = self.model, error = error_told, "upstream");
                Some(Verdict::of(error.meaning()))
            }
        }
    }

    /// Lets through what may be shown of what is held back; says how the run ends if it may not be said.
    fn look(&mut self, is_whole: bool) -> Option<Verdict> {
        (!self.draft.look(is_whole)).then_some(Verdict::Moderated)
    }

    /// Takes back what was shown and may not be said; says for what.
    fn withdraw(&mut self) -> Option<&'static str> {
        let category = self.draft.withdraw()?;
        tracing::info!(run = %self.run.id, category, "an answer was refused");
        metrics::counter!("gateway_answers_refused_total", "category" => category).increment(1);
        self.feed.withdraw();
        Some(category)
    }

    /// Whether only thoughts were heard, so that nothing was said yet that another target would have to go on from.
    fn has_only_thought(&self) -> bool {
        self.draft.has_thought() && self.draft.has_no_words() && !self.draft.has_calls()
    }

    /// How long the target that answers may be silent: between its thoughts as long as before its first word.
    fn silence(&self) -> Duration {
        let usual = self.room.node.patience.silence;
        if self.has_only_thought() {
            self.patience_of_answering(usual)
        } else {
            usual
        }
    }

    /// How long the target that answers may take for its first word.
    pub(super) fn patience_of_answering(&self, usual: Duration) -> Duration {
        self.answers.map_or(usual, |target| {
            provider::patience(target, &self.run.request, usual)
        })
    }

    /// Whether what there is to write may wait for more, since not even the run is written yet.
    pub(super) fn may_gather(&self) -> bool {
        self.unwritten.is_some() && Instant::now() < self.write_at
    }

    /// When the run has to be written, if it is not.
    pub(super) fn due(&self) -> Option<Instant> {
        self.unwritten.is_some().then_some(self.write_at)
    }

    /// Shows what there is before it is durable, where the operator lets it: the end, and of a run that is not written yet what comes
    /// before. What is said of one that is written is durable before it is shown, so that its numbers are the same after a crash.
    fn go_ahead(&mut self, end: Option<&Arc<Event>>) -> bool {
        if !self.is_waited_for || self.unwritten.is_none() && end.is_none() {
            return false;
        }
        self.ahead = self.ahead.take().or_else(|| self.room.writer.ahead());
        if self.ahead.is_none() {
            return false;
        }
        if end.is_some() {
            let unwritten = self.unwritten.as_ref();
            let reservation = unwritten.map(|run| run.start.reservation());
            if let Some(reservation) = reservation.or(self.kept.as_ref()) {
                reservation.vacate();
            }
        }
        self.draft.seal();
        let mut news = self.draft.show();
        news.extend(end.cloned());
        self.feed.go_ahead(&news);
        true
    }

    /// What was pending is durable: shows what was not shown yet.
    fn publish(&mut self, end: Option<Arc<Event>>) {
        let mut news = self.draft.show();
        news.extend(end);
        self.feed.publish(&news);
        self.feed.mark_written();
        self.draft.is_written();
        self.ahead = None;
    }

    /// Makes what is pending durable and renews the lease, then shows it. A database that is away is waited for as long
    /// as the lease lasts.
    pub(super) async fn write(&mut self) -> Result<Kept, ()> {
        self.draft.seal();
        let give_up = Instant::now() + LEASE.to_std().unwrap_or_default();
        loop {
            match self.put(None).await {
                Ok(Found::Written { is_to_stop }) => {
                    self.publish(None);
                    return Ok(if is_to_stop { Kept::Stop } else { Kept::Go });
                }
                Ok(Found::Ended | Found::Unadmitted) => return Ok(Kept::Fenced),
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

    /// Ends the run: its last event, its usage and the ledger commit together. Not where another node has, or it was never written:
    /// then nobody sees what was not.
    async fn finish(&mut self, verdict: Verdict) -> Result<bool, Error> {
        if verdict == Verdict::Fenced {
            return Ok(false);
        }
        self.draft.seal();
        let usage = self.usage.unwrap_or_else(|| self.estimate(0));
        traced::used(&self.span, &self.model, Some(usage));
        let was_shown = !self.draft.output().is_empty() || self.draft.has_calls();
        let refused_for = self.withdraw();
        let ending = Ending {
            id: self.run.id,
            tenant: self.run.tenant,
            verdict,
            seq: self.draft.seq() + 1,
            output: self.draft.output().to_owned(),
            model: self.model.clone(),
            tokens: usage.into(),
            cost_nano_usd: self.spent.unwrap_or_else(|| self.price.of(usage)).0,
            is_cached: self.run.again.is_some(),
            was_shown,
            refused_for,
            cached_as: self.cached_as(verdict),
        };
        let last = Arc::new(last_event(&ending));
        let is_told = self.go_ahead(Some(&last));
        let give_up = Instant::now() + Duration::from_secs(30);
        loop {
            match self.put(Some(&ending)).await {
                Ok(Found::Written { .. }) => {
                    self.publish((!is_told).then_some(last));
                    self.meter(verdict, usage, ending.cost_nano_usd);
                    return Ok(true);
                }
                Ok(Found::Ended | Found::Unadmitted) => return Ok(false),
                Err(error) if Instant::now() > give_up => return Err(error),
                Err(error) => {
                    tracing::warn!(run = %self.run.id, %error, "the end can't be written yet");
                    sleep(Duration::from_millis(500)).await;
                }
            }
        }
    }

    /// Counts how it ended and what it used; what several targets have used is counted as the last one's.
    fn meter(&self, verdict: Verdict, usage: llm::Usage, cost_nano_usd: i64) {
        let (state, reason) = (verdict.state().as_str(), verdict.reason().unwrap_or("none"));
        let model = self.model.clone();
        metrics::counter!("gateway_runs_ended_total", "state" => state, "reason" => reason, "model" => model).increment(1);
        if let Some(target) = self.answers {
            let health = &self.room.node.health;
            health.used(&target.name(), usage, cost_nano_usd);
        }
    }

    /// Writes what is pending, and the run itself where that is not durable yet.
    async fn put(&mut self, ending: Option<&Ending>) -> Result<Found, Error> {
        loop {
            let first = self.unwritten.as_ref().map(|run| Arc::clone(&run.start));
            let step = Step {
                id: self.run.id,
                tenant: self.run.tenant,
                first,
                events: self.events(ending),
                what: self.what(ending),
                is_awaited: self.ahead.is_none(),
            };
            let found = match self.room.writer.write(step).await {
                // who waits may ask again; nobody has heard of it
                Err(error) if self.unwritten.is_some() && self.ahead.is_none() => {
                    self.feed.refuse(error);
                    return Ok(Found::Ended);
                }
                found => found?,
            };
            let Some(unwritten) = self.unwritten.take() else {
                return Ok(found);
            };
            if found != Found::Unadmitted {
                self.kept = unwritten.written();
                return Ok(found);
            }
            match unwritten.again(self.room).await {
                Ok(again) => {
                    self.reservation = again.start.reservation().id;
                    self.unwritten = Some(again);
                }
                Err(error) => {
                    self.feed.refuse(error);
                    return Ok(found);
                }
            }
        }
    }

    /// What is written of the events; what an answer in one piece has told stands in its run.
    fn events(&self, ending: Option<&Ending>) -> Vec<Arc<Event>> {
        let Some(ending) = ending else {
            return self.draft.pending().to_vec();
        };
        let before_the_end = || before_the_end(ending.id, &ending.model, &ending.output);
        let pending = self.draft.pending().iter().map(Arc::as_ref);
        let is_whole = ending.seq == WHOLE_ENDS_AT && pending.eq(&before_the_end());
        if is_whole {
            return Vec::new();
        }
        let before = self.draft.pending().iter().cloned();
        before.chain([Arc::new(last_event(ending))]).collect()
    }

    fn what(&self, ending: Option<&Ending>) -> What {
        match ending {
            None => What::Beat {
                seq: self.draft.seq(),
                model: self.model.clone(),
            },
            Some(ending) => What::End {
                reservation: self.reservation,
                ending: Box::new(ending.clone()),
                used: usage_of(ending),
            },
        }
    }
}

/// What a write found out.
pub(super) enum Kept {
    Go,
    /// The caller asked the run to stop.
    Stop,
    /// The run has ended without us.
    Fenced,
}
