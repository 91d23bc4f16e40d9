//! The parameters of a `memory` room.

use grandstand_game::{Reject, Verdict};
use serde::{Deserialize, Serialize};

/// The faces of cards, each on two cards.
pub(super) const FACES: &[&str] = &[
    "A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L", "M", "N", "O", "P", "Q", "R", "S",
    "T", "U", "V", "W", "X", "Y", "Z", "2", "3", "4", "5", "6", "7",
];

/// The most cards of a room: two of each face.
const MAX_CARDS: usize = 2 * FACES.len();

/// The `params` of the first player's `join`. Missing ones have their defaults, unknown ones are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Params {
    /// The number of players, 2 to 4. The game starts when all have joined. 2 by default.
    pub players: usize,
    /// The number of players whom the computer plays from the beginning, less than `players`. They sit down after the first
    /// player, under the names `bot-1`, `bot-2`, … 0 by default.
    #[serde(skip_serializing_if = "is_zero")]
    pub bots: usize,
    /// Rows of cards. 4 by default.
    pub rows: usize,
    /// Columns of cards; `rows * cols` is even and at most 64. 4 by default.
    pub cols: usize,
    /// The replacement of a player who does not return. `computer` by default.
    pub on_drop: OnDrop,
    /// The duration of a turn. 20 s by default, 100 ms to 10 min.
    pub turn_ms: u64,
    /// The time for which two different cards stay open. 1 s by default, 10 ms to 10 s.
    pub hide_ms: u64,
    /// The time for which the game continues after a player's connection dropped. 30 s by default, 10 ms to 10 min.
    pub grace_ms: u64,
    /// The time for which the game then pauses for this player. 2 min by default, 10 ms to 1 h.
    pub pause_ms: u64,
    /// The delay of the computer before it flips a card. 800 ms by default, 10 ms to 10 s.
    pub computer_ms: u64,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// The replacement of a player who does not return.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnDrop {
    /// The computer plays on.
    Computer,
    /// The game is over, and the others win.
    Abandon,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            players: 2,
            bots: 0,
            rows: 4,
            cols: 4,
            on_drop: OnDrop::Computer,
            turn_ms: 20_000,
            hide_ms: 1_000,
            grace_ms: 30_000,
            pause_ms: 120_000,
            computer_ms: 800,
        }
    }
}

impl Params {
    /// Checks the bounds of the parameters.
    ///
    /// # Errors
    /// `bad_params`, naming the wrong parameter and its bounds.
    pub(super) fn check(&self) -> Verdict {
        let bad = |message: String| Err(Reject::new("bad_params", message));
        if !(2..=4).contains(&self.players) {
            return bad(format!("players is {}, must be 2 to 4", self.players));
        }
        if self.bots >= self.players {
            return bad(format!(
                "bots is {}, must be less than players, which is {}",
                self.bots, self.players
            ));
        }
        let rows = self.rows;
        let cols = self.cols;
        match rows.checked_mul(cols) {
            Some(cards) if (2..=MAX_CARDS).contains(&cards) && cards % 2 == 0 => {}
            _ => {
                return bad(format!(
                    "rows × cols is {rows} × {cols}, must be an even number of 2 to {MAX_CARDS} cards"
                ));
            }
        }
        for (name, value, min, max) in [
            ("turn_ms", self.turn_ms, 100, 600_000),
            ("hide_ms", self.hide_ms, 10, 10_000),
            ("grace_ms", self.grace_ms, 10, 600_000),
            ("pause_ms", self.pause_ms, 10, 3_600_000),
            ("computer_ms", self.computer_ms, 10, 10_000),
        ] {
            if !(min..=max).contains(&value) {
                return bad(format!("{name} is {value}, must be {min} to {max}"));
            }
        }
        Ok(())
    }

    /// The number of cards.
    pub(super) fn cards(&self) -> usize {
        self.rows * self.cols
    }
}
