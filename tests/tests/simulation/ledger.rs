//! A game that records all its inputs, so that a view shows what was applied and in which order.

use std::collections::BTreeMap;

use grandstand_common::data::Data;
use grandstand_common::id::{Lane, PlayerId};
use grandstand_game::Effects;
use grandstand_game::{Event, EventKind, Game, Reject, Setup, Spectating};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The record of applied inputs.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Ledger {
    lines: Vec<(String, u64)>,
    latest: BTreeMap<String, u64>,
    /// The time of the last line.
    at: u64,
    spectating: Spectating,
}

impl Game for Ledger {
    const NAME: &'static str = "ledger";
    type Volatile = ();

    fn create(setup: &mut Setup<'_>) -> Result<Self, Reject> {
        let spectating = serde_json::from_value(setup.params.clone());
        Ok(Self {
            spectating: spectating.expect("the parameters say how spectators are served"),
            ..Self::default()
        })
    }

    fn apply(&mut self, event: &Event<'_>, effects: &mut Effects) {
        if let EventKind::Input { player, data } = &event.kind {
            let number: u64 =
                serde_json::from_slice(data.bytes()).expect("the clients send numbers");
            if number.is_multiple_of(7) {
                effects.reject("seven", "no sevens");
                return;
            }
            self.lines.push((player.to_string(), number));
            self.latest.insert(player.to_string(), number);
            self.at = event.now_ms;
            effects.update(&json!({"line": [player.as_str(), number], "at": self.at}));
            effects.update_keyed(
                player.as_str(),
                &json!({"latest": [player.as_str(), number]}),
            );
            effects.direct(
                player,
                self.private(player)
                    .expect("every player has a private view"),
            );
        }
    }

    fn spectating(&self) -> Spectating {
        self.spectating
    }

    fn view(&self, _: Lane) -> Data {
        let view = json!({"lines": self.lines, "latest": self.latest, "at": self.at});
        Data::json(&view).expect("the view is JSON")
    }

    fn private(&self, player: &PlayerId) -> Option<Data> {
        let own = self.lines.iter().filter(|(who, _)| who == player.as_str());
        Data::json(&own.count()).ok()
    }
}

/// Applies an update to a view.
pub(crate) fn apply(view: &mut Value, update: &Value) {
    if let Some([player, number]) = update["latest"].as_array().map(Vec::as_slice) {
        view["latest"][player.as_str().expect("a name")] = number.clone();
        return;
    }
    view["at"] = update["at"].clone();
    let lines = view["lines"].as_array_mut().expect("a list");
    lines.push(update["line"].clone());
}
