//! `relay`: sends each player's messages to everyone in the room. For chat-like rooms, tools and load tests.
//!
//! Snapshot: `{"count":7,"players_only":false}`, where `count` is the number of messages that the lane was sent.
//! Updates: `{"from":"alice","data":…}` (or `data_b64` for bytes) adds one to `count`, `{"players_only":true}` sets
//! `players_only`.
//!
//! The input `{"op":"config","players_only":true}` is not a message. After it spectators receive neither messages nor
//! live messages, until another sets `false`. Only the first of the players who have not left may send it; others are
//! rejected with `forbidden`. A value that is not a boolean is rejected with `bad_input`.
//!
//! The input `{"op":"put","key":"k","value":…}` sets one of up to 256 values, of which only the latest matters. The
//! snapshot contains them as `values`, and the update is `{"from":"alice","key":"k","value":…}`.
//!
//! A message from another room, a service or an operator is relayed like a player's, without `from` and with its `topic`.
//!
//! `params.max_rate_hz` and `params.delay_ms` set the rate and delay for spectators ([`Spectating`]).
//!
//! A room without connected players for `params.idle_ms` (an hour by default) is finished.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use grandstand_game::{
    Data, Effects, Game, Idle, Lane, Leave, Listing, LiveEffects, Message, PlayerId, Raw, Reject,
    Setup, Spectating, Verdict, View, ensure,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use put::{Put, Values};

mod put;

/// The timer that finished an idle room of earlier builds.
const IDLE: &str = "idle";

/// A room of `relay`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Relay {
    /// Indexed by [`Lane::index`].
    counts: [u64; 2],
    players_only: bool,
    /// The players in the order of their joins, and whether they are connected.
    players: Vec<(PlayerId, bool)>,
    idle_ms: u64,
    #[serde(default)]
    spectating: Spectating,
    /// Indexed by [`Lane::index`].
    #[serde(default)]
    values: [Values; 2],
}

/// The `params` of the first player's `join`. Missing ones have their defaults, unknown ones are ignored.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub struct Params {
    idle_ms: u64,
    max_rate_hz: u32,
    delay_ms: u32,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            idle_ms: 3_600_000,
            max_rate_hz: 0,
            delay_ms: 0,
        }
    }
}

/// The fields of an input that may be a `config`.
#[derive(Deserialize)]
struct Op {
    op: Option<Value>,
    players_only: Option<Value>,
}

#[derive(Serialize)]
struct Table<'a> {
    count: u64,
    players_only: bool,
    #[serde(skip_serializing_if = "Values::is_empty")]
    values: &'a Values,
}

impl Game for Relay {
    const NAME: &'static str = "relay";
    type Params = Params;
    type Input = Raw;
    type Update = Raw;

    fn create(params: Params, _setup: &mut Setup<'_>) -> Result<Self, Reject> {
        ensure!(
            (100..=86_400_000).contains(&params.idle_ms),
            "bad_params",
            "idle_ms is {}, must be 100 to 86400000",
            params.idle_ms
        );
        ensure!(
            params.delay_ms <= 3_600_000,
            "bad_params",
            "delay_ms is {}, must be 0 to 3600000",
            params.delay_ms
        );
        Ok(Self {
            counts: [0; 2],
            players_only: false,
            players: Vec::new(),
            idle_ms: params.idle_ms,
            spectating: Spectating {
                max_rate_hz: params.max_rate_hz,
                delay_ms: params.delay_ms,
            },
            values: Default::default(),
        })
    }

    fn joined(&mut self, player: &PlayerId, _: &Value, _: &mut Effects<Raw>) -> Verdict {
        self.players.push((player.clone(), true));
        Ok(())
    }

    fn returned(&mut self, player: &PlayerId, _: &mut Effects<Raw>) {
        self.set_here(player, true);
    }

    fn lost(&mut self, player: &PlayerId, _: &mut Effects<Raw>) {
        self.set_here(player, false);
    }

    fn left(&mut self, player: &PlayerId, _: Leave, _: &mut Effects<Raw>) {
        self.players.retain(|(other, _)| other != player);
    }

    fn input(&mut self, player: &PlayerId, Raw(data): Raw, effects: &mut Effects<Raw>) -> Verdict {
        match (config(&data), put::parse(&data)) {
            (Some(value), _) => self.configure(player, &value, effects),
            (None, Some(put)) => self.put(player, put, effects),
            (None, None) => {
                self.relay(player, &data, effects);
                Ok(())
            }
        }
    }

    fn message(&mut self, message: Message<'_>, effects: &mut Effects<Raw>) -> Verdict {
        let (key, data) = match message.data {
            Data::Json(text) => {
                let value: Value = serde_json::from_slice(text).unwrap_or_default();
                ("data", value)
            }
            Data::Binary(bytes) => ("data_b64", STANDARD.encode(bytes).into()),
        };
        let update = json!({"topic": message.topic, key: data});
        let lane = self.count();
        effects.update_lane(lane, Raw(Data::json(&update).expect("a value is JSON")));
        Ok(())
    }

