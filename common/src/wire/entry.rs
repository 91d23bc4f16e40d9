//! Entries of a room's log: what edges append, and owners.

use grandstand_types::data::Data;

/// One entry of a room's log, on `in.{p}.{room}`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Entry {
    /// Whose entry it is; empty for a timer.
    #[prost(string, tag = "3")]
    pub player: String,
    /// The session that it belongs to (D1); 0 for a timer.
    #[prost(fixed64, tag = "4")]
    pub session: u64,
    /// Its place in the session's chain (D2): `Joined` is 0.
    #[prost(uint64, tag = "5")]
    pub n: u64,
    /// Which go-back-N round of the edge appended it (D3), so that a gap of an earlier round is not answered twice.
    #[prost(uint32, tag = "6")]
    pub round: u32,
    /// The edge that holds the session, and gets the reports.
    #[prost(string, tag = "7")]
    pub edge: String,
    /// What happened.
    #[prost(oneof = "Body", tags = "10, 11, 12, 13, 14, 15, 16")]
    pub body: Option<Body>,
}

/// What an [`Entry`] says.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Body {
    /// A player came: opens the session, and creates the room if there is none (D5).
    #[prost(message, tag = "10")]
    Joined(Joined),
    /// The player left for good; ends the session.
    #[prost(message, tag = "11")]
    Left(Empty),
    /// The player's connection dropped; ends the session, the player may return with another.
    #[prost(message, tag = "12")]
    Lost(Empty),
    /// The session goes on after an owner's `Lost` (D6).
    #[prost(message, tag = "13")]
    Here(Empty),
    /// What a player did.
    #[prost(message, tag = "14")]
    Input(Input),
    /// A timer came due. Written by an owner.
    #[prost(message, tag = "15")]
    Timer(Timer),
    /// The edge of the session died. Written by an owner, stands outside the chain and ends nothing (D6).
    #[prost(message, tag = "16")]
    EdgeLost(Empty),
}

/// Nothing more to say.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Empty {}

/// A player came.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Joined {
    /// The page's random id; empty if the client gave none.
    #[prost(string, tag = "3")]
    pub client: String,
    /// Counted up by that page at every connect; a lower one of the same client is skipped.
    #[prost(uint32, tag = "4")]
    pub attempt: u32,
    /// 32 random bytes: the room's seed if this entry creates it.
    #[prost(bytes = "bytes", tag = "5")]
    pub seed: bytes::Bytes,
    /// `join`'s `params` as JSON, for the room's creation; empty if not given.
    #[prost(bytes = "bytes", tag = "6")]
    pub params: bytes::Bytes,
    /// The token's options for this room as JSON; empty if it has none.
    #[prost(bytes = "bytes", tag = "7")]
    pub options: bytes::Bytes,
}

/// What a player did.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Input {
    /// The player's number of it: 1, 2, 3 … across sessions.
    #[prost(uint64, tag = "3")]
    pub seq: u64,
    /// What it is, for the game.
    #[prost(oneof = "Data", tags = "1, 2")]
    pub data: Option<Data>,
}

/// A timer came due.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Timer {
    /// The timer's name within the room.
    #[prost(string, tag = "3")]
    pub name: String,
    /// Which arming of it; only the current one fires (D7).
    #[prost(uint64, tag = "4")]
    pub arming: u64,
}
