//! An input that the game rejected.

use grandstand_common::envelope::ServerMessage;
use grandstand_common::id::RoomId;

/// An input that the game rejected.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reject {
    /// The input's number.
    pub(crate) seq: u64,
    /// The reason, for programs.
    pub(crate) code: String,
    /// The reason, for people.
    pub(crate) message: String,
}

impl Reject {
    /// The message that tells the client.
    pub(crate) fn message<'a>(&'a self, room: &'a RoomId) -> ServerMessage<'a> {
        ServerMessage::Reject {
            room,
            seq: self.seq,
            code: &self.code,
            message: &self.message,
        }
    }
}
