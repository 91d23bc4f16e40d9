//! What clients send: from messages to entries of the log.

pub mod chain;

use std::sync::Arc;
use std::time::Instant;

use grandstand_common::envelope::{
    ClientKind, ClientMessage, DecodeError, Encoding, Join, Role, ServerMessage, decode_client,
};
use grandstand_common::error::ErrorKind;
use grandstand_common::id::{Lane as LaneId, RoomId};
use grandstand_common::wire::{self, Body, Empty};
use grandstand_common::{data::Data, subject};
use prost::Message;
use rand::{Rng, RngExt};

use crate::core::{Command, Core, Membership, Now, Receipt, Timer};
use crate::frames;
use crate::hub::room::{Resume, RoomKey, Seat};
use crate::ingress::chain::Chain;
use crate::sink::{ConnKey, Sink};

/// Why a client's message was not taken, and what it is about.
pub(crate) struct Refused<'a> {
    kind: ErrorKind,
    message: &'a str,
    id: Option<u64>,
    room: Option<&'a RoomId>,
    seq: Option<u64>,
}

impl<'a> Refused<'a> {
    pub(crate) fn new(
        kind: ErrorKind,
        message: &'a str,
        id: Option<u64>,
        room: Option<&'a RoomId>,
    ) -> Self {
        Self {
            kind,
            message,
            id,
            room,
            seq: None,
        }
    }
}

impl Core {
    /// A whole message of a client's.
    pub fn handle_message(
        &mut self,
        conn: ConnKey,
        binary: bool,
        payload: &[u8],
        now: Now,
        sink: &mut impl Sink,
    ) {
        let Some(client) = self.clients.get(&conn) else {
            return;
        };
        if binary != (client.encoding == Encoding::Proto) {
            self.counts.error(ErrorKind::Unsupported);
            sink.close(conn, ErrorKind::Unsupported);
            return;
        }
        self.counts.messages_in += 1;
        if !self.within_budget(conn, now.at) {
            let message = "too many messages: slow down";
            self.refuse(
                conn,
                &Refused::new(ErrorKind::RateLimited, message, None, None),
                sink,
            );
            return;
        }
        let encoding = if binary {
            Encoding::Proto
        } else {
            Encoding::Json
        };
        match decode_client(encoding, payload) {
            Ok(message) => self.on_message(conn, message, now, sink),
            Err(error) => {
                let DecodeError {
                    kind,
                    message,
                    id,
                    room,
                    seq,
                } = &*error;
                let refused = Refused {
                    kind: *kind,
                    message,
                    id: *id,
                    room: room.as_ref(),
                    seq: *seq,
                };
                self.refuse(conn, &refused, sink);
            }
        }
    }

    /// An append was stored under a sequence, or (`None`) may not have been.
    pub fn handle_appended(&mut self, receipt: Receipt, stored: Option<u64>, now: Now) {
        let Receipt {
            room,
            session,
            n,
            round,
        } = receipt;
        let Some(seat) = self
            .rooms
            .get_mut(room)
            .and_then(|r| r.seats.get_mut(&session))
        else {
            return;
        };
        match stored {
            Some(seq) => seat.chain.stored(n, round, seq, now.at),
            None => {
                self.counts.appends_failed += 1;
                seat.chain.failed(n, round, now.at);
            }
        }
        self.run_chain(room, session);
    }

    fn within_budget(&mut self, conn: ConnKey, now: Instant) -> bool {
        let (rate, burst) = (
            self.config.messages_per_s as f32,
            self.config.message_burst as f32,
        );
        let Some(client) = self.clients.get_mut(&conn).filter(|_| rate > 0.0) else {
            return true;
        };
        let earned = now
            .saturating_duration_since(client.budget_at)
            .as_secs_f32()
            * rate;
        client.budget = (client.budget + earned).min(burst.max(1.0));
        client.budget_at = now;
        let within = client.budget >= 1.0;
        if within {
            client.budget -= 1.0;
        }
        within
    }

