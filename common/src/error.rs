//! Errors between a client and an edge. Each kind is the `code` of `error` messages, a close code and a metric label at
//! once.

/// The reason why a client's message or connection was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ErrorKind {
    /// The message is not JSON, or not protobuf.
    BadJson,
    /// A field is missing or of the wrong type.
    BadMessage,
    /// The edge does not know this `type`.
    UnknownType,
    /// The JSON nests too deeply or is not one value.
    BadData,
    /// The text is not a room id.
    BadRoom,
    /// No worker knows the game in the room's name.
    NoSuchGame,
    /// There is no such room, or spectators do not see it yet.
    NoSuchRoom,
    /// The token does not allow it.
    Forbidden,
    /// The token is missing or invalid.
    Unauthenticated,
    /// The token, all tokens of the player, or their use for this room were revoked.
    Revoked,
    /// The game takes no more players.
    RoomFull,
    /// The room's state outgrew its limit.
    RoomTooBig,
    /// The room is unavailable at the moment.
    RoomUnavailable,
    /// The room was created again; inputs for the earlier room failed.
    RoomRestarted,
    /// The bus came back without entries that it had acked; inputs after `seq` are lost (D23).
    RoomRolledBack,
    /// The connection is not in the room of this input, live message or leave.
    NotJoined,
    /// The `seq` is 0 or leaves a gap.
    BadSeq,
    /// The message exceeds the size limit.
    TooBig,
    /// The client sent more than the limit allows in this time, or has too many of one kind at once.
    RateLimited,
    /// The game rejected the input, and the reason is not kept any more.
    Rejected,
    /// The log of the room's partition is full, or too many bytes were sent.
    Busy,
    /// The room is over.
    Finished,
    /// The player joined from another connection.
    Replaced,
    /// The peer violated RFC 6455.
    Protocol,
    /// The connection's encoding does not use frames of this kind.
    Unsupported,
    /// A text message is not UTF-8.
    BadUtf8,
    /// A compressed message cannot be inflated.
    BadDeflate,
    /// A slow consumer: the client reads more slowly than the edge sends.
    TooSlow,
    /// The client has been silent for too long.
    Timeout,
    /// The client has been in no room for too long.
    NoRoom,
    /// The edge shuts down or restarts.
    GoingAway,
    /// The edge is short of memory.
    Overloaded,
    /// A bug or failure of the edge.
    Internal,
}

impl ErrorKind {
    /// All kinds, each at its index.
    pub const ALL: [ErrorKind; 33] = [
        Self::BadJson,
        Self::BadMessage,
        Self::UnknownType,
        Self::BadData,
        Self::BadRoom,
        Self::NoSuchGame,
        Self::NoSuchRoom,
        Self::Forbidden,
        Self::Unauthenticated,
        Self::Revoked,
        Self::RoomFull,
        Self::RoomTooBig,
        Self::RoomUnavailable,
        Self::RoomRestarted,
        Self::RoomRolledBack,
        Self::NotJoined,
        Self::BadSeq,
        Self::TooBig,
        Self::RateLimited,
        Self::Rejected,
        Self::Busy,
        Self::Finished,
        Self::Replaced,
        Self::Protocol,
        Self::Unsupported,
        Self::BadUtf8,
        Self::BadDeflate,
        Self::TooSlow,
        Self::Timeout,
        Self::NoRoom,
        Self::GoingAway,
        Self::Overloaded,
        Self::Internal,
    ];

    /// The code on the wire and in metric labels.
    pub fn code(self) -> &'static str {
        match self {
            Self::BadJson => "bad_json",
            Self::BadMessage => "bad_message",
            Self::UnknownType => "unknown_type",
            Self::BadData => "bad_data",
            Self::BadRoom => "bad_room",
            Self::NoSuchGame => "no_such_game",
            Self::NoSuchRoom => "no_such_room",
            Self::Forbidden => "forbidden",
            Self::Unauthenticated => "unauthenticated",
            Self::Revoked => "revoked",
            Self::RoomFull => "room_full",
            Self::RoomTooBig => "room_too_big",
            Self::RoomUnavailable => "room_unavailable",
            Self::RoomRestarted => "room_restarted",
            Self::RoomRolledBack => "room_rolled_back",
            Self::NotJoined => "not_joined",
            Self::BadSeq => "bad_seq",
            Self::TooBig => "too_big",
            Self::RateLimited => "rate_limited",
            Self::Rejected => "rejected",
            Self::Busy => "busy",
            Self::Finished => "finished",
            Self::Replaced => "replaced",
            Self::Protocol => "protocol_error",
            Self::Unsupported => "unsupported_data",
            Self::BadUtf8 => "bad_utf8",
            Self::BadDeflate => "bad_deflate",
            Self::TooSlow => "too_slow",
            Self::Timeout => "timeout",
            Self::NoRoom => "no_room",
            Self::GoingAway => "going_away",
            Self::Overloaded => "overloaded",
            Self::Internal => "internal",
        }
    }

    /// The close code of errors that end the connection: RFC 6455 section 7.4.1, and private ones above 4000.
    pub fn close_code(self) -> u16 {
        match self {
            Self::Protocol => 1002,
            Self::Unsupported => 1003,
            Self::BadUtf8 | Self::BadDeflate => 1007,
            Self::TooBig => 1009,
            Self::Internal => 1011,
            Self::GoingAway => 1012,
            Self::Overloaded => 1013,
            Self::Unauthenticated => 4001,
            Self::Forbidden | Self::Revoked => 4003,
            Self::TooSlow | Self::Timeout | Self::NoRoom => 4008,
            Self::Replaced => 4009,
            Self::RateLimited => 4029,
            Self::RoomFull
            | Self::RoomTooBig
            | Self::RoomUnavailable
            | Self::RoomRestarted
            | Self::RoomRolledBack
            | Self::NotJoined
            | Self::BadSeq
            | Self::BadJson
            | Self::BadMessage
            | Self::UnknownType
            | Self::BadData
            | Self::BadRoom
            | Self::NoSuchGame
            | Self::NoSuchRoom
            | Self::Rejected
            | Self::Busy
            | Self::Finished => 1008,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique() {
        let mut codes: Vec<_> = ErrorKind::ALL.iter().map(|k| k.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), ErrorKind::ALL.len());
    }

    /// docs/protocol.md calls these codes a bug in the client, after which it does not reconnect.
    #[test]
    fn a_close_that_is_not_the_clients_fault_has_a_code_that_says_reconnect() {
        for kind in [
            ErrorKind::TooSlow,
            ErrorKind::Timeout,
            ErrorKind::NoRoom,
            ErrorKind::GoingAway,
            ErrorKind::Internal,
            ErrorKind::Overloaded,
            ErrorKind::RateLimited,
        ] {
            let code = kind.close_code();
            assert!(
                matches!(code, 1011 | 1012 | 1013 | 4008 | 4029),
                "{kind:?}: {code}"
            );
        }
    }
}
