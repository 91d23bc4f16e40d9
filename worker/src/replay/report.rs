//! What came of a replay.

use std::collections::BTreeMap;

use grandstand_common::id::{Epoch, Partition, RoomId};
use serde::Deserialize as _;
use serde_json::Value;

use super::core::Replay;
use super::diff::Differences;
use super::line::Line;
use super::replicas::{Divergence, Stopped};
use super::scan::Life;
use super::stored::Stored;
use crate::room::Presence;
use crate::stored::quarantine::QuarantineRecord;
use grandstand_game::host::StateHash;

/// How the replayed state and the stored one stand to each other.
#[derive(Debug, Clone, PartialEq)]
pub enum Comparison {
    /// They are the same.
    Equal {
        /// The last entry that is in the snapshot.
        seq: u64,
        /// The state's hash.
        hash: StateHash,
        /// The snapshot is of a build that writes the same state otherwise.
        rewritten: bool,
    },
    /// They are not.
    Differs {
        /// The last entry that is in the snapshot.
        seq: u64,
        /// The stored state's hash.
        stored: StateHash,
        /// The replayed state's.
        replayed: StateHash,
        /// The hash that the snapshot says, if its state has another: it was damaged.
        damaged: Option<StateHash>,
        /// The log lost what the room had applied from this entry on (D11).
        cut: Option<u64>,
        /// Where: stored, replayed.
        differences: Differences,
    },
    /// Only one of them has a room.
    Fate {
        /// What is stored says that it was deleted.
        stored_deleted: bool,
        /// By, or as of, which entry.
        stored_at: Option<u64>,
        /// Which entry deleted it in the replay.
        replayed: Option<u64>,
    },
    /// Both say that it was deleted.
    BothDeleted {
        /// By which entry, if the stored one still says.
        seq: Option<u64>,
    },
    /// Nothing is stored yet, or nothing that one could compare with.
    NotStored,
    /// What is stored is of a later entry.
    NotReached {
        /// Of which.
        seq: u64,
    },
    /// What is stored is of another room of the same name.
    OtherInstance,
    /// It is not the newest room of its name.
    Older,
    /// The replay began with the snapshot.
    BegunThere {
        /// The last entry that is in it.
        seq: u64,
    },
    /// The snapshot cannot be read: why.
    Unreadable {
        /// Why.
        error: String,
    },
}

impl Comparison {
    /// Whether what is stored is not what it should be.
    pub fn is_different(&self) -> bool {
        matches!(
            self,
            Self::Differs { .. } | Self::Fate { .. } | Self::Unreadable { .. }
        )
    }
}

/// What was counted while replaying.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Entries.
    pub entries: u64,
    /// Entries by kind.
    pub kinds: BTreeMap<&'static str, u64>,
    /// Entries that changed nothing, by why.
    pub skipped: BTreeMap<String, u64>,
    /// Updates sent.
    pub updates: u64,
    /// Messages to one player.
    pub directs: u64,
    /// Inputs refused, by code.
    pub rejects: BTreeMap<String, u64>,
    /// Players not let in, by code.
    pub refused: BTreeMap<String, u64>,
    /// By player.
    pub players: BTreeMap<String, PlayerTally>,
    /// The first and the last entry: sequence and Unix milliseconds.
    pub first: Option<(u64, u64)>,
    /// The last.
    pub last: Option<(u64, u64)>,
    /// The entry that ended the room.
    pub finished: Option<u64>,
    /// The largest that the state was, bytes, and after which entry.
    pub largest: (usize, u64),
}

/// What was counted of a player.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlayerTally {
    /// Sessions begun.
    pub joins: u64,
    /// Inputs handed to the game.
    pub inputs: u64,
    /// Inputs refused.
    pub rejects: u64,
}

impl Tally {
    pub(super) fn count(&mut self, line: &Line) {
        self.entries += 1;
        *self.kinds.entry(line.kind).or_default() += 1;
        self.first.get_or_insert((line.seq, line.time_ms));
        self.last = Some((line.seq, line.time_ms));
        self.updates += line.updates.len() as u64;
        self.directs += line.directs.len() as u64;
        if line.finished {
            self.finished = Some(line.seq);
        }
        if let Some(why) = &line.skipped {
            *self.skipped.entry(why.clone()).or_default() += 1;
            return;
        }
        for reject in &line.rejects {
            *self.rejects.entry(reject.code.clone()).or_default() += 1;
        }
        if let Some(refused) = &line.refused {
            *self.refused.entry(refused.code.clone()).or_default() += 1;
            return;
        }
        if line.player.is_empty() {
            return;
        }
        let player = self.players.entry(line.player.clone()).or_default();
        player.joins += u64::from(line.kind == "joined");
        player.inputs += u64::from(line.kind == "input");
        player.rejects += line.rejects.len() as u64;
    }

    pub(super) fn sized(&mut self, seq: u64, bytes: usize) {
        if bytes > self.largest.0 {
            self.largest = (bytes, seq);
        }
    }
}

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
        replay: Replay,
        (room, partition): (&RoomId, Partition),
        (life, others): (Life, Vec<u64>),
        until: Option<u64>,
        stored: &Stored,
    ) -> Self {
        let state = replay.state();
        let players = players(&replay, state.as_ref());
        let snapshot = stored.snapshot();
        Self {
            room: room.clone(),
            partition,
            life,
            others,
            until,
            players,
            state,
            deleted: replay.deleted,
            snapshot: snapshot.map(|s| (s.epoch, s.time_ms, s.last)),
            comparison: replay.comparison.unwrap_or(Comparison::NotStored),
            divergences: replay.replicas.divergences,
            stopped: replay.stopped,
            quarantine: stored.quarantine.clone(),
            tally: replay.tally,
        }
    }
}

impl Replay {
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

fn players(replay: &Replay, state: Option<&FinalState>) -> Vec<PlayerReport> {
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
    for id in replay.tally.players.keys() {
        all.entry(id).or_default();
    }
    let report = |(id, presence): (&str, _)| PlayerReport {
        id: id.to_owned(),
        presence,
        tally: replay.tally.players.get(id).cloned().unwrap_or_default(),
    };
    all.into_iter().map(report).collect()
}
