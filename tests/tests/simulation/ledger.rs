//! A game that records all its inputs, so that a view shows what was applied and in which order. It plays a bot, and calls
//! an endpoint.

use std::collections::BTreeMap;
use std::time::Duration;

use grandstand_common::id::{Lane, PlayerId};
use grandstand_game::{
    Answer, Effects, Game, Reject, Rng, Setup, Spectating, Verdict, View, ensure,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The name of the bot.
pub(crate) const BOT: &str = "robot";
/// The last input of the bot. Its inputs are the numbers up to this one.
pub(crate) const LAST_OF_BOT: u64 = 24;
/// The time that an endpoint has for its answer.
pub(crate) const CALL_TIMEOUT_MS: u64 = 4_000;
/// The time that the bot thinks.
const THINK: Duration = Duration::from_millis(600);
/// Each multiple of this number is a call.
const CALL_EVERY: u64 = 3;

/// The record of applied inputs.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Ledger {
    lines: Vec<(String, u64)>,
    latest: BTreeMap<String, u64>,
    /// The question of each call.
    calls: BTreeMap<u64, Value>,
    /// The answers in their order, each with the number of its call.
    answers: Vec<(u64, Value)>,
    /// The time of the last line or answer.
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

    fn joined(&mut self, _: &PlayerId, _: &Value, fx: &mut Effects<Value>) -> Verdict {
        fx.add_bot(&BOT.parse().expect("a name"), THINK);
        Ok(())
    }

    fn bot(&self, bot: &PlayerId, _: &mut Rng) -> Option<Value> {
        let last = self.latest.get(bot.as_str()).copied().unwrap_or_default();
        let mut next = (last + 1..=LAST_OF_BOT).filter(|number| !number.is_multiple_of(7));
        next.next().map(Value::from)
    }

    fn input(&mut self, player: &PlayerId, number: u64, fx: &mut Effects<Value>) -> Verdict {
        ensure!(!number.is_multiple_of(7), "seven", "no sevens");
        fx.emit("lines", &json!([player, number]))?;
        let mut update = json!({"line": [player, number]});
        if number.is_multiple_of(CALL_EVERY) {
            let asked = json!([player, number]);
            let call = fx.call("bank", &asked, Duration::from_millis(CALL_TIMEOUT_MS))?;
            update["call"] = json!({"no": call, "asked": asked});
            self.calls.insert(call.0, asked);
        }
        self.lines.push((player.to_string(), number));
        self.latest.insert(player.to_string(), number);
        self.at = fx.now_ms();
        update["at"] = self.at.into();
        fx.update(update);
        fx.update_keyed(None, player.as_str(), json!({"latest": [player, number]}));
        if player.as_str() != BOT {
            fx.direct(
                player,
                self.private(player)
                    .expect("every player has a private view"),
            );
        }
        Ok(())
    }

    fn answer(&mut self, answer: Answer<'_>, fx: &mut Effects<Value>) {
        let result = match answer.result {
            Ok(data) => serde_json::from_slice(data.bytes()).expect("an answer is JSON"),
            Err(error) => json!(format!("{error:?}")),
        };
        fx.update(json!({"answer": [answer.call, result], "at": fx.now_ms()}));
        self.at = fx.now_ms();
        self.answers.push((answer.call.0, result));
    }

    fn spectating(&self) -> Spectating {
        self.spectating
    }

    fn view(&self, _: Lane) -> View {
        View::of(
            &json!({"lines": self.lines, "latest": self.latest, "calls": self.calls, "answers": self.answers,
                         "at": self.at}),
        )
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
    if update["answer"].is_array() {
        return push(view, "answers", &update["answer"]);
    }
    push(view, "lines", &update["line"]);
    if let Some(call) = update["call"].as_object() {
        view["calls"][call["no"].to_string()] = call["asked"].clone();
    }
}

fn push(view: &mut Value, list: &str, item: &Value) {
    let list = view[list].as_array_mut().expect("a list");
    list.push(item.clone());
}
