//! The one enum of what can go wrong between a client and an edge: at once the `code` of `error` messages, the close
//! code and the label of metrics.

/// Why something of a client's was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ErrorKind {
    /// Not JSON (or not protobuf).
    BadJson,
    /// A field is missing or of the wrong type.
    BadMessage,
    /// A `type` that this edge does not know.
    UnknownType,
    /// JSON that nests too deeply, or is not one value.
    BadData,
    /// Not a room id.
    BadRoom,
    /// No worker knows the game that the room's name asks for.
    NoSuchGame,
    /// The token does not allow it.
    Forbidden,
    /// No (valid) token.
    Unauthenticated,
    /// The game takes no more players.
    RoomFull,
    /// The room's state outgrew its limit.
    RoomTooBig,
    /// The room cannot be had now.
    RoomUnavailable,
    /// The room was made anew; inputs for the one before failed.
    RoomRestarted,
    /// An input, live message or leave for a room that the connection is not in.
    NotJoined,
    /// A `seq` of 0, or one that leaves a gap.
    BadSeq,
    /// A message over the limit.
    TooBig,
    /// More than the limit allows in this time, or of this kind at once.
    RateLimited,
    /// The room is over.
    Finished,
    /// The player joined from another connection.
    Replaced,
    /// The peer broke RFC 6455.
    Protocol,
    /// A frame of a kind that the connection's encoding does not use.
    Unsupported,
    /// A text message that is not UTF-8.
    BadUtf8,
    /// A compressed message that cannot be inflated.
    BadDeflate,
    /// The client reads more slowly than it is sent to.
    TooSlow,
    /// Nothing was heard of the client for too long.
    Timeout,
    /// The edge goes away.
    GoingAway,
    /// A fault of the edge's.
    Internal,
}

impl ErrorKind {
    /// All of them.
    pub const ALL: [ErrorKind; 26] = [
        Self::BadJson,
        Self::BadMessage,
        Self::UnknownType,
        Self::BadData,
        Self::BadRoom,
        Self::NoSuchGame,
        Self::Forbidden,
        Self::Unauthenticated,
        Self::RoomFull,
        Self::RoomTooBig,
        Self::RoomUnavailable,
        Self::RoomRestarted,
        Self::NotJoined,
        Self::BadSeq,
        Self::TooBig,
        Self::RateLimited,
        Self::Finished,
        Self::Replaced,
        Self::Protocol,
        Self::Unsupported,
        Self::BadUtf8,
        Self::BadDeflate,
        Self::TooSlow,
        Self::Timeout,
        Self::GoingAway,
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
            Self::Forbidden => "forbidden",
            Self::Unauthenticated => "unauthenticated",
            Self::RoomFull => "room_full",
            Self::RoomTooBig => "room_too_big",
            Self::RoomUnavailable => "room_unavailable",
            Self::RoomRestarted => "room_restarted",
            Self::NotJoined => "not_joined",
            Self::BadSeq => "bad_seq",
            Self::TooBig => "too_big",
            Self::RateLimited => "rate_limited",
            Self::Finished => "finished",
            Self::Replaced => "replaced",
            Self::Protocol => "protocol_error",
            Self::Unsupported => "unsupported_data",
            Self::BadUtf8 => "bad_utf8",
            Self::BadDeflate => "bad_deflate",
            Self::TooSlow => "too_slow",
            Self::Timeout => "timeout",
            Self::GoingAway => "going_away",
            Self::Internal => "internal",
        }
    }

    /// The close code, where the error ends the connection (RFC 6455 section 7.4.1, and our own above 4000).
    pub fn close_code(self) -> u16 {
        match self {
            Self::Protocol => 1002,
            Self::Unsupported => 1003,
            Self::BadUtf8 | Self::BadDeflate => 1007,
            Self::TooBig => 1009,
            Self::Internal => 1011,
            Self::GoingAway => 1001,
            Self::Unauthenticated => 4001,
            Self::Forbidden => 4003,
            Self::TooSlow => 4008,
            Self::Replaced => 4009,
            Self::RateLimited => 4029,
            _ => 1008,
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
}
