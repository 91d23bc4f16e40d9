//! The names of the timers of a `memory` room.

use grandstand_game::PlayerId;

/// The turn runs out.
pub(super) const TURN: &str = "turn";
/// Two different cards are hidden again.
pub(super) const HIDE: &str = "hide";
/// The computer flips a card.
pub(super) const COMPUTER: &str = "computer";
/// Nobody came to a room in which nobody waits.
pub(super) const EMPTY: &str = "empty";
/// `away:{player}`: the player's time to return runs out.
pub(super) const AWAY: &str = "away:";

/// The name of a player's timer.
pub(super) fn away(player: &PlayerId) -> String {
    format!("{AWAY}{player}")
}
