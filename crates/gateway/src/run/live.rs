use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use identity::TenantId;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Event, RunId};

/// The runs that this process drives, so that its own readers need not ask the database.
#[derive(Debug, Default)]
pub(crate) struct Live(Mutex<HashMap<RunId, Arc<Feed>>>);

/// The durable events of one run under way.
#[derive(Debug)]
pub(crate) struct Feed {
    /// Whose run it is.
    pub(crate) tenant: TenantId,
    events: RwLock<Vec<Event>>,
    newest: watch::Sender<i32>,
    pub(crate) cancel: CancellationToken,
}

impl Live {
    /// Makes a run known.
    pub(crate) fn enter(&self, id: RunId, tenant: TenantId) -> Arc<Feed> {
        let feed = Arc::new(Feed {
            tenant,
            events: RwLock::new(Vec::new()),
            newest: watch::Sender::new(0),
            cancel: CancellationToken::new(),
        });
        self.map().insert(id, Arc::clone(&feed));
        feed
    }

    /// Forgets a run that has ended and wakes its readers. They have what was published; whatever else there is, they find in
    /// the database.
    pub(crate) fn leave(&self, id: RunId) {
        if let Some(feed) = self.map().remove(&id) {
            feed.newest.send_replace(i32::MAX);
        }
    }

    pub(crate) fn find(&self, id: RunId) -> Option<Arc<Feed>> {
        self.map().get(&id).cloned()
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
    /// Shows events that have become durable.
    pub(crate) fn publish(&self, events: &[Event]) {
        let Some(last) = events.last() else { return };
        self.events
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(events);
        self.newest.send_replace(last.seq);
    }

    /// Takes the words out of what was shown.
    pub(crate) fn withdraw(&self) {
        let mut events = self.events.write().unwrap_or_else(PoisonError::into_inner);
        events.iter_mut().for_each(Event::empty);
    }

    /// Whether there are events after number `after`.
    pub(crate) fn has_after(&self, after: i32) -> bool {
        let events = self.events.read().unwrap_or_else(PoisonError::into_inner);
        events.last().is_some_and(|event| event.seq > after)
    }

    /// The events after number `after`.
    pub(crate) fn after(&self, after: i32) -> Vec<Event> {
        let events = self.events.read().unwrap_or_else(PoisonError::into_inner);
        events
            .iter()
            .filter(|event| event.seq > after)
            .cloned()
            .collect()
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<i32> {
        self.newest.subscribe()
    }
}
