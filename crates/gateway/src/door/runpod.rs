mod hook;
mod job;
mod store;

use std::time::Duration;

use axum::{
    extract::{Path, Request, State},
    http::{StatusCode, header::AUTHORIZATION},
    response::Response,
};
use chrono::{DateTime, Utc};
use identity::{InferenceCaller, TenantId};
use llm::{
    ChatAnswer, Refusal, RefusalKind, StreamEvent, Usage,
    runpod::{
        Health, JobState,
        door::{JobCard, Shape, read_job, write_health, write_job, write_purge, write_stream},
    },
};
use serde_json::Value;
use sqlx::PgConnection;
use tokio::time::timeout;

use super::{Beside, Visit, collect, unless_gone};
use crate::{
    Ask, DataPolicy, Error, Gateway, RunId, RunView, admit, cancel,
    dialect::{Dialect, Turned, VendorRefusals, json, lang},
    failure::failure,
    get, launch,
    run::{Told, snapshot, told},
};

pub use hook::Teller;
pub(crate) use job::Job;
use job::{DAY, mark};

const DIALECT: Dialect = Dialect::RunPod;
/// How long `runsync` waits unless told, and the shortest and longest that it can be told.
const WAIT: Duration = Duration::from_secs(90);
const WAITS: std::ops::RangeInclusive<u64> = 1_000..=300_000;

/// Starts a job, as RunPod's serverless endpoints do; the endpoint is the public name of a model.
#[utoipa::path(post, path = "/v2/{endpoint}/run", operation_id = "run_job", tag = "runpod", params(("endpoint" = String, Path)),
    request_body = serde_json::Value, security(("api_key" = []), ("inference_token" = []), ("access_token" = [])),
    responses((status = 200, body = serde_json::Value), VendorRefusals))]
pub(super) async fn run_job(
    State(room): State<Gateway>,
    Path(endpoint): Path<String>,
    request: Request,
) -> Response {
    let lang = lang(request.headers());
    let started = async {
        let (visit, id, shape) = begin(&room, endpoint, request).await?;
        show(&room, &visit.caller, id, shape).await
    };
    answer(started.await, lang)
}

/// Starts a job and waits for its end, for as long as `?wait=` says in milliseconds.
#[utoipa::path(post, path = "/v2/{endpoint}/runsync", operation_id = "run_job_and_wait", tag = "runpod",
    params(("endpoint" = String, Path), ("wait" = Option<u64>, Query),
           ("x-noren-disconnect" = Option<String>, Header, description = "`abort`: whoever hangs up while it waits stops the job, and pays what was said by then. Unless said it goes on to its end and is billed whole.")),
    request_body = serde_json::Value,
    security(("api_key" = []), ("inference_token" = []), ("access_token" = [])),
    responses((status = 200, body = serde_json::Value), VendorRefusals))]
pub(super) async fn run_job_and_wait(
    State(room): State<Gateway>,
    Path(endpoint): Path<String>,
    request: Request,
) -> Response {
    let lang = lang(request.headers());
    let waited = async {
        let wait = wait_wanted(request.uri().query().unwrap_or_default());
        let (visit, id, shape) = begin(&room, endpoint, request).await?;
        // whatever the end is, the run tells it below
        let run = current(&room, &visit.caller, id).await?;
        let wait = timeout(wait, collect(&room, visit.caller.principal, run));
        let _ = unless_gone(&room, [run], visit.gone(), wait).await;
        show(&room, &visit.caller, id, shape).await
    };
    answer(waited.await, lang)
}

/// Tells where a job stands, and what it said once it is done.
#[utoipa::path(get, path = "/v2/{endpoint}/status/{job}", operation_id = "get_job", tag = "runpod",
    params(("endpoint" = String, Path), ("job" = String, Path)),
    security(("api_key" = []), ("inference_token" = []), ("access_token" = [])),
    responses((status = 200, body = serde_json::Value), VendorRefusals))]
pub(super) async fn get_job(
    State(room): State<Gateway>,
    path: Path<(String, String)>,
    request: Request,
) -> Response {
    let lang = lang(request.headers());
    let found = async {
        let visit = enter(&room, request).await?;
        let (id, shape) = named(&path.0.1)?;
        show(&room, &visit.caller, id, shape).await
    };
    answer(found.await, lang)
}

/// Tells what a job has said since the last time; what was told is not told twice.
#[utoipa::path(get, path = "/v2/{endpoint}/stream/{job}", operation_id = "stream_job", tag = "runpod",
    params(("endpoint" = String, Path), ("job" = String, Path)),
    security(("api_key" = []), ("inference_token" = []), ("access_token" = [])),
    responses((status = 200, body = serde_json::Value), VendorRefusals))]
