//! What runs write, many in one transaction. What a commit waits for is `metering.durability`.

use std::{collections::HashSet, sync::Arc};

use chrono::{DateTime, Utc};
use db::{Batch, Ctx, GroupCommit};
use entitlement::{
    Admission, Entitlement, Reservation, ReservationId, Usage, record_each, settle_each,
};
use identity::TenantId;
use kernel::FaultKind;
use seal::Vault;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    Event, RunId, ends,
    note::Note,
    store::{self, Answered, Closed, Ending, NewRun, Touch},
    words::{Line, seal_answer},
};
use crate::{Error, LEASE, cache};

/// The queue of one process.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    /// Seals what is written before it stands in the queue.
    vault: Vault,
    steps: GroupCommit<Steps>,
    /// How many more may be answered before they are written; none where nobody may.
    ahead: Option<Arc<Semaphore>>,
}

/// The most answers that are known to their callers and not yet written, with `metering.durability = "async"`: what a process that is
/// killed takes along.
const MOST_AHEAD: usize = 512;

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

/// A run that is to be written, and what admitted it.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) run: Beginning,
    pub(super) admission: Admission,
}

impl Start {
    /// What keeps its place.
    pub(super) const fn reservation(&self) -> &Reservation {
        &self.admission.reservation
    }
}

/// What a run has to write.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) id: RunId,
    pub(super) tenant: TenantId,
    /// The run itself, where it is not written yet.
    pub(super) first: Option<Arc<Start>>,
    pub(super) events: Vec<Arc<Event>>,
    pub(super) what: What,
    /// Whether somebody waits for it to be written.
    pub(super) is_awaited: bool,
}

#[derive(Debug)]
pub(super) enum What {
    /// It goes on.
    Beat { seq: i32, model: String },
    /// It ends; the last event is the end.
    End {
        reservation: ReservationId,
        ending: Box<Ending>,
        used: Usage,
    },
}

/// A step whose words are sealed.
#[derive(Debug)]
struct Sealed {
    step: Step,
    lines: Vec<Line>,
    /// The answer of one that ends.
    answer: Option<Vec<u8>>,
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
    /// What admitted it is no more; nothing was written, and it is to be admitted again.
    Unadmitted,
}

impl Writer {
    /// Starts the task; it ends with the last clone of what is returned.
    pub(crate) fn start(room: &Entitlement) -> Self {
        Self {
            vault: room.identity.vault().clone(),
            steps: GroupCommit::start(Steps(room.clone())),
            ahead: room
                .answers_first()
                .then(|| Arc::new(Semaphore::new(MOST_AHEAD))),
        }
    }

    /// Whether what was written last could be. Otherwise nothing is to be asked of anybody before it is written down.
    pub(super) fn is_well(&self) -> bool {
        self.steps.is_well()
    }

    /// Leave to answer before it is written. Where too much waits to be written, or nothing can be, there is none.
    pub(super) fn ahead(&self) -> Option<OwnedSemaphorePermit> {
        let left = self.ahead.as_ref().filter(|_| self.is_well())?;
        Arc::clone(left).try_acquire_owned().ok()
    }

    /// Writes a step together with those of other runs; renews the run's lease.
    ///
    /// # Errors
    /// `SecretClosed` without a sealing key; the database's own.
    pub(super) async fn write(&self, step: Step) -> Result<Found, Error> {
        let sealed = Sealed::of(&self.vault, step)?;
        Ok(self.steps.write(sealed).await?.1)
    }
}

impl Sealed {
    fn of(vault: &Vault, step: Step) -> Result<Self, Error> {
        let whose = (step.id, step.tenant);
        let lines = step.events.iter();
        let lines = lines.map(|event| Line::of(vault, whose, event));
        let said = step.ending().map(|ending| ending.output.as_str());
        Ok(Self {
            lines: lines.collect::<Result<_, _>>()?,
            answer: seal_answer(vault, whose, said.unwrap_or_default())?,
            step,
        })
    }

