//! From what owners send to what lanes show: at once, or when its time has come.

use std::time::Instant;

use grandstand_common::clock::Now;
use grandstand_common::envelope::ServerMessage;
use grandstand_common::id::Lane as LaneId;

use crate::conn::transport::Transport;
use crate::core::Core;
use crate::core::rooms::delay::{Event, Hold, Service};
use crate::core::rooms::lane::Taken;
use crate::core::rooms::room::RoomKey;

impl Core {
    /// A lane's snapshot says how the lane is served from here on.
    pub(crate) fn set_service(&mut self, key: RoomKey, lane: LaneId, service: Service) {
        if lane == LaneId::Players {
            return;
        }
        let service = service.max(self.config.spectators);
        let cap = self.config.hold_bytes;
        let Some(room) = self.rooms.get_mut(key) else {
            return;
        };
        match &mut room.hold {
            Some(hold) => hold.set_service(service),
            None if service.is_plain() => {}
            None => {
                let head = room.lanes[lane.index()].version();
                room.hold = Some(Box::new(Hold::new(service, head, cap)));
            }
        }
    }

    /// Something happens to a lane. Its members are shown it now, or later.
    pub(crate) fn feed(
        &mut self,
        key: RoomKey,
        lane: LaneId,
        event: Event,
        now: Now,
        sink: &mut impl Transport,
    ) -> Taken {
        let Some(room) = self.rooms.get_mut(key) else {
            return Taken::Old;
        };
        let hold = match lane {
            LaneId::Players => None,
            LaneId::Spectators => room.hold.as_deref_mut(),
        };
        let Some(hold) = hold else {
            return self.show(key, lane, event, now, sink);
        };
        let is_snapshot = matches!(event, Event::Snapshot { .. });
        let taken = hold.push(now.at, event);
        self.release(key, now, sink);
        if is_snapshot {
            // Who waits is let in, and shown the room when its time has come.
            self.serve_waiting(key, lane, sink);
        }
        taken
    }

    /// Shows what of a held lane is due, and sets when to look again.
    fn release(&mut self, key: RoomKey, now: Now, sink: &mut impl Transport) {
        while let Some(room) = self.rooms.get_mut(key)
            && let Some(hold) = &mut room.hold
        {
            let Some(event) = hold.poll(now.at) else {
                break;
            };
            self.show(key, LaneId::Spectators, event, now, sink);
        }
        self.dirty(key, LaneId::Spectators);
        let Some(room) = self.rooms.get_mut(key) else {
            return;
        };
        let Some(hold) = &mut room.hold else {
            return;
        };
        if let Some(at) = hold.next() {
            self.releases.insert((at, key));
        }
        if hold.take_recovered() {
            self.effects.counts().holds_overflowed += 1;
            self.sync(key, now);
        } else if hold.is_done() {
            room.hold = None;
        }
    }

    /// Shows what is due in held lanes.
    pub fn handle_releases(&mut self, now: Now, sink: &mut impl Transport) {
        while let Some(&(at, key)) = self.releases.first()
            && at <= now.at
        {
            self.releases.pop_first();
            self.release(key, now, sink);
        }
    }

    /// When to call [`handle_releases`](Self::handle_releases).
    pub fn next_release(&self) -> Option<Instant> {
        self.releases.first().map(|(at, _)| *at)
    }

    fn show(
        &mut self,
        key: RoomKey,
        lane_id: LaneId,
        event: Event,
        now: Now,
        sink: &mut impl Transport,
    ) -> Taken {
        let ring_bytes = self.config.ring_bytes;
        let Some(room) = self.rooms.get_mut(key) else {
            return Taken::Old;
        };
        let held = lane_id == LaneId::Spectators && room.hold.is_some();
        let lane = &mut room.lanes[lane_id.index()];
        let deflater = &mut self.deflater;
        match event {
            Event::Begin(epoch, instance) => lane.reset(epoch, instance),
            Event::Snapshot {
                version,
                data,
                whole,
            } => {
                if whole || lane.version().is_none() {
                    lane.snapshot(&room.id, version, data, ring_bytes, deflater);
                } else {
                    lane.rebase(version, data, ring_bytes);
                }
                self.serve_waiting(key, lane_id, sink);
            }
            // Without a snapshot there is nothing to change; it is on its way, or its loss is seen by number.
            Event::Update { .. } if lane.version().is_none() => return Taken::Old,
            Event::Update { version, data, .. } if held => {
                lane.advance(&room.id, version, &data, ring_bytes, deflater);
                self.effects.counts().updates += 1;
            }
            Event::Update { version, data, .. } => {
                let taken = lane.update(&room.id, version, &data, ring_bytes, deflater);
                self.effects.counts().updates += u64::from(taken == Taken::New);
                return taken;
            }
            Event::Live(_) if lane.version().is_none() => {}
            Event::Live(data) => {
                let message = ServerMessage::Live {
                    room: &room.id,
                    data: &data,
                };
                lane.gather(&message, None, deflater);
            }
            Event::Presence(presence) => lane.set_presence(&room.id, Some(presence), deflater),
            Event::End(code) => self.end_lane(key, lane_id, &code, now, sink),
        }
        Taken::New
    }
}
