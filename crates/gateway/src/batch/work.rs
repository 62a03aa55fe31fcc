use std::{collections::VecDeque, time::Duration};

use axum::http::StatusCode;
use db::Scope;
use entitlement::RatePolicy;
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use identity::{InferenceCaller, Principal, TenantId};
use kernel::{Fault, Lang};
use llm::{
    ChatAnswer, EmbedAnswer,
    openai::door::{ChatWriter, EmbedAsk, write_embed},
};
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    Batch, BatchId, Endpoint, Status,
    end::{Ended, end, ended},
    line::{Answer, Asked, Line, unasked},
    store::{self, Open},
    validate::validate,
};
use crate::{
    Ask, AskVectors, CacheUse, DataPolicy, EmbeddingId, Error, Gateway, Priority, RunId, State,
    Terms, Tokens, admit,
    dialect::Turned,
    door::{collect, face, kept_body, so_far},
    embed::{Noted, VECTORS, embed_noted},
    file, get, launch,
};

/// How many lines of a batch are under way at once.
const LINES_AT_ONCE: usize = 4;
/// How long a batch is worked on before others have their turn.
const TURN: Duration = Duration::from_secs(20);
/// How often a line is asked whose process died under it.
const MOST_TRIES: i32 = 3;
/// How long a line of a batch stays away from a line before a model that was full.
const PUSHED_OUT: Duration = Duration::from_secs(10);
/// How many lines are looked at or given up at once.
const PAGE: i64 = 200;
/// The most that a batch leaves, in bytes.
const LARGEST: i64 = 512 * 1024 * 1024;

/// Why what has not begun is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    Cancelled,
    Expired,
    Unknown,
    TooLarge,
}

impl Rest {
    const fn status(self) -> Status {
        match self {
            Self::Cancelled => Status::Cancelled,
            Self::Expired => Status::Expired,
            Self::Unknown | Self::TooLarge => Status::Failed,
        }
    }

    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Cancelled => (
                "batch_cancelled",
                "The batch was cancelled before this line began.",
            ),
            Self::Expired => (
                "batch_expired",
                "The batch's time was over before this line began.",
            ),
            Self::Unknown => (
                "invalid_api_key",
                "Whoever brought this batch may not use models any more.",
            ),
            Self::TooLarge => (
                "output_too_large",
                "The batch's answers are larger than 512 MiB.",
            ),
        }
    }
}

/// What became of an attempt to begin a line.
enum Begun<'a> {
    UnderWay(BoxFuture<'a, Result<Left, Error>>),
    /// It has its end already.
    Ended,
    /// There is no room for it now.
    Wait(Duration),
    /// It is another's, or the batch was called off.
    NotOurs,
}

/// Whether a line that was under way is to be looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Nothing,
    Again(Duration),
}

/// Works on a batch for a turn; says when to go on, or none when it has ended.
pub(super) async fn advance(
    room: &Gateway,
    tenant: TenantId,
    id: BatchId,
) -> Result<Option<Duration>, Error> {
    let scope = Scope::Tenant {
        tenant: tenant.0,
        user: None,
    };
    let found = async || {
        let mut tx = room.cx.db.begin(scope).await?;
        let batch = store::find(&mut tx, id).await?;
        tx.commit().await?;
        Ok::<_, Error>(batch.filter(|batch| batch.ended_at.is_none()))
    };
    let Some(batch) = found().await? else {
        return Ok(None); // ended, or gone with its account
    };
    let Some(endpoint) = Endpoint::parse(&batch.endpoint) else {
        return Err(Fault::broken("a batch has an unknown endpoint").into());
    };
    // also what was called off before: each of its lines is to have its end
    if batch.in_progress_at.is_none() {
        validate(room, scope, &batch, endpoint).await?;
    }
    let Some(batch) = found().await? else {
        return Ok(None);
    };
    let principal = Principal {
        tenant: batch.tenant,
        user: batch.user,
        key: batch.key,
    };
    let caller = match InferenceCaller::again(&room.identity, principal, &batch.storefront).await {
        Ok(caller) => Some(caller),
        Err(identity::Error::Unauthenticated | identity::Error::Forbidden) => None,
        Err(error) => return Err(entitlement::Error::from(error).into()),
    };
    let mut tx = room.cx.db.begin(scope).await?;
    let bytes = store::left_bytes(&mut tx, [batch.output_file, batch.error_file]).await?;
    tx.commit().await?;
    let rest = if batch.status == Status::Cancelling {
        Some(Rest::Cancelled)
    } else if room.cx.clock.now() >= batch.expires_at {
        Some(Rest::Expired)
    } else if caller.is_none() {
        Some(Rest::Unknown)
    } else if bytes > LARGEST {
        Some(Rest::TooLarge)
    } else {
        None
    };
    let turn = Turn {
        room,
        scope,
        batch: &batch,
        endpoint,
        principal,
        // what is given up begins nothing, so nobody asks who asks
        caller: caller.filter(|_| rest.is_none()),
    };
    if let Some(wait) = turn.work().await? {
        return Ok(Some(wait));
    }
    turn.finish(rest).await
}

