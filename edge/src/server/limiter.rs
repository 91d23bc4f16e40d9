//! Handshakes take turns: however many requests have come, only so many are answered before all else has had its turn, and
//! only one while those who are connected wait.

use std::cell::Cell;

use tokio::sync::{Notify, Semaphore};

/// The turns of one shard.
#[derive(Debug)]
pub(crate) struct HandshakeLimiter {
    each: usize,
    free: Semaphore,
    waiting: Cell<usize>,
    overloaded: Cell<bool>,
    bell: Notify,
}

/// Somebody waits.
struct Waiting<'a>(&'a HandshakeLimiter);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.set(self.0.waiting.get() - 1);
    }
}

impl HandshakeLimiter {
    /// `each` turns between two looks at everything else.
    pub(crate) fn new(each: usize) -> Self {
        Self {
            each: each.max(1),
            free: Semaphore::new(0),
            waiting: Cell::new(0),
            overloaded: Cell::new(false),
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

    /// Says whether there are clients with news who have not had their turn yet. Each handshake brings another one: if more
    /// are let in than are heard in a turn, all wait ever longer.
    pub(crate) fn set_overloaded(&self, overloaded: bool) {
        self.overloaded.set(overloaded);
    }

    /// Gives turns, for ever. What yields here goes on when all other tasks have run, and the sockets were looked at.
    pub(crate) async fn drive(&self) {
        loop {
            self.bell.notified().await;
            while self.waiting.get() > 0 {
                let each = if self.overloaded.get() { 1 } else { self.each };
                let left = self.free.available_permits();
                self.free.add_permits(each.saturating_sub(left));
                tokio::task::yield_now().await;
            }
            self.free.forget_permits(self.each);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn one_is_let_in_at_a_time_while_those_inside_wait_to_be_heard() {
        const EACH: usize = 4;
        tokio::task::LocalSet::new()
            .run_until(async {
                let (limiter, inside) =
                    (Rc::new(HandshakeLimiter::new(EACH)), Rc::new(Cell::new(0)));
                for _ in 0..100 {
                    let (limiter, inside) = (Rc::clone(&limiter), Rc::clone(&inside));
                    tokio::task::spawn_local(async move {
                        limiter.take().await;
                        inside.set(inside.get() + 1);
                    });
                }
                let giving = Rc::clone(&limiter);
                limiter.set_overloaded(true);
                tokio::task::spawn_local(async move { giving.drive().await });
                for (overloaded, most) in [(true, 1), (false, EACH), (true, 1)] {
                    limiter.set_overloaded(overloaded);
                    // What was given before is taken first.
                    tokio::task::yield_now().await;
                    tokio::task::yield_now().await;
                    let before = inside.get();
                    for _ in 0..5 {
                        tokio::task::yield_now().await;
                    }
                    assert_eq!(inside.get() - before, 5 * most);
                }
            })
            .await;
    }
}
