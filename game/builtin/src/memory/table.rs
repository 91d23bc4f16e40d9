//! The state of a `memory` room.

use grandstand_game::PlayerId;
use serde::{Deserialize, Serialize};

use super::params::Params;

/// How far the game is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Players are missing.
    Waiting,
    /// Somebody's turn.
    Playing,
    /// A player who dropped is waited for.
    Paused,
    /// The end.
    Over,
}

/// A game of `memory`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Memory {
    pub(super) params: Params,
    pub(super) phase: Phase,
    /// Each card's face, by its index in [`FACES`]. Never shown as a whole.
    pub(super) deck: Vec<usize>,
    /// Which cards were matched.
    pub(super) matched: Vec<bool>,
    /// The one or two cards that are open and not matched.
    pub(super) open: Vec<usize>,
    /// When two different open cards are hidden.
    pub(super) hide_ms: Option<u64>,
    /// Who plays, in the order of their turns.
    pub(super) seats: Vec<Seat>,
    /// Whose turn it is, while there is one.
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

/// Who plays in a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Hand {
    /// Its player, who is connected.
    Here,
    /// Its player, who dropped a short while ago.
    Away,
    /// Its player, for whom the game is paused until then.
    Missing { until_ms: u64 },
    /// The computer, or, where the game was abandoned, nobody.
    Gone,
}

impl Memory {
    pub(super) fn seat(&self, player: &PlayerId) -> Option<usize> {
        self.seats.iter().position(|seat| &seat.player == player)
    }

    pub(super) fn is_open(&self, card: usize) -> bool {
        self.matched[card] || self.open.contains(&card)
    }
}