/// One process's work on a batch for a while.
struct Turn<'a> {
    room: &'a Gateway,
    scope: Scope,
    batch: &'a Batch,
    endpoint: Endpoint,
    principal: Principal,
    /// None when nothing is to begin any more.
    caller: Option<InferenceCaller>,
}

impl<'a> Turn<'a> {
    /// Begins line after line and hears how they end; says when there is more to be done.
    async fn work(&'a self) -> Result<Option<Duration>, Error> {
        let until = Instant::now() + TURN;
        let mut busy = FuturesUnordered::new();
        let (mut page, mut last) = (VecDeque::new(), 0);
        let mut again: Option<Duration> = None;
        let mut failed = None;
        loop {
            while again.is_none() && failed.is_none() && busy.len() < LINES_AT_ONCE {
                if page.is_empty() {
                    page = self.open_lines(last).await?.into();
                }
                let Some(line) = page.pop_front() else { break };
                last = line.line;
                match self.begin(line.clone()).await {
                    Ok(Begun::UnderWay(work)) => busy.push(work),
                    Ok(Begun::Ended) => {}
                    // one of ours makes room
                    Ok(Begun::Wait(_)) if !busy.is_empty() => {
                        page.push_front(line);
                        break;
                    }
                    Ok(Begun::Wait(wait)) => again = Some(wait),
                    Ok(Begun::NotOurs) => again = Some(Duration::ZERO),
                    Err(error) => failed = Some(error),
                }
                if Instant::now() > until {
                    again.get_or_insert(Duration::ZERO);
                }
            }
            // what is under way is heard out, whatever happened
            match busy.next().await {
                None => break,
                Some(Ok(Left::Nothing)) => {}
                Some(Ok(Left::Again(wait))) => again = Some(again.map_or(wait, |w| w.max(wait))),
                Some(Err(error)) => failed = Some(error),
            }
        }
        failed.map_or(Ok(again), Err)
    }

    async fn open_lines(&self, after: i32) -> Result<Vec<Open>, Error> {
        let mut tx = self.room.cx.db.begin(self.scope).await?;
        let lines = store::open_lines(&mut tx, self.batch.id, after, PAGE).await?;
        tx.commit().await?;
        Ok(lines)
    }

