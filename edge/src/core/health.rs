//! Whether the bus does its work: clients are told `degraded` while it does not, and `recovered` when it does again.
//!
//! A connection that stands is not enough. A stream may be full, or without a leader: then entries of its partitions are
//! not stored, while those of others are.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use grandstand_common::id::Partition;

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
pub(crate) struct Trouble {
    down: bool,
    failing: BTreeMap<Partition, Failing>,
    told: bool,
}

impl Trouble {
    /// Whether clients were told that it is degraded.
    pub(crate) fn is_told(&self) -> bool {
        self.told
    }

    /// The connection is lost, or is there again: what failed over the old one says nothing.
    pub(crate) fn on_link(&mut self, up: bool) {
        self.down = !up;
        self.failing.clear();
    }

    /// An append was not stored, as far as is known.
    pub(crate) fn on_failed(&mut self, partition: Partition, now: Instant) {
        let new = Failing {
            since: now,
            last: now,
        };
        self.failing.entry(partition).or_insert(new).last = now;
    }

    /// An append was stored.
    pub(crate) fn on_stored(&mut self, partition: Partition) {
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

    /// When to ask again if nothing happens.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
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
        let mut trouble = Trouble::default();
        trouble.on_failed(P, start);
        assert_eq!(trouble.poll_notice(start), None);
        trouble.on_failed(P, at(600)(start));
        assert_eq!(trouble.poll_notice(at(600)(start)), None);
        trouble.on_failed(P, at(1_100)(start));
        // What is stored elsewhere does not matter.
        trouble.on_stored(Partition(4));
        assert_eq!(trouble.poll_notice(at(1_100)(start)), Some("degraded"));
        assert_eq!(trouble.poll_notice(at(1_200)(start)), None);
        trouble.on_stored(P);
        assert_eq!(trouble.poll_notice(at(1_300)(start)), Some("recovered"));
    }

    #[test]
    fn who_appended_and_is_gone_leaves_no_trouble_behind() {
        let start = tokio::time::Instant::now().into_std();
        let mut trouble = Trouble::default();
        trouble.on_failed(P, start);
        trouble.on_failed(P, at(2_000)(start));
        assert_eq!(trouble.poll_notice(at(2_000)(start)), Some("degraded"));
        let then = trouble.poll_timeout().unwrap();
        assert_eq!(then, at(14_000)(start));
        assert_eq!(trouble.poll_notice(then), Some("recovered"));
        assert_eq!(trouble.poll_timeout(), None);
    }

    #[test]
    fn a_lost_connection_is_told_at_once() {
        let start = tokio::time::Instant::now().into_std();
        let mut trouble = Trouble::default();
        trouble.on_link(false);
        assert_eq!(trouble.poll_notice(start), Some("degraded"));
        trouble.on_failed(P, start);
        trouble.on_link(true);
        assert_eq!(trouble.poll_notice(start), Some("recovered"));
    }
}
