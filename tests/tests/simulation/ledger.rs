//! A game that records all its inputs, so that a view shows what was applied and in which order.

use std::collections::BTreeMap;

use grandstand_common::id::{Lane, PlayerId};
use grandstand_game::{Effects, Game, Reject, Setup, Spectating, Verdict, View, ensure};
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
    type Params = Spectating;
    type Input = u64;
    type Update = Value;

    fn create(spectating: Spectating, _: &mut Setup<'_>) -> Result<Self, Reject> {
        Ok(Self {
            spectating,
            ..Self::default()
        })
    }

    fn input(&mut self, player: &PlayerId, number: u64, fx: &mut Effects<Value>) -> Verdict {
        ensure!(!number.is_multiple_of(7), "seven", "no sevens");
        fx.emit("lines", &json!([player, number]))?;
        self.lines.push((player.to_string(), number));
        self.latest.insert(player.to_string(), number);
        self.at = fx.now_ms();
        fx.update(json!({"line": [player, number], "at": self.at}));
        fx.update_keyed(None, player.as_str(), json!({"latest": [player, number]}));
        fx.direct(
            player,
            self.private(player)
                .expect("every player has a private view"),
        );
        Ok(())
    }

    fn spectating(&self) -> Spectating {
        self.spectating
    }

    fn view(&self, _: Lane) -> View {
        View::of(&json!({"lines": self.lines, "latest": self.latest, "at": self.at}))
    }

    fn private(&self, player: &PlayerId) -> Option<View> {
        let own = self.lines.iter().filter(|(who, _)| who == player.as_str());
        Some(View::of(&own.count()))
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
