//! Group commit: what several runs have to write at the same time goes into one transaction.
//!
//! While one batch is being committed the next gathers, so a lone run waits for nobody and many share the cost. Whoever asks
//! is answered after the commit; what a commit waits for is `metering.durability`.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use db::Ctx;
use entitlement::{
    Admission, Entitlement, Reservation, ReservationId, Usage, record_all, settle_all,
};
use identity::TenantId;
use kernel::{Fault, FaultKind};
use tokio::sync::{mpsc, oneshot};

use super::{
    Event, RunId,
    note::Note,
    store::{self, Ending, NewRun, Touch},
    told,
};
use crate::{Error, LEASE, cache};

/// The most that goes into one transaction.
const LARGEST: usize = 128;
/// The most that may wait to be written; whoever comes then waits to be let in.
const QUEUE: usize = 4096;

/// The queues of one process.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    starts: mpsc::Sender<Start>,
    steps: mpsc::Sender<Step>,
}

/// A run that begins.
#[derive(Debug)]
pub(super) struct Beginning {
    pub(super) id: RunId,
    pub(super) tenant: TenantId,
    pub(super) storefront: String,
    pub(super) route: String,
    pub(super) model: String,
    pub(super) node: uuid::Uuid,
    pub(super) now: DateTime<Utc>,
    pub(super) note: Note,
}

#[derive(Debug)]
struct Start {
    run: Beginning,
    admission: Admission,
    answer: oneshot::Sender<Result<Option<Reservation>, Error>>,
}

/// What a run under way has to write.
#[derive(Debug)]
struct Step {
    id: RunId,
    tenant: TenantId,
    events: Vec<Event>,
    what: What,
    answer: oneshot::Sender<Result<Found, Error>>,
}

#[derive(Debug)]
enum What {
    /// It goes on.
    Beat { seq: i32, model: String },
    /// It ends; the last event is the end.
    End {
        reservation: ReservationId,
        ending: Box<Ending>,
        used: Usage,
    },
}

/// What a write found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It is written.
    Written {
        /// Whether the caller asked the run to stop.
        is_to_stop: bool,
    },
    /// The run has ended without us; nothing was written.
    Ended,
}

impl Writer {
    /// Starts the two tasks; they end with the last clone of what is returned.
    pub(crate) fn start(room: &Entitlement) -> Self {
        let (starts, begin) = mpsc::channel(QUEUE);
        let (steps, go_on) = mpsc::channel(QUEUE);
        tokio::spawn(write_starts(room.clone(), begin));
        tokio::spawn(write_steps(room.clone(), go_on));
        Self { starts, steps }
    }

    /// Records an admission and its run; none when the admission is to be made again.
    pub(super) async fn begin(
        &self,
        run: Beginning,
        admission: Admission,
    ) -> Result<Option<Reservation>, Error> {
        let (answer, answered) = oneshot::channel();
        let start = Start {
            run,
            admission,
            answer,
        };
        self.starts.send(start).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }

    /// Writes events and renews the run's lease.
    pub(super) async fn beat(
        &self,
        (id, tenant): (RunId, TenantId),
        seq: i32,
        model: &str,
        events: &[Event],
    ) -> Result<Found, Error> {
        let what = What::Beat {
            seq,
            model: model.to_owned(),
        };
        self.step(id, tenant, events.to_vec(), what).await
    }

    /// Writes a run's end, with its usage and what follows from it in the books.
    pub(super) async fn end(
        &self,
        reservation: ReservationId,
        ending: Ending,
        used: Usage,
        events: Vec<Event>,
    ) -> Result<Found, Error> {
        let (id, tenant) = (ending.id, ending.tenant);
        let what = What::End {
            reservation,
            ending: Box::new(ending),
            used,
        };
        self.step(id, tenant, events, what).await
    }

