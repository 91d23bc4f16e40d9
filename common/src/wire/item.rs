//! Events of a room.

use grandstand_types::data::Data;

use super::entry::Arrival;

/// The whole view of a lane.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Snapshot {
    /// [`Lane::index`](grandstand_types::id::Lane::index).
    #[prost(uint32, tag = "3")]
    pub lane: u32,
    /// The version of the view.
    #[prost(uint64, tag = "4")]
    pub version: u64,
    /// The most updates a second that members of the lane get from here on; 0 for no limit.
    #[prost(uint32, tag = "5")]
    pub max_rate_hz: u32,
    /// The delay of everything that members of the lane get, in milliseconds.
    #[prost(uint32, tag = "6")]
    pub delay_ms: u32,
    /// Whether the updates that follow are JSON merge patches.
    #[prost(bool, tag = "7")]
    pub is_patched: bool,
    /// The view.
    #[prost(oneof = "Data", tags = "1, 2")]
    pub data: Option<Data>,
}

/// A change of a lane's view. Its `prev` is always `version - 1`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Update {
    /// The new version of the players' lane; 0 if the update is not for that lane.
    #[prost(uint64, tag = "3")]
    pub players: u64,
    /// The new version of the spectators' lane; 0 if the update is not for that lane.
    #[prost(uint64, tag = "4")]
    pub spectators: u64,
    /// The key of the update: only the latest with the same key is needed. Empty if each is needed.
    #[prost(string, tag = "5")]
    pub key: String,
    /// The arrival of the input that caused it. `None` if none did, if it is sent again, and from workers of older builds.
    #[prost(message, optional, tag = "6")]
    pub arrival: Option<Arrival>,
    /// The change.
    #[prost(oneof = "Data", tags = "1, 2")]
    pub data: Option<Data>,
}

/// Data for one player.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Direct {
    /// The player's session.
    #[prost(fixed64, tag = "3")]
    pub session: u64,
    /// The data.
    #[prost(oneof = "Data", tags = "1, 2")]
    pub data: Option<Data>,
}

/// The game refused an input.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Rejected {
    /// The player's session.
    #[prost(fixed64, tag = "3")]
    pub session: u64,
    /// The input.
    #[prost(uint64, tag = "4")]
    pub seq: u64,
    /// The reason, for the program.
    #[prost(string, tag = "5")]
    pub code: String,
    /// The reason, for people.
    #[prost(string, tag = "6")]
    pub message: String,
}

/// A session's entries are processed.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Processed {
    /// The session.
    #[prost(fixed64, tag = "3")]
    pub session: u64,
    /// The last processed entry of the session's chain; all before it are processed too.
    #[prost(uint64, tag = "4")]
    pub n: u64,
    /// The player's last processed input.
    #[prost(uint64, tag = "5")]
    pub last_seq: u64,
    /// The round of an entry whose predecessor is missing. The edge goes back to `n + 1` (D3).
    #[prost(uint32, optional, tag = "6")]
    pub gap: Option<u32>,
    /// The owner took the edge for dead (D6); the edge appends `Here` if the player is connected.
    #[prost(bool, tag = "7")]
    pub lost: bool,
    /// The session's own last entry ended it; no further entry counts.
    #[prost(bool, tag = "8")]
    pub ended: bool,
}

/// A session's `Joined` was refused.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Refused {
    /// The refused session.
    #[prost(fixed64, tag = "3")]
    pub session: u64,
    /// The reason: an error code of the client protocol, or the game's own.
    #[prost(string, tag = "4")]
    pub code: String,
    /// The reason, for people.
    #[prost(string, tag = "5")]
    pub message: String,
}

/// A session no longer counts.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Gone {
    /// The session.
    #[prost(fixed64, tag = "3")]
    pub session: u64,
    /// The reason, for example `replaced`.
    #[prost(string, tag = "4")]
    pub code: String,
    /// The entry that this answers, if it comes after `Joined`. A session whose `Joined` is not reported yet may still
    /// have it repeated in a new round (D3).
    #[prost(uint64, tag = "5")]
    pub n: u64,
    /// The round of that entry.
    #[prost(uint32, tag = "6")]
    pub round: u32,
}

/// A lossy message to a lane, both, or one session.
#[derive(Clone, PartialEq, prost::Message)]
pub struct LiveOut {
    /// Whether the data is for the players' lane.
    #[prost(bool, tag = "3")]
    pub players: bool,
    /// Whether the data is for the spectators' lane.
    #[prost(bool, tag = "4")]
    pub spectators: bool,
    /// The only session to get it; 0 for all.
    #[prost(fixed64, tag = "5")]
    pub session: u64,
    /// The session not to get it, because it is the sender; 0 for none.
    #[prost(fixed64, tag = "6")]
    pub except: u64,
    /// Whether only the newest one matters, also to clients that join later: a frame of a room in real time. Older edges
    /// take it as one of many.
    #[prost(bool, tag = "7")]
    pub frame: bool,
    /// The data.
    #[prost(oneof = "Data", tags = "1, 2")]
    pub data: Option<Data>,
}

/// The players and viewers of a room. Sent at most twice a second.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Presence {
    /// The players, if there are at most 64.
    #[prost(message, repeated, tag = "3")]
    pub players: Vec<PlayerPresence>,
    /// The number of players.
    #[prost(uint32, tag = "4")]
    pub count: u32,
    /// The number of spectators on all edges.
    #[prost(uint64, tag = "5")]
    pub viewers: u64,
}

/// One player's presence.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PlayerPresence {
    /// The player.
    #[prost(string, tag = "3")]
    pub id: String,
    /// Whether the player's connection has dropped.
    #[prost(bool, tag = "4")]
    pub lost: bool,
}

/// The room is gone.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Closed {
    /// The reason: `finished`, or an error code of the client protocol (`no_such_game`, `room_unavailable`).
    #[prost(string, tag = "3")]
    pub code: String,
}
