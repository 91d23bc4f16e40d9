//! The messages of players and rooms to a queue, and its view.

use std::collections::{BTreeMap, BTreeSet};

use grandstand_types::id::PlayerId;
use serde::{Deserialize, Serialize};

/// The inputs of a queue.
#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum QueueInput<T> {
    /// Waits for a match.
    Enter {
        /// The ticket.
        ticket: T,
        /// The rest of the party, who accept.
        #[serde(default)]
        with: BTreeSet<PlayerId>,
    },
    /// Joins a party.
    Accept {
        /// The player who has entered.
        of: PlayerId,
    },
    /// Waits no longer. It is the same for the whole party.
    Withdraw {},
}

/// The view of a queue, which is its update too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueUpdate {
    /// The number of players who wait.
    pub waiting: usize,
    /// The number of matches so far.
    pub matches: u64,
}

/// The data of a `backfill` message. Without seats the room takes nobody any more.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Seats {
    pub(super) seats: u32,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
}
