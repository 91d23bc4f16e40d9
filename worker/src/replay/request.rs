//! A request for a replay, and its output during the replay.

use std::io;

use grandstand_common::id::RoomId;

use super::line::Line;

/// The room and the range to replay.
#[derive(Debug, Clone)]
pub struct Request {
    /// The room.
    pub room: RoomId,
    /// The sequence number of the entry that created the room; `None` means the newest room of the name.
    pub instance: Option<u64>,
    /// The last entry to replay; `None` replays all.
    pub until: Option<u64>,
    /// Begins with the stored snapshot instead of the room's first entry.
    pub from_snapshot: bool,
}

/// The progress of reading the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The number of the room's entries read so far.
    pub read: u64,
    /// The number of entries still to read.
    pub behind: u64,
    /// Whether this is the second reading, which replays the room. The first finds where rooms of the name begin and
    /// end.
    pub second: bool,
}

/// Writes a line of the history.
pub type TakeLine<'a> = dyn FnMut(&Line) -> io::Result<()> + 'a;

/// The receivers of a replay's lines and progress.
pub struct Output<'a> {
    /// Receives a line for each entry of the room, in order.
    pub line: Option<&'a mut TakeLine<'a>>,
    /// Receives the progress about once a second.
    pub progress: &'a mut dyn FnMut(Progress),
}
