//! The commands of an engine to its driver, and their outcomes.

use std::time::Duration;

use bytes::Bytes;
use grandstand_common::auth::Inviter;
use grandstand_common::bus::{Bucket, KvEntry, LogState};
use grandstand_common::id::{Epoch, Partition, RoomId, Topic, WorkerId};
use grandstand_common::layout::Layout;
use grandstand_common::record::GameVersions;

pub use grandstand_common::log_clock::Now;

/// The most bytes of the state of a room's game, unless a worker is configured otherwise.
pub(crate) const MAX_STATE_BYTES: usize = 768 * 1024;

/// Identifies a command until its [`Outcome`] arrives. Never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub(crate) u64);

/// The keys of a partition that a reader streams. All begin with
/// [`partition_prefix`](grandstand_common::subject::partition_prefix).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KvSource {
    /// The checkpoint and the stored snapshots, in [`Bucket::Rooms`].
    Rooms,
    /// The quarantine records, in [`Bucket::Quarantine`].
    Quarantine,
}

impl KvSource {
    /// Returns the bucket of these keys.
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
        /// The subject to publish to.
        subject: String,
        /// An encoded [`Entry`](grandstand_common::wire::Entry).
        payload: Bytes,
        /// The token of the outcome.
        token: Token,
    },
    /// Append to the stream of what games emit. Outcome: `Appended` or `Failed`.
    Emit {
        /// The topic.
        topic: Topic,
        /// The id.
        id: String,
        /// An [`Emitted`](grandstand_common::wire::Emitted) as JSON.
        body: Bytes,
        /// The token of the outcome.
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
        /// The revision of the stored value or marker; 0 if there is neither.
        expected: u64,
        /// The token of the outcome.
        token: Token,
    },
    /// Write a key if its revision is the expected one. It is removed after `ttl`. Outcome: `Stored`, `Conflict` or `Failed`.
    PutExpiring {
        /// The bucket.
        bucket: Bucket,
        /// The key.
        key: String,
        /// The value.
        value: Bytes,
        /// The time after which it is removed.
        ttl: Duration,
        /// The revision of the stored value or marker; 0 if there is neither.
        expected: u64,
        /// The token of the outcome.
        token: Token,
    },
    /// Delete a key if its revision is the expected one. Outcome: `Stored` (the marker's revision), `Conflict` or
    /// `Failed`.
    DeleteIf {
        /// The bucket.
        bucket: Bucket,
        /// The key.
        key: String,
        /// The revision of the value.
        expected: u64,
        /// The token of the outcome.
        token: Token,
    },
    /// Read a key from the bucket's leader. Outcome: `Value` or `Failed`.
    Get {
        /// The bucket.
        bucket: Bucket,
        /// The key.
        key: String,
        /// The token of the outcome.
        token: Token,
    },
    /// Look up where the partition's log begins and ends. Outcome: `Log` or `Failed`.
    LogState {
        /// The partition.
        partition: Partition,
        /// The token of the outcome.
        token: Token,
    },
    /// Read the partition's log from this sequence on, or from the first stored one if that is later. Pass the entries to
    /// `handle_log…`. Replaces the partition's previous reader.
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
    /// Read the entries of one room from this sequence on, or from the first stored one if that is later. Pass them to
    /// `handle_room_log`.
    OpenRoom {
        /// The partition.
        partition: Partition,
        /// The room.
        room: RoomId,
        /// The first sequence.
        from: u64,
        /// The number of the reader.
        reader: u64,
    },
    /// Stop reading the entries of one room.
    CloseRoom {
        /// The partition.
        partition: Partition,
        /// The number of the reader.
        reader: u64,
    },
    /// Stream keys of the partition, stored and new ones. Pass them to `handle_kv…`. Replaces the previous reader of
    /// the same keys.
    OpenKv {
        /// The partition.
        partition: Partition,
        /// The keys to read.
        source: KvSource,
    },
    /// Stop streaming keys.
    CloseKv {
        /// The partition.
        partition: Partition,
        /// The keys to read.
        source: KvSource,
    },
    /// Send to an edge, at most once.
    Publish {
        /// The subject to publish to.
        subject: String,
        /// An encoded [`Batch`](grandstand_common::wire::Batch).
        payload: Bytes,
    },
    /// Answer a request.
    Reply {
        /// The reply subject of the request.
        to: String,
        /// The answer.
        payload: Bytes,
    },
    /// The takeover is complete. Set `ready` in the lease, and answer on `ctl` from now on.
    Ready {
        /// The partition.
        partition: Partition,
        /// Its epoch.
        epoch: Epoch,
    },
    /// Store in the partition's lease that its rooms need these versions of games, then pass what the stored lease says to
    /// `handle_needs`. Replaces an earlier one.
    RaiseNeeds {
        /// The partition.
        partition: Partition,
        /// Its epoch.
        epoch: Epoch,
        /// The highest version of each game.
        needs: GameVersions,
    },
    /// The handover is complete: everything is stored and the partition is dropped. The lease may be released.
    Released {
        /// The partition.
        partition: Partition,
        /// Its epoch.
        epoch: Epoch,
    },
    /// A later owner's epoch was found: the partition is lost and dropped.
    Lost {
        /// The partition.
        partition: Partition,
        /// Its epoch on this worker.
        epoch: Epoch,
        /// The later epoch.
        later: Epoch,
    },
    /// The bucket of a partition's rooms came back in an older state than it had acked (D23): the partition is dropped, and
    /// must be taken over again with a higher epoch.
    RolledBack {
        /// The partition.
        partition: Partition,
        /// Its epoch.
        epoch: Epoch,
    },
}

