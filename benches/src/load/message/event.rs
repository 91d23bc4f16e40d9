//! A message of the edge, as far as a load generator reads it.

/// A message of the edge (`docs/protocol.md`). Rooms are the numbers behind their names' prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Message {
    /// A change of a room, and when the input behind it was due.
    Update {
        room: u32,
        version: u64,
        prev: u64,
        due_ns: Option<u64>,
    },
    /// All inputs up to `seq` are processed.
    Ack { room: u32, seq: u64 },
    /// All of a room.
    Snapshot {
        room: u32,
        epoch: String,
        version: u64,
    },
    /// The client is in the room.
    Joined { room: u32, last_seq: u64 },
    /// An input was refused.
    Reject,
    /// The edge cannot reach what it needs.
    Degraded,
    /// Something that should not be, in words.
    Wrong(String),
    /// Nothing that matters here.
    Other,
}
