//! Who watches a room, and what its lanes were last sent. Soft: a new owner learns it from the edges.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use grandstand_common::data::Data;
use grandstand_common::id::{EdgeId, Lane};
use grandstand_common::wire::Update;

use super::heat::Heat;

/// What an update costs in a ring beside its data.
const UPDATE_OVERHEAD: usize = 32;

/// The edges that watch a room.
#[derive(Debug, Default)]
pub(crate) struct Audience {
    pub(crate) edges: BTreeMap<EdgeId, Watch>,
    pub(crate) rings: [Ring; 2],
    /// The presence has changed since it was sent.
    pub(crate) presence: bool,
    pub(crate) presence_sent: Option<Instant>,
    /// None if the room is not hot.
    pub(crate) heat: Option<Heat>,
}

/// What an edge watches of a room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Watch {
    /// By [`Lane::index`].
    pub(crate) lanes: [bool; 2],
    pub(crate) viewers: u32,
    /// It is reached on the hot room's own subject.
    pub(crate) confirmed: bool,
}

impl Audience {
    pub(crate) fn viewers(&self) -> u64 {
        self.edges.values().map(|w| u64::from(w.viewers)).sum()
    }

    /// The edges that are sent directly what concerns all that watch one of these lanes.
    pub(crate) fn direct(&self, lanes: [bool; 2]) -> Vec<(EdgeId, [bool; 2])> {
        let direct = self.edges.iter().filter(|(_, w)| !w.confirmed);
        let direct = direct.filter(|(_, w)| (0..2).any(|at| w.lanes[at] && lanes[at]));
        direct.map(|(edge, w)| (edge.clone(), w.lanes)).collect()
    }

    pub(crate) fn is_lane_watched(&self, lane: Lane) -> bool {
        self.edges.values().any(|w| w.lanes[lane.index()])
    }

    /// Keeps an update in the rings of the lanes that it is for, and says which of them have outgrown theirs since
    /// their last snapshot.
    pub(crate) fn keep(&mut self, update: &Update, cap: usize) -> [bool; 2] {
        let mut outgrown = [false; 2];
        if self.edges.is_empty() {
            self.rings = Default::default();
            return outgrown;
        }
        let update = Update {
            data: update.data.as_ref().map(Data::detach),
            ..update.clone()
        };
        for lane in Lane::ALL {
            if version(&update, lane) == 0 {
                continue;
            }
            let watched = self.is_lane_watched(lane);
            let ring = &mut self.rings[lane.index()];
            if watched {
                outgrown[lane.index()] = ring.push(only(&update, lane), cap);
            } else {
                ring.clear();
            }
        }
        outgrown
    }
}

/// The last updates of a lane.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    updates: VecDeque<Update>,
    bytes: usize,
    /// Bytes of updates since the lane's last snapshot to all.
    since_snapshot: usize,
}

impl Ring {
    fn push(&mut self, update: Update, cap: usize) -> bool {
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

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn handle_snapshot(&mut self) {
        self.since_snapshot = 0;
    }

    /// The updates behind `known` up to `current`, if all are here.
    pub(crate) fn since(&self, lane: Lane, known: u64, current: u64) -> Option<Vec<Update>> {
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
pub(crate) fn version(update: &Update, lane: Lane) -> u64 {
    match lane {
        Lane::Players => update.players,
        Lane::Spectators => update.spectators,
    }
}

/// An update for one of its lanes alone.
fn only(update: &Update, lane: Lane) -> Update {
    for_lanes(update, [lane == Lane::Players, lane == Lane::Spectators])
}

/// An update for those of its lanes that an edge watches.
pub(crate) fn for_lanes(update: &Update, lanes: [bool; 2]) -> Update {
    Update {
        players: if lanes[0] { update.players } else { 0 },
        spectators: if lanes[1] { update.spectators } else { 0 },
        ..update.clone()
    }
}
