//! The parts of an edge's message that a load generator needs.

/// A message of the edge (`docs/protocol.md`). A room is the number after its name's prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Message {
    /// A change of a room, and the due time of its input.
    Update {
        room: u32,
        version: u64,
        prev: u64,
        due_ns: Option<u64>,
    },
    /// All inputs up to `seq` are processed.
    Ack { room: u32, seq: u64 },
    /// A frame of a room in real time, with the number of its tick.
    Frame { room: u32, tick: u64 },
    /// The full state of a room.
    Snapshot {
        room: u32,
        epoch: String,
        version: u64,
    },
    /// The client is in the room.
    Joined { room: u32, last_seq: u64 },
    /// The room has ended.
    Finished,
    /// The answer to a ping.
    Pong,
    /// An input was rejected.
    Reject,
    /// The edge has lost NATS or the room's owner.
    Degraded,
    /// An unexpected message, described.
    Wrong(String),
    /// A message that the generator ignores.
    Other,
}
