//! The messages of players and rooms to a queue, and its view.

use std::collections::{BTreeMap, BTreeSet};

use grandstand_types::data::Data;
use grandstand_types::id::PlayerId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::reject::{Reject, Verdict};

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
        /// Whether a ticket or a match that the player has already counts instead.
        #[serde(default)]
        resume: bool,
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

/// The data of a `shard` message, from a shard to its queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ShardReport {
    /// The number of the shard.
    pub(super) shard: u32,
    /// The number of its players.
    pub(super) players: usize,
}

/// The data of a room's message.
pub(super) fn read<T: DeserializeOwned>(data: &Data) -> Result<T, Reject> {
    match data {
        Data::Json(text) => serde_json::from_slice(text)
            .map_err(|error| Reject::new("bad_message", error.to_string())),
        Data::Binary(_) => Err(Reject::new("bad_message", "the data must be JSON")),
    }
}

/// The bytes that a player's ticket or options take in the stored state, roughly.
pub(super) fn size(player: &PlayerId, value: &impl Serialize) -> usize {
    /// The names of the members.
    const REST: usize = 48;
    let text = serde_json::to_vec(value);
    text.map_or(0, |text| text.len()) + player.as_str().len() + REST
}

/// Whether a name is `queue-` and lower-case letters, digits or `_`.
pub(super) const fn is_queue(name: &str) -> bool {
    let (name, prefix) = (name.as_bytes(), b"queue-");
    let mut at = 0;
    while at < name.len() {
        let fits = if at < prefix.len() {
            name[at] == prefix[at]
        } else {
            matches!(name[at], b'a'..=b'z' | b'0'..=b'9' | b'_')
        };
        if !fits {
            return false;
        }
        at += 1;
    }
    name.len() > prefix.len()
}

/// Rejects unless a condition holds.
pub(super) fn require(
    holds: bool,
    code: &'static str,
    message: impl FnOnce() -> String,
) -> Verdict {
    if holds {
        Ok(())
    } else {
        Err(Reject::new(code, message()))
    }
}
