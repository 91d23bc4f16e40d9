//! Scripted players of games, for tools that play rooms by themselves.

use std::fmt;

use grandstand_types::id::PlayerId;
use rand_chacha::ChaCha8Rng as Rng;
use serde_json::Value;

use crate::testing::Reducer;

/// Returns the next input of a player from the player's view; `null` if there is nothing to do now.
pub type Play = fn(&Value, &PlayerId, &mut Rng) -> Value;

/// The scripted player of a game.
#[derive(Debug, Clone, Copy)]
pub struct ScriptedPlayer {
    /// Chooses the inputs.
    pub play: Play,
    /// Applies the game's own updates to a view; `None` if the game has automatic ones.
    pub reduce: Option<Reducer>,
    /// Whether the game is one in real time, so that its players also send controls.
    pub is_realtime: bool,
}

/// A game cannot be played by a tool.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct NotScripted {
    /// The name of the game.
    pub game: String,
    /// The reason.
    pub why: NotScriptedReason,
    /// The names of the games that can be played.
    pub others: Vec<String>,
}

/// The reason why a game cannot be played by a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotScriptedReason {
    /// The program has no game of this name.
    NoGame,
    /// The game has no scripted player.
    NoPlayer,
    /// The game makes its own updates and has no reducer, so its players do not know their views.
    NoReducer,
}

impl fmt::Display for NotScripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let game = &self.game;
        match self.why {
            NotScriptedReason::NoGame => write!(f, "this program has no game {game}")?,
            NotScriptedReason::NoPlayer => write!(
                f,
                "the game {game} has no scripted player; name one with `.played_by(play)` behind the call that adds the game"
            )?,
            NotScriptedReason::NoReducer => write!(
                f,
                "the game {game} makes its own updates; name how clients apply them with `.reduced_by(apply)` behind the \
                 call that adds the game"
            )?,
        }
        match self.others.as_slice() {
            [] => f.write_str(" (no game of this program has a scripted player)"),
            others => write!(f, " (games with a scripted player: {})", others.join(", ")),
        }
    }
}
