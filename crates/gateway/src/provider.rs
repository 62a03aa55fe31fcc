mod anthropic;
mod bedrock;
mod hush;
mod openai;
pub(crate) mod runpod;
mod stops;
mod suit;
mod trouble;

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use futures::{Stream, StreamExt};
use identity::TenantId;
use llm::{
    ChatAnswer, ChatRequest, CodecError, EmbedAnswer, EmbedRequest, StreamEvent, runpod::Handler,
};
use reqwest::header::{CONTENT_TYPE, DATE, HeaderValue, RETRY_AFTER};

use crate::{EmbeddingId, Gateway, RunId, Target, credential, key::ApiKey, route::Kind};

pub(crate) use hush::words;
pub(crate) use suit::patience;
pub(crate) use trouble::{Meaning, Trouble};

/// The largest answer that is read in one piece, in bytes.
const ANSWER_LIMIT: usize = 32 * 1024 * 1024;

/// What an upstream says, event by event.
pub(crate) type Events = Pin<Box<dyn Stream<Item = Result<StreamEvent, Trouble>> + Send>>;

/// A chat that an upstream has accepted.
pub(crate) struct Opened {
    pub(crate) events: Events,
}

/// For whom a target is asked.
#[derive(Clone, Debug)]
pub(crate) struct Asker {
    pub(crate) run: RunId,
    pub(crate) tenant: TenantId,
    /// Whether the words are judged before anybody sees them.
    pub(crate) is_judged: bool,
    /// Until when anybody wants them; as long as a run may take unless said.
    pub(crate) until: Option<DateTime<Utc>>,
    queued: Arc<AtomicBool>,
}

impl Asker {
    pub(crate) fn new(run: RunId, tenant: TenantId) -> Self {
        Self {
            run,
            tenant,
            is_judged: false,
            until: None,
            queued: Arc::default(),
        }
    }

    /// Whether the provider has it in a line: no machine of its works on it yet.
    pub(crate) fn is_queued(&self) -> bool {
        self.queued.load(Ordering::Relaxed)
    }

    fn queue(&self, is_queued: bool) {
        self.queued.store(is_queued, Ordering::Relaxed);
    }
}

/// Opens a chat at a target for a run.
pub(crate) async fn open(
    room: &Gateway,
    asker: &Asker,
    target: &Target,
    key: Option<&ApiKey>,
    request: &ChatRequest,
) -> Result<Opened, Trouble> {
    let http = &room.http;
    let secret = key.map(|key| &key.secret);
    let request = &*suit::suited(target, request);
    let opened = match target.kind {
        Kind::OpenAi => openai::open(http, asker.run, target, secret, request).await,
        Kind::Anthropic => anthropic::open(http, target, secret, request).await,
        Kind::Bedrock => bedrock::open(room, asker.run, target, secret, request).await,
        Kind::RunPod => runpod::open(room, asker, target, secret, request, Handler::Vllm).await,
        Kind::RunPodText => {
            runpod::open(room, asker, target, secret, request, Handler::Plain).await
        }
    };
    learn(room, key, opened.as_ref().err());
    Ok(Opened {
        events: stops::until(&stops::untold(target, request), opened?.events),
    })
}

/// Asks a target for vectors, by the id that they are known by here where they have one. Only servers of OpenAI's protocol
/// have them.
pub(crate) async fn embed(
    room: &Gateway,
    target: &Target,
    key: Option<&ApiKey>,
    (id, request): (Option<EmbeddingId>, &EmbedRequest),
) -> Result<EmbedAnswer, Trouble> {
    let secret = key.map(|key| &key.secret);
    let answered = openai::embed(&room.http, target, secret, (id, request)).await;
    learn(room, key, answered.as_ref().err());
    answered
}

/// Learns of a key from a call that was made with it.
fn learn(room: &Gateway, key: Option<&ApiKey>, trouble: Option<&Trouble>) {
    match (key, trouble) {
        (Some(key), None) => key.health.works(),
        (
            Some(key),
            Some(
                trouble @ Trouble::Refused {
                    status,
                    retry_after,
                    ..
                },
            ),
        ) if trouble.is_of_the_key() => {
            credential::refused(room, key, *status, *retry_after);
        }
        _ => {}
    }
}

