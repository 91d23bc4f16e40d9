//! What a client knows of a room, and the rules that every message about it must keep.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use crate::memory;

/// How far the answer to a `join` has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// Not in the room.
    Out,
    /// The `join` was sent.
    Joining,
    /// `joined` came.
    Joined,
    /// The room was shown since.
    Shown,
}

/// Which rule a message breaks, and the message.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Broken(String);

/// A room.
#[derive(Debug)]
pub struct Room {
    name: String,
    /// What the first `join` asked for.
    join: Value,
    stage: Stage,
    /// The last `join` had a `since`.
    resumes: bool,
    /// `joined.instance`.
    pub instance: Option<String>,
    /// The epoch and version of what it shows.
    pub epoch: Option<String>,
    /// See `epoch`.
    pub version: u64,
    /// The snapshot and all updates since.
    pub view: Value,
    /// The data of all updates, those before a reconnect too.
    pub updates: Vec<Value>,
    /// How many snapshots came.
    pub snapshots: usize,
    /// All inputs up to this one are processed.
    pub acked: u64,
    /// What was rejected, and why.
    pub rejected: BTreeMap<u64, String>,
    /// Why it left.
    pub left: Option<String>,
    /// An `ack` over this connection.
    ack_here: u64,
    next_seq: u64,
    waiting: VecDeque<(u64, Value)>,
    resend: bool,
}

impl Room {
    pub(crate) fn new(join: &Value) -> Self {
        Self {
            name: join["room"].as_str().unwrap_or_default().to_owned(),
            join: join.clone(),
            stage: Stage::Out,
            resumes: false,
            instance: None,
            epoch: None,
            version: 0,
            view: Value::Null,
            updates: Vec::new(),
            snapshots: 0,
            acked: 0,
            rejected: BTreeMap::new(),
            left: None,
            ack_here: 0,
            next_seq: 1,
            waiting: VecDeque::new(),
            resend: false,
        }
    }

    /// Whether it is joined, and shown. Who resumes and missed nothing is shown nothing.
    pub fn is_shown(&self) -> bool {
        self.stage == Stage::Shown || (self.stage == Stage::Joined && self.resumes)
    }

