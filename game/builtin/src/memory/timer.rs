//! The names of the timers of a `memory` room.

use std::time::Duration;

use grandstand_game::PlayerId;

/// Ends the turn.
pub(super) const TURN: &str = "turn";
/// Hides two different cards.
pub(super) const HIDE: &str = "hide";
/// Makes the computer flip a card.
pub(super) const COMPUTER: &str = "computer";
/// Ends a room without players before the start.
pub(super) const EMPTY: &str = "empty";
/// The prefix of `away:{player}`, which ends the player's time to return.
pub(super) const AWAY: &str = "away:";

/// The name of the timer of `player`'s time to return.
pub(super) fn away(player: &PlayerId) -> String {
    format!("{AWAY}{player}")
}

/// A time of the parameters.
pub(super) fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}
