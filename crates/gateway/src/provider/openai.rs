use futures::stream;
use llm::{ChatRequest, EmbedAnswer, EmbedRequest, openai};
use secrecy::{ExposeSecret, SecretString};
use telemetry::trace;

use super::{ANSWER_LIMIT, Opened, Trouble, accepted, read, streamed, suit::counts_completions};
use crate::{EmbeddingId, RunId, Target};

/// Opens a chat at an OpenAI-compatible target.
pub(super) async fn open(
    http: &reqwest::Client,
    run: RunId,
    target: &Target,
    key: Option<&SecretString>,
    request: &ChatRequest,
) -> Result<Opened, Trouble> {
    let url = format!("{}/chat/completions", target.base_url.trim_end_matches('/'));
    let dialect = openai::Dialect {
        counts: target.counts,
        max_completion_tokens: counts_completions(&target.base_url),
    };
    let mut call = http
        .post(url)
        // what it writes down of this call can then be compared with the run
        .header("x-client-request-id", run.to_string())
        .headers(trace::outgoing())
        .json(&dialect.encode(request));
    if let Some(key) = key {
        call = call.bearer_auth(key.expose_secret());
    }
    let response = call.send().await.map_err(Trouble::Unreachable)?;
    let response = accepted(response, |body| openai::decode(body).err()).await?;
    if request.stream {
        return Ok(Opened {
            events: Box::pin(streamed(response, openai::StreamDecoder::new())),
        });
    }
    let answer = openai::decode(&read(response, ANSWER_LIMIT).await?)?;
    let events = answer.into_events().into_iter().map(Ok);
    Ok(Opened {
        events: Box::pin(stream::iter(events)),
    })
}

/// Asks an OpenAI-compatible target for vectors.
pub(super) async fn embed(
    http: &reqwest::Client,
    target: &Target,
    key: Option<&SecretString>,
    (id, request): (Option<EmbeddingId>, &EmbedRequest),
) -> Result<EmbedAnswer, Trouble> {
    let url = format!("{}/embeddings", target.base_url.trim_end_matches('/'));
    // numbers, since not every server of this protocol knows base64
    let mut call = http
        .post(url)
        .headers(trace::outgoing())
        .json(&openai::encode_embed(request, false));
    if let Some(id) = id {
        call = call.header("x-client-request-id", id.to_string());
    }
    if let Some(key) = key {
        call = call.bearer_auth(key.expose_secret());
    }
    let response = call.send().await.map_err(Trouble::Unreachable)?;
    let response = accepted(response, |body| openai::decode(body).err()).await?;
    let body = read(response, ANSWER_LIMIT).await?;
    Ok(openai::decode_embed(&body, request.input.len())?)
}
