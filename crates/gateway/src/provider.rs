mod anthropic;
mod bedrock;
mod openai;
pub(crate) mod runpod;
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

use chrono::{DateTime, Utc};
use futures::{Stream, StreamExt};
use identity::TenantId;
use llm::{ChatRequest, CodecError, EmbedAnswer, EmbedRequest, StreamEvent, runpod::Handler};
use reqwest::header::RETRY_AFTER;

use crate::{EmbeddingId, Gateway, RunId, Target, credential, key::ApiKey, route::Kind};

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
    opened
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
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.trim().parse().ok())
        .map(Duration::from_secs);
    let body = read(response, 16 * 1024).await.unwrap_or_default();
    let (message, code) = match read_error(&body) {
        Some(CodecError::Upstream { message, code }) => (message, code),
        _ => ("(no error object)".to_owned(), None),
    };
    Err(Trouble::Refused {
        status,
        code,
        retry_after,
        message: message.chars().take(300).collect(),
    })
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

fn streamed(
    response: reqwest::Response,
    mut decoder: impl Decode,
) -> impl Stream<Item = Result<StreamEvent, Trouble>> + Send {
    async_stream::try_stream! {
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
