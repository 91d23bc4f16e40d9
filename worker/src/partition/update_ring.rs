//! Recent updates of a lane, for edges that join late.

use std::collections::VecDeque;

use grandstand_common::id::Lane;
use grandstand_common::wire::Update;

/// The size that an update counts in a ring besides its data and key, in bytes.
const UPDATE_OVERHEAD: usize = 32;

/// Recent updates of a lane, up to a number of bytes.
#[derive(Debug, Default)]
pub(super) struct UpdateRing {
    updates: VecDeque<Update>,
    bytes: usize,
    /// The bytes of updates since the lane's last snapshot to all edges.
    since_snapshot: usize,
}

impl UpdateRing {
    /// Adds an update, and drops the oldest ones above `cap` bytes. Returns whether the updates since the last snapshot
    /// to all edges exceed `cap`.
    pub(super) fn push(&mut self, update: Update, cap: usize) -> bool {
        let bytes = size(&update);
        self.since_snapshot += bytes;
        self.bytes += bytes;
        self.updates.push_back(update);
        while self.bytes > cap {
            let Some(update) = self.updates.pop_front() else {
                break;
            };
            self.bytes -= size(&update);
        }
        self.since_snapshot > cap
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Notes that the lane's snapshot was sent to all edges.
    pub(super) fn on_snapshot(&mut self) {
        self.since_snapshot = 0;
    }

    /// Returns the updates after version `known` up to version `current`, or `None` if some were dropped.
    pub(super) fn since(&self, lane: Lane, known: u64, current: u64) -> Option<Vec<Update>> {
        if known > current {
            return None;
        }
        let missing = self.updates.iter().filter(|u| version(u, lane) > known);
        let missing: Vec<_> = missing.cloned().collect();
        (missing.len() as u64 == current - known).then_some(missing)
    }
}

fn size(update: &Update) -> usize {
    update.data.as_ref().map_or(0, |data| data.len()) + update.key.len() + UPDATE_OVERHEAD
}

/// Returns the version that an update gives a lane, or 0 if the update is not for the lane.
pub(super) fn version(update: &Update, lane: Lane) -> u64 {
    match lane {
        Lane::Players => update.players,
        Lane::Spectators => update.spectators,
    }
}

/// Returns an update for one of its lanes.
pub(super) fn only(update: &Update, lane: Lane) -> Update {
    for_lanes(update, [lane == Lane::Players, lane == Lane::Spectators])
}

/// Returns an update for those of its lanes that an edge watches.
pub(super) fn for_lanes(update: &Update, lanes: [bool; 2]) -> Update {
    Update {
        players: if lanes[0] { update.players } else { 0 },
        spectators: if lanes[1] { update.spectators } else { 0 },
        ..update.clone()
    }
}
