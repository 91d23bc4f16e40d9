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
//! `params.max_rate_hz` and `params.delay_ms` set the rate and delay for spectators ([`Spectating`]).
//!
//! A room without connected players for `params.idle_ms` (an hour by default) is finished.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use grandstand_game::{Data, Lane, PlayerId};
use grandstand_game::{Effects, LiveEffects};
use grandstand_game::{Event, EventKind, Game, Reject, Setup, Spectating};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::params::read;
use put::{Put, Values};

mod put;

/// The timer that finishes an idle room.
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

#[derive(Deserialize)]
#[serde(default)]
struct Params {
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
    op: Option<serde_json::Value>,
    players_only: Option<serde_json::Value>,
}

#[derive(Serialize)]
struct View<'a> {
    count: u64,
    players_only: bool,
    #[serde(skip_serializing_if = "Values::is_empty")]
    values: &'a Values,
}

impl Game for Relay {
    const NAME: &'static str = "relay";
    type Volatile = ();

    fn create(setup: &mut Setup<'_>) -> Result<Self, Reject> {
        let params: Params = read(setup.params)?;
        if !(100..=86_400_000).contains(&params.idle_ms) {
            let message = format!("idle_ms is {}, must be 100 to 86400000", params.idle_ms);
            return Err(Reject::new("bad_params", message));
        }
        if params.delay_ms > 3_600_000 {
            let message = format!("delay_ms is {}, must be 0 to 3600000", params.delay_ms);
            return Err(Reject::new("bad_params", message));
        }
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

    fn apply(&mut self, event: &Event<'_>, effects: &mut Effects) {
        match event.kind {
            EventKind::Joined { player, .. } => {
                self.players.push((player.clone(), true));
                effects.clear_timer(IDLE);
            }
            EventKind::Returned { player } => {
                self.set_here(player, true);
                effects.clear_timer(IDLE);
            }
            EventKind::Lost { player } => {
                self.set_here(player, false);
                self.arm_idle(effects);
            }
            EventKind::Left { player } => {
                self.players.retain(|(other, _)| other != player);
                self.arm_idle(effects);
            }
            EventKind::Input { player, data } => match (config(data), put::parse(data)) {
                (Some(value), _) => self.configure(player, &value, effects),
                (None, Some(put)) => self.put(player, put, effects),
                (None, None) => self.relay(player, data, effects),
            },
            EventKind::Timer { name } => {
                if name == IDLE {
                    effects.finish();
                }
            }
        }
    }

    fn live(&self, _: &mut (), from: &PlayerId, data: Data, effects: &mut LiveEffects) {
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

    fn view(&self, lane: Lane) -> Data {
        Data::json(&View {
            count: self.counts[lane.index()],
            players_only: self.players_only,
            values: &self.values[lane.index()],
        })
        .expect("a view of plain values is JSON")
    }
}

impl Relay {
    fn relay(&mut self, from: &PlayerId, data: &Data, effects: &mut Effects) {
        let lane = self.players_only.then_some(Lane::Players);
        for to in Lane::ALL {
            if lane.is_none_or(|lane| lane == to) {
                self.counts[to.index()] += 1;
            }
        }
        effects.update_data(lane, message(from, data));
    }

    fn put(&mut self, from: &PlayerId, put: Put, effects: &mut Effects) {
        let lane = self.players_only.then_some(Lane::Players);
        let lanes = || {
            Lane::ALL
                .into_iter()
                .filter(|to| lane.is_none_or(|lane| lane == *to))
        };
        if let Some(why) = lanes().find_map(|to| put.check(&self.values[to.index()])) {
            return effects.reject("bad_input", why);
        }
        let data = Data::json(&json!({"from": from.as_str(), "key": put.key, "value": put.value}));
        effects.update_keyed_data(lane, &put.key, data.expect("it came as JSON"));
        for to in lanes() {
            put.apply(&mut self.values[to.index()]);
        }
    }

    fn configure(&mut self, by: &PlayerId, value: &serde_json::Value, effects: &mut Effects) {
        if self.players.first().is_none_or(|(first, _)| first != by) {
            return effects.reject("forbidden", "only the room's first player may configure it");
        }
        let Some(players_only) = value.as_bool() else {
            return effects.reject("bad_input", "players_only must be true or false");
        };
        self.players_only = players_only;
        effects.update(&json!({ "players_only": players_only }));
    }

    fn set_here(&mut self, player: &PlayerId, here: bool) {
        if let Some(entry) = self.players.iter_mut().find(|(other, _)| other == player) {
            entry.1 = here;
        }
    }

    fn arm_idle(&self, effects: &mut Effects) {
        if !self.players.iter().any(|&(_, here)| here) {
            effects.set_timer(IDLE, self.idle_ms);
        }
    }
}

/// The `players_only` of a `config`, `Null` if it has none; `None` for any other input.
fn config(data: &Data) -> Option<serde_json::Value> {
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
