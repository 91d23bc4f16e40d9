//! What owners send: from batches to the rooms' lanes and seats.

mod departures;

pub mod hot;

use std::sync::Arc;

use bytes::Bytes;
use grandstand_common::envelope::ServerMessage;
use grandstand_common::id::{Epoch, Instance, Lane as LaneId};
use grandstand_common::wire::{
    Batch, Empty, Item, ItemKind, LinkReply, LiveOut, RoomBatch, Update,
};
use prost::Message;

use crate::conn::transport::Transport;
use crate::core::egress::departures::is_of_somebody;
use crate::core::rooms::delay::{Event, Service};
use crate::core::rooms::lane::Taken;
use crate::core::rooms::room::{Reject, RoomKey};
use crate::core::{Core, Timer};
use grandstand_common::clock::Now;

impl Core {
    /// A message on `edge.{edge}`.
    pub fn handle_batch(&mut self, payload: Bytes, now: Now, sink: &mut impl Transport) {
        let batch = match Batch::decode(payload) {
            Ok(batch) => batch,
            Err(error) => {
                self.effects.counts().unreadable += 1;
                tracing::warn!(%error, "a batch from a worker cannot be read");
                return;
            }
        };
        if batch.beat {
            self.links.handle_claim(&batch.worker, batch.number, true);
        } else if self.links.handle_batch(&batch.worker, batch.number) {
            let holed = self.links.is_holed(&batch.worker);
            let holed = holed.then_some(batch.worker.as_str());
            for room in batch.rooms {
                self.on_room(room, holed, now, sink);
            }
        }
        self.ask_for_holes();
    }

    /// The answer to [`Command::Link`](crate::core::Command::Link); `None` if there was none.
    pub fn handle_link_reply(&mut self, worker: &str, to: u64, reply: Option<Bytes>, now: Now) {
        let Some(reply) = reply.and_then(|r| LinkReply::decode(r).ok()) else {
            if self.owns_something(worker) {
                self.links.unanswered(worker);
                self.effects
                    .at(now.at + std::time::Duration::from_millis(100), Timer::Links);
            } else {
                self.links.forget(worker);
            }
            return;
        };
        self.links.answered(worker, to);
        let affected = match reply.all {
            true => self.rooms_of(worker),
            false => {
                let (known, strange): (Vec<_>, Vec<_>) = reply
                    .rooms
                    .iter()
                    .partition(|id| self.names.contains_key(id.as_str()));
                for id in strange {
                    self.disown(id, now);
                }
                let known = known.into_iter();
                known
                    .filter_map(|id| self.names.get(id.as_str()).copied())
                    .collect()
            }
        };
        for key in affected {
            self.held.remove(&key);
            self.rooms[key].syncing = true;
            self.sync(key, now);
        }
        if !self.links.is_holed(worker) {
            let of_worker = self.held.iter().filter(|(_, by)| ***by == *worker);
            let released: Vec<_> = of_worker.map(|(&key, _)| key).collect();
            for key in released {
                self.held.remove(&key);
                self.rooms[key].syncing = false;
                self.tell_acks(key);
            }
        }
        self.ask_for_holes();
    }

    pub(crate) fn on_links_timer(&mut self) {
        self.links.settle();
        self.ask_for_holes();
    }

    /// What a batch says of a room; `holed` is its worker if some batch of it is missing.
    fn on_room(
        &mut self,
        batch: RoomBatch,
        holed: Option<&str>,
        now: Now,
        sink: &mut impl Transport,
    ) {
        let Some(&key) = self.names.get(batch.room.as_str()) else {
            let kinds = || batch.items.iter().filter_map(|item| item.kind.as_ref());
            if kinds().any(|kind| matches!(kind, ItemKind::Processed(p) if is_of_somebody(p))) {
                self.disown(&batch.room, now);
            }
            return;
        };
        let (epoch, instance) = (Epoch(batch.epoch), Instance(batch.instance));
        let room = &mut self.rooms[key];
        if epoch < room.epoch {
            self.effects.counts().old_epochs += 1;
            return;
        }
        if epoch > room.epoch || instance != room.instance {
            room.begin(epoch, instance);
            self.held.remove(&key);
            for lane in LaneId::ALL {
                self.feed(key, lane, Event::Begin(epoch, instance), now, sink);
            }
        }
        if let Some(worker) = holed.filter(|_| !self.rooms[key].syncing) {
            // Until it is known whether the hole was about this room.
            self.rooms[key].syncing = true;
            self.held.insert(key, worker.into());
        }
        for Item { kind } in batch.items {
            if let Some(kind) = kind {
                self.on_item(key, kind, now, sink);
            }
        }
        if self.rooms[key].syncing && !self.held.contains_key(&key) {
            self.sync(key, now);
        }
        self.tell_acks(key);
        for lane in LaneId::ALL {
            self.dirty(key, lane);
        }
    }

