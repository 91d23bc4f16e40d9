//! The record of all messages to clients, and the rules that they must keep.
//!
//! A room is a function of its log, so a version of a lane is the same for every client and every owner. The ledger
//! therefore stores messages by room, lane and version, and at the end compares them with the inputs that were acked.

mod player_log;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use grandstand_common::clock::unix_ms;
use grandstand_common::id::Lane;
use serde_json::Value;

use super::lanes::{Histories, LaneLog, SeenUpdate, slot};
use super::script::Game;
use super::violation::{Rule, Violation, Violations};
use player_log::PlayerLog;

/// The record of all messages to clients about all rooms.
#[derive(Debug, Default)]
pub struct Ledger {
    rooms: BTreeMap<String, RoomLog>,
    /// The times at which the store came back in an older state, Unix milliseconds.
    rollbacks: Vec<u64>,
    /// The time since the start of the run, for violations.
    pub now: Duration,
    /// The violations.
    pub violations: Violations,
}

#[derive(Debug)]
struct RoomLog {
    game: Game,
    instance: Option<String>,
    /// Whether the game is over.
    over: bool,
    histories: Histories,
    /// Whether the room was created again because the store had lost it.
    restarted: bool,
    players: BTreeMap<String, PlayerLog>,
}

/// The observer of a message: a client in a room, or the bus.
#[derive(Debug, Clone, Copy)]
pub struct Observer<'a> {
    /// The room.
    pub room: &'a str,
    /// The lane.
    pub lane: Lane,
    /// The client, or `bus`.
    pub name: &'a str,
    /// The epoch of the owner.
    pub epoch: u64,
}

impl Ledger {
    /// Adds a room that clients are about to join.
    pub fn open(&mut self, room: &str, game: Game) {
        let log = RoomLog {
            game,
            instance: None,
            over: false,
            histories: Histories::default(),
            restarted: false,
            players: BTreeMap::new(),
        };
        self.rooms.insert(room.to_owned(), log);
    }

    /// Records a violation.
    pub fn blame(&mut self, rule: Rule, room: &str, observer: &str, expected: &str, found: &str) {
        self.violations.push(Violation {
            at_s: self.now.as_secs_f64(),
            rule,
            room: room.to_owned(),
            observer: observer.to_owned(),
            expected: expected.to_owned(),
            found: found.to_owned(),
        });
    }

    /// The instance that clients are in.
    pub fn instance(&self, room: &str) -> Option<&str> {
        self.rooms.get(room)?.instance.as_deref()
    }

    /// Whether a client has seen the game's end.
    pub fn is_over(&self, room: &str) -> bool {
        self.rooms.get(room).is_none_or(|log| log.over)
    }

    /// Records that a client has seen the game's end, after which the room is deleted.
    pub fn over(&mut self, room: &str) {
        if let Some(log) = self.rooms.get_mut(room) {
            log.over = true;
        }
    }

    /// The newest known version of a lane.
    pub fn top(&self, room: &str, lane: Lane) -> u64 {
        let log = self.rooms.get(room);
        let newest = log.and_then(|log| log.histories.newest(lane));
        newest.map_or(0, |lane| lane.top)
    }

    /// Records a `joined`. Returns whether the room's instance is the known one.
    pub fn joined(&mut self, room: &str, client: &str, instance: &str) -> bool {
        let Some(log) = self.rooms.get_mut(room) else {
            return true;
        };
        let known = log.instance.get_or_insert_with(|| instance.to_owned());
        if known == instance {
            return true;
        }
        let expected = format!("instance {known}");
        if !log.over && !self.rollbacks.is_empty() {
            // The store had lost the room, and a player has created it again.
            instance.clone_into(known);
            log.players.clear();
            log.restarted = true;
            return true;
        }
        if !log.over {
            self.blame(Rule::Restarted, room, client, &expected, instance);
        }
        false
    }

    /// Records an input that a player sends for the first time. `what` identifies it among the player's inputs.
    pub fn sent(&mut self, room: &str, player: &str, what: u64) {
        self.player(room, player, |log| log.sent.push(what));
    }

