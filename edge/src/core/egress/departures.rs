//! What owners report of sessions: processed, gone, closed.

use grandstand_common::clock::Now;
use grandstand_common::envelope::ServerMessage;
use grandstand_common::error::ErrorKind;
use grandstand_common::id::{Epoch, Instance, Lane as LaneId, RoomId};
use grandstand_common::wire::{Body, Empty, Gone, Processed};

use crate::codec;
use crate::conn::transport::{ConnKey, Transport};
use crate::core::ingress::Refused;
use crate::core::rooms::delay::Event;
use crate::core::rooms::room::RoomKey;
use crate::core::{Core, Membership};

/// Whether a report is of a player who is taken for connected.
pub(crate) fn is_of_somebody(processed: &Processed) -> bool {
    !processed.ended && !processed.lost
}

impl Core {
    /// Sends the acks that are due, unless rejects may still have to come before them (D4).
    pub(crate) fn tell_acks(&mut self, key: RoomKey) {
        let Some(room) = self.rooms.get_mut(key).filter(|room| !room.syncing) else {
            return;
        };
        let owing = std::mem::take(&mut room.owing);
        let acks: Vec<_> = owing
            .iter()
            .filter_map(|session| room.seats.get_mut(session)?.take_ack())
            .collect();
        let id = room.id.clone();
        for (conn, seq) in acks {
            self.tell_behind(conn, &ServerMessage::Ack { room: &id, seq });
        }
    }

    pub(crate) fn on_processed(
        &mut self,
        key: RoomKey,
        processed: &Processed,
        now: Now,
        sink: &mut impl Transport,
    ) {
        let Some(room) = self.rooms.get_mut(key) else {
            return;
        };
        let (epoch, session) = (room.epoch, processed.session);
        let Some(seat) = room.seats.get_mut(&session) else {
            if is_of_somebody(processed) {
                let id = room.id.clone();
                self.disown(id.as_str(), now);
            }
            return;
        };
        seat.chain.processed(processed.n, processed.gap, now.at);
        if seat.epoch != epoch && seat.epoch != Epoch(0) {
            // A new owner: what it has not reported, it may never have seen (D3).
            seat.chain.restart(now.at);
        }
        seat.epoch = epoch;
        let first = !std::mem::replace(&mut seat.joined, true);
        seat.acked = seat.acked.max(processed.last_seq);
        seat.next_seq = seat.next_seq.max(seat.acked + 1);
        let conn = seat.conn;
        match first {
            // All rejects that there are have come with it.
            true => seat.told = seat.acked,
            false => room.owing.push(session),
        }
        if processed.ended && seat.conn.is_none() {
            room.seats.remove(&session);
            self.linger(key, now);
            return;
        }
        if processed.lost && conn.is_some() {
            self.push(key, session, Body::Here(Empty {}), now);
        }
        self.run_chain(key, session);
        self.hold_back(key, session, sink);
        let Some((conn, _)) = conn else { return };
        if first {
            if self.rooms[key].lanes[LaneId::Players.index()]
                .version()
                .is_none()
            {
                self.sync(key, now);
            }
            self.answer_join(conn, key, LaneId::Players, sink);
        }
    }

    /// A session counts no more: its window is dropped, its client leaves.
    ///
    /// Unless the answer is to an entry that came before its session's `Joined`, of which nothing was heard yet: then
    /// that is to be repeated, and it with it. Dropped, it could leave a player connected with nobody behind it.
    pub(crate) fn on_gone(
        &mut self,
        key: RoomKey,
        gone: &Gone,
        now: Now,
        sink: &mut impl Transport,
    ) {
        let (session, code) = (gone.session, gone.code.as_str());
        let Some(room) = self.rooms.get_mut(key) else {
            return;
        };
        if let Some(seat) = room.seats.get_mut(&session)
            && !seat.joined
            && gone.n > 0
            && code == ErrorKind::NotJoined.code()
        {
            if gone.round == seat.chain.round() {
                seat.chain.restart(now.at);
                self.run_chain(key, session);
            }
            return;
        }
        let Some(seat) = room.seats.remove(&session) else {
            return;
        };
        let id = room.id.clone();
        if let Some((conn, encoding)) = seat.conn {
            // If the join was never answered, this is its answer.
            let membership = self.dismiss(conn, key, now);
            let asked = membership.and_then(|m| m.resume.and_then(|resume| resume.id));
            let left = ServerMessage::Left {
                id: asked,
                room: &id,
                code,
            };
            sink.send_control(conn, &codec::message(encoding, &left));
            self.resume_reading(conn, sink);
            let nowhere = self
                .clients
                .get(conn)
                .is_some_and(|c| c.memberships.is_empty());
            if code == ErrorKind::Replaced.code() && nowhere {
                self.effects.counts().error(ErrorKind::Replaced);
                sink.close(conn, ErrorKind::Replaced);
            }
        }
        self.linger(key, now);
    }

