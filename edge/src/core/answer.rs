//! Answers to joins, and snapshots for clients that were slow.

use std::cmp::Ordering;

use bytes::Bytes;
use grandstand_common::envelope::{Encoding, ServerMessage};
use grandstand_common::id::{Instance, Lane as LaneId, RoomId};

use super::clients::{JoinRequest, Membership};
use super::effects::{Answer, ClientAction, Effects, OwnerNote};
use super::ids::{LaneKey, RoomKey};
use super::rooms::event::presence_message;
use super::rooms::lane::Lane;
use super::rooms::sessions::{PlayerSession, Sessions};
use super::state::Hub;
use crate::codec::{SentKind, WireFormat, put_message};
use crate::conn::key::ConnKey;

/// Answers a `join` with `joined` and the frames that the client has not been sent, in the protocol's order. The frames
/// wait for the lane's first snapshot. A member that repeats its `join` with `since` has been sent all updates on this
/// connection, or they are queued: it gets `joined`, and the frames for this client only behind what is queued (D21).
pub(super) fn send(hub: &mut Hub, effects: &mut Effects, conn: ConnKey, at: LaneKey) {
    let Some((room, encoder)) = hub.rooms.get_with_encoder(at.room) else {
        return;
    };
    let Some(format) = hub.clients.get(conn).map(|client| client.format()) else {
        return;
    };
    let encoding = format.encoding;
    let Some(membership) = hub.clients.membership_mut(conn, at.room) else {
        return;
    };
    let (id, lane_state, sessions) = room.parts(at.lane);
    if membership.term != lane_state.term() {
        return;
    }
    let slow_seen = lane_state.clients().slow().seen(conn);
    // A client that becomes a member has seen nothing, or says itself what it has seen.
    let seen = membership.slot.and(slow_seen.or(lane_state.version()));
    let mut answer = empty(at.room, seen.unwrap_or(0));
    let joined = JoinedLane {
        room: id,
        lane: at.lane,
        state: lane_state,
        session: sessions.get(membership.session),
    };
    put_joined(&mut answer.joined, membership, joined, encoding);
    let sent = &mut effects.counts().sent;
    sent.add(SentKind::Joined, u64::from(!answer.joined.is_empty()));
    let since = membership.request.as_ref().and_then(|r| r.since.as_ref());
    let lead = since.and_then(|(version, epoch)| lane_state.compare(*version, epoch));
    let is_current = membership.slot.is_some() && slow_seen.is_none();
    if is_current && lead.is_some_and(Ordering::is_ge) {
        membership.request = None;
        let private = private_frames(sessions, membership.session, encoding, id);
        if lane_state.clients_mut().repeat_private(conn, &private) {
            effects.mark_dirty(at);
        }
        return effects.act(conn, ClientAction::Answer(Box::new(answer)));
    }
    // A slow member may have got more than it had when it sent the `join` again. Only a snapshot serves it then.
    let since = since.filter(|(version, _)| answer.seen <= *version);
    let missed =
        since.and_then(|(version, epoch)| lane_state.missed(id, encoding, *version, epoch));
    // Another edge has sent the client more than this one has. It must not see an older state of the same epoch, so it
    // waits for what the owner sends.
    let is_ahead = membership.slot.is_none() && lead.is_some_and(Ordering::is_lt);
    let goes_back = missed.is_none() && membership.slot.is_some() && lane_state.would_go_back(conn);
    if goes_back {
        if lane_state.clients_mut().slow_mut().wait(conn) {
            effects.tell_owner(at.room, OwnerNote::Snapshot);
        }
        return effects.act(conn, ClientAction::Answer(Box::new(answer)));
    }
    effects.counts().resumed += u64::from(missed.is_some() && !is_ahead);
    let frames = if is_ahead {
        None
    } else {
        missed.or_else(|| {
            let snapshot = lane_state.catch_up(id, format, encoder);
            let sent = &mut effects.counts().sent;
            sent.add(SentKind::Snapshot, u64::from(snapshot.is_some()));
            snapshot
        })
    };
    if is_ahead && !answer.joined.is_empty() {
        effects.tell_owner(at.room, OwnerNote::Resync);
    }
    if frames.is_none() && membership.slot.is_none() {
        lane_state.clients_mut().waiting_mut().insert(conn);
    } else {
        // Without frames, the member gets the lane's next snapshot like all others.
        answer.shared = frames.unwrap_or_default();
        answer.since = admit(membership, lane_state, conn, format);
        answer.private = private_frames(sessions, membership.session, encoding, id);
        if let Some(presence) = lane_state.presence() {
            let message = presence_message(id, presence);
            put_message(&mut answer.private, encoding, &message);
            effects.counts().sent.add(SentKind::Presence, 1);
        }
        if let Some(data) = lane_state.clients().frame() {
            let n = None;
            let frame = ServerMessage::Live { room: id, data, n };
            put_message(&mut answer.private, encoding, &frame);
            effects.counts().sent.add(SentKind::Live, 1);
        }
    }
    effects.act(conn, ClientAction::Answer(Box::new(answer)));
}

