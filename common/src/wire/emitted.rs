//! The JSON of what games emit.

use grandstand_types::id::{RoomId, Topic};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// An item that a game emitted, on `out.{topic}`. Readers ignore fields that they do not know.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Emitted {
    /// `{instance}.{no}`: unique among all items of all rooms.
    pub id: String,
    /// The room.
    pub room: RoomId,
    /// The game's name.
    pub game: String,
    /// The topic.
    pub topic: Topic,
    /// The time of the event that emitted it, by the clock of the log, in Unix milliseconds.
    pub at_ms: u64,
    /// The game's data.
    pub data: Box<RawValue>,
}

/// A call of a game, in the stream of calls. Readers ignore fields that they do not know.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Called {
    /// `{instance}.{no}`: unique among all items of all rooms.
    pub id: String,
    /// The room.
    pub room: RoomId,
    /// The game's name.
    pub game: String,
    /// The endpoint.
    pub endpoint: Topic,
    /// The time of the event that made it, by the clock of the log, in Unix milliseconds.
    pub at_ms: u64,
    /// The time at which it is over, by the same clock.
    pub due_ms: u64,
    /// The game's data.
    pub data: Box<RawValue>,
}
