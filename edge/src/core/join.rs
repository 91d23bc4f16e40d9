//! Joining and leaving rooms.

use bytes::Bytes;
use grandstand_common::clock::Now;
use grandstand_common::envelope::{Join, Role, ServerMessage};
use grandstand_common::error::ErrorKind;
use grandstand_common::id::{Instance, Lane as LaneId, RoomId};
use grandstand_common::wire::{self, Body, Empty};
use rand::{Rng, RngExt};

use super::clients::{JoinRequest, Membership};
use super::effects::{Answer, ClientAction, Effects, Tell};
use super::ids::{LaneKey, RoomKey};
use super::linger;
use super::reply::{self, ErrorReply, ReplyTo};
use super::rooms::chain::Chain;
use super::rooms::event::presence_message;
use super::rooms::sessions::PlayerSession;
use super::state::{Hub, State};
use super::unanswered;
use crate::codec::put_message;
use crate::conn::key::ConnKey;

/// Handles a client's `join`.
pub(super) fn on_join(state: &mut State, effects: &mut Effects, to: ReplyTo, join: Join, now: Now) {
    let hub = &mut state.hub;
    let Some(client) = hub.clients.get(to.conn) else {
        return;
    };
    let room = &join.room;
    let Some((granted, options)) = client.grants().role(room) else {
        let message = "the token does not grant access to this room";
        let error = ErrorReply::new(ErrorKind::Forbidden, message, to.id, Some(room));
        return reply::error(&hub.clients, effects, to.conn, &error);
    };
    let role = join.role.unwrap_or(granted);
    if role > granted {
        let message = "the token allows only spectators in this room; join with role \"spectator\"";
        let error = ErrorReply::new(ErrorKind::Forbidden, message, to.id, Some(room));
        return reply::error(&hub.clients, effects, to.conn, &error);
    }
    let (encoding, player) = (client.encoding(), client.grants().player().clone());
    let rooms = client.memberships().len() as u64;
    let request = JoinRequest {
        id: to.id,
        since: join.since.zip(join.epoch.clone()),
        joined_sent: false,
        due: None,
    };
    let key = hub.rooms.find(room.as_str());
    if let Some(membership) = key.and_then(|key| hub.clients.membership(to.conn, key)) {
        membership.request = Some(Box::new(request));
        if membership.answered {
            let at = membership.at();
            answer(hub, effects, to.conn, at);
        } else {
            let key = membership.room;
            unanswered::arm(hub, effects, (to.conn, key), now);
        }
        return;
    }
    if rooms >= state.config.limits.rooms {
        let message = "this connection is in as many rooms as it may join; leave one first";
        let error = ErrorReply::new(ErrorKind::RateLimited, message, to.id, Some(room));
        return reply::error(&hub.clients, effects, to.conn, &error);
    }
    if role == Role::Player
        && let Some((kind, message)) = hub.clients.refuses_player(to.conn)
    {
        let error = ErrorReply::new(kind, message, to.id, Some(room));
        return reply::error(&hub.clients, effects, to.conn, &error);
    }
    let key = hub.rooms.open(room);
    let lane = match role {
        Role::Player => LaneId::Players,
        _ => LaneId::Spectators,
    };
    let session = match role {
        Role::Player => state.rng.random::<u64>().max(1),
        _ => 0,
    };
    let mut membership = Membership {
        room: key,
        lane,
        session,
        term: 0,
        slot: None,
        answered: false,
        request: Some(Box::new(request)),
    };
    let chain = hub.rooms.config().chain;
    let Some(room) = hub.rooms.room_mut(key) else {
        return;
    };
    membership.term = room.lane(lane).term();
    hub.clients.enter(to.conn, membership);
    state.owners.add(room.partition(), key);
    room.enter(lane);
    if role != Role::Player {
        let lane_state = room.lane(lane);
        let has_version = lane_state.version().is_some() || lane_state.known_version().is_some();
        if room.is_missing() || has_version {
            let at = key.lane(lane);
            answer(hub, effects, to.conn, at);
            watch(hub, effects, at);
        } else {
            let lane_state = room.lane_mut(lane);
            lane_state.clients_mut().waiting_mut().insert(to.conn);
            lane_state.watch();
            effects.tell_owner(key, Tell::Resync);
            unanswered::arm(hub, effects, (to.conn, key), now);
        }
        return effects.tell_owner(key, Tell::Spectators);
    }
    let mut seed = [0; 32];
    state.rng.fill_bytes(&mut seed);
    let joined = wire::Joined {
        client: join.client.unwrap_or_default(),
        attempt: join.attempt,
        seed: seed.to_vec().into(),
        params: join.params.unwrap_or_default(),
        options: options.unwrap_or_default(),
    };
    let edge = state.edge.as_str();
    let chain = Chain::new(player.as_str(), session, edge, chain, now.at);
    let player = PlayerSession::new(player, to.conn, encoding, chain);
    // The entry makes the owner send the lane to this edge, so no request is needed.
    room.lane_mut(lane).watch();
    let (address, sessions) = room.sessions_mut();
    let joined = Body::Joined(joined);
    sessions.open(address, (session, player), joined, now, effects);
    unanswered::arm(hub, effects, (to.conn, key), now);
}

