//! Joining rooms.

use std::borrow::Cow;

use bytes::Bytes;
use grandstand_common::auth::RoomGrant;
use grandstand_common::clock::Now;
use grandstand_common::envelope::{Join, Role};
use grandstand_common::error::ErrorKind;
use grandstand_common::id::{Lane as LaneId, RoomId};
use grandstand_common::wire::{self, Body};
use rand::{Rng, RngExt};

use super::answer;
use super::clients::{Client, Clients, JoinRequest, Membership};
use super::effects::{Effects, OwnerNote};
use super::ids::{LaneKey, RoomKey};
use super::reply::{self, ErrorReply, ReplyTo};
use super::rooms::chain::Chain;
use super::rooms::sessions::PlayerSession;
use super::state::{Hub, State};
use super::unanswered;
use crate::conn::key::ConnKey;

/// A `join` that a token grants.
struct AcceptedJoin {
    join: Join,
    granted: Granted,
    request: Box<JoinRequest>,
}

/// The right to join a room.
struct Granted {
    role: Role,
    /// The options that the token has for the room.
    options: Option<Bytes>,
    /// The parameters that the token has for the room.
    params: Option<Bytes>,
    /// Whether the `join` has brought the token.
    is_invited: bool,
}

/// Handles a client's `join`.
pub(super) fn on_join(state: &mut State, effects: &mut Effects, to: ReplyTo, join: Join, now: Now) {
    let hub = &mut state.hub;
    if let Err(refused) = hub.clients.charge_join(to.conn, now.at) {
        let message = "this player joins too fast; join again later";
        if refused.is_flood {
            let retry_after_ms = refused.retry_after_ms();
            return reply::close_flooding(&hub.clients, effects, to.conn, message, retry_after_ms);
        }
        let error = ErrorReply::new(ErrorKind::RateLimited, message, to.id, Some(&join.room));
        let error = error.retry_after(refused.retry_after_ms());
        return reply::error(&hub.clients, effects, to.conn, &error);
    }
    let Some(client) = hub.clients.get(to.conn) else {
        return;
    };
    let granted = match grant(&hub.clients, client, &join, now) {
        Ok(granted) => granted,
        Err((kind, message)) => {
            let error = ErrorReply::new(kind, &message, to.id, Some(&join.room));
            return reply::error(&hub.clients, effects, to.conn, &error);
        }
    };
    let role = granted.role;
    if hub.is_room_revoked(to.conn, &join.room, now.unix_ms) {
        let message = "this token was revoked for this room";
        let error = ErrorReply::new(ErrorKind::Revoked, message, to.id, Some(&join.room));
        return reply::error(&hub.clients, effects, to.conn, &error);
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
        let at = membership.at();
        let answered = membership.answered;
        if answered {
            answer::send(hub, effects, to.conn, at)
        } else {
            unanswered::arm(hub, effects, to.conn, at.room, now)
        }
        return;
    }
    let limit = state.config.limits.rooms;
    if let Some((kind, message)) = refusal_of(&hub.clients, to.conn, role, limit) {
        let error = ErrorReply::new(kind, message, to.id, Some(&join.room));
        return reply::error(&hub.clients, effects, to.conn, &error);
    }
    let accepted = AcceptedJoin {
        join,
        granted,
        request,
    };
    match role {
        Role::Player => join_players(state, effects, to.conn, accepted, now),
        _ => join_spectators(state, effects, to.conn, accepted, now),
    }
}

