//! What a worker is told, and how it fails.

use std::time::Duration;

use grandstand_common::bus::Bus;
use grandstand_common::id::WorkerId;

use super::metrics::WorkerMetrics;
use crate::command::EngineConfig;

/// What a worker is told.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// What its id begins with: letters, digits, `-` and `_`, at most 80.
    pub name: String,
    /// Names the program: see [`build`](super::build_id).
    pub build: String,
    /// How many partitions there are: as the bus was told.
    pub partitions: u16,
    /// The bus is this process's own and no other worker is on it: what earlier ones left is free at once (D18).
    pub alone: bool,
    /// Bytes of updates between two snapshots of a lane: what edges keep of it.
    pub ring_bytes: usize,
    /// Entries of a room that no snapshot covers after which one is written.
    pub snapshot_entries: u32,
    /// How long an entry stays uncovered.
    pub snapshot_delay: Duration,
    /// After how long a room that nobody is connected to and nobody watches leaves memory; `None` for never.
    pub idle: Option<Duration>,
    /// A room that more edges watch than this is hot: what concerns all of them is published once.
    pub hot_edges: usize,
    /// With fewer edges than this a room is not hot any more,
    pub cold_edges: usize,
    /// when it has been so for this long.
    pub cold_after: Duration,
    /// How long the log keeps an entry, and so the bucket a deleted room's marker (D12).
    pub log_max_age: Duration,
    /// Where it counts.
    pub metrics: WorkerMetrics,
}

impl WorkerSettings {
    /// The defaults, for a bus that was told of `partitions`. An embedded bus is taken to be this worker's alone.
    pub fn new(name: &str, bus: &Bus, partitions: u16) -> Self {
        Self {
            name: name.to_owned(),
            build: super::build_id::id(),
            partitions,
            alone: matches!(bus, Bus::Embedded(_)),
            ring_bytes: 64 * 1024,
            snapshot_entries: 32,
            snapshot_delay: Duration::from_secs(1),
            idle: Some(Duration::from_secs(600)),
            hot_edges: 64,
            cold_edges: 32,
            cold_after: Duration::from_secs(60),
            log_max_age: Duration::from_secs(3600),
            metrics: WorkerMetrics::default(),
        }
    }

    pub(super) fn engine(&self, worker: WorkerId, max_payload: usize) -> EngineConfig {
        EngineConfig {
            build: self.build.clone(),
            max_payload,
            ring_bytes: self.ring_bytes,
            snapshot_entries: self.snapshot_entries,
            snapshot_delay: self.snapshot_delay,
            idle: self.idle,
            hot_edges: self.hot_edges,
            cold_edges: self.cold_edges,
            cold_after: self.cold_after,
            ..EngineConfig::new(worker)
        }
    }
}

/// Why a worker ended.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The embedded bus cannot write to its folder any more.
    #[error("the bus' store failed and takes nothing more: look at the disk, then start anew")]
    Store,
    /// The bus ended.
    #[error("the bus is gone")]
    BusGone,
}
