//! The messages of the protocol and their parts, whatever the encoding.

use grandstand_types::data::Data;
use grandstand_types::id::RoomId;

use crate::error::ErrorKind;

/// The version of the client protocol, told in `welcome`.
pub const PROTOCOL: u32 = 1;

/// Rooms with more players than this tell how many they are, not who.
pub const MAX_LISTED_PLAYERS: usize = 64;

/// How a connection's messages are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// `grandstand.v1.json`: text frames. The default.
    Json,
    /// `grandstand.v1.proto`: binary frames.
    Proto,
}

impl Encoding {
    /// Both encodings.
    pub const ALL: [Encoding; 2] = [Encoding::Json, Encoding::Proto];

    /// The WebSocket subprotocol that asks for it.
    pub fn subprotocol(self) -> &'static str {
        match self {
            Self::Json => "grandstand.v1.json",
            Self::Proto => "grandstand.v1.proto",
        }
    }

    /// The encoding that a WebSocket subprotocol asks for.
    pub fn from_subprotocol(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|e| e.subprotocol() == name)
    }

    /// 0 for JSON, 1 for protobuf: the place in an array of two.
    pub fn index(self) -> usize {
        self as usize
    }
}

/// What a token allows in a room, and what a client joins as.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Only watches.
    Spectator,
    /// Plays (and may ask to only watch).
    Player,
}

impl Role {
    /// The role on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Spectator => "spectator",
            Self::Player => "player",
        }
    }

    /// The role that a text on the wire, or in a token, names.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "spectator" => Some(Self::Spectator),
            "player" => Some(Self::Player),
            _ => None,
        }
    }
}

/// A message from a client, with its `id` if it has one.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientMessage {
    /// Echoed in what answers the message.
    pub id: Option<u64>,
    /// What it says.
    pub kind: ClientKind,
}

/// What a client says.
#[derive(Debug, Clone, PartialEq)]
pub enum ClientKind {
    /// Enter a room, or resume it.
    Join(Join),
    /// Leave a room.
    Leave {
        /// The room.
        room: RoomId,
    },
    /// A durable input.
    Input {
        /// The room.
        room: RoomId,
        /// 1, 2, 3 … per player and room.
        seq: u64,
        /// For the game.
        data: Data,
    },
    /// A lossy message.
    Live {
        /// The room.
        room: RoomId,
        /// For the game.
        data: Data,
    },
    /// Is the edge there? Answered with `pong`.
    Ping,
    /// A new token for the same player.
    Auth {
        /// The token.
        token: String,
    },
}

/// `join`: enter a room, or resume it.
#[derive(Debug, Clone, PartialEq)]
pub struct Join {
    /// The room.
    pub room: RoomId,
    /// The last version that the client has.
    pub since: Option<u64>,
    /// The epoch that `since` is of.
    pub epoch: Option<String>,
    /// Asks for less than the token allows.
    pub role: Option<Role>,
    /// For the game if the room is created: one JSON object as text.
    pub params: Option<bytes::Bytes>,
    /// A random id of the page.
    pub client: Option<String>,
    /// Counted up by that page at every connect.
    pub attempt: u32,
}

/// A message that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DecodeError {
    /// What is wrong with it: `bad_json`, `bad_message`, `unknown_type`, `bad_data` or `bad_room`.
    pub kind: ErrorKind,
    /// What, where and how to mend it.
    pub message: String,
    /// The message's `id`, if that much was understood.
    pub id: Option<u64>,
    /// The message's room, if that much was understood.
    pub room: Option<RoomId>,
    /// The message's seq, if that much was understood.
    pub seq: Option<u64>,
}

/// What an edge says. Borrows, for it is encoded at once.
#[derive(Debug, Clone, PartialEq)]
pub enum ServerMessage<'a> {
    /// The first message on a connection.
    Welcome {
        /// The connection's id, for support.
        connection: &'a str,
        /// The edge.
        edge: &'a str,
        /// Milliseconds between heartbeats.
        heartbeat_ms: u64,
        /// What a client may not exceed.
        limits: Limits,
        /// What this edge can do beyond version 1.
        features: &'a [&'a str],
    },
    /// The client is in the room.
    Joined {
        /// The `join`'s id.
        id: Option<u64>,
        /// The room.
        room: &'a RoomId,
        /// As what.
        role: Role,
        /// Which room of this name; `None` if it does not exist yet (spectators).
        instance: Option<&'a str>,
        /// The player's last processed input; the next one is this + 1.
        last_seq: u64,
    },
    /// The client is no longer in the room.
    Left {
        /// The `leave`'s id, if it asked for it.
        id: Option<u64>,
        /// The room.
        room: &'a RoomId,
        /// Why: `left`, `replaced`, `finished`, …
        code: &'a str,
    },
    /// Replaces all that the client knew of the room.
    Snapshot {
        /// The room.
        room: &'a RoomId,
        /// Opaque, compared for equality only.
        epoch: &'a str,
        /// The version that it shows.
        version: u64,
        /// The view.
        data: &'a Data,
    },
    /// A change.
    Update {
        /// The room.
        room: &'a RoomId,
        /// The version after it.
        version: u64,
        /// The version before it.
        prev: u64,
        /// The change.
        data: &'a Data,
    },
    /// For this player only.
    Direct {
        /// The room.
        room: &'a RoomId,
        /// What.
        data: &'a Data,
    },
    /// Lossy.
    Live {
        /// The room.
        room: &'a RoomId,
        /// What.
        data: &'a Data,
    },
    /// All inputs up to `seq` are processed, and so durable.
    Ack {
        /// The room.
        room: &'a RoomId,
        /// The last of them.
        seq: u64,
    },
    /// An input was processed, and refused by the game.
    Reject {
        /// The room.
        room: &'a RoomId,
        /// Which.
        seq: u64,
        /// Why, for the program.
        code: &'a str,
        /// Why, for people.
        message: &'a str,
    },
    /// Who is there.
    Presence {
        /// The room.
        room: &'a RoomId,
        /// The players, or how many they are.
        players: Players<'a>,
        /// How many watch.
        viewers: u64,
    },
    /// Answers `ping`.
    Pong {
        /// The ping's id.
        id: Option<u64>,
        /// The edge's clock, Unix milliseconds.
        time_ms: u64,
    },
    /// About the connection: `draining`, `degraded`, `recovered`, `token_expiring`, `token_renewed`.
    Notice {
        /// The `auth`'s id for `token_renewed`.
        id: Option<u64>,
        /// What.
        code: &'a str,
        /// When to connect anew, milliseconds from now (`draining`).
        reconnect_in_ms: Option<u64>,
    },
    /// Something of the client's could not be done.
    Error {
        /// The id of the message that caused it.
        id: Option<u64>,
        /// Why, for the program.
        code: &'a str,
        /// Why, for people.
        message: &'a str,
        /// The room that it is about.
        room: Option<&'a RoomId>,
        /// The input that it is about.
        seq: Option<u64>,
    },
}

/// What a client may not exceed, told in `welcome`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Limits {
    /// The largest message from a client, bytes.
    pub message_bytes: u64,
    /// Rooms that one connection may be in.
    pub rooms: u64,
    /// Inputs that may wait for their `ack`, per room.
    pub window: u64,
    /// How deep a client's JSON may nest.
    pub json_depth: u64,
}

/// A room's players in `presence`.
#[derive(Debug, Clone, PartialEq)]
pub enum Players<'a> {
    /// Who, and whether connected.
    List(Vec<(&'a str, bool)>),
    /// Too many to list (above [`MAX_LISTED_PLAYERS`]).
    Count(u32),
}
