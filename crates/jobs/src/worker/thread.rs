use std::{
    any::Any,
    panic::AssertUnwindSafe,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use tokio::{runtime::Handle, sync::oneshot, time};

use crate::JobError;

/// How long a thread may take to end after it was told to.
const GRACE: Duration = Duration::from_secs(1);

static STUCK: AtomicU32 = AtomicU32::new(0);

/// Threads of this process that went on although their time was over. No safe program can stop them; a restart does.
pub(super) fn stuck() -> u32 {
    STUCK.load(Ordering::Relaxed)
}

/// Runs `work` on a thread of its own for at most `limit`. A panic ends this work alone. Work that never yields would keep a
/// thread of the runtime from everybody else, and the process from stopping; here it keeps only its own.
pub(super) async fn run(
    kind: &str,
    limit: Duration,
    work: BoxFuture<'static, Result<(), JobError>>,
) -> Result<(), JobError> {
    let (said, hear) = oneshot::channel();
    let handle = Handle::current();
    let spawned = std::thread::Builder::new()
        .name(kind.to_owned())
        .spawn(move || {
            let bounded = async {
                let mut said = said;
                let guarded = AssertUnwindSafe(time::timeout(limit, work)).catch_unwind();
                tokio::select! {
                    // nobody waits any more: the lease was lost, or the node stops
                    () = said.closed() => {}
                    ended = guarded => {
                        let _ = said.send(match ended {
                            Ok(Ok(result)) => result,
                            Ok(Err(_)) => Err(over(limit)),
                            Err(panic) => Err(JobError::Retry(format!("panicked: {}", words(&*panic)))),
                        });
                    }
                }
            };
            handle.block_on(bounded);
        });
    if let Err(error) = spawned {
        return Err(JobError::Retry(format!(
            "no thread could be started: {error}"
        )));
    }
    match time::timeout(limit + GRACE, hear).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(JobError::Retry(
            "the thread ended without a word".to_owned(),
        )),
        Err(_) => {
            STUCK.fetch_add(1, Ordering::Relaxed);
            tracing::error!(
                kind,
                "a job does not stop although its time is over; its thread is lost until a restart"
            );
            Err(over(limit))
        }
    }
}

fn over(limit: Duration) -> JobError {
    JobError::Retry(format!("not done within {} s", limit.as_secs()))
}

fn words(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without words")
}