pub(super) async fn stream_job(
    State(room): State<Gateway>,
    path: Path<(String, String)>,
    request: Request,
) -> Response {
    let lang = lang(request.headers());
    let found = async {
        let visit = enter(&room, request).await?;
        let (id, shape) = named(&path.0.1)?;
        news(&room, &visit.caller, id, shape).await
    };
    answer(found.await, lang)
}

/// Puts a job that failed into the queue again, under its own id, for a day.
#[utoipa::path(post, path = "/v2/{endpoint}/retry/{job}", operation_id = "retry_runpod_job", tag = "runpod",
    params(("endpoint" = String, Path), ("job" = String, Path)),
    security(("api_key" = []), ("inference_token" = []), ("access_token" = [])),
    responses((status = 200, body = serde_json::Value), VendorRefusals))]
pub(super) async fn retry_job(
    State(room): State<Gateway>,
    path: Path<(String, String)>,
    request: Request,
) -> Response {
    let lang = lang(request.headers());
    let retried = async {
        let visit = enter(&room, request).await?;
        let (id, shape) = named(&path.0.1)?;
        retry(&room, &visit, id).await?;
        show(&room, &visit.caller, id, shape).await
    };
    answer(retried.await, lang)
}

/// Counts the caller's jobs of the last day at an endpoint. Workers are the house's own affair: one is always ready.
#[utoipa::path(get, path = "/v2/{endpoint}/health", operation_id = "get_endpoint_health", tag = "runpod",
    params(("endpoint" = String, Path)),
    security(("api_key" = []), ("inference_token" = []), ("access_token" = [])),
    responses((status = 200, body = serde_json::Value), VendorRefusals))]
pub(super) async fn get_health(
    State(room): State<Gateway>,
    Path(endpoint): Path<String>,
    request: Request,
) -> Response {
    let lang = lang(request.headers());
    let found = async {
        let visit = enter(&room, request).await?;
        require_endpoint(&room, &endpoint)?;
        let principal = visit.caller.principal;
        let since = room.cx.clock.now() - DAY;
        let mut tx = room.cx.db.begin(principal.scope()).await?;
        let counts = store::counts(&mut tx, principal.tenant, &endpoint, since).await?;
        tx.commit().await?;
        let count = |count: i64| u64::try_from(count).unwrap_or(0);
        let health = Health {
            queued: count(counts.queued),
            running: count(counts.running),
            idle: 1,
            busy: count(counts.running),
            starting: 0,
        };
        Ok(write_health(
            &health,
            count(counts.completed),
            count(counts.failed),
        ))
    };
    answer(found.await, lang)
}

/// Calls off the caller's jobs at an endpoint that have not begun. What is under way goes on, and so does what came in by another
/// door.
#[utoipa::path(post, path = "/v2/{endpoint}/purge-queue", operation_id = "purge_endpoint_queue", tag = "runpod",
    params(("endpoint" = String, Path)),
    security(("api_key" = []), ("inference_token" = []), ("access_token" = [])),
    responses((status = 200, body = serde_json::Value), VendorRefusals))]
pub(super) async fn purge_queue(
    State(room): State<Gateway>,
    Path(endpoint): Path<String>,
    request: Request,
) -> Response {
    let lang = lang(request.headers());
    let purged = async {
        let visit = enter(&room, request).await?;
        require_endpoint(&room, &endpoint)?;
        let principal = visit.caller.principal;
        let since = room.cx.clock.now() - DAY;
        let mut tx = room.cx.db.begin(principal.scope()).await?;
        let asked = (endpoint.as_str(), DIALECT.name());
        let removed = store::call_off(&mut tx, principal.tenant, asked, since).await?;
        tx.commit().await?;
        for run in &removed {
            // on another node the run's own task sees the row within a second
            room.node.live.cancel(*run);
        }
        Ok(write_purge(removed.len()))
    };
    answer(purged.await, lang)
}

/// Asks a job to stop; one that has ended stays as it is.
#[utoipa::path(post, path = "/v2/{endpoint}/cancel/{job}", operation_id = "cancel_runpod_job", tag = "runpod",
    params(("endpoint" = String, Path), ("job" = String, Path)),
    security(("api_key" = []), ("inference_token" = []), ("access_token" = [])),
    responses((status = 200, body = serde_json::Value), VendorRefusals))]