    /// How many inputs were neither acked nor rejected.
    pub fn unanswered(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn joining(&mut self, join: &Value) {
        self.stage = Stage::Joining;
        self.resumes = join.get("since").is_some();
        self.ack_here = 0;
        self.left = None;
    }

    /// The `join` of a client that was here before.
    pub(crate) fn rejoin(&self) -> Value {
        let mut join = self.join.clone();
        if let Some(epoch) = &self.epoch {
            join["epoch"] = json!(epoch);
            join["since"] = json!(self.version);
        }
        join
    }

    pub(crate) fn input(&mut self, data: &[(&str, Value)]) -> (u64, Value) {
        let seq = self.next_seq;
        self.next_seq += 1;
        let mut message = json!({"type": "input", "room": self.name, "seq": seq});
        for (key, value) in data {
            message[*key] = value.clone();
        }
        self.waiting.push_back((seq, message.clone()));
        (seq, message)
    }

    /// What is to be sent again, once, after a `joined`.
    pub(crate) fn resend(&mut self) -> Vec<Value> {
        if !std::mem::take(&mut self.resend) {
            return Vec::new();
        }
        self.waiting.iter().map(|(_, m)| m.clone()).collect()
    }

    /// Whether it left, or was never joined.
    pub(crate) fn is_out(&self) -> bool {
        self.stage == Stage::Out
    }

    /// The number of the next input.
    pub(crate) fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Forgets what it shows: the next `join` asks for all of it.
    pub(crate) fn forget(&mut self) {
        self.epoch = None;
    }

    /// Takes a message in.
    ///
    /// # Errors
    /// If it breaks a rule.
    pub(crate) fn take(&mut self, message: &Value) -> Result<(), Broken> {
        let number = |key: &str| {
            message[key]
                .as_u64()
                .ok_or(Broken(format!("{key} is missing: {message}")))
        };
        let kind = message["type"].as_str().unwrap_or_default();
        let shown = |is_shown| match is_shown {
            true => Ok(()),
            false => Err(Broken(format!(
                "{kind} before the room was shown: {message}"
            ))),
        };
        match kind {
            "joined" => {
                require(self.stage != Stage::Out, || {
                    format!("joined without a join: {message}")
                })?;
                self.stage = Stage::Joined;
                self.on_joined(message);
            }
            "left" => {
                self.stage = Stage::Out;
                self.left = message["code"].as_str().map(str::to_owned);
            }
            "snapshot" => {
                require(self.stage >= Stage::Joined, || {
                    format!("snapshot before joined: {message}")
                })?;
                self.stage = Stage::Shown;
                self.epoch = message["epoch"].as_str().map(str::to_owned);
                self.version = number("version")?;
                self.view = message["data"].clone();
                self.snapshots += 1;
            }
            "update" => {
                require(self.stage >= Stage::Joined && self.epoch.is_some(), || {
                    format!("update before joined and snapshot: {message}")
                })?;
                let (version, prev) = (number("version")?, number("prev")?);
                require(prev == self.version && version > prev, || {
                    format!("a gap, or a repeat, at version {}: {message}", self.version)
                })?;
                self.stage = Stage::Shown;
                self.version = version;
                self.apply(&message["data"])?;
            }
            "direct" => shown(self.is_shown())?,
            "reject" => {
                shown(self.is_shown())?;
                let seq = number("seq")?;
                let known = self.rejected.contains_key(&seq);
                require(known || seq > self.ack_here, || {
                    format!("a reject after its ack: {message}")
                })?;
                let code = message["code"].as_str().unwrap_or_default();
                self.rejected.insert(seq, code.to_owned());
                self.waiting.retain(|&(s, _)| s != seq);
            }
            "ack" => {
                shown(self.is_shown())?;
                let seq = number("seq")?;
                require(seq >= self.acked && seq < self.next_seq, || {
                    format!("an ack that goes back, or of what was not sent: {message}")
                })?;
                self.ack_here = seq;
                self.answered(seq);
            }
            _ => {}
        }
        self.hold_faces(message)
    }

    fn on_joined(&mut self, message: &Value) {
        let instance = message["instance"].as_str().map(str::to_owned);
        if self.instance.is_some() && instance != self.instance {
            self.waiting.clear();
            self.acked = 0;
        }
        self.instance = instance;
        let last = message["last_seq"].as_u64().unwrap_or_default();
        self.answered(last);
        self.next_seq = self.waiting.back().map_or(last, |&(seq, _)| seq) + 1;
        self.resend = true;
    }

    fn answered(&mut self, seq: u64) {
        self.acked = self.acked.max(seq);
        self.waiting.retain(|&(s, _)| s > seq);
    }

    fn apply(&mut self, update: &Value) -> Result<(), Broken> {
        match self.name.split('-').next() {
            Some("memory") => memory::try_apply(&mut self.view, update)
                .map_err(|misfit| Broken(misfit.to_string()))?,
            _ => match (update.get("players_only"), update["key"].as_str()) {
                (Some(value), _) => self.view["players_only"] = value.clone(),
                (None, Some(key)) => self.view["values"][key] = update["value"].clone(),
                (None, None) => {
                    let count = self.view["count"].as_u64();
                    let count = count.ok_or_else(|| Broken(format!("no count: {}", self.view)))?;
                    self.view["count"] = json!(count + 1);
                }
            },
        }
        self.updates.push(update.clone());
        Ok(())
    }

    /// In `memory`, faces are said of cards that show, and of no others. Players' names are longer than a letter.
    fn hold_faces(&self, message: &Value) -> Result<(), Broken> {
        if !self.name.starts_with("memory") {
            return Ok(());
        }
        let data = &message["data"];
        let allowed = match message["type"].as_str() {
            Some("snapshot") => {
                let matched: u64 = data["scores"]
                    .as_object()
                    .into_iter()
                    .flatten()
                    .filter_map(|(_, score)| score.as_u64())
                    .sum();
                data["open"].as_array().map_or(0, Vec::len) + 2 * matched as usize
            }
            Some("update") if data["kind"] == "flipped" => 1,
            _ => 0,
        };
        require(faces(data) == allowed, || {
            format!("{allowed} faces may be said: {message}")
        })
    }
}

/// How many texts of one letter there are in a message, however deep.
fn faces(value: &Value) -> usize {
    match value {
        Value::String(text) => usize::from(text.chars().count() == 1),
        Value::Array(items) => items.iter().map(faces).sum(),
        Value::Object(fields) => fields.values().map(faces).sum(),
        _ => 0,
    }
}

fn require(so: bool, else_say: impl FnOnce() -> String) -> Result<(), Broken> {
    if so { Ok(()) } else { Err(Broken(else_say())) }
}
