//! The health of the bus. Clients get the notice `degraded` when it fails and `recovered` when it works again.
//!
//! An open connection is not enough. A stream that is full or has no leader stores no entries of its partitions, while
//! other streams work.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use grandstand_common::bus::AppendFailure;
use grandstand_common::id::Partition;

use super::effects::{Effects, Timer};

/// The time for which appends to a partition must fail, or its owner be silent, before clients are notified.
const NOTIFY_AFTER: Duration = Duration::from_secs(1);

/// The time within which a lost connection may come back before clients are notified. A server that closes a connection
/// because of one message (D27) is there again at once.
const RECONNECT_WITHIN: Duration = Duration::from_millis(250);

/// The time after its last failed append, or report of silence, at which a partition is forgotten, because no session
/// appends to it any more. Longer than a chain's longest backoff and an append's timeout together.
const FORGET_AFTER: Duration = Duration::from_secs(12);

/// The failed appends of a partition since the last stored one.
#[derive(Debug, Clone, Copy)]
struct Failing {
    since: Instant,
    last: Instant,
    /// The last one failed because the log is full.
    full: bool,
}

/// The silence of a partition's owner, which reports none of the entries that the log has.
#[derive(Debug, Clone, Copy)]
struct Silence {
    since: Instant,
    last: Instant,
}

/// The health of the bus, and whether owners report what is stored.
#[derive(Debug, Default)]
pub(crate) struct BusHealth {
    /// The time at which the connection was lost, if it has not come back.
    down: Option<Instant>,
    /// No partition has an owner, because rooms are being moved to another layout (D33).
    moving: bool,
    failing: BTreeMap<Partition, Failing>,
    silent: BTreeMap<Partition, Silence>,
    /// The last notice to clients was `degraded`.
    notified: bool,
    timer: Option<Instant>,
}

impl BusHealth {
    /// Whether the connection to the bus is up and the layout of the cluster stays as it is.
    pub(crate) fn is_up(&self) -> bool {
        self.down.is_none() && !self.moving
    }

    /// Notes whether rooms are being moved to another layout. Failures to append to earlier logs no longer count.
    pub(crate) fn set_moving(&mut self, moving: bool) {
        self.moving = moving;
        self.failing.clear();
        self.silent.clear();
    }

    /// Whether clients were told that the bus is degraded.
    pub(crate) fn is_degraded(&self) -> bool {
        self.notified
    }

    /// Notes whether the connection is up; returns whether that has changed. Failures over the old connection no longer
    /// count.
    pub(crate) fn set_up(&mut self, up: bool, now: Instant) -> bool {
        if self.down.is_none() == up {
            return false;
        }
        self.down = (!up).then_some(now);
        self.failing.clear();
        self.silent.clear();
        true
    }

    /// Notes the result of an append. While the connection is down, failed appends do not count.
    pub(crate) fn on_append(
        &mut self,
        partition: Partition,
        stored: Result<(), AppendFailure>,
        now: Instant,
    ) {
        match stored {
            Ok(()) => self.on_stored(partition),
            Err(_) if !self.is_up() => {}
            Err(why) => self.on_failed(partition, why == AppendFailure::Full, now),
        }
    }

    /// Notes that entries of a session wait for a report of the partition's owner, and none has come for so long that they
    /// are appended again.
    pub(crate) fn on_unreported(&mut self, partition: Partition, now: Instant) {
        let new = Silence {
            since: now,
            last: now,
        };
        self.silent.entry(partition).or_insert(new).last = now;
    }

    /// Notes that the partition's owner has reported entries. Returns whether it was silent before.
    pub(crate) fn on_reported(&mut self, partition: Partition) -> bool {
        !self.silent.is_empty() && self.silent.remove(&partition).is_some()
    }

    /// Whether the log of a partition was full when an entry was last appended.
    pub(crate) fn is_full(&self, partition: Partition, now: Instant) -> bool {
        let failing = self.failing.get(&partition);
        failing.is_some_and(|failing| failing.full && now < failing.last + FORGET_AFTER)
    }

    fn on_failed(&mut self, partition: Partition, full: bool, now: Instant) {
        let new = Failing {
            since: now,
            last: now,
            full,
        };
        let failing = self.failing.entry(partition).or_insert(new);
        (failing.last, failing.full) = (now, full);
    }

    fn on_stored(&mut self, partition: Partition) {
        if !self.failing.is_empty() {
            self.failing.remove(&partition);
        }
    }

