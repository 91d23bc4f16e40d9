//! The behavior of scripted players, and the traces of it in updates and views.

use rand::{Rng, RngExt, seq::IteratorRandom};
use serde_json::{Value, json};

/// A built-in game.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Game {
    /// Players send numbers.
    Relay,
    /// Players flip cards.
    Memory,
}

impl Game {
    /// The game's name, with which the names of its rooms begin.
    pub fn name(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::Memory => "memory",
        }
    }

    /// Whether every update is an input and identifies it.
    pub fn is_numbered(self) -> bool {
        self == Self::Relay
    }

    /// The `params` of a room. Some games of `memory` are short. Lost players keep their places, and turns have no time
    /// limit.
    pub fn params(self, room: usize) -> Value {
        let (rows, cols) = [(8, 8), (4, 4), (2, 3)][room / 2 % 3];
        match self {
            Self::Relay => json!({}),
            Self::Memory => json!({"rows": rows, "cols": cols, "hide_ms": 300, "turn_ms": 600_000,
                                   "grace_ms": 600_000, "pause_ms": 3_600_000}),
        }
    }

    /// Returns a player's next input and its identifying number.
    pub fn input(
        self,
        view: &Value,
        player: &str,
        seq: u64,
        rng: &mut impl Rng,
    ) -> Option<(Value, u64)> {
        let flip = |card: usize| (json!({"op": "flip", "card": card}), card as u64);
        match self {
            Self::Relay => Some((json!({"seq": seq}), seq)),
            Self::Memory => {
                let cards = view["cards"].as_array()?;
                let open = view["open"].as_array()?;
                let on = view["phase"] == "playing" && view["turn"] == player && open.len() < 2;
                match on {
                    true => {
                        let hidden = (0..cards.len()).filter(|&card| cards[card].is_null());
                        hidden.choose(rng).map(flip)
                    }
                    // Mostly rejected by the game.
                    false if rng.random_bool(0.05) => Some(self.probe(cards.len(), seq, rng)),
                    false => None,
                }
            }
        }
    }

    /// Returns an input that is answered in any state of the room, and its identifying number.
    pub fn probe(self, cards: usize, seq: u64, rng: &mut impl Rng) -> (Value, u64) {
        match self {
            Self::Relay => (json!({"seq": seq}), seq),
            Self::Memory => {
                let card = rng.random_range(0..cards.max(1));
                (json!({"op": "flip", "card": card}), card as u64)
            }
        }
    }

    /// Returns the player and the identifying number of the input that an update shows.
    pub fn shown_input(self, update: &Value) -> Option<(String, u64)> {
        let (player, what) = match self {
            Self::Relay => (&update["from"], &update["data"]["seq"]),
            Self::Memory if update["kind"] == "flipped" => (&update["by"], &update["card"]),
            Self::Memory => return None,
        };
        Some((player.as_str()?.to_owned(), what.as_u64()?))
    }

    /// Whether a view shows the game's end.
    pub fn is_over(self, view: &Value) -> bool {
        self == Self::Memory && view["phase"] == "over"
    }
}
