//! Requests of edges to partitions' owners.

use grandstand_types::data::Data;

/// A live message, on `live.{p}`: lossy, not logged.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Live {
    /// The room.
    #[prost(string, tag = "3")]
    pub room: String,
    /// The sender's session. The message is skipped if it is not the player's current session.
    #[prost(fixed64, tag = "4")]
    pub session: u64,
    /// The sender.
    #[prost(string, tag = "5")]
    pub player: String,
    /// Data for the game.
    #[prost(oneof = "Data", tags = "1, 2")]
    pub data: Option<Data>,
}

/// The rooms of a partition that an edge watches: a request on `ctl.{p}`, answered with [`InterestReply`].
///
/// The answer does not contain what the edge lacks; that follows, in order, on the edge's link (`edge.{edge}`).
#[derive(Clone, PartialEq, prost::Message)]
pub struct Interest {
    /// The edge.
    #[prost(string, tag = "3")]
    pub edge: String,
    /// Whether the edge watches no other rooms of this partition.
    #[prost(bool, tag = "4")]
    pub digest: bool,
    /// The rooms.
    #[prost(message, repeated, tag = "5")]
    pub rooms: Vec<RoomInterest>,
}

/// An edge's interest in one room. An absent lane is not watched (any more).
#[derive(Clone, PartialEq, prost::Message)]
pub struct RoomInterest {
    /// The room.
    #[prost(string, tag = "3")]
    pub room: String,
    /// The state that the edge has of the players' lane.
    #[prost(message, optional, tag = "4")]
    pub players: Option<Known>,
    /// The state that the edge has of the spectators' lane.
    #[prost(message, optional, tag = "5")]
    pub spectators: Option<Known>,
    /// The number of the edge's spectators.
    #[prost(uint32, tag = "6")]
    pub viewers: u32,
    /// The sessions whose chains the edge keeps for this room.
    #[prost(fixed64, repeated, tag = "7")]
    pub sessions: Vec<u64>,
    /// Asks for everything that the edge lacks, on its link: per lane updates or a snapshot, per session `Direct`,
    /// `Rejected`, and `Processed` or `Gone`, and the presence; `Absent` if the room does not exist.
    #[prost(bool, tag = "8")]
    pub sync: bool,
    /// The sessions whose `Joined` is not reported yet. A connected player of this edge whose session is in neither
    /// list has no client (D6).
    #[prost(fixed64, repeated, tag = "9")]
    pub joining: Vec<u64>,
    /// The stream on `hot.{room}` that the edge has received something from; 0 if none.
    #[prost(uint64, tag = "10")]
    pub hot: u64,
    /// Whether the edge is subscribed to `hot.{room}`.
    #[prost(bool, tag = "11")]
    pub subscribed: bool,
    /// The edge's number of this sync, which [`Synced`](super::Synced) repeats. Requests are repeated, so an answer to an
    /// earlier one may be under way.
    #[prost(uint64, tag = "12")]
    pub sync_number: u64,
}

/// The state that an edge has of a lane: all 0 if none.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Known {
    /// The owner's epoch.
    #[prost(uint64, tag = "3")]
    pub epoch: u64,
    /// The room's instance.
    #[prost(uint64, tag = "4")]
    pub instance: u64,
    /// The last version.
    #[prost(uint64, tag = "5")]
    pub version: u64,
}

/// An owner's answer to [`Interest`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct InterestReply {
    /// The sender of the batches about the partition's rooms ([`Lease::sender`](crate::record::Lease::sender)).
    #[prost(string, tag = "3")]
    pub worker: String,
    /// The owner's epoch.
    #[prost(uint64, tag = "4")]
    pub epoch: u64,
    /// The number of the last batch from the sender to this edge, including the batch that answers this request.
    #[prost(uint64, tag = "5")]
    pub number: u64,
}
