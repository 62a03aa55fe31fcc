//! A target's places, and the line before them: so many calls at once as the operator's file allows, and then by turns.
//!
//! A line is of one process. What waits in it is a run that is admitted and keeps its lease; its caller sees it `queued`.

mod line;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::future::Either;
use identity::TenantId;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout},
};
use uuid::Uuid;

use crate::route::{Room, Target};

use line::{Entered, Line};

pub use line::Priority;

/// How long a line may be unless the model file says so.
const MOST_WAITING: usize = 1_000;

/// How many places, and how many in the line before them.
fn bounds(room: Room) -> (usize, usize) {
    let size = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
    (size(room.places), room.line.map_or(MOST_WAITING, size))
}

/// Who waits: whose run of which urgency.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Guest {
    pub(crate) run: Uuid,
    pub(crate) tenant: TenantId,
    pub(crate) priority: Priority,
}

/// The line is full, or it took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoPlace;

/// The places of all targets that have a bound, as this process knows them.
#[derive(Debug, Default)]
pub(crate) struct Places(Mutex<HashMap<String, Before>>);

/// What is before one target.
#[derive(Debug, Default)]
struct Before {
    line: Line,
    places: usize,
    label: String,
    calls: HashMap<Uuid, oneshot::Sender<Place>>,
}

/// A place that is held until this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    target: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        let freed = self.places.with(&self.target, |before| {
            let next = before.line.free(before.places);
            before.called(next)
        });
        if let Some(call) = freed {
            self.places.give(&self.target, call);
        }
    }
}

impl Places {
    /// Takes a place at a target, or waits for one. None where the target takes as many as come.
    pub(crate) async fn take(
        self: &Arc<Self>,
        target: &Target,
        guest: Guest,
        within: Duration,
    ) -> Result<Option<Place>, NoPlace> {
        let Some(room) = target.room else {
            return Ok(None);
        };
        let name = target.name();
        let mut called = match self.enter(target, &name, room, guest) {
            Either::Left(place) => return Ok(Some(place?)),
            Either::Right(called) => called,
        };
        let begun = Instant::now();
        let waiting = Waiting {
            places: self,
            target: &name,
            run: guest.run,
        };
        let heard = timeout(within, &mut called).await;
        // a place that was given in this very moment is given back by being dropped
        drop(waiting);
        let place = heard
            .ok()
            .and_then(Result::ok)
            .or_else(|| called.try_recv().ok());
        let came = if place.is_some() { "place" } else { "none" };
        metrics::histogram!("gateway_line_wait_seconds", "target" => label(target), "priority" => guest.priority.as_str(), "came" => came)
            .record(begun.elapsed());
        place.map(Some).ok_or(NoPlace)
    }

    fn enter(
        self: &Arc<Self>,
        target: &Target,
        name: &str,
        room: Room,
        guest: Guest,
    ) -> Either<Result<Place, NoPlace>, oneshot::Receiver<Place>> {
        let bounds = bounds(room);
        let (entered, calls) = self.with(name, |before| {
            if before.label.is_empty() {
                before.label = label(target);
            }
            before.places = bounds.0;
            match before
                .line
                .enter(bounds, (guest.tenant, guest.priority), guest.run)
            {
                Entered::Place => (
                    Either::Left(Ok(Place {
                        places: Arc::clone(self),
                        target: name.to_owned(),
                    })),
                    Vec::new(),
                ),
                Entered::Full => (Either::Left(Err(NoPlace)), Vec::new()),
                Entered::Waits { turned_away } => {
                    // who hears no more is turned away
                    drop(turned_away.and_then(|run| before.calls.remove(&run)));
                    let (call, called) = oneshot::channel();
                    before.calls.insert(guest.run, call);
                    let mut calls = Vec::new();
                    // there are more places than there were
                    while let Some(next) = before.line.next(before.places) {
                        calls.extend(before.called(Some(next)));
                    }
                    (Either::Right(called), calls)
                }
            }
        });
        for call in calls {
            self.give(name, call);
        }
        if matches!(entered, Either::Left(Err(NoPlace))) {
            metrics::counter!("gateway_line_full_total", "target" => label(target)).increment(1);
        }
        entered
    }

    /// Hands a place over; who has gone meanwhile gives it back by that.
    fn give(self: &Arc<Self>, target: &str, call: oneshot::Sender<Place>) {
        let place = Place {
            places: Arc::clone(self),
            target: target.to_owned(),
        };
        let _ = call.send(place);
    }

