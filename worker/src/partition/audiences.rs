//! The edges that watch each room, and what its lanes were last sent. A new owner learns it from the edges.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use grandstand_common::data::Data;
use grandstand_common::id::{EdgeId, Lane, RoomId};
use grandstand_common::wire::Update;

use super::update_ring::{UpdateRing, only, version};
use crate::deadlines::Deadlines;

/// From how many edges on a room is hot, and for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// The least time between two presences of a room.
    pub(super) presence_interval: Duration,
    /// A room with more edges than this is hot.
    pub(super) hot_edges: usize,
    /// With fewer edges than this a room is not hot any more,
    pub(super) cold_edges: usize,
    /// when it has been so for this long.
    pub(super) cold_after: Duration,
    /// Rooms that may be watched although they do not exist.
    pub(super) absent_rooms: usize,
}

/// The audiences of a partition's rooms.
#[derive(Debug)]
pub(super) struct Audiences {
    limits: Limits,
    rooms: BTreeMap<RoomId, Audience>,
    /// The rooms that an edge watches.
    watched: BTreeMap<EdgeId, BTreeSet<RoomId>>,
    /// Rooms that are watched and do not exist.
    absent: usize,
    presences: Deadlines<RoomId>,
    /// When hot rooms with few edges are not hot any more.
    cooling: Deadlines<RoomId>,
}

/// The edges that watch a room.
#[derive(Debug, Default)]
struct Audience {
    edges: BTreeMap<EdgeId, Watch>,
    rings: [UpdateRing; 2],
    /// The presence has changed since it was sent.
    presence: bool,
    presence_sent: Option<Instant>,
    is_hot: bool,
    /// Since when a hot room has had few edges.
    few_since: Option<Instant>,
}

/// What an edge watches of a room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Watch {
    /// By [`Lane::index`].
    lanes: [bool; 2],
    viewers: u32,
    /// It is reached on the hot room's own subject.
    confirmed: bool,
}

/// What has become of a room's heat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heat {
    /// It is not hot.
    Cold,
    /// It is hot, as before.
    Hot,
    /// It has become hot.
    Heated,
    /// It is not hot any more.
    Cooled,
}

impl Audience {
    fn viewers(&self) -> u64 {
        self.edges.values().map(|w| u64::from(w.viewers)).sum()
    }

    fn direct_edges(&self, lanes: [bool; 2]) -> Vec<(EdgeId, [bool; 2])> {
        let direct = self.edges.iter().filter(|(_, w)| !w.confirmed);
        let direct = direct.filter(|(_, w)| (0..2).any(|at| w.lanes[at] && lanes[at]));
        direct.map(|(edge, w)| (edge.clone(), w.lanes)).collect()
    }

    fn is_lane_watched(&self, lane: Lane) -> bool {
        self.edges.values().any(|w| w.lanes[lane.index()])
    }

    fn keep_update(&mut self, update: &Update, cap: usize) -> [bool; 2] {
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

impl Audiences {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            rooms: BTreeMap::new(),
            watched: BTreeMap::new(),
            absent: 0,
            presences: Deadlines::default(),
            cooling: Deadlines::default(),
        }
    }

    /// Whether a room is watched.
    pub(super) fn is_watched(&self, id: &RoomId) -> bool {
        self.rooms.contains_key(id)
    }

    /// The edges that watch anything.
    pub(super) fn watching(&self) -> impl Iterator<Item = &EdgeId> {
        self.watched.keys()
    }

    /// The rooms that an edge watches.
    pub(super) fn rooms_of(&self, edge: &EdgeId) -> impl Iterator<Item = &RoomId> {
        self.watched.get(edge).into_iter().flatten()
    }

    /// The edges that watch a room.
    pub(super) fn edges(&self, id: &RoomId) -> Vec<EdgeId> {
        let edges = self.rooms.get(id).map(|audience| audience.edges.keys());
        edges.into_iter().flatten().cloned().collect()
    }

    /// The edges that are sent directly what concerns all edges that watch one of these lanes, with their lanes.
    pub(super) fn direct_edges(&self, id: &RoomId, lanes: [bool; 2]) -> Vec<(EdgeId, [bool; 2])> {
        let audience = self.rooms.get(id);
        audience
            .map(|audience| audience.direct_edges(lanes))
            .unwrap_or_default()
    }

    /// The spectators of a room.
    pub(super) fn viewers(&self, id: &RoomId) -> Option<u64> {
        self.rooms.get(id).map(Audience::viewers)
    }

