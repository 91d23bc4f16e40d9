//! What edges ask partitions' owners for.

use grandstand_types::data::Data;

/// A live message, on `live.{p}`: lossy, not logged.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Live {
    /// The room.
    #[prost(string, tag = "3")]
    pub room: String,
    /// The session that it comes from; skipped if it is not the player's current one.
    #[prost(fixed64, tag = "4")]
    pub session: u64,
    /// Who sends it.
    #[prost(string, tag = "5")]
    pub player: String,
    /// What it is, for the game.
    #[prost(oneof = "Data", tags = "1, 2")]
    pub data: Option<Data>,
}

/// Which rooms of a partition an edge watches: a request on `ctl.{p}`, answered with [`InterestReply`].
///
/// What the edge lacks does not come in the answer but, in order, on its link (`edge.{edge}`).
#[derive(Clone, PartialEq, prost::Message)]
pub struct Interest {
    /// The edge.
    #[prost(string, tag = "3")]
    pub edge: String,
    /// Rooms of this partition that are not named are not watched.
    #[prost(bool, tag = "4")]
    pub digest: bool,
    /// The rooms.
    #[prost(message, repeated, tag = "5")]
    pub rooms: Vec<RoomInterest>,
}

/// What an edge wants of one room. A lane that is absent is not watched (any more).
#[derive(Clone, PartialEq, prost::Message)]
pub struct RoomInterest {
    /// The room.
    #[prost(string, tag = "3")]
    pub room: String,
    /// The players' lane, with what the edge has of it.
    #[prost(message, optional, tag = "4")]
    pub players: Option<Known>,
    /// The spectators' lane, with what the edge has of it.
    #[prost(message, optional, tag = "5")]
    pub spectators: Option<Known>,
    /// How many spectators it has.
    #[prost(uint32, tag = "6")]
    pub viewers: u32,
    /// The sessions whose chains it keeps for this room.
    #[prost(fixed64, repeated, tag = "7")]
    pub sessions: Vec<u64>,
    /// Answer on the link with what the edge lacks: per lane updates or a snapshot, per session `Direct`, `Rejected`,
    /// and `Processed` or `Gone`, and the presence; `Absent` if there is no such room.
    #[prost(bool, tag = "8")]
    pub sync: bool,
    /// The sessions whose `Joined` was not reported yet. A connected player of this edge whose session is neither here
    /// nor there has nobody behind it (D6).
    #[prost(fixed64, repeated, tag = "9")]
    pub joining: Vec<u64>,
    /// The stream from which it has received something on `hot.{room}`; 0 if none.
    #[prost(uint64, tag = "10")]
    pub hot: u64,
    /// It is subscribed to `hot.{room}`.
    #[prost(bool, tag = "11")]
    pub subscribed: bool,
}

/// What an edge has of a lane: all 0 if nothing.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Known {
    /// The owner's epoch that it is of.
    #[prost(uint64, tag = "3")]
    pub epoch: u64,
    /// The room's instance that it is of.
    #[prost(uint64, tag = "4")]
    pub instance: u64,
    /// The last version that it has.
    #[prost(uint64, tag = "5")]
    pub version: u64,
}

/// An owner's answer to [`Interest`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct InterestReply {
    /// The worker that owns the partition.
    #[prost(string, tag = "3")]
    pub worker: String,
    /// Its epoch.
    #[prost(uint64, tag = "4")]
    pub epoch: u64,
    /// The number of the last batch that the worker sent to this edge, the one that answers this request included.
    #[prost(uint64, tag = "5")]
    pub number: u64,
}
