//! Vectors: one call, one answer. It is no run (decision 0022): nothing of it is streamed, read again or taken up by
//! another node. What a dead node had set aside lapses with its lease.

use std::time::Duration;

use entitlement::{Outcome, Reservation, TRIES, Usage, Work, admit, record, settle};
use futures::{FutureExt, future::BoxFuture};
use identity::InferenceCaller;
use kernel::Fault;
use llm::{EmbedAnswer, EmbedInput, EmbedRequest, tokens};
use sqlx::PgConnection;
use telemetry::trace;
use tokio::time::{Instant, sleep, timeout};

use crate::{
    CacheUse, Cached, DataPolicy, EmbeddingId, Error, Gateway, LEASE, Priority, Target,
    attempts::{Attempts, Then},
    cache::Known,
    places::Guest,
    provider::{self, Trouble},
    route::{Kind, Use},
    run::{Way, way},
    state::Verdict,
    traced,
};

/// What vectors are counted in.
pub(crate) const VECTORS: &str = "embedding_token";
/// How long the books are waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long vectors wait in line: what was set aside for them lapses.
const LINE: Duration = Duration::from_secs(5);

/// What a door asks for.
#[derive(Clone, Debug)]
pub struct AskVectors {
    /// What for, such as `genai.embedding_token`: the unit, of which it costs one for each token, and the plan's key to the route.
    pub purpose: String,
    /// The public name of a model; the plan's own choice for the purpose unless said.
    pub model: Option<String>,
    pub request: EmbedRequest,
    /// Whether vectors that were made before will do, and these may be given again.
    pub cache: CacheUse,
    pub priority: Priority,
    pub policy: DataPolicy,
}

/// Vectors that are paid for.
#[derive(Clone, Debug)]
pub struct Vectors {
    pub id: EmbeddingId,
    /// With the provider's count, or ours where it gave none.
    pub answer: EmbedAnswer,
    /// Billionths of a US dollar.
    pub cost_nano_usd: i64,
    /// How much was made before; none where the caller wants nothing of the cache.
    pub cached: Option<Cached>,
}

/// Makes vectors of texts. Once begun it goes on to its bill, whether or not anyone waits.
///
/// # Errors
/// As a run's start, and `Upstream` when no target delivered; that is free.
pub async fn embed(
    room: &Gateway,
    caller: &InferenceCaller,
    ask: AskVectors,
) -> Result<Vectors, Error> {
    let note = Noted::new(room.cx.ids.new_id(), |_, _| async { Ok(()) }.boxed());
    embed_noted(room, caller, ask, note).await
}

type Write = dyn for<'a> Fn(&'a mut PgConnection, &'a EmbedAnswer) -> BoxFuture<'a, Result<(), Error>>
    + Send
    + Sync;

/// What vectors are called, and what else is written in the transaction of their bill.
pub(crate) struct Noted {
    id: EmbeddingId,
    write: Box<Write>,
}

impl Noted {
    pub(crate) fn new(
        id: EmbeddingId,
        write: impl for<'a> Fn(
            &'a mut PgConnection,
            &'a EmbedAnswer,
        ) -> BoxFuture<'a, Result<(), Error>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self {
            id,
            write: Box::new(write),
        }
    }
}

/// As [`embed`], with something that is written in the transaction of the bill.
pub(crate) async fn embed_noted(
    room: &Gateway,
    caller: &InferenceCaller,
    ask: AskVectors,
    note: Noted,
) -> Result<Vectors, Error> {
    let work = make(room.clone(), caller.clone(), ask, note);
    let work = trace::current().around(work);
    let made = room.node.tasks.spawn(work).await;
    made.map_err(|error| Fault::internal("vectors were not made", error))?
}

