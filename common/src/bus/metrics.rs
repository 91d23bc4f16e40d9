//! Metrics of the process from the counters of its bus connections.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use tokio::sync::watch;

use crate::bus::api::Bus;
use crate::bus::nats_error::NatsErrorKind;
use crate::bus::nats_errors::NatsErrors;
use crate::bus::operation::Operation;
use crate::bus::stats::BusStats;
use crate::bus::types::ConnectionState;
use crate::histogram::{Histogram, LATENCY};

type CounterSpec = (&'static str, &'static str, fn(&BusStats) -> u64);

const COUNTERS: [CounterSpec; 7] = [
    (
        "bus_dropped",
        "Messages dropped because a subscription was full",
        |s| s.dropped.load(Ordering::Relaxed),
    ),
    (
        "bus_slow_consumers",
        "Times that the client library reported a full subscription",
        |s| s.slow_consumers.load(Ordering::Relaxed),
    ),
    ("bus_reconnects", "Connections made after the first", |s| {
        s.reconnects.load(Ordering::Relaxed)
    }),
    ("bus_appends", "Entries sent to the log", |s| {
        s.appends.load(Ordering::Relaxed)
    }),
    ("bus_emits", "Items of games sent to their stream", |s| {
        s.emits.load(Ordering::Relaxed)
    }),
    ("bus_puts", "Values and markers sent to buckets", |s| {
        s.puts.load(Ordering::Relaxed)
    }),
    (
        "bus_reader_restarts",
        "Readers that restarted from their position",
        |s| s.reader_restarts.load(Ordering::Relaxed),
    ),
];

/// Sums of the counters of a process' bus connections. Clones share the counters.
///
/// The lock is taken when a shard starts, and when the metrics are read.
#[derive(Debug, Clone, Default)]
pub struct BusMetrics(Arc<Mutex<Vec<Counted>>>);

/// The counters of a connection, which they do not hold open.
#[derive(Debug)]
struct Counted {
    stats: Arc<BusStats>,
    errors: Option<NatsErrors>,
    state: watch::Receiver<ConnectionState>,
}

impl Counted {
    /// Whether the connection is up; `None` if it was closed.
    fn is_up(&self) -> Option<bool> {
        let is_up = matches!(*self.state.borrow(), ConnectionState::Up(_));
        self.state.has_changed().is_ok().then_some(is_up)
    }
}

impl BusMetrics {
    /// Includes a connection, unless it is included already: parts that follow each other may share it.
    pub fn add(&self, bus: &Bus) {
        let stats = bus.shared_stats();
        let mut all = self.0.lock();
        if all.iter().all(|one| !Arc::ptr_eq(&one.stats, &stats)) {
            let errors = bus.errors().cloned();
            let state = bus.connection_state();
            all.push(Counted {
                stats,
                errors,
                state,
            });
        }
    }

    /// The durations of an operation on all connections together.
    pub fn durations(&self, operation: Operation) -> Histogram {
        let sum = Histogram::new(&LATENCY);
        for bus in self.0.lock().iter() {
            sum.add(&bus.stats.durations[operation as usize]);
        }
        sum
    }

    /// Whether all open connections are up, and the longest of their last round trips in microseconds, 0 if none is known.
    pub fn connection(&self) -> (bool, u64) {
        let buses = self.0.lock();
        let open = buses.iter().filter_map(|bus| Some((bus, bus.is_up()?)));
        let round_trip = |bus: &Counted| bus.stats.round_trip_us.load(Ordering::Relaxed);
        let states: Vec<_> = open.map(|(bus, up)| (up, round_trip(bus))).collect();
        let is_up = !states.is_empty() && states.iter().all(|(up, _)| *up);
        let longest = states.iter().map(|(_, took)| *took).max();
        (is_up, longest.unwrap_or(0))
    }

    /// Registers the sums as `…_bus_…_total`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(self.clone()));
    }
}

