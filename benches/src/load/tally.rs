//! The counts of a generator.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Latencies in microseconds with three significant digits, up to ten minutes.
#[derive(Debug, Clone)]
pub struct Latencies(Histogram<u64>);

/// The longest latency; longer ones count as this.
const MAX_LATENCY_US: u64 = 600_000_000;

impl Default for Latencies {
    fn default() -> Self {
        // The library accepts these constants.
        Self(Histogram::new_with_bounds(1, MAX_LATENCY_US, 3).expect("the bounds are sound"))
    }
}

impl Latencies {
    /// Records one latency.
    pub fn record_ns(&mut self, ns: u64) {
        self.record_us(ns / 1000, 1);
    }

    /// Records a latency `times` times.
    pub fn record_us(&mut self, us: u64, times: u64) {
        self.0
            .saturating_record_n(us.clamp(1, MAX_LATENCY_US), times);
    }

    /// Adds the latencies of another histogram.
    pub fn add(&mut self, other: &Self) {
        for bar in other.0.iter_recorded() {
            self.record_us(bar.value_iterated_to(), bar.count_at_value());
        }
    }

    /// The number of latencies.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The quantile `share` (0 to 1) in milliseconds; `None` if there are no latencies.
    pub fn quantile_ms(&self, share: f64) -> Option<f64> {
        (!self.0.is_empty()).then(|| self.0.value_at_quantile(share) as f64 / 1000.0)
    }

    /// The longest latency in milliseconds.
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
    /// Serializes as pairs of microseconds and count.
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

/// A generator's counts since the last request, and its current state.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// Connected clients now.
    pub live: u32,
    /// Clients that connected.
    pub entered: u64,
    /// Received messages with a timestamp.
    pub received: u64,
    /// Received messages that were due in the window.
    pub in_window: u64,
    /// Received bytes.
    pub bytes: u64,
    /// Reads from the kernel.
    pub reads: u64,
    /// Sent inputs.
    pub sent: u64,
    /// Sent inputs that were due in the window.
    pub sent_in_window: u64,
    /// Inputs that were due while their client was not connected or had too many unsent bytes.
    pub unsent: u64,
    /// Acked inputs.
    pub acked: u64,
    /// Rejected inputs.
    pub rejected: u64,
    /// Sent inputs that are not acked now.
    pub unacked: u64,
    /// Clients that now have an older version of their room than another client.
    pub behind: u64,
    /// The newest version of any room now.
    pub newest: u64,
    /// Received snapshots.
    pub snapshots: u64,
    /// Updates whose `prev` was not the client's version.
    pub gaps: u64,
    /// `degraded` notices.
    pub degraded: u64,
    /// Answered joins.
    pub joined: u64,
    /// Rooms that have ended for a client.
    pub left: u64,
    /// Error messages, closed connections and rejected handshakes.
    pub errors: u64,
    /// One of the errors.
    pub error: Option<String>,
    /// Complete handshakes of TLS that resumed no session.
    pub full_handshakes: u64,
    /// Complete handshakes of TLS that resumed a session.
    pub resumed_handshakes: u64,
    /// Retried connects.
    pub retries: u64,
    /// From due time to receipt.
    pub latencies: Latencies,
    /// From due time to ack.
    pub acks: Latencies,
    /// From the first connect attempt until connected.
    pub entries: Latencies,
}

impl Tally {
    /// Adds later counts of the same generator. Its current state is replaced.
    pub fn add_later(&mut self, later: &Self) {
        (self.live, self.unacked, self.behind) = (0, 0, 0);
        self.add(later);
    }

    /// Adds the counts and the current state of another generator.
    pub fn add(&mut self, other: &Self) {
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
        self.joined += other.joined;
        self.left += other.left;
        self.errors += other.errors;
        self.retries += other.retries;
        self.full_handshakes += other.full_handshakes;
        self.resumed_handshakes += other.resumed_handshakes;
        if self.error.is_none() {
            self.error.clone_from(&other.error);
        }
        self.latencies.add(&other.latencies);
        self.acks.add(&other.acks);
        self.entries.add(&other.entries);
    }

    /// The percentage of the handshakes of TLS that resumed a session; `None` without handshakes.
    pub fn resumed_percent(&self) -> Option<f64> {
        let all = self.full_handshakes + self.resumed_handshakes;
        (all > 0).then(|| self.resumed_handshakes as f64 / all as f64 * 100.0)
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
    fn latencies_survive_encoding_and_add_up() {
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
    fn the_state_of_the_same_generator_is_replaced_not_summed() {
        let tally = |live, received| Tally {
            live,
            received,
            error: Some("e".to_owned()),
            ..Tally::default()
        };
        let mut sum = tally(5, 10);
        sum.add_later(&tally(4, 1));
        assert_eq!((sum.live, sum.received), (4, 11));
        sum.add(&tally(3, 1));
        assert_eq!((sum.live, sum.received), (7, 12));
    }
}
