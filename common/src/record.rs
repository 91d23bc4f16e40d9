//! Small JSON records in the bus' key-value buckets that both edges and workers read.

use serde::{Deserialize, Serialize};

use grandstand_types::id::{Epoch, WorkerId};

/// Who owns a partition: bucket `leases`, key `{p}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The owner; `None` if it was released.
    pub worker: Option<WorkerId>,
    /// The owner's fencing number.
    pub epoch: Epoch,
    /// The owner has read the log to the end that it had at takeover, and answers `ctl`.
    pub ready: bool,
}

/// A worker: bucket `workers`, key its id. Renewed every 500 ms (D16).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerRecord {
    /// Whether it lives, leaves, or was found dead.
    pub state: WorkerState,
    /// Counts the renewals, so that each is a change.
    pub beat: u64,
    /// The build, for people.
    pub build: String,
}

/// Whether a worker lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkerState {
    /// It lives and takes its share.
    Alive,
    /// It gives its partitions away and will end.
    Leaving,
    /// Another worker found it dead; only then may its leases be taken.
    Dead,
}

/// How far snapshots cover a partition's log: beside its rooms, key `{p}.=checkpoint` (D9).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The owner that wrote it.
    pub epoch: Epoch,
    /// How often the log was cut or made anew (D11).
    pub generation: u64,
    /// The first sequence that is not covered by acked snapshots.
    pub seq: u64,
    /// When the log's stream was created, Unix milliseconds: another one means that it was made anew.
    #[serde(default)]
    pub created_ms: u64,
    /// Where the log was cut, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cuts: Vec<Cut>,
}

/// A place where the log was cut or made anew: what older generations covered from `seq` on is not there (D11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// The generation that begins here.
    pub generation: u64,
    /// Its first sequence.
    pub seq: u64,
}

impl Checkpoint {
    /// How far a snapshot of `generation` that was taken after `last` covers the log as it is now.
    pub fn covered(&self, generation: u64, last: u64) -> u64 {
        self.cuts
            .iter()
            .filter(|cut| cut.generation > generation)
            .fold(last, |covered, cut| covered.min(cut.seq.saturating_sub(1)))
    }
}

/// The key of the cluster's record, in bucket `cluster`.
pub(crate) const CLUSTER_KEY: &str = "settings";

/// What all processes of a cluster must agree on: bucket `cluster`, key `settings`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterRecord {
    /// [`BUS_PROTOCOL`](crate::wire::BUS_PROTOCOL).
    pub bus_protocol: u32,
    /// How many partitions rooms are hashed to.
    pub partitions: u16,
    /// How many streams (and room buckets) partitions are spread over.
    pub streams: u16,
}