/// Handles a client's `leave`.
pub(super) fn on_leave(hub: &mut Hub, effects: &mut Effects, to: ReplyTo, room: &RoomId, now: Now) {
    let Some(key) = joined_room(hub, effects, to, room, None) else {
        return;
    };
    let Some(membership) = dismiss(hub, effects, to.conn, key, now) else {
        return;
    };
    if membership.lane == LaneId::Players {
        end_session(hub, effects, &membership, Body::Left(Empty {}), now);
    }
    let left = ServerMessage::Left {
        id: to.id,
        room,
        code: "left",
    };
    reply::send(&hub.clients, effects, to.conn, &left);
    reply::resume_reading(hub, effects, to.conn);
}

/// Appends the last entry (`Left` or `Lost`) of a player's session.
pub(super) fn end_session(
    hub: &mut Hub,
    effects: &mut Effects,
    membership: &Membership,
    last: Body,
    now: Now,
) {
    if let Some(room) = hub.rooms.room_mut(membership.room)
        && room.lane(membership.lane).term() == membership.term
    {
        let (address, sessions) = room.sessions_mut();
        if let Some(departed) = sessions.end(address, membership.session, last, now, effects) {
            hub.clients.departing(departed);
        }
    }
}

/// Returns the room if the client is in it; else sends the error `not_joined`, about the input `seq`.
pub(super) fn joined_room(
    hub: &mut Hub,
    effects: &mut Effects,
    to: ReplyTo,
    room: &RoomId,
    seq: Option<u64>,
) -> Option<RoomKey> {
    let key = hub.rooms.find(room.as_str());
    let key = key.filter(|&key| hub.clients.membership(to.conn, key).is_some());
    if key.is_none() {
        let message = "join the room first";
        let error = ErrorReply::new(ErrorKind::NotJoined, message, to.id, Some(room)).about(seq);
        reply::error(&hub.clients, effects, to.conn, &error);
    }
    key
}

/// Requests a lane from the owner, unless it is requested already.
fn watch(hub: &mut Hub, effects: &mut Effects, at: LaneKey) {
    if let Some(room) = hub.rooms.room_mut(at.room)
        && room.lane_mut(at.lane).watch()
    {
        effects.tell_owner(at.room, Tell::Resync);
    }
}

/// Answers a `join` with `joined` and the frames that the client has not been sent, in the protocol's order. The frames
/// wait for the lane's first snapshot.
pub(super) fn answer(hub: &mut Hub, effects: &mut Effects, conn: ConnKey, at: LaneKey) {
    let Some((room, encoder)) = hub.rooms.get_mut(at.room) else {
        return;
    };
    let Some(format) = hub.clients.get(conn).map(|client| client.format()) else {
        return;
    };
    let encoding = format.encoding;
    let Some(membership) = hub.clients.membership(conn, at.room) else {
        return;
    };
    let (id, lane_state, sessions) = room.parts(at.lane);
    if membership.term != lane_state.term() {
        return;
    }
    let mut answer = Answer {
        room: at.room,
        since: None,
        before: Vec::new(),
        shared: Bytes::new(),
        after: Vec::new(),
    };
    if let Some(request) = &mut membership.request
        && !request.joined_sent
    {
        let instance = match lane_state.version() {
            // The room is delayed, and spectators must not see it yet.
            None if lane_state.known_version().is_some() => Instance(0),
            _ => lane_state.instance(),
        };
        let name = instance.to_string();
        let session = sessions.get(membership.session);
        let joined = ServerMessage::Joined {
            id: request.id,
            room: id,
            role: match at.lane {
                LaneId::Players => Role::Player,
                LaneId::Spectators => Role::Spectator,
            },
            instance: (instance.0 != 0).then_some(name.as_str()),
            last_seq: session.map_or(0, PlayerSession::acked),
        };
        put_message(&mut answer.before, encoding, &joined);
        request.joined_sent = true;
        request.id = None;
        membership.answered = true;
    }
    let since = membership.request.as_ref().and_then(|r| r.since.as_ref());
    let missed =
        since.and_then(|(version, epoch)| lane_state.missed(id, encoding, *version, epoch));
    // Another edge has sent the client more than this one has. It must not see an older state of the same epoch, so it
    // waits for what the owner sends.
    let is_ahead = membership.slot.is_none()
        && since.is_some_and(|(version, epoch)| lane_state.is_behind(*version, epoch));
    let frames = match is_ahead {
        true => None,
        false => missed.or_else(|| lane_state.catch_up(id, format, encoder)),
    };
    if is_ahead && !answer.before.is_empty() {
        effects.tell_owner(at.room, Tell::Resync);
    }
    if frames.is_none() && membership.slot.is_none() {
        lane_state.clients_mut().waiting_mut().insert(conn);
    } else {
        // Without frames, the member gets the lane's next snapshot like all others.
        answer.shared = frames.unwrap_or_default();
        answer.since = membership.request.take().and_then(|request| request.since);
        match membership.slot {
            Some(slot) => lane_state.clients_mut().mark_current(slot),
            None => membership.slot = Some(lane_state.clients_mut().add_member(conn, format)),
        }
        sessions.answer(membership.session, &mut answer.after, encoding, id);
        if let Some(presence) = lane_state.presence() {
            let message = presence_message(id, presence);
            put_message(&mut answer.after, encoding, &message);
        }
    }
    effects.act(conn, ClientAction::Answer(Box::new(answer)));
}