/// An answer without frames, to a client that may have seen versions up to `seen`.
fn empty(room: RoomKey, seen: u64) -> Answer {
    Answer {
        room,
        seen,
        since: None,
        joined: Vec::new(),
        shared: Bytes::new(),
        private: Vec::new(),
    }
}

/// The frames for this client only that follow the snapshot in the answer to its `join`; none if they wait, and for
/// spectators.
fn private_frames(
    sessions: &mut Sessions,
    session: u64,
    encoding: Encoding,
    room: &RoomId,
) -> Vec<u8> {
    let mut out = Vec::new();
    if let Some(recipient) = sessions.recipient(session) {
        recipient.answer(&mut out, encoding, room);
    }
    out
}

/// Makes a client a member of its lane, or lets a member continue. Returns the version and the epoch that the client has
/// according to its `join`.
fn admit(
    membership: &mut Membership,
    lane: &mut Lane,
    conn: ConnKey,
    format: WireFormat,
) -> Option<(u64, String)> {
    let request = membership.request.take();
    let wants_datagrams = request.as_ref().is_some_and(|request| request.datagrams);
    let clients = lane.clients_mut();
    match membership.slot {
        Some(slot) => clients.mark_current(slot),
        None => membership.slot = Some(clients.add_member(conn, format, wants_datagrams)),
    }
    // Frames of its own that wait are older: the answer has the latest of them.
    clients.private_mut().take(conn);
    request.and_then(|request| request.since)
}

/// The lane that a client has joined.
struct JoinedLane<'a> {
    room: &'a RoomId,
    lane: LaneId,
    state: &'a Lane,
    /// The session of a player.
    session: Option<&'a PlayerSession>,
}

/// Adds `joined`, unless the client has it.
fn put_joined(
    out: &mut Vec<u8>,
    membership: &mut Membership,
    joined: JoinedLane<'_>,
    encoding: Encoding,
) {
    let JoinedLane {
        room,
        lane,
        state,
        session,
    } = joined;
    let Some(request) = &mut membership.request else {
        return;
    };
    if request.joined_sent {
        return;
    }
    let instance = match state.version() {
        // The room is delayed, and spectators must not see it yet.
        None if state.known_version().is_some() => Instance(0),
        _ => state.instance(),
    };
    let name = instance.to_string();
    let joined = ServerMessage::Joined {
        id: request.id,
        room,
        role: lane.into(),
        instance: (instance.0 != 0).then_some(name.as_str()),
        last_seq: session.map_or(0, PlayerSession::acked),
    };
    put_message(out, encoding, &joined);
    request.joined_sent = true;
    request.id = None;
    membership.answered = true;
}

/// Notes that the frames that followed `joined` in an answer are not sent yet. They are made again once the client's
/// outbox is empty.
pub(super) fn postpone(
    hub: &mut Hub,
    conn: ConnKey,
    key: RoomKey,
    seen: u64,
    since: Option<(u64, String)>,
) {
    let Some(membership) = hub.clients.membership_mut(conn, key) else {
        return;
    };
    membership.request.get_or_insert_with(|| {
        Box::new(JoinRequest {
            id: None,
            since,
            joined_sent: true,
            datagrams: false,
            due: None,
        })
    });
    let slot = membership.slot;
    let lane = membership.lane;
    let term = membership.term;
    if let (Some(slot), Some(room)) = (slot, hub.rooms.get_mut(key))
        && let Some(clients) = room.lane_mut(lane).clients_of(term)
    {
        clients.mark_stale(slot, seen);
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
        lane.is_some_and(|(slot, lane)| {
            lane.term() == m.term && lane.clients().needs_snapshot(slot)
        })
    };
    let stale = client.memberships().iter().find(is_stale);
    let Some(at) = stale.map(Membership::at) else {
        return false;
    };
    // The next time another room comes first, so that none starves.
    hub.clients.move_to_end(conn, at.room);
    send(hub, effects, conn, at);
    true
}

/// Sends a client whose outbox is empty the newest frames that it read too slowly to get.
pub(super) fn send_missed_frames(hub: &mut Hub, effects: &mut Effects, conn: ConnKey) {
    let Some(client) = hub.clients.get(conn) else {
        return;
    };
    for membership in client.memberships() {
        if let (Some(slot), Some(room)) = (membership.slot, hub.rooms.get_mut(membership.room)) {
            let (id, lane, _) = room.parts(membership.lane);
            let is_of_term = membership.term == lane.term();
            let frame = is_of_term.then(|| lane.clients_mut().take_missed_frame(id, slot));
            if let Some(frame) = frame.flatten() {
                effects.act(conn, ClientAction::Data(frame));
            }
        }
    }
}
