use std::time::Duration;

use api::Refusals;
use axum::{
    extract::{Path, Request, State},
    http::{StatusCode, header::AUTHORIZATION},
    response::Response,
};
use llm::{
    ChatAnswer, Refusal, Usage,
    runpod::{
        JobState,
        door::{JobCard, Shape, read_job, write_job},
    },
};
use serde_json::Value;
use tokio::time::timeout;

use super::{
    Dialect, Turned, Visit, collect,
    dialect::{failure, json},
    lang,
};
use crate::{Error, Gateway, RunId, RunView, cancel, get};

const DIALECT: Dialect = Dialect::RunPod;
/// How long `runsync` waits unless told, and the shortest and longest that it can be told.
const WAIT: Duration = Duration::from_secs(90);
const WAITS: std::ops::RangeInclusive<u64> = 1_000..=300_000;

/// Starts a job, as RunPod's serverless endpoints do; the endpoint is the public name of a model.
#[utoipa::path(post, path = "/v2/{endpoint}/run", operation_id = "run_job", tag = "runpod", params(("endpoint" = String, Path)),
    request_body = serde_json::Value, security(("api_key" = []), ("inference_token" = []), ("access_token" = [])),
    responses((status = 200, body = serde_json::Value), Refusals))]
pub(super) async fn run_job(
    State(room): State<Gateway>,
    Path(endpoint): Path<String>,
    request: Request,
) -> Response {
    let lang = lang(request.headers());
    let started = async {
        let (visit, id, shape) = begin(&room, endpoint, request).await?;
        let run = get(&room, visit.caller.principal, id).await?;
        Ok(shown(&run, shape))
    };
    answer(started.await, lang)
}

/// Starts a job and waits for its end, for as long as `?wait=` says in milliseconds.
#[utoipa::path(post, path = "/v2/{endpoint}/runsync", operation_id = "run_job_and_wait", tag = "runpod",
    params(("endpoint" = String, Path), ("wait" = Option<u64>, Query)), request_body = serde_json::Value,
    security(("api_key" = []), ("inference_token" = []), ("access_token" = [])),
    responses((status = 200, body = serde_json::Value), Refusals))]
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
        let _ = timeout(wait, collect(&room, &visit.caller, id)).await;
        let run = get(&room, visit.caller.principal, id).await?;
        Ok(shown(&run, shape))
    };
    answer(waited.await, lang)
}

/// Tells where a job stands, and what it said once it is done.
#[utoipa::path(get, path = "/v2/{endpoint}/status/{job}", operation_id = "get_job", tag = "runpod",
    params(("endpoint" = String, Path), ("job" = String, Path)),
    security(("api_key" = []), ("inference_token" = []), ("access_token" = [])),
    responses((status = 200, body = serde_json::Value), Refusals))]
pub(super) async fn get_job(
    State(room): State<Gateway>,
    path: Path<(String, String)>,
    request: Request,
) -> Response {
    let lang = lang(request.headers());
    let found = async {
        let visit = enter(&room, request).await?;
        let (id, shape) = named(&path.0.1)?;
        let run = get(&room, visit.caller.principal, id).await?;
        Ok(shown(&run, shape))
    };
    answer(found.await, lang)
}

/// Asks a job to stop; one that has ended stays as it is.
#[utoipa::path(post, path = "/v2/{endpoint}/cancel/{job}", operation_id = "cancel_runpod_job", tag = "runpod",
    params(("endpoint" = String, Path), ("job" = String, Path)),
    security(("api_key" = []), ("inference_token" = []), ("access_token" = [])),
    responses((status = 200, body = serde_json::Value), Refusals))]
pub(super) async fn cancel_job(
    State(room): State<Gateway>,
    path: Path<(String, String)>,
    request: Request,
) -> Response {
    let lang = lang(request.headers());
    let cancelled = async {
        let visit = enter(&room, request).await?;
        let (id, shape) = named(&path.0.1)?;
        cancel(&room, visit.caller.principal, id).await?;
        // it stops within a moment; what it is by then is told
        let _ = timeout(Duration::from_secs(2), collect(&room, &visit.caller, id)).await;
        let run = get(&room, visit.caller.principal, id).await?;
        Ok(shown(&run, shape))
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

async fn begin(
    room: &Gateway,
    endpoint: String,
    request: Request,
) -> Result<(Visit, RunId, Shape), Turned> {
    let visit = enter(room, request).await?;
    let job = read_job(&visit.body)?;
    if job.webhook.is_some() {
        return Err(Refusal::at("/webhook", "Webhooks are not served here.").into());
    }
    let id = visit.start(room, Some(endpoint), job.request).await?;
    Ok((visit, id, job.shape))
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
    let mark = match shape {
        Shape::Plain => 't',
        Shape::Vllm => 'v',
    };
    format!("{}-{mark}", id.0.simple())
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

fn shown(run: &RunView, shape: Shape) -> Value {
    let state = match run.state {
        crate::State::Queued => JobState::InQueue,
        crate::State::Running => JobState::InProgress,
        crate::State::Completed => JobState::Completed,
        crate::State::Cancelled => JobState::Cancelled,
        crate::State::Failed if run.reason.as_deref() == Some("deadline") => JobState::TimedOut,
        crate::State::Failed => JobState::Failed,
    };
    let ms = |from: chrono::DateTime<chrono::Utc>, to: chrono::DateTime<chrono::Utc>| {
        u64::try_from((to - from).num_milliseconds()).unwrap_or(0)
    };
    let said = ChatAnswer {
        text: run.output.clone(),
        usage: Some(Usage {
            input: u64::try_from(run.tokens_in).unwrap_or(0),
            output: u64::try_from(run.tokens_out).unwrap_or(0),
            cached: 0,
        }),
        ..ChatAnswer::empty(run.route.clone())
    };
    let failed = run
        .reason
        .as_deref()
        .filter(|_| run.state == crate::State::Failed);
    let error = failed.map(|reason| Turned::from(failure(reason)).into_refusal(kernel::Lang::En));
    let id = job_id(run.id, shape);
    let card = JobCard {
        id: &id,
        state,
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
