//! Where connected players' sessions are held, and the loss of those that nobody holds any more (D6, D17).

use std::collections::BTreeSet;
use std::ops::Bound;
use std::time::Instant;

use grandstand_common::id::{EdgeId, PlayerId, ProcessId, RoomId, SessionId};
use grandstand_common::wire::{self, Body, Entry};

use super::timers::APPEND_AGAIN;
use super::{Owned, Shared};

/// Entries of the owner's own that are in flight while losses are appended; the rest follow as these are stored.
const MAX_APPENDS: usize = 2_048;

/// A dead edge, whose players are lost one after the other.
#[derive(Debug)]
pub(super) struct Losing {
    since: Instant,
    /// The last room that is done.
    after: Option<RoomId>,
    done: bool,
}

impl Owned {
    /// To be called after whatever may have loaded or dropped a room, or moved its players.
    pub(super) fn count_room(&mut self, id: &RoomId) {
        let Some(slot) = self.slots.get_mut(id) else {
            return;
        };
        let loaded = slot.room.is_some();
        let moved = slot.room.as_mut().is_some_and(|room| room.take_moved());
        let idle = slot.asleep.is_some();
        let counted = &mut slot.counted;
        if (loaded, idle) == (counted.loaded, counted.idle) && !moved {
            return;
        }
        self.idle = self.idle + usize::from(idle) - usize::from(counted.idle);
        counted.idle = idle;
        self.loaded = self.loaded + usize::from(loaded) - usize::from(counted.loaded);
        counted.loaded = loaded;
        let edges: Vec<_> = slot
            .room
            .iter()
            .flat_map(|room| room.edges().cloned())
            .collect();
        let before = std::mem::replace(&mut counted.edges, edges.clone());
        for edge in before.iter().filter(|edge| !edges.contains(edge)) {
            if let Some(rooms) = self.sessions.get_mut(edge) {
                rooms.remove(id);
                if rooms.is_empty() {
                    self.sessions.remove(edge);
                }
            }
        }
        for edge in edges {
            if !before.contains(&edge) {
                self.sessions.entry(edge).or_default().insert(id.clone());
            }
        }
    }

    /// The processes of the edges that hold connected players' sessions.
    pub(crate) fn session_processes(&self, into: &mut BTreeSet<ProcessId>) {
        into.extend(self.sessions.keys().map(EdgeId::process));
    }

    /// An edge process is dead: its shards' players are lost, after entries say so (D6). Not again before a second.
    pub(crate) fn handle_process_gone(&mut self, cx: &mut Shared, process: &ProcessId) {
        if !self.is_ready() {
            return;
        }
        let watching = self.watched.keys().chain(self.sessions.keys());
        let edges: BTreeSet<_> = watching
            .filter(|e| e.process() == *process)
            .cloned()
            .collect();
        for edge in edges {
            self.unwatch_all(cx, &edge);
            let is_new = |losing: &Losing| cx.now.at >= losing.since + APPEND_AGAIN;
            if self.sessions.contains_key(&edge) && self.losing.get(&edge).is_none_or(is_new) {
                let losing = Losing {
                    since: cx.now.at,
                    after: None,
                    done: false,
                };
                self.losing.insert(edge, losing);
            }
        }
        self.lose_more(cx);
    }

    fn unwatch_all(&mut self, cx: &mut Shared, edge: &EdgeId) {
        for id in self.watched.get(edge).cloned().unwrap_or_default() {
            self.unwatch(&id, edge);
            self.check_heat(cx, &id);
            self.reschedule(cx, &id);
        }
    }

    /// Appends the losses that are due, as many as may be in flight.
    pub(super) fn lose_more(&mut self, cx: &mut Shared) {
        if self.losing.is_empty() || !self.is_ready() {
            return;
        }
        let mut all = std::mem::take(&mut self.losing);
        for (edge, losing) in &mut all {
            while !losing.done && cx.appends < MAX_APPENDS {
                let after = losing
                    .after
                    .take()
                    .map_or(Bound::Unbounded, Bound::Excluded);
                let rooms = self.sessions.get(edge);
                let next = rooms.and_then(|rooms| rooms.range((after, Bound::Unbounded)).next());
                match next.cloned() {
                    Some(id) => {
                        self.lose(cx, &id, edge, |_| true);
                        losing.after = Some(id);
                    }
                    None => losing.done = true,
                }
            }
        }
        all.retain(|_, losing| !losing.done || cx.now.at < losing.since + APPEND_AGAIN);
        self.losing = all;
    }

    /// Appends the loss of the connected players of an edge whose sessions are such.
    fn lose(
        &mut self,
        cx: &mut Shared,
        id: &RoomId,
        edge: &EdgeId,
        such: impl Fn(SessionId) -> bool,
    ) {
        let room = self.slots.get(id).and_then(|slot| slot.room.as_ref());
        let held = room.into_iter().flat_map(|room| room.sessions_on(edge));
        let lost: Vec<_> = held.filter(|(_, session)| such(*session)).collect();
        let entries: Vec<_> = lost.into_iter().map(|held| edge_lost(edge, held)).collect();
        for entry in entries {
            self.append(cx, id, &entry);
        }
    }

    /// An edge tells which sessions of a room it has. A connected player of its whose session is not among them has
    /// nobody behind it: its `Lost` came before its `Joined`, or the edge let go of it. If the edge only did not know of it
    /// yet, it answers with `Here`.
    pub(super) fn lose_strays(&mut self, cx: &mut Shared, id: &RoomId, edge: &EdgeId, has: &[u64]) {
        let now = cx.now.at;
        self.strays.retain(|_, at| now < *at + APPEND_AGAIN);
        let room = self.slots.get(id).and_then(|slot| slot.room.as_ref());
        let held = room.into_iter().flat_map(|room| room.sessions_on(edge));
        let strays: BTreeSet<_> = held
            .map(|(_, session)| session)
            .filter(|session| !has.contains(&session.0) && !self.strays.contains_key(session))
            .collect();
        if strays.is_empty() {
            return;
        }
        tracing::info!(room = %id, %edge, count = strays.len(), "players without a connection");
        self.strays
            .extend(strays.iter().map(|session| (*session, now)));
        self.lose(cx, id, edge, |session| strays.contains(&session));
    }

    /// A digest does not name these rooms of an edge's: it has no session there.
    pub(super) fn unnamed_rooms(&self, edge: &EdgeId, named: &BTreeSet<RoomId>) -> Vec<RoomId> {
        let rooms = self.sessions.get(edge).into_iter().flatten();
        let rooms = rooms.chain(self.watched.get(edge).into_iter().flatten());
        let unnamed: BTreeSet<_> = rooms.filter(|id| !named.contains(*id)).cloned().collect();
        unnamed.into_iter().collect()
    }
}

fn edge_lost(edge: &EdgeId, (player, session): (&PlayerId, SessionId)) -> Entry {
    Entry {
        player: player.to_string(),
        session: session.0,
        edge: edge.to_string(),
        body: Some(Body::EdgeLost(wire::Empty {})),
        ..Entry::default()
    }
}
