//! The commands of the lease machine, their outcomes, and its settings.

use std::collections::BTreeMap;

use bytes::Bytes;
use grandstand_common::bus::KvEntry;
use grandstand_common::id::{Epoch, Partition, WorkerId};
use grandstand_common::layout::Layout;
use grandstand_common::record::{GameVersions, StuckEntry};

/// The settings of a lease machine.
#[derive(Debug, Clone)]
pub struct LeaseSettings {
    /// The worker's id: its configured name and a suffix that is random at every start.
    pub id: WorkerId,
    /// The id of the build, for people who read the record.
    pub build: String,
    /// The games that the worker runs.
    pub games: GameVersions,
    /// The partitions of the cluster.
    pub layout: Layout,
    /// The senders of the worker's loops. The loop of a partition is its number modulo their number.
    pub senders: Vec<WorkerId>,
    /// Whether the bus is embedded in this process, so that no other worker can be alive (D18).
    pub alone: bool,
    /// The knowledge from an earlier machine of the process.
    pub carried_over: CarriedOver,
}

/// The knowledge that a worker keeps when it starts again with a new machine and a new id.
#[derive(Debug, Clone, Default)]
pub struct CarriedOver {
    /// Its former id, whose record may still say that it is alive.
    pub id: Option<WorkerId>,
    /// The highest epoch of each partition that was seen.
    pub epochs: BTreeMap<Partition, Epoch>,
}

/// The bucket and key of a record.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RecordKey {
    /// The record of a worker, in the bucket `workers`.
    Worker(WorkerId),
    /// The lease of a partition, in the bucket `leases`.
    Lease(Partition),
}

impl RecordKey {
    /// The key in its bucket.
    pub fn key(&self) -> String {
        match self {
            Self::Worker(id) => id.to_string(),
            Self::Lease(partition) => partition.to_string(),
        }
    }
}

/// A command of the lease machine to the driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseCommand {
    /// Write the record if its revision is `expected`. Requires exactly one
    /// [`LeaseMachine::handle_put`](super::LeaseMachine::handle_put).
    Put {
        /// The record.
        record: RecordKey,
        /// The encoded record.
        value: Bytes,
        /// The revision to replace; 0 if there must be no record.
        expected: u64,
    },
    /// Read the record. Requires exactly one [`LeaseMachine::handle_get`](super::LeaseMachine::handle_get).
    Get {
        /// The record.
        record: RecordKey,
    },
    /// Delete the record if its revision is `expected`. The machine does not wait for the outcome.
    Delete {
        /// The record.
        record: RecordKey,
        /// The revision to delete.
        expected: u64,
    },
    /// Send a request to `worker.{id}.alive`. Requires exactly one
    /// [`LeaseMachine::handle_probe`](super::LeaseMachine::handle_probe).
    Probe(Probe),
    /// Take over the partition, which the worker owns now, then call
    /// [`LeaseMachine::handle_ready`](super::LeaseMachine::handle_ready).
    Start {
        /// The partition.
        partition: Partition,
        /// The epoch of the lease.
        epoch: Epoch,
        /// The entries at which a loop of an owner got stuck.
        stuck: Vec<StuckEntry>,
    },
    /// Note what the stored lease of an owned partition says its rooms need. Follows [`Start`](Self::Start) if that is
    /// anything, and every change.
    Needs {
        /// The partition.
        partition: Partition,
        /// The epoch of the lease.
        epoch: Epoch,
        /// The highest version of each game.
        needs: GameVersions,
    },
    /// Stop the intake of the partition, which is to be handed over, and store its snapshots. Then call
    /// [`LeaseMachine::handle_stopped`](super::LeaseMachine::handle_stopped).
    Stop {
        /// The partition.
        partition: Partition,
        /// The epoch of the lease.
        epoch: Epoch,
    },
    /// Drop the partition at once and write nothing more, because another worker has its lease.
    Lost {
        /// The partition.
        partition: Partition,
    },
    /// Drop everything at once and start again with a new machine and a new id, because another worker has marked this
    /// one as dead.
    Dead,
    /// Drop everything at once and start again with a new machine and a new id, because a bucket came back in an older
    /// state than it had acked (D23).
    RolledBack,
    /// End: the worker owns nothing any more. Follows [`LeaseMachine::handle_leave`](super::LeaseMachine::handle_leave).
    Left,
}

/// A request to a worker to confirm that it is alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The round of probes.
    pub round: u64,
    /// The worker to probe.
    pub worker: WorkerId,
    /// The connection to use.
    pub observer: Observer,
}

/// A connection over which workers are probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observer {
    /// The connection of the bus.
    First,
    /// The connection to another server of the cluster.
    Second,
}

/// The outcome of a [`LeaseCommand::Put`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutOutcome {
    /// The record is stored, with this revision.
    Stored(u64),
    /// The record had another revision.
    Conflict,
    /// There was no answer: the record may be stored or not.
    Unknown,
}

/// The outcome of a [`LeaseCommand::Get`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GetOutcome {
    /// The record.
    Found(KvEntry),
    /// There is no record.
    Missing,
    /// There was no answer.
    Failed,
}

/// The outcome of a [`LeaseCommand::Probe`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeOutcome {
    /// The worker answered.
    Alive,
    /// The server knows no subscriber of the worker's subject.
    NoResponders,
    /// There was no answer in time.
    Timeout,
}
