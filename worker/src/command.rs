//! The commands of an engine to its driver, and their outcomes.

use std::time::Duration;

use bytes::Bytes;
use grandstand_common::bus::{Bucket, KvEntry, LogState};
use grandstand_common::id::{Epoch, Partition, WorkerId};

pub use grandstand_common::clock::Now;

/// Names a command until its [`Outcome`] is there. Never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub(crate) u64);

/// Which keys of a partition a reader streams; all begin with [`partition_prefix`](grandstand_common::subject::partition_prefix).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KvSource {
    /// The checkpoint and the snapshots, in [`Bucket::Rooms`].
    Rooms,
    /// The quarantined rooms, in [`Bucket::Quarantine`].
    Quarantine,
}

impl KvSource {
    /// The bucket to read.
    pub fn bucket(self, partition: Partition) -> Bucket {
        match self {
            Self::Rooms => Bucket::Rooms(partition),
            Self::Quarantine => Bucket::Quarantine,
        }
    }
}

/// A command to the driver. Each command with a token requires exactly one [`Outcome`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Append to the log. Outcome: `Appended` or `Failed`.
    Append {
        /// Where.
        subject: String,
        /// An encoded [`Entry`](grandstand_common::wire::Entry).
        payload: Bytes,
        /// For the outcome.
        token: Token,
    },
    /// Write a key if its revision is the expected one. Outcome: `Stored`, `Conflict` or `Failed`.
    PutIf {
        /// The bucket.
        bucket: Bucket,
        /// The key.
        key: String,
        /// The value.
        value: Bytes,
        /// The revision of the value or of the marker that is there; 0 if there is neither.
        expected: u64,
        /// For the outcome.
        token: Token,
    },
    /// Delete a key if its revision is the expected one. Outcome: `Stored` (the marker's revision), `Conflict` or `Failed`.
    DeleteIf {
        /// The bucket.
        bucket: Bucket,
        /// The key.
        key: String,
        /// The revision of the value.
        expected: u64,
        /// For the outcome.
        token: Token,
    },
    /// Read a key from the bucket's leader. Outcome: `Value` or `Failed`.
    Get {
        /// The bucket.
        bucket: Bucket,
        /// The key.
        key: String,
        /// For the outcome.
        token: Token,
    },
    /// Look where the partition's stream begins and ends. Outcome: `Log` or `Failed`.
    LogState {
        /// The partition.
        partition: Partition,
        /// For the outcome.
        token: Token,
    },
    /// Read the partition's log from this sequence on (the first that is there, if that is later): `handle_log…`. Takes
    /// the place of the reader that there was.
    OpenLog {
        /// The partition.
        partition: Partition,
        /// The first sequence.
        from: u64,
    },
    /// Stop reading the partition's log.
    CloseLog {
        /// The partition.
        partition: Partition,
    },
    /// Stream keys of the partition, those that are there and those that come: `handle_kv…`. Takes the place of the
    /// reader that there was.
    OpenKv {
        /// The partition.
        partition: Partition,
        /// Which keys.
        source: KvSource,
    },
    /// Stop streaming keys.
    CloseKv {
        /// The partition.
        partition: Partition,
        /// Which keys.
        source: KvSource,
    },
    /// Send to an edge; at most once is enough.
    Publish {
        /// Where.
        subject: String,
        /// An encoded [`Batch`](grandstand_common::wire::Batch).
        payload: Bytes,
    },
    /// Answer a request.
    Reply {
        /// The request's reply subject, as it was given.
        to: String,
        /// The answer.
        payload: Bytes,
    },
    /// The takeover is done: set the lease's `ready`, answer `ctl` from now on.
    Ready {
        /// The partition.
        partition: Partition,
        /// Its epoch.
        epoch: Epoch,
    },
    /// All is stored and nothing of the partition is held any more: the lease may be released.
    Released {
        /// The partition.
        partition: Partition,
        /// Its epoch.
        epoch: Epoch,
    },
    /// Another owner's epoch was seen: the partition is gone, and nothing of it is held any more.
    Lost {
        /// The partition.
        partition: Partition,
        /// The epoch that it had here.
        epoch: Epoch,
    },
}

/// The outcome of a [`Command`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Appended, at this sequence.
    Appended(u64),
    /// Written, with this revision.
    Stored(u64),
    /// Not written: the revision is another one.
    Conflict,
    /// Not known: it may or may not have been done.
    Failed,
    /// The key, its marker, or nothing.
    Value(Option<KvEntry>),
    /// The stream.
    Log(LogState),
}

/// The configuration of an [`Engine`](crate::engine::Engine).
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// This worker.
    pub worker: WorkerId,
    /// Names the build: a room that one build put in quarantine is tried once more by another (D14).
    pub build: String,
    /// The bus' largest payload, bytes.
    pub max_payload: usize,
    /// How many bytes of updates are kept per lane, and come between two of its snapshots.
    pub ring_bytes: usize,
    /// The largest snapshot of a room, bytes.
    pub state_bytes: usize,
    /// Uncovered entries after which a room is written.
    pub snapshot_entries: u32,
    /// How long an entry stays uncovered.
    pub snapshot_delay: Duration,
    /// Writes of rooms in flight.
    pub writes: usize,
    /// The least time between two writes of a checkpoint.
    pub checkpoint_interval: Duration,
    /// The least time between two presences of a room.
    pub presence_interval: Duration,
    /// The time until a room without connections and watchers leaves memory; `None` for never.
    pub idle: Option<Duration>,
    /// A room that more edges watch than this is hot: what concerns all of them is published once.
    pub hot_edges: usize,
    /// With fewer edges than this a room is not hot any more,
    pub cold_edges: usize,
    /// when it has been so for this long.
    pub cold_after: Duration,
    /// Rooms per partition that are watched but do not exist; more are answered `Absent` and forgotten.
    pub absent_rooms: usize,
}

impl EngineConfig {
    /// The defaults.
    pub fn new(worker: WorkerId) -> Self {
        Self {
            worker,
            build: env!("CARGO_PKG_VERSION").to_owned(),
            max_payload: 1024 * 1024,
            ring_bytes: 64 * 1024,
            state_bytes: 768 * 1024,
            snapshot_entries: 32,
            snapshot_delay: Duration::from_secs(1),
            writes: 64,
            checkpoint_interval: Duration::from_secs(1),
            presence_interval: Duration::from_millis(500),
            idle: None,
            hot_edges: 64,
            cold_edges: 32,
            cold_after: Duration::from_secs(60),
            absent_rooms: 65_536,
        }
    }
}
