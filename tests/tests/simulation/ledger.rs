//! A game that remembers all that it was told, so that a view shows what was applied, and in which order.

use grandstand_common::data::Data;
use grandstand_common::id::{Lane, PlayerId};
use grandstand_worker::effects::Effects;
use grandstand_worker::game::{Event, EventKind, Game, Refusal, Setup};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What was applied.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Ledger {
    lines: Vec<(String, u64)>,
}

impl Game for Ledger {
    const NAME: &'static str = "ledger";
    type Volatile = ();

    fn create(_: &mut Setup<'_>) -> Result<Self, Refusal> {
        Ok(Self::default())
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
            effects.update(&json!([player.as_str(), number]));
            effects.direct(
                player,
                self.private(player).expect("it always has something"),
            );
        }
    }

    fn view(&self, _: Lane) -> Data {
        Data::json(&self.lines).expect("it is JSON")
    }

    fn private(&self, player: &PlayerId) -> Option<Data> {
        let own = self.lines.iter().filter(|(who, _)| who == player.as_str());
        Data::json(&own.count()).ok()
    }
}

/// Applies an update to a view.
pub(crate) fn apply(view: &mut Value, update: Value) {
    view.as_array_mut().expect("a view is a list").push(update);
}