    fn answered(&self) -> Option<Answered<'_>> {
        Some((self.step.ending()?, self.answer.as_deref()))
    }
}

impl Batch for Steps {
    type Job = Sealed;
    type Answer = Found;
    type Error = Error;

    const NAME: &'static str = "steps of runs";

    async fn write(&self, steps: &[Sealed]) -> Result<Vec<Found>, Error> {
        write_all(&self.0, steps).await
    }

    fn is_awaited(sealed: &Sealed) -> bool {
        sealed.step.is_awaited
    }

    fn is_away(error: &Error) -> bool {
        matches!(
            error,
            Error::Fault(fault) | Error::Entitlement(entitlement::Error::Fault(fault))
                if fault.kind == FaultKind::Unavailable
        )
    }
}

impl Step {
    const fn ending(&self) -> Option<&Ending> {
        match &self.what {
            What::Beat { .. } => None,
            What::End { ending, .. } => Some(ending),
        }
    }

    const fn used(&self) -> Option<&Usage> {
        match &self.what {
            What::Beat { .. } => None,
            What::End { used, .. } => Some(used),
        }
    }
}

/// Writes what several runs have to say; the answers are in their order.
async fn write_all(room: &Entitlement, sealed: &[Sealed]) -> Result<Vec<Found>, Error> {
    let cx: &Ctx = &room.cx;
    let now = cx.clock.now();
    let mut tx = room.begin_metered("what runs write").await?;
    let begun = begin_all(&mut tx, room, sealed, now).await?;
    let mut closed = Vec::new();
    let found = go_on(&mut tx, sealed, &begun, &mut closed, now).await?;
    let ended: HashSet<RunId> = closed.iter().map(|run| run.id).collect();
    let steps = || sealed.iter().map(|sealed| &sealed.step);
    let mut ends: Vec<&Ending> = steps().filter_map(Step::ending).collect();
    ends.retain(|ending| ended.contains(&ending.id));
    // before the words that take their place
    for ending in &ends {
        if let Some(why) = ending.refused_for {
            store::withdraw(&mut tx, ending.id, why).await?;
        }
    }
    let written: Vec<(RunId, TenantId, &Line)> = sealed
        .iter()
        .zip(&found)
        .filter(|(_, found)| matches!(found, Found::Written { .. }))
        .flat_map(|(sealed, _)| {
            let (id, tenant) = (sealed.step.id, sealed.step.tenant);
            sealed.lines.iter().map(move |line| (id, tenant, line))
        })
        .collect();
    store::insert_all_events(&mut tx, &written).await?;
    let mut endings: Vec<(ReservationId, Usage)> = Vec::new();
    let mut over: Vec<(&Admission, &Usage)> = Vec::new();
    for step in steps().filter(|step| ended.contains(&step.id)) {
        match (&step.what, &step.first) {
            (What::End { used, .. }, Some(first)) => over.push((&first.admission, used)),
            (
                What::End {
                    reservation, used, ..
                },
                None,
            ) => endings.push((*reservation, used.clone())),
            (What::Beat { .. }, _) => {}
        }
    }
    let settled = if ends.is_empty() {
        None
    } else {
        // one that lapsed while we were away is passed over: its units are back already
        Some(settle_each(&mut tx, room, &endings, &over).await?)
    };
    // with the end, since whoever hears of it may ask the same at once
    let answers: Vec<(RunId, &[u8])> = ends
        .iter()
        .filter_map(|ending| Some((ending.id, ending.cached_as.as_deref()?)))
        .collect();
    cache::keep(&mut tx, &answers, now).await?;
    ends::ended(&mut tx, cx, &ends, &closed).await?;
    tx.commit().await?;
    for first in steps().filter_map(|step| step.first.as_ref()) {
        if begun.contains(&first.run.id) {
            first.reservation().confirm();
        }
    }
    if let Some(settled) = settled {
        settled.done();
    }
    Ok(found)
}