    fn on_item(&mut self, key: RoomKey, item: ItemKind, now: Now, sink: &mut impl Transport) {
        let Some(room) = self.rooms.get_mut(key) else {
            return;
        };
        match item {
            ItemKind::Snapshot(snapshot) => {
                let (Some(lane), Some(data)) =
                    (LaneId::from_index(snapshot.lane as usize), snapshot.data)
                else {
                    return;
                };
                let service = Service::new(snapshot.max_rate_hz, snapshot.delay_ms);
                self.set_service(key, lane, service);
                let event = Event::Snapshot {
                    version: snapshot.version,
                    data: data.detach(),
                    whole: true,
                };
                self.feed(key, lane, event, now, sink);
            }
            ItemKind::Update(update) => self.on_update(key, update, now, sink),
            ItemKind::Direct(direct) => {
                let Some(data) = direct.data else { return };
                let Some(seat) = room.seats.get_mut(&direct.session) else {
                    return;
                };
                let conn = seat.conn.filter(|_| seat.served);
                let data = seat.direct.insert(data.detach()).clone();
                let id = room.id.clone();
                if let Some((conn, _)) = conn {
                    self.tell_behind(
                        conn,
                        &ServerMessage::Direct {
                            room: &id,
                            data: &data,
                        },
                    );
                }
            }
            ItemKind::Rejected(rejected) => {
                let Some(seat) = room.seats.get_mut(&rejected.session) else {
                    return;
                };
                let reject = Reject {
                    seq: rejected.seq,
                    code: rejected.code,
                    message: rejected.message,
                };
                let conn = seat.conn.filter(|_| seat.served);
                if seat.keep_reject(reject.clone())
                    && let Some((conn, _)) = conn
                {
                    let id = room.id.clone();
                    let Reject { seq, code, message } = &reject;
                    self.tell_behind(
                        conn,
                        &ServerMessage::Reject {
                            room: &id,
                            seq: *seq,
                            code,
                            message,
                        },
                    );
                }
            }
            ItemKind::Processed(processed) => self.on_processed(key, &processed, now, sink),
            ItemKind::Refused(refused) => {
                let Some(seat) = room.seats.remove(&refused.session) else {
                    return;
                };
                let id = room.id.clone();
                if let Some((conn, _)) = seat.conn {
                    let membership = self.dismiss(conn, key, now);
                    let answers = membership.and_then(|m| m.resume).and_then(|r| r.id);
                    self.refuse_join(conn, &refused.code, &refused.message, (answers, &id), sink);
                }
                self.linger(key, now);
            }
            ItemKind::Gone(gone) => self.on_gone(key, &gone, now, sink),
            ItemKind::LiveOut(live) => self.on_live_out(key, live, now, sink),
            ItemKind::Presence(presence) => {
                let presence = Arc::new(presence);
                for lane in LaneId::ALL {
                    let event = Event::Presence(Arc::clone(&presence));
                    self.feed(key, lane, event, now, sink);
                }
            }
            ItemKind::Absent(Empty {}) => {
                room.absent = true;
                let waiting = room.waiting[LaneId::Spectators.index()].clone();
                for conn in waiting {
                    self.answer_join(conn, key, LaneId::Spectators, sink);
                }
            }
            ItemKind::Closed(closed) => self.on_closed_room(key, &closed.code, now, sink),
            ItemKind::Synced(Empty {}) => room.syncing = false,
            ItemKind::Hot(hot) => self.on_heat(key, &hot, now, sink),
        }
    }

    fn on_update(&mut self, key: RoomKey, update: Update, now: Now, sink: &mut impl Transport) {
        let Some(data) = &update.data else {
            return;
        };
        let data = data.detach();
        let mut gap = false;
        for (lane, version) in LaneId::ALL
            .into_iter()
            .zip([update.players, update.spectators])
        {
            if version > 0 {
                let event = Event::Update {
                    version,
                    key: update.key.clone(),
                    data: data.clone(),
                };
                gap |= self.feed(key, lane, event, now, sink) == Taken::Gap;
            }
        }
        if gap {
            self.sync(key, now);
        }
    }

    fn on_live_out(&mut self, key: RoomKey, live: LiveOut, now: Now, sink: &mut impl Transport) {
        let Some(data) = &live.data else { return };
        let room = &mut self.rooms[key];
        let conn_of = |session: u64| {
            room.seats
                .get(&session)
                .and_then(|s| s.conn)
                .map(|(conn, _)| conn)
        };
        let (only, except) = (conn_of(live.session), conn_of(live.except));
        if live.players {
            let room_id = &room.id;
            let message = ServerMessage::Live {
                room: room_id,
                data,
            };
            room.lanes[LaneId::Players.index()].gather(&message, except, &mut self.deflater);
        }
        let id = room.id.clone();
        if live.spectators {
            let event = Event::Live(data.detach());
            self.feed(key, LaneId::Spectators, event, now, sink);
        }
        if let Some(conn) = only {
            self.tell_behind(conn, &ServerMessage::Live { room: &id, data });
        }
    }
}
