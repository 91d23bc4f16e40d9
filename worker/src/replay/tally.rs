//! Counts of a replay.

use std::collections::BTreeMap;

use super::line::Line;

/// The counts of a replay.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Entries.
    pub entries: u64,
    /// Entries by kind.
    pub kinds: BTreeMap<&'static str, u64>,
    /// Entries that changed nothing, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Updates sent.
    pub updates: u64,
    /// Messages to one player.
    pub directs: u64,
    /// Rejected inputs by code.
    pub rejects: BTreeMap<String, u64>,
    /// Refused joins by code.
    pub refused: BTreeMap<String, u64>,
    /// The counts by player.
    pub players: BTreeMap<String, PlayerTally>,
    /// The first entry: sequence and Unix milliseconds.
    pub first: Option<(u64, u64)>,
    /// The last entry: sequence and Unix milliseconds.
    pub last: Option<(u64, u64)>,
    /// The entry that ended the room.
    pub finished: Option<u64>,
    /// The largest size of the state in bytes, and the entry after which it had that size.
    pub largest: (usize, u64),
}

/// The counts of a player.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlayerTally {
    /// Sessions that began.
    pub joins: u64,
    /// Inputs that the game handled.
    pub inputs: u64,
    /// Rejected inputs.
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
