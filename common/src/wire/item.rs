//! What happened in a room, one thing each.

use grandstand_types::data::Data;

/// The whole view of a lane.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Snapshot {
    /// [`Lane::index`](grandstand_types::id::Lane::index).
    #[prost(uint32, tag = "3")]
    pub lane: u32,
    /// The version that it shows.
    #[prost(uint64, tag = "4")]
    pub version: u64,
    /// The lane's class of service from here on: how often a second its members are sent something, at most; 0 for
    /// as often as there is something.
    #[prost(uint32, tag = "5")]
    pub max_rate_hz: u32,
    /// How many milliseconds later than it happens its members are shown anything.
    #[prost(uint32, tag = "6")]
    pub delay_ms: u32,
    /// The view.
    #[prost(oneof = "Data", tags = "1, 2")]
    pub data: Option<Data>,
}

/// A change of a lane's view. Its `prev` is always `version - 1`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Update {
    /// The players' lane's new version; 0 if it is not for that lane.
    #[prost(uint64, tag = "3")]
    pub players: u64,
    /// The spectators' lane's new version; 0 if it is not for that lane.
    #[prost(uint64, tag = "4")]
    pub spectators: u64,
    /// Of updates with the same key the latest suffices; empty if each is needed.
    #[prost(string, tag = "5")]
    pub key: String,
    /// The change.
    #[prost(oneof = "Data", tags = "1, 2")]
    pub data: Option<Data>,
}

/// What only one player may see.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Direct {
    /// The player's session.
    #[prost(fixed64, tag = "3")]
    pub session: u64,
    /// What it is.
    #[prost(oneof = "Data", tags = "1, 2")]
    pub data: Option<Data>,
}

/// An input was refused by the game.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Rejected {
    /// The player's session.
    #[prost(fixed64, tag = "3")]
    pub session: u64,
    /// The input.
    #[prost(uint64, tag = "4")]
    pub seq: u64,
    /// Why, for the program.
    #[prost(string, tag = "5")]
    pub code: String,
    /// Why, for people.
    #[prost(string, tag = "6")]
    pub message: String,
}

/// A session's entries were processed.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Processed {
    /// The session.
    #[prost(fixed64, tag = "3")]
    pub session: u64,
    /// All entries of its chain up to this one.
    #[prost(uint64, tag = "4")]
    pub n: u64,
    /// The player's last processed input.
    #[prost(uint64, tag = "5")]
    pub last_seq: u64,
    /// An entry came whose predecessor is missing: the round that it was of. The edge goes back to `n + 1` (D3).
    #[prost(uint32, optional, tag = "6")]
    pub gap: Option<u32>,
    /// The owner took the edge for dead (D6): append `Here` if the player is there.
    #[prost(bool, tag = "7")]
    pub lost: bool,
    /// No entry of this session counts any more, its own last one ended it.
    #[prost(bool, tag = "8")]
    pub ended: bool,
}

/// A session's `Joined` was refused.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Refused {
    /// The session that was asked for.
    #[prost(fixed64, tag = "3")]
    pub session: u64,
    /// Why: an error code of the client protocol, or the game's own.
    #[prost(string, tag = "4")]
    pub code: String,
    /// Why, for people.
    #[prost(string, tag = "5")]
    pub message: String,
}

/// A session does not count any more.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Gone {
    /// The session.
    #[prost(fixed64, tag = "3")]
    pub session: u64,
    /// `replaced`, or why else.
    #[prost(string, tag = "4")]
    pub code: String,
    /// The entry that it answers, if it is one behind `Joined`: a session whose `Joined` was not reported yet may still
    /// have it repeated, in a new round (D3).
    #[prost(uint64, tag = "5")]
    pub n: u64,
    /// That entry's round.
    #[prost(uint32, tag = "6")]
    pub round: u32,
}

/// A lossy message to a lane, both, or one session.
#[derive(Clone, PartialEq, prost::Message)]
pub struct LiveOut {
    /// For the players' lane.
    #[prost(bool, tag = "3")]
    pub players: bool,
    /// For the spectators' lane.
    #[prost(bool, tag = "4")]
    pub spectators: bool,
    /// For this session alone; 0 if not.
    #[prost(fixed64, tag = "5")]
    pub session: u64,
    /// Not for this session: its sender. 0 if there is none.
    #[prost(fixed64, tag = "6")]
    pub except: u64,
    /// What it is.
    #[prost(oneof = "Data", tags = "1, 2")]
    pub data: Option<Data>,
}

/// Who is in a room. Sent at most twice a second.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Presence {
    /// The players, if there are at most 64.
    #[prost(message, repeated, tag = "3")]
    pub players: Vec<PlayerPresence>,
    /// How many players there are.
    #[prost(uint32, tag = "4")]
    pub count: u32,
    /// How many spectators there are, on all edges.
    #[prost(uint64, tag = "5")]
    pub viewers: u64,
}

/// One player's presence.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PlayerPresence {
    /// Who.
    #[prost(string, tag = "3")]
    pub id: String,
    /// Whether the player's connection has dropped.
    #[prost(bool, tag = "4")]
    pub lost: bool,
}

/// The room is gone.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Closed {
    /// Why: `finished`, or an error code of the client protocol (`no_such_game`, `room_unavailable`).
    #[prost(string, tag = "3")]
    pub code: String,
}
