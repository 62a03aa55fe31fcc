use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::Catalogue;
use crate::Entitlement;

/// How often a node looks whether plans were applied; as often as for models.
const EVERY: Duration = Duration::from_secs(2);

/// The plans as they are now on this node. Who reads them gets them as they were at that moment, and nobody waits for that.
#[derive(Debug)]
pub struct LiveCatalogue(RwLock<Arc<Catalogue>>);

impl LiveCatalogue {
    pub(crate) fn new(catalogue: Catalogue) -> Self {
        Self(RwLock::new(Arc::new(catalogue)))
    }

    /// The plans of this moment.
    pub fn now(&self) -> Arc<Catalogue> {
        Arc::clone(&*self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts others in their place; says whether they differ.
    pub(crate) fn take_up(&self, newest: Catalogue) -> bool {
        let mut now = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let differs = **now != newest;
        if differs {
            *now = Arc::new(newest);
        }
        differs
    }
}

/// Takes up plans that are applied, until `stop`.
pub async fn follow_plans(room: Entitlement, stop: CancellationToken) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if let Err(error) = room.refresh_plans().await {
            tracing::warn!(%error, "plans can't be read; those that are known are used");
        }
    }
}
