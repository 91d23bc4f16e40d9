//! Commands whose outcome is awaited: their tokens, what they are for, and how many may be in flight.

use std::collections::BTreeMap;

use grandstand_common::id::{Partition, RoomId};

use crate::command::Token;

/// The purpose of a command with an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A step of the takeover.
    Takeover,
    /// A timer's entry, or that of a lost player: the log shows whether it was stored.
    Append,
    /// The checkpoint's write.
    Checkpoint,
    /// The read after a checkpoint's write that failed.
    CheckpointBack,
    /// A room's write.
    Room(RoomId),
    /// The read after a room's write that failed.
    RoomBack(RoomId),
    /// The deletion of a room's key.
    Delete(RoomId),
    /// A quarantine record's write.
    Quarantine(RoomId),
    /// The read after a quarantine record's write that failed.
    QuarantineBack(RoomId),
    /// The deletion of a quarantine record: another build's attempt went well.
    ClearQuarantine,
    /// The read of a stored room.
    Load(RoomId),
    /// Where the log ends, after its reader lost its place.
    LogEnd,
}

impl Purpose {
    fn is_append(&self) -> bool {
        matches!(self, Self::Append)
    }

    fn is_write(&self) -> bool {
        matches!(self, Self::Room(_) | Self::RoomBack(_) | Self::Delete(_))
    }
}

/// The requests in flight of all partitions.
#[derive(Debug)]
pub(crate) struct Requests {
    in_flight: BTreeMap<Token, (Partition, Purpose)>,
    last: u64,
    /// Writes of rooms in flight, and the most that may be.
    writes: usize,
    max_writes: usize,
    /// Appends in flight.
    appends: usize,
}

impl Requests {
    pub(crate) fn new(max_writes: usize) -> Self {
        Self {
            in_flight: BTreeMap::new(),
            last: 0,
            writes: 0,
            max_writes,
            appends: 0,
        }
    }

    /// Returns a new token for a command whose outcome is for `purpose`.
    pub(crate) fn begin(&mut self, partition: Partition, purpose: Purpose) -> Token {
        self.last += 1;
        let token = Token(self.last);
        self.writes += usize::from(purpose.is_write());
        self.appends += usize::from(purpose.is_append());
        self.in_flight.insert(token, (partition, purpose));
        token
    }

    /// Ends a request. `None` if its partition was dropped.
    pub(crate) fn end(&mut self, token: Token) -> Option<(Partition, Purpose)> {
        let (partition, purpose) = self.in_flight.remove(&token)?;
        self.writes -= usize::from(purpose.is_write());
        self.appends -= usize::from(purpose.is_append());
        Some((partition, purpose))
    }

    /// Forgets all requests of a partition.
    pub(crate) fn forget(&mut self, partition: Partition) {
        for (_, purpose) in self.in_flight.values().filter(|(of, _)| *of == partition) {
            self.writes -= usize::from(purpose.is_write());
            self.appends -= usize::from(purpose.is_append());
        }
        self.in_flight.retain(|_, (of, _)| *of != partition);
    }

    pub(crate) fn contains(&self, token: Token) -> bool {
        self.in_flight.contains_key(&token)
    }

    /// Whether one more write of a room may be in flight.
    pub(crate) fn can_write(&self) -> bool {
        self.writes < self.max_writes
    }

    /// Appends in flight.
    pub(crate) fn appends(&self) -> usize {
        self.appends
    }
}
