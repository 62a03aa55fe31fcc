pub(crate) mod queue;

use std::time::Duration;

use futures::stream;
use llm::{
    ChatRequest, CodecError, StreamEvent,
    runpod::{Handler, Job, JobState, Policy, StreamReader, decode_job, decode_stream, encode},
    tokens,
};
use reqwest::Method;
use secrecy::SecretString;
use tokio::time::sleep;

use super::{Asker, Opened, Trouble};
use crate::{Gateway, Target, remote::RemoteJob};

use queue::Remote;
use queue::{CALL, Place, answer, check, said};

/// Between two looks at a job.
const LOOK: Duration = Duration::from_millis(250);
/// Looks in a row that may fail.
const FAILED_LOOKS: u32 = 4;

/// Puts a chat into the queue of a serverless endpoint and follows it. The job is written down before it is waited for, and
/// ends with whoever follows it.
pub(super) async fn open(
    room: &Gateway,
    asker: &Asker,
    target: &Target,
    key: Option<&SecretString>,
    request: &ChatRequest,
    handler: Handler,
) -> Result<Opened, Trouble> {
    let life = room.node.patience.run;
    let life_ms = u64::try_from(life.as_millis()).unwrap_or(u64::MAX);
    let policy = Policy {
        execution_ms: Some(life_ms.max(5_000)),
        ttl_ms: Some(life_ms.max(10_000)),
    };
    let body = encode(request, handler, policy).map_err(|refusal| Trouble::Refused {
        status: 422,
        code: None,
        retry_after: None,
        message: refusal.message,
    })?;
    let place = Place {
        room: room.clone(),
        base_url: target.base_url.trim_end_matches('/').to_owned(),
        endpoint: target.model.clone(),
        key: key.cloned(),
    };
    let (to, of, target) = (place.clone(), asker.clone(), target.clone());
    let tokens_in = tokens::estimate_request(request);
    // on its own, so that a job that is accepted while nobody waits any more is known, and ended
    let accepted = room.node.tasks.spawn(async move {
        let call = to.call(Method::POST, "run", None).json(&body);
        let job = decode_job(&said(call).await?)?;
        let now = to.room.cx.clock.now();
        let dies_at = now + chrono::Duration::from_std(life).unwrap_or(chrono::Duration::hours(1));
        let remote = Remote {
            run: of.run,
            tenant: of.tenant,
            base_url: target.base_url,
            endpoint: to.endpoint.clone(),
            job: job.id.clone(),
            dies_at,
            price: Some(target.price),
            tokens_in: i64::try_from(tokens_in).unwrap_or(i64::MAX),
            is_judged: of.is_judged,
            wanted_until: of.until.unwrap_or(dies_at).min(dies_at),
        };
        let held = RemoteJob::keep(&to.room, remote, to.key.clone()).await;
        Ok::<_, Trouble>((job, held))
    });
    let (job, held) = accepted.await.map_err(|_| Trouble::Silent)??;
    if request.stream {
        return Ok(Opened {
            events: Box::pin(streamed(place, job, held, asker.clone())),
        });
    }
    let events = whole(&place, job, held, asker).await?;
    Ok(Opened {
        events: Box::pin(stream::iter(events.into_iter().map(Ok))),
    })
}

/// Looks at a job, again if that fails for the moment. What `stream` has told it does not tell twice, so an answer that broke
/// off is not asked for again.
async fn look(place: &Place, what: &str, job: &str) -> Result<Vec<u8>, Trouble> {
    let mut failed = 0;
    loop {
        match said(place.call(Method::GET, what, Some(job)).timeout(CALL)).await {
            Ok(body) => return Ok(body),
            Err(error @ Trouble::Cut(_)) => return Err(error),
            Err(error) if failed == FAILED_LOOKS || !error.may_pass() => return Err(error),
            Err(error) => {
                failed += 1;
                let wait = error.retry_after().unwrap_or(LOOK * 2);
                sleep(wait.min(CALL)).await;
            }
        }
    }
}

fn streamed(
    place: Place,
    job: Job,
    mut held: RemoteJob,
    asker: Asker,
) -> impl futures::Stream<Item = Result<StreamEvent, Trouble>> + Send {
    async_stream::try_stream! {
        let mut reader = StreamReader::default();
        let mut has_spoken = false;
        loop {
            let (state, pieces) = decode_stream(&look(&place, "stream", &job.id).await?)?;
            asker.queue(state == JobState::InQueue);
            let is_last = state.is_final() && pieces.is_empty();
            for piece in &pieces {
                has_spoken = true;
                for event in reader.take(piece)? {
                    yield event;
                }
            }
            if is_last {
                break;
            }
            if pieces.is_empty() {
                sleep(LOOK).await;
            }
        }
        let last = decode_job(&look(&place, "status", &job.id).await?)?;
        held.over();
        check(&last)?;
        // a handler that does not stream says everything at its end
        if !has_spoken {
            let output = last.output.ok_or(CodecError::Truncated)?;
            for event in reader.take(&output)? {
                yield event;
            }
        }
        for event in reader.finish() {
            yield event;
        }
    }
}

async fn whole(
    place: &Place,
    mut job: Job,
    mut held: RemoteJob,
    asker: &Asker,
) -> Result<Vec<StreamEvent>, Trouble> {
    while !job.state.is_final() {
        asker.queue(job.state == JobState::InQueue);
        sleep(LOOK).await;
        job = decode_job(&look(place, "status", &job.id).await?)?;
    }
    held.over();
    answer(&job)
}