async fn make(
    room: Gateway,
    caller: InferenceCaller,
    ask: AskVectors,
    note: Noted,
) -> Result<Vectors, Error> {
    let id = note.id;
    let estimate = estimate(&ask.request.input);
    let aside = set_aside(estimate);
    let (kept, targets) = begin(&room, &caller, &ask, id, aside).await?;
    let made = call(&room, &caller, id, &targets, &ask).await;
    let (made, target) = match made {
        Ok(answered) => answered,
        Err(verdict) => {
            let model = targets.first().map(|target| target.model.clone());
            let nothing = Usage {
                amount: 0,
                model: model.unwrap_or_default(),
                tokens_in: 0,
                tokens_out: 0,
                cost_nano_usd: 0,
                outcome: Outcome::Failed,
            };
            end(&room, &caller, &kept, &nothing, None).await?;
            return Err(Error::Upstream(verdict.reason().unwrap_or_default()));
        }
    };
    let Made {
        mut answer,
        sent,
        cached,
    } = made;
    let usage = answer.usage.unwrap_or_else(|| llm::Usage {
        input: sent,
        ..llm::Usage::default()
    });
    answer.usage = Some(usage);
    let tokens = i64::try_from(usage.input).unwrap_or(i64::MAX);
    let cost_nano_usd = target.price.of(usage).0;
    let used = Usage {
        // what was not set aside may be another's by now
        amount: tokens.min(aside),
        model: target.model.clone(),
        tokens_in: tokens,
        tokens_out: 0,
        cost_nano_usd,
        outcome: Outcome::Completed,
    };
    end(&room, &caller, &kept, &used, Some((&note, &answer))).await?;
    let health = &room.node.health;
    health.used(&target.name(), usage, cost_nano_usd);
    Ok(Vectors {
        id,
        answer,
        cost_nano_usd,
        cached,
    })
}

/// What the provider will probably count.
fn estimate(input: &EmbedInput) -> u64 {
    match input {
        EmbedInput::Texts(texts) => texts.iter().map(|text| tokens::estimate(text)).sum(),
        EmbedInput::Tokens(inputs) => inputs
            .iter()
            .map(|tokens| u64::try_from(tokens.len()).unwrap_or(u64::MAX))
            .sum(),
    }
}

/// A quarter more than is thought, and never nothing: more than what is set aside can't be charged.
fn set_aside(estimate: u64) -> i64 {
    i64::try_from(estimate.saturating_add(estimate / 4)).map_or(i64::MAX, |tokens| tokens.max(1))
}

/// What so many tokens cost at the dearest target.
fn dearest(targets: &[Target], tokens: i64) -> i64 {
    let costs = targets.iter().map(|target| target.price.of(read(tokens)).0);
    costs.max().unwrap_or(0)
}

fn read(tokens: i64) -> llm::Usage {
    llm::Usage {
        input: u64::try_from(tokens).unwrap_or(0),
        ..llm::Usage::default()
    }
}

/// Admits and records.
async fn begin(
    room: &Gateway,
    caller: &InferenceCaller,
    ask: &AskVectors,
    id: EmbeddingId,
    aside: i64,
) -> Result<(Reservation, Vec<Target>), Error> {
    let reference = id.to_string();
    let to = Way {
        purpose: &ask.purpose,
        model: ask.model.as_deref(),
        use_for: Use::Embedding,
        policy: &ask.policy,
        request: None,
    };
    for _ in 0..TRIES {
        let work = Work {
            storefront: &caller.storefront,
            unit: &ask.purpose,
            amount: aside,
            reference: &reference,
            lease_until: room.cx.clock.now() + LEASE,
            daily_cap: caller.key.as_ref().and_then(|key| key.daily_cap),
            daily_cost: caller.key.as_ref().and_then(|key| key.daily_cost_nano_usd),
            member: caller.member(),
        };
        let admission = admit(&room.entitlement, caller.principal, &work).await?;
        let (route, mut targets) = way(room, caller, admission.reservation.plan(), &to).await?;
        targets.retain(|target| target.kind == Kind::OpenAi);
        for target in &mut targets {
            target.weigh(read(aside), room.cx.clock.now());
        }
        if targets.is_empty() {
            return Err(Error::ModelNotConfigured(route));
        }
        let admission = admission.costing(|| dearest(&targets, aside));
        let mut tx = room.cx.db.begin(caller.principal.scope()).await?;
        let recorded = record(
            &mut tx,
            &room.entitlement,
            caller.principal,
            &work,
            admission,
        )
        .await?;
        tx.commit().await?;
        if let Some(kept) = recorded {
            kept.confirm();
            return Ok((kept, targets));
        }
    }
    Err(entitlement::Error::LeasesUnsettled.into())
}

/// Vectors, and what was sent for them.
struct Made {
    answer: EmbedAnswer,
    /// What the provider has probably counted.
    sent: u64,
    cached: Option<Cached>,
}

