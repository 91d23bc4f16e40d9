//! The histograms of an edge's shards.

use std::fmt;

use grandstand_common::bus::Operation;
use grandstand_common::bus::metrics::BusMetrics;
use grandstand_common::histogram::{Histogram, LATENCY};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::flush_meter::{FlushHistograms, FlushMeter};
use super::latency::{self, LatencyFamily, LatencyLabels, RoomLatency};
use super::meters::Meters;

/// A histogram for each shard.
type ByShard = Family<[(&'static str, String); 1], Histogram, fn() -> Histogram>;

/// The histograms of all shards. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct ShardDurations {
    flushes: FlushHistograms,
    lag: ByShard,
    rooms: LatencyFamily,
    pub(super) input_latency: Histogram,
}

impl Default for ShardDurations {
    fn default() -> Self {
        Self {
            flushes: FlushHistograms::default(),
            lag: Family::new_with_constructor(|| Histogram::new(&LATENCY)),
            rooms: latency::family(),
            input_latency: Histogram::new(&LATENCY),
        }
    }
}

impl ShardDurations {
    /// Registers all but the latencies of rooms with a registry whose prefix is `grandstand_edge`.
    pub(super) fn register(&self, registry: &mut Registry) {
        let flushes = &self.flushes;
        registry.register(
            "flush_duration_seconds",
            "Time from the first frame that waits until none is left, at most a second",
            flushes.durations.clone(),
        );
        registry.register(
            "flush_writes",
            "Writes to members of lanes in one flush",
            flushes.writes.clone(),
        );
        registry.register(
            "flush_bytes",
            "Bytes of frames that links have accepted during one flush",
            flushes.bytes.clone(),
        );
        registry.register(
            "loop_lag_seconds",
            "How late a timer of a shard's loop fires, every 50 ms; without load up to a millisecond",
            self.lag.clone(),
        );
        registry.register(
            "input_latency_seconds",
            "Time from an input's arrival to the report that it is processed, with which its ack is queued",
            self.input_latency.clone(),
        );
    }

    /// Makes each family have a series, so that a description of the metrics sees its labels.
    pub(super) fn touch(&self) {
        let labels = [("shard", String::new())];
        drop(self.lag.get_or_create(&labels));
        drop(self.rooms.get_or_create(&LatencyLabels::default()));
    }

    /// The meters of the shard with this number.
    pub(super) fn meters(&self, number: usize) -> Meters {
        let labels = [("shard", number.to_string())];
        Meters {
            flush: FlushMeter::new(&self.flushes),
            latency: RoomLatency::new(self.rooms.clone()),
            lag: self.lag.get_or_create(&labels).local(),
        }
    }

    /// The latencies of rooms, for a registry without the prefix of edges.
    pub(super) fn rooms(&self) -> LatencyFamily {
        self.rooms.clone()
    }
}

/// The durations of appends, which the connections to the bus measure.
#[derive(Debug)]
pub(super) struct AppendDurations(pub(super) BusMetrics);

impl Collector for AppendDurations {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let appends = self.0.durations(Operation::Append);
        let name = "log_append_duration_seconds";
        let help = "Time from an append to the log to its ack";
        let metric = encoder.encode_descriptor(name, help, None, appends.metric_type())?;
        appends.encode(metric)
    }
}
