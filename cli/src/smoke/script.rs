//! The games that a smoke test plays: what a client sends next, and what it sees of the others.

use grandstand_common::id::PlayerId;
use grandstand_game::{Rng, ScriptedPlayer};
use rand::SeedableRng as _;
use serde_json::{Value, json};

use super::memory::{Table, flip};

/// The inputs of each player in a game without an end.
pub(super) const INPUTS: u64 = 5;

/// The time after which a room of `relay` ends that nobody uses any more.
const RELAY_IDLE_MS: u64 = 10_000;

/// The game of the room.
#[derive(Debug, Clone)]
pub(super) enum Script {
    /// The built-in `memory`, to its end.
    Memory,
    /// The built-in `relay`: some inputs.
    Relay,
    /// A game of this program, with its scripted player: to its end, or some inputs.
    Own(ScriptedPlayer),
}

/// The knowledge of one client about the room.
#[derive(Debug)]
pub(super) enum Knowledge {
    Memory(Table),
    /// The number of messages.
    Relay(u64),
    Own {
        player: ScriptedPlayer,
        view: Value,
        direct: Value,
        /// Whether updates are merge patches.
        merges: bool,
        rng: Box<Rng>,
    },
}

impl Script {
    /// The script of a game by its name; `None` for one that this program must know.
    pub(super) fn built_in(game: &str) -> Option<Self> {
        match game {
            "memory" => Some(Self::Memory),
            "relay" => Some(Self::Relay),
            _ => None,
        }
    }

    /// The parameters of the room. A room that is left alone ends soon.
    pub(super) fn params(&self) -> Value {
        match self {
            Self::Memory => json!({"rows": 2, "cols": 3, "hide_ms": 10, "on_drop": "abandon",
                                   "grace_ms": 1000, "pause_ms": 1000}),
            Self::Relay => json!({"idle_ms": RELAY_IDLE_MS}),
            Self::Own(_) => json!({}),
        }
    }

    /// Whether the game has an end that all clients see. Others are played for some inputs.
    pub(super) fn has_end(&self) -> bool {
        matches!(self, Self::Memory)
    }

    /// Whether the game is one in real time: its inputs are also sent as controls, and each frame shows them.
    pub(super) fn is_realtime(&self) -> bool {
        matches!(self, Self::Own(player) if player.is_realtime)
    }

    /// Whether the game is expected to reject an input: in `memory`, a player whose turn it is not tries to flip a card.
    pub(super) fn expects_reject(&self, code: &str) -> bool {
        match self {
            Self::Memory => matches!(
                code,
                "not_your_turn" | "not_started" | "card_open" | "two_open"
            ),
            Self::Relay => false,
            Self::Own(_) => true,
        }
    }

    /// The knowledge of a client that has not joined yet.
    pub(super) fn knowledge(&self) -> Knowledge {
        match self {
            Self::Memory => Knowledge::Memory(Table::default()),
            Self::Relay => Knowledge::Relay(0),
            Self::Own(player) => Knowledge::Own {
                player: *player,
                view: Value::Null,
                direct: Value::Null,
                merges: false,
                rng: Box::new(Rng::seed_from_u64(rand::random())),
            },
        }
    }

    /// The name of an input in updates, by which a spectator recognizes it; `None` if the game has none.
    pub(super) fn name_of_input(&self, player: &str, input: &Value) -> Option<String> {
        match self {
            Self::Memory => Some(format!("{player} {}", input["card"])),
            Self::Relay => Some(format!("{player} {}", input["smoke"])),
            Self::Own(_) => None,
        }
    }

    /// The name of the input that an update shows.
    pub(super) fn name_in_update(&self, update: &Value) -> Option<String> {
        match self {
            Self::Memory => {
                let player = update["by"].as_str()?;
                (update["kind"] == "flipped").then(|| format!("{player} {}", update["card"]))
            }
            Self::Relay => {
                let player = update["from"].as_str()?;
                Some(format!("{player} {}", update["data"]["smoke"]))
            }
            Self::Own(_) => None,
        }
    }
}

