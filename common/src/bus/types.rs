//! What goes over the bus, and what its readers yield.

use bytes::Bytes;
use grandstand_types::id::Partition;

/// A message of the lossy part of the bus: at most once, in order per sender and subject.
#[derive(Debug, Clone)]
pub struct Message {
    /// Where it was sent.
    pub subject: String,
    /// Where an answer goes, if it is a request.
    pub reply: Option<String>,
    /// What it says.
    pub payload: Bytes,
}

/// The key-value buckets. A key has one value (history 1) and a revision that grows at every write of the bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bucket {
    /// Snapshots and the checkpoint of a partition; several partitions share a bucket.
    Rooms(Partition),
    /// [`WorkerRecord`](crate::record::WorkerRecord) by worker id.
    Workers,
    /// [`Lease`](crate::record::Lease) by partition.
    Leases,
    /// Rooms that cannot be loaded or run (D14), by `{p}.{room}`.
    Quarantine,
    /// [`ClusterRecord`](crate::record::ClusterRecord) under `settings`.
    Cluster,
}

/// A key's state in a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvEntry {
    /// The key.
    pub key: String,
    /// The value; `None` for the marker of a deletion.
    pub value: Option<Bytes>,
    /// The write that made it; what a compare-and-swap expects. A marker has one too.
    pub revision: u64,
    /// When, by the server's clock, Unix milliseconds.
    pub time_ms: u64,
}

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Its place in its stream: grows, with gaps (other partitions share the stream).
    pub seq: u64,
    /// When it was stored, by the server's clock, Unix milliseconds.
    pub time_ms: u64,
    /// Where it was appended.
    pub subject: String,
    /// What it says.
    pub payload: Bytes,
}

/// What a reader of the log or of a bucket yields (D10, D20).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read<T> {
    /// The next one, and how many more were stored behind it when it was sent.
    Item(T, u64),
    /// All that was stored when this was sent has been delivered. Comes at once if there was nothing to deliver, and with
    /// every idle heartbeat.
    Idle,
    /// The reader lost its place and could not go on from it: start anew. The last thing that it yields.
    Lost,
}

/// Where a partition's stream begins and ends (D11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogState {
    /// The first sequence that is still there.
    pub first: u64,
    /// The last sequence that was stored; `first - 1` if the stream is empty.
    pub last: u64,
    /// When the stream was created, Unix milliseconds.
    pub created_ms: u64,
}

/// Whether the bus can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Yes. The number counts the connections made so far, so that a reconnect is a change.
    Up(u64),
    /// No; it is being tried.
    Down,
}

/// Whether there is a second way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// There is one server, or the bus is in this process: a second way would be the first.
    NotNeeded,
    /// There are other servers, but none that can be reached now.
    Missing,
    /// There is. The number counts the connections, so that another one is a change.
    There(u64),
}
