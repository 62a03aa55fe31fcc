//! Group commit: what several runs have to write at the same time goes into one transaction.
//!
//! While one batch is being committed the next gathers, so a lone run waits for nobody and many share the cost. Whoever asks
//! is answered after the commit; what a commit waits for is `metering.durability`.

use std::thread;

use chrono::{DateTime, Utc};
use db::Ctx;
use entitlement::{
    Admission, Entitlement, Reservation, ReservationId, Settled, Usage, record_all, record_settled,
    settle_all,
};
use identity::TenantId;
use kernel::{Fault, FaultKind};
use sqlx::PgConnection;
use tokio::sync::{mpsc, oneshot};

use super::{
    Event, RunId,
    note::Note,
    store::{self, Ending, NewRun, Touch},
    told,
};
use crate::{Error, LEASE};

/// The most that goes into one transaction.
const LARGEST: usize = 128;
/// The most that may wait to be written; whoever comes then waits to be let in.
const QUEUE: usize = 4096;
/// The most lines that write at once, each on a connection of its own.
const MOST_LINES: usize = 4;

/// The lines of one process in which runs wait to be written; a run keeps to its line.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    lines: Vec<mpsc::Sender<Step>>,
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

/// What a run has to write.
#[derive(Debug)]
struct Step {
    id: RunId,
    tenant: TenantId,
    /// Its beginning, where that is not written yet.
    start: Option<Start>,
    events: Vec<Event>,
    what: What,
    answer: oneshot::Sender<Result<Answer, Error>>,
}

#[derive(Debug)]
pub(super) struct Start {
    pub(super) run: Beginning,
    pub(super) admission: Admission,
}

#[derive(Debug)]
pub(super) enum What {
    /// It begins.
    Begin,
    /// It goes on.
    Beat { seq: i32, model: String },
    /// It ends; the last event is the end.
    End {
        /// None of a run that begins with its end.
        reservation: Option<ReservationId>,
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
    /// What admitted it is no more: nothing was written, and it is to be admitted again.
    Unadmitted,
}

/// What became of a step.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) found: Found,
    /// Of a run that begins: what keeps its place from now on.
    pub(super) kept: Option<Reservation>,
    /// Of a run that was not admitted: its beginning.
    pub(super) again: Option<Beginning>,
}

impl Writer {
    /// Starts the tasks; they end with the last clone of what is returned.
    pub(crate) fn start(room: &Entitlement) -> Self {
        // the database needs the other half
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let lines = (0..(cores / 2).clamp(1, MOST_LINES)).map(|_| {
            let (line, queue) = mpsc::channel(QUEUE);
            tokio::spawn(write(room.clone(), queue));
            line
        });
        Self {
            lines: lines.collect(),
        }
    }

    /// Records an admission and its run; none when the admission is to be made again.
    pub(super) async fn begin(&self, start: Start) -> Result<Option<Reservation>, Error> {
        let (id, tenant) = (start.run.id, start.run.tenant);
        let said = (Vec::new(), What::Begin);
        Ok(self.step((id, tenant), Some(start), said).await?.kept)
    }

