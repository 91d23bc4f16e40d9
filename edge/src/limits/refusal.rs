//! The reasons why connections and joins are refused.

use std::time::Duration;

/// The wait after which a client may try again where nothing says when there is space.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(5);

/// A limit that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    /// The connections of the process.
    Connections,
    /// The connections of an address.
    AddressConnections,
    /// The handshakes of an address that are in progress.
    AddressHandshakes,
    /// The handshakes of an address per second.
    AddressHandshakesPerS,
    /// The connections of a player.
    PlayerConnections,
    /// The joins of a player per second.
    PlayerJoinsPerS,
    /// The messages of a connection per second.
    MessagesPerS,
    /// The bytes of a connection's messages per second.
    BytesPerS,
    /// The rooms of a connection.
    Rooms,
    /// The time of a connection in no room.
    NoRoom,
    /// The bytes of a player's inputs per second.
    PlayerInputBytesPerS,
    /// The bytes of all inputs to a room per second.
    RoomInputBytesPerS,
    /// The memory of the process.
    Memory,
}

impl Limit {
    /// All limits, each at its index.
    pub const ALL: [Self; 13] = [
        Self::Connections,
        Self::AddressConnections,
        Self::AddressHandshakes,
        Self::AddressHandshakesPerS,
        Self::PlayerConnections,
        Self::PlayerJoinsPerS,
        Self::MessagesPerS,
        Self::BytesPerS,
        Self::Rooms,
        Self::NoRoom,
        Self::PlayerInputBytesPerS,
        Self::RoomInputBytesPerS,
        Self::Memory,
    ];

    /// The name in the metrics: that of the key in `[limits]`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::AddressConnections => "address_connections",
            Self::AddressHandshakes => "address_handshakes",
            Self::AddressHandshakesPerS => "address_handshakes_per_s",
            Self::PlayerConnections => "player_connections",
            Self::PlayerJoinsPerS => "player_joins_per_s",
            Self::MessagesPerS => "messages_per_s",
            Self::BytesPerS => "bytes_per_s",
            Self::Rooms => "rooms",
            Self::NoRoom => "no_room_ms",
            Self::PlayerInputBytesPerS => "player_input_bytes_per_s",
            Self::RoomInputBytesPerS => "room_input_bytes_per_s",
            Self::Memory => "memory",
        }
    }

    /// Whether the edge has no space for anybody, so that it is no fault of the client.
    pub fn is_of_edge(self) -> bool {
        matches!(self, Self::Connections | Self::Memory)
    }
}

/// A refused connection or join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// The limit that was reached.
    pub limit: Limit,
    /// The wait after which the client may try again.
    pub retry_after: Duration,
    /// Whether an answer would be wasted: the client does not slow down.
    pub is_flood: bool,
}

impl Refused {
    /// A refusal because there are as many as the limit allows.
    pub(super) fn full(limit: Limit) -> Self {
        Self {
            limit,
            retry_after: RETRY_AFTER,
            is_flood: false,
        }
    }

    /// The wait in whole seconds, at least one, as in `Retry-After`.
    pub fn retry_after_s(&self) -> u32 {
        let seconds = self.retry_after.as_secs_f64().ceil();
        (seconds as u32).max(1)
    }

    /// The wait in milliseconds, at least one.
    pub fn retry_after_ms(&self) -> u64 {
        (self.retry_after.as_millis() as u64).max(1)
    }
}
