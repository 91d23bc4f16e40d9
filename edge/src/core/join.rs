//! `join` and `leave`: how sessions begin and end.

use grandstand_common::envelope::{Join, Role, ServerMessage};
use grandstand_common::error::ErrorKind;
use grandstand_common::id::{Lane as LaneId, RoomId};
use grandstand_common::wire::{self, Body, Empty};
use rand::{Rng, RngExt};

use crate::codec;
use crate::conn::transport::{ConnKey, Transport};
use crate::core::ingress::Refused;
use crate::core::rooms::chain::Chain;
use crate::core::rooms::room::{Resume, Seat};
use crate::core::{Core, Membership};
use grandstand_common::clock::Now;

impl Core {
    pub(crate) fn on_join(
        &mut self,
        conn: ConnKey,
        id: Option<u64>,
        join: Join,
        now: Now,
        sink: &mut impl Transport,
    ) {
        let Some(client) = self.clients.get_mut(conn) else {
            return;
        };
        let room = &join.room;
        let Some((granted, options)) = client.grants.role(room) else {
            let message = "the token does not allow this room";
            return self.refuse(
                conn,
                &Refused::new(ErrorKind::Forbidden, message, id, Some(room)),
                sink,
            );
        };
        let role = join.role.unwrap_or(granted);
        if role > granted {
            let message = "the token allows this room to spectators only";
            return self.refuse(
                conn,
                &Refused::new(ErrorKind::Forbidden, message, id, Some(room)),
                sink,
            );
        }
        let resume = Resume {
            id,
            since: join.since.zip(join.epoch.clone()),
            greeted: false,
        };
        let key = self.names.get(room).copied();
        if let Some(membership) = key.and_then(|key| client.membership(key)) {
            membership.resume = Some(Box::new(resume));
            if membership.answered {
                let (key, lane) = (membership.room, membership.lane);
                self.answer_join(conn, key, lane, sink);
            }
            return;
        }
        if client.memberships.len() as u64 >= self.config.limits.rooms {
            let message = "this connection is in as many rooms as it may be: leave one first";
            return self.refuse(
                conn,
                &Refused::new(ErrorKind::RateLimited, message, id, Some(room)),
                sink,
            );
        }
        let (encoding, player) = (client.form.encoding, client.grants.player().clone());
        let key = self.room(room);
        let lane = if role == Role::Player {
            LaneId::Players
        } else {
            LaneId::Spectators
        };
        let session = if role == Role::Player {
            self.rng.random::<u64>().max(1)
        } else {
            0
        };
        let membership = Membership {
            room: key,
            lane,
            session,
            slot: None,
            answered: false,
            resume: Some(Box::new(resume)),
        };
        if let Some(client) = self.clients.get_mut(conn) {
            client.memberships.push(membership);
        }
        self.rooms[key].members[lane.index()] += 1;
        self.rooms[key].empty_since = None;
        match role {
            Role::Player => {
                let mut seed = [0; 32];
                self.rng.fill_bytes(&mut seed);
                let joined = wire::Joined {
                    client: join.client.unwrap_or_default(),
                    attempt: join.attempt,
                    seed: seed.to_vec().into(),
                    params: join.params.unwrap_or_default(),
                    options: options.unwrap_or_default(),
                };
                let chain = Chain::new(
                    player.as_str(),
                    session,
                    self.edge.as_str(),
                    self.config.chain,
                    now.at,
                );
                let room = &mut self.rooms[key];
                room.seats
                    .insert(session, Seat::new(player, conn, encoding, chain));
                // The entry makes the owner send the lane here: there is no need to ask for it.
                room.watched[lane.index()] = true;
                self.push(key, session, Body::Joined(joined), now);
            }
            Role::Spectator => {
                let room = &self.rooms[key];
                let shown = room.lanes[lane.index()].version().is_some();
                if shown || room.absent || room.known_version(lane).is_some() {
                    self.answer_join(conn, key, lane, sink);
                    self.watch(key, lane, now);
                } else {
                    let room = &mut self.rooms[key];
                    room.waiting[lane.index()].push(conn);
                    room.watched[lane.index()] = true;
                    self.sync(key, now);
                }
                self.viewers_changed(key, now.at);
            }
        }
    }

    pub(crate) fn on_leave(
        &mut self,
        conn: ConnKey,
        id: Option<u64>,
        room: &RoomId,
        now: Now,
        sink: &mut impl Transport,
    ) {
        let Some(key) = self.joined_room(conn, id, room, sink) else {
            return;
        };
        if let Some(membership) = self.dismiss(conn, key, now) {
            if membership.lane == LaneId::Players {
                self.end_seat(key, membership.session, Body::Left(Empty {}), now);
            }
            let Some(client) = self.clients.get(conn) else {
                return;
            };
            let left = ServerMessage::Left {
                id,
                room,
                code: "left",
            };
            sink.send_control(conn, &codec::message(client.form.encoding, &left));
            self.resume_reading(conn, sink);
        }
    }
}