    pub(crate) fn refuse(&mut self, conn: ConnKey, refused: &Refused<'_>, sink: &mut impl Sink) {
        let Some(client) = self.clients.get(&conn) else {
            return;
        };
        self.counts.error(refused.kind);
        let Refused {
            kind,
            message,
            id,
            room,
            seq,
        } = *refused;
        let error = ServerMessage::Error {
            id,
            code: kind.code(),
            message,
            room,
            seq,
        };
        sink.send_control(conn, &frames::message(client.encoding, &error));
    }

    fn on_message(
        &mut self,
        conn: ConnKey,
        message: ClientMessage,
        now: Now,
        sink: &mut impl Sink,
    ) {
        let id = message.id;
        match message.kind {
            ClientKind::Join(join) => self.on_join(conn, id, join, now, sink),
            ClientKind::Leave { room } => self.on_leave(conn, id, &room, now, sink),
            ClientKind::Input { room, seq, data } => {
                self.on_input(conn, &room, Numbered { id, seq, data }, now, sink)
            }
            ClientKind::Live { room, data } => self.on_live(conn, id, &room, data, sink),
            ClientKind::Ping => {
                if let Some(client) = self.clients.get(&conn) {
                    let pong = ServerMessage::Pong {
                        id,
                        time_ms: now.unix_ms,
                    };
                    sink.send_control(conn, &frames::message(client.encoding, &pong));
                }
            }
            ClientKind::Auth { token } => self.on_auth(conn, id, &token, now, sink),
        }
    }

