//! Commands whose outcome is awaited: their tokens, their purposes, and the limit of writes in flight.

use std::collections::BTreeMap;

use grandstand_common::id::{Partition, RoomId};

use crate::command::Token;

/// The purpose of a command. It decides where the outcome goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A step of a takeover.
    Takeover,
    /// Appends the entry of a timer or of a lost player. The log shows whether it was stored.
    Append,
    /// Appends the input of a bot. The log shows whether it was stored.
    AppendBot,
    /// Sends an item of a room out: the one with this place in its queue.
    SendOut(RoomId, u64),
    /// Writes the checkpoint.
    WriteCheckpoint,
    /// Reads the checkpoint after its write failed.
    ReadBackCheckpoint,
    /// Writes a room.
    WriteRoom(RoomId),
    /// Reads a room after its write failed.
    ReadBackRoom(RoomId),
    /// Deletes the key of a deleted room.
    DeleteRoom(RoomId),
    /// Writes a quarantine record.
    WriteQuarantineRecord(RoomId),
    /// Reads a quarantine record after its write failed.
    ReadBackQuarantineRecord(RoomId),
    /// Deletes a quarantine record after this build ran the room without a fault and stored it.
    DeleteQuarantineRecord(RoomId),
    /// Reads a stored room to load it.
    ReadRoom(RoomId),
    /// Measures the log after its reader failed.
    MeasureLog,
    /// Appends the commit of a world with this number.
    AppendCommit(RoomId, u64),
    /// Reads a room's world.
    ReadWorld(RoomId),
    /// Writes a room's world.
    WriteWorld(RoomId),
    /// Reads the world of a deleted room, to delete it.
    ReadDeletedWorld(RoomId),
    /// Deletes the world of a deleted room.
    DeleteWorld(RoomId),
    /// Writes or deletes what lobbies show of a room.
    WriteListing(RoomId),
    /// Reads that after its write failed.
    ReadListing(RoomId),
}

impl Purpose {
    fn is_append(&self) -> bool {
        matches!(self, Self::Append)
    }

    fn is_listing(&self) -> bool {
        matches!(self, Self::WriteListing(_) | Self::ReadListing(_))
    }

    fn is_read(&self) -> bool {
        matches!(self, Self::ReadRoom(_))
    }

    fn is_write(&self) -> bool {
        matches!(
            self,
            Self::WriteRoom(_)
                | Self::ReadBackRoom(_)
                | Self::DeleteRoom(_)
                | Self::WriteWorld(_)
                | Self::DeleteWorld(_)
        )
    }
}

/// The most requests in flight about what lobbies show.
const MAX_LISTINGS: usize = 32;

/// The requests in flight of all partitions.
#[derive(Debug)]
pub(crate) struct Requests {
    in_flight: BTreeMap<Token, (Partition, Purpose)>,
    last: u64,
    /// Writes of rooms in flight, and their limit.
    writes: usize,
    max_writes: usize,
    /// Appends in flight.
    appends: usize,
    /// Reads of rooms to load in flight.
    reads: usize,
    /// Requests in flight about what lobbies show.
    listings: usize,
}

impl Requests {
    pub(crate) fn new(max_writes: usize) -> Self {
        Self {
            in_flight: BTreeMap::new(),
            last: 0,
            writes: 0,
            max_writes,
            appends: 0,
            reads: 0,
            listings: 0,
        }
    }

    /// Registers a request. Returns its token.
    pub(crate) fn begin(&mut self, partition: Partition, purpose: Purpose) -> Token {
        self.last += 1;
        let token = Token(self.last);
        self.writes += usize::from(purpose.is_write());
        self.appends += usize::from(purpose.is_append());
        self.reads += usize::from(purpose.is_read());
        self.listings += usize::from(purpose.is_listing());
        self.in_flight.insert(token, (partition, purpose));
        token
    }

    /// Ends a request. Returns `None` if its partition was dropped.
    pub(crate) fn end(&mut self, token: Token) -> Option<(Partition, Purpose)> {
        let (partition, purpose) = self.in_flight.remove(&token)?;
        self.writes -= usize::from(purpose.is_write());
        self.appends -= usize::from(purpose.is_append());
        self.reads -= usize::from(purpose.is_read());
        self.listings -= usize::from(purpose.is_listing());
        Some((partition, purpose))
    }

    /// Forgets all requests of a partition.
    pub(crate) fn forget(&mut self, partition: Partition) {
        for (_, purpose) in self.in_flight.values().filter(|(of, _)| *of == partition) {
            self.writes -= usize::from(purpose.is_write());
            self.appends -= usize::from(purpose.is_append());
            self.reads -= usize::from(purpose.is_read());
            self.listings -= usize::from(purpose.is_listing());
        }
        self.in_flight.retain(|_, (of, _)| *of != partition);
    }

    pub(crate) fn contains(&self, token: Token) -> bool {
        self.in_flight.contains_key(&token)
    }

    /// Whether another write of a room may begin.
    pub(crate) fn can_write(&self) -> bool {
        self.writes < self.max_writes
    }

    /// Whether another request about what lobbies show may begin.
    pub(crate) fn can_list(&self) -> bool {
        self.listings < MAX_LISTINGS
    }

    /// Returns the number of reads of rooms to load in flight.
    pub(crate) fn reads(&self) -> usize {
        self.reads
    }

    /// Returns the number of appends in flight.
    pub(crate) fn appends(&self) -> usize {
        self.appends
    }
}
