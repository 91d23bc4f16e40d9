//! Answers to `join`, and departures.

use grandstand_common::envelope::{Role, ServerMessage};
use grandstand_common::id::{Instance, Lane as LaneId, RoomId};

use crate::codec::{self, put_message};
use crate::conn::transport::{ConnKey, SendStatus, Transport};
use crate::core::rooms::room::{Room, RoomKey};
use crate::core::{Core, Membership, Timer};
use grandstand_common::clock::Now;

impl Core {
    /// The room of this name; a new one if nobody here has been in it.
    pub(crate) fn room(&mut self, id: &RoomId) -> RoomKey {
        if let Some(&key) = self.names.get(id) {
            return key;
        }
        let partition = id.partition(self.config.partitions);
        let key = self.rooms.insert(Room::new(id.clone(), partition));
        self.names.insert(id.clone(), key);
        self.watches[usize::from(partition.0)].rooms.insert(key);
        key
    }

    /// Answers a `join`: `joined`, then what the client lacks, in the protocol's order. Waits for the lane's first snapshot
    /// with what comes behind `joined`.
    pub(crate) fn answer_join(
        &mut self,
        conn: ConnKey,
        key: RoomKey,
        lane: LaneId,
        sink: &mut impl Transport,
    ) {
        let Some(room) = self.rooms.get_mut(key) else {
            return;
        };
        let Some(client) = self.clients.get_mut(conn) else {
            return;
        };
        let form = client.form;
        let encoding = form.encoding;
        let Some(membership) = client.membership(key) else {
            return;
        };
        let (mut out, mut greets) = (Vec::new(), false);
        if let Some(resume) = &mut membership.resume
            && !resume.greeted
        {
            let shown = match room.lanes[lane.index()].version() {
                // It is not to be seen yet.
                None if room.known_version(lane).is_some() => Instance(0),
                _ => room.lanes[lane.index()].instance(),
            };
            let instance = shown.to_string();
            let joined = ServerMessage::Joined {
                id: resume.id,
                room: &room.id,
                role: if lane == LaneId::Players {
                    Role::Player
                } else {
                    Role::Spectator
                },
                instance: (shown.0 != 0).then_some(instance.as_str()),
                last_seq: room.seats.get(&membership.session).map_or(0, |s| s.told),
            };
            put_message(&mut out, encoding, &joined);
            resume.greeted = true;
            greets = true;
            membership.answered = true;
        }
        let since = membership.resume.as_ref().and_then(|r| r.since.as_ref());
        let missed =
            since.and_then(|(v, e)| room.lanes[lane.index()].missed(&room.id, encoding, *v, e));
        let frames = missed
            .or_else(|| room.lanes[lane.index()].catch_up(&room.id, form, &mut self.deflater));
        if frames.is_none() && membership.slot.is_none() {
            let waiting = &mut room.waiting[lane.index()];
            if !waiting.contains(&conn) {
                waiting.push(conn);
            }
        } else {
            // Without frames, a member gets the lane's next snapshot with all others.
            out.extend_from_slice(&frames.unwrap_or_default());
            membership.resume = None;
            match membership.slot {
                Some(slot) => room.lanes[lane.index()].served(slot),
                None => membership.slot = Some(room.lanes[lane.index()].add(conn, form)),
            }
            if let Some(seat) = room.seats.get_mut(&membership.session) {
                seat.served = true;
                seat.put_private(&mut out, encoding, &room.id);
                if seat.acked > seat.told {
                    room.owing.push(membership.session);
                }
            }
            if let Some(presence) = room.lanes[lane.index()].presence() {
                let message = super::flush::presence_message(&room.id, presence);
                put_message(&mut out, encoding, &message);
            }
        }
        if greets {
            // Nothing says `joined` again, so it must not be dropped.
            sink.send_control(conn, &out.into());
        } else if !out.is_empty() && sink.send(conn, &out.into()) == SendStatus::Full {
            self.fall_behind(conn, sink);
        }
    }

    /// A lane has a snapshot at last: serves who waits for it.
    pub(crate) fn serve_waiting(&mut self, key: RoomKey, lane: LaneId, sink: &mut impl Transport) {
        let waiting = std::mem::take(&mut self.rooms[key].waiting[lane.index()]);
        for conn in waiting {
            // A player's answer begins when the owner has taken its `Joined`.
            let answered = self
                .clients
                .get_mut(conn)
                .and_then(|c| c.membership(key))
                .is_some_and(|m| m.answered);
            if answered || lane == LaneId::Spectators {
                self.answer_join(conn, key, lane, sink);
            }
        }
    }

