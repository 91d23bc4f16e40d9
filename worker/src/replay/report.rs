//! The result of a replay.

use std::collections::BTreeMap;

use grandstand_common::id::{Epoch, Partition, RoomId};
use grandstand_game::host::StateHash;
use serde::Deserialize as _;
use serde_json::Value;

use super::comparison::Comparison;
use super::replayer::Replayer;
use super::replicas::{Divergence, Stopped};
use super::scan::InstanceSpan;
use super::tally::{PlayerTally, Tally};
use crate::room::Presence;
use crate::stored::quarantine::QuarantineRecord;

/// A player at the end of the replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlayerReport {
    /// The player's name.
    pub id: String,
    /// `connected`, `lost` or `left`; `None` if the room has forgotten the player.
    pub presence: Option<&'static str>,
    /// The player's counts.
    pub tally: PlayerTally,
}

/// The state at the end of the replay.
#[derive(Debug, Clone)]
pub struct FinalState {
    /// The state's hash.
    pub hash: StateHash,
    /// `{"room":…,"game":…}`.
    pub json: Value,
    /// The size of the stored form in bytes.
    pub bytes: usize,
    /// The versions of the lanes, players first.
    pub versions: [u64; 2],
    /// The armed timers: name and due time in Unix milliseconds.
    pub timers: Vec<(String, u64)>,
}

/// The result of a replay. `Display` writes it as text for people.
#[derive(Debug, Clone)]
pub struct Report {
    /// The room.
    pub room: RoomId,
    /// Its partition.
    pub partition: Partition,
    /// The replayed room among those of its name.
    pub span: InstanceSpan,
    /// The entries that created the other rooms of the name in the log, oldest first.
    pub others: Vec<u64>,
    /// The requested last entry.
    pub until: Option<u64>,
    /// The counts.
    pub tally: Tally,
    /// The players at the end.
    pub players: Vec<PlayerReport>,
    /// The state at the end; for a deleted room, the state before its deletion.
    pub state: Option<FinalState>,
    /// The entry that deleted the room.
    pub deleted: Option<u64>,
    /// The stored snapshot: the epoch of its owner, the time in Unix milliseconds, and the last entry.
    pub snapshot: Option<(Epoch, u64, u64)>,
    /// The comparison of the replayed state with the stored one.
    pub comparison: Comparison,
    /// The entries at which the game is not deterministic, or at which storing loses part of its state.
    pub divergences: Vec<Divergence>,
    /// The entry at which the replay cannot continue, and the reason.
    pub stopped: Option<(u64, Stopped)>,
    /// The record of the room's quarantine.
    pub quarantine: Option<QuarantineRecord>,
}

impl Report {
    /// Whether all replicas agree, with each other and with the stored room.
    pub fn is_well(&self) -> bool {
        !self.comparison.is_different() && self.divergences.is_empty() && self.stopped.is_none()
    }

    /// The fault in one line; `None` if there is none.
    pub fn fault(&self) -> Option<String> {
        if self.is_well() {
            return None;
        }
        let room = &self.room;
        Some(match (&self.stopped, self.divergences.first()) {
            (Some((seq, stopped)), _) => {
                format!("{room} cannot be replayed beyond entry {seq}: {stopped}")
            }
            (None, Some(divergence)) if !self.comparison.is_different() => format!(
                "{room} differs between replays, from entry {} on",
                divergence.seq
            ),
            (None, _) => format!("the replay of {room} differs from its stored snapshot"),
        })
    }

    pub(super) fn new(
        replayer: Replayer,
        partition: Partition,
        span: InstanceSpan,
        others: Vec<u64>,
        until: Option<u64>,
    ) -> Self {
        let state = replayer.state();
        let players = players(&replayer, state.as_ref());
        let snapshot = replayer.stored.snapshot();
        Self {
            room: replayer.id,
            partition,
            span,
            others,
            until,
            players,
            state,
            deleted: replayer.deleted,
            snapshot: snapshot.map(|s| (s.epoch, s.time_ms, s.last)),
            comparison: replayer.comparison.unwrap_or(Comparison::NotStored),
            divergences: replayer.replicas.divergences,
            stopped: replayer.stopped,
            quarantine: replayer.stored.quarantine,
            tally: replayer.tally,
        }
    }
}

impl Replayer {
    /// The state at the end.
    fn state(&self) -> Option<FinalState> {
        let hashed = self.hashed.as_ref().or(self.before_deletion.as_ref())?;
        let json = hashed.state.to_json();
        let room = &json["room"];
        let timers = room["timers"].as_object().into_iter().flatten();
        let due = |armed: &Value| armed["due_ms"].as_u64().unwrap_or_default();
        Some(FinalState {
            hash: hashed.hash,
            bytes: hashed.state.len(),
            versions: [0, 1].map(|lane| room["versions"][lane].as_u64().unwrap_or_default()),
            timers: timers
                .map(|(name, armed)| (name.clone(), due(armed)))
                .collect(),
            json,
        })
    }
}

fn players(replayer: &Replayer, state: Option<&FinalState>) -> Vec<PlayerReport> {
    let room = state.map(|state| &state.json["room"]["players"]);
    let known = room.and_then(Value::as_object).into_iter().flatten();
    let presence = |player: &Value| {
        let presence = Presence::deserialize(&player["presence"]).ok()?;
        Some(match presence {
            Presence::Connected => "connected",
            Presence::Lost => "lost",
            Presence::Left => "left",
        })
    };
    let mut all: BTreeMap<&str, Option<&'static str>> = known
        .map(|(id, player)| (id.as_str(), presence(player)))
        .collect();
    for id in replayer.tally.players.keys() {
        all.entry(id).or_default();
    }
    let report = |(id, presence): (&str, _)| PlayerReport {
        id: id.to_owned(),
        presence,
        tally: replayer.tally.players.get(id).cloned().unwrap_or_default(),
    };
    all.into_iter().map(report).collect()
}
