//! An orderly end of a process: one signal, one deadline, and a guard for everything that must end first.
//!
//! [`Signal`] belongs to `main`, a [`Watch`] to each component that accepts or works, a [`Guard`] to each connection or
//! partition. Guards are tokens of a [`TaskTracker`]. The signal is a watch channel, not a `CancellationToken`, because
//! it carries the deadline, which may move forward during the drain.

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// Creates both ends.
pub fn channel() -> (Signal, Watch) {
    let (sender, receiver) = watch::channel(None);
    let guards = TaskTracker::new();
    // A closed tracker still gives tokens; only `wait` needs it closed.
    guards.close();
    let signal = Signal {
        deadline: sender,
        guards: guards.clone(),
    };
    let watch = Watch {
        deadline: receiver,
        guards,
    };
    (signal, watch)
}

/// Starts the drain and waits until it is complete.
#[derive(Debug)]
pub struct Signal {
    deadline: watch::Sender<Option<Instant>>,
    guards: TaskTracker,
}

impl Signal {
    /// Starts the drain, to end before `deadline`. Of several deadlines the earliest counts.
    pub fn start(&self, deadline: Instant) {
        self.deadline.send_modify(|now| {
            *now = Some(now.map_or(deadline, |before| before.min(deadline)));
        });
    }

    /// Waits until every guard is dropped, or until the deadline if there is one. Returns the number of guards left.
    pub async fn drained(&self) -> usize {
        let mut changes = self.deadline.subscribe();
        loop {
            let deadline = *changes.borrow_and_update();
            let ended = async {
                tokio::select! {
                    () = self.guards.wait() => true,
                    // `self` owns the sender, so this is a change and not the end of the channel.
                    _ = changes.changed() => false,
                }
            };
            let ended = match deadline {
                Some(deadline) => timeout_at(deadline, ended).await.unwrap_or(true),
                None => ended.await,
            };
            if ended {
                return self.guards();
            }
        }
    }

    /// The number of guards.
    pub fn guards(&self) -> usize {
        self.guards.len()
    }
}

/// Observes the drain and hands out guards. A watch itself does not delay the drain.
#[derive(Debug, Clone)]
pub struct Watch {
    deadline: watch::Receiver<Option<Instant>>,
    guards: TaskTracker,
}

impl Watch {
    /// The deadline; `None` before the drain.
    pub fn deadline(&self) -> Option<Instant> {
        *self.deadline.borrow()
    }

    /// Waits until the drain starts and returns its deadline. Waits forever if the [`Signal`] is dropped before.
    pub async fn signaled(&self) -> Instant {
        let mut changes = self.deadline.clone();
        let begun = match changes.wait_for(Option::is_some).await {
            Ok(deadline) => *deadline,
            Err(_) => None,
        };
        match begun {
            Some(deadline) => deadline,
            None => std::future::pending().await,
        }
    }

    /// Creates a guard for something that must end first.
    pub fn guard(&self) -> Guard {
        Guard {
            _token: self.guards.token(),
        }
    }
}

/// Delays the end of the drain until it is dropped.
#[derive(Debug, Clone)]
#[must_use = "dropped at once it holds nothing up"]
pub struct Guard {
    _token: TaskTrackerToken,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_for_the_last_guard() {
        let (signal, watch) = channel();
        let first = watch.guard();
        let second = first.clone();
        let worker = tokio::spawn(async move {
            let deadline = watch.signaled().await;
            drop(first);
            tokio::time::sleep(Duration::from_secs(1)).await;
            drop(second);
            deadline
        });
        let start = Instant::now();
        signal.start(start + Duration::from_secs(30));
        assert_eq!(signal.drained().await, 0);
        assert_eq!(start.elapsed(), Duration::from_secs(1));
        assert_eq!(worker.await.unwrap(), start + Duration::from_secs(30));
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_ends_the_wait_and_counts_the_remaining_guards() {
        let (signal, watch) = channel();
        let _held = [watch.guard(), watch.guard()];
        let start = Instant::now();
        signal.start(start + Duration::from_secs(30));
        assert_eq!(signal.drained().await, 2);
        assert_eq!(start.elapsed(), Duration::from_secs(30));
    }

    #[tokio::test(start_paused = true)]
    async fn an_earlier_deadline_counts_even_while_waiting() {
        let (signal, watch) = channel();
        let _held = watch.guard();
        let start = Instant::now();
        signal.start(start + Duration::from_secs(30));
        let (left, ()) = tokio::join!(signal.drained(), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            signal.start(start + Duration::from_secs(5));
            signal.start(start + Duration::from_secs(60));
        });
        assert_eq!((left, start.elapsed()), (1, Duration::from_secs(5)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_cloned_after_the_signal_sees_it_and_delays_nothing() {
        let (signal, watch) = channel();
        assert_eq!(watch.deadline(), None);
        let deadline = Instant::now() + Duration::from_secs(1);
        signal.start(deadline);
        let late = watch.clone();
        assert_eq!(
            (late.deadline(), late.signaled().await),
            (Some(deadline), deadline)
        );
        assert_eq!(signal.drained().await, 0);
    }
}
