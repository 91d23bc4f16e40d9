//! Players whom a room of a queue sends to another room of it.

use grandstand_types::id::{PlayerId, RoomId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::messages::QueueUpdate;
use crate::effects::Effects;

/// The time for which the ticket of a player counts who is sent to another room, milliseconds.
const COUNTS_FOR_MS: u64 = 30_000;

/// The part of a player's options that a room of the queue adds which has sent the player to another one.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
pub(super) struct Moved<T> {
    /// The ticket, if the player waits.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    ticket: Option<T>,
    /// The time since which the player waits, Unix milliseconds.
    since_ms: u64,
    /// The time until which the ticket counts, Unix milliseconds.
    until_ms: u64,
}

impl<T> Moved<T> {
    /// A player without a ticket.
    pub(super) fn idle() -> Self {
        Self {
            ticket: None,
            since_ms: 0,
            until_ms: 0,
        }
    }

    /// A player who waits since a time, at `now_ms` (Unix).
    pub(super) fn waiting(ticket: T, since_ms: u64, now_ms: u64) -> Self {
        Self {
            ticket: Some(ticket),
            since_ms,
            until_ms: now_ms + COUNTS_FOR_MS,
        }
    }

    /// The ticket, if it counts, and the time since which it waits. A client may use an invitation again, long after.
    pub(super) fn ticket(self, now_ms: u64) -> Option<(T, u64)> {
        let ticket = self.ticket.filter(|_| now_ms < self.until_ms)?;
        Some((ticket, self.since_ms))
    }
}

/// Sends a player to another room, whose game gets the options and the ticket.
pub(super) fn send_on<T: Serialize>(
    player: &PlayerId,
    room: &RoomId,
    options: &Value,
    moved: &Moved<T>,
    fx: &mut Effects<QueueUpdate>,
) {
    fx.invite(player, room, json!({"options": options, "moved": moved}));
    fx.kick(player, "moved");
}

/// The options of a player's own token, and what another room of the queue has added.
pub(super) fn unpack<T: DeserializeOwned>(options: &Value) -> (Value, Moved<T>) {
    match options.get("moved") {
        Some(moved) => {
            let moved = Moved::deserialize(moved);
            let own = options.get("options").cloned();
            (
                own.unwrap_or_default(),
                moved.unwrap_or_else(|_| Moved::idle()),
            )
        }
        None => (options.clone(), Moved::idle()),
    }
}