    /// The room is over and deleted, or cannot be had: everybody leaves it, spectators when they have seen all of it.
    pub(crate) fn on_closed_room(
        &mut self,
        key: RoomKey,
        code: &str,
        now: Now,
        sink: &mut impl Transport,
    ) {
        for lane in LaneId::ALL {
            self.feed(key, lane, Event::End(code.to_owned()), now, sink);
        }
        self.cool(key);
        let room = &mut self.rooms[key];
        let epoch = room.epoch;
        room.begin(epoch, Instance(0));
        for lane in LaneId::ALL {
            self.feed(key, lane, Event::Begin(epoch, Instance(0)), now, sink);
        }
    }

    /// Everybody leaves a lane.
    pub(crate) fn end_lane(
        &mut self,
        key: RoomKey,
        lane: LaneId,
        code: &str,
        now: Now,
        sink: &mut impl Transport,
    ) {
        self.flush_whole_lane(key, lane, sink);
        let room = &mut self.rooms[key];
        let id = room.id.clone();
        let mut conns = std::mem::take(&mut room.waiting[lane.index()]);
        let members = room.lanes[lane.index()].members();
        conns.extend(members.iter().map(|m| m.conn));
        if lane == LaneId::Players {
            let seats = std::mem::take(&mut room.seats).into_values();
            conns.extend(seats.filter_map(|seat| seat.conn).map(|(conn, _)| conn));
        }
        room.lanes[lane.index()].set_presence(&id, None, &mut self.deflater);
        for conn in conns {
            let Some(membership) = self.dismiss(conn, key, now) else {
                continue;
            };
            self.resume_reading(conn, sink);
            self.tell_closed(conn, (membership, &id), code, sink);
        }
        self.linger(key, now);
    }

    fn tell_closed(
        &mut self,
        conn: ConnKey,
        (membership, room): (Membership, &RoomId),
        code: &str,
        sink: &mut impl Transport,
    ) {
        if code == ErrorKind::Finished.code() {
            let Some(client) = self.clients.get(conn) else {
                return;
            };
            let left = ServerMessage::Left {
                id: None,
                room,
                code,
            };
            sink.send_control(conn, &codec::message(client.form.encoding, &left));
            return;
        }
        let answers = membership.resume.and_then(|r| r.id);
        let message = if code == ErrorKind::NoSuchGame.code() {
            "no worker knows the game that the room's name begins with"
        } else {
            "this room cannot be had"
        };
        self.refuse_join(conn, code, message, (answers, room), sink);
    }

    pub(crate) fn refuse_join(
        &mut self,
        conn: ConnKey,
        code: &str,
        message: &str,
        (id, room): (Option<u64>, &RoomId),
        sink: &mut impl Transport,
    ) {
        // The code may be the game's own, which the counters know nothing of.
        match ErrorKind::ALL.into_iter().find(|k| k.code() == code) {
            Some(kind) => self.refuse(conn, &Refused::new(kind, message, id, Some(room)), sink),
            None => {
                let Some(client) = self.clients.get(conn) else {
                    return;
                };
                let error = ServerMessage::Error {
                    id,
                    code,
                    message,
                    room: Some(room),
                    seq: None,
                };
                sink.send_control(conn, &codec::message(client.form.encoding, &error));
            }
        }
    }
}
