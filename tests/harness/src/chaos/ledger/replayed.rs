//! The content of a room's log, as `grandstand replay --json` shows it, and its comparison with what clients saw.

use std::collections::BTreeMap;

use grandstand_common::id::Lane;
use serde_json::Value;

use super::room_log::RoomLog;
use crate::chaos::digest::digest;
use crate::chaos::violation::Rule;

/// The replay of a room's log.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// The inputs of each player that counted, in the order of the log.
    inputs: BTreeMap<String, Vec<Counted>>,
    /// The numbers of the inputs of each bot that counted, in the order of the log.
    bots: BTreeMap<String, Vec<u64>>,
    /// The hashes of the updates of each lane by version.
    updates: [BTreeMap<u64, u64>; 2],
}

/// An input that counted.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Counted {
    seq: u64,
    data: Value,
    /// The code with which the game rejected it.
    reject: Option<String>,
}

/// A violation: the rule, the observer, the expected state and the found state.
type Difference = (Rule, String, String, String);

impl Replayed {
    /// Adds a line of the history.
    pub fn add(&mut self, line: &Value) {
        if !line["skipped"].is_null() {
            return;
        }
        let player = line["player"].as_str().unwrap_or_default().to_owned();
        let number = line["input"].as_u64().unwrap_or_default();
        match line["kind"].as_str() {
            Some("input") => {
                let code = line["rejects"][0]["code"].as_str();
                self.inputs.entry(player).or_default().push(Counted {
                    seq: number,
                    data: line["data"].clone(),
                    reject: code.map(str::to_owned),
                });
            }
            Some("bot_input") => self.bots.entry(player).or_default().push(number),
            _ => {}
        }
        for update in line["updates"].as_array().into_iter().flatten() {
            for (lane, name) in [(Lane::Players, "players"), (Lane::Spectators, "spectators")] {
                if let Some(version) = update[name].as_u64().filter(|version| *version > 0) {
                    self.updates[lane.index()].insert(version, digest(&update["data"]));
                }
            }
        }
    }

    /// Whether the log has inputs of bots.
    pub fn has_bots(&self) -> bool {
        !self.bots.is_empty()
    }
}

impl RoomLog {
    /// The differences between what clients saw and the replay of the log.
    pub(super) fn differences(&self, replayed: &Replayed) -> Vec<Difference> {
        let mut wrong = Vec::new();
        for player in replayed.inputs.keys() {
            if !self.players.contains_key(player) {
                let found = format!("inputs of {player}");
                wrong.push((
                    Rule::Doubled,
                    player.clone(),
                    "no such player".to_owned(),
                    found,
                ));
            }
        }
        for player in self.players.keys() {
            let inputs = replayed.inputs.get(player).map_or(&[][..], Vec::as_slice);
            let found = self.input_fault(player, inputs);
            wrong.extend(
                found.map(|(rule, expected, found)| (rule, player.clone(), expected, found)),
            );
        }
        for (bot, numbers) in &replayed.bots {
            // A bot that is added again after its end begins with 1.
            let breaks = numbers
                .windows(2)
                .find(|pair| pair[1] != pair[0] + 1 && pair[1] != 1);
            let first = numbers.first().filter(|first| **first != 1);
            if breaks.is_some() || first.is_some() {
                let expected = "inputs of a bot with the numbers 1, 2, 3 and so on".to_owned();
                wrong.push((
                    Rule::Doubled,
                    bot.clone(),
                    expected,
                    format!("{breaks:?} among {} inputs", numbers.len()),
                ));
            }
        }
        for lane in Lane::ALL {
            wrong.extend(self.update_fault(lane, replayed));
        }
        wrong
    }

    /// The first difference between a player's inputs and those that counted.
    fn input_fault(&self, player: &str, counted: &[Counted]) -> Option<(Rule, String, String)> {
        let log = &self.players[player];
        let acked = log.acked as usize;
        for (at, input) in counted.iter().enumerate() {
            let seq = at as u64 + 1;
            if input.seq != seq {
                let again = input.seq < seq;
                let rule = if again { Rule::Doubled } else { Rule::Order };
                let expected = format!("input {seq} of {player} in the log");
                return Some((rule, expected, format!("input {}", input.seq)));
            }
            let Some(sent) = log.sent.get(at) else {
                let expected = format!("the {} inputs that {player} sent", log.sent.len());
                return Some((Rule::Doubled, expected, format!("input {seq}")));
            };
            if *sent != self.game.what(&input.data) {
                let expected = format!("input {seq} as {player} sent it");
                return Some((Rule::Order, expected, input.data.to_string()));
            }
            let told = log.rejected.get(&seq).map(String::as_str);
            let is_same = match (told, input.reject.as_deref()) {
                // The room no longer had the text of the reject.
                (Some("rejected"), Some(_)) => true,
                (told, code) => told == code,
            };
            if seq <= log.settled && !is_same {
                let expected = format!("input {seq} of {player} rejected with {:?}", input.reject);
                return Some((
                    Rule::Replay,
                    expected,
                    format!("the player was told {told:?}"),
                ));
            }
        }
        (counted.len() < acked).then(|| {
            let expected = format!("{acked} acked inputs of {player} in the log");
            (Rule::Lost, expected, format!("{} inputs", counted.len()))
        })
    }

    /// The first update that clients saw otherwise.
    fn update_fault(&self, lane: Lane, replayed: &Replayed) -> Option<Difference> {
        let log = self.histories.newest(lane)?;
        let replayed = &replayed.updates[lane.index()];
        let seen = (0..).zip(&log.updates);
        let mut seen = seen.filter_map(|(version, seen)| Some((version, seen.as_ref()?.hash)));
        let differs = |(version, hash): &(u64, u64)| {
            let other = replayed.get(version);
            other.is_some_and(|other| other != hash)
        };
        let (version, _) = seen.find(differs)?;
        let expected = format!("update {version} of {lane:?} as clients saw it");
        let found = "the replay of the log sends another one".to_owned();
        Some((Rule::Views, format!("{lane:?}"), expected, found))
    }
}
