//! A client's reducer for `memory`: computes the next view from a view and an update.
//!
//! It is written from the game's documented list of updates, independently of the game's code.

use serde_json::{Value, json};

/// An update that `memory` does not send, or that does not fit the view.
#[derive(Debug, thiserror::Error)]
#[error("{why}: {update}")]
pub struct UnexpectedUpdate {
    why: &'static str,
    update: Value,
}

/// Applies an update to a view.
///
/// # Panics
/// If it does not fit.
pub fn apply(view: &mut Value, update: &Value) {
    try_apply(view, update).unwrap_or_else(|misfit| panic!("{misfit}"));
}

/// Applies an update to a view.
///
/// # Errors
/// If it does not fit.
pub fn try_apply(view: &mut Value, update: &Value) -> Result<(), UnexpectedUpdate> {
    change(view, update).map_err(|why| UnexpectedUpdate {
        why,
        update: update.clone(),
    })
}

fn change(view: &mut Value, update: &Value) -> Result<(), &'static str> {
    match update["kind"].as_str().ok_or("the update has no kind")? {
        "waiting" => set_players(view, update)?,
        "started" => {
            set_players(view, update)?;
            view["phase"] = json!("playing");
            view["turn"] = update["turn"].clone();
            view["deadline_ms"] = update["deadline_ms"].clone();
        }
        "flipped" => {
            let shown = card(view, &update["card"])?;
            if !shown.is_null() {
                return Err("the card is already open");
            }
            *shown = update["face"].clone();
            open(view)?.push(update["card"].clone());
        }
        "matched" => {
            close(view, &update["cards"])?;
            view["scores"] = update["scores"].clone();
        }
        "hidden" => {
            close(view, &update["cards"])?;
            for number in update["cards"].as_array().ok_or("no cards")? {
                *card(view, number)? = Value::Null;
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
        _ => return Err("an unknown kind of update"),
    }
    Ok(())
}

fn set_players(view: &mut Value, update: &Value) -> Result<(), &'static str> {
    let mut scores = serde_json::Map::new();
    for player in update["players"].as_array().ok_or("no players")? {
        scores.insert(
            player
                .as_str()
                .ok_or("a player's name is not text")?
                .to_owned(),
            json!(0),
        );
    }
    view["scores"] = scores.into();
    view["players"] = update["players"].clone();
    Ok(())
}

fn open(view: &mut Value) -> Result<&mut Vec<Value>, &'static str> {
    view["open"].as_array_mut().ok_or("the view has no open")
}

/// Removes cards from the list of open cards that are not matched.
fn close(view: &mut Value, cards: &Value) -> Result<(), &'static str> {
    for card in cards.as_array().ok_or("no cards")? {
        let open = open(view)?;
        let at = open.iter().position(|other| other == card);
        open.remove(at.ok_or("the card is not open")?);
    }
    Ok(())
}

fn card<'a>(view: &'a mut Value, number: &Value) -> Result<&'a mut Value, &'static str> {
    let number = number.as_u64().ok_or("a card is not a number")?;
    let cards = view["cards"]
        .as_array_mut()
        .ok_or("the view has no cards")?;
    cards
        .get_mut(number as usize)
        .ok_or("the view has no such card")
}
