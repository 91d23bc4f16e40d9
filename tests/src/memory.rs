//! A client of `memory`: makes the next snapshot out of one and the updates that follow it.
//!
//! Written from the list of updates that the game documents, without a look at the game.

use serde_json::{Value, json};

/// Applies an update to a view.
///
/// # Panics
/// If the update is none of those that `memory` sends, or does not fit the view.
pub fn apply(view: &mut Value, update: &Value) {
    let kind = update["kind"].as_str().expect("an update has a kind");
    match kind {
        "waiting" => set_players(view, update),
        "started" => {
            set_players(view, update);
            view["phase"] = json!("playing");
            view["turn"] = update["turn"].clone();
            view["deadline_ms"] = update["deadline_ms"].clone();
        }
        "flipped" => {
            let card = index(&update["card"]);
            assert!(view["cards"][card].is_null(), "card {card} is open already");
            view["cards"][card] = update["face"].clone();
            open(view).push(update["card"].clone());
        }
        "matched" => {
            close(view, &update["cards"]);
            view["scores"] = update["scores"].clone();
        }
        "hidden" => {
            close(view, &update["cards"]);
            for card in update["cards"].as_array().expect("cards") {
                view["cards"][index(card)] = Value::Null;
            }
        }
        "turn" => {
            view["turn"] = update["player"].clone();
            view["deadline_ms"] = update["deadline_ms"].clone();
        }
        "paused" => {
            view["phase"] = json!("paused");
            view["deadline_ms"] = update["deadline_ms"].clone();
        }
        "resumed" => view["phase"] = json!("playing"),
        "replaced" => {}
        "over" => {
            view["phase"] = json!("over");
            view["scores"] = update["scores"].clone();
            view["winners"] = update["winners"].clone();
            view["turn"] = Value::Null;
            view["deadline_ms"] = Value::Null;
        }
        other => panic!("unknown kind of update: {other}"),
    }
}

fn set_players(view: &mut Value, update: &Value) {
    let players = update["players"].as_array().expect("players");
    view["scores"] = players
        .iter()
        .map(|player| (player.as_str().expect("a name").to_owned(), json!(0)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    view["players"] = update["players"].clone();
}

fn open(view: &mut Value) -> &mut Vec<Value> {
    view["open"].as_array_mut().expect("open")
}

/// Takes cards off the list of those that are open and not matched.
fn close(view: &mut Value, cards: &Value) {
    for card in cards.as_array().expect("cards") {
        let open = open(view);
        let at = open.iter().position(|other| other == card);
        open.remove(at.expect("the card is open"));
    }
}

fn index(card: &Value) -> usize {
    card.as_u64().expect("a card's number") as usize
}
