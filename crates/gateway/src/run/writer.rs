//! What runs write, many in one transaction: their beginnings, and what they say until their end. What a commit waits for is
//! `metering.durability`.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use db::{Batch, Ctx, GroupCommit};
use entitlement::{
    Admission, Entitlement, Reservation, ReservationId, Usage, record_all, settle_all,
};
use identity::TenantId;
use kernel::FaultKind;
use seal::Vault;

use super::{
    Event, RunId,
    note::Note,
    store::{self, Ending, NewRun, Touch},
    told,
    words::{Line, seal_answer},
};
use crate::{Error, LEASE, cache};

/// The queues of one process.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    /// Seals what is written before it stands in a queue.
    vault: Vault,
    starts: GroupCommit<Starts>,
    steps: GroupCommit<Steps>,
}

#[derive(Debug)]
struct Starts(Entitlement);

#[derive(Debug)]
struct Steps(Entitlement);

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
}

/// What a run under way has to write.
#[derive(Debug)]
struct Step {
    id: RunId,
    tenant: TenantId,
    events: Vec<Line>,
    what: What,
}

#[derive(Debug)]
enum What {
    /// It goes on.
    Beat { seq: i32, model: String },
    /// It ends; the last event is the end.
    End {
        reservation: ReservationId,
        ending: Box<Ending>,
        /// The answer.
        sealed: Option<Vec<u8>>,
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
        Self {
            vault: room.identity.vault().clone(),
            starts: GroupCommit::start(Starts(room.clone())),
            steps: GroupCommit::start(Steps(room.clone())),
        }
    }

    /// Records an admission and its run; none when the admission is to be made again.
    pub(super) async fn begin(
        &self,
        run: Beginning,
        admission: Admission,
    ) -> Result<Option<Reservation>, Error> {
        let (start, is_recorded) = self.starts.write(Start { run, admission }).await?;
        Ok(is_recorded.then_some(start.admission.reservation))
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
        self.step(id, tenant, events, what).await
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
            sealed: seal_answer(&self.vault, (id, tenant), &ending.output)?,
            ending: Box::new(ending),
            used,
        };
        self.step(id, tenant, &events, what).await
    }

    async fn step(
        &self,
        id: RunId,
        tenant: TenantId,
        events: &[Event],
        what: What,
    ) -> Result<Found, Error> {
        let lines = events.iter();
        let lines = lines.map(|event| Line::of(&self.vault, (id, tenant), event));
        let step = Step {
            id,
            tenant,
            events: lines.collect::<Result<_, _>>()?,
            what,
        };
        Ok(self.steps.write(step).await?.1)
    }
}

fn is_away(error: &Error) -> bool {
    matches!(
        error,
        Error::Fault(fault) | Error::Entitlement(entitlement::Error::Fault(fault))
            if fault.kind == FaultKind::Unavailable
    )
}

impl Batch for Starts {
    type Job = Start;
    type Answer = bool;
    type Error = Error;

    const NAME: &'static str = "beginnings of runs";

    async fn write(&self, starts: &[Start]) -> Result<Vec<bool>, Error> {
        begin_all(&self.0, starts).await
    }

    fn is_away(error: &Error) -> bool {
        is_away(error)
    }
}

impl Batch for Steps {
    type Job = Step;
    type Answer = Found;
    type Error = Error;

    const NAME: &'static str = "steps of runs";

    async fn write(&self, steps: &[Step]) -> Result<Vec<Found>, Error> {
        step_all(&self.0, steps).await
    }

    fn is_away(error: &Error) -> bool {
        is_away(error)
    }
}

/// Writes beginnings; those of a lease that is no more are not recorded.
async fn begin_all(room: &Entitlement, starts: &[Start]) -> Result<Vec<bool>, Error> {
    let mut tx = room.begin_metered("runs that begin").await?;
    let admissions: Vec<&Admission> = starts.iter().map(|start| &start.admission).collect();
    let recorded: HashSet<ReservationId> = record_all(&mut tx, room, &admissions)
        .await?
        .into_iter()
        .collect();
    let is_recorded = |start: &Start| recorded.contains(&start.admission.reservation.id);
    let rows: Vec<NewRun<'_>> = starts
        .iter()
        .filter(|start| is_recorded(start))
        .map(|Start { run, admission }| NewRun {
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
    Ok(starts.iter().map(is_recorded).collect())
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
            What::End { ending, sealed, .. } => ends.push((&**ending, sealed.as_deref())),
        }
    }
    let touched = store::touch_all(&mut tx, &beats, now + LEASE, now).await?;
    let closed = store::close_all(&mut tx, &ends, now).await?;
    let mut ends: Vec<&Ending> = ends.into_iter().map(|(ending, _)| ending).collect();
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
    let written: Vec<(RunId, TenantId, &Line)> = steps
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