impl Knowledge {
    /// Takes a snapshot message.
    pub(super) fn show(&mut self, message: &Value) {
        let data = &message["data"];
        match self {
            Self::Memory(table) => table.show(data),
            Self::Relay(count) => *count = data["count"].as_u64().unwrap_or_default(),
            Self::Own { view, merges, .. } => {
                *view = data.clone();
                *merges = message["patch"] == "merge";
            }
        }
    }

    /// Takes the data of an update.
    pub(super) fn update(&mut self, data: &Value) {
        match self {
            Self::Memory(table) => table.update(data),
            Self::Relay(count) => *count += 1,
            Self::Own {
                player,
                view,
                merges,
                ..
            } => match player.reduce {
                Some(reduce) if !*merges => reduce(view, data),
                _ => merge(view, data),
            },
        }
    }

    /// Takes a message for this player alone.
    pub(super) fn direct(&mut self, data: &Value) {
        if let Self::Own { direct, .. } = self {
            *direct = data.clone();
        }
    }

    /// Whether the game is over, as far as its view says.
    pub(super) fn is_over(&self) -> bool {
        matches!(self, Self::Memory(table) if table.is_over())
    }

    /// The next input of a player with this name, which has sent `sent` so far. None while it is not its turn.
    pub(super) fn next(&mut self, player: &str, sent: u64) -> Option<Value> {
        match self {
            // The first input of each player comes at once, so that both are acked even if one finds all pairs.
            Self::Memory(table) if sent == 0 && table.is_playing() => {
                table.choose(player).or(Some(flip(0)))
            }
            Self::Memory(table) => table.choose(player),
            Self::Relay(_) => (sent < INPUTS).then(|| json!({"smoke": sent})),
            Self::Own {
                player: scripted,
                view,
                direct,
                rng,
                ..
            } => {
                let id = player.parse::<PlayerId>().ok()?;
                let mut view = view.clone();
                if let (Some(members), false) = (view.as_object_mut(), direct.is_null()) {
                    members.insert("private".to_owned(), direct.clone());
                }
                let input = (sent < INPUTS).then(|| (scripted.play)(&view, &id, rng));
                input.filter(|input| !input.is_null())
            }
        }
    }
}

/// Applies a merge patch (RFC 7396).
fn merge(view: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *view = patch.clone();
        return;
    };
    if !view.is_object() {
        *view = json!({});
    }
    let Value::Object(members) = view else { return };
    for (name, change) in changes {
        if change.is_null() {
            members.remove(name);
        } else {
            merge(members.entry(name).or_insert(Value::Null), change);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_replaces_merges_and_removes_members() {
        let mut view = json!({"a": {"b": 1, "c": 2}, "d": [1, 2], "e": 3});
        merge(
            &mut view,
            &json!({"a": {"b": null, "x": {"y": 4}}, "d": [5], "e": null}),
        );
        assert_eq!(view, json!({"a": {"c": 2, "x": {"y": 4}}, "d": [5]}));
    }

    #[test]
    fn each_player_of_memory_moves_once_even_out_of_turn() {
        let mut knowledge = Script::Memory.knowledge();
        let view = json!({"phase": "playing", "turn": "a", "open": [], "cards": [null, null]});
        knowledge.show(&json!({"data": view}));
        assert_eq!(knowledge.next("b", 0), Some(flip(0)));
        assert_eq!(knowledge.next("b", 1), None);
        assert_eq!(knowledge.next("a", 3), Some(flip(0)));
    }

    #[test]
    fn inputs_and_updates_have_the_same_name() {
        let input = json!({"smoke": 3});
        let update = json!({"from": "a", "data": input});
        let name = Script::Relay.name_of_input("a", &input);
        assert_eq!(name, Script::Relay.name_in_update(&update));
        let update = json!({"kind": "flipped", "card": 2, "face": "A", "by": "a"});
        let name = Script::Memory.name_of_input("a", &flip(2));
        assert_eq!(name, Script::Memory.name_in_update(&update));
        let other = json!({"kind": "matched", "cards": [1, 2], "by": "a"});
        assert_eq!(Script::Memory.name_in_update(&other), None);
    }
}