    /// Records that a player's inputs up to `seq` are processed. The rejects of those after `settled` may still come.
    pub fn acked(&mut self, room: &str, player: &str, seq: u64, settled: u64) {
        self.player(room, player, |log| {
            log.acked = log.acked.max(seq);
            log.settled = log.settled.max(settled);
        });
    }

    /// Records that the store comes back in an older state.
    pub fn rolled_back(&mut self) {
        self.rollbacks.push(unix_ms());
    }

    /// The number of times that the store came back in an older state.
    pub fn rollbacks(&self) -> usize {
        self.rollbacks.len()
    }

    /// The history of the store that an owner knows. Epochs are times in milliseconds: an owner of a later history has a
    /// later one.
    fn history(&self, epoch: u64) -> usize {
        let before = self.rollbacks.iter().filter(|at| **at <= epoch);
        before.count()
    }

    /// Records the report that a player's inputs after `seq` are lost.
    pub fn reported_lost(&mut self, room: &str, player: &str, seq: u64) {
        self.player(room, player, |log| {
            log.sent.truncate(seq as usize);
            log.acked = log.acked.min(seq);
            log.settled = log.settled.min(seq);
            log.rejected.retain(|rejected, _| *rejected <= seq);
        });
    }

    /// Records that the game rejected an input.
    pub fn rejected(&mut self, room: &str, player: &str, seq: u64, code: &str) {
        let mut other = None;
        self.player(room, player, |log| {
            let before = log.rejected.insert(seq, code.to_owned());
            // A room keeps few texts of rejects; an input whose text is gone is answered with `rejected` (D26).
            let is_lost = |code: &str| code == "rejected";
            other = before.filter(|before| before != code && !is_lost(before) && !is_lost(code));
        });
        if let Some(other) = other {
            let expected = format!("input {seq} rejected with {other}, as before");
            self.blame(Rule::Protocol, room, player, &expected, code);
        }
    }

    fn player(&mut self, room: &str, player: &str, change: impl FnOnce(&mut PlayerLog)) {
        if let Some(log) = self.rooms.get_mut(room) {
            change(log.players.entry(player.to_owned()).or_default());
        }
    }

    /// Records an update that a client or the bus received.
    pub fn updated(&mut self, observer: Observer<'_>, version: u64, update: &Value) {
        let history = self.history(observer.epoch);
        let Some(log) = self.rooms.get_mut(observer.room) else {
            return;
        };
        let seen = SeenUpdate {
            hash: hash(update),
            by: log.game.shown_input(update),
        };
        let lane = log.histories.lane(history, observer.lane);
        lane.top = lane.top.max(version);
        let known = slot(&mut lane.updates, version);
        if let Some(known) = known {
            if *known == seen {
                return;
            }
            let expected = format!(
                "update {version} as others received it, which shows {:?}",
                known.by
            );
            self.blame(
                Rule::Views,
                observer.room,
                observer.name,
                &expected,
                &update.to_string(),
            );
        } else {
            *known = Some(seen);
        }
    }

    /// Records that a client shows this version.
    pub fn shows(&mut self, observer: Observer<'_>, version: u64, view: &Value) {
        let history = self.history(observer.epoch);
        let Some(log) = self.rooms.get_mut(observer.room) else {
            return;
        };
        let lane = log.histories.lane(history, observer.lane);
        if version >= lane.top || lane.last.is_null() {
            lane.top = lane.top.max(version);
            lane.last = view.clone();
        }
        let found = hash(view);
        let known = *slot(&mut lane.views, version).get_or_insert(found);
        if known != found {
            let expected = format!("version {version} as others show it, now {}", lane.last);
            self.blame(
                Rule::Views,
                observer.room,
                observer.name,
                &expected,
                &view.to_string(),
            );
        }
    }

    /// Compares all messages about a room with the acked inputs, then forgets the room. Call it when all inputs are
    /// answered and all views are current.
    pub fn close(&mut self, room: &str) {
        let Some(log) = self.rooms.remove(room) else {
            return;
        };
        for lane in Lane::ALL {
            for (rule, expected, found) in log.check(lane) {
                self.blame(rule, room, lane_name(lane), &expected, &found);
            }
        }
    }

