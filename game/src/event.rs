//! What a room's log tells its game.

use grandstand_types::data::Data;
use grandstand_types::id::PlayerId;

/// An event from the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Event<'a> {
    /// When, by the log's clock, Unix milliseconds; never before the event before it, nor a timer's due time.
    pub now_ms: u64,
    /// What happened.
    pub kind: EventKind<'a>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum EventKind<'a> {
    /// A player came who was not in the room (or had left it).
    Joined {
        /// Who.
        player: &'a PlayerId,
        /// The token's options for this room; `null` if it has none.
        options: &'a serde_json::Value,
    },
    /// A player left for good.
    Left {
        /// Who.
        player: &'a PlayerId,
    },
    /// A player's connection dropped.
    Lost {
        /// Who.
        player: &'a PlayerId,
    },
    /// A player whose connection had dropped is back.
    Returned {
        /// Who.
        player: &'a PlayerId,
    },
    /// What a player did.
    Input {
        /// Who.
        player: &'a PlayerId,
        /// What.
        data: &'a Data,
    },
    /// A timer came due that [`Effects::set_timer`](crate::Effects::set_timer) set.
    Timer {
        /// Its name.
        name: &'a str,
    },
}
