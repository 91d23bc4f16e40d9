//! What came of a replay.

use std::collections::BTreeMap;

use grandstand_common::id::{Epoch, Partition, RoomId};
use serde::Deserialize as _;
use serde_json::Value;

use super::comparison::Comparison;
use super::replayer::Replayer;
use super::replicas::{Divergence, Stopped};
use super::scan::Life;
use super::stored::Stored;
use super::tally::{PlayerTally, Tally};
use crate::room::Presence;
use crate::stored::quarantine::QuarantineRecord;
use grandstand_game::host::StateHash;

/// A player at the end of the replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlayerReport {
    /// Who.
    pub id: String,
    /// `connected`, `lost`, `left`; nothing if the room forgot the player.
    pub presence: Option<&'static str>,
    /// What was counted.
    pub tally: PlayerTally,
}

/// The state at the end of the replay.
#[derive(Debug, Clone)]
pub struct FinalState {
    /// Its hash.
    pub hash: StateHash,
    /// `{"room":…,"game":…}`.
    pub json: Value,
    /// Bytes of it.
    pub bytes: usize,
    /// The versions of the lanes, players first.
    pub versions: [u64; 2],
    /// The armed timers: name and due time, Unix milliseconds.
    pub timers: Vec<(String, u64)>,
}

/// What came of a replay. Its `Display` is for people.
#[derive(Debug, Clone)]
pub struct Report {
    /// The room.
    pub room: RoomId,
    /// Its partition.
    pub partition: Partition,
    /// Which room of the name, and where it begins.
    pub life: Life,
    /// The entries that created the others that the log has, oldest first.
    pub others: Vec<u64>,
    /// Where the replay was to end.
    pub until: Option<u64>,
    /// What was counted.
    pub tally: Tally,
    /// The players at the end.
    pub players: Vec<PlayerReport>,
    /// The state at the end; just before it was deleted, if it was.
    pub state: Option<FinalState>,
    /// The entry that deleted it.
    pub deleted: Option<u64>,
    /// Who wrote the snapshot, when (Unix milliseconds), and its last entry.
    pub snapshot: Option<(Epoch, u64, u64)>,
    /// How the replayed state and the stored one stand to each other.
    pub comparison: Comparison,
    /// Where the game turned out not to be deterministic, or not to survive being stored.
    pub divergences: Vec<Divergence>,
    /// Where the replay could not go on.
    pub stopped: Option<(u64, Stopped)>,
    /// If it is in quarantine.
    pub quarantine: Option<QuarantineRecord>,
}

impl Report {
    /// Whether the replay gives what is stored, and the same each time.
    pub fn is_well(&self) -> bool {
        !self.comparison.is_different() && self.divergences.is_empty() && self.stopped.is_none()
    }

    pub(super) fn of(
        replayer: Replayer,
        (room, partition): (&RoomId, Partition),
        (life, others): (Life, Vec<u64>),
        until: Option<u64>,
        stored: &Stored,
    ) -> Self {
        let state = replayer.state();
        let players = players(&replayer, state.as_ref());
        let snapshot = stored.snapshot();
        Self {
            room: room.clone(),
            partition,
            life,
            others,
            until,
            players,
            state,
            deleted: replayer.deleted,
            snapshot: snapshot.map(|s| (s.epoch, s.time_ms, s.last)),
            comparison: replayer.comparison.unwrap_or(Comparison::NotStored),
            divergences: replayer.replicas.divergences,
            stopped: replayer.stopped,
            quarantine: stored.quarantine.clone(),
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