/// Refuses an answer that is no success, with what the provider says about it.
async fn accepted(
    response: reqwest::Response,
    read_error: fn(&[u8]) -> Option<CodecError>,
) -> Result<reqwest::Response, Trouble> {
    if response.status().is_success() {
        return Ok(response);
    }
    let status = response.status().as_u16();
    let retry_after = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| wait_until(value, response.headers().get(DATE)));
    let body = read(response, 16 * 1024).await.unwrap_or_default();
    let (message, code) = match read_error(&body) {
        Some(CodecError::Upstream { message, code }) => (message, code),
        _ => ("(no error object)".to_owned(), None),
    };
    Err(Trouble::Refused {
        status,
        code,
        retry_after,
        message,
    })
}

/// How long `Retry-After` asks to wait: in seconds, or until a time by the clock of who says so (RFC 9110, 10.2.3).
fn wait_until(value: &HeaderValue, now: Option<&HeaderValue>) -> Option<Duration> {
    let value = value.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let time = |text: &str| DateTime::parse_from_rfc2822(text).ok();
    let wait = time(value)? - time(now?.to_str().ok()?)?;
    wait.max(TimeDelta::zero()).to_std().ok()
}

async fn read(response: reqwest::Response, limit: usize) -> Result<Vec<u8>, Trouble> {
    let mut body = Vec::new();
    let mut bytes = response.bytes_stream();
    while let Some(chunk) = bytes.next().await {
        body.extend_from_slice(&chunk.map_err(Trouble::Cut)?);
        if body.len() > limit {
            return Err(CodecError::Garbled {
                reason: "the answer is too large".to_owned(),
            }
            .into());
        }
    }
    Ok(body)
}

/// Reads a streamed answer of any protocol.
trait Decode: Send + 'static {
    fn push(&mut self, bytes: &[u8]) -> Result<Vec<StreamEvent>, CodecError>;
    fn fault(&self) -> Option<&CodecError>;
    fn is_done(&self) -> bool;
    fn finish(self) -> Result<Vec<StreamEvent>, CodecError>;
}

macro_rules! decode {
    ($($decoder:ty),*) => {
        $(impl Decode for $decoder {
            fn push(&mut self, bytes: &[u8]) -> Result<Vec<StreamEvent>, CodecError> {
                self.push(bytes)
            }

            fn fault(&self) -> Option<&CodecError> {
                self.fault()
            }

            fn is_done(&self) -> bool {
                self.is_done()
            }

            fn finish(self) -> Result<Vec<StreamEvent>, CodecError> {
                self.finish()
            }
        })*
    };
}

decode!(
    llm::openai::StreamDecoder,
    llm::openai::responses::StreamDecoder,
    llm::anthropic::StreamDecoder,
    llm::bedrock::StreamDecoder
);

/// Reads what was asked for as a stream. Some servers answer in one piece nonetheless, above all that they failed, with status 200.
fn streamed(
    response: reqwest::Response,
    mut decoder: impl Decode,
    whole: impl FnOnce(&[u8]) -> Result<ChatAnswer, CodecError> + Send,
) -> impl Stream<Item = Result<StreamEvent, Trouble>> + Send {
    async_stream::try_stream! {
        if is_json(&response) {
            let answer = whole(&read(response, ANSWER_LIMIT).await?)?;
            for event in answer.into_events() {
                yield event;
            }
        } else {
            let mut bytes = response.bytes_stream();
            while !decoder.is_done() {
                let Some(chunk) = bytes.next().await else { break };
                let events = decoder.push(&chunk.map_err(Trouble::Cut)?)?;
                if events.is_empty() {
                    yield StreamEvent::Alive;
                }
                for event in events {
                    yield event;
                }
                if let Some(fault) = decoder.fault() {
                    Err(Trouble::Codec(fault.clone()))?;
                }
            }
            for event in decoder.finish()? {
                yield event;
            }
        }
    }
}

/// Whether an answer says that it is one JSON text, which no stream is.
fn is_json(response: &reqwest::Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_to_wait_until_a_time_is_waited_for_by_its_own_clock() {
        let wait = |value: &'static str, now: Option<&'static str>| {
            let now = now.map(HeaderValue::from_static);
            wait_until(&HeaderValue::from_static(value), now.as_ref()).map(|wait| wait.as_secs())
        };
        let now = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(wait("40", None), Some(40));
        assert_eq!(wait("Sun, 06 Nov 1994 08:50:17 GMT", now), Some(40));
        assert_eq!(wait("Sun, 06 Nov 1994 08:00:00 GMT", now), Some(0));
        assert_eq!(wait("Sun, 06 Nov 1994 08:50:17 GMT", None), None);
        assert_eq!(wait("soon", now), None);
    }
}
