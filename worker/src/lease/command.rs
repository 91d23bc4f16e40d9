//! What the machine wants done, and what it is told of it.

use bytes::Bytes;
use grandstand_common::bus::KvEntry;
use grandstand_common::id::{Epoch, Partition, WorkerId};

/// What a machine is made for.
#[derive(Debug, Clone)]
pub struct LeaseSettings {
    /// The worker: its configured name and a part that is random at every start.
    pub id: WorkerId,
    /// The build, for people.
    pub build: String,
    /// How many partitions there are.
    pub partitions: u16,
    /// The bus is this process's own (D18): no other worker can be alive.
    pub alone: bool,
}

/// Where a record lies.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RecordKey {
    /// Bucket `workers`, a worker's record.
    Worker(WorkerId),
    /// Bucket `leases`, a partition's lease.
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

/// What the machine wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseCommand {
    /// Write if the key is still at `expected` (0: there is none). Answered by exactly one [`LeaseMachine::handle_put`](super::LeaseMachine::handle_put).
    Put {
        /// Where.
        record: RecordKey,
        /// What.
        value: Bytes,
        /// In record of which revision.
        expected: u64,
    },
    /// Look a key up. Answered by exactly one [`LeaseMachine::handle_get`](super::LeaseMachine::handle_get).
    Get {
        /// Where.
        record: RecordKey,
    },
    /// Delete if the key is still at `expected`. Not answered.
    Delete {
        /// Where.
        record: RecordKey,
        /// Of which revision.
        expected: u64,
    },
    /// Request `worker.{id}.alive`. Answered by exactly one [`LeaseMachine::handle_probe`](super::LeaseMachine::handle_probe).
    Probe(Probe),
    /// The partition is this worker's. Read it, then say [`LeaseMachine::handle_ready`](super::LeaseMachine::handle_ready).
    Start {
        /// Which.
        partition: Partition,
        /// Under which epoch.
        epoch: Epoch,
    },
    /// The partition is to be given away. Stop its intake, let its snapshots be stored, then say
    /// [`LeaseMachine::handle_stopped`](super::LeaseMachine::handle_stopped).
    Stop {
        /// Which.
        partition: Partition,
    },
    /// The partition is another's: drop it at once, and write nothing more.
    Lost {
        /// Which.
        partition: Partition,
    },
    /// Another worker found this one dead: drop everything at once, and begin anew with a new machine under a new id.
    Dead,
    /// The worker left: nothing is its own any more. Comes after [`LeaseMachine::handle_leave`](super::LeaseMachine::handle_leave).
    Left,
}

/// A question to a worker whether it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Which round of probes this belongs to.
    pub round: u64,
    /// Who is asked.
    pub worker: WorkerId,
    /// Over which connection.
    pub observer: Observer,
}

/// A connection over which workers are asked whether they are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observer {
    /// The bus' own.
    First,
    /// One to another server of the cluster.
    Second,
}

/// What became of a put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutOutcome {
    /// It is stored, with this revision.
    Stored(u64),
    /// The key was at another revision.
    Conflict,
    /// Nobody said.
    Unknown,
}

/// What a look found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GetOutcome {
    /// This.
    Found(KvEntry),
    /// There is no such key.
    Missing,
    /// Nobody said.
    Failed,
}

/// What became of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeOutcome {
    /// The worker answered.
    Alive,
    /// The bus says that nobody listens there.
    NoResponders,
    /// Nothing was heard.
    Timeout,
}