/// Writes the runs that are not written yet, as they are by now, and returns those. The others were admitted by a lease that is
/// no more.
async fn begin_all(
    conn: &mut sqlx::PgConnection,
    room: &Entitlement,
    sealed: &[Sealed],
    now: DateTime<Utc>,
) -> Result<HashSet<RunId>, Error> {
    let firsts: Vec<(&Sealed, &Start)> = sealed
        .iter()
        .filter_map(|sealed| Some((sealed, sealed.step.first.as_deref()?)))
        .collect();
    if firsts.is_empty() {
        return Ok(HashSet::new());
    }
    let admissions: Vec<(&Admission, Option<&Usage>)> = firsts
        .iter()
        .map(|(sealed, start)| (&start.admission, sealed.step.used()))
        .collect();
    let recorded = record_each(conn, room, &admissions).await?;
    let recorded: HashSet<ReservationId> = recorded.into_iter().collect();
    let rows: Vec<(NewRun<'_>, Option<Answered<'_>>)> = firsts
        .iter()
        .filter(|(_, start)| recorded.contains(&start.reservation().id))
        .map(|(sealed, start)| (row(&sealed.step, start, now), sealed.answered()))
        .collect();
    store::insert_all(conn, &rows).await?;
    Ok(rows.iter().map(|(run, _)| run.id).collect())
}

/// A run that is written for the first time.
fn row<'a>(step: &'a Step, start: &'a Start, now: DateTime<Utc>) -> NewRun<'a> {
    let run = &start.run;
    let (last_event, model) = match &step.what {
        What::Beat { seq, model } => (*seq, model),
        What::End { ending, .. } => (ending.seq, &ending.model),
    };
    NewRun {
        id: run.id,
        tenant: run.tenant,
        reservation: start.reservation().id,
        storefront: &run.storefront,
        route: &run.route,
        model,
        node: run.node,
        lease_until: now + LEASE,
        created_at: run.now,
        now,
        last_event,
        note: &run.note,
    }
}

/// Writes how runs go on that are written already; says of each step what became of it, and which runs have ended with it.
async fn go_on(
    conn: &mut sqlx::PgConnection,
    sealed: &[Sealed],
    begun: &HashSet<RunId>,
    closed: &mut Vec<Closed>,
    now: DateTime<Utc>,
) -> Result<Vec<Found>, Error> {
    let steps = || sealed.iter().map(|sealed| &sealed.step);
    let mut beats = Vec::new();
    for step in steps().filter(|step| step.first.is_none()) {
        if let What::Beat { seq, model } = &step.what {
            beats.push(Touch {
                id: step.id,
                last_event: *seq,
                model,
            });
        }
    }
    let ends: Vec<Answered<'_>> = sealed
        .iter()
        .filter(|sealed| sealed.step.first.is_none())
        .filter_map(Sealed::answered)
        .collect();
    let touched = store::touch_all(conn, &beats, now + LEASE, now).await?;
    closed.extend(store::close_all(conn, &ends, now).await?);
    let ended: HashSet<RunId> = closed.iter().map(|run| run.id).collect();
    let found = steps()
        .map(|step| match (&step.first, &step.what) {
            (Some(_), _) if !begun.contains(&step.id) => Found::Unadmitted,
            (Some(_), _) => Found::Written { is_to_stop: false },
            (None, What::Beat { .. }) => touched.iter().find(|(id, _)| *id == step.id).map_or(
                Found::Ended,
                |(_, is_to_stop)| Found::Written {
                    is_to_stop: *is_to_stop,
                },
            ),
            (None, What::End { .. }) if ended.contains(&step.id) => {
                Found::Written { is_to_stop: false }
            }
            (None, What::End { .. }) => Found::Ended,
        })
        .collect();
    let over = steps()
        .filter(|step| begun.contains(&step.id) && step.ending().is_some())
        .filter_map(|step| step.first.as_ref());
    closed.extend(over.map(|first| Closed {
        id: first.run.id,
        door: first.run.note.door.to_owned(),
    }));
    Ok(found)
}
