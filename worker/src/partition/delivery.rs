//! What a room emits, to the edges that it concerns.

use grandstand_common::data::Data;
use grandstand_common::id::{EdgeId, Lane, PlayerId, RoomId, SessionId};
use grandstand_common::wire::{self, ItemKind};

use super::audiences::{Audience, for_lanes, version};
use super::{Owned, Shared};
use crate::room::{Emit, Welcome};
use crate::stored::quarantine::Why;
use grandstand_game::LiveTo;
use grandstand_game::host::Panicked;

/// Panics outside of entries after which a room goes to quarantine.
const MAX_STRIKES: u32 = 3;

impl Owned {
    pub(super) fn deliver(&mut self, cx: &mut Shared, id: &RoomId, emits: Vec<Emit>) {
        for emit in emits {
            match emit {
                Emit::Update(update) => self.send_update(cx, id, &update),
                Emit::ToEdge(edge, kind) => self.send(cx, id, &edge, kind),
                Emit::Joined(welcome) => self.on_joined(cx, id, *welcome),
                Emit::Presence => self.touch_presence(id),
                Emit::Deleted => {}
            }
        }
    }

    /// One item to one edge. A room with one that no message can carry goes to quarantine.
    pub(super) fn send(&mut self, cx: &mut Shared, id: &RoomId, edge: &EdgeId, kind: ItemKind) {
        let slot = self.slots.get(id);
        let is_isolated = slot.is_some_and(|slot| slot.quarantine.is_some());
        let is_end = matches!(
            kind,
            ItemKind::Closed(_) | ItemKind::Gone(_) | ItemKind::Refused(_)
        );
        if is_isolated && !is_end {
            return;
        }
        let head = self.head(id);
        if let Err(error) = cx.outbox.push(cx.now.at, edge, &head, kind) {
            tracing::error!(room = %id, %error, "a room sends too much");
            if self.slots.get(id).is_some_and(|slot| slot.room.is_some()) {
                self.quarantine(cx, id, Why::TooBig);
            }
        }
    }

    fn send_update(&mut self, cx: &mut Shared, id: &RoomId, update: &wire::Update) {
        let Some(audience) = self.audiences.get_mut(id) else {
            return;
        };
        let outgrown = audience.keep(update, cx.config.ring_bytes);
        let concerns = Lane::ALL.map(|lane| version(update, lane) != 0);
        let edges = audience.direct(concerns);
        self.publish_hot(cx, id, || ItemKind::Update(update.clone()));
        for (edge, lanes) in edges {
            let update = for_lanes(update, lanes);
            self.send(cx, id, &edge, ItemKind::Update(update));
        }
        for lane in Lane::ALL {
            if outgrown[lane.index()] && version(update, lane) != 0 {
                self.send_snapshot_to_all(cx, id, lane);
            }
        }
    }

    /// The lane's updates outgrew the ring: late joiners need a newer snapshot to go on from.
    fn send_snapshot_to_all(&mut self, cx: &mut Shared, id: &RoomId, lane: Lane) {
        let Some(audience) = self.audiences.get_mut(id) else {
            return;
        };
        audience.rings[lane.index()].handle_snapshot();
        let edges = audience.direct(Lane::ALL.map(|other| other == lane));
        let Some(snapshot) = self.view(cx, id, lane) else {
            return;
        };
        self.publish_hot(cx, id, || ItemKind::Snapshot(snapshot.clone()));
        for (edge, _) in edges {
            let kind = ItemKind::Snapshot(snapshot.clone());
            self.send(cx, id, &edge, kind);
        }
    }

    /// A lane's view; `None` if there is no room, or its game panicked.
    pub(super) fn view(
        &mut self,
        cx: &mut Shared,
        id: &RoomId,
        lane: Lane,
    ) -> Option<wire::Snapshot> {
        let view = self.slots.get(id)?.room.as_ref()?.view(lane);
        match view {
            Ok(snapshot) => Some(snapshot),
            Err(Panicked) => {
                self.on_panic(cx, id);
                None
            }
        }
    }

    pub(super) fn send_snapshot(&mut self, cx: &mut Shared, to: (&RoomId, &EdgeId), lane: Lane) {
        let (id, edge) = to;
        if let Some(snapshot) = self.view(cx, id, lane) {
            self.send(cx, id, edge, ItemKind::Snapshot(snapshot));
        }
    }

    /// A session begins: its edge watches the players' lane from now on.
    fn on_joined(&mut self, cx: &mut Shared, id: &RoomId, welcome: Welcome) {
        let edge = welcome.edge.clone();
        cx.outbox.heard(cx.now.at, &edge);
        if self.watch(id, &edge, Lane::Players) {
            self.send_snapshot(cx, (id, &edge), Lane::Players);
        }
        for kind in welcome.into_items() {
            self.send(cx, id, &edge, kind);
        }
        self.check_heat(cx, id);
        self.greet_heat(cx, (id, &edge));
    }

    /// Those who waited for the room get its lanes, as they are after its first entry.
    pub(super) fn on_created(&mut self, cx: &mut Shared, id: &RoomId) {
        let Some(audience) = self.audiences.get_mut(id) else {
            return;
        };
        audience.rings = Default::default();
        let edges: Vec<_> = audience
            .edges
            .iter()
            .map(|(e, w)| (e.clone(), w.lanes))
            .collect();
        self.absent = self.absent.saturating_sub(1);
        for (edge, lanes) in edges {
            for lane in Lane::ALL {
                if lanes[lane.index()] {
                    self.send_snapshot(cx, (id, &edge), lane);
                }
            }
        }
        self.check_heat(cx, id);
    }

