//! A request for a replay, and its output while it goes on.

use std::io;

use grandstand_common::id::RoomId;

use super::line::Line;

/// What is to be replayed.
#[derive(Debug, Clone)]
pub struct Request {
    /// The room.
    pub room: RoomId,
    /// Which room of the name, by the sequence of the entry that created it; the newest if not said.
    pub instance: Option<u64>,
    /// The last entry that is replayed.
    pub until: Option<u64>,
    /// Begin with the stored snapshot instead of the room's first entry.
    pub from_snapshot: bool,
}

/// How far the reading is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Entries of the room that were read.
    pub read: u64,
    /// Entries that are still to come.
    pub behind: u64,
    /// It is the second time, for the replay: first it is looked where rooms of the name begin and end.
    pub second: bool,
}

/// Takes lines, and fails if it cannot.
pub type TakeLine<'a> = dyn FnMut(&Line) -> io::Result<()> + 'a;

/// Where the lines and the progress of a replay go.
pub struct Output<'a> {
    /// Takes a line for each entry of the room, in order.
    pub line: Option<&'a mut TakeLine<'a>>,
    /// Takes the progress, about once a second.
    pub progress: &'a mut dyn FnMut(Progress),
}
