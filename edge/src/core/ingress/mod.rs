//! Events from clients: opened and closed connections, and messages.

mod input;

mod limits;

use grandstand_common::auth::Grants;
use grandstand_common::clock::Now;
use grandstand_common::envelope::{
    ClientKind, ClientMessage, MessageContext, Payload, ServerMessage, decode_client, read_context,
};
use grandstand_common::error::ErrorKind;
use grandstand_common::id::{Lane as LaneId, RoomId};
use grandstand_common::wire::{Body, Empty};

use super::clients::{Cost, TokenEvent};
use super::crowd;
use super::effects::{ClientAction, Effects, Notice};
use super::reply::{self, ErrorReply, ReplyTo};
use super::roomless;
use super::state::{Hub, State};
use super::{join, leave};
use crate::codec::{ReceivedKind, WireFormat};
use crate::conn::key::ConnKey;
use crate::conn::name::ConnName;
use input::{InputLimits, NumberedInput};

/// Adds a client with the rights in `grants`, and sends it `welcome`.
pub(super) fn on_open(
    state: &mut State,
    effects: &mut Effects,
    conn: ConnKey,
    format: WireFormat,
    grants: Grants,
    now: Now,
) {
    let edge = &state.edge;
    let name = ConnName { edge, key: conn }.to_string();
    let clients = &mut state.hub.clients;
    if let Err(refused) = clients.open(conn, format, grants, now, effects) {
        return limits::refuse_player(effects, conn, format, &refused);
    }
    clients.set_announced(conn, state.hub.announcements.number());
    roomless::begin(&mut state.hub, effects, conn, now.at);
    let clients = &state.hub.clients;
    let welcome = ServerMessage::Welcome {
        connection: &name,
        edge: state.edge.as_str(),
        heartbeat_ms: state.config.heartbeat.as_millis() as u64,
        limits: state.config.limits,
        features: &[],
    };
    reply::send(clients, effects, conn, &welcome);
    if state.health.is_degraded() {
        notify(&state.hub, effects, ReplyTo { conn, id: None }, "degraded");
    }
    if let Some(notice) = state.hub.announcements.notice_for_new(now.at) {
        reply::send(&state.hub.clients, effects, conn, &notice.message(None));
    }
}

/// Removes the client of a closed connection. Its players become `Lost`.
pub(super) fn on_closed(hub: &mut Hub, effects: &mut Effects, conn: ConnKey, now: Now) {
    for membership in hub.clients.close(conn).unwrap_or_default() {
        leave::depart(hub, effects, conn, &membership, now);
        if membership.lane == LaneId::Players {
            leave::end_session(hub, effects, &membership, Body::Lost(Empty {}), now);
        }
    }
}

/// Handles a client's complete message.
pub(super) fn on_message(
    state: &mut State,
    effects: &mut Effects,
    conn: ConnKey,
    payload: Payload<'_>,
    now: Now,
) {
    let clients = &mut state.hub.clients;
    let Some(encoding) = clients.get(conn).map(|client| client.encoding()) else {
        return;
    };
    if payload.encoding() != encoding {
        effects.counts().error(ErrorKind::Unsupported);
        return effects.act(conn, ClientAction::Close(ErrorKind::Unsupported));
    }
    effects.counts().messages_in += 1;
    let cost = Cost::of_message(payload.as_bytes().len());
    let about = || read_context(encoding, payload.as_bytes());
    if !limits::charge(clients, effects, conn, cost, now.at, about) {
        return;
    }
    match decode_client(payload) {
        Ok(message) => {
            if let Some(cost) = Cost::further(&message.kind) {
                let about = || context_of(&message);
                if !limits::charge(clients, effects, conn, cost, now.at, about) {
                    return;
                }
            }
            effects.counts().received((&message.kind).into());
            take_message(state, effects, conn, message, now)
        }
        Err(error) => {
            effects.counts().received(ReceivedKind::Invalid);
            reply::error(clients, effects, conn, &ErrorReply::from(&*error));
        }
    }
}

/// Answers a message that is too big, of which `start` has arrived.
pub(super) fn on_too_big(state: &mut State, effects: &mut Effects, conn: ConnKey, start: &[u8]) {
    let clients = &mut state.hub.clients;
    let Some(encoding) = clients.get(conn).map(|client| client.encoding()) else {
        return;
    };
    let limit = state.config.limits.message_bytes;
    let message = format!("a message may have at most {limit} bytes; send less at once");
    let about = read_context(encoding, start);
    let error = ErrorReply::naming(ErrorKind::TooBig, &message, &about);
    reply::error(clients, effects, conn, &error);
}

