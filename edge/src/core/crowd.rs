//! Messages to every client of a lane, sent one by one in slices: the first snapshot, that the room does not exist, the
//! end.

use grandstand_common::clock::Now;
use grandstand_common::envelope::ServerMessage;
use grandstand_common::error::ErrorKind;
use grandstand_common::id::{Lane as LaneId, RoomId};

use super::effects::{ClientAction, Effects, OwnerNote};
use super::ids::{LaneKey, RoomKey};
use super::reply::ReplyTo;
use super::rooms::sessions::PlayerSession;
use super::state::Hub;
use super::{answer, leave, linger, reply, roomless};
use crate::conn::key::ConnKey;

/// Releases the clients that wait for a lane's first snapshot. They are answered in slices.
pub(super) fn release_waiting(hub: &mut Hub, effects: &mut Effects, at: LaneKey) {
    if let Some(room) = hub.rooms.get_mut(at.room) {
        room.lane_mut(at.lane).clients_mut().waiting_mut().release();
    }
    queue(hub, effects, at);
}

/// Releases the slow clients that wait for a newer snapshot, too.
pub(super) fn release_all(hub: &mut Hub, effects: &mut Effects, at: LaneKey) {
    if let Some(room) = hub.rooms.get_mut(at.room) {
        room.lane_mut(at.lane).clients_mut().slow_mut().release();
    }
    release_waiting(hub, effects, at);
}

/// Queues a lane whose clients are told something one by one, unless it is queued already.
fn queue(hub: &mut Hub, effects: &mut Effects, at: LaneKey) {
    if let Some(room) = hub.rooms.get_mut(at.room)
        && room.lane_mut(at.lane).enqueue_crowd()
    {
        effects.queue_crowd(at);
    }
}

/// Answers a client that waited for a lane's first snapshot.
fn answer_released(hub: &mut Hub, effects: &mut Effects, conn: ConnKey, at: LaneKey) {
    // A player's `join` is answered only after the owner has reported its `Joined`. A client without a session plays not.
    let membership = hub.clients.membership_mut(conn, at.room);
    if membership.is_some_and(|m| m.answered || m.session == 0) {
        answer::send(hub, effects, conn, at);
    }
}

/// Ends a lane. Its clients are told in slices; until then they are in the lane's former term.
pub(super) fn end_lane(hub: &mut Hub, effects: &mut Effects, at: LaneKey, code: &str, now: Now) {
    let Some((room, encoder)) = hub.rooms.get_with_encoder(at.room) else {
        return;
    };
    let (id, lane_state, sessions) = room.parts(at.lane);
    let id = id.clone();
    let clients = lane_state.clients_mut();
    effects.counts().encodings += clients.take_encoded();
    let players = match at.lane {
        LaneId::Players => sessions.clear(),
        LaneId::Spectators => Vec::new(),
    };
    for conn in players.iter().filter_map(|player| Some(player.conn()?.0)) {
        // Players whose join is not answered are neither members nor do they wait.
        if let Some(membership) = hub.clients.membership_mut(conn, at.room)
            && (membership.lane, membership.slot) == (at.lane, None)
        {
            clients.waiting_mut().insert(conn);
        }
    }
    for departed in players.iter().filter_map(PlayerSession::departed) {
        hub.clients.uncount_departing(departed);
    }
    if clients.len() > 0 {
        lane_state.end_term(code, now);
        if at.lane == LaneId::Spectators {
            effects.tell_owner(at.room, OwnerNote::Spectators);
        }
    }
    lane_state.set_presence(&id, None, encoder);
    queue(hub, effects, at);
    linger::begin(hub, effects, at.room, now);
}

/// Tells up to `budget` clients of a lane that it has ended, and answers those that wait for its first snapshot.
/// Returns how many of `budget` are left.
pub(super) fn serve(hub: &mut Hub, effects: &mut Effects, at: LaneKey, budget: usize) -> usize {
    let mut left = budget;
    while left > 0
        && let Some(room) = hub.rooms.get_mut(at.room)
    {
        let lane_state = room.lane_mut(at.lane);
        if let Some(conn) = lane_state.next_ended() {
            left -= 1;
            complete_end(hub, effects, conn, at.room);
        } else if lane_state.has_ended() {
            if let Some(ended) = lane_state.forget_term() {
                linger::begin(hub, effects, at.room, ended);
            }
        } else if let Some(conn) = lane_state.clients_mut().next_released() {
            left -= 1;
            answer_released(hub, effects, conn, at);
        } else {
            break;
        }
    }
    if let Some(room) = hub.rooms.get_mut(at.room) {
        room.lane_mut(at.lane).dequeue_crowd();
        if at.lane == LaneId::Players {
            // An answer may leave an ack due.
            effects.counts().add_acks(room.queue_due());
        }
    }
    queue(hub, effects, at);
    left
}

/// Makes a client leave a room whose lane has ended: it gets the frames that it has not been sent, then `left`. Does
/// nothing to a client whose lane has not ended.
pub(super) fn complete_end(hub: &mut Hub, effects: &mut Effects, conn: ConnKey, key: RoomKey) {
    let cap = hub.rooms.config().outbox_bytes;
    let (Some(membership), Some(room)) = (
        hub.clients.membership_mut(conn, key),
        hub.rooms.get_mut(key),
    ) else {
        return;
    };
    let lane = membership.lane;
    let term = membership.term;
    let slot = membership.slot;
    let Some((code, ended)) = room.lane(lane).end_of(term) else {
        return;
    };
    let id = room.id().clone();
    let clients = room.lane_mut(lane).clients_of(term);
    if let Some((slot, clients)) = slot.zip(clients) {
        match clients.unsent(slot, cap) {
            Some(frames) if frames.is_empty() => {}
            Some(frames) => {
                effects.counts().writes += 1;
                effects.act(conn, ClientAction::Data(frames));
            }
            None => effects.act(conn, ClientAction::Discard),
        }
    }
    let Some(membership) = hub.clients.leave(conn, key) else {
        return;
    };
    leave::leave_lane(hub, effects, conn, &membership);
    roomless::begin(hub, effects, conn, ended.at);
    reply::resume_reading(hub, effects, conn);
    let request_id = membership.request.and_then(|request| request.id);
    let to = ReplyTo {
        conn,
        id: request_id,
    };
    tell_closed(hub, effects, to, &id, &code);
}

fn tell_closed(hub: &Hub, effects: &mut Effects, to: ReplyTo, room: &RoomId, code: &str) {
    if code == ErrorKind::Finished.code() {
        let left = ServerMessage::Left {
            id: None,
            room,
            code,
        };
        return reply::send(&hub.clients, effects, to.conn, &left);
    }
    let message = if code == ErrorKind::NoSuchGame.code() {
        "no worker knows the game that the room's name begins with"
    } else {
        "this room is unavailable"
    };
    reply::join_error(&hub.clients, effects, to, room, code, message);
}
