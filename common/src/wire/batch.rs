//! What owners send to edges.

use super::entry::Empty;
use super::item::{
    Closed, Direct, Gone, LiveOut, Presence, Processed, Refused, Rejected, Snapshot, Update,
};

/// All that a worker has for an edge after one turn of its loop, on `edge.{edge}`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Batch {
    /// The worker.
    #[prost(string, tag = "3")]
    pub worker: String,
    /// 1, 2, 3 … per worker and edge (D19). A beat repeats the last one (0 before the first).
    #[prost(uint64, tag = "4")]
    pub number: u64,
    /// This batch has no rooms and only says what the last number is.
    #[prost(bool, tag = "5")]
    pub beat: bool,
    /// What happened in each room.
    #[prost(message, repeated, tag = "6")]
    pub rooms: Vec<RoomBatch>,
}

/// What happened in one room, in order.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RoomBatch {
    /// The room.
    #[prost(string, tag = "3")]
    pub room: String,
    /// The epoch of its partition's owner. Edges drop what is of an older one than they have seen (D15).
    #[prost(uint64, tag = "4")]
    pub epoch: u64,
    /// The room's instance; 0 if there is no such room.
    #[prost(uint64, tag = "5")]
    pub instance: u64,
    /// What happened.
    #[prost(message, repeated, tag = "6")]
    pub items: Vec<Item>,
    /// On `hot.{room}`: the room's stream of which these items are; 0 elsewhere.
    #[prost(uint64, tag = "7")]
    pub stream: u64,
    /// On `hot.{room}`: the number of the first item; without items (a beat) that of the one that will come next.
    #[prost(uint64, tag = "8")]
    pub first: u64,
}

/// One thing that happened in a room.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Item {
    /// What.
    #[prost(
        oneof = "ItemKind",
        tags = "3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15"
    )]
    pub kind: Option<ItemKind>,
}

/// What an [`Item`] says.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum ItemKind {
    /// The whole view of a lane.
    #[prost(message, tag = "3")]
    Snapshot(Snapshot),
    /// A change of one or both lanes' views.
    #[prost(message, tag = "4")]
    Update(Update),
    /// What only one player may see; the latest replaces the one before.
    #[prost(message, tag = "5")]
    Direct(Direct),
    /// An input was refused by the game. Comes before the `Processed` that covers it (D4).
    #[prost(message, tag = "6")]
    Rejected(Rejected),
    /// A session's entries were processed, and so are durable (D4).
    #[prost(message, tag = "7")]
    Processed(Processed),
    /// A session's `Joined` was refused: there is no session.
    #[prost(message, tag = "8")]
    Refused(Refused),
    /// A session is not (or no longer) the owner's: drop its window.
    #[prost(message, tag = "9")]
    Gone(Gone),
    /// A lossy message.
    #[prost(message, tag = "10")]
    LiveOut(LiveOut),
    /// Who is there.
    #[prost(message, tag = "11")]
    Presence(Presence),
    /// There is no such room (yet): an answer to a watch.
    #[prost(message, tag = "12")]
    Absent(Empty),
    /// The room is over and deleted, or cannot be had: everybody in it leaves.
    #[prost(message, tag = "13")]
    Closed(Closed),
    /// All that the edge lacked of the room has come: the end of the answer to a
    /// [`RoomInterest::sync`](super::RoomInterest::sync). Until then, after a hole or a change of owner, a `Processed` may
    /// cover a `Rejected` that the edge has not got (D4).
    #[prost(message, tag = "14")]
    Synced(Empty),
    /// How this edge is sent what all edges are sent that watch the room (D22).
    #[prost(message, tag = "15")]
    Hot(Hot),
}

/// How an edge is sent what all edges are sent that watch a room, from here on.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Hot {
    /// The room's stream on `hot.{room}`; 0 if the room is not hot.
    #[prost(uint64, tag = "3")]
    pub stream: u64,
    /// The number of the stream's next item.
    #[prost(uint64, tag = "4")]
    pub next: u64,
    /// Where the edge gets what follows.
    #[prost(enumeration = "HotWay", tag = "5")]
    pub way: i32,
}

/// Where an edge gets what all edges are sent that watch a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
pub enum HotWay {
    /// On its own subject alone: the room is not hot (any more).
    Direct = 0,
    /// On both: it is to subscribe to `hot.{room}`, and to say so when it has received something there.
    Both = 1,
    /// On `hot.{room}` alone, from [`Hot::next`] on.
    Hot = 2,
}
