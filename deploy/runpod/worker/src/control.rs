//! RunPod's side: where jobs come from and results go.
//!
//! The protocol is that of RunPod's own Python SDK, `runpod.serverless` 1.x (<https://github.com/runpod/runpod-python>); it is not
//! described elsewhere.

use std::time::Duration;

use reqwest::{Response, StatusCode, Url, header};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;

use crate::settings::Settings;

/// How long RunPod may hold a question open until there is something to do.
const POLL: Duration = Duration::from_secs(90);
/// How long a result may be on its way.
const DELIVERY: Duration = Duration::from_mins(1);
/// The waits before a result is sent once more.
const AGAIN: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Is to be left alone for a while.
    #[error("too many requests")]
    TooMany,
    #[error("an address or an answer has an unexpected form")]
    Form,
    // without the address: it may carry a key
    #[error("{}", without_url(_0))]
    Http(#[from] reqwest::Error),
}

fn without_url(error: &reqwest::Error) -> String {
    match error.status() {
        Some(status) => format!("status {status}"),
        None if error.is_timeout() => "no answer in time".to_owned(),
        None if error.is_connect() => "no connection".to_owned(),
        None => "the connection broke".to_owned(),
    }
}

/// What somebody wants done.
#[derive(Debug, Deserialize)]
pub(crate) struct Job {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) input: Value,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Taken {
    One(Job),
    Many(Vec<Job>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stops {
    #[serde(default)]
    jobs_to_stop: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct Control {
    http: reqwest::Client,
    take: String,
    output: String,
    stream: String,
    ping: Option<String>,
    key: SecretString,
}

impl Control {
    pub(crate) fn new(http: reqwest::Client, settings: &Settings) -> Self {
        let here = |url: &str| url.replace("$RUNPOD_POD_ID", &settings.pod);
        Self {
            http,
            take: settings.take.replace("$ID", &settings.pod),
            output: here(&settings.output),
            stream: here(&settings.stream),
            ping: settings.ping.as_deref().map(here),
            key: settings.key.clone(),
        }
    }

    /// Waits for jobs, at most `most`. `busy` says whether some are under way.
    pub(crate) async fn take(&self, most: usize, busy: bool) -> Result<Vec<Job>, Error> {
        let mut url = if most > 1 {
            let batch = self.take.replace("/job-take/", "/job-take-batch/");
            format!("{batch}&batch_size={most}")
        } else {
            self.take.clone()
        };
        url.push_str(if busy {
            "&job_in_progress=1"
        } else {
            "&job_in_progress=0"
        });
        let answer = self.ask(&url).await?;
        // 400 is how a worker that sleeps to start faster is told to go on waiting
        if matches!(
            answer.status(),
            StatusCode::NO_CONTENT | StatusCode::BAD_REQUEST
        ) {
            return Ok(Vec::new());
        }
        let body = answer.error_for_status()?.bytes().await?;
        if body.is_empty() {
            return Ok(Vec::new());
        }
        Ok(
            match serde_json::from_slice(&body).map_err(|_| Error::Form)? {
                Taken::One(job) => vec![job],
                Taken::Many(jobs) => jobs,
            },
        )
    }

    /// Waits for jobs that nobody wants any more. `None` when RunPod has no such place.
    pub(crate) async fn stops(&self) -> Result<Option<Vec<String>>, Error> {
        if !self.take.contains("/job-take/") {
            return Ok(None);
        }
        let url = self.take.replace("/job-take/", "/job-stop/");
        let answer = self.ask(&url).await?;
        if answer.status() == StatusCode::NO_CONTENT {
            return Ok(Some(Vec::new()));
        }
        let body = answer.error_for_status()?.bytes().await?;
        let stops: Stops = serde_json::from_slice(&body).map_err(|_| Error::Form)?;
        Ok(Some(stops.jobs_to_stop))
    }

    async fn ask(&self, url: &str) -> Result<Response, Error> {
        let answer = self
            .http
            .get(url)
            .header(header::AUTHORIZATION, self.key.expose_secret())
            .timeout(POLL)
            .send()
            .await?;
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            return Err(Error::TooMany);
        }
        Ok(answer)
    }

    /// Hands in a result. `streamed` says whether pieces of it went before.
    pub(crate) async fn done(
        &self,
        job: &str,
        result: &Value,
        streamed: bool,
    ) -> Result<(), Error> {
        self.send(&self.output, job, result, streamed).await
    }

    /// Hands in a piece of a result.
    pub(crate) async fn piece(&self, job: &str, piece: &Value) -> Result<(), Error> {
        self.send(&self.stream, job, piece, false).await
    }

    async fn send(
        &self,
        place: &str,
        job: &str,
        body: &Value,
        streamed: bool,
    ) -> Result<(), Error> {
        let url = format!("{}&isStream={streamed}", place.replace("$ID", job));
        let mut waits = AGAIN.into_iter();
        loop {
            let sent = self
                .http
                .post(&url)
                .header(header::AUTHORIZATION, self.key.expose_secret())
                .header("x-request-id", job)
                .header("charset", "utf-8")
                // what the SDK calls its JSON
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .timeout(DELIVERY)
                .body(body.to_string())
                .send()
                .await
                .and_then(Response::error_for_status);
            let Err(error) = sent else { return Ok(()) };
            let is_final = error.status().is_some_and(|s| s.is_client_error());
            match waits.next().filter(|_| !is_final) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Err(error.into()),
            }
        }
    }

    /// Says that this worker lives, and what it works on.
    pub(crate) async fn ping(&self, jobs: &[String]) -> Result<(), Error> {
        let Some(url) = &self.ping else {
            return Ok(());
        };
        let mut url = Url::parse(url).map_err(|_| Error::Form)?;
        if !jobs.is_empty() {
            url.query_pairs_mut().append_pair("job_id", &jobs.join(","));
        }
        url.query_pairs_mut()
            .append_pair("runpod_version", env!("CARGO_PKG_VERSION"));
        self.http
            .get(url)
            .header(header::AUTHORIZATION, self.key.expose_secret())
            .timeout(POLL)
            .send()
            .await?
            .error_for_status()?;
        Ok(())
    }
}
