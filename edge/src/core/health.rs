//! Whether the bus does its work: clients are told `degraded` while it does not, and `recovered` when it does again.
//!
//! A connection that stands is not enough. A stream may be full, or without a leader: then entries of its partitions are
//! not stored, while those of others are.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use grandstand_common::id::Partition;

use super::effects::{Effects, Timer};

/// How long nothing of a partition must have been stored before it counts: shorter pauses nobody need be told of.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long after the last failure a partition is no longer thought of: whoever appended there is gone. Longer than
/// chains wait between two attempts, and an attempt for its receipt.
const FORGET: Duration = Duration::from_secs(12);

/// Appends of a partition that fail, none stored in between.
#[derive(Debug, Clone, Copy)]
struct Failing {
    since: Instant,
    last: Instant,
}

/// What is wrong with the bus.
#[derive(Debug, Default)]
pub(crate) struct BusHealth {
    down: bool,
    failing: BTreeMap<Partition, Failing>,
    told: bool,
    timer: Option<Instant>,
}

impl BusHealth {
    /// Whether the connection to the bus is up.
    pub(crate) fn is_up(&self) -> bool {
        !self.down
    }

    /// Whether clients were told that the bus is degraded.
    pub(crate) fn is_degraded(&self) -> bool {
        self.told
    }

    /// Notes that the connection is lost or is back; returns whether that is news. Failures over the old connection no
    /// longer count.
    pub(crate) fn set_up(&mut self, up: bool) -> bool {
        if self.down != up {
            return false;
        }
        self.down = !up;
        self.failing.clear();
        true
    }

    /// Notes what became of an append. While the connection is down, failed appends do not count.
    pub(crate) fn on_append(&mut self, partition: Partition, stored: bool, now: Instant) {
        if stored {
            self.on_stored(partition);
        } else if !self.down {
            self.on_failed(partition, now);
        }
    }

    /// An append was not stored, as far as is known.
    fn on_failed(&mut self, partition: Partition, now: Instant) {
        let new = Failing {
            since: now,
            last: now,
        };
        self.failing.entry(partition).or_insert(new).last = now;
    }

    /// An append was stored.
    fn on_stored(&mut self, partition: Partition) {
        if !self.failing.is_empty() {
            self.failing.remove(&partition);
        }
    }

    /// What clients are to be told now, if anything. To be asked after each of the others, and every few seconds.
    pub(crate) fn poll_notice(&mut self, now: Instant) -> Option<&'static str> {
        self.failing
            .retain(|_, failing| now < failing.last + FORGET);
        let is_long = |failing: &Failing| failing.last >= failing.since + PATIENCE;
        let bad = self.down || self.failing.values().any(is_long);
        if bad == self.told {
            return None;
        }
        self.told = bad;
        Some(if bad { "degraded" } else { "recovered" })
    }

    /// Sets the timer after which [`poll_notice`](Self::poll_notice) is called again, if failures will be forgotten.
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

    /// When to ask again if nothing happens.
    fn poll_timeout(&self) -> Option<Instant> {
        let forgotten = self.failing.values().map(|failing| failing.last + FORGET);
        forgotten.min()
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
    fn appends_that_fail_for_a_second_are_trouble_until_one_is_stored() {
        let start = tokio::time::Instant::now().into_std();
        let mut health = BusHealth::default();
        health.on_failed(P, start);
        assert_eq!(health.poll_notice(start), None);
        health.on_failed(P, at(600)(start));
        assert_eq!(health.poll_notice(at(600)(start)), None);
        health.on_failed(P, at(1_100)(start));
        // What is stored elsewhere does not matter.
        health.on_stored(Partition(4));
        assert_eq!(health.poll_notice(at(1_100)(start)), Some("degraded"));
        assert_eq!(health.poll_notice(at(1_200)(start)), None);
        health.on_stored(P);
        assert_eq!(health.poll_notice(at(1_300)(start)), Some("recovered"));
    }

    #[test]
    fn who_appended_and_is_gone_leaves_no_trouble_behind() {
        let start = tokio::time::Instant::now().into_std();
        let mut health = BusHealth::default();
        health.on_failed(P, start);
        health.on_failed(P, at(2_000)(start));
        assert_eq!(health.poll_notice(at(2_000)(start)), Some("degraded"));
        let then = health.poll_timeout().unwrap();
        assert_eq!(then, at(14_000)(start));
        assert_eq!(health.poll_notice(then), Some("recovered"));
        assert_eq!(health.poll_timeout(), None);
    }

    #[test]
    fn a_lost_connection_is_told_at_once() {
        let start = tokio::time::Instant::now().into_std();
        let mut health = BusHealth::default();
        health.set_up(false);
        assert_eq!(health.poll_notice(start), Some("degraded"));
        health.on_failed(P, start);
        health.set_up(true);
        assert_eq!(health.poll_notice(start), Some("recovered"));
    }
}
