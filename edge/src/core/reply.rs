//! Replies to one client, and backpressure on its connection.

use grandstand_common::envelope::{DecodeError, MessageContext, ServerMessage};
use grandstand_common::error::ErrorKind;
use grandstand_common::id::RoomId;

use super::clients::Clients;
use super::effects::{ClientAction, Effects};
use super::ids::RoomKey;
use super::state::Hub;
use crate::codec::{self, SentKind, WireFormat};
use crate::conn::key::ConnKey;

/// The sender of a message that is answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReplyTo {
    /// The client's connection.
    pub(super) conn: ConnKey,
    /// The message's id, which the answer repeats; `None` if it has none, or if nothing is answered.
    pub(super) id: Option<u64>,
}

/// The error that answers a client's message.
pub(super) struct ErrorReply<'a> {
    kind: ErrorKind,
    message: &'a str,
    id: Option<u64>,
    room: Option<&'a RoomId>,
    seq: Option<u64>,
    retry_after_ms: Option<u64>,
}

impl<'a> ErrorReply<'a> {
    /// An error that answers the message `id`.
    pub(super) fn new(
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
            retry_after_ms: None,
        }
    }

    /// An error before a close that answers no message. The client may come again after `retry_after_ms`.
    pub(super) fn closing(kind: ErrorKind, message: &'a str, retry_after_ms: u64) -> Self {
        Self::new(kind, message, None, None).retry_after(retry_after_ms)
    }

    /// An error that names what it answers, as far as it is known.
    pub(super) fn naming(kind: ErrorKind, message: &'a str, about: &'a MessageContext) -> Self {
        Self {
            kind,
            message,
            id: about.id,
            room: about.room.as_ref(),
            seq: about.seq,
            retry_after_ms: None,
        }
    }

    /// The same error, about the input `seq`.
    pub(super) fn about(self, seq: impl Into<Option<u64>>) -> Self {
        Self {
            seq: seq.into(),
            ..self
        }
    }

    /// The same error, with the time after which the message may be sent again.
    pub(super) fn retry_after(self, ms: u64) -> Self {
        Self {
            retry_after_ms: Some(ms),
            ..self
        }
    }
}

impl<'a> From<&'a DecodeError> for ErrorReply<'a> {
    fn from(error: &'a DecodeError) -> Self {
        Self {
            kind: error.kind,
            message: &error.message,
            id: error.id,
            room: error.room.as_ref(),
            seq: error.seq,
            retry_after_ms: None,
        }
    }
}

/// Sends one message to one client.
pub(super) fn send(
    clients: &Clients,
    effects: &mut Effects,
    conn: ConnKey,
    message: &ServerMessage<'_>,
) {
    if let Some(client) = clients.get(conn) {
        let frames = codec::message(client.encoding(), message);
        effects.counts().sent.add(message.into(), 1);
        effects.act(conn, ClientAction::Control(frames));
    }
}

/// Sends an error, and counts it.
pub(super) fn error(
    clients: &Clients,
    effects: &mut Effects,
    conn: ConnKey,
    error: &ErrorReply<'_>,
) {
    if clients.get(conn).is_none() {
        return;
    }
    let ErrorReply {
        kind,
        message,
        id,
        room,
        seq,
        retry_after_ms,
    } = *error;
    effects.counts().error(kind);
    let retry_after = clients.config().join_answer.as_millis() as u64;
    let error = ServerMessage::Error {
        id,
        code: kind.code(),
        message,
        room,
        seq,
        retry_after_ms: retry_after_ms
            .or((kind == ErrorKind::RoomUnavailable).then_some(retry_after)),
    };
    send(clients, effects, conn, &error);
}

/// Closes the connection of a client that stays over a limit (4029), and says when it may come again.
pub(super) fn close_flooding(
    clients: &Clients,
    effects: &mut Effects,
    conn: ConnKey,
    message: &str,
    retry_after_ms: u64,
) {
    if let Some(client) = clients.get(conn) {
        let error = ErrorReply::closing(ErrorKind::RateLimited, message, retry_after_ms);
        close(effects, conn, client.format(), &error);
    }
}

/// Closes a connection after it has been sent this error.
pub(super) fn close(
    effects: &mut Effects,
    conn: ConnKey,
    format: WireFormat,
    error: &ErrorReply<'_>,
) {
    let kind = error.kind;
    effects.counts().error(kind);
    let error = ServerMessage::Error {
        id: error.id,
        code: kind.code(),
        message: error.message,
        room: error.room,
        seq: error.seq,
        retry_after_ms: error.retry_after_ms,
    };
    let frames = codec::message(format.encoding, &error);
    effects.counts().sent.add(SentKind::Error, 1);
    effects.act(conn, ClientAction::Control(frames));
    effects.act(conn, ClientAction::Close(kind));
}

/// Sends the error that answers a join. A game's own codes are not counted.
pub(super) fn join_error(
    clients: &Clients,
    effects: &mut Effects,
    to: ReplyTo,
    room: &RoomId,
    code: &str,
    message: &str,
) {
    let ReplyTo { conn, id } = to;
    if let Some(kind) = ErrorKind::ALL.into_iter().find(|kind| kind.code() == code) {
        let reply = ErrorReply::new(kind, message, id, Some(room));
        return error(clients, effects, conn, &reply);
    }
    let error = ServerMessage::Error {
        id,
        code,
        message,
        room: Some(room),
        seq: None,
        retry_after_ms: None,
    };
    send(clients, effects, conn, &error);
}

/// Stops reading from a session's connection when its window becomes full, and resumes when it no longer is.
pub(super) fn update_reading(hub: &mut Hub, effects: &mut Effects, key: RoomKey, session: u64) {
    let Some(room) = hub.rooms.get_mut(key) else {
        return;
    };
    if let Some(conn) = room.sessions_mut().update_paused(session) {
        resume_reading(hub, effects, conn);
    }
}

/// Reads from a connection unless the window of one of its sessions is full.
pub(super) fn resume_reading(hub: &Hub, effects: &mut Effects, conn: ConnKey) {
    let Some(client) = hub.clients.get(conn) else {
        return;
    };
    let paused = client.memberships().iter().any(|m| {
        let room = hub.rooms.get(m.room);
        room.is_some_and(|room| room.sessions().is_paused(m.session))
    });
    effects.act(conn, ClientAction::Pause(paused));
}
