//! Ratings by Glicko-2.

use serde::{Deserialize, Serialize};
use skillratings::Outcomes;
use skillratings::glicko2::{Glicko2Config, Glicko2Rating, glicko2_rating_period};

/// A player's strength by [Glicko-2](https://www.glicko.net/glicko/glicko2.pdf).
///
/// ```
/// use grandstand_game::matching::{Outcome, Rating};
///
/// let alice = Rating::default();
/// let bob = Rating::default();
/// assert!(alice.after(&[(bob, Outcome::Won)]).rating > 1600.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rating {
    /// The estimate; 1500 for a new player.
    pub rating: f64,
    /// Its standard deviation; 350 for a new player.
    pub deviation: f64,
    /// The expected change of the strength over time; 0.06 for a new player.
    pub volatility: f64,
}

/// The outcome of a game for one of two players.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The player has won.
    Won,
    /// Nobody has won.
    Drawn,
    /// The opponent has won.
    Lost,
}

impl Rating {
    /// The rating after games against opponents, each with its rating before. Without games the deviation grows.
    #[must_use]
    pub fn after(self, games: &[(Self, Outcome)]) -> Self {
        let games: Vec<_> = games
            .iter()
            .map(|(opponent, outcome)| (opponent.to_glicko(), outcome.to_glicko()))
            .collect();
        let after = glicko2_rating_period(&self.to_glicko(), &games, &Glicko2Config::new());
        Self {
            rating: after.rating,
            deviation: after.deviation,
            volatility: after.volatility,
        }
    }

    fn to_glicko(self) -> Glicko2Rating {
        Glicko2Rating {
            rating: self.rating,
            deviation: self.deviation,
            volatility: self.volatility,
        }
    }
}

/// A new player's.
impl Default for Rating {
    fn default() -> Self {
        Self {
            rating: 1500.0,
            deviation: 350.0,
            volatility: 0.06,
        }
    }
}

impl Outcome {
    fn to_glicko(self) -> Outcomes {
        match self {
            Self::Won => Outcomes::WIN,
            Self::Drawn => Outcomes::DRAW,
            Self::Lost => Outcomes::LOSS,
        }
    }
}
