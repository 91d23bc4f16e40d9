//! What edges watch, and what they lack of it.

use std::collections::BTreeSet;

use grandstand_common::error::ErrorKind;
use grandstand_common::id::{EdgeId, Lane, RoomId, SessionId};
use grandstand_common::wire::{self, ItemKind, Known, RoomInterest};

use super::audiences::version;
use super::loading::Waiting;
use super::{Owned, Shared};
use crate::stored::quarantine::Why;
use grandstand_game::host::Panicked;

impl Owned {
    pub(crate) fn handle_interest(
        &mut self,
        cx: &mut Shared,
        edge: &EdgeId,
        interest: &wire::Interest,
    ) {
        let mut named = BTreeSet::new();
        for wanted in &interest.rooms {
            let Ok(id) = wanted.room.parse::<RoomId>() else {
                continue;
            };
            let wants = wanted.sync || wanted.players.is_some() || wanted.spectators.is_some();
            if wants && self.is_asleep(&id) {
                self.wake(cx, &id, Waiting::Interest(edge.clone(), wanted.clone()));
            } else {
                self.on_named(cx, (&id, edge), wanted);
            }
            named.insert(id);
        }
        if interest.digest {
            for id in self.unnamed_rooms(edge, &named) {
                self.drop_interest(&id, edge, &[]);
                self.lose_strays(cx, &id, edge, &[]);
                self.check_heat(cx, &id);
                self.reschedule(cx, &id);
            }
        }
    }

    /// An edge tells of a room.
    pub(super) fn on_named(
        &mut self,
        cx: &mut Shared,
        to: (&RoomId, &EdgeId),
        wanted: &RoomInterest,
    ) {
        let (id, edge) = to;
        self.on_room_interest(cx, to, wanted);
        self.lose_strays(cx, id, edge, &sessions(wanted));
        self.check_heat(cx, id);
        self.send_presence(cx, id);
        self.reschedule(cx, id);
    }

    /// Not watched any more, unless one of the sessions that the edge has is a player's.
    fn drop_interest(&mut self, id: &RoomId, edge: &EdgeId, has: &[u64]) {
        let room = self.slots.get(id).and_then(|slot| slot.room.as_ref());
        let is_player =
            |&session: &u64| room.is_some_and(|room| room.is_held_by(SessionId(session), edge));
        if !has.iter().any(is_player) {
            self.unwatch(id, edge);
            return;
        }
        let audience = self.audiences.get_mut(id);
        if let Some(watch) = audience.and_then(|audience| audience.edges.get_mut(edge)) {
            watch.lanes[Lane::Spectators.index()] = false;
            watch.viewers = 0;
        }
    }

    fn on_room_interest(&mut self, cx: &mut Shared, to: (&RoomId, &EdgeId), wanted: &RoomInterest) {
        let (id, edge) = to;
        if let Some(quarantine) = self.slots.get(id).and_then(|slot| slot.quarantine.as_ref()) {
            let closed = wire::Closed {
                code: quarantine.why.code().to_owned(),
            };
            self.send(cx, id, edge, ItemKind::Closed(closed));
            return;
        }
        let lanes = [wanted.players, wanted.spectators];
        if lanes == [None, None] {
            self.drop_interest(id, edge, &sessions(wanted));
        }
        let exists = self.exists(id);
        if !exists && lanes != [None, None] && cx.games.get(id.game()).is_none() {
            // Nobody can ever create it: there is nothing to wait for.
            let closed = wire::Closed {
                code: ErrorKind::NoSuchGame.code().to_owned(),
            };
            self.send(cx, id, edge, ItemKind::Closed(closed));
            return;
        }
        let is_full =
            !exists && self.absent >= cx.config.absent_rooms && !self.audiences.contains_key(id);
        let mut is_new = false;
        for lane in Lane::ALL {
            match lanes[lane.index()] {
                Some(known) if !is_full => {
                    let lane_is_new = self.watch(id, edge, lane);
                    is_new |= lane_is_new;
                    if exists && (wanted.sync || lane_is_new) {
                        self.send_lane(cx, to, (lane, known));
                    }
                }
                Some(_) => is_new = true,
                None => self.unwatch_lane(to, lane),
            }
        }
        self.count_viewers(to, wanted.viewers);
        let heat = (wanted.hot, wanted.subscribed);
        self.on_heat_known(cx, to, heat, wanted.sync || is_new);
        if !exists {
            if wanted.sync || is_new {
                self.send(cx, id, edge, ItemKind::Absent(wire::Empty {}));
            }
            if wanted.sync {
                for session in &wanted.sessions {
                    self.send_gone(cx, to, SessionId(*session));
                }
                self.send(cx, id, edge, ItemKind::Synced(wire::Empty {}));
            }
            return;
        }
        if wanted.sync {
            for session in &wanted.sessions {
                self.send_session(cx, to, SessionId(*session));
            }
        }
        if wanted.sync || is_new {
            self.answer_presence(cx, to);
        }
        if wanted.sync {
            self.send(cx, id, edge, ItemKind::Synced(wire::Empty {}));
        }
    }

