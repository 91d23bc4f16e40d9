//! What clients send: from messages to entries of the log.

mod input;

use std::time::Instant;

use grandstand_common::envelope::{
    ClientKind, ClientMessage, DecodeError, Encoding, ServerMessage, decode_client,
};
use grandstand_common::error::ErrorKind;
use grandstand_common::id::RoomId;

use crate::codec;
use crate::conn::transport::{ConnKey, Transport};
use crate::core::Core;
use crate::core::ingress::input::Numbered;
use crate::core::rooms::room::{RoomKey, Seat};
use grandstand_common::clock::Now;

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
        sink: &mut impl Transport,
    ) {
        let Some(client) = self.clients.get(conn) else {
            return;
        };
        if binary != (client.form.encoding == Encoding::Proto) {
            self.effects.counts().error(ErrorKind::Unsupported);
            sink.close(conn, ErrorKind::Unsupported);
            return;
        }
        self.effects.counts().messages_in += 1;
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

    fn within_budget(&mut self, conn: ConnKey, now: Instant) -> bool {
        let (rate, burst) = (
            self.config.messages_per_s as f32,
            self.config.message_burst as f32,
        );
        let now = self.coarse(now);
        let Some(client) = self.clients.get_mut(conn).filter(|_| rate > 0.0) else {
            return true;
        };
        let earned = now.since(client.budget_at).as_secs_f32() * rate;
        client.budget = (client.budget + earned).min(burst.max(1.0));
        client.budget_at = now;
        let within = client.budget >= 1.0;
        if within {
            client.budget -= 1.0;
        }
        within
    }

    pub(crate) fn refuse(
        &mut self,
        conn: ConnKey,
        refused: &Refused<'_>,
        sink: &mut impl Transport,
    ) {
        let Some(client) = self.clients.get(conn) else {
            return;
        };
        self.effects.counts().error(refused.kind);
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
        sink.send_control(conn, &codec::message(client.form.encoding, &error));
    }

    fn on_message(
        &mut self,
        conn: ConnKey,
        message: ClientMessage,
        now: Now,
        sink: &mut impl Transport,
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
                if let Some(client) = self.clients.get(conn) {
                    let pong = ServerMessage::Pong {
                        id,
                        time_ms: now.unix_ms,
                    };
                    sink.send_control(conn, &codec::message(client.form.encoding, &pong));
                }
            }
            ClientKind::Auth { token } => self.on_auth(conn, id, &token, now, sink),
        }
    }

    fn on_auth(
        &mut self,
        conn: ConnKey,
        id: Option<u64>,
        token: &str,
        now: Now,
        sink: &mut impl Transport,
    ) {
        let Some(client) = self.clients.get_mut(conn) else {
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
        let encoding = client.form.encoding;
        client.grants = self.kept.share(renewed);
        self.arm_token(conn, now);
        let notice = ServerMessage::Notice {
            id,
            code: "token_renewed",
            reconnect_in_ms: None,
        };
        sink.send_control(conn, &codec::message(encoding, &notice));
    }

    /// The room, if this connection is in it; else the client is told that it is not.
    pub(crate) fn joined_room(
        &mut self,
        conn: ConnKey,
        id: Option<u64>,
        room: &RoomId,
        sink: &mut impl Transport,
    ) -> Option<RoomKey> {
        let key = self.names.get(room).copied();
        let member = key.is_some_and(|k| {
            self.clients
                .get_mut(conn)
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
        let session = self.clients.get_mut(conn)?.membership(key)?.session;
        Some((session, self.rooms.get_mut(key)?.seats.get_mut(&session)?))
    }
}
