use futures::stream;
use llm::{ChatRequest, anthropic, read_refusal};
use secrecy::{ExposeSecret, SecretString};
use telemetry::trace;

use super::{ANSWER_LIMIT, Opened, Trouble, accepted, read, streamed};
use crate::Target;

/// Opens a chat at a target that speaks Anthropic's Messages protocol.
pub(super) async fn open(
    http: &reqwest::Client,
    target: &Target,
    key: Option<&SecretString>,
    request: &ChatRequest,
) -> Result<Opened, Trouble> {
    let base_url = target.base_url.trim_end_matches('/');
    let mut call = http
        .post(format!("{base_url}/v1/messages"))
        .header("anthropic-version", anthropic::VERSION)
        .headers(trace::outgoing())
        .json(&anthropic::encode(request));
    if let Some(key) = key {
        call = call.header("x-api-key", key.expose_secret());
    }
    let response = call.send().await.map_err(Trouble::Unreachable)?;
    let response = accepted(response, read_refusal).await?;
    if request.stream {
        return Ok(Opened {
            events: Box::pin(streamed(
                response,
                anthropic::StreamDecoder::new(),
                anthropic::decode,
            )),
        });
    }
    let answer = anthropic::decode(&read(response, ANSWER_LIMIT).await?)?;
    let events = answer.into_events().into_iter().map(Ok);
    Ok(Opened {
        events: Box::pin(stream::iter(events)),
    })
}
