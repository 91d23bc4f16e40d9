//! The behavior of scripted players, and the traces of it in updates and views.

use std::sync::Arc;

use grandstand_common::id::PlayerId;
use rand::{RngExt, seq::IteratorRandom};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::digest::digest;
use crate::client::room::{Reduce, Room};

/// The prefix of the names of the bots of `memory`.
const BOT: &str = "bot-";
/// One room in this many has a bot.
const BOTS_EVERY: usize = 8;

/// The game of a room.
#[derive(Debug, Clone)]
pub enum Game {
    /// Players of `relay` send numbers.
    Relay,
    /// Players of `memory` flip cards.
    Memory,
    /// One player of `memory` plays against a bot.
    Bots,
    /// A game of the program that runs the chaos.
    Own(Arc<OwnGame>),
}

/// A game of the program that runs the chaos, with its scripted player.
#[derive(Debug, Clone)]
pub struct OwnGame {
    /// The game's name.
    pub name: String,
    /// The `params` of its rooms.
    pub params: Value,
    /// The number of players of each room.
    pub players: usize,
    /// Returns a player's next input from the player's view; `null` if there is nothing to do.
    pub play: fn(&Value, &PlayerId, &mut ChaCha8Rng) -> Value,
    /// Applies an update to a view; `None` if updates are merge patches.
    pub reduce: Option<Reduce>,
    /// Whether players send their inputs as controls, too.
    pub is_realtime: bool,
}

impl Game {
    /// The game of a slot: the program's own, or the built-in ones in turn.
    pub fn of_slot(slot: usize, own: Option<&Arc<OwnGame>>) -> Self {
        match own {
            Some(own) => Self::Own(Arc::clone(own)),
            None if slot % BOTS_EVERY == BOTS_EVERY - 1 => Self::Bots,
            None if slot.is_multiple_of(2) => Self::Relay,
            None => Self::Memory,
        }
    }

    /// The game's name, with which the names of its rooms begin.
    pub fn name(&self) -> &str {
        match self {
            Self::Relay => "relay",
            Self::Memory | Self::Bots => "memory",
            Self::Own(own) => &own.name,
        }
    }

    /// The number of players in each room, without bots.
    pub fn players(&self) -> usize {
        match self {
            Self::Relay | Self::Memory => 2,
            Self::Bots => 1,
            Self::Own(own) => own.players,
        }
    }

    /// Whether every update is an input and identifies it.
    pub fn is_numbered(&self) -> bool {
        matches!(self, Self::Relay)
    }

    /// Whether the game is one of which nothing is known. Its rooms end when an input is rejected with `finished`.
    pub fn is_own(&self) -> bool {
        matches!(self, Self::Own(_))
    }

    /// Whether the logs of its rooms are replayed at the end. Only the log has the numbers of bots' inputs, and says which
    /// inputs the game rejected. `relay` rejects none, and its updates identify the others.
    pub fn is_replayed(&self) -> bool {
        !self.is_numbered()
    }

    /// The `params` of a room. Some games of `memory` are short. Lost players keep their places, and turns have no time
    /// limit.
    pub fn params(&self, room: usize) -> Value {
        let memory = |(rows, cols): (u32, u32)| {
            json!({"rows": rows, "cols": cols, "hide_ms": 300, "turn_ms": 600_000, "grace_ms": 600_000,
                   "pause_ms": 3_600_000})
        };
        match self {
            Self::Relay => json!({}),
            Self::Memory => memory([(8, 8), (4, 4), (2, 3)][room / 2 % 3]),
            Self::Bots => {
                let mut params = memory([(2, 3), (2, 2), (4, 4)][room / BOTS_EVERY % 3]);
                params["bots"] = json!(1);
                params["computer_ms"] = json!(200);
                params
            }
            Self::Own(own) => own.params.clone(),
        }
    }

    /// Prepares a client's knowledge of a room.
    pub fn prepare(&self, room: &mut Room) {
        if let Self::Own(own) = self
            && let Some(reduce) = own.reduce
        {
            room.reduce_with(reduce);
        }
    }

    /// Returns a player's next input.
    pub fn input(&self, room: &Room, player: &str, rng: &mut ChaCha8Rng) -> Option<Value> {
        let view = &room.view;
        match self {
            Self::Relay => Some(self.probe(room, player, rng)),
            Self::Memory | Self::Bots => {
                let cards = view["cards"].as_array()?;
                let open = view["open"].as_array()?;
                let on = view["phase"] == "playing" && view["turn"] == player && open.len() < 2;
                if on {
                    let hidden = (0..cards.len()).filter(|&card| cards[card].is_null());
                    return hidden.choose(rng).map(flip);
                }
                // Mostly rejected by the game.
                let tries = rng.random_bool(0.05);
                tries.then(|| self.probe(room, player, rng))
            }
            Self::Own(own) => own.input(room, player, rng),
        }
    }

    /// Returns an input that is answered in any state of the room.
    pub fn probe(&self, room: &Room, player: &str, rng: &mut ChaCha8Rng) -> Value {
        match self {
            Self::Relay => {
                json!({"seq": room.next_seq()})
            }
            Self::Memory | Self::Bots => {
                let cards = room.view["cards"].as_array().map_or(0, Vec::len);
                flip(rng.random_range(0..cards.max(1)))
            }
            Self::Own(own) => {
                let input = own.input(room, player, rng);
                input.unwrap_or_else(|| json!({}))
            }
        }
    }

    /// Returns the number that identifies an input among those of its player.
    pub fn what(&self, input: &Value) -> u64 {
        let number = match self {
            Self::Relay => &input["seq"],
            Self::Memory | Self::Bots => &input["card"],
            Self::Own(_) => return digest(input),
        };
        number.as_u64().unwrap_or_default()
    }

    /// Returns the player and the identifying number of the input that an update shows.
    pub fn shown_input(&self, update: &Value) -> Option<(String, u64)> {
        let (player, what) = match self {
            Self::Relay => (&update["from"], &update["data"]["seq"]),
            Self::Memory | Self::Bots if update["kind"] == "flipped" => {
                (&update["by"], &update["card"])
            }
            Self::Memory | Self::Bots | Self::Own(_) => return None,
        };
        Some((player.as_str()?.to_owned(), what.as_u64()?))
    }

    /// Whether a player of this name is a bot.
    pub fn is_bot(&self, player: &str) -> bool {
        matches!(self, Self::Bots) && player.starts_with(BOT)
    }

    /// Whether a bot has to move before anything else happens in the room.
    pub fn waits_for_bot(&self, view: &Value) -> bool {
        let turn = view["turn"].as_str();
        view["phase"] == "playing" && turn.is_some_and(|player| self.is_bot(player))
    }

    /// Whether a view shows the game's end.
    pub fn is_over(&self, view: &Value) -> bool {
        matches!(self, Self::Memory | Self::Bots) && view["phase"] == "over"
    }
}

fn flip(card: usize) -> Value {
    json!({"op": "flip", "card": card})
}

impl OwnGame {
    fn input(&self, room: &Room, player: &str, rng: &mut ChaCha8Rng) -> Option<Value> {
        let id = player.parse().ok()?;
        let mut view = room.view.clone();
        if let (Some(members), false) = (view.as_object_mut(), room.direct.is_null()) {
            members.insert("private".to_owned(), room.direct.clone());
        }
        let data = (self.play)(&view, &id, rng);
        (!data.is_null()).then_some(data)
    }
}
