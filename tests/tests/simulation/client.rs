//! A client that follows the protocol: it sends unanswered inputs again, resumes with `since`, and joins again after a
//! gap.

use std::collections::BTreeSet;

use grandstand_game::Spectating;
use serde_json::{Value, json};

use crate::ledger;

/// A client across its connections.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) name: String,
    pub(crate) room: String,
    pub(crate) player: bool,
    /// The delay and the rate of the room's spectators.
    pub(crate) service: Spectating,
    /// The connection: the edge and the index among that edge's connections.
    pub(crate) at: Option<(usize, u32)>,
    pub(crate) attempt: u32,
    pub(crate) joined: bool,
    pub(crate) instance: Option<String>,
    pub(crate) epoch: Option<String>,
    pub(crate) version: u64,
    pub(crate) view: Option<Value>,
    pub(crate) direct: Option<Value>,
    /// The number of inputs so far.
    pub(crate) made: u64,
    pub(crate) acked: u64,
    pub(crate) rejected: BTreeSet<u64>,
    pub(crate) errors: Vec<String>,
    /// The players and their states, from the last `presence`.
    pub(crate) presence: Vec<(String, String)>,
    /// Whether the client has left for good.
    pub(crate) quit: bool,
}

impl Client {
    pub(crate) fn new(name: String, room: String, player: bool, service: Spectating) -> Self {
        Self {
            name,
            room,
            player,
            service,
            at: None,
            attempt: 0,
            joined: false,
            instance: None,
            epoch: None,
            version: 0,
            view: None,
            direct: None,
            made: 0,
            acked: 0,
            rejected: BTreeSet::new(),
            errors: Vec::new(),
            presence: Vec::new(),
            quit: false,
        }
    }

    /// The first message of a new connection.
    pub(crate) fn join(&mut self, resume: bool) -> Value {
        self.joined = false;
        self.attempt += 1;
        let mut join = json!({
            "type": "join", "room": self.room, "client": format!("page-{}", self.name), "attempt": self.attempt,
            "role": if self.player { "player" } else { "spectator" },
            "params": self.service,
        });
        if let (true, Some(epoch), Some(_)) = (resume, &self.epoch, &self.view) {
            join["since"] = self.version.into();
            join["epoch"] = epoch.as_str().into();
        }
        if !resume {
            // It begins again, so it may be sent any version.
            self.epoch = None;
        }
        join
    }

    /// The next input.
    pub(crate) fn input(&mut self) -> Value {
        self.made += 1;
        self.input_of(self.made)
    }

    fn input_of(&self, seq: u64) -> Value {
        json!({"type": "input", "room": self.room, "seq": seq, "data": seq})
    }

    /// Handles a message and returns the answers.
    pub(crate) fn take(&mut self, message: &Value, now_ms: u64) -> Vec<Value> {
        match message["type"].as_str().expect("a message has no type") {
            "joined" => return self.on_joined(message),
            "snapshot" => self.on_snapshot(message, now_ms),
            "update" => self.on_update(message, now_ms),
            "direct" => self.direct = Some(message["data"].clone()),
            "ack" => self.on_ack(number(message, "seq")),
            "reject" => {
                let seq = number(message, "seq");
                assert_eq!(seq % 7, 0, "{message}");
                self.rejected.insert(seq);
            }
            // A join that the owner has not answered in time is answered later (D31).
            "error" if message["retry_after_ms"].is_u64() => {
                assert_eq!(message["code"], "room_unavailable", "{message}");
            }
            "error" => self.errors.push(message.to_string()),
            "presence" => {
                let text = |value: &Value| value.as_str().expect("a text").to_owned();
                let players = message["players"].as_array().expect("`players` is a list");
                let players = players.iter().map(|p| (text(&p["id"]), text(&p["state"])));
                self.presence = players.collect();
            }
            "welcome" | "live" | "pong" | "notice" => {}
            "left" => {
                // Its own earlier connection was replaced; any other code is an error.
                assert_eq!(message["code"], "replaced", "{}: {message}", self.name);
                self.joined = false;
            }
            other => panic!("{other} is not a message of version 1"),
        }
        Vec::new()
    }

    /// Handles `joined`. Returns the inputs that are not processed.
    fn on_joined(&mut self, message: &Value) -> Vec<Value> {
        self.joined = true;
        let instance = message["instance"].as_str().map(str::to_owned);
        if let (Some(old), Some(new)) = (&self.instance, &instance) {
            assert_eq!(old, new, "no room is deleted in the simulation");
        }
        self.instance = instance.or(self.instance.take());
        if !self.player {
            return Vec::new();
        }
        let last = number(message, "last_seq");
        assert!(
            last >= self.acked,
            "{}: acked {} but last_seq is {last}",
            self.name,
            self.acked
        );
        assert!(last <= self.made, "{}: {last} was never sent", self.name);
        (last + 1..=self.made)
            .map(|seq| self.input_of(seq))
            .collect()
    }

    fn on_snapshot(&mut self, message: &Value, now_ms: u64) {
        let epoch = message["epoch"].as_str().map(str::to_owned);
        let version = number(message, "version");
        assert!(
            epoch != self.epoch || version >= self.version,
            "{}: back from version {} to {version}",
            self.name,
            self.version,
        );
        self.epoch = epoch;
        self.version = version;
        self.view = Some(message["data"].clone());
        self.check_delay(now_ms);
    }

    fn on_update(&mut self, message: &Value, now_ms: u64) {
        let view = self.view.as_mut().expect("a snapshot comes before updates");
        let prev = number(message, "prev");
        assert_eq!(prev, self.version, "{}: a gap at {message}", self.name);
        self.version = number(message, "version");
        ledger::apply(view, &message["data"]);
        self.check_delay(now_ms);
    }

    fn on_ack(&mut self, seq: u64) {
        assert!(
            seq >= self.acked && seq <= self.made,
            "{}: ack {seq}",
            self.name
        );
        for sent in (self.acked + 1..=seq).filter(|seq| seq % 7 == 0) {
            assert!(
                self.rejected.contains(&sent),
                "{}: the reject of {sent} comes before its ack",
                self.name
            );
        }
        self.acked = seq;
    }

    /// A delayed spectator's client never has the present view.
    fn check_delay(&self, now_ms: u64) {
        let at = self.view.as_ref().and_then(|view| view["at"].as_u64());
        let delay = u64::from(self.service.delay_ms);
        assert!(
            self.player || at.is_none_or(|at| at + delay <= now_ms),
            "{} sees an event of {at:?} already at {now_ms}",
            self.name
        );
    }
}

/// Returns a number of a message.
fn number(message: &Value, name: &str) -> u64 {
    let number = message[name].as_u64();
    number.unwrap_or_else(|| panic!("{name} of {message}"))
}
