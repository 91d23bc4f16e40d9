//! Checks messages against the protocol and fills the ledger.

use std::collections::VecDeque;
use std::time::Duration;

use grandstand_common::id::Lane;
use serde_json::{Value, json};

use crate::chaos::field::{Field, Mode, SeatState};
use crate::chaos::ledger::Observer;
use crate::chaos::script::Game;
use crate::chaos::violation::Rule;
use crate::client::room::Room;

/// A client in a room.
#[derive(Debug)]
pub(in crate::chaos) struct Seat {
    /// The room.
    pub(in crate::chaos) name: String,
    pub(super) client: String,
    pub(super) slot: usize,
    pub(super) generation: u64,
    pub(super) game: Game,
    pub(super) lane: Lane,
    pub(super) room: Room,
    /// The seat's number in the field and its number in the waits.
    pub(super) numbers: (usize, usize),
    /// Unanswered inputs and when each was first sent.
    pub(super) waiting: VecDeque<(u64, Duration)>,
    /// The epochs of this connection, in their order.
    pub(super) epochs: Vec<String>,
    pub(super) next_at: Duration,
    pub(super) retry_at: Option<Duration>,
    /// The time at which all unanswered inputs are sent again, because one was refused as `busy`.
    pub(super) resend_at: Option<Duration>,
    /// The rollbacks of the store of which the client knows that they lost inputs of its player.
    pub(super) rollbacks: usize,
    /// The time at which the client lost its current view.
    pub(super) hidden_since: Option<Duration>,
    /// The version in which a bot has to move, and since when.
    pub(super) bot_since: Option<(u64, Duration)>,
    pub(super) probed: bool,
    pub(super) over: bool,
    pub(super) stuck: bool,
}

impl Seat {
    /// A client for a slot's room.
    pub(in crate::chaos) fn new(field: &mut Field, client: &str, slot: usize, lane: Lane) -> Self {
        let name = field.room(slot);
        let state = SeatState {
            client: client.to_owned(),
            room: name.clone(),
            lane,
            version: None,
            unanswered: 0,
            probes: false,
            over: false,
            waits_for_bot: false,
        };
        let numbers = (field.add_seat(slot, state), field.waits.add_seat());
        let now = field.now();
        let game = field.game(slot);
        Self {
            room: room(&name, lane, &game, slot),
            name,
            client: client.to_owned(),
            slot,
            generation: field.generation(slot),
            game,
            lane,
            numbers,
            waiting: VecDeque::new(),
            epochs: Vec::new(),
            next_at: now,
            retry_at: None,
            resend_at: None,
            rollbacks: 0,
            hidden_since: Some(now),
            bot_since: None,
            probed: false,
            over: false,
            stuck: false,
        }
    }

    /// Returns the `join` for a new connection; `None` if the room is over.
    pub(in crate::chaos) fn connect(&mut self) -> Option<Value> {
        self.epochs.clear();
        (self.retry_at, self.resend_at) = (None, None);
        (!self.over).then(|| self.join())
    }

    pub(super) fn join(&mut self) -> Value {
        let join = self.room.rejoin();
        self.room.joining(&join);
        join
    }

    /// Handles the loss of the connection.
    pub(in crate::chaos) fn disconnected(&mut self, field: &mut Field) {
        let now = field.now();
        self.hidden_since.get_or_insert(now);
        if let Some(state) = field.seat(self.numbers.0).filter(|_| !self.over) {
            state.version = None;
        }
    }

    /// Handles a message about this room and returns the messages to send. After a broken rule the connection must be
    /// given up.
    pub(in crate::chaos) fn handle(
        &mut self,
        message: &Value,
        field: &mut Field,
    ) -> Result<Vec<Value>, Unusable> {
        let now = field.now();
        match message["type"].as_str() {
            Some("error") => return self.on_error(message, field),
            Some("joined") if !self.on_joined(message, field) => return Ok(Vec::new()),
            Some("snapshot") => self.on_snapshot(message, field),
            Some("reject") => self.on_reject(message, field),
            _ => {}
        }
        if let Err(broken) = self.room.take(message) {
            let ledger = &mut field.ledger;
            ledger.blame(
                Rule::Protocol,
                &self.name,
                &self.client,
                "docs/protocol.md",
                &broken.to_string(),
            );
            self.room.forget();
            return Err(Unusable);
        }
        self.after(message, field, now);
        let again = self.room.resend();
        field.counts.inputs_resent += again.len() as u64;
        Ok(again)
    }

    fn on_joined(&mut self, message: &Value, field: &mut Field) -> bool {
        // A join that got `room_unavailable` is still answered when it can be. Another one would begin while updates come.
        self.retry_at = None;
        let Some(instance) = message["instance"].as_str() else {
            // The room does not exist yet, or is deleted after its end.
            let is_over = field.ledger.is_over(&self.name);
            if is_over {
                self.end(field);
            }
            return !is_over;
        };
        if !field
            .ledger
            .joined(self.name.as_str(), &self.client, instance)
        {
            // This is another room of the same name: the earlier game has ended.
            self.end(field);
            return false;
        }
        let known = self.room.instance.as_deref();
        let restarted = known.is_some_and(|known| known != instance);
        let last = message["last_seq"].as_u64().unwrap_or_default();
        let acked = self.room.acked;
        let behind = self.lane == Lane::Players && (restarted || last < acked);
        if behind && field.ledger.rollbacks() > self.rollbacks {
            self.on_rolled_back(last, field);
        } else if self.lane == Lane::Players && last < acked {
            let expected = format!("last_seq {acked} or higher");
            let found = message.to_string();
            field
                .ledger
                .blame(Rule::Lost, &self.name, &self.client, &expected, &found);
        }
        true
    }

