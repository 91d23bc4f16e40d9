//! Two players and a spectator in a room, without sockets.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use grandstand_common::id::RoomId;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::script::{INPUTS, Knowledge, Script};

/// The seats: two players and a spectator.
pub(super) const SEATS: usize = 3;
/// The seat of the spectator.
const SPECTATOR: usize = 2;
/// The seats in messages for people.
pub(super) const NAMES: [&str; SEATS] = ["the first player", "the second player", "the spectator"];

/// A message to be sent.
#[derive(Debug, PartialEq)]
pub(super) struct Outgoing {
    pub(super) seat: usize,
    pub(super) message: Value,
}

/// The measured times.
#[derive(Debug, Default)]
pub(super) struct Times {
    /// From the start of a connection to `welcome`.
    pub(super) connect: Vec<Duration>,
    /// From a `join` to `joined`.
    pub(super) join: Vec<Duration>,
    /// From an input to its `ack`.
    pub(super) ack: Vec<Duration>,
    /// From an input to its update at the spectator.
    pub(super) seen: Vec<Duration>,
}

/// A client.
#[derive(Debug)]
struct Seat {
    /// The name of the player; empty for a spectator without a token.
    player: String,
    knowledge: Knowledge,
    join_sent: Option<Instant>,
    is_joined: bool,
    next_seq: u64,
    sent: u64,
    unanswered: VecDeque<(u64, Instant)>,
    /// The room has ended for this client.
    is_finished: bool,
}

impl Seat {
    fn has_seen_end(&self) -> bool {
        self.is_finished || self.knowledge.is_over()
    }
}

/// A short game.
#[derive(Debug)]
pub(super) struct Session {
    script: Script,
    room: RoomId,
    seats: [Seat; SEATS],
    times: Times,
    /// The inputs that the spectator has not seen yet, by their names, with the times at which they were sent.
    unseen: BTreeMap<String, Instant>,
    /// The same for a game that names no inputs.
    unnamed: VecDeque<Instant>,
    /// Whether the spectator has got an update or a frame.
    has_seen_any: bool,
    /// The last error that may pass.
    trouble: Option<String>,
}

impl Session {
    /// A session before its first join. The players have these names.
    pub(super) fn new(script: Script, room: RoomId, players: [String; SEATS]) -> Self {
        let seat = |player| Seat {
            player,
            knowledge: script.knowledge(),
            join_sent: None,
            is_joined: false,
            next_seq: 1,
            sent: 0,
            unanswered: VecDeque::new(),
            is_finished: false,
        };
        Self {
            seats: players.map(seat),
            script,
            room,
            times: Times::default(),
            unseen: BTreeMap::new(),
            unnamed: VecDeque::new(),
            has_seen_any: false,
            trouble: None,
        }
    }

    /// The times so far.
    pub(super) fn times(&mut self) -> &mut Times {
        &mut self.times
    }

    /// The first join, which creates the room.
    pub(super) fn start(&mut self, now: Instant) -> Outgoing {
        self.join(0, now)
    }

    /// Whether everything has happened that a smoke test waits for.
    pub(super) fn is_done(&self) -> bool {
        self.missing().is_none()
    }

    /// The next thing that a smoke test waits for, if it is not done.
    pub(super) fn missing(&self) -> Option<String> {
        for (seat, name) in self.seats.iter().zip(NAMES) {
            if !seat.is_joined {
                return Some(format!("{name} has not joined {}", self.room));
            }
        }
        for (seat, name) in self.seats.iter().zip(NAMES).take(SPECTATOR) {
            if let Some((seq, _)) = seat.unanswered.front() {
                return Some(format!("input {seq} of {name} is not acked"));
            }
            if seat.sent == 0 {
                return Some(format!("{name} had no move"));
            }
            if !seat.has_seen_end() && (self.script.has_end() || seat.sent < INPUTS) {
                return Some(format!("{name} has not seen the end of the game"));
            }
        }
        let spectator = &self.seats[SPECTATOR];
        if spectator.has_seen_end() {
            return None;
        }
        if self.script.has_end() {
            return Some("the spectator has not seen the end of the game".to_owned());
        }
        let has_seen_all = self.unseen.is_empty() && self.unnamed.is_empty();
        if !has_seen_all {
            return Some("the spectator has not seen the last input".to_owned());
        }
        (!self.has_seen_any).then(|| "the spectator has seen nothing of the game".to_owned())
    }

    /// The last error that might have passed.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Handles a message to a client. Returns what is sent then.
    ///
    /// # Errors
    /// If the message is a failure, in words.
    pub(super) fn handle(
        &mut self,
        seat: usize,
        message: &Value,
        now: Instant,
    ) -> Result<Vec<Outgoing>, String> {
        let data = &message["data"];
        let mut out = Vec::new();
        match message["type"].as_str().unwrap_or_default() {
            "joined" => out.extend(self.on_joined(seat, message, now)),
            "snapshot" => self.seats[seat].knowledge.show(message),
            "update" => {
                self.seats[seat].knowledge.update(data);
                if seat == SPECTATOR {
                    self.on_seen(data, now);
                }
            }
            "live" if seat == SPECTATOR => self.on_seen(data, now),
            "direct" => self.seats[seat].knowledge.direct(data),
            "reject" => self.on_reject(seat, message)?,
            "ack" => self.on_ack(seat, message["seq"].as_u64().unwrap_or_default(), now),
            "left" => self.on_left(seat, message)?,
            "error" => self.on_error(seat, message)?,
            "notice" if message["code"] == "degraded" => {
                self.trouble = Some("the edge says `degraded`".to_owned());
            }
            _ => {}
        }
        out.extend(self.moves(now));
        Ok(out)
    }