    async fn begin(&'a self, line: Open) -> Result<Begun<'a>, Error> {
        let asked_before = line.run.filter(|_| self.endpoint != Endpoint::Embeddings);
        let Some(caller) = &self.caller else {
            // what has not begun is given up at the end; what has is heard
            return match asked_before {
                Some(run) => self.hear_again(line, RunId(run)).await,
                None => Ok(Begun::Ended),
            };
        };
        if let Some(run) = asked_before {
            let view = get(self.room, self.principal, RunId(run)).await?;
            if !(is_lost(&view) && line.tries < MOST_TRIES) {
                return self.hear_again(line, RunId(run)).await;
            }
        }
        let limits =
            entitlement::rate_limits(&self.room.entitlement, self.principal, &caller.storefront);
        if let Some(wait) = must_wait(&limits.await?.policies) {
            return Ok(Begun::Wait(wait));
        }
        match self.asked(&line).await? {
            Ok(Asked::Chat(ask)) => {
                let (model, request) = (ask.request.model.clone(), ask.request.clone());
                let asked = Asked::Chat(ask);
                self.run(caller, line, asked, (model, request)).await
            }
            Ok(Asked::Response(ask)) => {
                let (model, request) = (ask.request.model.clone(), ask.request.clone());
                let asked = Asked::Response(ask);
                self.run(caller, line, asked, (model, request)).await
            }
            Ok(Asked::Embed(ask)) => self.vectors(caller, line, ask).await,
            Err(turned) => self.refuse(&line, turned).await,
        }
    }

    /// What a line asks, read anew.
    async fn asked(&self, line: &Open) -> Result<Result<Asked, Turned>, Error> {
        let mut tx = self.room.cx.db.begin(self.scope).await?;
        let data = file::store::line(
            &mut tx,
            self.room.identity.vault(),
            self.batch.input_file,
            line.line,
        )
        .await?;
        tx.commit().await?;
        let data = data.ok_or_else(|| Fault::broken("a line of a batch is gone"))?;
        Ok(Line::read(&data, self.endpoint).asked.map_err(Turned::from))
    }

    async fn hear_again(&'a self, line: Open, run: RunId) -> Result<Begun<'a>, Error> {
        match self.asked(&line).await? {
            Ok(asked) => Ok(Begun::UnderWay(self.hear(line, run, asked).boxed())),
            Err(turned) => self.refuse(&line, turned).await,
        }
    }

    /// Starts a run for a line, in the transaction that says that the line has it.
    async fn run(
        &'a self,
        caller: &InferenceCaller,
        line: Open,
        asked: Asked,
        (model, request): (String, llm::ChatRequest),
    ) -> Result<Begun<'a>, Error> {
        let room = self.room;
        let run: RunId = room.cx.ids.new_id();
        let ask = Ask {
            purpose: format!("{}.chat", caller.storefront),
            model: Some(model),
            request,
            id: Some(run),
            terms: Terms {
                door: "batch",
                is_shown: true,
                tags: vec![self.batch.id.to_string()],
                priority: Priority::Low,
                ..Terms::default()
            },
        };
        let mut tx = room.cx.db.begin(caller.principal.scope()).await?;
        if !store::ask(&mut tx, self.batch.id, line.line, line.run, run.0).await? {
            return Ok(Begun::NotOurs);
        }
        match admit(&mut tx, room, caller, ask).await {
            Ok(admitted) => {
                tx.commit().await?;
                launch(room, admitted);
                Ok(Begun::UnderWay(self.hear(line, run, asked).boxed()))
            }
            Err(error) => {
                drop(tx);
                match pause(&error) {
                    Some(wait) => Ok(Begun::Wait(wait)),
                    None if is_ours(&error) => Err(error),
                    None => self.refuse(&line, error.into()).await,
                }
            }
        }
    }

    /// Waits for the end of a line's run and writes it down.
    async fn hear(&self, line: Open, run: RunId, asked: Asked) -> Result<Left, Error> {
        let heard = collect(self.room, self.principal, run).await;
        let (view, told) = so_far(self.room, self.principal, run).await?;
        if !view.state.is_ended() {
            return Ok(Left::Again(Duration::from_secs(1)));
        }
        // nobody has heard what it said; whoever goes on asks anew
        if is_lost(&view) && line.tries < MOST_TRIES && self.caller.is_some() {
            let is_pushed_out = view.reason.as_deref() == Some("line_full");
            let wait = if is_pushed_out {
                PUSHED_OUT
            } else {
                Duration::ZERO
            };
            return Ok(Left::Again(wait));
        }
        let request_id = Some(run.to_string());
        let written = match heard {
            Ok(answer) => self.body(run, asked, &answer).await,
            Err(turned) => Err(turned),
        };
        let answer = match written {
            Ok(body) => Answer {
                status: StatusCode::OK,
                body,
                request_id,
                tokens: told.usage.map(Tokens::from).unwrap_or_default(),
                error: None,
            },
            Err(turned) => Answer::refused(turned, request_id),
        };
        self.write(&line, Some(run.0), &answer).await?;
        Ok(Left::Nothing)
    }

    async fn body(&self, run: RunId, asked: Asked, answer: &ChatAnswer) -> Result<Value, Turned> {
        match asked {
            Asked::Response(ask) => {
                let (model, card) = (ask.request.model, ask.card);
                kept_body(self.room, self.principal, run, (model, card), Lang::En).await
            }
            Asked::Chat(ask) => {
                let face = face(self.room, "chatcmpl", run, ask.request.model);
                let writer = ChatWriter::new(face, false).with_reasoning(ask.include_reasoning);
                Ok(writer.answer(std::slice::from_ref(answer)))
            }
            Asked::Embed(_) => Err(Error::RunNotFound.into()),
        }
    }

    /// Makes vectors for a line; what they are is written in the transaction of their bill.
    async fn vectors(
        &'a self,
        caller: &InferenceCaller,
        line: Open,
        ask: EmbedAsk,
    ) -> Result<Begun<'a>, Error> {
        let room = self.room;
        let id: EmbeddingId = room.cx.ids.new_id();
        let mut tx = room.cx.db.begin(self.scope).await?;
        if !store::ask(&mut tx, self.batch.id, line.line, line.run, id.0).await? {
            return Ok(Begun::NotOurs);
        }
        tx.commit().await?;
        let model = ask.request.model.clone();
        let wanted = AskVectors {
            purpose: format!("{}.{VECTORS}", caller.storefront),
            model: Some(model.clone()),
            request: ask.request,
            cache: CacheUse::default(),
            priority: Priority::Low,
            policy: DataPolicy::default(),
        };
        let note = {
            let (room, batch, line) = (room.clone(), self.batch.clone(), line.clone());
            let write = move |answer: &EmbedAnswer| {
                let answer = Answer {
                    status: StatusCode::OK,
                    body: write_embed(answer, &model, ask.encoding),
                    request_id: Some(id.to_string()),
                    tokens: answer.usage.map(Tokens::from).unwrap_or_default(),
                    error: None,
                };
                ended(&batch, &line, Some(id.0), &answer)
            };
            let batch = self.batch.clone();
            Noted::new(id, move |conn, answer| {
                let (line, tokens) = write(answer);
                let (room, batch) = (room.clone(), batch.clone());
                async move {
                    match end(conn, &room, &batch, vec![line], tokens).await? {
                        // another has asked it anew: these are nobody's, and cost nothing
                        0 => Err(sqlx::Error::RowNotFound.into()),
                        _ => Ok(()),
                    }
                }
                .boxed()
            })
        };
        let caller = caller.clone();
        let work = async move {
            let Err(error) = embed_noted(room, &caller, wanted, note).await else {
                return Ok(Left::Nothing);
            };
            if let Some(wait) = pause(&error) {
                return Ok(Left::Again(wait));
            }
            if is_ours(&error) {
                return Err(error);
            }
            let answer = Answer::refused(error.into(), Some(id.to_string()));
            self.write(&line, Some(id.0), &answer).await?;
            Ok(Left::Nothing)
        };
        Ok(Begun::UnderWay(work.boxed()))
    }

