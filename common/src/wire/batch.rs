//! Messages from owners to edges.

use super::entry::Empty;
use super::item::{
    Closed, Direct, Gone, LiveOut, Presence, Processed, Refused, Rejected, Snapshot, Update,
};

/// Everything that a worker has for an edge after one turn of its loop, on `edge.{edge}`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Batch {
    /// The sender: a worker, or one of its loops ([`Lease::sender`](crate::record::Lease::sender)).
    #[prost(string, tag = "3")]
    pub worker: String,
    /// 1, 2, 3 … per sender and edge (D19). A heartbeat repeats the last number (0 before the first).
    #[prost(uint64, tag = "4")]
    pub number: u64,
    /// Whether this is a heartbeat: it has no rooms and only carries the last number.
    #[prost(bool, tag = "5")]
    pub beat: bool,
    /// The events of each room.
    #[prost(message, repeated, tag = "6")]
    pub rooms: Vec<RoomBatch>,
}

/// The events of one room, in order.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RoomBatch {
    /// The room.
    #[prost(string, tag = "3")]
    pub room: String,
    /// The epoch of the partition's owner. Edges drop batches of an older epoch than they have seen (D15).
    #[prost(uint64, tag = "4")]
    pub epoch: u64,
    /// The room's instance; 0 if the room does not exist.
    #[prost(uint64, tag = "5")]
    pub instance: u64,
    /// The events.
    #[prost(message, repeated, tag = "6")]
    pub items: Vec<Item>,
    /// On `hot.{room}`: the room's stream that these items belong to. On `edge.{edge}`: the room's stream; 0 if the
    /// room is not hot.
    #[prost(uint64, tag = "7")]
    pub stream: u64,
    /// On `hot.{room}`: the number of the first item. Without items (a heartbeat), the number of the next item. On
    /// `edge.{edge}`: the number of the stream's next item; these items belong before it.
    #[prost(uint64, tag = "8")]
    pub first: u64,
}

/// One event of a room.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Item {
    /// The event.
    #[prost(
        oneof = "ItemKind",
        tags = "3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15"
    )]
    pub kind: Option<ItemKind>,
}

/// The content of an [`Item`].
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum ItemKind {
    /// The whole view of a lane.
    #[prost(message, tag = "3")]
    Snapshot(Snapshot),
    /// A change of one or both lanes' views.
    #[prost(message, tag = "4")]
    Update(Update),
    /// Data for one player; it replaces the data before.
    #[prost(message, tag = "5")]
    Direct(Direct),
    /// The game refused an input. Comes before the `Processed` that covers it (D4).
    #[prost(message, tag = "6")]
    Rejected(Rejected),
    /// A session's entries are processed, and therefore durable (D4).
    #[prost(message, tag = "7")]
    Processed(Processed),
    /// A session's `Joined` was refused; the session does not exist.
    #[prost(message, tag = "8")]
    Refused(Refused),
    /// The owner does not have this session (any more); the edge drops its window.
    #[prost(message, tag = "9")]
    Gone(Gone),
    /// A lossy message.
    #[prost(message, tag = "10")]
    LiveOut(LiveOut),
    /// The players and viewers.
    #[prost(message, tag = "11")]
    Presence(Presence),
    /// The room does not exist (yet); answers a watch.
    #[prost(message, tag = "12")]
    Absent(Empty),
    /// The room is over and deleted, or unavailable: all its clients leave.
    #[prost(message, tag = "13")]
    Closed(Closed),
    /// The end of the answer to a [`RoomInterest::sync`](super::RoomInterest::sync): the edge has everything that it
    /// lacked of the room. Until then, after a gap or a change of owner, a `Processed` may cover a `Rejected` that the
    /// edge has not received (D4).
    #[prost(message, tag = "14")]
    Synced(Synced),
    /// The subjects of this edge's room-wide items from here on (D22).
    #[prost(message, tag = "15")]
    Hot(Hot),
}

/// The end of the answer to a sync.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Synced {
    /// The [`RoomInterest::sync_number`](super::RoomInterest::sync_number) of the request; 0 if the owner does not know it.
    #[prost(uint64, tag = "3")]
    pub number: u64,
}

/// The subjects on which an edge gets a room's room-wide items from here on.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Hot {
    /// The room's stream on `hot.{room}`; 0 if the room is not hot.
    #[prost(uint64, tag = "3")]
    pub stream: u64,
    /// The number of the stream's next item.
    #[prost(uint64, tag = "4")]
    pub next: u64,
    /// The subject of the following items.
    #[prost(enumeration = "HotSubjects", tag = "5")]
    pub way: i32,
}

/// The subjects on which an edge gets a room's room-wide items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
pub enum HotSubjects {
    /// The edge's own subject alone: the room is not hot (any more).
    Direct = 0,
    /// Both subjects: the edge subscribes to `hot.{room}`, and reports when it has received something there.
    Both = 1,
    /// `hot.{room}` alone, from [`Hot::next`] on.
    Hot = 2,
}
