//! Events, which a game receives from its room's log.

use grandstand_types::data::Data;
use grandstand_types::id::PlayerId;

/// An event from the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Event<'a> {
    /// The time by the log's clock, Unix milliseconds. It never precedes that of the previous event, nor the due time
    /// of the timer.
    pub now_ms: u64,
    /// The event itself.
    pub kind: EventKind<'a>,
}

/// The kind of an event.
#[derive(Debug, Clone, PartialEq)]
pub enum EventKind<'a> {
    /// A player joined: one who is new to the room, or had left it.
    Joined {
        /// The player.
        player: &'a PlayerId,
        /// The options for this room in the player's token; `null` if it has none.
        options: &'a serde_json::Value,
    },
    /// A player left for good.
    Left {
        /// The player.
        player: &'a PlayerId,
    },
    /// A player's connection dropped.
    Lost {
        /// The player.
        player: &'a PlayerId,
    },
    /// A player whose connection had dropped is back.
    Returned {
        /// The player.
        player: &'a PlayerId,
    },
    /// A player sent an input.
    Input {
        /// The sender.
        player: &'a PlayerId,
        /// The content of the input.
        data: &'a Data,
    },
    /// A timer of [`Effects::set_timer`](crate::Effects::set_timer) fired.
    Timer {
        /// Its name.
        name: &'a str,
    },
}