pub(super) async fn cancel_job(
    State(room): State<Gateway>,
    path: Path<(String, String)>,
    request: Request,
) -> Response {
    let lang = lang(request.headers());
    let cancelled = async {
        let visit = enter(&room, request).await?;
        let (id, shape) = named(&path.0.1)?;
        let run = current(&room, &visit.caller, id).await?;
        cancel(&room, visit.caller.principal, run).await?;
        // it stops within a moment; what it is by then is told
        let _ = timeout(
            Duration::from_secs(2),
            collect(&room, visit.caller.principal, run),
        )
        .await;
        show(&room, &visit.caller, id, shape).await
    };
    answer(cancelled.await, lang)
}

/// Finds out who calls; RunPod takes a key with `Bearer` before it or alone.
async fn enter(room: &Gateway, mut request: Request) -> Result<Visit, Turned> {
    let headers = request.headers_mut();
    let alone = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .filter(|value| !value.trim().contains(' '));
    if let Some(named) = alone.and_then(|key| format!("Bearer {}", key.trim()).parse().ok()) {
        headers.insert(AUTHORIZATION, named);
    }
    Visit::begin(room, request, DIALECT).await
}

fn require_endpoint(room: &Gateway, endpoint: &str) -> Result<(), Refusal> {
    let known = room.routes.use_of(endpoint);
    known
        .map(drop)
        .ok_or_else(|| Refusal::new(RefusalKind::NotFound, "There is no such endpoint."))
}

async fn begin(
    room: &Gateway,
    endpoint: String,
    request: Request,
) -> Result<(Visit, RunId, Shape), Turned> {
    let visit = enter(room, request).await?;
    let asked = read_job(&visit.body)?;
    let is_limited = DataPolicy::of(&visit.headers)?.limits();
    let job = Job {
        shape: asked.shape,
        // where it may go is not kept with it, so it goes nowhere else by itself
        ask: (!is_limited).then(|| asked.request.clone()),
        webhook: asked.webhook,
    };
    let beside = Some(Beside::Job(Box::new(job)));
    let begun = visit
        .start_with(room, Some(endpoint), asked.request, beside)
        .await?;
    Ok((visit, begun.id, asked.shape))
}

/// The run that works on a job; runs of other doors are jobs as well.
async fn current(room: &Gateway, caller: &InferenceCaller, id: RunId) -> Result<RunId, Error> {
    let mut tx = room.cx.db.begin(caller.principal.scope()).await?;
    let run = store::run(&mut tx, id).await?;
    tx.commit().await?;
    Ok(run.unwrap_or(id))
}

async fn show(
    room: &Gateway,
    caller: &InferenceCaller,
    id: RunId,
    shape: Shape,
) -> Result<Value, Turned> {
    let run = current(room, caller, id).await?;
    let run = get(room, caller.principal, run).await?;
    if run.is_closed {
        return Err(Error::TextClosed.into());
    }
    Ok(shown(id, &run, shape))
}

/// What a job has said since it was last asked; of several who ask, each piece goes to one.
async fn news(
    room: &Gateway,
    caller: &InferenceCaller,
    id: RunId,
    shape: Shape,
) -> Result<Value, Turned> {
    let mut tx = room.cx.db.begin(caller.principal.scope()).await?;
    let job = store::lock(&mut tx, room.identity.vault(), id)
        .await?
        .ok_or(Error::RunNotFound)?;
    let (run, events) = snapshot(&mut tx, room, job.run, job.told).await?;
    if let Some(last) = events.last() {
        store::told(&mut tx, id, last.seq).await?;
    }
    tx.commit().await?;
    let said: Vec<StreamEvent> = events
        .iter()
        .filter_map(|event| match told(event)? {
            Told::Said(said) => Some(said),
            Told::Ended(usage) | Told::Stopped(usage) => Some(StreamEvent::Usage(usage)),
            Told::Withdrawn | Told::Failed(_) => None,
        })
        .collect();
    Ok(write_stream(job_state(&run), &said, shape))
}

