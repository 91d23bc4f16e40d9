//! Inputs, which are logged, and live messages, which are not.

use grandstand_common::data::Data;
use grandstand_common::envelope::ServerMessage;
use grandstand_common::error::ErrorKind;
use grandstand_common::id::RoomId;
use grandstand_common::subject;
use grandstand_common::wire::{self, Body};
use prost::Message;

use crate::codec;
use crate::conn::transport::{ConnKey, Transport};
use crate::core::ingress::Refused;
use crate::core::rooms::room::RoomKey;
use crate::core::{Command, Core};
use grandstand_common::clock::Now;

/// An input with what it is answered by.
pub(crate) struct Numbered {
    pub(crate) id: Option<u64>,
    pub(crate) seq: u64,
    pub(crate) data: Data,
}

/// Commands that may wait for the bus before live messages are dropped.
const MOST_COMMANDS: usize = 8192;

impl Core {
    pub(crate) fn on_input(
        &mut self,
        conn: ConnKey,
        room: &RoomId,
        input: Numbered,
        now: Now,
        sink: &mut impl Transport,
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
        self.effects.counts().inputs += 1;
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
        sink: &mut impl Transport,
    ) {
        let (Some(client), Some(room)) = (self.clients.get(conn), self.rooms.get(key)) else {
            return;
        };
        let Some(seat) = room.seats.get(&session).filter(|s| seq <= s.told) else {
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
            codec::put_message(&mut out, client.form.encoding, &reject);
        }
        codec::put_message(
            &mut out,
            client.form.encoding,
            &ServerMessage::Ack {
                room: &room.id,
                seq: seat.told,
            },
        );
        sink.send_control(conn, &out.into());
    }

    pub(crate) fn on_live(
        &mut self,
        conn: ConnKey,
        id: Option<u64>,
        room: &RoomId,
        data: Data,
        sink: &mut impl Transport,
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
        if self.effects.waiting_commands() >= MOST_COMMANDS {
            self.effects.counts().live_dropped += 1;
            return;
        }
        let live = wire::Live {
            room: room.as_str().to_owned(),
            session,
            player,
            data: Some(data),
        };
        let subject = subject::live(self.rooms[key].partition);
        self.effects.command(Command::Publish {
            subject,
            payload: live.encode_to_vec().into(),
        });
    }
}