    /// How many are served before a run that waits, and itself.
    pub(crate) fn place_of(&self, run: Uuid) -> Option<usize> {
        let lines = self.lock();
        lines.values().find_map(|before| before.line.place_of(run))
    }

    /// Whether whoever comes now has to wait.
    pub(crate) fn is_full(&self, target: &Target) -> bool {
        let Some(room) = target.room else {
            return false;
        };
        let lines = self.lock();
        let before = lines.get(&target.name());
        before
            .is_some_and(|before| before.line.taken() >= bounds(room).0 || !before.line.is_empty())
    }

    fn with<T>(&self, target: &str, act: impl FnOnce(&mut Before) -> T) -> T {
        let mut lines = self.lock();
        let before = lines.entry(target.to_owned()).or_default();
        let done = act(before);
        before.tell();
        done
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Before>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Before {
    fn called(&mut self, run: Option<Uuid>) -> Option<oneshot::Sender<Place>> {
        self.calls.remove(&run?)
    }

    fn tell(&self) {
        let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        let label = || self.label.clone();
        metrics::gauge!("gateway_line_waiting", "target" => label()).set(number(self.line.len()));
        metrics::gauge!("gateway_places_taken", "target" => label()).set(number(self.line.taken()));
    }
}

/// A target as metrics name it.
fn label(target: &Target) -> String {
    format!("{}/{}", target.provider, target.model)
}

/// A run in a line, which leaves it when this is dropped.
struct Waiting<'a> {
    places: &'a Arc<Places>,
    target: &'a str,
    run: Uuid,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.places.with(self.target, |before| {
            if before.line.leave(self.run) {
                drop(before.calls.remove(&self.run));
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_mins(1);

    fn target(places: u32, line: u32) -> Target {
        Target {
            model: "m".to_owned(),
            room: Some(Room {
                places,
                line: Some(line),
            }),
            ..Target::default()
        }
    }

    fn guest(tenant: u128, run: u128) -> Guest {
        Guest {
            run: Uuid::from_u128(run),
            tenant: TenantId(Uuid::from_u128(tenant)),
            priority: Priority::Normal,
        }
    }

    async fn until_waiting(places: &Arc<Places>, run: u128) {
        while places.place_of(Uuid::from_u128(run)).is_none() {
            tokio::task::yield_now().await;
        }
    }

    fn wait(
        places: &Arc<Places>,
        target: &Target,
        guest: Guest,
    ) -> tokio::task::JoinHandle<Result<Option<Place>, NoPlace>> {
        let (places, target) = (Arc::clone(places), target.clone());
        tokio::task::spawn_local(async move { places.take(&target, guest, LONG).await })
    }

    #[tokio::test]
    async fn a_place_goes_from_hand_to_hand_and_who_left_gets_none() {
        let local = tokio::task::LocalSet::new();
        local
            .run_until(async {
                let places = Arc::new(Places::default());
                let one = target(1, 10);
                let first = places.take(&one, guest(1, 1), LONG).await.unwrap();
                let gone = wait(&places, &one, guest(1, 2));
                until_waiting(&places, 2).await;
                let next = wait(&places, &one, guest(2, 3));
                until_waiting(&places, 3).await;
                assert!(places.is_full(&one));
                gone.abort();
                assert!(gone.await.unwrap_err().is_cancelled());
                assert_eq!(places.place_of(Uuid::from_u128(3)), Some(1));
                drop(first);
                let held = next.await.unwrap().unwrap();
                assert!(places.is_full(&one));
                drop(held);
                assert!(!places.is_full(&one), "every place came back");
            })
            .await;
    }

    #[tokio::test]
    async fn a_full_line_and_a_long_wait_end_without_a_place() {
        let local = tokio::task::LocalSet::new();
        local
            .run_until(async {
                let places = Arc::new(Places::default());
                let one = target(1, 1);
                let first = places.take(&one, guest(1, 1), LONG).await.unwrap();
                let brief = places
                    .take(&one, guest(1, 2), Duration::from_millis(1))
                    .await;
                assert_eq!(brief.unwrap_err(), NoPlace);
                let waits = wait(&places, &one, guest(1, 3));
                until_waiting(&places, 3).await;
                let full = places.take(&one, guest(1, 4), LONG).await;
                assert_eq!(full.unwrap_err(), NoPlace);
                drop(first);
                assert!(waits.await.unwrap().unwrap().is_some());
                let unbound = Target::default();
                assert!(
                    places
                        .take(&unbound, guest(1, 5), LONG)
                        .await
                        .unwrap()
                        .is_none()
                );
            })
            .await;
    }
}