    /// Takes a connection out of a room, without a word to anybody. Returns what it was there.
    pub(crate) fn dismiss(&mut self, conn: ConnKey, key: RoomKey, now: Now) -> Option<Membership> {
        let client = self.clients.get_mut(conn)?;
        let at = client.memberships.iter().position(|m| m.room == key)?;
        let membership = client.memberships.swap_remove(at);
        self.depart(conn, &membership, now);
        Some(membership)
    }

    /// Frees the place that a membership held.
    pub(crate) fn depart(&mut self, conn: ConnKey, membership: &Membership, now: Now) {
        let (key, lane) = (membership.room, membership.lane);
        let Some(room) = self.rooms.get_mut(key) else {
            return;
        };
        room.members[lane.index()] -= 1;
        if membership.slot.is_none() {
            room.waiting[lane.index()].retain(|&c| c != conn);
        }
        if let Some(slot) = membership.slot {
            for (moved, to) in room.lanes[lane.index()].remove(slot) {
                if let Some(m) = self.clients.get_mut(moved).and_then(|c| c.membership(key)) {
                    m.slot = Some(to);
                }
            }
        }
        if lane == LaneId::Spectators {
            self.viewers_changed(key, now.at);
        }
        self.linger(key, now);
    }

    /// Starts the time for which an empty room is still watched.
    pub(crate) fn linger(&mut self, key: RoomKey, now: Now) {
        let Some(room) = self.rooms.get_mut(key) else {
            return;
        };
        if room.is_idle() && room.empty_since.is_none() {
            room.empty_since = Some(now.at);
            self.effects
                .at(now.at + self.config.linger, Timer::Linger(key));
        }
    }

    pub(crate) fn on_linger_timer(&mut self, key: RoomKey, now: Now) {
        let Some(room) = self.rooms.get(key) else {
            return;
        };
        let Some(since) = room.empty_since.filter(|_| room.is_idle()) else {
            return;
        };
        if now.at < since + self.config.linger {
            self.effects
                .at(since + self.config.linger, Timer::Linger(key));
            return;
        }
        self.unwatch(key, now);
    }

    /// Forgets a room that the owner need not tell this edge about any more.
    pub(crate) fn remove_room(&mut self, key: RoomKey) {
        self.cool(key);
        if let Some(room) = self.rooms.try_remove(key) {
            self.names.remove(&room.id);
            self.watches[usize::from(room.partition.0)].forget(key);
            self.viewers_due.remove(&key);
            self.held.remove(&key);
        }
    }

    /// A connection does not keep up: what waits for it is dropped, and it is served anew when its socket has drained.
    pub(crate) fn fall_behind(&mut self, conn: ConnKey, sink: &mut impl Transport) {
        let Some(client) = self.clients.get(conn) else {
            return;
        };
        self.effects.counts().stale += 1;
        let plays = client.memberships.iter().any(|m| m.lane == LaneId::Players);
        if plays && self.config.close_slow_players {
            self.effects
                .counts()
                .error(grandstand_common::error::ErrorKind::TooSlow);
            sink.close(conn, grandstand_common::error::ErrorKind::TooSlow);
            return;
        }
        self.serve_anew(conn, sink);
    }

    /// Drops what waits for a connection, which is sent the latest of all its rooms when its socket takes it.
    pub(crate) fn serve_anew(&mut self, conn: ConnKey, sink: &mut impl Transport) {
        let Some(client) = self.clients.get(conn) else {
            return;
        };
        sink.discard(conn);
        for membership in &client.memberships {
            if let (Some(slot), Some(room)) = (membership.slot, self.rooms.get_mut(membership.room))
            {
                room.lanes[membership.lane.index()].mark_stale(slot);
            }
        }
    }

    /// A connection's outbox has run empty: what it missed meanwhile is made up for.
    pub fn handle_drained(&mut self, conn: ConnKey, sink: &mut impl Transport) {
        let Some(client) = self.clients.get(conn) else {
            return;
        };
        let stale: Vec<_> = client
            .memberships
            .iter()
            .filter(|m| {
                let member = m.slot.and_then(|s| {
                    self.rooms.get(m.room)?.lanes[m.lane.index()]
                        .members()
                        .get(s as usize)
                });
                member.is_some_and(|m| m.stale)
            })
            .map(|m| (m.room, m.lane))
            .collect();
        for (key, lane) in stale {
            self.answer_join(conn, key, lane, sink);
        }
    }

    /// Sends one message to one connection behind what the players' lanes are about to be sent.
    pub(crate) fn tell_behind(&mut self, conn: ConnKey, message: &ServerMessage<'_>) {
        if let Some(client) = self.clients.get(conn) {
            self.effects
                .after_players(conn, codec::message(client.form.encoding, message));
        }
    }
}