/// Starts another run for a job that failed. Of several who ask one starts it; for the others it is under way then.
async fn retry(room: &Gateway, visit: &Visit, id: RunId) -> Result<(), Turned> {
    let principal = visit.caller.principal;
    let mut tx = room.cx.db.begin(principal.scope()).await?;
    let job = store::lock(&mut tx, room.identity.vault(), id)
        .await?
        .ok_or(Error::RunNotFound)?;
    let (run, _) = snapshot(&mut tx, room, job.run, i32::MAX).await?;
    if run.state != crate::State::Failed {
        return Err(Refusal::at("/job", "Only a job that failed can be tried again.").into());
    }
    let Some(request) = job.ask else {
        return Err(Refusal::at(
            "/job",
            "This job is too old to be tried again, or its request said where it may go.",
        )
        .into());
    };
    let ask = Ask {
        purpose: visit.purpose("chat"),
        model: Some(run.route),
        request,
        id: None,
        terms: visit.terms()?,
    };
    let admitted = admit(&mut tx, room, &visit.caller, ask).await?;
    store::again(&mut tx, id, admitted.id).await?;
    tx.commit().await?;
    launch(room, admitted);
    Ok(())
}

/// Removes what is kept of a tenant that goes, in the caller's transaction.
pub(crate) async fn forget(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<()> {
    store::delete_all(conn, tenant).await
}

fn answer(done: Result<Value, Turned>, lang: kernel::Lang) -> Response {
    match done {
        Ok(body) => json(StatusCode::OK, &body),
        Err(turned) => DIALECT.refuse(turned, lang),
    }
}

fn wait_wanted(query: &str) -> Duration {
    query
        .split('&')
        .find_map(|part| part.strip_prefix("wait="))
        .and_then(|ms| ms.parse::<u64>().ok())
        .map_or(WAIT, |ms| {
            Duration::from_millis(ms.clamp(*WAITS.start(), *WAITS.end()))
        })
}

/// A job's id is its run's, with the shape that its caller reads behind it.
fn job_id(id: RunId, shape: Shape) -> String {
    format!("{}-{}", id.0.simple(), mark(shape))
}

fn named(job: &str) -> Result<(RunId, Shape), Error> {
    let (id, shape) = match job.split_once('-') {
        Some((id, "t")) => (id, Shape::Plain),
        Some((id, "v")) => (id, Shape::Vllm),
        _ => return Err(Error::RunNotFound),
    };
    let id = format!("run_{id}")
        .parse()
        .map_err(|_| Error::RunNotFound)?;
    Ok((id, shape))
}

fn job_state(run: &RunView) -> JobState {
    match run.state {
        crate::State::Queued => JobState::InQueue,
        crate::State::Running => JobState::InProgress,
        crate::State::Completed => JobState::Completed,
        crate::State::Cancelled => JobState::Cancelled,
        crate::State::Failed if run.reason.as_deref() == Some("deadline") => JobState::TimedOut,
        crate::State::Failed => JobState::Failed,
    }
}

fn shown(id: RunId, run: &RunView, shape: Shape) -> Value {
    let ms = |from: DateTime<Utc>, to: DateTime<Utc>| {
        u64::try_from((to - from).num_milliseconds()).unwrap_or(0)
    };
    let said = ChatAnswer {
        text: run.output.clone(),
        usage: Some(Usage {
            input: u64::try_from(run.tokens_in).unwrap_or(0),
            output: u64::try_from(run.tokens_out).unwrap_or(0),
            ..Usage::default()
        }),
        ..ChatAnswer::empty(run.route.clone())
    };
    let failed = run
        .reason
        .as_deref()
        .filter(|_| run.state == crate::State::Failed);
    let error = failed.map(|reason| Turned::from(failure(reason)).into_refusal(kernel::Lang::En));
    let id = job_id(id, shape);
    let card = JobCard {
        id: &id,
        state: job_state(run),
        delay_ms: run.started_at.map(|started| ms(run.created_at, started)),
        execution_ms: run
            .started_at
            .zip(run.ended_at)
            .map(|(started, ended)| ms(started, ended)),
        answer: Some(&said),
        error: error.as_ref(),
    };
    write_job(&card, shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jobs_id_tells_its_run_and_its_shape() {
        let id = RunId(uuid::Uuid::from_u128(7));
        for shape in [Shape::Plain, Shape::Vllm] {
            assert_eq!(named(&job_id(id, shape)).unwrap(), (id, shape));
        }
        for other in ["", "7", "-t", "x-t", "00000000000000000000000000000007-x"] {
            assert!(named(other).is_err(), "{other}");
        }
    }

    #[test]
    fn a_wait_is_in_milliseconds_and_has_bounds() {
        let ms = |query| wait_wanted(query).as_millis();
        assert_eq!(ms(""), 90_000);
        assert_eq!(ms("a=1&wait=2000"), 2_000);
        assert_eq!(ms("wait=1"), 1_000);
        assert_eq!(ms("wait=999999999"), 300_000);
    }
}
