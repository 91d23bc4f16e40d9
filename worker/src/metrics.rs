//! What a worker counts: `grandstand_worker_*`.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// A worker's counters. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct WorkerMetrics {
    /// Partitions that the worker owns.
    pub partitions: Gauge,
    /// Partitions taken.
    pub taken: Counter,
    /// Partitions handed over.
    pub released: Counter,
    /// Partitions lost to another worker.
    pub lost: Counter,
    /// How often another worker found this one dead.
    pub found_dead: Counter,
    /// Entries read from the log.
    pub entries: Counter,
    /// Entries appended to the log: timers, and players of dead edges.
    pub appends: Counter,
    /// Snapshots and checkpoints written.
    pub snapshots: Counter,
    /// Rooms put in quarantine.
    pub quarantined: Counter,
    /// Batches sent to edges.
    pub batches: Counter,
    /// Messages from the bus that cannot be read.
    pub unreadable: Counter,
}

impl WorkerMetrics {
    /// Shows them in `registry` as `grandstand_worker_…`.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("worker");
        registry.register("partitions", "Partitions owned", self.partitions.clone());
        let counters = [
            ("partitions_taken", "Partitions taken", &self.taken),
            (
                "partitions_released",
                "Partitions handed over",
                &self.released,
            ),
            (
                "partitions_lost",
                "Partitions lost to another worker",
                &self.lost,
            ),
            (
                "found_dead",
                "Times that another worker found this one dead",
                &self.found_dead,
            ),
            ("entries", "Log entries read", &self.entries),
            (
                "appends",
                "Log entries written: timers, players of dead edges",
                &self.appends,
            ),
            (
                "snapshots",
                "Snapshots and checkpoints written",
                &self.snapshots,
            ),
            ("quarantined", "Rooms put in quarantine", &self.quarantined),
            ("batches", "Batches sent to edges", &self.batches),
            (
                "unreadable",
                "Messages that cannot be read",
                &self.unreadable,
            ),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
    }
}