    async fn step(
        &self,
        id: RunId,
        tenant: TenantId,
        events: Vec<Event>,
        what: What,
    ) -> Result<Found, Error> {
        let (answer, answered) = oneshot::channel();
        let step = Step {
            id,
            tenant,
            events,
            what,
            answer,
        };
        self.steps.send(step).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

fn gone() -> Error {
    Fault::broken("the writer of runs lives as long as its process").into()
}

/// Whether the database is away: then it is for everybody, and nobody is to wait for another's try.
fn is_away(error: &Error) -> bool {
    matches!(
        error,
        Error::Fault(fault) | Error::Entitlement(entitlement::Error::Fault(fault))
            if fault.kind == FaultKind::Unavailable
    )
}

fn away() -> Error {
    Fault::unavailable(
        "runs can't be written",
        std::io::Error::other("the database is away"),
    )
    .into()
}

async fn write_starts(room: Entitlement, mut queue: mpsc::Receiver<Start>) {
    let mut batch = Vec::with_capacity(LARGEST);
    while queue.recv_many(&mut batch, LARGEST).await > 0 {
        let (mut runs, mut admissions, mut answers) = (Vec::new(), Vec::new(), Vec::new());
        for start in batch.drain(..) {
            runs.push(start.run);
            admissions.push(start.admission);
            answers.push(start.answer);
        }
        match begin_all(&room, &runs, &admissions).await {
            Ok(recorded) => {
                metrics::histogram!("gateway_batch_starts")
                    .record(f64::from(u32::try_from(runs.len()).unwrap_or(u32::MAX)));
                for (admission, answer) in admissions.into_iter().zip(answers) {
                    let is_recorded = recorded.contains(&admission.reservation.id);
                    let _ = answer.send(Ok(is_recorded.then_some(admission.reservation)));
                }
            }
            Err(error) if is_away(&error) => {
                for answer in answers {
                    let _ = answer.send(Err(away()));
                }
            }
            // one that can't be written must not take the others with it
            Err(_) if runs.len() > 1 => {
                for ((run, admission), answer) in runs.into_iter().zip(admissions).zip(answers) {
                    let one = begin_all(
                        &room,
                        std::slice::from_ref(&run),
                        std::slice::from_ref(&admission),
                    )
                    .await;
                    let _ =
                        answer.send(one.map(|recorded| {
                            (!recorded.is_empty()).then_some(admission.reservation)
                        }));
                }
            }
            Err(error) => {
                if let Some(answer) = answers.pop() {
                    let _ = answer.send(Err(error));
                }
            }
        }
    }
}

async fn begin_all(
    room: &Entitlement,
    runs: &[Beginning],
    admissions: &[Admission],
) -> Result<Vec<ReservationId>, Error> {
    let mut tx = room.begin_metered("runs that begin").await?;
    let recorded = record_all(&mut tx, room, admissions).await?;
    let rows: Vec<NewRun<'_>> = runs
        .iter()
        .zip(admissions)
        .filter(|(_, admission)| recorded.contains(&admission.reservation.id))
        .map(|(run, admission)| NewRun {
            id: run.id,
            tenant: run.tenant,
            reservation: admission.reservation.id,
            storefront: &run.storefront,
            route: &run.route,
            model: &run.model,
            node: run.node,
            lease_until: run.now + LEASE,
            now: run.now,
            note: &run.note,
        })
        .collect();
    store::insert_all(&mut tx, &rows).await?;
    tx.commit().await?;
    Ok(recorded)
}

async fn write_steps(room: Entitlement, mut queue: mpsc::Receiver<Step>) {
    let mut batch = Vec::with_capacity(LARGEST);
    while queue.recv_many(&mut batch, LARGEST).await > 0 {
        match step_all(&room, &batch).await {
            Ok(found) => {
                metrics::histogram!("gateway_batch_steps")
                    .record(f64::from(u32::try_from(batch.len()).unwrap_or(u32::MAX)));
                for (step, found) in batch.drain(..).zip(found) {
                    let _ = step.answer.send(Ok(found));
                }
            }
            Err(error) if is_away(&error) => {
                for step in batch.drain(..) {
                    let _ = step.answer.send(Err(away()));
                }
            }
            Err(_) if batch.len() > 1 => {
                for step in batch.drain(..) {
                    let one = step_all(&room, std::slice::from_ref(&step)).await;
                    let found = one.map(|found| found.first().copied().unwrap_or(Found::Ended));
                    let _ = step.answer.send(found);
                }
            }
            Err(error) => {
                if let Some(step) = batch.pop() {
                    let _ = step.answer.send(Err(error));
                }
            }
        }
    }
}

/// Writes what several runs have to say; the answers are in their order.
async fn step_all(room: &Entitlement, steps: &[Step]) -> Result<Vec<Found>, Error> {
    let cx: &Ctx = &room.cx;
    let now = cx.clock.now();
    let mut tx = room.begin_metered("what runs write").await?;
    let mut beats = Vec::new();
    let mut ends = Vec::new();
    for step in steps {
        match &step.what {
            What::Beat { seq, model } => beats.push(Touch {
                id: step.id,
                last_event: *seq,
                model,
            }),
            What::End { ending, .. } => ends.push(&**ending),
        }
    }
    let touched = store::touch_all(&mut tx, &beats, now + LEASE, now).await?;
    let closed = store::close_all(&mut tx, &ends, now).await?;
    let ended: HashSet<RunId> = closed.iter().map(|run| run.id).collect();
    let found: Vec<Found> = steps
        .iter()
        .map(|step| match &step.what {
            What::Beat { .. } => touched.iter().find(|(id, _)| *id == step.id).map_or(
                Found::Ended,
                |(_, is_to_stop)| Found::Written {
                    is_to_stop: *is_to_stop,
                },
            ),
            What::End { .. } if ended.contains(&step.id) => Found::Written { is_to_stop: false },
            What::End { .. } => Found::Ended,
        })
        .collect();
    let written: Vec<(RunId, TenantId, &Event)> = steps
        .iter()
        .zip(&found)
        .filter(|(_, found)| **found != Found::Ended)
        .flat_map(|(step, _)| {
            step.events
                .iter()
                .map(move |event| (step.id, step.tenant, event))
        })
        .collect();
    // before the words that take their place
    for ending in ends.iter().filter(|ending| ended.contains(&ending.id)) {
        if let Some(why) = ending.refused_for {
            store::withdraw(&mut tx, ending.id, why).await?;
        }
    }
    store::insert_all_events(&mut tx, &written).await?;
    let endings: Vec<(ReservationId, Usage)> = steps
        .iter()
        .filter_map(|step| match &step.what {
            What::End {
                reservation, used, ..
            } if ended.contains(&step.id) => Some((*reservation, used.clone())),
            _ => None,
        })
        .collect();
    let settled = if endings.is_empty() {
        None
    } else {
        // one that lapsed while we were away is passed over: its units are back already
        Some(settle_all(&mut tx, room, &endings).await?)
    };
    ends.retain(|ending| ended.contains(&ending.id));
    // with the end, since whoever hears of it may ask the same at once
    let answers: Vec<(RunId, &[u8])> = ends
        .iter()
        .filter_map(|ending| Some((ending.id, ending.cached_as.as_deref()?)))
        .collect();
    cache::keep(&mut tx, &answers, now).await?;
    told::ended(&mut tx, cx, &ends, &closed).await?;
    tx.commit().await?;
    if let Some(settled) = settled {
        settled.done();
    }
    Ok(found)
}
