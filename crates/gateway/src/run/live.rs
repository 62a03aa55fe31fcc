use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use identity::TenantId;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Event, RunId};
use crate::Error;

/// Stands in place of an event's number as long as a run is not durable itself.
const UNWRITTEN: i32 = -1;

/// The runs that this process drives, so that its own readers need not ask the database.
#[derive(Debug, Default)]
pub(crate) struct Live(Mutex<HashMap<RunId, Arc<Feed>>>);

/// The events of one run under way: those that are durable, and where [`Feed::go_ahead`] was said, those that are to be.
#[derive(Debug)]
pub(crate) struct Feed {
    /// Whose run it is.
    pub(crate) tenant: TenantId,
    events: RwLock<Vec<Arc<Event>>>,
    /// The number of the newest event; [`UNWRITTEN`] before the run is.
    newest: watch::Sender<i32>,
    /// Whether its caller has heard of it before it was written.
    is_ahead: AtomicBool,
    /// Why it was never written.
    refused: Mutex<Option<Error>>,
    pub(crate) cancel: CancellationToken,
}

impl Live {
    /// Makes a run known.
    pub(crate) fn enter(&self, id: RunId, tenant: TenantId, is_written: bool) -> Arc<Feed> {
        let feed = Arc::new(Feed {
            tenant,
            events: RwLock::new(Vec::new()),
            newest: watch::Sender::new(if is_written { 0 } else { UNWRITTEN }),
            is_ahead: AtomicBool::new(false),
            refused: Mutex::default(),
            cancel: CancellationToken::new(),
        });
        self.map().insert(id, Arc::clone(&feed));
        feed
    }

    /// Forgets a run that has ended and wakes its readers. They have what was published; whatever else there is, they find in
    /// the database.
    pub(crate) fn leave(&self, id: RunId) {
        if let Some(feed) = self.map().remove(&id) {
            feed.is_ahead.store(false, Ordering::Release);
            feed.newest.send_replace(i32::MAX);
        }
    }

    pub(crate) fn find(&self, id: RunId) -> Option<Arc<Feed>> {
        self.map().get(&id).cloned()
    }

    /// Waits until a run that has been heard of can be found in the database, or never will be.
    pub(crate) async fn written(&self, id: RunId) {
        if let Some(feed) = self.find(id).filter(|feed| feed.is_ahead()) {
            let mut newest = feed.newest.subscribe();
            let _ = newest.wait_for(|_| !feed.is_ahead()).await;
        }
    }

    pub(crate) fn cancel(&self, id: RunId) {
        if let Some(feed) = self.find(id) {
            feed.cancel.cancel();
        }
    }

    fn map(&self) -> std::sync::MutexGuard<'_, HashMap<RunId, Arc<Feed>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Feed {
    /// Waits until the run is durable, or will never be.
    ///
    /// # Errors
    /// Why it was not written, to the one who asked for it: nobody else has heard of it.
    pub(crate) async fn written(&self) -> Result<(), Error> {
        let mut newest = self.newest.subscribe();
        let _ = newest.wait_for(|newest| *newest != UNWRITTEN).await;
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.take().map_or(Ok(()), Err)
    }

    /// Shows events of a run before it is durable.
    pub(crate) fn go_ahead(&self, events: &[Arc<Event>]) {
        self.is_ahead.store(true, Ordering::Release);
        self.publish(events);
    }

    fn is_ahead(&self) -> bool {
        self.is_ahead.load(Ordering::Acquire)
    }

    /// Says that the run is durable.
    pub(crate) fn mark_written(&self) {
        self.newest.send_if_modified(|newest| {
            let was_ahead = self.is_ahead.swap(false, Ordering::AcqRel);
            let is_news = *newest == UNWRITTEN || was_ahead;
            *newest = (*newest).max(0);
            is_news
        });
    }

    /// Says why the run will never be.
    pub(crate) fn refuse(&self, why: Error) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        *refused = Some(why);
    }

    /// Shows events that have become durable.
    pub(crate) fn publish(&self, events: &[Arc<Event>]) {
        let Some(newest) = events.last().map(|event| event.seq) else {
            return;
        };
        self.events
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(events.iter().cloned());
        self.newest.send_replace(newest);
    }

    /// Takes the words out of what was shown.
    pub(crate) fn withdraw(&self) {
        let mut events = self.events.write().unwrap_or_else(PoisonError::into_inner);
        for event in events.iter_mut() {
            Arc::make_mut(event).empty();
        }
    }

    /// Whether there are events after number `after`.
    pub(crate) fn has_after(&self, after: i32) -> bool {
        let events = self.events.read().unwrap_or_else(PoisonError::into_inner);
        events.last().is_some_and(|event| event.seq > after)
    }

    /// The events after number `after`.
    pub(crate) fn after(&self, after: i32) -> Vec<Arc<Event>> {
        let events = self.events.read().unwrap_or_else(PoisonError::into_inner);
        let first = events.partition_point(|event| event.seq <= after);
        events.iter().skip(first).cloned().collect()
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<i32> {
        self.newest.subscribe()
    }
}
