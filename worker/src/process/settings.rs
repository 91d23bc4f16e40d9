//! The settings of a worker, and the errors that end it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use grandstand_common::auth::Inviter;
use grandstand_common::bus::Bus;
use grandstand_common::cluster::ClusterSettings;
use grandstand_common::id::WorkerId;
use grandstand_common::supervisor::{PartEnded, Supervisor};
use tokio::sync::watch;

use super::metrics::WorkerMetrics;
use super::questions::Questions;
use crate::command::EngineConfig;

/// The settings of a worker.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// The prefix of the worker's id: letters, digits, `-` and `_`, at most 80.
    pub name: String,
    /// The id of the program's build (see [`build_id`](super::build_id)).
    pub build: String,
    /// The number of room loops, each with a thread.
    pub loops: u16,
    /// With what each room loop connects to NATS; `None` if they share the worker's bus.
    pub cluster: Option<ClusterSettings>,
    /// Whether the bus is embedded in this process without other workers, so that leases of earlier workers are free at
    /// once (D18).
    pub alone: bool,
    /// The most bytes of updates between two snapshots of a lane. Must equal the edges' value.
    pub ring_bytes: usize,
    /// The number of uncovered entries of a room after which its snapshot is written.
    pub snapshot_entries: u32,
    /// The time after which an uncovered entry causes a snapshot, for each begun 64 KiB of the last one.
    pub snapshot_delay: Duration,
    /// The time within which a successor is to replay what no snapshot of a partition covers.
    pub replay_budget: Duration,
    /// The time after which a room without players and spectators leaves memory; `None` for never.
    pub idle: Option<Duration>,
    /// A room with more watching edges than this is hot: items for all edges are published once.
    pub hot_edges: usize,
    /// A hot room with fewer watching edges than this becomes cold after `cold_after`.
    pub cold_edges: usize,
    /// The time that a hot room must stay below `cold_edges` to become cold.
    pub cold_after: Duration,
    /// The time for which the log keeps an entry, and the bucket the marker of a deleted room (D12).
    pub log_max_age: Duration,
    /// Signs the invitations of games; without it they have no token.
    pub inviter: Option<Inviter>,
    /// The worker's metrics.
    pub metrics: WorkerMetrics,
    /// Takes the questions of operators.
    pub questions: Questions,
    /// Ends the worker at once.
    pub kill: Kill,
    /// Starts the worker's tasks.
    pub supervisor: Supervisor,
}

/// Ends a worker as a crash would: it hands nothing over and stores nothing. Clones end the same worker.
#[derive(Debug, Clone)]
pub struct Kill(Arc<watch::Sender<bool>>);

impl Default for Kill {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Kill {
    /// Ends the worker. [`run`](super::run) returns once its threads have ended.
    pub fn now(&self) {
        self.0.send_replace(true);
    }

    /// Whether the worker is to end.
    pub(super) fn is_wanted(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until the worker is to end.
    pub(super) async fn wanted(&self) {
        // The sender lives as long as `self`.
        let mut wanted = self.0.subscribe();
        wanted.wait_for(|wanted| *wanted).await.ok();
    }
}

impl WorkerSettings {
    /// The defaults for a bus. An embedded bus is assumed to have no other worker.
    pub fn new(name: &str, bus: &Bus) -> Self {
        Self {
            name: name.to_owned(),
            build: super::build_id::id(),
            loops: 1,
            cluster: None,
            alone: matches!(bus, Bus::Embedded(_)),
            ring_bytes: 64 * 1024,
            snapshot_entries: 256,
            snapshot_delay: Duration::from_secs(60),
            replay_budget: Duration::from_millis(500),
            idle: Some(Duration::from_secs(600)),
            hot_edges: 64,
            cold_edges: 32,
            cold_after: Duration::from_secs(60),
            log_max_age: Duration::from_secs(3600),
            inviter: None,
            metrics: WorkerMetrics::default(),
            questions: Questions::default(),
            kill: Kill::default(),
            supervisor: Supervisor::default(),
        }
    }

