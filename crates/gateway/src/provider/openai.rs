use futures::{StreamExt, stream};
use llm::{
    ChatAnswer, ChatRequest, CodecError, EmbedAnswer, EmbedRequest,
    openai::{self, responses},
    read_refusal,
};
use secrecy::{ExposeSecret, SecretString};
use telemetry::trace;

use super::{
    ANSWER_LIMIT, Events, Opened, Trouble, accepted, read, streamed,
    suit::{counts_completions, signs_calls},
};
use crate::{EmbeddingId, RunId, Target, route::Api};

/// Opens a chat at an OpenAI-compatible target.
pub(super) async fn open(
    http: &reqwest::Client,
    run: RunId,
    target: &Target,
    key: Option<&SecretString>,
    request: &ChatRequest,
) -> Result<Opened, Trouble> {
    let dialect = openai::Dialect {
        counts: target.counts,
        thoughts: target.thoughts,
        max_completion_tokens: counts_completions(&target.base_url),
        extra_content: signs_calls(target),
    };
    let (path, body) = match target.api {
        Api::Chat => ("chat/completions", dialect.encode(request)),
        Api::Responses => ("responses", responses::encode(request)),
    };
    let mut call = http
        .post(format!("{}/{path}", target.base_url.trim_end_matches('/')))
        // what it writes down of this call can then be compared with the run
        .header("x-client-request-id", run.to_string())
        .headers(trace::outgoing())
        .json(&body);
    if let Some(key) = key {
        call = call.bearer_auth(key.expose_secret());
    }
    let response = call.send().await.map_err(Trouble::Unreachable)?;
    let response = accepted(response, read_refusal).await?;
    let events = match (target.api, request.stream) {
        (Api::Chat, true) => {
            streamed(response, openai::StreamDecoder::new(), openai::decode).boxed()
        }
        (Api::Chat, false) => whole(response, openai::decode).await?,
        (Api::Responses, true) => {
            streamed(response, responses::StreamDecoder::new(), responses::decode).boxed()
        }
        (Api::Responses, false) => whole(response, responses::decode).await?,
    };
    Ok(Opened { events })
}

async fn whole(
    response: reqwest::Response,
    decode: fn(&[u8]) -> Result<ChatAnswer, CodecError>,
) -> Result<Events, Trouble> {
    let answer = decode(&read(response, ANSWER_LIMIT).await?)?;
    Ok(stream::iter(answer.into_events().into_iter().map(Ok)).boxed())
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
    let response = accepted(response, read_refusal).await?;
    let body = read(response, ANSWER_LIMIT).await?;
    Ok(openai::decode_embed(&body, request.input.len())?)
}