/// Returns the right of a client to join: that of the token in the `join`, or else that of the client's own. The error is
/// the answer.
fn grant(
    clients: &Clients,
    client: &Client,
    join: &Join,
    now: Now,
) -> Result<Granted, (ErrorKind, Cow<'static, str>)> {
    let forbidden = |message| (ErrorKind::Forbidden, Cow::Borrowed(message));
    let own = client.grants();
    let (granted, is_invited) = match &join.token {
        Some(token) => {
            let invited = clients.verify(token, now);
            let invited = invited.map_err(|why| (why.kind(), Cow::Owned(why.to_string())))?;
            if invited.player().is_none() || invited.player() != own.player() {
                return Err(forbidden("the join's token is for another player"));
            }
            (invited.room(&join.room), true)
        }
        None => (own.room(&join.room), false),
    };
    let RoomGrant {
        role: highest,
        options,
        params,
    } = granted.ok_or_else(|| forbidden("the token does not grant access to this room"))?;
    let role = join.role.unwrap_or(highest);
    if role > highest {
        return Err(forbidden(
            "the token allows only spectators in this room; join with role \"spectator\"",
        ));
    }
    Ok(Granted {
        role,
        options,
        params,
        is_invited,
    })
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

/// The place that a client takes in a room.
#[derive(Clone, Copy)]
pub(super) struct Entered {
    pub(super) lane: LaneId,
    /// 0 for a spectator.
    pub(super) session: u64,
    /// Whether the `join` has brought a token.
    pub(super) is_invited: bool,
}

/// Adds a client to a lane of a room, which is opened if it is not known.
pub(super) fn enter(
    state: &mut State,
    conn: ConnKey,
    room: &RoomId,
    entered: Entered,
    request: Box<JoinRequest>,
) -> LaneKey {
    let Entered {
        lane,
        session,
        is_invited,
    } = entered;
    let hub = &mut state.hub;
    let key = hub.rooms.open(room);
    if let Some(room) = hub.rooms.get_mut(key) {
        let membership = Membership {
            room: key,
            lane,
            session,
            is_invited,
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
    accepted: AcceptedJoin,
    now: Now,
) {
    let AcceptedJoin {
        join,
        granted,
        request,
    } = accepted;
    let entered = Entered {
        lane: LaneId::Spectators,
        session: 0,
        is_invited: granted.is_invited,
    };
    show(state, effects, conn, (&join.room, entered), request, now);
}

/// Adds a client without a session to a lane, and answers it as soon as there is something to show.
pub(super) fn show(
    state: &mut State,
    effects: &mut Effects,
    conn: ConnKey,
    (room, entered): (&RoomId, Entered),
    request: Box<JoinRequest>,
    now: Now,
) {
    let at = enter(state, conn, room, entered, request);
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
        unanswered::arm(hub, effects, conn, at.room, now);
    }
    effects.tell_owner(at.room, OwnerNote::Spectators);
}

/// Adds a player, and appends the `Joined` of its session. The `join` is answered once the owner has reported it.
fn join_players(
    state: &mut State,
    effects: &mut Effects,
    conn: ConnKey,
    accepted: AcceptedJoin,
    now: Now,
) {
    let AcceptedJoin {
        join,
        granted,
        request,
    } = accepted;
    let session = state.rng.random::<u64>().max(1);
    let entered = Entered {
        lane: LaneId::Players,
        session,
        is_invited: granted.is_invited,
    };
    let at = enter(state, conn, &join.room, entered, request);
    let mut seed = [0; 32];
    state.rng.fill_bytes(&mut seed);
    let joined = wire::Joined {
        client: join.client.unwrap_or_default(),
        attempt: join.attempt,
        seed: seed.to_vec().into(),
        params: granted.params.or(join.params).unwrap_or_default(),
        options: granted.options.unwrap_or_default(),
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
    let player = PlayerSession::new(player, inputs, conn_of_session, chain);
    // The entry makes the owner send the lane to this edge, so no request is needed.
    room.lane_mut(at.lane).watch();
    let (address, sessions) = room.addressed_sessions();
    let joined = Body::Joined(joined);
    sessions.limit_inputs(|| shared.room_inputs(address.id.as_str()));
    sessions.insert(session, player);
    sessions.push(address, session, joined, now, effects);
    unanswered::arm(hub, effects, conn, at.room, now);
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
