//! The counters of an engine, and the numbers of rooms.

use std::iter::Sum;
use std::ops::{AddAssign, SubAssign};

use crate::stored::error::DecodeError;

/// The counters of an [`Engine`](crate::engine::Engine).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Inputs handed to games; those that a takeover read again are among them.
    pub inputs: u64,
    /// Inputs refused, by their room or its game; repeats are counted again.
    pub rejects: u64,
    /// Entries that a takeover read again.
    pub replayed: u64,
    /// Inputs refused that a takeover read again: their players may have been told that they were accepted, if the rules have
    /// changed.
    pub replayed_rejects: u64,
    /// Rooms put in quarantine.
    pub quarantined: u64,
    /// Panics of games while they handled an entry.
    pub panics: u64,
    /// Effects of games that are ignored or replaced, because they break a rule.
    pub game_faults: u64,
    /// Snapshots whose state is not the one that was stored.
    pub damaged: u64,
    /// Snapshots that cannot be read for another reason.
    pub unreadable_snapshots: u64,
    /// Times that a room became hot.
    pub rooms_heated: u64,
    /// Items that rooms have sent out, to the stream of what games emit or to other rooms.
    pub sent_out: u64,
    /// Items that were not sent, because NATS' limit of a message has become lower.
    pub items_not_taken: u64,
    /// Steps of worlds.
    pub ticks: u64,
    /// Steps of worlds that were left out, because the worker was behind.
    pub ticks_skipped: u64,
    /// Live messages in rooms in real time that are no controls.
    pub bad_controls: u64,
    /// Worlds written.
    pub worlds_stored: u64,
    /// Inputs of bots appended to logs; repeats are counted again.
    pub bot_inputs: u64,
    /// Inputs of bots that their own game rejected.
    pub bot_rejects: u64,
    /// Calls of `Game::bot` that panicked, or returned too much.
    pub bot_faults: u64,
    /// Listings written for lobbies.
    pub listings_stored: u64,
    /// Times that lobbies ceased to show a room, because the game panicked or its listing was too big.
    pub listing_faults: u64,
    /// Worlds made anew, because the stored one could not be read.
    pub worlds_made_anew: u64,
}

impl Counts {
    /// Counts a room's snapshot that cannot be used.
    pub(crate) fn count_unusable(&mut self, error: &DecodeError) {
        match error {
            DecodeError::Damaged => self.damaged += 1,
            _ => self.unreadable_snapshots += 1,
        }
    }
}

/// The numbers of rooms of a partition, an engine or a worker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RoomCounts {
    /// Rooms in memory.
    pub loaded: usize,
    /// Rooms that are stored and not in memory.
    pub stored: usize,
    /// Rooms that a later version of their game stored than this build has.
    pub too_new: usize,
    /// Rooms that the bus does not take at the moment, because its limits have become lower.
    pub held: usize,
    /// Rooms whose entries wait until what they have sent out is acked.
    pub waiting: usize,
    /// Rooms in quarantine.
    pub quarantined: usize,
}

/// The numbers of a game.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GameCounts {
    /// Rooms in memory.
    pub rooms: u64,
    /// Spectators on all edges.
    pub viewers: u64,
}

impl AddAssign for RoomCounts {
    fn add_assign(&mut self, other: Self) {
        self.loaded += other.loaded;
        self.stored += other.stored;
        self.too_new += other.too_new;
        self.held += other.held;
        self.waiting += other.waiting;
        self.quarantined += other.quarantined;
    }
}

impl SubAssign for RoomCounts {
    fn sub_assign(&mut self, other: Self) {
        self.loaded -= other.loaded;
        self.stored -= other.stored;
        self.too_new -= other.too_new;
        self.held -= other.held;
        self.waiting -= other.waiting;
        self.quarantined -= other.quarantined;
    }
}

impl Sum for RoomCounts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        let mut sum = Self::default();
        for summand in counts {
            sum += summand;
        }
        sum
    }
}
