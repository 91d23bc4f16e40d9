//! The edges that watch the rooms of a partition. A new owner learns them from the edges.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use grandstand_common::by_name::ByName;
use grandstand_common::id::{EdgeId, Lane, RoomId};
use grandstand_common::wire::Update;

use super::audience::{Audience, EdgeLanes, HotLimits, HotState, KeptUpdate};
use super::update_ring::version;
use crate::deadlines::Deadlines;

/// The limits of audiences.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// The least time between two presences of a room.
    pub(super) presence_interval: Duration,
    pub(super) hot: HotLimits,
    /// The most rooms that may be watched although they do not exist.
    pub(super) absent_rooms: usize,
}

/// The audiences of a partition's rooms.
#[derive(Debug)]
pub(super) struct Audiences {
    limits: Limits,
    /// The rooms that at least one edge watches.
    rooms: BTreeMap<RoomId, Audience>,
    /// The rooms that each edge watches.
    watched: BTreeMap<EdgeId, BTreeSet<RoomId>>,
    /// The number of watched rooms that do not exist.
    absent: usize,
    /// The spectators by game.
    viewers: ByName<u64>,
    presences: Deadlines<RoomId>,
    /// The times at which hot rooms with few edges become cold.
    cooling: Deadlines<RoomId>,
}