    /// Closes all rooms that are left, like [`Self::close`].
    pub fn close_all(&mut self) {
        while let Some(room) = self.rooms.keys().next().cloned() {
            self.close(&room);
        }
    }
}

impl RoomLog {
    /// Returns the violations in a lane: the rule, the expected state and the found state.
    fn check(&self, lane: Lane) -> Vec<(Rule, String, String)> {
        let mut wrong = Vec::new();
        let Some(log) = self.histories.newest(lane) else {
            return wrong;
        };
        if self.restarted || self.histories.are_many() {
            return self.check_count(log).into_iter().collect();
        }
        let mut shown: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for (player, what) in log.updates.iter().flatten().filter_map(|s| s.by.as_ref()) {
            shown.entry(player).or_default().push(*what);
        }
        let unseen = (log.top as usize).saturating_sub(log.updates.iter().flatten().count());
        let mut missing = 0;
        for (player, inputs) in &self.players {
            let accepted = inputs.accepted();
            let shown = shown.remove(player.as_str()).unwrap_or_default();
            missing += accepted.len().saturating_sub(shown.len());
            if let Some(at) = first_out_of_place(&shown, &accepted) {
                let again = shown[..at].contains(&shown[at]) && self.game.is_numbered();
                let rule = if again { Rule::Doubled } else { Rule::Order };
                wrong.push((
                    rule,
                    format!("{player}: a subsequence of {}", around(&accepted, at)),
                    format!("from {at}: {}", around(&shown, at)),
                ));
            }
        }
        for (player, inputs) in shown {
            let found = format!("{} inputs of {player}", inputs.len());
            wrong.push((
                Rule::Doubled,
                "only inputs that the players sent".to_owned(),
                found,
            ));
        }
        if missing > unseen + self.unsettled() {
            let expected = format!("{missing} more acked inputs, of {:?}", self.counts());
            let found = format!("version {}, {unseen} updates unseen", log.top);
            wrong.push((Rule::Lost, expected, found));
        } else if missing < unseen && self.game.is_numbered() {
            // Every update of such a game is an input.
            let expected = format!("as many updates as inputs: {:?}", self.counts());
            let found = format!("version {}", log.top);
            wrong.push((Rule::Doubled, expected, found));
        }
        wrong
    }

    /// Returns the violation of a room whose store went back: its view must count the inputs that were accepted and not
    /// reported as lost. The updates say less, because no observer saw all of them.
    fn check_count(&self, log: &LaneLog) -> Option<(Rule, String, String)> {
        let count = log.last["count"].as_u64()?;
        let accepted: usize = self.counts().values().sum();
        let accepted = accepted as u64;
        let at_least = accepted.saturating_sub(self.unsettled() as u64);
        let rule = match count {
            count if count < at_least => Rule::Lost,
            count if count > accepted => Rule::Doubled,
            _ => return None,
        };
        let expected = format!(
            "the inputs that were not reported as lost: {:?}",
            self.counts()
        );
        Some((rule, expected, format!("{count} inputs")))
    }

    /// The number of inputs that count as accepted, but whose rejects may not have come before the room ended.
    fn unsettled(&self) -> usize {
        self.players.values().map(PlayerLog::unsettled).sum()
    }

    /// The number of accepted inputs of each player.
    fn counts(&self) -> BTreeMap<&str, usize> {
        let players = self.players.iter();
        players
            .map(|(name, inputs)| (name.as_str(), inputs.accepted().len()))
            .collect()
    }
}

/// Returns the index at which `shown` stops being a subsequence of `accepted`.
fn first_out_of_place(shown: &[u64], accepted: &[u64]) -> Option<usize> {
    let mut rest = accepted.iter();
    shown
        .iter()
        .position(|what| !rest.any(|candidate| candidate == what))
}

/// The lane's name in reports.
fn lane_name(lane: Lane) -> &'static str {
    match lane {
        Lane::Players => "all players",
        Lane::Spectators => "all spectators",
    }
}

/// Formats the elements of `list` around index `at`.
fn around(list: &[u64], at: usize) -> String {
    let from = at.saturating_sub(8);
    let to = (at + 8).min(list.len());
    let part = list.get(from..to).unwrap_or_default();
    format!("{part:?} (of {})", list.len())
}

fn hash(value: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.to_string().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