    /// Whether a room that does not exist may not be watched, because too many are.
    pub(super) fn is_full(&self, id: &RoomId) -> bool {
        self.absent >= self.limits.absent_rooms && !self.rooms.contains_key(id)
    }

    /// An edge watches a lane from now on. Returns whether it did not before. `exists`: the room does.
    pub(super) fn watch(&mut self, id: &RoomId, edge: &EdgeId, lane: Lane, exists: bool) -> bool {
        let audience = self.rooms.entry(id.clone()).or_insert_with(|| {
            self.absent += usize::from(!exists);
            Audience::default()
        });
        let watch = audience.edges.entry(edge.clone()).or_default();
        let is_new = !std::mem::replace(&mut watch.lanes[lane.index()], true);
        let rooms = self.watched.entry(edge.clone()).or_default();
        rooms.insert(id.clone());
        is_new
    }

    /// An edge watches nothing of a room any more.
    pub(super) fn unwatch(&mut self, id: &RoomId, edge: &EdgeId, exists: bool, now: Instant) {
        self.forget_watched(id, edge);
        let Some(audience) = self.rooms.get_mut(id) else {
            return;
        };
        audience.edges.remove(edge);
        if audience.edges.is_empty() {
            self.remove(id, exists);
        } else {
            self.schedule_presence(id, now);
        }
    }

    /// An edge watches a lane no more.
    pub(super) fn unwatch_lane(
        &mut self,
        to: (&RoomId, &EdgeId),
        lane: Lane,
        exists: bool,
        now: Instant,
    ) {
        let (id, edge) = to;
        let Some(watch) = self.watch_mut(id, edge) else {
            return;
        };
        watch.lanes[lane.index()] = false;
        if watch.lanes == [false, false] {
            self.unwatch(id, edge, exists, now);
        }
    }

    /// An edge has players of a room, but watches it no more.
    pub(super) fn unwatch_spectators(&mut self, id: &RoomId, edge: &EdgeId) {
        if let Some(watch) = self.watch_mut(id, edge) {
            watch.lanes[Lane::Spectators.index()] = false;
            watch.viewers = 0;
        }
    }

    /// An edge has so many spectators of a room.
    pub(super) fn set_viewers(&mut self, id: &RoomId, edge: &EdgeId, viewers: u32, now: Instant) {
        let watch = self.watch_mut(id, edge);
        if watch.is_some_and(|watch| std::mem::replace(&mut watch.viewers, viewers) != viewers) {
            self.schedule_presence(id, now);
        }
    }

    /// Nobody watches a room any more. Returns the edges that did.
    pub(super) fn close(&mut self, id: &RoomId, exists: bool) -> Option<Vec<EdgeId>> {
        let audience = self.remove(id, exists)?;
        let edges: Vec<_> = audience.edges.into_keys().collect();
        for edge in &edges {
            self.forget_watched(id, edge);
        }
        Some(edges)
    }

    /// A watched room exists from now on. Returns the edges that waited for it, and their lanes.
    pub(super) fn on_created(&mut self, id: &RoomId) -> Vec<(EdgeId, [bool; 2])> {
        let Some(audience) = self.rooms.get_mut(id) else {
            return Vec::new();
        };
        audience.rings = Default::default();
        self.absent = self.absent.saturating_sub(1);
        let edges = audience.edges.iter();
        edges
            .map(|(edge, watch)| (edge.clone(), watch.lanes))
            .collect()
    }

    /// Keeps an update of a room for those who join late. Returns the lanes whose updates outgrew their rings, and the
    /// edges that are sent it directly; `None` if nobody watches.
    #[expect(clippy::type_complexity)]
    pub(super) fn keep_update(
        &mut self,
        id: &RoomId,
        update: &Update,
        cap: usize,
    ) -> Option<([bool; 2], Vec<(EdgeId, [bool; 2])>)> {
        let audience = self.rooms.get_mut(id)?;
        let outgrown = audience.keep_update(update, cap);
        let concerns = Lane::ALL.map(|lane| version(update, lane) != 0);
        Some((outgrown, audience.direct_edges(concerns)))
    }

    /// A lane's snapshot is sent to all. Returns the edges that are sent it directly.
    pub(super) fn on_snapshot(&mut self, id: &RoomId, lane: Lane) -> Vec<(EdgeId, [bool; 2])> {
        let Some(audience) = self.rooms.get_mut(id) else {
            return Vec::new();
        };
        audience.rings[lane.index()].on_snapshot();
        audience.direct_edges(Lane::ALL.map(|other| other == lane))
    }

