//! Messages of an edge, as a client owns them.

use grandstand_types::data::Data;
use grandstand_types::id::RoomId;
use serde::{Deserialize, Deserializer};

use crate::envelope::message::{Limits, PROTOCOL, Players, Role, ServerMessage};

/// The fields of an edge's message that say which version it makes, what it answers and how it went, as far as they are in
/// its first bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventHead {
    /// The type; empty if it cannot be read.
    pub kind: String,
    /// The id of the message that it answers.
    pub id: Option<u64>,
    /// The number of an input.
    pub seq: Option<u64>,
    /// The epoch of a snapshot.
    pub epoch: Option<String>,
    /// The version of a snapshot or an update.
    pub version: Option<u64>,
    /// Whether `joined` names the instance of the room.
    pub has_instance: bool,
    /// The code of an error, of a reject or of the end of a room.
    pub code: Option<String>,
    /// The milliseconds after which a client may try again.
    pub retry_after_ms: Option<u64>,
}

/// A received [`ServerMessage`]. The fields have the same meaning.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum ServerEvent {
    /// The first message on a connection.
    Welcome {
        connection: String,
        edge: String,
        protocol: u32,
        heartbeat_ms: u64,
        limits: Limits,
        features: Vec<String>,
    },
    /// The client is in the room. `last_seq` is for players only.
    Joined {
        id: Option<u64>,
        room: RoomId,
        role: Role,
        instance: Option<String>,
        last_seq: Option<u64>,
    },
    /// The client is no longer in the room.
    Left {
        id: Option<u64>,
        room: RoomId,
        code: String,
    },
    /// Replaces everything that the client knew of the room.
    Snapshot {
        room: RoomId,
        epoch: String,
        version: u64,
        is_patched: bool,
        data: Data,
    },
    /// A change.
    Update {
        room: RoomId,
        version: u64,
        prev: u64,
        data: Data,
    },
    /// Data for this player only.
    Direct { room: RoomId, data: Data },
    /// A lossy message.
    Live {
        room: RoomId,
        data: Data,
        /// Its number, in datagrams.
        n: Option<u64>,
    },
    /// All inputs up to `seq` are stored and processed.
    Ack { room: RoomId, seq: u64 },
    /// The game refused an input.
    Reject {
        room: RoomId,
        seq: u64,
        code: String,
        message: String,
    },
    /// The players, or only their number in a big room.
    Presence {
        room: RoomId,
        players: Vec<PlayerState>,
        player_count: Option<u64>,
        viewers: u64,
    },
    /// Answers `ping`.
    Pong { id: Option<u64>, time_ms: u64 },
    /// An event of the connection.
    Notice {
        id: Option<u64>,
        code: String,
        reconnect_in_ms: Option<u64>,
    },
    /// A client's request failed.
    Error {
        id: Option<u64>,
        code: String,
        message: String,
        room: Option<RoomId>,
        seq: Option<u64>,
        retry_after_ms: Option<u64>,
    },
}

/// A player in [`ServerEvent::Presence`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PlayerState {
    /// The player.
    pub id: String,
    /// Whether the player is connected.
    #[serde(rename = "state", deserialize_with = "connected")]
    pub connected: bool,
}

/// A player's `state` on the wire.
pub(super) fn state(connected: bool) -> &'static str {
    if connected { "connected" } else { "lost" }
}

fn connected<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    String::deserialize(deserializer).map(|text| text == state(true))
}

impl From<&ServerMessage<'_>> for ServerEvent {
    fn from(message: &ServerMessage<'_>) -> Self {
        match *message {
            ServerMessage::Welcome {
                connection,
                edge,
                heartbeat_ms,
                limits,
                features,
            } => Self::Welcome {
                connection: connection.to_owned(),
                edge: edge.to_owned(),
                protocol: PROTOCOL,
                heartbeat_ms,
                limits,
                features: features.iter().map(|&f| f.to_owned()).collect(),
            },
            ServerMessage::Joined {
                id,
                room,
                role,
                instance,
                last_seq,
            } => Self::Joined {
                id,
                room: room.clone(),
                role,
                instance: instance.map(str::to_owned),
                last_seq: (role == Role::Player).then_some(last_seq),
            },
            ServerMessage::Left { id, room, code } => Self::Left {
                id,
                room: room.clone(),
                code: code.to_owned(),
            },
            ServerMessage::Snapshot {
                room,
                epoch,
                version,
                is_patched,
                data,
            } => Self::Snapshot {
                room: room.clone(),
                epoch: epoch.to_owned(),
                version,
                is_patched,
                data: data.clone(),
            },
            ServerMessage::Update {
                room,
                version,
                prev,
                data,
            } => Self::Update {
                room: room.clone(),
                version,
                prev,
                data: data.clone(),
            },
            ServerMessage::Direct { room, data } => Self::Direct {
                room: room.clone(),
                data: data.clone(),
            },
            ServerMessage::Live { room, data, n } => Self::Live {
                room: room.clone(),
                data: data.clone(),
                n,
            },
            ServerMessage::Ack { room, seq } => Self::Ack {
                room: room.clone(),
                seq,
            },
            ServerMessage::Reject {
                room,
                seq,
                code,
                message,
            } => Self::Reject {
                room: room.clone(),
                seq,
                code: code.to_owned(),
                message: message.to_owned(),
            },
            ServerMessage::Presence {
                room,
                ref players,
                viewers,
            } => {
                let (players, player_count) = match players {
                    Players::List(list) => (list.iter().copied().map(Into::into).collect(), None),
                    Players::Count(count) => (Vec::new(), Some(u64::from(*count))),
                };
                Self::Presence {
                    room: room.clone(),
                    players,
                    player_count,
                    viewers,
                }
            }
            ServerMessage::Pong { id, time_ms } => Self::Pong { id, time_ms },
            ServerMessage::Notice {
                id,
                code,
                reconnect_in_ms,
            } => Self::Notice {
                id,
                code: code.to_owned(),
                reconnect_in_ms,
            },
            ServerMessage::Error {
                id,
                code,
                message,
                room,
                seq,
                retry_after_ms,
            } => Self::Error {
                id,
                code: code.to_owned(),
                message: message.to_owned(),
                room: room.cloned(),
                seq,
                retry_after_ms,
            },
        }
    }
}

impl From<(&str, bool)> for PlayerState {
    fn from((id, connected): (&str, bool)) -> Self {
        Self {
            id: id.to_owned(),
            connected,
        }
    }
}
