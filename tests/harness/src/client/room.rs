//! A client's knowledge of a room, and the rules that every message about the room must keep.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use super::json::{faces, merge};
use crate::memory;

/// The progress of a `join`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// Not in the room.
    Out,
    /// The `join` was sent.
    Joining,
    /// `joined` came.
    Joined,
    /// The room's view came after `joined`.
    Shown,
}

/// The broken rule and the message.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Broken(String);

/// Applies an update to a view.
pub type Reduce = fn(&mut Value, &Value);

/// A client's knowledge of a room.
#[derive(Debug)]
pub struct Room {
    name: String,
    /// The parameters of the first `join`.
    join: Value,
    stage: Stage,
    /// Whether the last `join` had a `since`.
    resumes: bool,
    /// `joined.instance`.
    pub instance: Option<String>,
    /// The epoch of the view.
    pub epoch: Option<String>,
    /// The version of the view.
    pub version: u64,
    /// The last snapshot with all later updates applied.
    pub view: Value,
    /// Whether updates are merge patches of the view, as the last snapshot said.
    merges: bool,
    /// The reducer for updates that are no merge patches; `None` for the built-in games.
    reduce: Option<Reduce>,
    /// The data of all updates, including those of earlier connections.
    pub updates: Vec<Value>,
    /// The data of the last `direct`.
    pub direct: Value,
    /// The number of snapshots that came.
    pub snapshots: usize,
    /// All inputs up to this sequence number are processed.
    pub acked: u64,
    /// All inputs up to this one are processed, and each reject among them has come. A `joined` comes before the rejects
    /// that it covers, an `ack` after them.
    pub settled: u64,
    /// The codes of rejected inputs by sequence number.
    pub rejected: BTreeMap<u64, String>,
    /// The code of the `left` message.
    pub left: Option<String>,
    /// The last input that held, if the server said that it lost later ones.
    pub rolled_back: Option<u64>,
    /// The number of inputs refused as `busy`.
    pub busy: usize,
    /// The last `ack` of this connection.
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
            merges: false,
            reduce: None,
            updates: Vec::new(),
            direct: Value::Null,
            snapshots: 0,
            acked: 0,
            settled: 0,
            rejected: BTreeMap::new(),
            left: None,
            rolled_back: None,
            busy: 0,
            ack_here: 0,
            next_seq: 1,
            waiting: VecDeque::new(),
            resend: false,
        }
    }

    /// Applies the updates of the room's game with `reduce`, unless they are merge patches.
    pub fn reduce_with(&mut self, reduce: Reduce) {
        self.reduce = Some(reduce);
    }

    /// Whether the client is in the room and has its current view. A resumed client that missed nothing gets no
    /// snapshot.
    pub fn is_shown(&self) -> bool {
        self.stage == Stage::Shown || (self.stage == Stage::Joined && self.resumes)
    }

    /// The number of inputs that are neither acked nor rejected.
    pub fn unanswered(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn joining(&mut self, join: &Value) {
        self.stage = Stage::Joining;
        self.resumes = join.get("since").is_some();
        self.ack_here = 0;
        self.left = None;
    }

    /// The `join` after a reconnect.
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

    /// Notes an input that a `busy` refused.
    fn on_busy(&mut self, message: &Value) -> Result<(), Broken> {
        require(
            message["seq"].is_u64() && message["retry_after_ms"].is_u64(),
            || format!("a busy without seq or retry_after_ms: {message}"),
        )?;
        self.busy += 1;
        Ok(())
    }

    /// The inputs that are neither acked nor rejected.
    pub(crate) fn unanswered_inputs(&self) -> Vec<Value> {
        self.waiting.iter().map(|(_, m)| m.clone()).collect()
    }

    /// The inputs to send again after a `joined`, returned once.
    pub(crate) fn resend(&mut self) -> Vec<Value> {
        if !std::mem::take(&mut self.resend) {
            return Vec::new();
        }
        self.unanswered_inputs()
    }

    /// Whether the client left the room or never joined it.
    pub(crate) fn is_out(&self) -> bool {
        self.stage == Stage::Out
    }

    /// The sequence number of the next input.
    pub(crate) fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Forgets the view, so that the next `join` asks for a snapshot.
    pub(crate) fn forget(&mut self) {
        self.epoch = None;
    }

    /// Checks and applies a message.
    ///
    /// # Errors
    /// If it breaks a rule.
    pub(crate) fn take(&mut self, message: &Value) -> Result<(), Broken> {
        match message["type"].as_str().unwrap_or_default() {
            "joined" => self.on_joined(message)?,
            "left" => {
                self.stage = Stage::Out;
                self.left = message["code"].as_str().map(str::to_owned);
            }
            "error" if message["code"] == "room_rolled_back" => self.on_rolled_back(message)?,
            "snapshot" => self.on_snapshot(message)?,
            "update" => self.on_update(message)?,
            "direct" => {
                self.require_shown(message)?;
                self.direct = message["data"].clone();
            }
            "error" if message["code"] == "busy" => self.on_busy(message)?,
            "reject" => self.on_reject(message)?,
            "ack" => self.on_ack(message)?,
            _ => {}
        }
        self.check_faces(message)
    }

    /// Checks that the room was shown before this message.
    fn require_shown(&self, message: &Value) -> Result<(), Broken> {
        require(self.is_shown(), || {
            format!("a message before the room was shown: {message}")
        })
    }

    fn on_rolled_back(&mut self, message: &Value) -> Result<(), Broken> {
        let seq = number(message, "seq")?;
        // 0 also says that the join itself is lost.
        require(seq < self.acked || seq == 0, || {
            format!("a rollback that lost no acked input: {message}")
        })?;
        self.stage = Stage::Out;
        self.rolled_back = Some(seq);
        (self.acked, self.epoch) = (seq, None);
        self.settled = self.settled.min(seq);
        self.waiting.clear();
        Ok(())
    }

    fn on_snapshot(&mut self, message: &Value) -> Result<(), Broken> {
        require(self.stage >= Stage::Joined, || {
            format!("snapshot before joined: {message}")
        })?;
        self.stage = Stage::Shown;
        self.epoch = message["epoch"].as_str().map(str::to_owned);
        self.version = number(message, "version")?;
        self.view = message["data"].clone();
        self.merges = message["patch"] == "merge";
        self.snapshots += 1;
        Ok(())
    }

    fn on_update(&mut self, message: &Value) -> Result<(), Broken> {
        require(self.stage >= Stage::Joined && self.epoch.is_some(), || {
            format!("update before joined and snapshot: {message}")
        })?;
        let version = number(message, "version")?;
        let prev = number(message, "prev")?;
        require(prev == self.version && version > prev, || {
            format!(
                "a gap or a repeat after version {}: {message}",
                self.version
            )
        })?;
        self.stage = Stage::Shown;
        self.version = version;
        self.apply(&message["data"])
    }

    fn on_reject(&mut self, message: &Value) -> Result<(), Broken> {
        self.require_shown(message)?;
        let seq = number(message, "seq")?;
        let known = self.rejected.contains_key(&seq);
        require(known || seq > self.ack_here, || {
            format!("a reject after its ack: {message}")
        })?;
        let code = message["code"].as_str().unwrap_or_default();
        self.rejected.insert(seq, code.to_owned());
        self.waiting.retain(|&(s, _)| s != seq);
        Ok(())
    }

    fn on_ack(&mut self, message: &Value) -> Result<(), Broken> {
        self.require_shown(message)?;
        let seq = number(message, "seq")?;
        require(seq >= self.acked && seq < self.next_seq, || {
            format!("an ack that decreases, or of an input that was not sent: {message}")
        })?;
        self.ack_here = seq;
        self.settled = seq;
        self.answered(seq);
        Ok(())
    }

    fn on_joined(&mut self, message: &Value) -> Result<(), Broken> {
        require(self.stage != Stage::Out, || {
            format!("joined without a join: {message}")
        })?;
        self.stage = Stage::Joined;
        let instance = message["instance"].as_str().map(str::to_owned);
        if self.instance.is_some() && instance != self.instance {
            self.waiting.clear();
            (self.acked, self.settled) = (0, 0);
        }
        self.instance = instance;
        let last = message["last_seq"].as_u64().unwrap_or_default();
        if last < self.acked {
            // The store came back in an older state.
            self.rolled_back = Some(last);
            self.acked = last;
            self.settled = self.settled.min(last);
            self.waiting.clear();
        }
        self.answered(last);
        self.next_seq = self.waiting.back().map_or(last, |&(seq, _)| seq) + 1;
        self.resend = true;
        Ok(())
    }

    fn answered(&mut self, seq: u64) {
        self.acked = self.acked.max(seq);
        self.waiting.retain(|&(s, _)| s > seq);
    }

    fn apply(&mut self, update: &Value) -> Result<(), Broken> {
        match (self.merges, self.reduce) {
            (true, _) => merge(&mut self.view, update),
            (false, Some(reduce)) => reduce(&mut self.view, update),
            (false, None) => self.apply_built_in(update)?,
        }
        self.updates.push(update.clone());
        Ok(())
    }

    /// Applies an update of a game of the workspace.
    fn apply_built_in(&mut self, update: &Value) -> Result<(), Broken> {
        match self.name.split('-').next() {
            Some("memory") => memory::try_apply(&mut self.view, update)
                .map_err(|misfit| Broken(misfit.to_string()))?,
            Some("queue") => self.view.clone_from(update),
            Some("http") => {
                // Only the endpoint knows the meaning of other updates.
                if let Some(view) = update.get("snapshot") {
                    self.view.clone_from(view);
                }
            }
            _ => match (update.get("players_only"), update["key"].as_str()) {
                (Some(value), _) => self.view["players_only"] = value.clone(),
                (None, Some(key)) => self.view["values"][key] = update["value"].clone(),
                (None, None) => {
                    let count = self.view["count"].as_u64();
                    let count = count
                        .ok_or_else(|| Broken(format!("the view has no count: {}", self.view)))?;
                    self.view["count"] = json!(count + 1);
                }
            },
        }
        Ok(())
    }

    /// Checks that a `memory` message reveals the faces of visible cards only. Faces are texts of one letter; players'
    /// names are longer.
    fn check_faces(&self, message: &Value) -> Result<(), Broken> {
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
            format!("a message that must reveal {allowed} faces: {message}")
        })
    }
}

fn number(message: &Value, key: &str) -> Result<u64, Broken> {
    let number = message[key].as_u64();
    number.ok_or_else(|| Broken(format!("{key} is missing: {message}")))
}

fn require(is_met: bool, violation: impl FnOnce() -> String) -> Result<(), Broken> {
    if is_met {
        Ok(())
    } else {
        Err(Broken(violation()))
    }
}