    pub(super) fn engine(&self, sender: WorkerId, bus: &Bus) -> EngineConfig {
        let defaults = EngineConfig::new(sender.clone());
        EngineConfig {
            layout: bus.layout(),
            build: self.build.clone(),
            kept_bytes: defaults.kept_bytes / usize::from(self.loops.max(1)),
            max_payload: bus.max_payload(),
            value_bytes: bus.max_value(),
            ring_bytes: self.ring_bytes,
            snapshot_entries: self.snapshot_entries,
            snapshot_delay: self.snapshot_delay,
            snapshot_max_delay: self.log_max_age / 2,
            checkpoint_delay: defaults.checkpoint_delay.min(self.log_max_age / 2),
            replay_budget: self.replay_budget,
            idle: self.idle,
            hot_edges: self.hot_edges,
            cold_edges: self.cold_edges,
            cold_after: self.cold_after,
            inviter: self.inviter.clone(),
            ..defaults
        }
    }
}

/// An error that ends a worker.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The embedded bus cannot write to its folder.
    #[error("the store of the embedded bus failed; check the disk, then start again")]
    Store,
    /// The bus has ended.
    #[error("the bus is gone")]
    BusGone,
    /// A loop of the worker panicked.
    #[error(transparent)]
    Panicked(#[from] PartEnded),
    /// A room loop cannot be started.
    #[error("cannot start the thread of a room loop: {0}")]
    Thread(io::Error),
    /// The games of too many room loops do not return.
    #[error("too many threads are in calls of games that do not return; the log names their rooms")]
    Stuck,
}

#[cfg(test)]
mod tests {
    use grandstand_common::bus::{Bucket, BusOptions, Read};
    use grandstand_common::process::admin::Status;
    use grandstand_common::process::drain;
    use grandstand_common::record::Lease;

    use super::*;
    use crate::process::run;

    const PARTITIONS: u16 = 4;

    /// Waits until all partitions have a ready owner that is not `former`, and returns that owner.
    async fn owner(bus: &Bus, former: Option<&WorkerId>) -> (WorkerId, u64) {
        let mut reader = bus.watch(Bucket::Leases, "").await.unwrap();
        let mut owned = std::collections::BTreeMap::new();
        loop {
            if let Read::Item(entry, _) = reader.next().await {
                let lease: Lease = serde_json::from_slice(&entry.value.unwrap()).unwrap();
                owned.insert(entry.key, lease);
            }
            let mut leases = owned.values();
            let is_owned = |lease: &&Lease| lease.ready && lease.worker.as_ref() != former;
            if leases.clone().filter(is_owned).count() == usize::from(PARTITIONS) {
                let lease = leases.next().unwrap();
                return (lease.worker.clone().unwrap(), lease.epoch.0);
            }
        }
    }

    #[tokio::test]
    async fn a_killed_worker_hands_nothing_over_and_another_takes_its_place() {
        let options = BusOptions {
            partitions: PARTITIONS,
            streams: 2,
            ..BusOptions::default()
        };
        let bus = Bus::embedded(&options).unwrap();
        let status = Status::new();
        let start = |kill: &Kill| {
            let settings = WorkerSettings {
                kill: kill.clone(),
                ..WorkerSettings::new("worker", &bus)
            };
            // Dropped signals end no worker.
            let (_, watch) = drain::channel();
            let component = status.component("worker");
            run(
                bus.clone(),
                grandstand_games::all(),
                settings,
                watch,
                component,
            )
        };
        let kill = Kill::default();
        let (ended, first) = tokio::join!(start(&kill), async {
            let first = owner(&bus, None).await;
            kill.now();
            first
        });
        ended.unwrap();
        // It has released nothing.
        assert_eq!(owner(&bus, None).await, first);
        let kill = Kill::default();
        let (ended, second) = tokio::join!(start(&kill), async {
            let second = owner(&bus, Some(&first.0)).await;
            kill.now();
            second
        });
        ended.unwrap();
        assert!(second.1 > first.1, "{first:?} {second:?}");
    }
}