    /// An edge watches a lane from now on; whether it did not before.
    pub(super) fn watch(&mut self, id: &RoomId, edge: &EdgeId, lane: Lane) -> bool {
        let exists = self.exists(id);
        let audience = self.audiences.entry(id.clone()).or_insert_with(|| {
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
    pub(super) fn unwatch(&mut self, id: &RoomId, edge: &EdgeId) {
        self.forget_watched(id, edge);
        let Some(audience) = self.audiences.get_mut(id) else {
            return;
        };
        audience.edges.remove(edge);
        audience.presence = true;
        if audience.edges.is_empty() {
            self.audiences.remove(id);
            if !self.exists(id) {
                self.absent = self.absent.saturating_sub(1);
            }
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

    pub(super) fn exists(&self, id: &RoomId) -> bool {
        let slot = self.slots.get(id);
        slot.is_some_and(|slot| slot.room.is_some() || slot.asleep.is_some())
    }

    /// Everybody in the room leaves.
    pub(super) fn close(&mut self, cx: &mut Shared, id: &RoomId, code: &str) {
        let exists = self.exists(id);
        let Some(audience) = self.audiences.remove(id) else {
            return;
        };
        cx.outbox.forget_hot(id);
        self.absent = self.absent.saturating_sub(usize::from(!exists));
        let head = self.head(id);
        for edge in audience.edges.into_keys() {
            self.forget_watched(id, &edge);
            let closed = wire::Closed {
                code: code.to_owned(),
            };
            // A `Closed` is always small enough.
            let _ = cx
                .outbox
                .push(cx.now.at, &edge, &head, ItemKind::Closed(closed));
        }
    }

    /// Who is there has changed: all edges hear, at most twice a second.
    pub(super) fn touch_presence(&mut self, id: &RoomId) {
        if let Some(audience) = self.audiences.get_mut(id) {
            audience.presence = true;
        }
    }

    /// Sends the presence to all if it has changed and was not sent just now; whether it did.
    pub(super) fn send_presence(&mut self, cx: &mut Shared, id: &RoomId) -> bool {
        let room = self.slots.get(id).and_then(|slot| slot.room.as_ref());
        let (Some(room), Some(audience)) = (room, self.audiences.get_mut(id)) else {
            return false;
        };
        let after = cx.config.presence_interval;
        let just_now = |at| cx.now.at < at + after;
        if !audience.presence || audience.presence_sent.is_some_and(just_now) {
            return false;
        }
        audience.presence = false;
        audience.presence_sent = Some(cx.now.at);
        let presence = room.presence(audience.viewers());
        let edges = audience.direct([true; 2]);
        self.publish_hot(cx, id, || ItemKind::Presence(presence.clone()));
        for (edge, _) in edges {
            let kind = ItemKind::Presence(presence.clone());
            self.send(cx, id, &edge, kind);
        }
        true
    }

    /// A lossy message from an edge.
    pub(crate) fn handle_live(&mut self, cx: &mut Shared, live: wire::Live) {
        let (Ok(id), Ok(player)) = (live.room.parse::<RoomId>(), live.player.parse::<PlayerId>())
        else {
            return;
        };
        let (Some(data), true) = (live.data, self.is_ready()) else {
            return;
        };
        let slot = self.slots.get_mut(&id);
        let Some(room) = slot.and_then(|slot| slot.room.as_mut()) else {
            return;
        };
        match room.live(SessionId(live.session), &player, data) {
            Ok(list) => self.send_live(cx, &id, list),
            Err(Panicked) => self.on_panic(cx, &id),
        }
    }

    pub(super) fn send_live(&mut self, cx: &mut Shared, id: &RoomId, list: Vec<(LiveTo, Data)>) {
        for (to, data) in list {
            let reach = |player: &PlayerId| {
                let room = self.slots.get(id)?.room.as_ref()?;
                room.reach(player).map(|(edge, s)| (edge.clone(), s.0))
            };
            let mut out = wire::LiveOut {
                players: true,
                spectators: true,
                session: 0,
                except: 0,
                data: Some(data),
            };
            match to {
                LiveTo::Lane(lane) => {
                    out.players = lane != Some(Lane::Spectators);
                    out.spectators = lane != Some(Lane::Players);
                }
                LiveTo::Others(player) => out.except = reach(&player).map_or(0, |(_, s)| s),
                LiveTo::Player(player) => {
                    let Some((edge, session)) = reach(&player) else {
                        continue;
                    };
                    (out.players, out.spectators, out.session) = (false, false, session);
                    self.send(cx, id, &edge, ItemKind::LiveOut(out));
                    continue;
                }
            }
            let Some(audience) = self.audiences.get(id) else {
                continue;
            };
            let wants = [out.players, out.spectators];
            let edges = audience.direct(wants);
            self.publish_hot(cx, id, || ItemKind::LiveOut(out.clone()));
            for (edge, _) in edges {
                self.send(cx, id, &edge, ItemKind::LiveOut(out.clone()));
            }
        }
    }

    /// The game panicked outside of an entry: its volatile part begins anew, or the room goes to quarantine.
    pub(super) fn on_panic(&mut self, cx: &mut Shared, id: &RoomId) {
        tracing::error!(room = %id, "the game panicked outside of an entry");
        let Some(slot) = self.slots.get_mut(id) else {
            return;
        };
        slot.strikes += 1;
        match slot.origin.build(&cx.games, id) {
            Ok(room) if slot.strikes < MAX_STRIKES => {
                slot.room = Some(room);
                self.count_room(id);
            }
            _ => self.quarantine(cx, id, Why::Unavailable),
        }
    }
}
