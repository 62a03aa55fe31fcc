//! The engine beside us: vLLM, llama.cpp or any other server that speaks OpenAI's protocol.

use std::time::Duration;

use futures::{Stream, StreamExt, stream::BoxStream};
use llm::{ChatRequest, CodecError, StreamEvent, openai};
use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};

use crate::settings::Settings;

/// The engine may think this long between two words.
const SILENCE: Duration = Duration::from_mins(2);
/// How often an engine that starts is asked whether it is there.
const LOOK: Duration = Duration::from_millis(500);
/// The most bytes of a refusal that are read.
const REFUSAL: usize = 64 * 1024;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the engine can't be reached")]
    Away,
    #[error("the engine answered {0}")]
    Status(StatusCode),
    #[error("the engine: {0}")]
    Codec(#[from] CodecError),
    #[error("the engine is silent")]
    Silent,
    #[error("the engine broke off")]
    Cut,
}

#[derive(Debug)]
pub(crate) struct Engine {
    http: reqwest::Client,
    url: String,
    key: SecretString,
}

impl Engine {
    pub(crate) fn new(http: reqwest::Client, settings: &Settings) -> Self {
        Self {
            http,
            url: settings.engine_url.trim_end_matches('/').to_owned(),
            key: settings.engine_key.clone(),
        }
    }

    /// Whether it answers.
    pub(crate) async fn is_up(&self) -> bool {
        let asked = self.signed(self.http.get(format!("{}/models", self.url)));
        let answer = asked.timeout(Duration::from_secs(5)).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// Waits until it answers.
    pub(crate) async fn until_up(&self) {
        while !self.is_up().await {
            tokio::time::sleep(LOOK).await;
        }
    }

    fn signed(&self, call: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match self.key.expose_secret() {
            "" => call,
            key => call.bearer_auth(key),
        }
    }

    /// Asks; the words come as they are written.
    pub(crate) async fn chat(
        &self,
        request: &ChatRequest,
    ) -> Result<BoxStream<'static, Result<StreamEvent, Error>>, Error> {
        let url = format!("{}/chat/completions", self.url);
        let call = self.signed(self.http.post(url).json(&openai::encode(request)));
        let answer = tokio::time::timeout(SILENCE, call.send())
            .await
            .map_err(|_| Error::Silent)?
            .map_err(|_| Error::Away)?;
        let status = answer.status();
        if !status.is_success() {
            let mut body = Vec::new();
            let mut bytes = answer.bytes_stream();
            while let Some(Ok(chunk)) = bytes.next().await
                && body.len() < REFUSAL
            {
                body.extend_from_slice(&chunk);
            }
            return Err(match openai::decode(&body) {
                Err(error @ CodecError::Upstream { .. }) => error.into(),
                _ => Error::Status(status),
            });
        }
        Ok(events(answer).boxed())
    }
}

fn events(answer: reqwest::Response) -> impl Stream<Item = Result<StreamEvent, Error>> {
    let start = (answer.bytes_stream(), Some(openai::StreamDecoder::new()));
    futures::stream::unfold(start, |(mut bytes, decoder)| async move {
        let mut decoder = decoder?;
        let next = tokio::time::timeout(SILENCE, bytes.next()).await;
        let (found, decoder) = match next {
            Err(_) => (Err(Error::Silent), None),
            Ok(Some(Err(_))) => (Err(Error::Cut), None),
            Ok(Some(Ok(chunk))) => {
                let found = decoder.push(&chunk).map_err(Error::from);
                let more = found.is_ok() && !decoder.is_done();
                (found, more.then_some(decoder))
            }
            Ok(None) => (decoder.finish().map_err(Error::from), None),
        };
        let items: Vec<_> = match found {
            Ok(events) => events.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        };
        Some((futures::stream::iter(items), (bytes, decoder)))
    })
    .flatten()
}