/// The outcome of a [`Command`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Appended at this sequence.
    Appended(u64),
    /// Written with this revision.
    Stored(u64),
    /// Not written, because the stored revision is another one.
    Conflict,
    /// Unknown: the command may or may not have been carried out.
    Failed,
    /// The key's value or marker; `None` if there is neither.
    Value(Option<KvEntry>),
    /// The first and last sequence of the log.
    Log(LogState),
}

/// The configuration of an [`Engine`](crate::engine::Engine).
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// The sender of the batches: this worker, or one of its loops.
    pub worker: WorkerId,
    /// The partitions of the cluster, to which rooms send messages.
    pub layout: Layout,
    /// The id of the build. A room that one build put in quarantine is tried again by another build (D14).
    pub build: String,
    /// The bus' payload limit, bytes.
    pub max_payload: usize,
    /// The bus' limit of a value with its headers, bytes.
    pub value_bytes: usize,
    /// The bus' limits that rooms may rely on, bytes. A room that exceeds a lower one is not at fault (D27).
    pub full_payload: usize,
    /// Bytes of updates that are kept per lane. The lane's snapshot is sent again after as many bytes.
    pub ring_bytes: usize,
    /// The limit of the state of a room's game, bytes.
    pub state_bytes: usize,
    /// The number of uncovered entries after which a room is written.
    pub snapshot_entries: u32,
    /// The bytes of uncovered entries after which a room is written, unless its last snapshot is larger.
    pub snapshot_bytes: u64,
    /// The time after which a room with an uncovered entry is written, for each begun 64 KiB of its last snapshot.
    pub snapshot_delay: Duration,
    /// The longest time after which a room with an uncovered entry is written.
    pub snapshot_max_delay: Duration,
    /// The time within which a successor is to replay a partition.
    pub replay_budget: Duration,
    /// The limit of writes of rooms in flight.
    pub writes: usize,
    /// The minimum interval between two writes of a checkpoint.
    pub checkpoint_interval: Duration,
    /// A checkpoint that covers fewer further entries than this is written after `checkpoint_delay`.
    pub checkpoint_entries: u64,
    /// The interval between two writes of a checkpoint that covers few further entries.
    pub checkpoint_delay: Duration,
    /// The bytes of snapshots that takeovers keep for rooms that are needed soon. Other snapshots are read from the bus.
    pub kept_bytes: usize,
    /// The minimum interval between two presences of a room.
    pub presence_interval: Duration,
    /// The time until a room without connections and watchers leaves memory; `None` for never.
    pub idle: Option<Duration>,
    /// A room becomes hot when more edges than this watch it.
    pub hot_edges: usize,
    /// A hot room with fewer edges than this stops being hot after `cold_after`.
    pub cold_edges: usize,
    /// The time that a hot room must have fewer edges than `cold_edges` before it becomes cold.
    pub cold_after: Duration,
    /// The limit per partition of watched rooms that do not exist. Further ones are answered with `Absent` and
    /// forgotten.
    pub absent_rooms: usize,
    /// Signs the invitations of games; without it they have no token.
    pub inviter: Option<Inviter>,
}

impl EngineConfig {
    /// Returns the defaults.
    pub fn new(worker: WorkerId) -> Self {
        Self {
            worker,
            layout: Layout::new(256, 4),
            build: env!("CARGO_PKG_VERSION").to_owned(),
            max_payload: 1024 * 1024,
            value_bytes: 1024 * 1024,
            full_payload: 1024 * 1024,
            ring_bytes: 64 * 1024,
            state_bytes: MAX_STATE_BYTES,
            snapshot_entries: 256,
            snapshot_bytes: 32 * 1024,
            snapshot_delay: Duration::from_secs(60),
            snapshot_max_delay: Duration::from_secs(1_800),
            replay_budget: Duration::from_millis(500),
            writes: 64,
            checkpoint_interval: Duration::from_secs(1),
            checkpoint_entries: 1_024,
            checkpoint_delay: Duration::from_secs(300),
            kept_bytes: 32 * 1024 * 1024,
            presence_interval: Duration::from_millis(500),
            idle: None,
            hot_edges: 64,
            cold_edges: 32,
            cold_after: Duration::from_secs(60),
            absent_rooms: 65_536,
            inviter: None,
        }
    }
}