/// Charges a client for `count` frames that are not messages: pings, pongs and fragments.
pub(super) fn on_frames(
    state: &mut State,
    effects: &mut Effects,
    conn: ConnKey,
    count: u32,
    now: Now,
) {
    limits::charge_frames(&mut state.hub.clients, effects, conn, count, now.at);
}

/// The subject of a message, for an error that answers it.
fn context_of(message: &ClientMessage) -> MessageContext {
    MessageContext {
        id: message.id,
        room: room_of(&message.kind).cloned(),
        ..MessageContext::default()
    }
}

fn take_message(
    state: &mut State,
    effects: &mut Effects,
    conn: ConnKey,
    message: ClientMessage,
    now: Now,
) {
    let id = message.id;
    let from = ReplyTo { conn, id };
    let hub = &mut state.hub;
    if effects.has_crowds()
        && let Some(key) = room_of(&message.kind).and_then(|room| hub.rooms.find(room.as_str()))
    {
        // The client may not have been told yet that the room has ended.
        crowd::complete_end(hub, effects, conn, key);
    }
    match message.kind {
        ClientKind::Join(join) => join::on_join(state, effects, from, join, now),
        ClientKind::Leave { room } => leave::on_leave(hub, effects, from, &room, now),
        ClientKind::Input { room, seq, data } => {
            let limits = InputLimits {
                health: &state.health,
                config: &state.config,
            };
            let input = NumberedInput {
                room: &room,
                seq,
                data,
            };
            input::on_input(hub, effects, limits, from, input, now);
        }
        ClientKind::Live { room, data } => input::on_live(hub, effects, from, &room, data),
        ClientKind::Ping => {
            // Clients compare it with the deadlines that games tell them.
            let time_ms = now.log_ms;
            let pong = ServerMessage::Pong { id, time_ms };
            reply::send(&hub.clients, effects, conn, &pong);
        }
        ClientKind::Auth { token } => on_auth(hub, effects, from, &token, now),
    }
}

/// The room that a message is about.
fn room_of(message: &ClientKind) -> Option<&RoomId> {
    match message {
        ClientKind::Join(join) => Some(&join.room),
        ClientKind::Leave { room }
        | ClientKind::Input { room, .. }
        | ClientKind::Live { room, .. } => Some(room),
        ClientKind::Ping | ClientKind::Auth { .. } => None,
    }
}

/// Replaces a client's token. Rooms that the new one does not grant in the client's role are left.
fn on_auth(hub: &mut Hub, effects: &mut Effects, to: ReplyTo, token: &str, now: Now) {
    if let Err(error) = hub.clients.renew(to.conn, token, now, effects) {
        let message = error.to_string();
        let reply = ErrorReply::new(error.kind(), &message, to.id, None);
        let reply = match error.retry_after_ms() {
            Some(ms) => reply.retry_after(ms),
            None => reply,
        };
        return reply::error(&hub.clients, effects, to.conn, &reply);
    }
    notify(hub, effects, to, "token_renewed");
    for room in leave::ungranted(hub, to.conn) {
        if effects.has_crowds() {
            // The client may not have been told yet that the room has ended.
            crowd::complete_end(hub, effects, to.conn, room);
        }
        leave::take_away(hub, effects, to.conn, room, now);
    }
}

/// Checks a client's token: notifies the client before it expires, and closes the connection when it has expired.
pub(super) fn on_token_timer(hub: &mut Hub, effects: &mut Effects, conn: ConnKey, now: Now) {
    match hub.clients.on_token_timer(conn, now, effects) {
        None => {}
        Some(TokenEvent::ExpiresSoon) => {
            notify(hub, effects, ReplyTo { conn, id: None }, "token_expiring")
        }
        Some(TokenEvent::Expired) => {
            let why = ErrorKind::Unauthenticated;
            let error = ErrorReply::new(why, "the token has expired", None, None);
            reply::error(&hub.clients, effects, conn, &error);
            effects.act(conn, ClientAction::Close(why));
        }
    }
}

fn notify(hub: &Hub, effects: &mut Effects, to: ReplyTo, code: &'static str) {
    let notice = Notice {
        code,
        reconnect_in_ms: None,
    };
    reply::send(&hub.clients, effects, to.conn, &notice.message(to.id));
}