    fn on_snapshot(&mut self, message: &Value, field: &mut Field) {
        let epoch = message["epoch"].as_str().unwrap_or_default();
        // Epochs of earlier connections, to other edges, say nothing about the order on this connection. A client that was
        // told to forget the room gets its latest epoch again.
        let latest = self.epochs.last();
        if latest.is_none_or(|latest| latest != epoch) {
            if self.epochs.iter().any(|known| known == epoch) {
                let expected = format!("no epoch that was replaced by {latest:?}");
                let ledger = &mut field.ledger;
                ledger.blame(
                    Rule::Owners,
                    &self.name,
                    &self.client,
                    &expected,
                    &message.to_string(),
                );
            }
            self.epochs.push(epoch.to_owned());
        }
        field.counts.snapshots += 1;
    }

    fn on_reject(&mut self, message: &Value, field: &mut Field) {
        let seq = message["seq"].as_u64().unwrap_or_default();
        let code = message["code"].as_str().unwrap_or_default();
        if !self.room.rejected.contains_key(&seq) {
            field.counts.inputs_rejected += 1;
        }
        let ledger = &mut field.ledger;
        ledger.rejected(&self.name, &self.client, seq, code);
        if self.game.is_own() && code == "finished" {
            ledger.over(&self.name);
        }
    }

    /// Handles the consequences of a valid message.
    fn after(&mut self, message: &Value, field: &mut Field, now: Duration) {
        let kind = message["type"].as_str().unwrap_or_default();
        let observer = Observer {
            room: &self.name,
            lane: self.lane,
            name: &self.client,
            epoch: self.epoch(),
        };
        if kind == "update" {
            field.counts.updates += 1;
            let ledger = &mut field.ledger;
            ledger.updated(observer, self.room.version, &message["data"]);
            self.room.updates.clear();
            // A resumed client gets no snapshot and continues with its earlier epoch.
            if let Some(epoch) = &self.room.epoch
                && !self.epochs.contains(epoch)
            {
                self.epochs.push(epoch.clone());
            }
        }
        if matches!(kind, "update" | "snapshot") {
            let ledger = &mut field.ledger;
            ledger.shows(observer, self.room.version, &self.room.view);
        }
        self.settle_answers(field, now);
        let shown = self.room.is_shown();
        if shown {
            self.hidden_since = None;
        }
        if kind == "left" {
            self.on_left(message, field, now);
        }
        if !self.over && shown && self.game.is_over(&self.room.view) {
            field.ledger.over(&self.name);
            if self.waiting.is_empty() {
                self.tell(field);
                self.end(field);
            }
        }
        self.tell(field);
    }

    fn settle_answers(&mut self, field: &mut Field, now: Duration) {
        let answered = self.room.acked;
        if self.lane == Lane::Players {
            let settled = self.room.settled;
            field
                .ledger
                .acked(&self.name, &self.client, answered, settled);
        }
        while let Some(&(seq, sent)) = self.waiting.front() {
            if seq > answered {
                break;
            }
            self.waiting.pop_front();
            field.counts.inputs_acked += 1;
            let oldest = self.waiting.front().map(|(_, sent)| *sent);
            field.waits.answered(self.numbers.1, sent, oldest, now);
        }
    }

    /// The epoch of the owner whose view the client shows. Clients must not look into it; this tool may.
    fn epoch(&self) -> u64 {
        let epoch = self.room.epoch.as_deref().and_then(|epoch| {
            let (owner, _) = epoch.split_once('.')?;
            u64::from_str_radix(owner, 16).ok()
        });
        epoch.unwrap_or_default()
    }

    /// Ends the seat's part in this room.
    pub(super) fn end(&mut self, field: &mut Field) {
        if !std::mem::replace(&mut self.over, true) {
            self.waiting.clear();
            field.waits.cleared(self.numbers.1);
            self.tell(field);
            field.seen_over(self.slot);
        }
    }

    /// Reports the seat's progress to the field.
    pub(super) fn tell(&mut self, field: &mut Field) {
        let probes = field.mode == Mode::Probe && self.lane == Lane::Players && !self.probed;
        if let Some(state) = field.seat(self.numbers.0) {
            state.room.clone_from(&self.name);
            if !self.over {
                state.version = self.room.is_shown().then_some(self.room.version);
            }
            state.unanswered = self.waiting.len();
            state.probes = probes && !self.over;
            state.waits_for_bot = !self.over && self.game.waits_for_bot(&self.room.view);
            state.over = self.over;
        }
    }
}

/// The connection must be given up.
#[derive(Debug)]
pub(in crate::chaos) struct Unusable;

pub(super) fn room(name: &str, lane: Lane, game: &Game, slot: usize) -> Room {
    let mut join = json!({"type": "join", "room": name});
    match lane {
        Lane::Players => join["params"] = game.params(slot),
        Lane::Spectators => join["role"] = json!("spectator"),
    }
    let mut room = Room::new(&join);
    game.prepare(&mut room);
    room
}
