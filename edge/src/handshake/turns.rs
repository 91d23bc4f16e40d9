//! Handshakes take turns: however many requests have come, only so many are answered before all else has had its turn.

use std::cell::Cell;

use tokio::sync::{Notify, Semaphore};

/// The turns of one shard.
#[derive(Debug)]
pub(crate) struct Turns {
    each: usize,
    free: Semaphore,
    waiting: Cell<usize>,
    bell: Notify,
}

/// Somebody waits.
struct Waiting<'a>(&'a Turns);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.set(self.0.waiting.get() - 1);
    }
}

impl Turns {
    /// `each` turns between two looks at everything else.
    pub(crate) fn new(each: usize) -> Self {
        Self {
            each: each.max(1),
            free: Semaphore::new(0),
            waiting: Cell::new(0),
            bell: Notify::new(),
        }
    }

    /// Waits for a turn: first come, first served.
    pub(crate) async fn take(&self) {
        self.waiting.set(self.waiting.get() + 1);
        let _waiting = Waiting(self);
        self.bell.notify_one();
        // The semaphore is never closed.
        if let Ok(turn) = self.free.acquire().await {
            turn.forget();
        }
    }

    /// Gives turns, for ever. What yields here goes on when all other tasks have run, and the sockets were looked at.
    pub(crate) async fn drive(&self) {
        loop {
            self.bell.notified().await;
            while self.waiting.get() > 0 {
                let left = self.free.available_permits();
                self.free.add_permits(self.each.saturating_sub(left));
                tokio::task::yield_now().await;
            }
            self.free.forget_permits(self.each);
        }
    }
}
