//! Entries of a room's log, appended by edges and owners.

use grandstand_types::data::Data;

/// One entry of a room's log, on `in.{p}.{room}`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Entry {
    /// The player of the entry; empty for a timer.
    #[prost(string, tag = "3")]
    pub player: String,
    /// The entry's session (D1); 0 for a timer.
    #[prost(fixed64, tag = "4")]
    pub session: u64,
    /// The entry's place in the session's chain (D2); `Joined` is 0.
    #[prost(uint64, tag = "5")]
    pub n: u64,
    /// The go-back-N round in which the edge appended it (D3), so that a gap of an earlier round is not answered twice.
    #[prost(uint32, tag = "6")]
    pub round: u32,
    /// The edge that holds the session and gets its reports.
    #[prost(string, tag = "7")]
    pub edge: String,
    /// The time at which an earlier log stored the entry, in Unix milliseconds, if it was copied from there (D33); else
    /// 0.
    #[prost(uint64, tag = "8")]
    pub logged_ms: u64,
    /// The event.
    #[prost(oneof = "Body", tags = "10, 11, 12, 13, 14, 15, 16")]
    pub body: Option<Body>,
}

/// The content of an [`Entry`].
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Body {
    /// A player joined. Opens the session, and creates the room if it does not exist (D5).
    #[prost(message, tag = "10")]
    Joined(Joined),
    /// The player left for good. Ends the session.
    #[prost(message, tag = "11")]
    Left(Empty),
    /// The player's connection dropped. Ends the session; the player may return with another.
    #[prost(message, tag = "12")]
    Lost(Empty),
    /// The session continues after an owner's `Lost` (D6).
    #[prost(message, tag = "13")]
    Here(Empty),
    /// An input of a player.
    #[prost(message, tag = "14")]
    Input(Input),
    /// A timer is due. Written by an owner.
    #[prost(message, tag = "15")]
    Timer(Timer),
    /// The session's edge died. Written by an owner; it is not part of the chain and ends nothing (D6).
    #[prost(message, tag = "16")]
    EdgeLost(Empty),
}

/// An empty message.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Empty {}

/// A player joined.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Joined {
    /// The page's random id; empty if the client gave none.
    #[prost(string, tag = "3")]
    pub client: String,
    /// The number of times that this page has connected. A lower number of the same client is skipped.
    #[prost(uint32, tag = "4")]
    pub attempt: u32,
    /// 32 random bytes: the room's seed if this entry creates it.
    #[prost(bytes = "bytes", tag = "5")]
    pub seed: bytes::Bytes,
    /// `join`'s `params` as JSON, for the room's creation; empty if not given.
    #[prost(bytes = "bytes", tag = "6")]
    pub params: bytes::Bytes,
    /// The token's options for this room as JSON; empty if there are none.
    #[prost(bytes = "bytes", tag = "7")]
    pub options: bytes::Bytes,
}

/// An input of a player.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Input {
    /// The player's number of the input: 1, 2, 3 … across sessions.
    #[prost(uint64, tag = "3")]
    pub seq: u64,
    /// Data for the game.
    #[prost(oneof = "Data", tags = "1, 2")]
    pub data: Option<Data>,
    /// The code with which the edge refused the input. Its data is missing, and the game does not get it. Empty for
    /// all other inputs.
    #[prost(string, tag = "4")]
    pub refused: String,
}

/// A timer is due.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Timer {
    /// The timer's name within the room.
    #[prost(string, tag = "3")]
    pub name: String,
    /// The number of the timer's arming. Only the current one fires (D7).
    #[prost(uint64, tag = "4")]
    pub arming: u64,
}
