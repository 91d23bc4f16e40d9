//! Joining and leaving rooms.

use bytes::Bytes;
use grandstand_common::clock::Now;
use grandstand_common::envelope::{Join, Role, ServerMessage};
use grandstand_common::error::ErrorKind;
use grandstand_common::id::{Lane as LaneId, RoomId};
use grandstand_common::wire::{self, Body, Empty};
use rand::{Rng, RngExt};

use super::answer;
use super::clients::{Client, Clients, JoinRequest, Membership};
use super::effects::{ClientAction, Effects, OwnerNote};
use super::ids::{LaneKey, RoomKey};
use super::linger;
use super::reply::{self, ErrorReply, ReplyTo};
use super::roomless;
use super::rooms::chain::Chain;
use super::rooms::sessions::PlayerSession;
use super::state::{Hub, State};
use super::unanswered;
use crate::conn::key::ConnKey;

/// Handles a client's `join`.
pub(super) fn on_join(state: &mut State, effects: &mut Effects, to: ReplyTo, join: Join, now: Now) {
    let hub = &mut state.hub;
    if let Err(refused) = hub.clients.charge_join(to.conn, now.at) {
        let message = "this player joins too fast; join again later";
        if refused.is_flood {
            let why = (message, refused.retry_after_ms());
            return reply::close_flooding(&hub.clients, effects, to.conn, why);
        }
        let error = ErrorReply::new(ErrorKind::RateLimited, message, to.id, Some(&join.room));
        let error = error.retry_after(refused.retry_after_ms());
        return reply::error(&hub.clients, effects, to.conn, &error);
    }
    let Some(client) = hub.clients.get(to.conn) else {
        return;
    };
    let (role, options) = match role_of(client, &join) {
        Ok(granted) => granted,
        Err(message) => {
            let refusal = (ErrorKind::Forbidden, message);
            return refuse(hub, effects, to, &join.room, refusal);
        }
    };
    if hub.is_room_revoked(to.conn, &join.room, now.unix_ms) {
        let refusal = (ErrorKind::Revoked, "this token was revoked for this room");
        return refuse(hub, effects, to, &join.room, refusal);
    }
    let request = Box::new(JoinRequest {
        id: to.id,
        since: join.since.zip(join.epoch.clone()),
        joined_sent: false,
        datagrams: join.datagrams,
        due: None,
    });
    let key = hub.rooms.find(join.room.as_str());
    if let Some(membership) = key.and_then(|key| hub.clients.membership_mut(to.conn, key)) {
        membership.request = Some(request);
        let (at, answered) = (membership.at(), membership.answered);
        match answered {
            true => answer::send(hub, effects, to.conn, at),
            false => unanswered::arm(hub, effects, (to.conn, at.room), now),
        }
        return;
    }
    let limit = state.config.limits.rooms;
    if let Some(refusal) = refusal_of(&hub.clients, to.conn, role, limit) {
        return refuse(hub, effects, to, &join.room, refusal);
    }
    match role {
        Role::Player => join_players(state, effects, to.conn, (join, options, request), now),
        _ => join_spectators(state, effects, to.conn, (&join.room, request), now),
    }
}

/// The role in which a client joins, and the options that its token has for the room. The error is the message for the
/// client.
fn role_of(client: &Client, join: &Join) -> Result<(Role, Option<Bytes>), &'static str> {
    let Some((granted, options)) = client.grants().role(&join.room) else {
        return Err("the token does not grant access to this room");
    };
    let role = join.role.unwrap_or(granted);
    if role > granted {
        return Err("the token allows only spectators in this room; join with role \"spectator\"");
    }
    Ok((role, options))
}

/// The reason why a client may not join another room at the moment. `limit` is the most rooms of a connection.
fn refusal_of(
    clients: &Clients,
    conn: ConnKey,
    role: Role,
    limit: u64,
) -> Option<(ErrorKind, &'static str)> {
    let no_room = clients.refuses_room(conn, limit);
    no_room.or_else(|| match role {
        Role::Player => clients.refuses_player(conn),
        _ => None,
    })
}