    /// Writes what a run has to say.
    pub(super) async fn step(
        &self,
        (id, tenant): (RunId, TenantId),
        start: Option<Start>,
        (events, what): (Vec<Event>, What),
    ) -> Result<Answer, Error> {
        let (answer, answered) = oneshot::channel();
        let step = Step {
            id,
            tenant,
            start,
            events,
            what,
            answer,
        };
        let line = usize::from(id.0.as_bytes()[15]) % self.lines.len().max(1);
        let line = self.lines.get(line).ok_or_else(gone)?;
        line.send(step).await.map_err(|_| gone())?;
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

async fn write(room: Entitlement, mut queue: mpsc::Receiver<Step>) {
    let mut batch = Vec::with_capacity(LARGEST);
    while queue.recv_many(&mut batch, LARGEST).await > 0 {
        match write_all(&room, &batch).await {
            Ok(found) => {
                metrics::histogram!("gateway_batch")
                    .record(f64::from(u32::try_from(batch.len()).unwrap_or(u32::MAX)));
                for (step, found) in batch.drain(..).zip(found) {
                    step.tell(Ok(found));
                }
            }
            Err(error) if is_away(&error) => {
                for step in batch.drain(..) {
                    step.tell(Err(away()));
                }
            }
            // one that can't be written must not take the others with it
            Err(_) if batch.len() > 1 => {
                for step in batch.drain(..) {
                    let one = write_all(&room, std::slice::from_ref(&step)).await;
                    step.tell(one.map(|found| found.first().copied().unwrap_or(Found::Ended)));
                }
            }
            Err(error) => {
                if let Some(step) = batch.pop() {
                    step.tell(Err(error));
                }
            }
        }
    }
}

impl Step {
    fn tell(self, found: Result<Found, Error>) {
        let told = found.map(|found| {
            let (kept, again) = match self.start {
                Some(start) if found == Found::Unadmitted => (None, Some(start.run)),
                Some(start) => (Some(start.admission.reservation), None),
                None => (None, None),
            };
            Answer { found, kept, again }
        });
        let _ = self.answer.send(told);
    }

    fn ending(&self) -> Option<(&Ending, &Usage, Option<ReservationId>)> {
        match &self.what {
            What::End {
                reservation,
                ending,
                used,
            } => Some((ending, used, *reservation)),
            What::Begin | What::Beat { .. } => None,
        }
    }
}

/// Writes what several runs have to say; the answers are in their order.
async fn write_all(room: &Entitlement, steps: &[Step]) -> Result<Vec<Found>, Error> {
    let cx: &Ctx = &room.cx;
    let now = cx.clock.now();
    let mut tx = room.begin_metered("what runs write").await?;
    let (begun, at_once) = begin_all(&mut tx, room, steps, now).await?;
    let has_begun = |step: &&Step| step.start.is_none() || begun.contains(&step.id);
    let mut beats = Vec::new();
    let mut ends = Vec::new();
    for step in steps.iter().filter(has_begun) {
        match &step.what {
            What::Beat { seq, model } => beats.push(Touch {
                id: step.id,
                last_event: *seq,
                model,
            }),
            What::End { ending, .. } if step.start.is_none() => ends.push(&**ending),
            // what begins is written already, with its end if it has one
            What::Begin | What::End { .. } => {}
        }
    }
    let touched = store::touch_all(&mut tx, &beats, now + LEASE, now).await?;
    let ended = store::close_all(&mut tx, &ends, now).await?;
    let found: Vec<Found> = steps
        .iter()
        .map(|step| {
            if !has_begun(&step) {
                return Found::Unadmitted;
            }
            match &step.what {
                What::Beat { .. } => touched.iter().find(|(id, _)| *id == step.id).map_or(
                    Found::Ended,
                    |(_, is_to_stop)| Found::Written {
                        is_to_stop: *is_to_stop,
                    },
                ),
                What::End { .. } if step.start.is_none() && !ended.contains(&step.id) => {
                    Found::Ended
                }
                What::Begin | What::End { .. } => Found::Written { is_to_stop: false },
            }
        })
        .collect();
    let written = || {
        steps
            .iter()
            .zip(&found)
            .filter(|(_, found)| matches!(found, Found::Written { .. }))
            .map(|(step, _)| step)
    };
    let events: Vec<(RunId, TenantId, &Event)> = written()
        .flat_map(|step| {
            step.events
                .iter()
                .map(move |event| (step.id, step.tenant, event))
        })
        .collect();
    store::insert_all_events(&mut tx, &events).await?;
    let endings: Vec<(ReservationId, Usage)> = written()
        .filter(|step| step.start.is_none())
        .filter_map(Step::ending)
        .filter_map(|(_, used, reservation)| Some((reservation?, used.clone())))
        .collect();
    let settled = if endings.is_empty() {
        None
    } else {
        // one that lapsed while we were away is passed over: its units are back already
        Some(settle_all(&mut tx, room, &endings).await?)
    };
    let over: Vec<&Ending> = written()
        .filter_map(Step::ending)
        .map(|(ending, ..)| ending)
        .collect();
    let known: Vec<RunId> = ends
        .iter()
        .map(|ending| ending.id)
        .filter(|id| ended.contains(id))
        .collect();
    told::ended(&mut tx, cx, &over, &known).await?;
    tx.commit().await?;
    for settled in settled.into_iter().chain(at_once) {
        settled.done();
    }
    Ok(found)
}

/// Writes the beginnings among the steps, those of runs that are over with their end; returns which runs have begun.
async fn begin_all(
    conn: &mut PgConnection,
    room: &Entitlement,
    steps: &[Step],
    now: DateTime<Utc>,
) -> Result<(Vec<RunId>, Option<Settled>), Error> {
    let (mut alive, mut over, mut used) = (Vec::new(), Vec::new(), Vec::new());
    for step in steps {
        match (&step.start, step.ending()) {
            (Some(start), None) => alive.push(&start.admission),
            (Some(start), Some((_, usage, _))) => {
                over.push(&start.admission);
                used.push(usage);
            }
            (None, _) => {}
        }
    }
    let mut recorded = Vec::new();
    if !alive.is_empty() {
        recorded = record_all(conn, room, &alive).await?;
    }
    let mut at_once = None;
    if !over.is_empty() {
        let (closed, settled) = record_settled(conn, room, &over, &used).await?;
        recorded.extend(closed);
        at_once = Some(settled);
    }
    let rows: Vec<NewRun<'_>> = steps
        .iter()
        .filter_map(|step| Some((step, step.start.as_ref()?)))
        .filter(|(_, start)| recorded.contains(&start.admission.reservation.id))
        .map(|(step, Start { run, admission })| NewRun {
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
            ended: step.ending().map(|(ending, ..)| (ending, now)),
        })
        .collect();
    store::insert_all(conn, &rows).await?;
    Ok((rows.iter().map(|row| row.id).collect(), at_once))
}