    fn unwatch_lane(&mut self, to: (&RoomId, &EdgeId), lane: Lane) {
        let (id, edge) = to;
        let room = self.slots.get(id).and_then(|slot| slot.room.as_ref());
        if lane == Lane::Players && room.is_some_and(|room| room.has_player_on(edge)) {
            return;
        }
        let audience = self.audiences.get_mut(id);
        let Some(watch) = audience.and_then(|audience| audience.edges.get_mut(edge)) else {
            return;
        };
        watch.lanes[lane.index()] = false;
        if watch.lanes == [false, false] {
            self.unwatch(id, edge);
        }
    }

    fn count_viewers(&mut self, to: (&RoomId, &EdgeId), viewers: u32) {
        let (id, edge) = to;
        let Some(audience) = self.audiences.get_mut(id) else {
            return;
        };
        if let Some(watch) = audience.edges.get_mut(edge)
            && std::mem::replace(&mut watch.viewers, viewers) != viewers
        {
            audience.presence = true;
        }
    }

    /// What an edge lacks of a lane: updates if they are still here, else a snapshot.
    fn send_lane(&mut self, cx: &mut Shared, to: (&RoomId, &EdgeId), wanted: (Lane, Known)) {
        let ((id, edge), (lane, known)) = (to, wanted);
        let Some(room) = self.slots.get(id).and_then(|slot| slot.room.as_ref()) else {
            return;
        };
        let current = room.state().versions[lane.index()];
        let is_ours = known.epoch == self.epoch.0 && known.instance == room.instance().0;
        let ring = self
            .audiences
            .get(id)
            .map(|audience| &audience.rings[lane.index()]);
        let updates = ring.and_then(|ring| ring.since(lane, known.version, current));
        match updates.filter(|_| is_ours) {
            Some(updates) => {
                for update in updates {
                    debug_assert_ne!(version(&update, lane), 0);
                    self.send(cx, id, edge, ItemKind::Update(update));
                }
            }
            None => self.send_snapshot(cx, to, lane),
        }
    }

    fn send_session(&mut self, cx: &mut Shared, to: (&RoomId, &EdgeId), session: SessionId) {
        let (id, edge) = to;
        let Some(room) = self.slots.get(id).and_then(|slot| slot.room.as_ref()) else {
            return;
        };
        match room.welcome(session) {
            None => self.send_gone(cx, to, session),
            Some(Err(Panicked)) => self.on_panic(cx, id),
            Some(Ok(welcome)) => {
                if !welcome.processed.ended && self.watch(id, edge, Lane::Players) {
                    self.send_snapshot(cx, to, Lane::Players);
                }
                for kind in welcome.into_items() {
                    self.send(cx, id, edge, kind);
                }
            }
        }
    }

    fn send_gone(&mut self, cx: &mut Shared, to: (&RoomId, &EdgeId), session: SessionId) {
        let (id, edge) = to;
        let slot = self.slots.get(id);
        let room = slot.and_then(|slot| slot.room.as_ref());
        let code = if room.is_some_and(|room| room.was_replaced(session)) {
            ErrorKind::Replaced.code()
        } else if slot.is_some_and(|slot| slot.quarantine.is_some()) {
            Why::Unavailable.code()
        } else {
            ErrorKind::NotJoined.code()
        };
        let gone = wire::Gone {
            session: session.0,
            code: code.to_owned(),
            ..wire::Gone::default()
        };
        self.send(cx, id, edge, ItemKind::Gone(gone));
    }

    /// Who is there, for the edge that asks; the others hear only if it has changed.
    fn answer_presence(&mut self, cx: &mut Shared, to: (&RoomId, &EdgeId)) {
        let (id, edge) = to;
        if self.send_presence(cx, id) {
            return;
        }
        let (Some(room), Some(audience)) = (
            self.slots.get(id).and_then(|slot| slot.room.as_ref()),
            self.audiences.get(id),
        ) else {
            return;
        };
        let presence = room.presence(audience.viewers());
        self.send(cx, id, edge, ItemKind::Presence(presence));
    }
}

/// The sessions that the edge has in a room.
fn sessions(wanted: &RoomInterest) -> Vec<u64> {
    [&wanted.sessions[..], &wanted.joining].concat()
}
