//! The protocol's messages and their parts, independent of the encoding.

use grandstand_types::data::Data;
use grandstand_types::id::{Lane, RoomId};
use simdutf8::compat::Utf8Error;

use crate::error::ErrorKind;

/// The `patch` of a snapshot whose updates are JSON merge patches.
pub(super) const MERGE: &str = "merge";

/// The version of the client protocol, sent in `welcome`.
pub const PROTOCOL: u32 = 1;

/// The most players that `presence` lists. Rooms with more only report the number.
pub const MAX_LISTED_PLAYERS: usize = 64;

/// The encoding of a connection's messages.
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

    /// The WebSocket subprotocol of the encoding.
    pub fn subprotocol(self) -> &'static str {
        match self {
            Self::Json => "grandstand.v1.json",
            Self::Proto => "grandstand.v1.proto",
        }
    }

    /// The encoding of a WebSocket subprotocol.
    pub fn from_subprotocol(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|e| e.subprotocol() == name)
    }

    /// The encoding's place in an array of two: 0 for JSON, 1 for protobuf.
    pub fn index(self) -> usize {
        self as usize
    }
}

/// A client's message as it arrived in one WebSocket message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload<'a> {
    /// A text message: JSON.
    Json(&'a str),
    /// A binary message: protobuf.
    Proto(&'a [u8]),
}

impl<'a> Payload<'a> {
    /// Creates the payload of a message in this encoding.
    ///
    /// # Errors
    /// If JSON is not UTF-8.
    pub fn from_bytes(encoding: Encoding, bytes: &'a [u8]) -> Result<Self, Utf8Error> {
        match encoding {
            Encoding::Json => simdutf8::compat::from_utf8(bytes).map(Self::Json),
            Encoding::Proto => Ok(Self::Proto(bytes)),
        }
    }

    /// The message's bytes.
    pub fn as_bytes(self) -> &'a [u8] {
        match self {
            Self::Json(text) => text.as_bytes(),
            Self::Proto(bytes) => bytes,
        }
    }

    /// The message's encoding.
    pub fn encoding(self) -> Encoding {
        match self {
            Self::Json(_) => Encoding::Json,
            Self::Proto(_) => Encoding::Proto,
        }
    }
}

/// The role that a token allows in a room, or that a client joins with.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Watches.
    Spectator,
    /// Plays, or watches on request.
    Player,
}

impl From<Lane> for Role {
    /// The role of the members of a lane.
    fn from(lane: Lane) -> Self {
        match lane {
            Lane::Players => Self::Player,
            Lane::Spectators => Self::Spectator,
        }
    }
}

impl Role {
    /// The role on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Spectator => "spectator",
            Self::Player => "player",
        }
    }

    /// The role with this name on the wire or in a token.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "spectator" => Some(Self::Spectator),
            "player" => Some(Self::Player),
            _ => None,
        }
    }
}

/// A message from a client.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientMessage {
    /// The client's number for the message, echoed in its answers.
    pub id: Option<u64>,
    /// The content.
    pub kind: ClientKind,
}

/// The content of a client's message.
#[derive(Debug, Clone, PartialEq)]
pub enum ClientKind {
    /// Enters or resumes a room.
    Join(Join),
    /// Leaves a room.
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
        /// Data for the game.
        data: Data,
    },
    /// A lossy message.
    Live {
        /// The room.
        room: RoomId,
        /// Data for the game.
        data: Data,
    },
    /// Asks whether the edge is there; answered with `pong`.
    Ping,
    /// A new token for the same player.
    Auth {
        /// The token.
        token: String,
    },
}

/// `join`: enters or resumes a room.
#[derive(Debug, Clone, PartialEq)]
pub struct Join {
    /// The room.
    pub room: RoomId,
    /// The last version that the client has.
    pub since: Option<u64>,
    /// The epoch of `since`.
    pub epoch: Option<String>,
    /// A role lower than the token allows.
    pub role: Option<Role>,
    /// Parameters for the game that creates the room: one JSON object as text.
    pub params: Option<bytes::Bytes>,
    /// A random id of the page.
    pub client: Option<String>,
    /// The number of times that this page has connected.
    pub attempt: u32,
    /// Live messages of the room may come as datagrams.
    pub datagrams: bool,
    /// A token for this room alone, for example of an invitation.
    pub token: Option<String>,
}

/// The `id`, room and `seq` of a message that an error answers, as far as they can be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MessageContext {
    /// The client's number for the message.
    pub id: Option<u64>,
    /// The message's room.
    pub room: Option<RoomId>,
    /// The number of the input.
    pub seq: Option<u64>,
}

