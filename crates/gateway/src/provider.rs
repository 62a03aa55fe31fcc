use std::pin::Pin;

use futures::{Stream, StreamExt, stream};
use llm::{ChatRequest, CodecError, StreamEvent, openai};
use secrecy::ExposeSecret;

use crate::Target;

/// The largest answer that is read in one piece, in bytes.
const ANSWER_LIMIT: usize = 8 * 1024 * 1024;

/// What an upstream says, event by event.
pub(crate) type Events = Pin<Box<dyn Stream<Item = Result<StreamEvent, ProviderError>> + Send>>;

/// Why an upstream did not deliver. Texts of the upstream may name accounts, so they are logged and never shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProviderError {
    #[error("the upstream can't be reached: {0}")]
    Unreachable(#[source] reqwest::Error),
    #[error("the upstream answered {status}: {message}")]
    Refused { status: u16, message: String },
    #[error("the upstream broke off: {0}")]
    Cut(#[source] reqwest::Error),
    #[error("the upstream's answer can't be read: {0}")]
    Codec(#[from] CodecError),
}

/// Opens a chat at an OpenAI-compatible target. Once this returns the upstream has accepted the request.
pub(crate) async fn open(
    http: &reqwest::Client,
    target: &Target,
    request: &ChatRequest,
) -> Result<Events, ProviderError> {
    let url = format!("{}/chat/completions", target.base_url.trim_end_matches('/'));
    let mut call = http.post(url).json(&openai::encode(request));
    if let Some(key) = &target.api_key {
        call = call.bearer_auth(key.expose_secret());
    }
    let response = call.send().await.map_err(ProviderError::Unreachable)?;
    if !response.status().is_success() {
        return Err(refusal(response).await);
    }
    if request.stream {
        Ok(Box::pin(streamed(response)))
    } else {
        whole(response).await
    }
}

async fn refusal(response: reqwest::Response) -> ProviderError {
    let status = response.status().as_u16();
    let body = read(response, 16 * 1024).await.unwrap_or_default();
    let message = match openai::decode(&body) {
        Err(CodecError::Upstream { message, .. }) => message,
        _ => "(no error object)".to_owned(),
    };
    ProviderError::Refused {
        status,
        message: message.chars().take(300).collect(),
    }
}

async fn whole(response: reqwest::Response) -> Result<Events, ProviderError> {
    let body = read(response, ANSWER_LIMIT).await?;
    let answer = openai::decode(&body)?;
    let mut events = vec![Ok(StreamEvent::Text(answer.text))];
    events.extend(answer.usage.map(|usage| Ok(StreamEvent::Usage(usage))));
    events.extend([
        Ok(StreamEvent::Finish(answer.finish)),
        Ok(StreamEvent::Done),
    ]);
    Ok(Box::pin(stream::iter(events)))
}

fn streamed(
    response: reqwest::Response,
) -> impl Stream<Item = Result<StreamEvent, ProviderError>> + Send {
    async_stream::try_stream! {
        let mut bytes = response.bytes_stream();
        let mut decoder = openai::StreamDecoder::new();
        while !decoder.is_done() {
            let Some(chunk) = bytes.next().await else { break };
            for event in decoder.push(&chunk.map_err(ProviderError::Cut)?)? {
                yield event;
            }
            if let Some(fault) = decoder.fault() {
                Err(ProviderError::Codec(fault.clone()))?;
            }
        }
        for event in decoder.finish()? {
            yield event;
        }
    }
}

async fn read(response: reqwest::Response, limit: usize) -> Result<Vec<u8>, ProviderError> {
    let mut body = Vec::new();
    let mut bytes = response.bytes_stream();
    while let Some(chunk) = bytes.next().await {
        body.extend_from_slice(&chunk.map_err(ProviderError::Cut)?);
        if body.len() > limit {
            return Err(CodecError::Garbled {
                reason: "the answer is too large".to_owned(),
            }
            .into());
        }
    }
    Ok(body)
}
