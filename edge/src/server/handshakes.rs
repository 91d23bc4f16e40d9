//! The limits of a shard's handshakes: their number, and the time of each. Both can be replaced while it accepts.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The limits of a shard's handshakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandshakeLimits {
    /// The most time from accept to upgrade.
    pub timeout: Duration,
    /// The most concurrent handshakes. Further connections wait in the listener's backlog.
    pub concurrent: usize,
    /// The most connections accepted, and requests answered, before other tasks run.
    pub accepts: usize,
}

impl Default for HandshakeLimits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            concurrent: 1024,
            accepts: 2,
        }
    }
}

/// The handshakes of a shard.
#[derive(Debug)]
pub(crate) struct Handshakes {
    /// A permit for each handshake that may be in progress, and for each of `owed`.
    permits: Arc<Semaphore>,
    limits: Cell<HandshakeLimits>,
    /// The permits that a lower limit takes back as soon as they are free.
    owed: Cell<usize>,
}

impl Handshakes {
    pub(super) fn new(limits: HandshakeLimits) -> Self {
        let limits = at_least_one(limits);
        Self {
            permits: Arc::new(Semaphore::new(limits.concurrent)),
            limits: Cell::new(limits),
            owed: Cell::new(0),
        }
    }

    /// Replaces the limits. Handshakes in progress continue, even above a lower limit.
    pub(super) fn set(&self, limits: HandshakeLimits) {
        let limits = at_least_one(limits);
        let before = self.limits.replace(limits).concurrent + self.owed.get();
        if limits.concurrent >= before {
            self.owed.set(0);
            self.permits.add_permits(limits.concurrent - before);
        } else {
            let owed = before - limits.concurrent;
            self.owed.set(owed - self.permits.forget_permits(owed));
        }
    }

    pub(crate) fn limits(&self) -> HandshakeLimits {
        self.limits.get()
    }

    /// The handshakes in progress, also the one that a listener waits for.
    pub(crate) fn in_progress(&self) -> usize {
        let all = self.limits.get().concurrent + self.owed.get();
        all.saturating_sub(self.permits.available_permits())
    }

    /// The handshakes that may still begin.
    pub(crate) fn free(&self) -> usize {
        let free = self.permits.available_permits();
        free.saturating_sub(self.owed.get())
    }

    /// Waits until a handshake may begin.
    pub(crate) async fn begin(&self) -> OwnedSemaphorePermit {
        loop {
            // The semaphore is never closed.
            let permit = match Arc::clone(&self.permits).acquire_owned().await {
                Ok(permit) => permit,
                Err(_) => std::future::pending().await,
            };
            match self.keep(permit) {
                Some(permit) => return permit,
                None => continue,
            }
        }
    }

    /// Begins a handshake if one may begin now.
    pub(crate) fn try_begin(&self) -> Option<OwnedSemaphorePermit> {
        while let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            if let Some(permit) = self.keep(permit) {
                return Some(permit);
            }
        }
        None
    }

    /// Gives a permit up if one is owed.
    fn keep(&self, permit: OwnedSemaphorePermit) -> Option<OwnedSemaphorePermit> {
        match self.owed.get() {
            0 => Some(permit),
            owed => {
                self.owed.set(owed - 1);
                permit.forget();
                None
            }
        }
    }
}

fn at_least_one(limits: HandshakeLimits) -> HandshakeLimits {
    HandshakeLimits {
        concurrent: limits.concurrent.max(1),
        accepts: limits.accepts.max(1),
        ..limits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(concurrent: usize) -> HandshakeLimits {
        HandshakeLimits {
            timeout: Duration::from_secs(1),
            concurrent,
            accepts: 1,
        }
    }

    #[test]
    fn a_lower_limit_counts_once_handshakes_end_and_a_higher_one_at_once() {
        let handshakes = Handshakes::new(of(3));
        let mut begun: Vec<_> = std::iter::from_fn(|| handshakes.try_begin()).collect();
        assert_eq!((begun.len(), handshakes.in_progress()), (3, 3));
        handshakes.set(of(1));
        assert_eq!((handshakes.in_progress(), handshakes.free()), (3, 0));
        drop(begun.drain(..2));
        assert!(handshakes.try_begin().is_none(), "one is still in progress");
        drop(begun.pop());
        assert_eq!((handshakes.in_progress(), handshakes.free()), (0, 1));
        let only = handshakes.try_begin();
        assert!(only.is_some() && handshakes.try_begin().is_none());
        handshakes.set(of(2));
        assert_eq!((handshakes.in_progress(), handshakes.free()), (1, 1));
        handshakes.set(of(1));
        handshakes.set(of(5));
        assert_eq!((handshakes.in_progress(), handshakes.free()), (1, 4));
    }
}
