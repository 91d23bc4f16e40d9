//! The edges that watch one room, its last updates, its presence, and whether it is hot.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use grandstand_common::data::Data;
use grandstand_common::id::{EdgeId, Lane};
use grandstand_common::wire::Update;

use super::update_ring::{UpdateRing, only, version};

/// Edges, each with the lanes that it watches, by [`Lane::index`].
pub(super) type EdgeLanes = Vec<(EdgeId, [bool; 2])>;

/// The numbers of edges at which a room becomes hot and cold.
#[derive(Debug, Clone, Copy)]
pub(super) struct HotLimits {
    /// A room with more edges than this becomes hot.
    pub(super) hot_edges: usize,
    /// A hot room becomes cold once it has had fewer edges than this for `cold_after`.
    pub(super) cold_edges: usize,
    pub(super) cold_after: Duration,
}

/// Whether a room is hot, and whether that has just changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HotState {
    /// The room is not hot.
    Cold,
    /// The room is hot and was hot before.
    Hot,
    /// The room has just become hot.
    BecameHot,
    /// The room was hot and has just become cold.
    BecameCold,
}

/// The fate of an update in the ring of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RingState {
    /// The update is not for the lane.
    Unchanged,
    /// No edge watches the lane, and the ring is empty.
    Unwatched,
    /// The update is in the ring.
    Kept,
    /// The update is in the ring, and the updates since the last snapshot exceed the ring.
    Outgrown,
}

/// An update that was kept for edges that join late.
#[derive(Debug)]
pub(super) struct KeptUpdate {
    /// The fate of the update in each lane, by [`Lane::index`].
    pub(super) rings: [RingState; 2],
    /// The edges to send it to directly.
    pub(super) direct: EdgeLanes,
}

/// The edges that watch a room, and what its lanes were last sent.
#[derive(Debug, Default)]
pub(super) struct Audience {
    edges: BTreeMap<EdgeId, Watch>,
    rings: [UpdateRing; 2],
    /// Whether the presence has changed since it was last sent.
    presence_changed: bool,
    presence_sent: Option<Instant>,
    is_hot: bool,
    /// The time since when a hot room has had fewer than [`HotLimits::cold_edges`].
    few_since: Option<Instant>,
}

/// The part of a room that an edge watches.
#[derive(Debug, Default)]
struct Watch {
    /// Indexed by [`Lane::index`].
    lanes: [bool; 2],
    viewers: u32,
    /// Whether the edge has confirmed that it receives the hot room's own subject.
    confirmed: bool,
}

impl Audience {
    pub(super) fn is_empty(&self) -> bool {
        self.edges.is_empty()
    }

    pub(super) fn edges(&self) -> impl Iterator<Item = &EdgeId> {
        self.edges.keys()
    }

    pub(super) fn into_edges(self) -> Vec<EdgeId> {
        self.edges.into_keys().collect()
    }

    /// Returns all edges with their lanes.
    pub(super) fn edge_lanes(&self) -> EdgeLanes {
        let edges = self.edges.iter();
        edges.map(|(edge, w)| (edge.clone(), w.lanes)).collect()
    }

    /// Returns the edges that watch one of these lanes and do not receive the hot room's subject, with their lanes.
    pub(super) fn direct_edges(&self, lanes: [bool; 2]) -> EdgeLanes {
        let direct = self.edges.iter().filter(|(_, w)| !w.confirmed);
        let direct = direct.filter(|(_, w)| (0..2).any(|at| w.lanes[at] && lanes[at]));
        direct.map(|(edge, w)| (edge.clone(), w.lanes)).collect()
    }

    /// Returns the number of spectators on all edges.
    pub(super) fn viewers(&self) -> u64 {
        self.edges.values().map(|w| u64::from(w.viewers)).sum()
    }

    /// Adds a lane to those that an edge watches. Returns whether it is new.
    pub(super) fn watch(&mut self, edge: &EdgeId, lane: Lane) -> bool {
        let watch = self.edges.entry(edge.clone()).or_default();
        !std::mem::replace(&mut watch.lanes[lane.index()], true)
    }

    /// Removes an edge. Returns the number of its spectators.
    pub(super) fn unwatch(&mut self, edge: &EdgeId) -> u32 {
        self.edges.remove(edge).map_or(0, |watch| watch.viewers)
    }

    /// Removes a lane from those that an edge watches. Returns whether the edge watches no other lane; it stays until
    /// [`unwatch`](Self::unwatch).
    pub(super) fn unwatch_lane(&mut self, edge: &EdgeId, lane: Lane) -> bool {
        let Some(watch) = self.edges.get_mut(edge) else {
            return false;
        };
        watch.lanes[lane.index()] = false;
        watch.lanes == [false, false]
    }