impl Collector for BusMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        self.encode_connection(&mut encoder)?;
        let buses = self.0.lock();
        for (name, help, count) in COUNTERS {
            let sum: u64 = buses.iter().map(|bus| count(&bus.stats)).sum();
            let counter = ConstCounter::new(sum);
            let metric = encoder.encode_descriptor(name, help, None, counter.metric_type())?;
            counter.encode(metric)?;
        }
        encode_errors(&buses, &mut encoder)
    }
}

impl BusMetrics {
    /// The state of the connections, and how long their operations take.
    fn encode_connection(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let (is_up, round_trip_us) = self.connection();
        let help = "1 while all connections to the bus are up";
        let connected = ConstGauge::new(i64::from(is_up));
        let kind_of = connected.metric_type();
        connected.encode(encoder.encode_descriptor("bus_connected", help, None, kind_of)?)?;
        let help = "The time that the last message to ourselves took; 0 if none has come back yet";
        let round_trip = ConstGauge::new(round_trip_us as f64 / 1e6);
        let name = "bus_round_trip_seconds";
        round_trip.encode(encoder.encode_descriptor(name, help, None, kind_of)?)?;
        let name = "bus_request_duration_seconds";
        let help = "Durations of operations of the bus that succeeded, by operation";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for operation in Operation::ALL {
            let labels = [("operation", operation.name())];
            let metric = family.encode_family(&labels)?;
            self.durations(operation).encode(metric)?;
        }
        Ok(())
    }
}

/// The errors that NATS reported, and what it refuses at the moment.
fn encode_errors(buses: &[Counted], encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
    let help = "Errors that NATS reported outside of answers, by kind";
    let kind_of = MetricType::Counter;
    let mut family = encoder.encode_descriptor("bus_errors", help, None, kind_of)?;
    for kind in NatsErrorKind::ALL {
        let count = |bus: &Counted| bus.stats.errors[kind as usize].load(Ordering::Relaxed);
        let sum: u64 = buses.iter().map(count).sum();
        let labels = [("kind", kind.name())];
        let metric = family.encode_family(&labels)?;
        ConstCounter::new(sum).encode(metric)?;
    }
    let help = "What NATS refuses at the moment, by kind";
    let kind_of = MetricType::Gauge;
    let mut family = encoder.encode_descriptor("bus_refused", help, None, kind_of)?;
    for kind in NatsErrorKind::ALL.into_iter().filter(|kind| kind.lasts()) {
        // The connections of a process share what is refused.
        let count = |bus: &Counted| bus.errors.as_ref().map_or(0, |errors| errors.lasting(kind));
        let max = buses.iter().map(count).max().unwrap_or(0);
        let labels = [("kind", kind.name())];
        let metric = family.encode_family(&labels)?;
        ConstGauge::new(max as i64).encode(metric)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::BusOptions;
    use crate::process::metrics::{Build, registry, render};

    #[tokio::test]
    async fn metrics_sum_over_several_buses_and_count_each_once() {
        let metrics = BusMetrics::default();
        for _ in 0..2 {
            let bus = Bus::embedded(&BusOptions::default()).unwrap();
            let stored = bus.append("in.0.relay-1".into(), "x".into()).await.unwrap();
            stored.await.unwrap();
            metrics.add(&bus);
            metrics.add(&bus);
        }
        let mut registry = registry(Build {
            service: "test",
            version: "0",
        });
        metrics.register(&mut registry);
        let text = render(&registry);
        for line in [
            "grandstand_bus_appends_total 2",
            "grandstand_bus_request_duration_seconds_count{operation=\"append\"} 2",
            "grandstand_bus_request_duration_seconds_count{operation=\"kv_get\"} 0",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }

    #[tokio::test]
    async fn a_connection_that_was_closed_does_not_count() {
        let metrics = BusMetrics::default();
        assert!(!metrics.connection().0);
        let buses = [(); 2].map(|()| Bus::embedded(&BusOptions::default()).unwrap());
        buses.iter().for_each(|bus| metrics.add(bus));
        let [kept, closed] = buses;
        drop(closed);
        assert!(metrics.connection().0);
        drop(kept);
        assert!(!metrics.connection().0);
    }
}
