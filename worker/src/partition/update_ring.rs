//! The last updates of a lane.

use std::collections::VecDeque;

use grandstand_common::id::Lane;
use grandstand_common::wire::Update;

/// What an update costs in a ring beside its data, bytes.
const UPDATE_OVERHEAD: usize = 32;

/// The last updates of a lane.
#[derive(Debug, Default)]
pub(super) struct UpdateRing {
    updates: VecDeque<Update>,
    bytes: usize,
    /// Bytes of updates since the lane's last snapshot to all.
    since_snapshot: usize,
}

impl UpdateRing {
    /// Adds an update, dropping the oldest beyond `cap` bytes. Returns whether the updates since the last snapshot
    /// outgrew the ring.
    pub(super) fn push(&mut self, update: Update, cap: usize) -> bool {
        let bytes = cost(&update);
        self.since_snapshot += bytes;
        self.bytes += bytes;
        self.updates.push_back(update);
        while self.bytes > cap {
            let Some(update) = self.updates.pop_front() else {
                break;
            };
            self.bytes -= cost(&update);
        }
        self.since_snapshot > cap
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The lane's snapshot was sent to all.
    pub(super) fn on_snapshot(&mut self) {
        self.since_snapshot = 0;
    }

    /// The updates behind `known` up to `current`, if all are here.
    pub(super) fn since(&self, lane: Lane, known: u64, current: u64) -> Option<Vec<Update>> {
        if known > current {
            return None;
        }
        let behind = self.updates.iter().filter(|u| version(u, lane) > known);
        let behind: Vec<_> = behind.cloned().collect();
        (behind.len() as u64 == current - known).then_some(behind)
    }
}

fn cost(update: &Update) -> usize {
    update.data.as_ref().map_or(0, |data| data.len()) + update.key.len() + UPDATE_OVERHEAD
}

/// The version that an update gives a lane; 0 if it is not for it.
pub(super) fn version(update: &Update, lane: Lane) -> u64 {
    match lane {
        Lane::Players => update.players,
        Lane::Spectators => update.spectators,
    }
}

/// An update for one of its lanes alone.
pub(super) fn only(update: &Update, lane: Lane) -> Update {
    for_lanes(update, [lane == Lane::Players, lane == Lane::Spectators])
}

/// An update for those of its lanes that an edge watches.
pub(super) fn for_lanes(update: &Update, lanes: [bool; 2]) -> Update {
    Update {
        players: if lanes[0] { update.players } else { 0 },
        spectators: if lanes[1] { update.spectators } else { 0 },
        ..update.clone()
    }
}
