//! The worker's configuration: `config/worker.toml` shows every key.

use std::net::SocketAddr;
use std::time::Duration;

use grandstand_common::cluster::ClusterSettings;
use grandstand_common::id::WorkerId;
use grandstand_common::process::config::{Checks, Config};
use serde::{Deserialize, Serialize};

use super::build_id;
use super::metrics::WorkerMetrics;
use super::settings::WorkerSettings;

/// A worker process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkerConfig {
    /// Who it is.
    pub worker: WorkerSection,
    /// The bus.
    pub cluster: ClusterSettings,
    /// How rooms are kept.
    pub rooms: RoomsSection,
}

/// Who it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkerSection {
    /// What its id begins with.
    pub name: String,
    /// Where operators ask for health and metrics.
    pub admin: SocketAddr,
    /// Milliseconds in which it must have given its partitions away when it ends.
    pub drain_ms: u64,
}

impl Default for WorkerSection {
    fn default() -> Self {
        Self {
            name: "worker".to_owned(),
            admin: SocketAddr::from(([127, 0, 0, 1], 8082)),
            drain_ms: 10_000,
        }
    }
}

/// How rooms are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RoomsSection {
    /// Bytes of updates between two snapshots of a lane. The same as the edges'.
    pub ring_bytes: u32,
    /// Entries of a room that no stored snapshot covers, after which one is written.
    pub snapshot_entries: u32,
    /// Milliseconds for which an entry stays uncovered.
    pub snapshot_delay_ms: u64,
    /// Milliseconds after which a room that nobody is connected to and nobody watches leaves memory; 0 for never.
    pub idle_ms: u64,
    /// A room that more edges watch than this is hot: what concerns all of them is published once, on a subject of its own.
    pub hot_edges: u32,
    /// With fewer edges than this a room is not hot any more,
    pub cold_edges: u32,
    /// when it has been so for this many milliseconds.
    pub cold_after_ms: u64,
}

impl Default for RoomsSection {
    fn default() -> Self {
        Self {
            ring_bytes: 64 * 1024,
            snapshot_entries: 32,
            snapshot_delay_ms: 1000,
            idle_ms: 600_000,
            hot_edges: 64,
            cold_edges: 32,
            cold_after_ms: 60_000,
        }
    }
}

impl Config for WorkerConfig {
    const ENV_PREFIX: &'static str = "GRANDSTAND_WORKER";

    fn validate(&self, checks: &mut Checks) {
        self.cluster.validate(checks);
        let name = format!("{}-00000000", self.worker.name);
        let good = self.worker.name.len() <= 80 && name.parse::<WorkerId>().is_ok();
        checks.require(
            "worker.name",
            good,
            || "must be letters, digits, `-` and `_`, at most 80",
        );
        checks.range("worker.drain_ms", self.worker.drain_ms, 0..=3_600_000);
        let ring = u64::from(self.rooms.ring_bytes);
        checks.range("rooms.ring_bytes", ring, 1024..=1 << 26);
        let entries = u64::from(self.rooms.snapshot_entries);
        checks.range("rooms.snapshot_entries", entries, 1..=100_000);
        let delay = self.rooms.snapshot_delay_ms;
        checks.range("rooms.snapshot_delay_ms", delay, 10..=600_000);
        checks.range("rooms.idle_ms", self.rooms.idle_ms, 0..=86_400_000);
        let cold = u64::from(self.rooms.cold_edges);
        checks.range("rooms.hot_edges", self.rooms.hot_edges.into(), 1..=1 << 20);
        checks.range("rooms.cold_edges", cold, 1..=1 << 20);
        checks.require(
            "rooms.cold_edges",
            self.rooms.cold_edges <= self.rooms.hot_edges,
            || "must not be above `rooms.hot_edges`",
        );
        checks.range(
            "rooms.cold_after_ms",
            self.rooms.cold_after_ms,
            0..=86_400_000,
        );
    }
}

impl WorkerConfig {
    /// What the driver is told, for a worker on NATS.
    pub fn settings(&self) -> WorkerSettings {
        WorkerSettings {
            name: self.worker.name.clone(),
            build: build_id::id(),
            partitions: self.cluster.partitions,
            alone: false,
            ring_bytes: self.rooms.ring_bytes as usize,
            snapshot_entries: self.rooms.snapshot_entries,
            snapshot_delay: Duration::from_millis(self.rooms.snapshot_delay_ms),
            idle: (self.rooms.idle_ms > 0).then(|| Duration::from_millis(self.rooms.idle_ms)),
            hot_edges: self.rooms.hot_edges as usize,
            cold_edges: self.rooms.cold_edges as usize,
            cold_after: Duration::from_millis(self.rooms.cold_after_ms),
            log_max_age: Duration::from_secs(self.cluster.log_max_age_s),
            metrics: WorkerMetrics::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use grandstand_common::process::config::{Sources, check_documented, load};

    use super::*;

    #[test]
    fn the_documented_file_has_every_key_and_its_default() {
        check_documented::<WorkerConfig>(include_str!("../../../config/worker.toml")).unwrap();
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let sources = Sources::new(None)
            .environment([("GRANDSTAND_WORKER_ROOMS_SNAPSHOT_ENTRIES", "0")])
            .flag("--name", "worker.name", Some("a b"));
        let error = load::<WorkerConfig>(&sources).unwrap_err();
        let keys: Vec<_> = error.problems().iter().map(|p| p.key.as_str()).collect();
        assert_eq!(keys, ["worker.name", "rooms.snapshot_entries"]);
    }
}