    fn join(&mut self, seat: usize, now: Instant) -> Outgoing {
        self.seats[seat].join_sent = Some(now);
        let role = if seat == SPECTATOR {
            "spectator"
        } else {
            "player"
        };
        let params = self.script.params();
        let message = json!({"type": "join", "room": self.room, "role": role, "params": params});
        Outgoing { seat, message }
    }

    /// The others join a room that exists, so that nobody waits for it.
    fn on_joined(&mut self, seat: usize, message: &Value, now: Instant) -> Vec<Outgoing> {
        let this = &mut self.seats[seat];
        if let Some(sent) = this.join_sent.take() {
            self.times.join.push(now - sent);
        }
        this.next_seq = message["last_seq"].as_u64().unwrap_or_default() + 1;
        if std::mem::replace(&mut this.is_joined, true) || seat != 0 {
            return Vec::new();
        }
        (1..SEATS).map(|seat| self.join(seat, now)).collect()
    }

    fn on_ack(&mut self, seat: usize, seq: u64, now: Instant) {
        let this = &mut self.seats[seat];
        while let Some((waiting, sent)) = this.unanswered.front().copied()
            && waiting <= seq
        {
            this.unanswered.pop_front();
            self.times.ack.push(now - sent);
        }
    }

    fn on_seen(&mut self, data: &Value, now: Instant) {
        self.has_seen_any = true;
        match self.script.name_in_update(data) {
            Some(name) => {
                if let Some(sent) = self.unseen.remove(&name) {
                    self.times.seen.push(now - sent);
                }
            }
            None => {
                // One update may show several inputs.
                let sent = self.unnamed.drain(..).next();
                self.times.seen.extend(sent.map(|sent| now - sent));
            }
        }
    }

    fn on_reject(&mut self, seat: usize, message: &Value) -> Result<(), String> {
        let code = message["code"].as_str().unwrap_or_default();
        let seq = message["seq"].as_u64().unwrap_or_default();
        if self.script.expects_reject(code) {
            // No update shows it, but frames come all the time.
            if !self.script.is_realtime() {
                self.unnamed.pop_front();
            }
            return Ok(());
        }
        let name = NAMES[seat];
        let words = message["message"].as_str().unwrap_or_default();
        Err(format!(
            "the game rejects input {seq} of {name}: {code}: {words}"
        ))
    }

    fn on_left(&mut self, seat: usize, message: &Value) -> Result<(), String> {
        let this = &mut self.seats[seat];
        match message["code"].as_str().unwrap_or_default() {
            "finished" => {
                this.is_finished = true;
                Ok(())
            }
            code => Err(format!("{} had to leave the room: {code}", NAMES[seat])),
        }
    }

    fn on_error(&mut self, seat: usize, message: &Value) -> Result<(), String> {
        let code = message["code"].as_str().unwrap_or_default();
        let words = message["message"].as_str().unwrap_or_default();
        let text = format!("the edge answers {} with {code}: {words}", NAMES[seat]);
        // Such a join stays, and is answered when it can be.
        let may_pass = message["retry_after_ms"].is_u64() && message["seq"].is_null();
        if may_pass && code == "room_unavailable" {
            self.trouble = Some(text);
            return Ok(());
        }
        Err(text)
    }

    /// The inputs that the players send now: one at a time each, once all have joined.
    fn moves(&mut self, now: Instant) -> Vec<Outgoing> {
        let mut out = Vec::new();
        if !self.seats.iter().all(|seat| seat.is_joined) {
            return out;
        }
        for (number, seat) in self.seats.iter_mut().enumerate().take(SPECTATOR) {
            if !seat.unanswered.is_empty() || seat.has_seen_end() {
                continue;
            }
            let Some(input) = seat.knowledge.next(&seat.player, seat.sent) else {
                continue;
            };
            let seq = seat.next_seq;
            seat.next_seq += 1;
            seat.sent += 1;
            seat.unanswered.push_back((seq, now));
            match self.script.name_of_input(&seat.player, &input) {
                Some(name) => {
                    self.unseen.insert(name, now);
                }
                None => self.unnamed.push_back(now),
            }
            if self.script.is_realtime() {
                let message = json!({"type": "live", "room": self.room, "data": input});
                out.push(Outgoing {
                    seat: number,
                    message,
                });
            }
            let message = json!({"type": "input", "room": self.room, "seq": seq, "data": input});
            out.push(Outgoing {
                seat: number,
                message,
            });
        }
        out
    }
}

#[cfg(test)]
mod tests;
