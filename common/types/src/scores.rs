//! The data of a result: what a game emits on the topic [`TOPIC`], for the archive.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use crate::id::{BoardName, PlayerId};

/// The topic of results.
pub const TOPIC: &str = "results";

/// The most players of a result.
pub const MAX_PLAYERS: usize = 1000;

/// The largest amount of a score: the largest whole number that every reader of JSON can represent.
pub const MAX_SCORE: i64 = (1 << 53) - 1;

/// The data of a result. Other fields are allowed, and mean nothing to the archive.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct GameScores {
    /// The players, each once.
    pub players: Vec<PlayerScore>,
    /// The board on which the result counts; `None` for the one with the name of the game.
    #[serde(default)]
    pub board: Option<BoardName>,
    /// The season in which the result counts, beside all results together.
    #[serde(default)]
    pub season: Option<BoardName>,
}

/// The result of one player.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PlayerScore {
    /// The player.
    pub player: PlayerId,
    /// More is better.
    pub score: i64,
    /// The place, from 1.
    #[serde(default)]
    pub place: Option<u32>,
    /// Whether the player won.
    #[serde(default)]
    pub won: bool,
}

/// The reason why data is no result.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ScoresError {
    /// Data of another form.
    #[error("data is wrong: {0}")]
    Form(String),
    /// A text or key has the character U+0000, which PostgreSQL cannot store.
    #[error("data has a text with the character U+0000")]
    Nul,
    /// No player, or too many.
    #[error("{0} players are not 1 to {MAX_PLAYERS}")]
    Players(usize),
    /// A player is listed twice.
    #[error("the player {0:?} is there twice")]
    Twice(PlayerId),
    /// A score is too large for JSON.
    #[error("the score {score} of {player:?} is beyond {MAX_SCORE}")]
    Score {
        /// The player.
        player: PlayerId,
        /// The score.
        score: i64,
    },
    /// A place is 0, or too large to be stored.
    #[error("the place of {0:?} is not 1 or more")]
    Place(PlayerId),
}

impl GameScores {
    /// Reads the data of a result.
    ///
    /// # Errors
    /// If the archive would refuse it.
    pub fn read(data: &Value) -> Result<Self, ScoresError> {
        let scores =
            Self::deserialize(data).map_err(|error| ScoresError::Form(error.to_string()))?;
        if has_nul(data) {
            return Err(ScoresError::Nul);
        }
        let count = scores.players.len();
        if !(1..=MAX_PLAYERS).contains(&count) {
            return Err(ScoresError::Players(count));
        }
        let mut names = HashSet::new();
        for entry in &scores.players {
            let player = || entry.player.clone();
            if !names.insert(&entry.player) {
                return Err(ScoresError::Twice(player()));
            }
            if !(-MAX_SCORE..=MAX_SCORE).contains(&entry.score) {
                let (player, score) = (player(), entry.score);
                return Err(ScoresError::Score { player, score });
            }
            if entry
                .place
                .is_some_and(|place| place == 0 || i32::try_from(place).is_err())
            {
                return Err(ScoresError::Place(player()));
            }
        }
        Ok(scores)
    }
}

/// Whether a text or key has the character U+0000.
fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(fields) => fields
            .iter()
            .any(|(key, value)| key.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
