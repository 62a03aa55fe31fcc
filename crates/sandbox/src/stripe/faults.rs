//! What goes wrong on the way: events that come twice, late, in another order or never, answers that are lost or slow.

use std::sync::{Arc, PoisonError};

use tokio::sync::{Notify, Semaphore};

use super::StripeDouble;

/// How events are brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryFaults {
    /// How often each comes.
    pub copies: u32,
    /// Every n-th never comes; 0: all do.
    pub drop_every: u64,
    pub delay_ms: u64,
    /// The newest of those that belong together first.
    pub reverse: bool,
    /// Copies are in the shape before 2025-03-31 and in the one since by turns.
    pub both_shapes: bool,
    /// All are in the shape before 2025-03-31.
    pub old_shape: bool,
}

impl Default for DeliveryFaults {
    fn default() -> Self {
        Self {
            copies: 1,
            drop_every: 0,
            delay_ms: 0,
            reverse: false,
            both_shapes: false,
            old_shape: false,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) delivery: DeliveryFaults,
    /// How many events were to be brought so far.
    pub(super) sent: u64,
    lose: usize,
    held: Vec<(String, Arc<Gate>)>,
}

#[derive(Debug)]
struct Gate {
    reached: Notify,
    open: Semaphore,
}

/// A read whose answer is ready and does not come until it is let go.
#[derive(Debug)]
pub struct HeldRead(Arc<Gate>);

impl HeldRead {
    /// Waits until somebody reads.
    pub async fn reached(&self) {
        self.0.reached.notified().await;
    }

    /// Lets the answer go.
    pub fn release(&self) {
        self.0.open.add_permits(1);
    }
}

impl StripeDouble {
    /// How events are brought from now on.
    pub fn deliver_with(&self, faults: DeliveryFaults) {
        self.faults().delivery = faults;
    }

    /// The next so many calls that change something are done, and their answers lost.
    pub fn lose_answers(&self, count: usize) {
        self.faults().lose = count;
    }

    /// Holds back the answer of the next read of a path that begins so, such as `subscriptions/`. It tells how things are
    /// when it is asked, not when it comes.
    pub fn hold_next_read(&self, path: &str) -> HeldRead {
        let gate = Arc::new(Gate {
            reached: Notify::new(),
            open: Semaphore::new(0),
        });
        self.faults()
            .held
            .push((path.to_owned(), Arc::clone(&gate)));
        HeldRead(gate)
    }

    pub(super) async fn hold(&self, path: &str) {
        let gate = {
            let mut faults = self.faults();
            let place = faults
                .held
                .iter()
                .position(|(held, _)| path.starts_with(held.as_str()));
            place.map(|place| faults.held.remove(place).1)
        };
        if let Some(gate) = gate {
            gate.reached.notify_one();
            // closed never; and if it were, the answer would just come
            let _ = gate.open.acquire().await;
        }
    }

    pub(super) fn loses_answer(&self) -> bool {
        let mut faults = self.faults();
        let loses = faults.lose > 0;
        faults.lose = faults.lose.saturating_sub(1);
        loses
    }

    pub(super) fn faults(&self) -> std::sync::MutexGuard<'_, Faults> {
        self.0.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
