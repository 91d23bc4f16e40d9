//! Leaving rooms: by a `leave`, by the loss of the connection, or because the token no longer grants the room.

use grandstand_common::clock::Now;
use grandstand_common::envelope::{Role, ServerMessage};
use grandstand_common::error::ErrorKind;
use grandstand_common::id::{Lane as LaneId, RoomId};
use grandstand_common::wire::{Body, Empty};

use super::clients::Membership;
use super::effects::{ClientAction, Effects, OwnerNote};
use super::ids::RoomKey;
use super::join::joined_room;
use super::linger;
use super::reply::{self, ReplyTo};
use super::roomless;
use super::state::Hub;
use crate::conn::key::ConnKey;

/// The end of a client's membership.
struct Ending<'a> {
    /// The code of the `left` that the client receives.
    code: &'a str,
    /// The last entry of a player's session.
    last_entry: Body,
}

/// Handles a client's `leave`.
pub(super) fn on_leave(hub: &mut Hub, effects: &mut Effects, to: ReplyTo, room: &RoomId, now: Now) {
    let Some(key) = joined_room(hub, effects, to, room, None) else {
        return;
    };
    let end = Ending {
        code: "left",
        last_entry: Body::Left(Empty {}),
    };
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
    // A client that only looks at the players' lane has none.
    if membership.session == 0 {
        return;
    }
    if let Some(room) = hub.rooms.get_mut(membership.room)
        && room.lane(membership.lane).term() == membership.term
    {
        let (address, sessions) = room.addressed_sessions();
        if let Some(departed) = sessions.end(address, membership.session, last, now, effects) {
            hub.clients.count_departing(departed);
        }
    }
}

/// The rooms in which a client has a role that its token does not grant, nor an invitation.
pub(super) fn ungranted(hub: &Hub, conn: ConnKey) -> Vec<RoomKey> {
    let Some(client) = hub.clients.get(conn) else {
        return Vec::new();
    };
    let is_ungranted = |membership: &&Membership| {
        let needed = Role::from(membership.lane);
        let room = hub.rooms.get(membership.room);
        let granted = room.and_then(|room| client.grants().room(room.id()));
        !membership.is_invited && granted.is_none_or(|granted| granted.role < needed)
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
    let end = Ending {
        code: ErrorKind::Forbidden.code(),
        last_entry: Body::Left(Empty {}),
    };
    remove(hub, effects, ReplyTo { conn, id: None }, key, end, now);
}

/// Takes a client out of a room for which its token was revoked. The room sees a player as `Lost`.
pub(super) fn revoke(hub: &mut Hub, effects: &mut Effects, conn: ConnKey, key: RoomKey, now: Now) {
    let end = Ending {
        code: ErrorKind::Revoked.code(),
        last_entry: Body::Lost(Empty {}),
    };
    remove(hub, effects, ReplyTo { conn, id: None }, key, end, now);
}

/// Takes a client out of a room, and sends it `left`.
fn remove(
    hub: &mut Hub,
    effects: &mut Effects,
    to: ReplyTo,
    key: RoomKey,
    end: Ending<'_>,
    now: Now,
) {
    let Some(membership) = dismiss(hub, effects, to.conn, key, now) else {
        return;
    };
    if membership.lane == LaneId::Players {
        end_session(hub, effects, &membership, end.last_entry, now);
    }
    let Some(room) = hub.rooms.get(key) else {
        return;
    };
    let left = ServerMessage::Left {
        id: to.id,
        room: room.id(),
        code: end.code,
    };
    reply::send(&hub.clients, effects, to.conn, &left);
    reply::resume_reading(hub, effects, to.conn);
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
    let key = membership.room;
    let lane = membership.lane;
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
    let key = membership.room;
    let lane = membership.lane;
    let room = hub.rooms.get_mut(key);
    let Some(clients) = room.and_then(|room| room.lane_mut(lane).clients_of(membership.term))
    else {
        return;
    };
    if let Some(frames) = clients.private_mut().take(conn) {
        // They belong to messages that the client has sent, so they precede `left`.
        effects.act(conn, ClientAction::Data(frames.into()));
    }
    for (moved, slot) in clients.leave(conn, membership.slot) {
        if let Some(membership) = hub.clients.membership_mut(moved, key) {
            membership.slot = Some(slot);
        }
    }
}
