//! The record of all messages to clients, and the rules that they must keep.
//!
//! A room is a function of its log, so a version of a lane is the same for every client and every owner. The ledger
//! therefore stores messages by room, lane and version, and at the end compares them with the inputs that were acked.

mod player_log;

mod room_log;

mod replayed;

use std::collections::BTreeMap;
use std::time::Duration;

use grandstand_common::clock::unix_ms;
use grandstand_common::id::Lane;
use serde_json::Value;

use super::digest::digest;
use super::lanes::{Histories, SeenUpdate, slot};
use super::script::Game;
use super::violation::{Rule, Violation, Violations};
use player_log::PlayerLog;
use room_log::RoomLog;

pub use replayed::Replayed;

/// The most rooms that are kept for the comparison with their logs: of those whose games have ended, and of the others.
const MAX_KEPT_ENDED: usize = 100;
const MAX_KEPT_OPEN: usize = 200;

/// The record of all messages to clients about all rooms.
#[derive(Debug, Default)]
pub struct Ledger {
    rooms: BTreeMap<String, RoomLog>,
    /// Closed rooms whose logs are still to be compared, by whether their games have ended.
    kept: [Vec<(String, RoomLog)>; 2],
    /// The times at which the store came back in an older state, Unix milliseconds.
    rollbacks: Vec<u64>,
    /// The time since the start of the run, for violations.
    pub now: Duration,
    /// The violations.
    pub violations: Violations,
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
            over: None,
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
        self.rooms.get(room).is_none_or(|log| log.over.is_some())
    }

    /// The time at which a client has seen the game's end.
    pub fn over_since(&self, room: &str) -> Option<Duration> {
        self.rooms.get(room)?.over
    }

    /// Records that a client has seen the game's end, after which the room is deleted.
    pub fn over(&mut self, room: &str) {
        let now = self.now;
        if let Some(log) = self.rooms.get_mut(room) {
            log.over.get_or_insert(now);
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
        if log.over.is_none() && !self.rollbacks.is_empty() {
            // The store had lost the room, and a player has created it again.
            instance.clone_into(known);
            log.players.clear();
            log.restarted = true;
            return true;
        }
        if log.over.is_none() {
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
        // Those of games that had ended before it lack their last entries, too.
        self.kept.iter_mut().for_each(Vec::clear);
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
            hash: digest(update),
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
        let found = digest(view);
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
        // The log of a store that went back does not have all that its owners had applied.
        let is_comparable = log.game.is_replayed() && self.rollbacks.is_empty();
        let has_ended = log.over.is_some();
        let kept = &mut self.kept[usize::from(has_ended)];
        let most = if has_ended {
            MAX_KEPT_ENDED
        } else {
            MAX_KEPT_OPEN
        };
        if is_comparable && log.instance.is_some() && kept.len() < most {
            kept.push((room.to_owned(), log));
        }
    }

    /// The rooms whose logs are to be compared.
    pub fn kept(&self) -> impl Iterator<Item = &str> {
        self.kept.iter().flatten().map(|(room, _)| room.as_str())
    }

    /// Compares what clients saw of a kept room with the replay of its log.
    pub fn compare(&mut self, room: &str, replayed: &Replayed) {
        let log = self.kept.iter().flatten().find(|(name, _)| name == room);
        let wrong = log.map(|(_, log)| log.differences(replayed));
        for (rule, observer, expected, found) in wrong.into_iter().flatten() {
            self.blame(rule, room, &observer, &expected, &found);
        }
    }

    /// Closes all rooms that are left, like [`Self::close`].
    pub fn close_all(&mut self) {
        while let Some(room) = self.rooms.keys().next().cloned() {
            self.close(&room);
        }
    }
}

/// The lane's name in reports.
fn lane_name(lane: Lane) -> &'static str {
    match lane {
        Lane::Players => "all players",
        Lane::Spectators => "all spectators",
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod replay_tests;
