//! Counts of a replay.

use std::collections::BTreeMap;

use super::line::Line;

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
