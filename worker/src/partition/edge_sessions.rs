//! The edges that hold sessions of connected players, and the lost players whose entries are to be appended (D6, D17).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::{Duration, Instant};

use grandstand_common::id::{EdgeId, ProcessId, RoomId, SessionId};

/// The time after which the entries of lost players are appended again if the log has not shown them.
const APPEND_AGAIN: Duration = Duration::from_secs(1);

/// The edges' sessions in the rooms of a partition.
#[derive(Debug, Default)]
pub(super) struct EdgeSessions {
    by_edge: BTreeMap<EdgeId, BTreeSet<RoomId>>,
    by_room: BTreeMap<RoomId, Vec<EdgeId>>,
    /// Dead edges with lost players.
    dead_edges: BTreeMap<EdgeId, DeadEdge>,
    /// Sessions that their edge does not hold, each with the time at which its loss was appended.
    appended: BTreeMap<SessionId, Instant>,
}

/// A dead edge, whose lost players are handled room by room.
#[derive(Debug)]
struct DeadEdge {
    since: Instant,
    /// The last room that was handled.
    after: Option<RoomId>,
    done: bool,
}

impl EdgeSessions {
    /// Sets the edges that hold sessions in a room.
    pub(super) fn set(&mut self, id: &RoomId, mut edges: Vec<EdgeId>) {
        // Rooms share the names of edges, because a million of stored rooms may name the same few.
        for edge in &mut edges {
            if let Some((known, _)) = self.by_edge.get_key_value(edge) {
                edge.clone_from(known);
            }
        }
        let before = if edges.is_empty() {
            self.by_room.remove(id)
        } else {
            self.by_room.insert(id.clone(), edges.clone())
        };
        let before = before.unwrap_or_default();
        for edge in before.iter().filter(|edge| !edges.contains(edge)) {
            if let Some(rooms) = self.by_edge.get_mut(edge) {
                rooms.remove(id);
                if rooms.is_empty() {
                    self.by_edge.remove(edge);
                }
            }
        }
        for edge in edges {
            if !before.contains(&edge) {
                self.by_edge.entry(edge).or_default().insert(id.clone());
            }
        }
    }

    /// Whether an edge holds sessions in a room.
    pub(super) fn holds(&self, edge: &EdgeId, id: &RoomId) -> bool {
        self.by_edge
            .get(edge)
            .is_some_and(|rooms| rooms.contains(id))
    }

    /// Returns the edges that hold sessions.
    pub(super) fn edges(&self) -> impl Iterator<Item = &EdgeId> {
        self.by_edge.keys()
    }

    /// Returns the processes of the edges that hold sessions; a process repeats for each of its edges.
    pub(super) fn processes(&self) -> impl Iterator<Item = ProcessId> {
        self.by_edge.keys().map(EdgeId::process)
    }

    /// Returns the rooms in which an edge holds sessions.
    pub(super) fn rooms_of(&self, edge: &EdgeId) -> impl Iterator<Item = &RoomId> {
        self.by_edge.get(edge).into_iter().flatten()
    }

    /// Begins the loss of all players of a dead edge. Does nothing if that began less than [`APPEND_AGAIN`] ago, and
    /// returns false if players are connected there all the same.
    pub(super) fn lose(&mut self, edge: &EdgeId, now: Instant) -> bool {
        if !self.by_edge.contains_key(edge) {
            return true;
        }
        let is_old = |dead: &DeadEdge| now >= dead.since + APPEND_AGAIN;
        let begins = self.dead_edges.get(edge).is_none_or(is_old);
        if begins {
            let dead = DeadEdge {
                since: now,
                after: None,
                done: false,
            };
            self.dead_edges.insert(edge.clone(), dead);
        }
        begins
    }

    /// Returns the next dead edge and one of its rooms, whose lost players are to be appended.
    pub(super) fn next_loss(&mut self) -> Option<(EdgeId, RoomId)> {
        for (edge, dead) in &mut self.dead_edges {
            if dead.done {
                continue;
            }
            let after = dead.after.take().map_or(Bound::Unbounded, Bound::Excluded);
            let rooms = self.by_edge.get(edge);
            let next = rooms.and_then(|rooms| rooms.range((after, Bound::Unbounded)).next());
            match next {
                Some(id) => {
                    dead.after = Some(id.clone());
                    return Some((edge.clone(), id.clone()));
                }
                None => dead.done = true,
            }
        }
        None
    }

    /// Whether lost players of dead edges are to be appended.
    pub(super) fn has_losses(&self) -> bool {
        self.dead_edges.values().any(|dead| !dead.done)
    }

    /// Forgets dead edges whose losses are done and may begin again.
    pub(super) fn expire(&mut self, now: Instant) {
        self.dead_edges
            .retain(|_, dead| !dead.done || now < dead.since + APPEND_AGAIN);
    }

    /// Returns those of `sessions` whose loss was not appended within [`APPEND_AGAIN`], and takes it as appended now.
    pub(super) fn note_lost(
        &mut self,
        sessions: impl Iterator<Item = SessionId>,
        now: Instant,
    ) -> BTreeSet<SessionId> {
        self.appended.retain(|_, at| now < *at + APPEND_AGAIN);
        let new = sessions.filter(|session| !self.appended.contains_key(session));
        let new: BTreeSet<_> = new.collect();
        self.appended
            .extend(new.iter().map(|session| (*session, now)));
        new
    }
}
