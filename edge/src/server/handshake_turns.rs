//! The order of a shard's handshakes: a few are answered in each turn, then the shard's other tasks run. While connected
//! clients wait, each turn answers one.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use tokio::sync::{Notify, Semaphore};

/// Grants the handshakes of one shard their turns.
#[derive(Debug)]
pub(crate) struct HandshakeTurns {
    /// The most handshakes in a turn.
    per_turn: Cell<usize>,
    free: Semaphore,
    waiting: Cell<usize>,
    overloaded: Cell<bool>,
    bell: Notify,
}

/// Counts a handshake that waits for its turn.
struct Waiting<'a>(&'a HandshakeTurns);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.set(self.0.waiting.get() - 1);
    }
}

impl HandshakeTurns {
    /// Creates turns of `per_turn` handshakes each, at least one.
    pub(crate) fn new(per_turn: usize) -> Self {
        Self {
            per_turn: Cell::new(per_turn.max(1)),
            free: Semaphore::new(0),
            waiting: Cell::new(0),
            overloaded: Cell::new(false),
            bell: Notify::new(),
        }
    }

    /// Sets the most handshakes in a turn, at least one.
    pub(crate) fn set_per_turn(&self, per_turn: usize) {
        self.per_turn.set(per_turn.max(1));
    }

    /// Waits for a turn, in the order of the calls.
    pub(crate) async fn take(&self) {
        self.waiting.set(self.waiting.get() + 1);
        let _waiting = Waiting(self);
        self.bell.notify_one();
        // The semaphore is never closed.
        if let Ok(turn) = self.free.acquire().await {
            turn.forget();
        }
    }

    /// Polls a handshake whose turn it is. Whenever it has waited for its client, it takes another turn: each part of a TLS
    /// handshake takes a tenth of a millisecond.
    pub(crate) async fn drive_one<F: Future>(&self, handshake: F) -> F::Output {
        let mut handshake = pin!(handshake);
        loop {
            let polled = poll_fn(|cx| Poll::Ready(handshake.as_mut().poll(cx))).await;
            if let Poll::Ready(output) = polled {
                return output;
            }
            woken().await;
            self.take().await;
        }
    }

    /// Sets whether connected clients wait to be read. While they do, one handshake per turn is answered: each
    /// handshake adds a client, and with more new clients per turn than are read per turn the waiting time grows
    /// without bound.
    pub(crate) fn set_overloaded(&self, overloaded: bool) {
        self.overloaded.set(overloaded);
    }

    /// Grants turns, forever. A yield here returns when all other tasks have run and the sockets were polled.
    pub(crate) async fn drive(&self) {
        loop {
            self.bell.notified().await;
            while self.waiting.get() > 0 {
                let per_turn = if self.overloaded.get() {
                    1
                } else {
                    self.per_turn.get()
                };
                let left = self.free.available_permits();
                self.free.add_permits(per_turn.saturating_sub(left));
                tokio::task::yield_now().await;
            }
            self.free.forget_permits(self.free.available_permits());
        }
    }
}

/// Waits until something wakes the task.
async fn woken() {
    let mut is_woken = false;
    poll_fn(|_| {
        if std::mem::replace(&mut is_woken, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn a_turn_has_one_handshake_while_clients_wait_and_a_few_otherwise() {
        const PER_TURN: usize = 4;
        tokio::task::LocalSet::new()
            .run_until(async {
                let (turns, inside) = (
                    Rc::new(HandshakeTurns::new(PER_TURN)),
                    Rc::new(Cell::new(0)),
                );
                for _ in 0..100 {
                    let (turns, inside) = (Rc::clone(&turns), Rc::clone(&inside));
                    tokio::task::spawn_local(async move {
                        turns.take().await;
                        inside.set(inside.get() + 1);
                    });
                }
                let driver = Rc::clone(&turns);
                turns.set_overloaded(true);
                tokio::task::spawn_local(async move { driver.drive().await });
                for (overloaded, expected) in [(true, 1), (false, PER_TURN), (true, 1)] {
                    turns.set_overloaded(overloaded);
                    // Permits granted before are used up first.
                    tokio::task::yield_now().await;
                    tokio::task::yield_now().await;
                    let before = inside.get();
                    for _ in 0..5 {
                        tokio::task::yield_now().await;
                    }
                    assert_eq!(inside.get() - before, 5 * expected);
                }
            })
            .await;
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_handshake_that_has_waited_for_its_client_takes_another_turn() {
        const PER_TURN: usize = 2;
        tokio::task::LocalSet::new()
            .run_until(async {
                let turns = Rc::new(HandshakeTurns::new(PER_TURN));
                let (arrived, answered) = (Rc::new(Notify::new()), Rc::new(Cell::new(0)));
                for _ in 0..100 {
                    let turns = Rc::clone(&turns);
                    let (arrived, answered) = (Rc::clone(&arrived), Rc::clone(&answered));
                    tokio::task::spawn_local(async move {
                        let handshake = async {
                            arrived.notified().await;
                            answered.set(answered.get() + 1);
                        };
                        turns.drive_one(handshake).await;
                    });
                }
                let driver = Rc::clone(&turns);
                tokio::task::spawn_local(async move { driver.drive().await });
                // The runtime polls some of the tasks at each yield.
                for _ in 0..10 {
                    tokio::task::yield_now().await;
                }
                arrived.notify_waiters();
                let mut most = 0;
                for _ in 0..1_000 {
                    let before = answered.get();
                    tokio::task::yield_now().await;
                    most = most.max(answered.get() - before);
                }
                assert_eq!((answered.get(), most), (100, PER_TURN));
            })
            .await;
    }
}
