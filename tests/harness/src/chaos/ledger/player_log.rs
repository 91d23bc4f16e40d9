//! The inputs of a player in a room, as the ledger knows them.

use std::collections::BTreeMap;

/// The inputs of a player.
#[derive(Debug, Default)]
pub(super) struct PlayerLog {
    /// The contents of the inputs by sequence number, beginning with 1.
    pub(super) sent: Vec<u64>,
    /// All inputs up to this one are processed.
    pub(super) acked: u64,
    /// All inputs up to this one are processed, and their rejects have come.
    pub(super) settled: u64,
    pub(super) rejected: BTreeMap<u64, String>,
}

impl PlayerLog {
    /// The number of inputs that count as accepted, but whose rejects may not have come.
    pub(super) fn unsettled(&self) -> usize {
        let unsettled = self.settled + 1..=self.acked;
        unsettled
            .filter(|seq| !self.rejected.contains_key(seq))
            .count()
    }

    /// The inputs that the game accepted: acked and not rejected.
    pub(super) fn accepted(&self) -> Vec<u64> {
        let numbered = (1..).zip(&self.sent);
        numbered
            .take_while(|(seq, _)| *seq <= self.acked)
            .filter(|(seq, _)| !self.rejected.contains_key(seq))
            .map(|(_, what)| *what)
            .collect()
    }
}