/// Notes that the frames that followed `joined` in an answer are not sent yet. They are made again once the client's
/// outbox is empty.
pub(super) fn postpone(hub: &mut Hub, conn: ConnKey, key: RoomKey, since: Option<(u64, String)>) {
    let Some(membership) = hub.clients.membership(conn, key) else {
        return;
    };
    membership.request.get_or_insert_with(|| {
        Box::new(JoinRequest {
            id: None,
            since,
            joined_sent: true,
            due: None,
        })
    });
    let (slot, lane, term) = (membership.slot, membership.lane, membership.term);
    if let (Some(slot), Some(room)) = (slot, hub.rooms.room_mut(key))
        && let Some(clients) = room.lane_mut(lane).clients_of(term)
    {
        clients.mark_stale(slot);
    }
}

/// Sends a client whose outbox is empty the frames that it missed in one of its rooms. Returns whether it missed some.
pub(super) fn on_drained(hub: &mut Hub, effects: &mut Effects, conn: ConnKey) -> bool {
    let Some(client) = hub.clients.get(conn) else {
        return false;
    };
    let is_stale = |m: &&Membership| {
        let room = m.slot.zip(hub.rooms.get(m.room));
        let lane = room.map(|(slot, room)| (slot, room.lane(m.lane)));
        lane.is_some_and(|(slot, lane)| lane.term() == m.term && lane.clients().is_stale(slot))
    };
    let stale = client.memberships().iter().find(is_stale);
    let Some(at) = stale.map(Membership::at) else {
        return false;
    };
    // The next time another room comes first, so that none starves.
    hub.clients.move_to_end(conn, at.room);
    answer(hub, effects, conn, at);
    true
}

/// Removes a client from a room without a message. Returns its membership.
pub(super) fn dismiss(
    hub: &mut Hub,
    effects: &mut Effects,
    conn: ConnKey,
    key: RoomKey,
    now: Now,
) -> Option<Membership> {
    let membership = hub.clients.leave(conn, key)?;
    depart(hub, effects, conn, &membership, now);
    Some(membership)
}

/// Removes a client from the lane of its former membership.
pub(super) fn depart(
    hub: &mut Hub,
    effects: &mut Effects,
    conn: ConnKey,
    membership: &Membership,
    now: Now,
) {
    leave_lane(hub, effects, conn, membership);
    let (key, lane) = (membership.room, membership.lane);
    let room = hub.rooms.get(key);
    if room.is_some_and(|room| room.lane(lane).term() == membership.term) {
        if lane == LaneId::Spectators {
            effects.tell_owner(key, Tell::Spectators);
        }
        linger::begin(hub, effects, key, now);
    }
}

/// Removes a client from its lane, or from the former term of it that its membership belongs to.
pub(super) fn leave_lane(
    hub: &mut Hub,
    effects: &mut Effects,
    conn: ConnKey,
    membership: &Membership,
) {
    let (key, lane) = (membership.room, membership.lane);
    let room = hub.rooms.room_mut(key);
    let Some(clients) = room.and_then(|room| room.lane_mut(lane).clients_of(membership.term))
    else {
        return;
    };
    if let Some(frames) = clients.take_private(conn) {
        // They belong to messages that the client has sent, so they precede `left`.
        effects.act(conn, ClientAction::Data(frames));
    }
    for (moved, slot) in clients.leave(conn, membership.slot) {
        if let Some(membership) = hub.clients.membership(moved, key) {
            membership.slot = Some(slot);
        }
    }
}