fn refuse(
    hub: &Hub,
    effects: &mut Effects,
    to: ReplyTo,
    room: &RoomId,
    (kind, message): (ErrorKind, &'static str),
) {
    let error = ErrorReply::new(kind, message, to.id, Some(room));
    reply::error(&hub.clients, effects, to.conn, &error);
}

/// Adds a client to a lane of a room, which is opened if it is not known. A spectator's `session` is 0.
fn enter(
    state: &mut State,
    conn: ConnKey,
    (room, lane): (&RoomId, LaneId),
    session: u64,
    request: Box<JoinRequest>,
) -> LaneKey {
    let hub = &mut state.hub;
    let key = hub.rooms.open(room);
    if let Some(room) = hub.rooms.get_mut(key) {
        let membership = Membership {
            room: key,
            lane,
            session,
            term: room.lane(lane).term(),
            slot: None,
            answered: false,
            request: Some(request),
        };
        hub.clients.enter(conn, membership);
        state.owners.add(room.partition(), key);
        room.enter(lane);
    }
    key.lane(lane)
}

/// Adds a spectator, and answers its `join` as soon as there is something to show.
fn join_spectators(
    state: &mut State,
    effects: &mut Effects,
    conn: ConnKey,
    (room, request): (&RoomId, Box<JoinRequest>),
    now: Now,
) {
    let at = enter(state, conn, (room, LaneId::Spectators), 0, request);
    let hub = &mut state.hub;
    let Some(room) = hub.rooms.get_mut(at.room) else {
        return;
    };
    let lane = room.lane(at.lane);
    let has_version = lane.version().is_some() || lane.known_version().is_some();
    if room.is_missing() || has_version {
        answer::send(hub, effects, conn, at);
        watch(hub, effects, at);
    } else {
        let lane = room.lane_mut(at.lane);
        lane.clients_mut().waiting_mut().insert(conn);
        lane.watch();
        effects.tell_owner(at.room, OwnerNote::Resync);
        unanswered::arm(hub, effects, (conn, at.room), now);
    }
    effects.tell_owner(at.room, OwnerNote::Spectators);
}

/// Adds a player, and appends the `Joined` of its session. The `join` is answered once the owner has reported it.
fn join_players(
    state: &mut State,
    effects: &mut Effects,
    conn: ConnKey,
    (join, options, request): (Join, Option<Bytes>, Box<JoinRequest>),
    now: Now,
) {
    let session = state.rng.random::<u64>().max(1);
    let at = enter(state, conn, (&join.room, LaneId::Players), session, request);
    let mut seed = [0; 32];
    state.rng.fill_bytes(&mut seed);
    let joined = wire::Joined {
        client: join.client.unwrap_or_default(),
        attempt: join.attempt,
        seed: seed.to_vec().into(),
        params: join.params.unwrap_or_default(),
        options: options.unwrap_or_default(),
    };
    let hub = &mut state.hub;
    let chain = hub.rooms.config().chain;
    let (Some(client), Some(room)) = (hub.clients.get(conn), hub.rooms.get_mut(at.room)) else {
        return;
    };
    // A client that may play has a name.
    let Some(player) = client.grants().player().cloned() else {
        return;
    };
    let conn_of_session = (conn, client.encoding());
    let edge = state.edge.as_str();
    let chain = Chain::new(player.as_str(), session, edge, chain, now.at);
    let shared = &state.config.shared;
    let inputs = shared.player_inputs(player.as_str());
    let player = PlayerSession::new((player, inputs), conn_of_session, chain);
    // The entry makes the owner send the lane to this edge, so no request is needed.
    room.lane_mut(at.lane).watch();
    let (address, sessions) = room.sessions_mut();
    let joined = Body::Joined(joined);
    sessions.limit_inputs(|| shared.room_inputs(address.id.as_str()));
    sessions.open(address, (session, player), joined, now, effects);
    unanswered::arm(hub, effects, (conn, at.room), now);
}

/// Handles a client's `leave`.
pub(super) fn on_leave(hub: &mut Hub, effects: &mut Effects, to: ReplyTo, room: &RoomId, now: Now) {
    let Some(key) = joined_room(hub, effects, to, room, None) else {
        return;
    };
    let end = ("left", Body::Left(Empty {}));
    remove(hub, effects, to, key, end, now);
}

/// Appends the last entry (`Left` or `Lost`) of a player's session.
pub(super) fn end_session(
    hub: &mut Hub,
    effects: &mut Effects,
    membership: &Membership,
    last: Body,
    now: Now,
) {
    if let Some(room) = hub.rooms.get_mut(membership.room)
        && room.lane(membership.lane).term() == membership.term
    {
        let (address, sessions) = room.sessions_mut();
        if let Some(departed) = sessions.end(address, membership.session, last, now, effects) {
            hub.clients.count_departing(departed);
        }
    }
}

/// The rooms in which a client has a role that its token does not grant.
pub(super) fn ungranted(hub: &Hub, conn: ConnKey) -> Vec<RoomKey> {
    let Some(client) = hub.clients.get(conn) else {
        return Vec::new();
    };
    let is_ungranted = |membership: &&Membership| {
        let needed = Role::from(membership.lane);
        let room = hub.rooms.get(membership.room);
        let granted = room.and_then(|room| client.grants().role(room.id()));
        granted.is_none_or(|(role, _)| role < needed)
    };
    let ungranted = client.memberships().iter().filter(is_ungranted);
    ungranted.map(|membership| membership.room).collect()
}

/// Takes a client out of a room that its token does not grant any more.
pub(super) fn take_away(
    hub: &mut Hub,
    effects: &mut Effects,
    conn: ConnKey,
    key: RoomKey,
    now: Now,
) {
    let end = (ErrorKind::Forbidden.code(), Body::Left(Empty {}));
    remove(hub, effects, ReplyTo { conn, id: None }, key, end, now);
}

/// Takes a client out of a room for which its token was revoked. The room sees a player as `Lost`.
pub(super) fn revoke(hub: &mut Hub, effects: &mut Effects, conn: ConnKey, key: RoomKey, now: Now) {
    let end = (ErrorKind::Revoked.code(), Body::Lost(Empty {}));
    remove(hub, effects, ReplyTo { conn, id: None }, key, end, now);
}

/// Takes a client out of a room, and sends it `left` with this code. A player's session ends with this entry.
fn remove(
    hub: &mut Hub,
    effects: &mut Effects,
    to: ReplyTo,
    key: RoomKey,
    (code, last): (&str, Body),
    now: Now,
) {
    let Some(membership) = dismiss(hub, effects, to.conn, key, now) else {
        return;
    };
    if membership.lane == LaneId::Players {
        end_session(hub, effects, &membership, last, now);
    }
    let Some(room) = hub.rooms.get(key) else {
        return;
    };
    let left = ServerMessage::Left {
        id: to.id,
        room: room.id(),
        code,
    };
    reply::send(&hub.clients, effects, to.conn, &left);
    reply::resume_reading(hub, effects, to.conn);
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
    let key = key.filter(|&key| hub.clients.membership_mut(to.conn, key).is_some());
    if key.is_none() {
        let message = "join the room first";
        let error = ErrorReply::new(ErrorKind::NotJoined, message, to.id, Some(room)).about(seq);
        reply::error(&hub.clients, effects, to.conn, &error);
    }
    key
}

/// Requests a lane from the owner, unless it is requested already.
fn watch(hub: &mut Hub, effects: &mut Effects, at: LaneKey) {
    if let Some(room) = hub.rooms.get_mut(at.room)
        && room.lane_mut(at.lane).watch()
    {
        effects.tell_owner(at.room, OwnerNote::Resync);
    }
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
    roomless::begin(hub, effects, conn, now.at);
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
            effects.tell_owner(key, OwnerNote::Spectators);
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
    let room = hub.rooms.get_mut(key);
    let Some(clients) = room.and_then(|room| room.lane_mut(lane).clients_of(membership.term))
    else {
        return;
    };
    if let Some(frames) = clients.take_private(conn) {
        // They belong to messages that the client has sent, so they precede `left`.
        effects.act(conn, ClientAction::Data(frames));
    }
    for (moved, slot) in clients.leave(conn, membership.slot) {
        if let Some(membership) = hub.clients.membership_mut(moved, key) {
            membership.slot = Some(slot);
        }
    }
}