/// Asks target after target, by the rules by which a run is opened. What the one that is to be asked has answered before is
/// not sent: vectors of several models have nothing in common, so what is known belongs to a target.
async fn call(
    room: &Gateway,
    caller: &InferenceCaller,
    id: EmbeddingId,
    targets: &[Target],
    ask: &AskVectors,
) -> Result<(Made, Target), Verdict> {
    let deadline = Instant::now() + room.node.patience.run;
    let within = &trace::current();
    let seed = id.0.as_u64_pair().1;
    let mut attempts = Attempts::new(&room.node.health, targets, &[], seed, |target| {
        room.node.places.is_full(target)
    });
    let mut verdict = Verdict::UpstreamUnavailable;
    while let Some(target) = attempts.turn() {
        let known = Known::of(room, caller, target, (ask.cache, &ask.request)).await;
        let request = EmbedRequest {
            model: target.model.clone(),
            input: known.missing(&ask.request.input),
            dimensions: ask.request.dimensions,
        };
        if request.input.is_empty() {
            let made = Made {
                answer: known.whole(&target.model),
                sent: 0,
                cached: Some(Cached::All),
            };
            return Ok((made, target.clone()));
        }
        let guest = Guest {
            run: id.0,
            tenant: caller.principal.tenant,
            priority: ask.priority,
        };
        let patience = room.node.patience.line.min(LINE);
        let Ok(_place) = room.node.places.take(target, guest, patience).await else {
            verdict = Verdict::LineFull;
            continue;
        };
        while let Some(call) = attempts.call() {
            if Instant::now() > deadline {
                return Err(Verdict::Deadline);
            }
            let secret = call.key.and_then(|at| target.keys.get(at));
            let silence = target.start.unwrap_or(room.node.patience.silence);
            let span = traced::of_call(within, target, Use::Embedding);
            let asking = provider::embed(room, target, secret, (Some(id), &request));
            let answering = timeout(silence, span.clone().around(asking));
            let answered = tokio::select! {
                answered = answering => answered.unwrap_or(Err(Trouble::Silent)),
                () = room.node.abandon.cancelled() => return Err(Verdict::NodeLost),
            };
            let trouble = match answered {
                Ok(answer) => {
                    drop(attempts.succeeded());
                    traced::used(&span, &target.model, answer.usage);
                    span.end();
                    let sent = estimate(&request.input);
                    let (answer, cached) = known.complete(room, caller, answer).await;
                    let made = Made {
                        answer,
                        sent,
                        cached,
                    };
                    return Ok((made, target.clone()));
                }
                Err(trouble) => trouble,
            };
            let told = trouble.told(request.input.texts().iter().map(String::as_str));
            tracing::warn!(embedding = %id, provider = target.provider, model = target.model, error = told, "upstream");
            verdict = Verdict::of(trouble.meaning());
            traced::ended(&span, verdict);
            match attempts.failed(&trouble) {
                Then::GoOn => {}
                Then::Wait(wait) => sleep(wait).await,
                Then::GiveUp => return Err(verdict),
            }
        }
    }
    Err(verdict)
}

/// Writes the usage row and gives back what was not used; a database that is away is waited for.
async fn end(
    room: &Gateway,
    caller: &InferenceCaller,
    kept: &Reservation,
    used: &Usage,
    made: Option<(&Noted, &EmbedAnswer)>,
) -> Result<(), Error> {
    let give_up = Instant::now() + PATIENCE;
    loop {
        match try_end(room, caller, kept, used, made).await {
            // it lapsed while we were away, or the commit was made without our hearing of it
            Ok(()) | Err(Error::Entitlement(entitlement::Error::ReservationClosed)) => {
                return Ok(());
            }
            Err(error) if Instant::now() > give_up => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "the end of a request for vectors can't be written yet");
                sleep(Duration::from_millis(500)).await;
            }
        }
    }
}

async fn try_end(
    room: &Gateway,
    caller: &InferenceCaller,
    kept: &Reservation,
    used: &Usage,
    made: Option<(&Noted, &EmbedAnswer)>,
) -> Result<(), Error> {
    let mut tx = room.cx.db.begin(caller.principal.scope()).await?;
    let settled = settle(&mut tx, &room.entitlement, kept.id, used).await?;
    if let Some((note, answer)) = made {
        (note.write)(&mut tx, answer).await?;
    }
    tx.commit().await?;
    settled.done();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_is_set_aside_than_is_thought() {
        assert_eq!((set_aside(0), set_aside(1), set_aside(100)), (1, 1, 125));
        assert_eq!(set_aside(u64::MAX), i64::MAX);
        assert_eq!(estimate(&EmbedInput::Tokens(vec![vec![1, 2], vec![3]])), 3);
    }
}