    async fn refuse(&self, line: &Open, turned: Turned) -> Result<Begun<'a>, Error> {
        self.write(line, line.run, &Answer::refused(turned, None))
            .await?;
        Ok(Begun::Ended)
    }

    async fn write(&self, line: &Open, run: Option<Uuid>, answer: &Answer) -> Result<(), Error> {
        let (line, tokens) = ended(self.batch, line, run, answer);
        let mut tx = self.room.cx.db.begin(self.scope).await?;
        end(&mut tx, self.room, self.batch, vec![line], tokens).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Ends the batch: what has not begun is told so, and the files can be fetched.
    async fn finish(&self, rest: Option<Rest>) -> Result<Option<Duration>, Error> {
        let (id, now) = (self.batch.id, self.room.cx.clock.now());
        loop {
            let mut tx = self.room.cx.db.begin(self.scope).await?;
            let status = store::lock(&mut tx, id).await?;
            let open = store::open_lines(&mut tx, id, 0, PAGE).await?;
            let (false, Some(rest)) = (open.is_empty(), rest) else {
                if !open.is_empty() || status.is_none() {
                    // left by somebody else meanwhile
                    return Ok(status.map(|_| Duration::ZERO));
                }
                let status = rest.map_or(Status::Completed, Rest::status);
                let total = store::find(&mut tx, id)
                    .await?
                    .map_or(0, |batch| batch.total);
                let (status, trouble) = match rest {
                    None if total == 0 => {
                        let words = ("empty_file", "The input file has no lines.");
                        (Status::Failed, Some(trouble(words)))
                    }
                    Some(why @ (Rest::Unknown | Rest::TooLarge)) => {
                        (status, Some(trouble(why.words())))
                    }
                    _ => (status, None),
                };
                let until = now + chrono::Duration::seconds(self.batch.keep_seconds.into());
                let files = [self.batch.output_file, self.batch.error_file];
                file::store::show(&mut tx, files, until).await?;
                store::end(&mut tx, id, status, trouble, now).await?;
                tx.commit().await?;
                return Ok(None);
            };
            let lines = open.into_iter().map(|line| Ended {
                text: unasked(id, line.line, line.custom_id.as_deref(), rest.words()),
                line: line.line,
                run: line.run,
                is_answer: false,
            });
            end(
                &mut tx,
                self.room,
                self.batch,
                lines.collect(),
                Tokens::default(),
            )
            .await?;
            tx.commit().await?;
        }
    }
}

