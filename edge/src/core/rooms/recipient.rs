//! A player to whom the owner's messages for this player only are passed on.

use bytes::Bytes;
use grandstand_common::data::Data;
use grandstand_common::envelope::{Encoding, ServerMessage};
use grandstand_common::id::RoomId;

use super::player_session::PlayerSession;
use super::reject::Reject;
use crate::codec;
use crate::conn::key::ConnKey;

/// The session of a player who is sent messages of its own.
#[derive(Debug)]
pub(crate) struct Recipient<'a> {
    session: u64,
    player: &'a mut PlayerSession,
    /// The sessions that may be due frames of their own.
    due: &'a mut Vec<u64>,
    /// Whether messages that precede the next ones are, or may be, lost. Then those wait (D4, D31).
    waits: bool,
}

impl<'a> Recipient<'a> {
    pub(super) fn new(
        session: u64,
        player: &'a mut PlayerSession,
        due: &'a mut Vec<u64>,
        waits: bool,
    ) -> Self {
        Self {
            session,
            player,
            due,
            waits,
        }
    }

    /// Keeps the latest `direct` message. Returns its frames, which follow the players' updates; `None` if they wait.
    pub(crate) fn on_direct(mut self, room: &RoomId, data: &Data) -> Option<(ConnKey, Bytes)> {
        self.player.private_mut().keep_direct(data.detach());
        if self.waits {
            self.player.private_mut().delay_direct();
            self.set_due();
            return None;
        }
        let (conn, encoding) = self.player.answered_conn()?;
        let direct = ServerMessage::Direct { room, data };
        Some((conn, codec::message(encoding, &direct)))
    }

    /// Keeps a reject. Returns its frames if it is new; they follow the players' updates. `None` also if they wait.
    pub(crate) fn on_rejected(mut self, room: &RoomId, reject: Reject) -> Option<(ConnKey, Bytes)> {
        if self.player.reject(reject.seq).is_some() {
            return None;
        }
        // Behind one that waits, it waits as well: the latest ones are sent together.
        if self.waits || self.player.private_mut().has_due_rejects() {
            self.player.private_mut().keep_reject(reject);
            self.player.private_mut().delay_reject();
            self.set_due();
            return None;
        }
        let conn = self.player.answered_conn();
        let frames =
            conn.map(|(conn, encoding)| (conn, codec::message(encoding, &reject.message(room))));
        self.player.private_mut().keep_reject(reject);
        frames
    }

    /// Answers a repeated input that is acked. Returns its reject, if it was rejected, and the `ack`: they follow the
    /// players' updates, and the rejects that are queued. `None` if they wait, or if the answer to the `join` brings them.
    pub(crate) fn on_repeat(mut self, room: &RoomId, seq: u64) -> Option<(ConnKey, Bytes)> {
        let (conn, encoding) = self.player.answered_conn()?;
        if seq > self.player.acked() {
            return None;
        }
        if self.waits {
            if self.player.answer_later() {
                self.set_due();
            }
            return None;
        }
        Some((conn, self.player.answer_repeat(seq, encoding, room)))
    }

    /// Appends the messages for this player only to the answer to its `join`, unless they wait.
    pub(crate) fn answer(mut self, out: &mut Vec<u8>, encoding: Encoding, room: &RoomId) {
        let is_due = if self.waits {
            self.player.answer_later()
        } else {
            self.player.answer(out, encoding, room)
        };
        if is_due {
            self.set_due();
        }
    }

    /// Notes that frames of its own may be due.
    pub(super) fn set_due(&mut self) {
        if self.player.set_due() {
            self.due.push(self.session);
        }
    }
}
