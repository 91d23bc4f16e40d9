//! Ends of sessions and rooms: refused joins, gone sessions, closed rooms.

use grandstand_common::clock::Now;
use grandstand_common::envelope::ServerMessage;
use grandstand_common::error::ErrorKind;
use grandstand_common::id::{Instance, Lane as LaneId};
use grandstand_common::wire::{Gone, Refused};

use crate::codec::{self, SentKind};
use crate::core::delivery;
use crate::core::effects::{ClientAction, Effects, OwnerNote};
use crate::core::ids::RoomKey;
use crate::core::leave;
use crate::core::linger;
use crate::core::reply::{self, ErrorReply, ReplyTo};
use crate::core::rooms::event::LaneEvent;
use crate::core::rooms::sessions::PlayerSession;
use crate::core::state::Hub;

/// Handles a join that the game has refused.
pub(super) fn on_refused(
    hub: &mut Hub,
    effects: &mut Effects,
    key: RoomKey,
    refused: &Refused,
    now: Now,
) {
    let Some(room) = hub.rooms.get_mut(key) else {
        return;
    };
    let Some(player) = room.sessions_mut().remove(refused.session) else {
        return;
    };
    let id = room.id().clone();
    if let Some(departed) = player.departed() {
        hub.clients.uncount_departing(departed);
    }
    if let Some((conn, _)) = player.conn() {
        let membership = leave::dismiss(hub, effects, conn, key, now);
        let request = membership.and_then(|m| m.request);
        let request_id = request.and_then(|request| request.id);
        let to = ReplyTo {
            conn,
            id: request_id,
        };
        let code = &refused.code;
        let message = &refused.message;
        reply::join_error(&hub.clients, effects, to, &id, code, message);
    }
    linger::begin(hub, effects, key, now);
}

/// Handles a session that the owner does not have: drops its window, and sends its client `left`.
pub(super) fn on_gone(hub: &mut Hub, effects: &mut Effects, key: RoomKey, gone: &Gone, now: Now) {
    let Some(room) = hub.rooms.get_mut(key) else {
        return;
    };
    let instance = room.instance();
    let (address, sessions) = room.addressed_sessions();
    let Some(player) = sessions.on_gone(address, gone, now, effects) else {
        return;
    };
    let id = address.id.clone();
    let code = gone.code.as_str();
    if code == ErrorKind::NotJoined.code() && player.is_joined() && player.is_of(instance) {
        // The room returned in a state from before the session began.
        on_rolled_back(hub, effects, key, &player, 0, now);
        return;
    }
    if let Some(departed) = player.departed() {
        hub.clients.uncount_departing(departed);
    }
    if let Some((conn, encoding)) = player.conn() {
        // If the `join` is not answered yet, this is the answer.
        let membership = leave::dismiss(hub, effects, conn, key, now);
        let request = membership.and_then(|m| m.request);
        if let Some(seq) = player.restarted_from(instance) {
            let message = "the room was created again; this input and all later ones failed";
            let error = ErrorReply::new(ErrorKind::RoomRestarted, message, None, Some(&id));
            reply::error(&hub.clients, effects, conn, &error.about(seq));
        }
        let left = ServerMessage::Left {
            id: request.and_then(|request| request.id),
            room: &id,
            code,
        };
        let frames = codec::message(encoding, &left);
        effects.counts().sent.add(SentKind::Left, 1);
        effects.act(conn, ClientAction::Control(frames));
        reply::resume_reading(hub, effects, conn);
        let client = hub.clients.get(conn);
        let has_left_all = client.is_some_and(|client| client.memberships().is_empty());
        if code == ErrorKind::Replaced.code() && has_left_all {
            effects.counts().error(ErrorKind::Replaced);
            effects.act(conn, ClientAction::Close(ErrorKind::Replaced));
        }
    }
    linger::begin(hub, effects, key, now);
}

/// Handles a session that the owner has in an older state than an earlier owner had reported (D23). The client learns
/// the last input that holds, 0 if that is not known, and may join again. The owner learns that the session is gone.
pub(super) fn on_rolled_back(
    hub: &mut Hub,
    effects: &mut Effects,
    key: RoomKey,
    player: &PlayerSession,
    last_seq: u64,
    now: Now,
) {
    effects.tell_owner(key, OwnerNote::Changed);
    if let Some(departed) = player.departed() {
        hub.clients.uncount_departing(departed);
    }
    let id = hub.rooms.get(key).map(|room| room.id().clone());
    if let (Some((conn, _)), Some(id)) = (player.conn(), id) {
        let membership = leave::dismiss(hub, effects, conn, key, now);
        let request = membership.and_then(|m| m.request);
        let request_id = request.and_then(|request| request.id);
        let message = "inputs after this seq are lost, because the servers' storage returned in an older state; join \
                       the room again";
        let error = ErrorReply::new(ErrorKind::RoomRolledBack, message, request_id, Some(&id));
        reply::error(&hub.clients, effects, conn, &error.about(last_seq));
        reply::resume_reading(hub, effects, conn);
    }
    linger::begin(hub, effects, key, now);
}

/// Handles a room that is finished or unavailable. All members leave it; spectators of a delayed lane leave after they
/// have seen its end.
pub(super) fn on_closed(hub: &mut Hub, effects: &mut Effects, key: RoomKey, code: &str, now: Now) {
    for lane in LaneId::ALL {
        let end = LaneEvent::End(code.to_owned());
        delivery::deliver(hub, effects, key.lane(lane), end, now);
    }
    let Some(room) = hub.rooms.get_mut(key) else {
        return;
    };
    room.end_hot(effects);
    let epoch = room.epoch();
    room.begin(epoch, Instance(0));
    for lane in LaneId::ALL {
        let begin = LaneEvent::Begin(epoch, Instance(0));
        delivery::deliver(hub, effects, key.lane(lane), begin, now);
    }
}