    fn on_join(
        &mut self,
        conn: ConnKey,
        id: Option<u64>,
        join: Join,
        now: Now,
        sink: &mut impl Sink,
    ) {
        let Some(client) = self.clients.get_mut(&conn) else {
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
        let (encoding, player) = (client.encoding, client.grants.player().clone());
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
        if let Some(client) = self.clients.get_mut(&conn) {
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
                if room.lanes[lane.index()].version().is_some() || room.absent {
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

    fn on_leave(
        &mut self,
        conn: ConnKey,
        id: Option<u64>,
        room: &RoomId,
        now: Now,
        sink: &mut impl Sink,
    ) {
        let Some(key) = self.joined_room(conn, id, room, sink) else {
            return;
        };
        if let Some(membership) = self.dismiss(conn, key, now) {
            if membership.lane == LaneId::Players {
                self.end_seat(key, membership.session, Body::Left(Empty {}), now);
            }
            let Some(client) = self.clients.get(&conn) else {
                return;
            };
            let left = ServerMessage::Left {
                id,
                room,
                code: "left",
            };
            sink.send_control(conn, &frames::message(client.encoding, &left));
            self.resume_reading(conn, sink);
        }
    }

    fn on_input(
        &mut self,
        conn: ConnKey,
        room: &RoomId,
        input: Numbered,
        now: Now,
        sink: &mut impl Sink,
    ) {
        let Numbered { id, seq, data } = input;
        let Some(key) = self.joined_room(conn, id, room, sink) else {
            return;
        };
        let Some((session, seat)) = self.seat_of(conn, key) else {
            let message = "spectators only watch: join as a player";
            return self.refuse(
                conn,
                &Refused::new(ErrorKind::Forbidden, message, id, Some(room)),
                sink,
            );
        };
        if !seat.joined {
            let message = "wait for `joined` before you send inputs";
            let refused = Refused {
                seq: Some(seq),
                ..Refused::new(ErrorKind::NotJoined, message, id, Some(room))
            };
            return self.refuse(conn, &refused, sink);
        }
        if seq == 0 || seq > seat.next_seq {
            let message = format!(
                "the next input is seq {}: inputs are numbered 1, 2, 3 …",
                seat.next_seq
            );
            let refused = Refused {
                seq: Some(seq),
                ..Refused::new(ErrorKind::BadSeq, &message, id, Some(room))
            };
            return self.refuse(conn, &refused, sink);
        }
        if seq < seat.next_seq {
            return self.answer_repeat(conn, key, session, seq, sink);
        }
        seat.next_seq += 1;
        self.counts.inputs += 1;
        self.push(
            key,
            session,
            Body::Input(wire::Input {
                seq,
                data: Some(data),
            }),
            now,
        );
        self.hold_back(key, session, sink);
    }

    /// A repeat is answered again if the owner has reported it; else its answer is on its way.
    fn answer_repeat(
        &mut self,
        conn: ConnKey,
        key: RoomKey,
        session: u64,
        seq: u64,
        sink: &mut impl Sink,
    ) {
        let (Some(client), Some(room)) = (self.clients.get(&conn), self.rooms.get(key)) else {
            return;
        };
        let Some(seat) = room.seats.get(&session).filter(|s| seq <= s.acked) else {
            return;
        };
        let mut out = Vec::new();
        if let Some(r) = seat.rejects.iter().find(|r| r.seq == seq) {
            let reject = ServerMessage::Reject {
                room: &room.id,
                seq,
                code: &r.code,
                message: &r.message,
            };
            frames::put_message(&mut out, client.encoding, &reject);
        }
        frames::put_message(
            &mut out,
            client.encoding,
            &ServerMessage::Ack {
                room: &room.id,
                seq: seat.acked,
            },
        );
        sink.send_control(conn, &out.into());
    }

    fn on_live(
        &mut self,
        conn: ConnKey,
        id: Option<u64>,
        room: &RoomId,
        data: Data,
        sink: &mut impl Sink,
    ) {
        let Some(key) = self.joined_room(conn, id, room, sink) else {
            return;
        };
        let Some((session, seat)) = self.seat_of(conn, key) else {
            let message = "spectators only watch: join as a player";
            return self.refuse(
                conn,
                &Refused::new(ErrorKind::Forbidden, message, id, Some(room)),
                sink,
            );
        };
        if !seat.joined {
            let message = "wait for `joined` before you send live messages";
            return self.refuse(
                conn,
                &Refused::new(ErrorKind::NotJoined, message, id, Some(room)),
                sink,
            );
        }
        let player = seat.player.as_str().to_owned();
        let live = wire::Live {
            room: room.as_str().to_owned(),
            session,
            player,
            data: Some(data),
        };
        let subject = subject::live(self.rooms[key].partition);
        self.commands.push_back(Command::Publish {
            subject,
            payload: live.encode_to_vec().into(),
        });
    }

    fn on_auth(
        &mut self,
        conn: ConnKey,
        id: Option<u64>,
        token: &str,
        now: Now,
        sink: &mut impl Sink,
    ) {
        let Some(client) = self.clients.get_mut(&conn) else {
            return;
        };
        let renewed = match &self.verifier {
            Some(verifier) => verifier
                .verify(token, now.unix_ms)
                .and_then(|new| new.renews(&client.grants).map(|()| new)),
            None => {
                let message = "this edge takes no tokens";
                return self.refuse(
                    conn,
                    &Refused::new(ErrorKind::Unauthenticated, message, id, None),
                    sink,
                );
            }
        };
        let renewed = match renewed {
            Ok(renewed) => renewed,
            Err(error) => {
                return self.refuse(
                    conn,
                    &Refused::new(error.kind(), &error.to_string(), id, None),
                    sink,
                );
            }
        };
        client.warned = false;
        let (expires, encoding) = (renewed.expires_ms(), client.encoding);
        client.grants = Arc::new(renewed);
        self.arm_token(conn, expires, now);
        let notice = ServerMessage::Notice {
            id,
            code: "token_renewed",
            reconnect_in_ms: None,
        };
        sink.send_control(conn, &frames::message(encoding, &notice));
    }

    /// The room, if this connection is in it; else the client is told that it is not.
    fn joined_room(
        &mut self,
        conn: ConnKey,
        id: Option<u64>,
        room: &RoomId,
        sink: &mut impl Sink,
    ) -> Option<RoomKey> {
        let key = self.names.get(room).copied();
        let member = key.is_some_and(|k| {
            self.clients
                .get_mut(&conn)
                .is_some_and(|c| c.membership(k).is_some())
        });
        if !member {
            let message = "join the room first";
            self.refuse(
                conn,
                &Refused::new(ErrorKind::NotJoined, message, id, Some(room)),
                sink,
            );
        }
        key.filter(|_| member)
    }

    fn seat_of(&mut self, conn: ConnKey, key: RoomKey) -> Option<(u64, &mut Seat)> {
        let session = self.clients.get_mut(&conn)?.membership(key)?.session;
        Some((session, self.rooms.get_mut(key)?.seats.get_mut(&session)?))
    }

    /// A session ends for this edge: its last entry goes out, its window stays until the owner has it.
    pub(crate) fn end_seat(&mut self, key: RoomKey, session: u64, last: Body, now: Now) {
        let Some(seat) = self
            .rooms
            .get_mut(key)
            .and_then(|r| r.seats.get_mut(&session))
        else {
            return;
        };
        seat.conn = None;
        self.push(key, session, last, now);
    }

    pub(crate) fn lose_seat(&mut self, key: RoomKey, session: u64, now: Now) {
        self.end_seat(key, session, Body::Lost(Empty {}), now);
    }

    pub(crate) fn push(&mut self, key: RoomKey, session: u64, body: Body, now: Now) {
        if let Some(seat) = self
            .rooms
            .get_mut(key)
            .and_then(|r| r.seats.get_mut(&session))
        {
            seat.chain.push(body, now.at);
            self.run_chain(key, session);
        }
    }

    /// Takes a chain's outgoing entries to the bus and sets its timer.
    pub(crate) fn run_chain(&mut self, key: RoomKey, session: u64) {
        let Some(room) = self.rooms.get_mut(key) else {
            return;
        };
        let Some(seat) = room.seats.get_mut(&session) else {
            return;
        };
        while let Some(out) = seat.chain.poll_outgoing() {
            let receipt = Receipt {
                room: key,
                session,
                n: out.n,
                round: out.round,
            };
            let subject = subject::log(room.partition, &room.id);
            self.commands.push_back(Command::Append {
                subject,
                payload: out.payload,
                receipt,
            });
        }
        if let Some(at) = seat.chain.poll_timeout()
            && seat.timer.is_none_or(|armed| at < armed)
        {
            seat.timer = Some(at);
            self.timers.insert(at, Timer::Chain(key, session));
        }
    }

    pub(crate) fn on_chain_timer(&mut self, key: RoomKey, session: u64, now: Now) {
        let Some(seat) = self
            .rooms
            .get_mut(key)
            .and_then(|r| r.seats.get_mut(&session))
        else {
            return;
        };
        seat.timer = None;
        if self.bus_up && seat.chain.poll_timeout().is_some_and(|at| at <= now.at) {
            let round = seat.chain.round();
            seat.chain.handle_timeout(now.at);
            self.counts.chain_restarts += u64::from(seat.chain.round() != round);
        }
        if self.bus_up {
            self.run_chain(key, session);
        }
    }

    /// The bus is back: whatever was not reported may have been lost or reordered (D3).
    pub(crate) fn restart_chains(&mut self, now: Now) {
        let mut seats = Vec::new();
        for (key, room) in &mut self.rooms {
            for (&session, seat) in &mut room.seats {
                seat.chain.restart(now.at);
                seats.push((key, session));
            }
        }
        for (key, session) in seats {
            self.run_chain(key, session);
        }
    }

    /// Stops reading from a connection whose window is full, and reads again when it is not.
    pub(crate) fn hold_back(&mut self, key: RoomKey, session: u64, sink: &mut impl Sink) {
        let Some(seat) = self
            .rooms
            .get_mut(key)
            .and_then(|r| r.seats.get_mut(&session))
        else {
            return;
        };
        let full = seat.chain.is_full();
        if full == seat.paused {
            return;
        }
        seat.paused = full;
        if let Some((conn, _)) = seat.conn {
            self.resume_reading(conn, sink);
        }
    }

    /// Reads from a connection unless one of its windows is full.
    pub(crate) fn resume_reading(&self, conn: ConnKey, sink: &mut impl Sink) {
        let Some(client) = self.clients.get(&conn) else {
            return;
        };
        let any = client.memberships.iter().any(|m| {
            self.rooms
                .get(m.room)
                .and_then(|r| r.seats.get(&m.session))
                .is_some_and(|s| s.paused)
        });
        sink.pause(conn, any);
    }
}

/// An input with what it is answered by.
struct Numbered {
    id: Option<u64>,
    seq: u64,
    data: Data,
}