/// A message that cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DecodeError {
    /// The kind: `bad_json`, `bad_message`, `unknown_type`, `bad_data` or `bad_room`.
    pub kind: ErrorKind,
    /// The problem, its place and how to fix it.
    pub message: String,
    /// The message's `id`, if it could be read.
    pub id: Option<u64>,
    /// The message's room, if it could be read.
    pub room: Option<RoomId>,
    /// The message's seq, if it could be read.
    pub seq: Option<u64>,
}

/// A message from an edge. It borrows, because it is encoded at once.
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
        /// Limits on the client.
        limits: Limits,
        /// Abilities of this edge beyond version 1.
        features: &'a [&'a str],
    },
    /// The client is in the room.
    Joined {
        /// The `join`'s id.
        id: Option<u64>,
        /// The room.
        room: &'a RoomId,
        /// The role in the room.
        role: Role,
        /// The instance of the room; `None` if the room does not exist yet (spectators).
        instance: Option<&'a str>,
        /// The player's last processed input; the next one is `last_seq + 1`.
        last_seq: u64,
    },
    /// The client is no longer in the room.
    Left {
        /// The `leave`'s id, if the client asked to leave.
        id: Option<u64>,
        /// The room.
        room: &'a RoomId,
        /// The reason: `left`, `replaced`, `finished`, …
        code: &'a str,
    },
    /// Replaces everything that the client knew of the room.
    Snapshot {
        /// The room.
        room: &'a RoomId,
        /// Opaque; clients only compare it for equality.
        epoch: &'a str,
        /// The version of the view.
        version: u64,
        /// Whether the updates that follow are JSON merge patches.
        is_patched: bool,
        /// The view.
        data: &'a Data,
    },
    /// A change.
    Update {
        /// The room.
        room: &'a RoomId,
        /// The version after the change.
        version: u64,
        /// The version before the change.
        prev: u64,
        /// The change.
        data: &'a Data,
    },
    /// Data for this player only.
    Direct {
        /// The room.
        room: &'a RoomId,
        /// The data.
        data: &'a Data,
    },
    /// A lossy message.
    Live {
        /// The room.
        room: &'a RoomId,
        /// The data.
        data: &'a Data,
        /// The number among the live messages of the room, in datagrams.
        n: Option<u64>,
    },
    /// All inputs up to `seq` are stored and processed.
    Ack {
        /// The room.
        room: &'a RoomId,
        /// The last of these inputs.
        seq: u64,
    },
    /// The game processed an input and refused it.
    Reject {
        /// The room.
        room: &'a RoomId,
        /// The input.
        seq: u64,
        /// The reason, for the program.
        code: &'a str,
        /// The reason, for people.
        message: &'a str,
    },
    /// The players and viewers of a room.
    Presence {
        /// The room.
        room: &'a RoomId,
        /// The players, or their number.
        players: Players<'a>,
        /// The number of viewers.
        viewers: u64,
    },
    /// Answers `ping`.
    Pong {
        /// The ping's id.
        id: Option<u64>,
        /// The edge's clock, Unix milliseconds.
        time_ms: u64,
    },
    /// An event of the connection: `draining`, `degraded`, `recovered`, `token_expiring`, `token_renewed`.
    Notice {
        /// The `auth`'s id for `token_renewed`.
        id: Option<u64>,
        /// The event.
        code: &'a str,
        /// The time until the client should connect again, in milliseconds (`draining`).
        reconnect_in_ms: Option<u64>,
    },
    /// A client's request failed.
    Error {
        /// The id of the message that caused it.
        id: Option<u64>,
        /// The reason, for the program.
        code: &'a str,
        /// The reason, for people.
        message: &'a str,
        /// The room of the failed request.
        room: Option<&'a RoomId>,
        /// The input that failed.
        seq: Option<u64>,
        /// The time after which the client may try again, in milliseconds.
        retry_after_ms: Option<u64>,
    },
}

/// Limits on a client, sent in `welcome`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Limits {
    /// The most bytes of a client's message.
    pub message_bytes: u64,
    /// The most rooms of one connection.
    pub rooms: u64,
    /// The most inputs per room that may wait for their `ack`.
    pub window: u64,
    /// The most levels of a client's JSON.
    pub json_depth: u64,
}

/// A room's players in `presence`.
#[derive(Debug, Clone, PartialEq)]
pub enum Players<'a> {
    /// Each player, and whether the player is connected.
    List(Vec<(&'a str, bool)>),
    /// The number of players, above [`MAX_LISTED_PLAYERS`].
    Count(u32),
}
