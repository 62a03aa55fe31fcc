//! The calls of RunPod's queue about one job.

use std::time::Duration;

use chrono::{DateTime, Utc};
use identity::TenantId;
use llm::{
    CodecError, StreamEvent,
    runpod::{Job, JobState, decode_job, failure},
};
use reqwest::{Method, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use telemetry::trace;

use crate::{
    Gateway, Price, RunId,
    provider::{ANSWER_LIMIT, Trouble, accepted, read},
};

/// How long a call that only asks may take.
pub(super) const CALL: Duration = Duration::from_secs(10);

/// A job that a run has at a provider with a queue.
#[derive(Clone, Debug)]
pub(crate) struct Remote {
    pub(crate) run: RunId,
    pub(crate) tenant: TenantId,
    pub(crate) base_url: String,
    pub(crate) endpoint: String,
    /// The provider's name of it.
    pub(crate) job: String,
    /// When the provider itself drops it.
    pub(crate) dies_at: DateTime<Utc>,
    /// What its words cost; not known of a job from before that was written down.
    pub(crate) price: Option<Price>,
    /// What it probably reads, where the provider does not count.
    pub(crate) tokens_in: i64,
    /// Whether its words are judged before anybody sees them.
    pub(crate) is_judged: bool,
    /// Until when anybody wants them.
    pub(crate) wanted_until: DateTime<Utc>,
}

impl Remote {
    /// What may open the door to it.
    pub(crate) fn keys(&self, room: &Gateway) -> Vec<SecretString> {
        let known = room.routes.keys(&self.base_url).into_iter();
        known.map(|key| key.secret).collect()
    }
}

/// What a job has become that nobody follows.
#[derive(Debug)]
pub(crate) enum Became {
    /// It waits, or is worked on.
    UnderWay,
    /// It is done, and this is all that it said.
    Done(Vec<StreamEvent>),
    Failed(Trouble),
    /// The provider knows nothing of it any more.
    Gone,
    /// The provider can't be asked at the moment.
    Unknown,
}

/// Asks what a job has become.
pub(crate) async fn became(room: &Gateway, job: &Remote, keys: &[SecretString]) -> Became {
    for place in Place::of(room, job, keys) {
        let call = place.call(Method::GET, "status", Some(&job.job));
        let told = said(call.timeout(CALL)).await;
        match told.and_then(|body| Ok(decode_job(&body)?)) {
            Ok(told) if !told.state.is_final() => return Became::UnderWay,
            Ok(told) => return answer(&told).map_or_else(Became::Failed, Became::Done),
            Err(Trouble::Refused {
                status: 400 | 404 | 410,
                ..
            }) => return Became::Gone,
            Err(error) => {
                tracing::warn!(run = %job.run, %error, "a provider can't be asked for a job yet");
            }
        }
    }
    Became::Unknown
}

/// Cancels a job; says whether nothing is left to do.
pub(crate) async fn end(room: &Gateway, job: &Remote, keys: &[SecretString]) -> bool {
    for place in Place::of(room, job, keys) {
        let call = place.call(Method::POST, "cancel", Some(&job.job));
        match said(call.timeout(CALL)).await {
            Ok(_)
            | Err(Trouble::Refused {
                status: 400 | 404 | 410,
                ..
            }) => return true,
            Err(error) => {
                tracing::warn!(run = %job.run, %error, "a provider's job could not be cancelled yet");
            }
        }
    }
    false
}

/// An endpoint and what opens it.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) room: Gateway,
    pub(super) base_url: String,
    pub(super) endpoint: String,
    pub(super) key: Option<SecretString>,
}

impl Place {
    /// Where a job is, with each key that may open the door.
    fn of(room: &Gateway, job: &Remote, keys: &[SecretString]) -> impl Iterator<Item = Self> {
        let tries = keys.iter().map(Some).chain(keys.is_empty().then_some(None));
        tries.map(|key| Self {
            room: room.clone(),
            base_url: job.base_url.trim_end_matches('/').to_owned(),
            endpoint: job.endpoint.clone(),
            key: key.cloned(),
        })
    }

    pub(super) fn call(&self, method: Method, what: &str, job: Option<&str>) -> RequestBuilder {
        let mut url = format!("{}/{}/{what}", self.base_url, self.endpoint);
        // an id is a stranger's text and stays one part of the path
        if let Some(part) = job {
            let kept = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            url.push('/');
            url.extend(part.chars().filter(|c| kept(*c)));
        }
        let call = self.room.http.request(method, url);
        let call = call.headers(trace::outgoing());
        match &self.key {
            Some(key) => call.bearer_auth(key.expose_secret()),
            None => call,
        }
    }
}

pub(super) async fn said(call: RequestBuilder) -> Result<Vec<u8>, Trouble> {
    let response = call.send().await.map_err(Trouble::Unreachable)?;
    let told = |body: &[u8]| match decode_job(body) {
        Err(error @ CodecError::Upstream { .. }) => Some(error),
        _ => None,
    };
    read(accepted(response, told).await?, ANSWER_LIMIT).await
}

/// What a job that is over has said.
pub(super) fn answer(job: &Job) -> Result<Vec<StreamEvent>, Trouble> {
    check(job)?;
    let output = job.output.as_ref().ok_or(CodecError::Truncated)?;
    Ok(llm::runpod::events(output)?)
}

/// Refuses a job that did not end well.
pub(super) fn check(job: &Job) -> Result<(), Trouble> {
    match (failure(job), job.state) {
        (Some(error), _) => Err(error.into()),
        (None, JobState::Completed) => Ok(()),
        (None, _) => Err(CodecError::Truncated.into()),
    }
}