    /// Removes the spectators' lane and the spectators of an edge, which stays for its players. Returns the number of the
    /// spectators.
    pub(super) fn unwatch_spectators(&mut self, edge: &EdgeId) -> u32 {
        let Some(watch) = self.edges.get_mut(edge) else {
            return 0;
        };
        watch.lanes[Lane::Spectators.index()] = false;
        std::mem::take(&mut watch.viewers)
    }

    /// Sets the number of spectators on an edge. Returns the number before; `None` if the edge does not watch the room.
    pub(super) fn set_viewers(&mut self, edge: &EdgeId, viewers: u32) -> Option<u32> {
        let watch = self.edges.get_mut(edge)?;
        Some(std::mem::replace(&mut watch.viewers, viewers))
    }

    /// Keeps an update for edges that join late, in rings of up to `cap` bytes. Returns what became of it in each lane.
    pub(super) fn keep_update(&mut self, update: &Update, cap: usize) -> [RingState; 2] {
        let mut states = [RingState::Unchanged; 2];
        if self.edges.is_empty() {
            self.drop_updates();
            return Lane::ALL.map(|lane| match version(update, lane) {
                0 => RingState::Unchanged,
                _ => RingState::Unwatched,
            });
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
            states[lane.index()] = if !watched {
                ring.clear();
                RingState::Unwatched
            } else if ring.push(only(&update, lane), cap) {
                RingState::Outgrown
            } else {
                RingState::Kept
            };
        }
        states
    }

    /// Drops a lane's updates. Returns whether an edge watches the lane.
    pub(super) fn drop_lane(&mut self, lane: Lane) -> bool {
        self.rings[lane.index()].clear();
        self.is_lane_watched(lane)
    }

    pub(super) fn drop_updates(&mut self) {
        self.rings = Default::default();
    }

    /// Notes that a lane's snapshot is sent to all edges.
    pub(super) fn on_snapshot(&mut self, lane: Lane) {
        self.rings[lane.index()].on_snapshot();
    }

    /// Returns a lane's updates after version `known` up to version `current`, or `None` if some were dropped.
    pub(super) fn since(&self, lane: Lane, known: u64, current: u64) -> Option<Vec<Update>> {
        self.rings[lane.index()].since(lane, known, current)
    }

    /// Notes that the presence has changed. Returns when to send it: `interval` after the last one.
    pub(super) fn mark_presence(&mut self, interval: Duration, now: Instant) -> Instant {
        self.presence_changed = true;
        self.presence_sent.map_or(now, |at| at + interval)
    }

    /// Returns whether the presence is to be sent now, and takes it as sent if so.
    pub(super) fn take_presence(&mut self, interval: Duration, now: Instant) -> bool {
        let is_early = self.presence_sent.is_some_and(|at| now < at + interval);
        if !self.presence_changed || is_early {
            return false;
        }
        self.presence_changed = false;
        self.presence_sent = Some(now);
        true
    }

    pub(super) fn is_hot(&self) -> bool {
        self.is_hot
    }

    /// Makes the room hot or cold by its number of edges. A room that does not exist does not become hot. Also returns
    /// when to call this again if the number stays as it is.
    pub(super) fn check_hot(
        &mut self,
        limits: HotLimits,
        exists: bool,
        now: Instant,
    ) -> (HotState, Option<Instant>) {
        let edges = self.edges.len();
        if !self.is_hot {
            self.is_hot = exists && edges > limits.hot_edges;
            let state = if self.is_hot {
                HotState::BecameHot
            } else {
                HotState::Cold
            };
            return (state, None);
        }
        if edges >= limits.cold_edges {
            self.few_since = None;
            return (HotState::Hot, None);
        }
        let cold_at = *self.few_since.get_or_insert(now) + limits.cold_after;
        if now < cold_at {
            return (HotState::Hot, Some(cold_at));
        }
        (self.is_hot, self.few_since) = (false, None);
        for watch in self.edges.values_mut() {
            watch.confirmed = false;
        }
        (HotState::BecameCold, None)
    }

    /// Returns whether an edge receives the hot room's subject, or `None` if it does not watch the room.
    pub(super) fn is_confirmed(&self, edge: &EdgeId) -> Option<bool> {
        Some(self.edges.get(edge)?.confirmed)
    }

    /// Sets whether an edge receives the hot room's subject. Returns whether it did before.
    pub(super) fn confirm(&mut self, edge: &EdgeId, confirmed: bool) -> bool {
        let watch = self.edges.get_mut(edge);
        watch.is_some_and(|watch| std::mem::replace(&mut watch.confirmed, confirmed))
    }

    fn is_lane_watched(&self, lane: Lane) -> bool {
        self.edges.values().any(|w| w.lanes[lane.index()])
    }
}