    /// Rooms that earlier builds stored have a timer of their own that finishes them.
    fn timer(&mut self, name: &str, effects: &mut Effects<Raw>) {
        if name == IDLE {
            effects.finish();
        }
    }

    fn listing(&self) -> Option<Listing> {
        Some(Listing::of_seats(self.players.len(), 0))
    }

    fn idle(&self) -> Idle {
        Idle::FinishAfter(Duration::from_millis(self.idle_ms))
    }

    fn live(&self, from: &PlayerId, data: Data, effects: &mut LiveEffects) {
        if !self.players_only {
            return effects.others(from, data);
        }
        for (to, _) in self.players.iter().filter(|(player, _)| player != from) {
            effects.player(to, data.clone());
        }
    }

    fn spectating(&self) -> Spectating {
        self.spectating
    }

    fn view(&self, lane: Lane) -> View {
        View::of(&Table {
            count: self.counts[lane.index()],
            players_only: self.players_only,
            values: &self.values[lane.index()],
        })
    }
}

impl Relay {
    fn relay(&mut self, from: &PlayerId, data: &Data, effects: &mut Effects<Raw>) {
        let lane = self.count();
        effects.update_lane(lane, Raw(message(from, data)));
    }

    /// Counts a message. Returns the lane that receives it; `None` for both.
    fn count(&mut self) -> Option<Lane> {
        let lane = self.players_only.then_some(Lane::Players);
        for to in Lane::ALL {
            if lane.is_none_or(|lane| lane == to) {
                self.counts[to.index()] += 1;
            }
        }
        lane
    }

    fn put(&mut self, from: &PlayerId, put: Put, effects: &mut Effects<Raw>) -> Verdict {
        let lane = self.players_only.then_some(Lane::Players);
        let lanes = || {
            Lane::ALL
                .into_iter()
                .filter(|to| lane.is_none_or(|lane| lane == *to))
        };
        if let Some(why) = lanes().find_map(|to| put.check(&self.values[to.index()])) {
            return Err(Reject::new("bad_input", why));
        }
        let data = Data::json(&json!({"from": from.as_str(), "key": put.key, "value": put.value}));
        effects.update_keyed(lane, &put.key, Raw(data.expect("it came as JSON")));
        for to in lanes() {
            put.apply(&mut self.values[to.index()]);
        }
        Ok(())
    }

    fn configure(&mut self, by: &PlayerId, value: &Value, effects: &mut Effects<Raw>) -> Verdict {
        if self.players.first().is_none_or(|(first, _)| first != by) {
            return Err(Reject::new(
                "forbidden",
                "only the room's first player may configure it",
            ));
        }
        let Some(players_only) = value.as_bool() else {
            return Err(Reject::new(
                "bad_input",
                "players_only must be true or false",
            ));
        };
        self.players_only = players_only;
        let change = json!({ "players_only": players_only });
        effects.update(Raw(Data::json(&change).expect("a plain value is JSON")));
        Ok(())
    }

    fn set_here(&mut self, player: &PlayerId, here: bool) {
        if let Some(entry) = self.players.iter_mut().find(|(other, _)| other == player) {
            entry.1 = here;
        }
    }
}

/// The `players_only` of a `config`, `Null` if it has none; `None` for any other input.
fn config(data: &Data) -> Option<Value> {
    let Data::Json(text) = data else {
        return None;
    };
    // Searches before it parses, because configs are rare and messages may be large and frequent.
    if !std::str::from_utf8(text).ok()?.contains("\"config\"") {
        return None;
    }
    let op: Op = serde_json::from_slice(text).ok()?;
    (op.op? == "config").then(|| op.players_only.unwrap_or_default())
}

/// The update for a message. JSON is copied unchanged because the edge has checked it.
fn message(from: &PlayerId, data: &Data) -> Data {
    let mut text = Vec::with_capacity(from.as_str().len() + data.len() * 4 / 3 + 32);
    text.extend_from_slice(b"{\"from\":");
    serde_json::to_writer(&mut text, from).expect("a name is JSON");
    match data {
        Data::Json(json) => {
            text.extend_from_slice(b",\"data\":");
            text.extend_from_slice(json);
            text.push(b'}');
        }
        Data::Binary(bytes) => {
            text.extend_from_slice(b",\"data_b64\":\"");
            text.extend_from_slice(STANDARD.encode(bytes).as_bytes());
            text.extend_from_slice(b"\"}");
        }
    }
    Data::Json(text.into())
}

#[cfg(test)]
mod tests;
