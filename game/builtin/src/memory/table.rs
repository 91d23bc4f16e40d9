//! The state of a `memory` room.

use grandstand_game::PlayerId;
use serde::{Deserialize, Serialize};

use super::params::Params;

/// The phase of a game.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Players are missing.
    Waiting,
    /// A player has the turn.
    Playing,
    /// The game waits for a player whose connection dropped.
    Paused,
    /// The game has ended.
    Over,
}

/// A game of `memory`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Memory {
    pub(super) params: Params,
    pub(super) phase: Phase,
    /// Each card's face, as an index into the faces. Secret: no view contains all of it.
    pub(super) deck: Vec<usize>,
    /// Whether each card is matched.
    pub(super) matched: Vec<bool>,
    /// The one or two cards that are open and not matched.
    pub(super) open: Vec<usize>,
    /// The time at which two different open cards are hidden, Unix milliseconds.
    pub(super) hide_ms: Option<u64>,
    /// The players in the order of their turns.
    pub(super) seats: Vec<Seat>,
    /// The seat that has the turn. Meaningless before the start and after the end.
    pub(super) turn: usize,
    pub(super) deadline_ms: Option<u64>,
    pub(super) winners: Option<Vec<PlayerId>>,
}

/// A place in the game.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Seat {
    pub(super) player: PlayerId,
    pub(super) score: u32,
    pub(super) hand: Hand,
}

/// The one who plays in a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Hand {
    /// The player, connected.
    Here,
    /// The player, whose connection dropped. The game continues.
    Away,
    /// The player, for whom the game is paused until `until_ms`.
    Missing { until_ms: u64 },
    /// The computer; no one if the game was abandoned.
    Gone,
    /// A bot, from the beginning.
    Bot,
}

impl Memory {
    pub(super) fn seat(&self, player: &PlayerId) -> Option<usize> {
        self.seats.iter().position(|seat| &seat.player == player)
    }

    pub(super) fn is_open(&self, card: usize) -> bool {
        self.matched[card] || self.open.contains(&card)
    }
}