    /// The notice that clients are due, if any. Call after each of the other methods, and when the timer has expired.
    pub(crate) fn poll_notice(&mut self, now: Instant) -> Option<&'static str> {
        self.failing
            .retain(|_, failing| now < failing.last + FORGET_AFTER);
        let is_long = |failing: &Failing| failing.last >= failing.since + NOTIFY_AFTER;
        let is_lost = self
            .down
            .is_some_and(|since| now >= since + RECONNECT_WITHIN);
        self.silent
            .retain(|_, silence| now < silence.last + FORGET_AFTER);
        let is_silent = |silence: &Silence| now >= silence.since + NOTIFY_AFTER;
        let is_failing = self.failing.values().any(is_long);
        let degraded = is_lost || self.moving || is_failing || self.silent.values().any(is_silent);
        if degraded == self.notified {
            return None;
        }
        self.notified = degraded;
        Some(if degraded { "degraded" } else { "recovered" })
    }

    /// Sets the timer for the next call of [`poll_notice`](Self::poll_notice), if there are failures to notify or to
    /// forget.
    pub(crate) fn arm(&mut self, effects: &mut Effects) {
        let due = self.poll_timeout();
        if let Some(at) = due
            && self.timer.is_none_or(|armed| at < armed)
        {
            self.timer = due;
            effects.at(at, Timer::Health);
        }
    }

    /// Notes that the timer has expired.
    pub(crate) fn on_timer(&mut self) {
        self.timer = None;
    }

    /// The time of the next call of [`poll_notice`](Self::poll_notice) if no append ends before.
    fn poll_timeout(&self) -> Option<Instant> {
        let forgotten = self
            .failing
            .values()
            .map(|failing| failing.last + FORGET_AFTER);
        let lost = self.down.filter(|_| !self.notified);
        let silent = self.silent.values().map(|silence| {
            if self.notified {
                silence.last + FORGET_AFTER
            } else {
                silence.since + NOTIFY_AFTER
            }
        });
        forgotten
            .chain(lost.map(|since| since + RECONNECT_WITHIN))
            .chain(silent)
            .min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P: Partition = Partition(3);

    fn at(ms: u64) -> impl Fn(Instant) -> Instant {
        move |start| start + Duration::from_millis(ms)
    }

    #[test]
    fn clients_are_notified_after_a_second_of_failed_appends_and_when_one_is_stored() {
        let start = tokio::time::Instant::now().into_std();
        let mut health = BusHealth::default();
        health.on_failed(P, false, start);
        assert_eq!(health.poll_notice(start), None);
        health.on_failed(P, false, at(600)(start));
        assert_eq!(health.poll_notice(at(600)(start)), None);
        health.on_failed(P, false, at(1_100)(start));
        // Appends to other partitions do not count.
        health.on_stored(Partition(4));
        assert_eq!(health.poll_notice(at(1_100)(start)), Some("degraded"));
        assert_eq!(health.poll_notice(at(1_200)(start)), None);
        health.on_stored(P);
        assert_eq!(health.poll_notice(at(1_300)(start)), Some("recovered"));
    }

    #[test]
    fn failures_are_forgotten_when_no_session_appends_any_more() {
        let start = tokio::time::Instant::now().into_std();
        let mut health = BusHealth::default();
        health.on_failed(P, false, start);
        health.on_failed(P, false, at(2_000)(start));
        assert_eq!(health.poll_notice(at(2_000)(start)), Some("degraded"));
        let then = health.poll_timeout().unwrap();
        assert_eq!(then, at(14_000)(start));
        assert_eq!(health.poll_notice(then), Some("recovered"));
        assert_eq!(health.poll_timeout(), None);
    }

    #[test]
    fn d27_clients_are_notified_of_a_lost_connection_that_is_not_back_at_once() {
        let start = tokio::time::Instant::now().into_std();
        let mut health = BusHealth::default();
        health.set_up(false, start);
        assert_eq!(health.poll_notice(start), None);
        health.set_up(true, at(100)(start));
        assert_eq!(health.poll_notice(at(100)(start)), None);
        assert_eq!(health.poll_timeout(), None);
        health.set_up(false, at(200)(start));
        let due = health.poll_timeout().unwrap();
        assert_eq!(due, at(450)(start));
        assert_eq!(health.poll_notice(due), Some("degraded"));
        assert_eq!(health.poll_timeout(), None);
        health.on_failed(P, false, due);
        health.set_up(true, due);
        assert_eq!(health.poll_notice(due), Some("recovered"));
    }

    #[test]
    fn d31_clients_are_notified_of_an_owner_that_reports_nothing() {
        let start = tokio::time::Instant::now().into_std();
        let mut health = BusHealth::default();
        health.on_unreported(P, start);
        assert!(!health.on_reported(Partition(4)));
        assert!(health.on_reported(P), "it was only slow");
        health.on_unreported(P, start);
        assert_eq!(health.poll_notice(start), None);
        let due = health.poll_timeout().unwrap();
        assert_eq!(due, at(1_000)(start));
        assert_eq!(health.poll_notice(due), Some("degraded"));
        health.on_unreported(P, at(4_000)(start));
        assert_eq!(health.poll_notice(at(15_000)(start)), None);
        assert!(health.on_reported(P));
        assert_eq!(health.poll_notice(at(15_000)(start)), Some("recovered"));
        assert_eq!(health.poll_timeout(), None);
        // The sessions that waited have ended.
        health.on_unreported(P, start);
        assert_eq!(health.poll_notice(due), Some("degraded"));
        assert_eq!(health.poll_timeout(), Some(at(12_000)(start)));
        assert_eq!(health.poll_notice(at(12_000)(start)), Some("recovered"));
    }
}