fn trouble((code, message): (&str, &str)) -> Value {
    json!([{ "code": code, "message": message, "line": null, "param": null }])
}

fn is_lost(run: &crate::RunView) -> bool {
    run.state == State::Failed && matches!(run.reason.as_deref(), Some("node_lost" | "line_full"))
}

/// What passes by itself is waited for; what doesn't is the line's answer.
fn pause(error: &Error) -> Option<Duration> {
    match error {
        Error::Entitlement(entitlement::Error::RateExceeded {
            retry_after_secs, ..
        }) => Some(Duration::from_secs((*retry_after_secs).clamp(1, 10))),
        Error::Entitlement(
            entitlement::Error::ConcurrencyExceeded { .. } | entitlement::Error::LeasesUnsettled,
        ) => Some(Duration::from_secs(1)),
        _ => None,
    }
}

/// Whether the house failed, so that nothing is said of the line.
fn is_ours(error: &Error) -> bool {
    matches!(
        error,
        Error::Fault(_)
            | Error::Entitlement(
                entitlement::Error::Fault(_)
                    | entitlement::Error::Identity(_)
                    | entitlement::Error::ReservationClosed
            )
    )
}

/// A batch leaves half of the rate and of the places to what is asked live; says how long to wait when it has its half.
fn must_wait(policies: &[RatePolicy]) -> Option<Duration> {
    let full = policies
        .iter()
        .filter(|policy| policy.unit.is_none() && policy.remaining * 2 <= policy.quota);
    full.map(|policy| policy.reset_secs.map_or(1, |secs| secs.clamp(1, 10)))
        .max()
        .map(|secs| Duration::from_secs(secs.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(name: &str, quota: i64, remaining: i64, unit: Option<&str>) -> RatePolicy {
        RatePolicy {
            name: name.to_owned(),
            quota,
            window_secs: None,
            remaining,
            reset_secs: (name == "permin").then_some(40),
            unit: unit.map(str::to_owned),
        }
    }

    #[test]
    fn a_batch_takes_half_of_the_rate_and_of_the_places() {
        let wait = |minute, places| {
            let policies = [
                policy("permin", 10, minute, None),
                policy("concurrent", 4, places, None),
                policy("genai.chat", 100, 1, Some("genai.chat")),
            ];
            must_wait(&policies).map(|wait| wait.as_secs())
        };
        assert_eq!(wait(10, 4), None);
        assert_eq!(wait(6, 3), None);
        assert_eq!(wait(6, 2), Some(1), "the other half is for what is live");
        assert_eq!(wait(5, 4), Some(10));
    }

    #[test]
    fn with_one_place_a_batch_has_it_while_nobody_else_does() {
        assert_eq!(must_wait(&[policy("concurrent", 1, 1, None)]), None);
        assert!(must_wait(&[policy("concurrent", 1, 0, None)]).is_some());
    }

    #[test]
    fn what_passes_is_waited_for_and_what_does_not_is_told() {
        let rate = entitlement::Error::RateExceeded {
            per_minute: 1,
            retry_after_secs: 60,
            suggestion: None,
        };
        assert_eq!(pause(&rate.into()), Some(Duration::from_secs(10)));
        let cap = entitlement::Error::KeyCapReached {
            cap: 1,
            retry_after_secs: 60,
        };
        let cap = Error::from(cap);
        assert!(pause(&cap).is_none() && !is_ours(&cap));
    }
}
