//! What a generator counted.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Latencies in microseconds, to three digits, of up to ten minutes.
#[derive(Debug, Clone)]
pub struct Latencies(Histogram<u64>);

/// The longest that is told apart.
const LONGEST_US: u64 = 600_000_000;

impl Default for Latencies {
    fn default() -> Self {
        // The bounds are constants that the library accepts.
        Self(Histogram::new_with_bounds(1, LONGEST_US, 3).expect("the bounds are sound"))
    }
}

impl Latencies {
    /// Counts one.
    pub fn record_ns(&mut self, ns: u64) {
        self.record_us(ns / 1000, 1);
    }

    /// Counts `times` of them.
    pub fn record_us(&mut self, us: u64, times: u64) {
        self.0.saturating_record_n(us.clamp(1, LONGEST_US), times);
    }

    /// Adds those of another.
    pub fn add(&mut self, other: &Self) {
        for bar in other.0.iter_recorded() {
            self.record_us(bar.value_iterated_to(), bar.count_at_value());
        }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// Milliseconds that this share (0 to 1) of them does not exceed; none if there are none.
    pub fn quantile_ms(&self, share: f64) -> Option<f64> {
        (!self.0.is_empty()).then(|| self.0.value_at_quantile(share) as f64 / 1000.0)
    }

    /// The longest, in milliseconds.
    pub fn max_ms(&self) -> Option<f64> {
        self.quantile_ms(1.0)
    }
}

impl PartialEq for Latencies {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Serialize for Latencies {
    /// As pairs of microseconds and count.
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let bars = self.0.iter_recorded();
        to.collect_seq(bars.map(|bar| (bar.value_iterated_to(), bar.count_at_value())))
    }
}

impl<'de> Deserialize<'de> for Latencies {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut latencies = Self::default();
        for (us, times) in Vec::<(u64, u64)>::deserialize(from)? {
            latencies.record_us(us, times);
        }
        Ok(latencies)
    }
}

/// What a generator counted since it was last asked, and what stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// Connections that are in.
    pub live: u32,
    /// Connections that came in.
    pub entered: u64,
    /// Messages with a stamp that came.
    pub received: u64,
    /// Those of them that were due in the window.
    pub in_window: u64,
    /// Bytes that came.
    pub bytes: u64,
    /// Reads from the kernel.
    pub reads: u64,
    /// Inputs sent.
    pub sent: u64,
    /// Those of them that were due in the window.
    pub sent_in_window: u64,
    /// Inputs that were due while their connection was not in, or had too much unsent.
    pub unsent: u64,
    /// Inputs that were acked.
    pub acked: u64,
    /// Inputs that were rejected.
    pub rejected: u64,
    /// Inputs sent and not yet acked, by now.
    pub unacked: u64,
    /// Clients whose version of their room is older than another's of the same, by now.
    pub behind: u64,
    /// The newest version of any room, by now.
    pub newest: u64,
    /// Snapshots that came.
    pub snapshots: u64,
    /// Updates whose `prev` was not the version before.
    pub gaps: u64,
    /// `degraded` notices.
    pub degraded: u64,
    /// Errors that were told, connections that were closed, handshakes that were refused.
    pub errors: u64,
    /// One of them.
    pub error: Option<String>,
    /// Connects that were tried again.
    pub retries: u64,
    /// From due to received.
    pub latencies: Latencies,
    /// From due to acked.
    pub acks: Latencies,
    /// From the first try to connect until in.
    pub entries: Latencies,
}

impl Tally {
    /// Adds what another generator, or a later answer of the same, counted; `same` says which, for what stands.
    pub fn add(&mut self, other: &Self, same: bool) {
        if same {
            (self.live, self.unacked, self.behind) = (0, 0, 0);
        }
        self.live += other.live;
        self.unacked += other.unacked;
        self.behind += other.behind;
        self.newest = self.newest.max(other.newest);
        self.entered += other.entered;
        self.received += other.received;
        self.in_window += other.in_window;
        self.bytes += other.bytes;
        self.reads += other.reads;
        self.sent += other.sent;
        self.sent_in_window += other.sent_in_window;
        self.unsent += other.unsent;
        self.acked += other.acked;
        self.rejected += other.rejected;
        self.snapshots += other.snapshots;
        self.gaps += other.gaps;
        self.degraded += other.degraded;
        self.errors += other.errors;
        self.retries += other.retries;
        if self.error.is_none() {
            self.error.clone_from(&other.error);
        }
        self.latencies.add(&other.latencies);
        self.acks.add(&other.acks);
        self.entries.add(&other.entries);
    }

    /// Counts an error.
    pub(crate) fn fail(&mut self, text: impl Into<String>) {
        self.errors += 1;
        self.error.get_or_insert_with(|| text.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_survive_the_way_and_add_up() {
        let mut first = Latencies::default();
        for us in 1..=1000 {
            first.record_ns(us * 1000);
        }
        let text = serde_json::to_string(&first).unwrap();
        let read: Latencies = serde_json::from_str(&text).unwrap();
        assert_eq!(read, first);
        let mut sum = Latencies::default();
        sum.add(&first);
        sum.add(&read);
        assert_eq!(sum.count(), 2000);
        assert_eq!(sum.quantile_ms(0.5), Some(0.5));
        assert_eq!(sum.max_ms(), Some(1.0));
        assert_eq!(Latencies::default().quantile_ms(0.99), None);
        sum.record_ns(u64::MAX);
        assert_eq!(sum.count(), 2001);
    }

    #[test]
    fn what_stands_is_not_summed_up_for_the_same_generator() {
        let tally = |live, received| Tally {
            live,
            received,
            error: Some("e".to_owned()),
            ..Tally::default()
        };
        let mut sum = tally(5, 10);
        sum.add(&tally(4, 1), true);
        assert_eq!((sum.live, sum.received), (4, 11));
        sum.add(&tally(3, 1), false);
        assert_eq!((sum.live, sum.received), (7, 12));
    }
}
