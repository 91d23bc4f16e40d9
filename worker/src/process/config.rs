//! The worker's configuration: `config/worker.toml` shows every key.

use std::net::SocketAddr;
use std::time::Duration;

use grandstand_common::auth::SigningConfig;
use grandstand_common::cluster::ClusterSettings;
use grandstand_common::id::WorkerId;
use grandstand_common::process::admin::ApiAccess;
use grandstand_common::process::config::{Checks, Config, Secret};
use grandstand_common::process::telemetry::LogSection;
use grandstand_common::supervisor::Supervisor;
use serde::{Deserialize, Serialize};

use super::build_id;
use super::metrics::WorkerMetrics;
use super::questions::Questions;
use super::settings::Kill;
use super::settings::WorkerSettings;

/// The configuration of a worker process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkerConfig {
    /// The process.
    pub worker: WorkerSection,
    /// The bus and the partitions.
    pub cluster: ClusterSettings,
    /// The rooms.
    pub rooms: RoomsSection,
    /// The key of invitations.
    pub auth: SigningConfig,
    /// The log.
    pub log: LogSection,
}

/// The configuration of the process: name, admin address, drain time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkerSection {
    /// The prefix of the worker's id.
    pub name: String,
    /// The address for health, metrics and the admin API.
    pub admin: SocketAddr,
    /// The token of the admin API.
    pub admin_token: Secret,
    /// The number of room loops, each a thread with its share of the partitions; 0 for one per core.
    pub loops: u16,
    /// The time limit for releasing all partitions at the end, milliseconds.
    pub drain_ms: u64,
    /// The milliseconds for which the worker's loop may stall before `/health` fails.
    pub liveness_ms: u64,
}

impl Default for WorkerSection {
    fn default() -> Self {
        Self {
            name: "worker".to_owned(),
            admin: SocketAddr::from(([127, 0, 0, 1], 8082)),
            admin_token: Secret::default(),
            loops: 0,
            drain_ms: 10_000,
            liveness_ms: 5_000,
        }
    }
}

/// The configuration of rooms: update rings, snapshots, unloading, hot rooms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RoomsSection {
    /// The most bytes of updates between two snapshots of a lane. Must equal the edges' value.
    pub ring_bytes: u32,
    /// The number of uncovered entries of a room after which its snapshot is written.
    pub snapshot_entries: u32,
    /// The time after which an uncovered entry causes a snapshot, for each begun 64 KiB of the last one, milliseconds.
    pub snapshot_delay_ms: u64,
    /// The time within which a successor is to replay what no snapshot of a partition covers, milliseconds.
    pub replay_budget_ms: u64,
    /// The time after which a room without players and spectators is unloaded, milliseconds; 0 for never.
    pub idle_ms: u64,
    /// A room with more watching edges than this is hot: items for all edges are published once, on the room's own
    /// subject.
    pub hot_edges: u32,
    /// A hot room with fewer watching edges than this becomes cold after `cold_after_ms`.
    pub cold_edges: u32,
    /// The time that a hot room must stay below `cold_edges` to become cold, milliseconds.
    pub cold_after_ms: u64,
}

impl Default for RoomsSection {
    fn default() -> Self {
        Self {
            ring_bytes: 64 * 1024,
            snapshot_entries: 256,
            snapshot_delay_ms: 60_000,
            replay_budget_ms: 500,
            idle_ms: 600_000,
            hot_edges: 64,
            cold_edges: 32,
            cold_after_ms: 60_000,
        }
    }
}

impl Config for WorkerConfig {
    const ENV_PREFIX: &'static str = "GRANDSTAND_WORKER";

    fn is_live(key: &str) -> bool {
        [
            "log.filter",
            "worker.admin_token",
            "worker.drain_ms",
            "worker.liveness_ms",
        ]
        .contains(&key)
    }

    fn log_filter(&self) -> &str {
        &self.log.filter
    }

