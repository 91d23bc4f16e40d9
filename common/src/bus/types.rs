//! Messages, entries and keys on the bus.

use std::fmt;

use bytes::Bytes;
use grandstand_types::id::{Partition, Topic};

/// A message of the lossy part of the bus: at most once, in order per sender and subject.
#[derive(Debug, Clone)]
pub struct Message {
    /// The subject that it was sent to.
    pub subject: String,
    /// The subject for an answer, if this is a request.
    pub reply: Option<String>,
    /// The content.
    pub payload: Bytes,
}

/// The role of a process on the bus, which decides the permissions that it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BusRole {
    /// An edge.
    Edge,
    /// A worker.
    Worker,
    /// An archive, which reads what games emit and answers questions about leaderboards.
    Archive,
    /// An outlet, which delivers what games emit and call to addresses of HTTP.
    Outlet,
    /// A tool that only reads, such as `grandstand replay`.
    Tool,
    /// `grandstand rooms`, which asks owners and appends entries.
    Operator,
    /// `grandstand cluster repartition`, which moves all rooms to other streams.
    Repartition,
}

impl fmt::Display for BusRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Edge => "edge",
            Self::Worker => "worker",
            Self::Archive => "archive",
            Self::Outlet => "outlet",
            Self::Tool => "tool",
            Self::Operator => "operator",
            Self::Repartition => "repartition",
        })
    }
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
    /// [`Revocation`](crate::auth::Revocation) by [`Target::key`](crate::auth::Target::key); each is removed when it ends.
    Revocations,
    /// The worlds of rooms in real time, by room.
    Worlds,
    /// The places of outlets in the stream of what games emit, and the items that they could not deliver.
    Outlet,
    /// [`RoomListing`](crate::record::RoomListing) by [`listing_key`](crate::subject::listing_key).
    Listings,
}

/// A write of a key.
#[derive(Debug, Clone)]
pub(crate) enum KeyWrite {
    /// Stores a value. With `ttl_s`, it is removed after that many seconds.
    Value { value: Bytes, ttl_s: Option<u64> },
    /// Stores the marker of a deletion, which is removed after `ttl_s` seconds.
    Deletion { ttl_s: u64 },
}

/// A key's state in a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvEntry {
    /// The key.
    pub key: String,
    /// The value; `None` for the marker of a deletion.
    pub value: Option<Bytes>,
    /// The revision of the write; a compare-and-swap expects it. Markers have one too.
    pub revision: u64,
    /// The time of the write by the server's clock, in Unix milliseconds.
    pub time_ms: u64,
}

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Its sequence in the stream: it grows, with gaps, because partitions share a stream.
    pub seq: u64,
    /// The time of the append by the server's clock, in Unix milliseconds.
    pub time_ms: u64,
    /// The subject that it was appended to.
    pub subject: String,
    /// The content.
    pub payload: Bytes,
}

/// An item from a reader of the log or of a bucket (D10, D20).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read<T> {
    /// The next entry, and the number of entries that were stored after it when it was sent.
    Item(T, u64),
    /// Everything stored when this was sent has been delivered. Comes at once if there was nothing to deliver, and with
    /// every idle heartbeat.
    Idle,
    /// The reader lost its position and cannot continue; open another one. This is the last item.
    Lost,
}

/// The first and last sequence of a partition's stream (D11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogState {
    /// The first sequence that still exists.
    pub first: u64,
    /// The last stored sequence; `first - 1` if the stream is empty.
    pub last: u64,
    /// The time when the stream was created, in Unix milliseconds.
    pub created_ms: u64,
}

/// A place in the stream of what games emit, for a consumer to store beside what it has made of the items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutPosition {
    /// The time when the stream was created, in Unix milliseconds. It tells a stream from one that was created again.
    pub created_ms: u64,
    /// The sequence of the last item that the consumer has.
    pub seq: u64,
}

/// An item that a game emitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutItem {
    /// Its sequence in the stream: it grows, with gaps, because a reader may read some topics only.
    pub seq: u64,
    /// The time at which it was stored, by the server's clock, in Unix milliseconds.
    pub time_ms: u64,
    /// Its topic.
    pub topic: Topic,
    /// Its id. The same item may come more than once, with the same id.
    pub id: String,
    /// The content, as JSON: an [`Emitted`](crate::wire::Emitted).
    pub body: Bytes,
}

/// The gap between a position and what a reader can still deliver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutGap {
    /// Nothing: it goes on behind the position.
    None,
    /// Items behind the position may have been removed unread, because the stream kept them long enough or is full.
    Removed,
    /// The stream was created again, or has lost its end. It is read from its beginning, so that items may come that the
    /// consumer has.
    Restarted,
}

impl OutPosition {
    /// Returns the sequence from which a reader reads that goes on behind a position, and what it cannot deliver.
    pub(crate) fn resume(after: Option<Self>, stream: &LogState) -> (u64, OutGap) {
        match after {
            None => (stream.first, OutGap::None),
            Some(after) if after.created_ms != stream.created_ms || after.seq > stream.last => {
                (stream.first, OutGap::Restarted)
            }
            Some(after) if after.seq + 1 < stream.first => (stream.first, OutGap::Removed),
            Some(after) => (after.seq + 1, OutGap::None),
        }
    }
}

/// The state of the connection to the bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionState {
    /// Connected. The number counts connections so far, so that a reconnect is a change.
    Up(u64),
    /// Disconnected; the client tries to reconnect.
    Down,
}

/// The state of a [`SecondConnection`](crate::bus::SecondConnection).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecondConnectionState {
    /// There is one server, or the bus is in this process, so a second connection would prove nothing.
    NotNeeded,
    /// There are other servers, but none can be reached at the moment.
    Missing,
    /// Connected to another server. The number counts connections, so that another one is a change.
    Connected(u64),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_goes_on_or_says_what_is_missing() {
        let stream = LogState {
            first: 5,
            last: 9,
            created_ms: 70,
        };
        let resume =
            |created_ms, seq| OutPosition::resume(Some(OutPosition { created_ms, seq }), &stream);
        assert_eq!(OutPosition::resume(None, &stream), (5, OutGap::None));
        assert_eq!(resume(70, 7), (8, OutGap::None));
        assert_eq!(resume(70, 9), (10, OutGap::None));
        assert_eq!(resume(70, 4), (5, OutGap::None));
        assert_eq!(resume(70, 3), (5, OutGap::Removed));
        assert_eq!(resume(70, 10), (5, OutGap::Restarted));
        assert_eq!(resume(71, 7), (5, OutGap::Restarted));
    }
}