    /// A lane's updates behind `known` up to `current`, if all were kept.
    pub(super) fn since(
        &self,
        id: &RoomId,
        lane: Lane,
        (known, current): (u64, u64),
    ) -> Option<Vec<Update>> {
        self.rooms.get(id)?.rings[lane.index()].since(lane, known, current)
    }

    /// A room's presence has changed: it is due when the last one is old enough.
    pub(super) fn schedule_presence(&mut self, id: &RoomId, now: Instant) {
        let Some(audience) = self.rooms.get_mut(id) else {
            return;
        };
        audience.presence = true;
        let sent = audience.presence_sent;
        let at = sent.map_or(now, |at| at + self.limits.presence_interval);
        self.presences.set(id, Some(at));
    }

    /// A room's presence is sent if it has changed and was not sent just now. Returns the number of spectators, and the
    /// edges that are sent it directly.
    #[expect(clippy::type_complexity)]
    pub(super) fn take_presence(
        &mut self,
        id: &RoomId,
        now: Instant,
    ) -> Option<(u64, Vec<(EdgeId, [bool; 2])>)> {
        let audience = self.rooms.get_mut(id)?;
        let sent = audience.presence_sent;
        let just_now = sent.is_some_and(|at| now < at + self.limits.presence_interval);
        if !audience.presence || just_now {
            return None;
        }
        audience.presence = false;
        audience.presence_sent = Some(now);
        self.presences.set(id, None);
        Some((audience.viewers(), audience.direct_edges([true; 2])))
    }

    /// The rooms whose presences are due.
    pub(super) fn due_presences(&mut self, now: Instant) -> Vec<RoomId> {
        self.presences.take_due(now)
    }

    /// Looks whether a room has become hot, or is not any more. To be called after its edges may have changed.
    pub(super) fn check_heat(&mut self, id: &RoomId, exists: bool, now: Instant) -> Heat {
        let limits = self.limits;
        let Some(audience) = self.rooms.get_mut(id) else {
            return Heat::Cold;
        };
        let edges = audience.edges.len();
        if !audience.is_hot {
            audience.is_hot = exists && edges > limits.hot_edges;
            return if audience.is_hot {
                Heat::Heated
            } else {
                Heat::Cold
            };
        }
        if edges >= limits.cold_edges {
            audience.few_since = None;
            self.cooling.set(id, None);
            return Heat::Hot;
        }
        let cold_at = *audience.few_since.get_or_insert(now) + limits.cold_after;
        if now < cold_at {
            self.cooling.set(id, Some(cold_at));
            return Heat::Hot;
        }
        (audience.is_hot, audience.few_since) = (false, None);
        for watch in audience.edges.values_mut() {
            watch.confirmed = false;
        }
        self.cooling.set(id, None);
        Heat::Cooled
    }

    /// The rooms that may not be hot any more.
    pub(super) fn due_cooling(&mut self, now: Instant) -> Vec<RoomId> {
        self.cooling.take_due(now)
    }

    pub(super) fn is_hot(&self, id: &RoomId) -> bool {
        self.rooms.get(id).is_some_and(|audience| audience.is_hot)
    }

    /// The rooms that are hot.
    pub(super) fn hot_rooms(&self) -> impl Iterator<Item = &RoomId> {
        let hot = self.rooms.iter().filter(|(_, audience)| audience.is_hot);
        hot.map(|(id, _)| id)
    }

    /// Whether an edge is reached on a hot room's subject; `None` if it does not watch the room.
    pub(super) fn is_confirmed(&self, id: &RoomId, edge: &EdgeId) -> Option<bool> {
        let watch = self.rooms.get(id)?.edges.get(edge)?;
        Some(watch.confirmed)
    }

    /// An edge is, or is not, reached on a hot room's subject. Returns whether it was.
    pub(super) fn confirm(&mut self, id: &RoomId, edge: &EdgeId, confirmed: bool) -> bool {
        let watch = self.watch_mut(id, edge);
        watch.is_some_and(|watch| std::mem::replace(&mut watch.confirmed, confirmed))
    }

    /// The next deadline of a presence or of a hot room.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let presence = self.presences.next();
        presence.into_iter().chain(self.cooling.next()).min()
    }

    fn watch_mut(&mut self, id: &RoomId, edge: &EdgeId) -> Option<&mut Watch> {
        self.rooms.get_mut(id)?.edges.get_mut(edge)
    }

    fn remove(&mut self, id: &RoomId, exists: bool) -> Option<Audience> {
        let audience = self.rooms.remove(id)?;
        self.absent = self.absent.saturating_sub(usize::from(!exists));
        self.presences.set(id, None);
        self.cooling.set(id, None);
        Some(audience)
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