impl Audiences {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            rooms: BTreeMap::new(),
            watched: BTreeMap::new(),
            absent: 0,
            viewers: ByName::default(),
            presences: Deadlines::default(),
            cooling: Deadlines::default(),
        }
    }

    pub(super) fn is_watched(&self, id: &RoomId) -> bool {
        self.rooms.contains_key(id)
    }

    /// Returns the edges that watch any room.
    pub(super) fn watching(&self) -> impl Iterator<Item = &EdgeId> {
        self.watched.keys()
    }

    /// Returns the rooms that an edge watches.
    pub(super) fn rooms_of(&self, edge: &EdgeId) -> impl Iterator<Item = &RoomId> {
        self.watched.get(edge).into_iter().flatten()
    }

    /// Returns the edges that watch a room.
    pub(super) fn edges(&self, id: &RoomId) -> Vec<EdgeId> {
        let audience = self.rooms.get(id).into_iter();
        audience.flat_map(Audience::edges).cloned().collect()
    }

    /// Returns the edges that watch one of these lanes and do not receive the hot room's subject, with their lanes.
    pub(super) fn direct_edges(&self, id: &RoomId, lanes: [bool; 2]) -> EdgeLanes {
        let audience = self.rooms.get(id);
        audience
            .map(|audience| audience.direct_edges(lanes))
            .unwrap_or_default()
    }

    /// Returns the number of a room's spectators, or `None` if no edge watches the room.
    pub(super) fn viewers(&self, id: &RoomId) -> Option<u64> {
        self.rooms.get(id).map(Audience::viewers)
    }

    /// Returns the numbers of spectators by game.
    pub(super) fn viewers_by_game(&self) -> impl Iterator<Item = (&str, u64)> {
        self.viewers.iter().map(|(game, viewers)| (game, *viewers))
    }

    /// Whether a room that does not exist cannot be watched because too many such rooms are.
    pub(super) fn is_full(&self, id: &RoomId) -> bool {
        self.absent >= self.limits.absent_rooms && !self.rooms.contains_key(id)
    }

    /// Adds a lane of a room to those that an edge watches. Returns whether it is new. `exists`: whether the room
    /// exists.
    pub(super) fn watch(&mut self, id: &RoomId, edge: &EdgeId, lane: Lane, exists: bool) -> bool {
        let audience = self.rooms.entry(id.clone()).or_insert_with(|| {
            self.absent += usize::from(!exists);
            Audience::default()
        });
        let is_new = audience.watch(edge, lane);
        let rooms = self.watched.entry(edge.clone()).or_default();
        rooms.insert(id.clone());
        is_new
    }

    /// Removes an edge from a room's audience. `exists`: whether the room exists.
    pub(super) fn unwatch(&mut self, id: &RoomId, edge: &EdgeId, exists: bool, now: Instant) {
        self.forget_watched(id, edge);
        let Some(audience) = self.rooms.get_mut(id) else {
            return;
        };
        let left = audience.unwatch(edge);
        self.count_viewers(id, left.into(), 0);
        let audience = self.rooms.get(id);
        if audience.is_none_or(Audience::is_empty) {
            self.remove(id, exists);
        } else {
            self.schedule_presence(id, now);
        }
    }

    /// Removes a lane from those that an edge watches, and the edge with its last lane.
    pub(super) fn unwatch_lane(
        &mut self,
        id: &RoomId,
        edge: &EdgeId,
        lane: Lane,
        exists: bool,
        now: Instant,
    ) {
        let audience = self.rooms.get_mut(id);
        if audience.is_some_and(|audience| audience.unwatch_lane(edge, lane)) {
            self.unwatch(id, edge, exists, now);
        }
    }

    /// Removes the spectators' lane and the spectators of an edge, which stays for its players.
    pub(super) fn unwatch_spectators(&mut self, id: &RoomId, edge: &EdgeId) {
        if let Some(audience) = self.rooms.get_mut(id) {
            let left = audience.unwatch_spectators(edge);
            self.count_viewers(id, left.into(), 0);
        }
    }

    /// Sets the number of a room's spectators on an edge.
    pub(super) fn set_viewers(&mut self, id: &RoomId, edge: &EdgeId, viewers: u32, now: Instant) {
        let audience = self.rooms.get_mut(id);
        if let Some(before) = audience.and_then(|audience| audience.set_viewers(edge, viewers))
            && before != viewers
        {
            self.count_viewers(id, before.into(), viewers.into());
            self.schedule_presence(id, now);
        }
    }

    /// Removes a room's audience. Returns its edges, or `None` if there were none.
    pub(super) fn close(&mut self, id: &RoomId, exists: bool) -> Option<Vec<EdgeId>> {
        let edges = self.remove(id, exists)?.into_edges();
        for edge in &edges {
            self.forget_watched(id, edge);
        }
        Some(edges)
    }

    /// Notes that a room was created. Returns the edges that watched it before, with their lanes.
    pub(super) fn on_created(&mut self, id: &RoomId) -> EdgeLanes {
        let Some(audience) = self.rooms.get_mut(id) else {
            return Vec::new();
        };
        audience.drop_updates();
        self.absent = self.absent.saturating_sub(1);
        audience.edge_lanes()
    }

    /// Keeps an update of a room for edges that join late, in rings of up to `cap` bytes. Returns `None` if no edge
    /// watches the room.
    pub(super) fn keep_update(
        &mut self,
        id: &RoomId,
        update: &Update,
        cap: usize,
    ) -> Option<KeptUpdate> {
        let audience = self.rooms.get_mut(id)?;
        let rings = audience.keep_update(update, cap);
        let lanes = Lane::ALL.map(|lane| version(update, lane) != 0);
        Some(KeptUpdate {
            rings,
            direct: audience.direct_edges(lanes),
        })
    }

    /// Drops a lane's updates, because they do not lead to its view. Returns whether an edge watches the lane.
    pub(super) fn drop_updates(&mut self, id: &RoomId, lane: Lane) -> bool {
        let audience = self.rooms.get_mut(id);
        audience.is_some_and(|audience| audience.drop_lane(lane))
    }

    /// Notes that a lane's snapshot is sent to all edges. Returns the edges to send it to directly.
    pub(super) fn on_snapshot(&mut self, id: &RoomId, lane: Lane) -> EdgeLanes {
        let Some(audience) = self.rooms.get_mut(id) else {
            return Vec::new();
        };
        audience.on_snapshot(lane);
        audience.direct_edges(Lane::ALL.map(|other| other == lane))
    }

    /// Returns a lane's updates after version `known` up to version `current`, or `None` if some were dropped.
    pub(super) fn since(
        &self,
        id: &RoomId,
        lane: Lane,
        known: u64,
        current: u64,
    ) -> Option<Vec<Update>> {
        self.rooms.get(id)?.since(lane, known, current)
    }

    /// Notes that a room's presence has changed, and schedules it.
    pub(super) fn schedule_presence(&mut self, id: &RoomId, now: Instant) {
        if let Some(audience) = self.rooms.get_mut(id) {
            let at = audience.mark_presence(self.limits.presence_interval, now);
            self.presences.set(id, Some(at));
        }
    }

    /// Returns the number of a room's spectators and the edges to send the presence to directly, if it has changed and
    /// the last one is old enough; takes it as sent then.
    pub(super) fn take_presence(&mut self, id: &RoomId, now: Instant) -> Option<(u64, EdgeLanes)> {
        let audience = self.rooms.get_mut(id)?;
        if !audience.take_presence(self.limits.presence_interval, now) {
            return None;
        }
        self.presences.set(id, None);
        Some((audience.viewers(), audience.direct_edges([true; 2])))
    }

    /// Returns the rooms whose presences are due.
    pub(super) fn due_presences(&mut self, now: Instant) -> Vec<RoomId> {
        self.presences.take_due(now)
    }

    /// Makes a room hot or cold by its number of edges. To be called after its edges may have changed.
    pub(super) fn check_hot(&mut self, id: &RoomId, exists: bool, now: Instant) -> HotState {
        let Some(audience) = self.rooms.get_mut(id) else {
            return HotState::Cold;
        };
        let (state, again_at) = audience.check_hot(self.limits.hot, exists, now);
        if state != HotState::Cold {
            self.cooling.set(id, again_at);
        }
        state
    }

    /// Returns the hot rooms that may have become cold; each is for [`check_hot`](Self::check_hot).
    pub(super) fn due_cooling(&mut self, now: Instant) -> Vec<RoomId> {
        self.cooling.take_due(now)
    }

    pub(super) fn is_hot(&self, id: &RoomId) -> bool {
        self.rooms.get(id).is_some_and(Audience::is_hot)
    }

    pub(super) fn hot_rooms(&self) -> impl Iterator<Item = &RoomId> {
        let hot = self.rooms.iter().filter(|(_, audience)| audience.is_hot());
        hot.map(|(id, _)| id)
    }

    /// Returns whether an edge receives a hot room's subject, or `None` if it does not watch the room.
    pub(super) fn is_confirmed(&self, id: &RoomId, edge: &EdgeId) -> Option<bool> {
        self.rooms.get(id)?.is_confirmed(edge)
    }

    /// Sets whether an edge receives a hot room's subject. Returns whether it did before.
    pub(super) fn confirm(&mut self, id: &RoomId, edge: &EdgeId, confirmed: bool) -> bool {
        let audience = self.rooms.get_mut(id);
        audience.is_some_and(|audience| audience.confirm(edge, confirmed))
    }

    /// Returns the next deadline of a presence or of a hot room that becomes cold.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let presence = self.presences.next();
        presence.into_iter().chain(self.cooling.next()).min()
    }

    fn remove(&mut self, id: &RoomId, exists: bool) -> Option<Audience> {
        let audience = self.rooms.remove(id)?;
        self.count_viewers(id, audience.viewers(), 0);
        self.absent = self.absent.saturating_sub(usize::from(!exists));
        self.presences.set(id, None);
        self.cooling.set(id, None);
        Some(audience)
    }

    /// Replaces a number of spectators of a room by another one.
    fn count_viewers(&mut self, id: &RoomId, before: u64, now: u64) {
        if before != now {
            let viewers = self.viewers.get_or_insert(id.game(), || 0);
            *viewers = *viewers + now - before;
        }
    }

    fn forget_watched(&mut self, id: &RoomId, edge: &EdgeId) {
        if let Some(rooms) = self.watched.get_mut(edge) {
            rooms.remove(id);
            if rooms.is_empty() {
                self.watched.remove(edge);
            }
        }
    }
}

#[cfg(test)]
mod tests;