    fn validate(&self, checks: &mut Checks) {
        self.log.validate(checks);
        self.cluster.validate(checks);
        self.auth.validate(checks);
        let name = format!("{}-00000000", self.worker.name);
        let good = self.worker.name.len() <= 80 && name.parse::<WorkerId>().is_ok();
        checks.require(
            "worker.name",
            good,
            || "must be letters, digits, `-` and `_`, at most 80",
        );
        let admin = (self.worker.admin, &self.worker.admin_token);
        if let Err(why) = ApiAccess::check_token(admin.0, admin.1) {
            checks.require("worker.admin_token", false, || why);
        }
        checks.range("worker.loops", self.worker.loops.into(), 0..=1024);
        checks.range("worker.drain_ms", self.worker.drain_ms, 0..=3_600_000);
        let liveness = self.worker.liveness_ms;
        checks.range("worker.liveness_ms", liveness, 500..=3_600_000);
        let ring = u64::from(self.rooms.ring_bytes);
        checks.range("rooms.ring_bytes", ring, 1024..=1 << 26);
        let entries = u64::from(self.rooms.snapshot_entries);
        checks.range("rooms.snapshot_entries", entries, 1..=100_000);
        let delay = self.rooms.snapshot_delay_ms;
        checks.range("rooms.snapshot_delay_ms", delay, 10..=600_000);
        let budget = self.rooms.replay_budget_ms;
        checks.range("rooms.replay_budget_ms", budget, 10..=60_000);
        let age_ms = self.cluster.log_max_age_s.saturating_mul(1000);
        checks.require("rooms.snapshot_delay_ms", delay <= age_ms / 2, || {
            format!(
                "is {delay}, more than half of `cluster.log_max_age_s` ({age_ms} ms): the log could drop an entry before a \
                 snapshot covers it"
            )
        });
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
    /// The time for which the worker's loop may stall before `/health` fails.
    pub fn answer_within(&self) -> Duration {
        Duration::from_millis(self.worker.liveness_ms)
    }

    /// The number of room loops: as configured, or one per core; at most one per partition.
    fn loops(&self) -> u16 {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let loops = match self.worker.loops {
            0 => u16::try_from(cores()).unwrap_or(u16::MAX),
            loops => loops,
        };
        loops.min(self.cluster.partitions).max(1)
    }

    /// The settings of the driver of a worker on NATS.
    pub fn settings(&self) -> WorkerSettings {
        WorkerSettings {
            name: self.worker.name.clone(),
            build: build_id::id(),
            loops: self.loops(),
            cluster: Some(self.cluster.clone()),
            alone: false,
            ring_bytes: self.rooms.ring_bytes as usize,
            snapshot_entries: self.rooms.snapshot_entries,
            snapshot_delay: Duration::from_millis(self.rooms.snapshot_delay_ms),
            replay_budget: Duration::from_millis(self.rooms.replay_budget_ms),
            idle: (self.rooms.idle_ms > 0).then(|| Duration::from_millis(self.rooms.idle_ms)),
            hot_edges: self.rooms.hot_edges as usize,
            cold_edges: self.rooms.cold_edges as usize,
            cold_after: Duration::from_millis(self.rooms.cold_after_ms),
            inviter: self.auth.validated_inviter(),
            log_max_age: Duration::from_secs(self.cluster.log_max_age_s),
            metrics: WorkerMetrics::default(),
            questions: Questions::default(),
            kill: Kill::default(),
            supervisor: Supervisor::default(),
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
    fn a_snapshot_is_written_before_the_log_drops_its_entries() {
        let check = |delay_ms: &str| {
            let sources = Sources::new(None).environment([
                ("GRANDSTAND_WORKER_ROOMS_SNAPSHOT_DELAY_MS", delay_ms),
                ("GRANDSTAND_WORKER_CLUSTER_LOG_MAX_AGE_S", "600"),
            ]);
            load::<WorkerConfig>(&sources).map(drop)
        };
        check("300000").unwrap();
        let error = check("300001").unwrap_err().to_string();
        assert!(error.contains("cluster.log_max_age_s"), "{error}");
    }

    #[test]
    fn every_problem_of_the_configuration_is_reported_at_once() {
        let sources = Sources::new(None)
            .environment([("GRANDSTAND_WORKER_ROOMS_SNAPSHOT_ENTRIES", "0")])
            .flag("--name", "worker.name", Some("a b"));
        let error = load::<WorkerConfig>(&sources).unwrap_err();
        let keys: Vec<_> = error.problems().iter().map(|p| p.key.as_str()).collect();
        assert_eq!(keys, ["worker.name", "rooms.snapshot_entries"]);
    }
}
