//! Writes to clients: actions at once, lanes in slices and in turn, players first.

use bytes::Bytes;
use grandstand_common::error::ErrorKind;
use grandstand_common::id::Lane as LaneId;

use super::answer;
use super::clients::Client;
use super::crowd;
use super::delivery;
use super::effects::{Answer, ClientAction, Effects};
use super::ids::LaneKey;
use super::rooms::frame_log::Outgoing;
use super::state::Hub;
use crate::codec::{self, SentKind};
use crate::conn::key::ConnKey;
use crate::conn::transport::{SendStatus, Transport};

/// A notice for all clients gets one of this many writes while lanes have frames.
const NOTICES: usize = 4;

/// The most slots of clients that are visited instead of one write.
const SLOTS: usize = 64;

/// Performs all actions, then writes to up to `budget` members: players' lanes, spectators' lanes, notices. Each lane gets
/// one slice in turn. Returns whether frames are left. The caller lets other tasks run, and reads the clock, before it
/// calls again.
pub(super) fn flush(
    hub: &mut Hub,
    effects: &mut Effects,
    budget: usize,
    transport: &mut impl Transport,
) -> bool {
    if effects.has_actions() {
        act(hub, effects, transport);
    }
    let notices = if hub.announcements.is_active() {
        budget.div_ceil(NOTICES)
    } else {
        0
    };
    let mut left = budget.saturating_sub(notices).max(1);
    for lane in LaneId::ALL {
        if lane == LaneId::Spectators && effects.has_crowds() {
            left = serve_crowds(hub, effects, left, transport);
        }
        for _ in 0..effects.dirty_lanes(lane) {
            if left == 0 {
                break;
            }
            let Some(key) = effects.pop_dirty(lane) else {
                break;
            };
            let at = key.lane(lane);
            left = flush_lane(hub, effects, at, left, transport);
        }
    }
    if notices > 0 {
        announce(hub, effects, left + notices, transport);
    }
    effects.needs_flush() || hub.announcements.is_active()
}

/// Sends up to `budget` clients the notice for all clients.
#[cold]
fn announce(hub: &mut Hub, effects: &mut Effects, budget: usize, transport: &mut impl Transport) {
    for _ in 0..budget {
        let slot = hub.announcements.next_slot();
        let number = hub.announcements.number();
        let Some((conn, next)) = hub.clients.next_unannounced(slot, SLOTS, number) else {
            return hub.announcements.end();
        };
        hub.announcements.advance(next);
        let Some(conn) = conn else { continue };
        hub.clients.set_announced(conn, number);
        let encoding = hub.clients.get(conn).map(Client::encoding);
        if let Some((encoding, notice)) = encoding.zip(hub.announcements.notice()) {
            let frames = codec::message(encoding, &notice.message(None));
            effects.counts().sent.add(SentKind::Notice, 1);
            transport.send_control(conn, &frames);
        }
    }
}

/// Tells some clients of a lane that it has a first snapshot, or that it has ended. Returns how many of `left` writes are
/// left: half of them are for other spectators.
#[cold]
fn serve_crowds(
    hub: &mut Hub,
    effects: &mut Effects,
    left: usize,
    transport: &mut impl Transport,
) -> usize {
    let budget = left.div_ceil(2).max(1);
    let Some(at) = effects.pop_crowd() else {
        return left;
    };
    let unused = crowd::serve(hub, effects, at, budget);
    delivery::mark_dirty(hub, effects, at);
    act(hub, effects, transport);
    left.saturating_sub(budget - unused)
}

/// Performs the actions that events have queued for single clients.
pub(super) fn act(hub: &mut Hub, effects: &mut Effects, transport: &mut impl Transport) {
    while let Some((conn, action)) = effects.pop_action() {
        match action {
            ClientAction::Data(frames) => send(hub, effects, conn, &frames, transport),
            ClientAction::Control(frames) => {
                transport.send_control(conn, &frames);
            }
            ClientAction::Answer(answer) => {
                send_answer(hub, conn, *answer, transport);
            }
            ClientAction::Discard => send_snapshots_later(hub, conn, transport),
            ClientAction::Close(why) => transport.close(conn, why),
            ClientAction::Pause(paused) => transport.pause(conn, paused),
        }
    }
}

/// Sends the answer to a join, or only `joined` if the socket has not accepted all earlier frames. However many rooms a
/// client joins at once, the edge queues the frames of one of them (D26).
fn send_answer(hub: &mut Hub, conn: ConnKey, answer: Answer, transport: &mut impl Transport) {
    let Answer {
        room,
        seen,
        since,
        joined,
        shared,
        private,
    } = answer;
    let has_more = !shared.is_empty() || !private.is_empty();
    if !has_more || transport.is_drained(conn) {
        let frames = concat(joined, shared, &private);
        if !frames.is_empty() {
            transport.send_control(conn, &frames);
        }
        return;
    }
    if !joined.is_empty() {
        transport.send_control(conn, &joined.into());
    }
    answer::postpone(hub, conn, room, seen, since);
}

/// Sends a client whose outbox is empty the snapshots and frames that it read too slowly to get.
pub(super) fn on_drained(
    hub: &mut Hub,
    effects: &mut Effects,
    conn: ConnKey,
    transport: &mut impl Transport,
) {
    while answer::on_drained(hub, effects, conn) {
        act(hub, effects, transport);
        if !transport.is_drained(conn) {
            break;
        }
    }
    answer::send_missed_frames(hub, effects, conn);
    act(hub, effects, transport);
}

fn concat(joined: Vec<u8>, shared: Bytes, private: &[u8]) -> Bytes {
    if joined.is_empty() && private.is_empty() {
        return shared;
    }
    let mut whole = joined;
    whole.reserve_exact(shared.len() + private.len());
    whole.extend_from_slice(&shared);
    whole.extend_from_slice(private);
    whole.into()
}

fn send(
    hub: &mut Hub,
    effects: &mut Effects,
    conn: ConnKey,
    frames: &Bytes,
    transport: &mut impl Transport,
) {
    if transport.send(conn, frames) == SendStatus::Full {
        on_slow(hub, effects, conn, transport);
    }
}

/// Flushes one slice of a lane; returns how many of `budget` writes are left.
#[inline(never)] // In the task of the shard, the loop over members spills its registers.
fn flush_lane(
    hub: &mut Hub,
    effects: &mut Effects,
    at: LaneKey,
    budget: usize,
    transport: &mut impl Transport,
) -> usize {
    let cap = hub.rooms.config().outbox_bytes;
    let Some(room) = hub.rooms.get_mut(at.room) else {
        return budget;
    };
    let mut slow = Vec::<ConnKey>::new();
    let mut unreached = Vec::<ConnKey>::new();
    let mut written = 0;
    let (id, lane, _) = room.parts(at.lane);
    let clients = lane.clients_mut();
    let sent = effects.tallies().stamps(id.game(), at.lane);
    let clean = clients.flush(budget, cap, sent, |conn, outgoing| {
        written += 1;
        let frames = match outgoing {
            Outgoing::Frames(frames) => frames,
            Outgoing::Missed => {
                written -= 1;
                unreached.push(conn);
                return false;
            }
            Outgoing::Newest(_, Some(frame)) if transport.send_datagram(conn, frame) => {
                return true;
            }
            Outgoing::Newest(frame, _) => {
                // A client that reads slowly gets a newer one, once it has read.
                let is_drained = transport.is_drained(conn);
                return is_drained && transport.send(conn, frame) != SendStatus::Full;
            }
            Outgoing::Datagram(frame) if transport.send_datagram(conn, frame) => return true,
            // It may be late, but it is not too large for the stream.
            Outgoing::Datagram(frame) => frame,
        };
        let full = transport.send(conn, frames) == SendStatus::Full;
        if full {
            slow.push(conn);
        }
        !full
    });
    let encoded = clients.take_encoded();
    let deflated = hub.rooms.encoder().stats();
    let broadcast = hub.rooms.encoder().sent();
    let counts = effects.counts();
    counts.writes += written as u64;
    counts.encodings += encoded;
    counts.deflated = deflated;
    counts.broadcast = broadcast;
    counts.unreached += unreached.len() as u64;
    for conn in slow {
        on_slow(hub, effects, conn, transport);
    }
    for conn in unreached {
        // The client reads, but this edge was too slow to reach it.
        send_snapshots_later(hub, conn, transport);
    }
    let mut left = budget.saturating_sub(written);
    if clean {
        left = flush_private(hub, effects, at, left, transport);
    }
    if let Some(room) = hub.rooms.get_mut(at.room) {
        let clients = room.lane_mut(at.lane).clients_mut();
        let has_frames = !clean || !clients.private().is_empty();
        clients.set_queued(has_frames);
        if has_frames {
            effects.mark_dirty(at);
        }
    }
    left
}

/// Sends up to `budget` clients of a lane the frames for them only. All members have been sent the lane's frames. Returns
/// how many of `budget` writes are left.
fn flush_private(
    hub: &mut Hub,
    effects: &mut Effects,
    at: LaneKey,
    budget: usize,
    transport: &mut impl Transport,
) -> usize {
    let mut left = budget;
    while left > 0
        && let Some(room) = hub.rooms.get_mut(at.room)
        && let Some((conn, frames)) = room.lane_mut(at.lane).clients_mut().private_mut().pop()
    {
        let slot = hub
            .clients
            .membership_mut(conn, at.room)
            .and_then(|m| m.slot);
        let clients = room.lane(at.lane).clients();
        // The snapshot that a slow member gets brings its private messages.
        if slot.is_none_or(|slot| !clients.is_stale(slot)) {
            send(hub, effects, conn, &frames, transport);
            left -= 1;
        }
    }
    left
}

/// Handles a slow client: closes it if it plays and slow players are closed, else drops its queued frames and sends
/// snapshots once its outbox is empty.
fn on_slow(hub: &mut Hub, effects: &mut Effects, conn: ConnKey, transport: &mut impl Transport) {
    let Some(client) = hub.clients.get(conn) else {
        return;
    };
    effects.counts().stale += 1;
    let mut memberships = client.memberships().iter();
    let plays = memberships.any(|m| m.lane == LaneId::Players);
    if plays && hub.clients.config().close_slow_players {
        effects.counts().error(ErrorKind::TooSlow);
        transport.close(conn, ErrorKind::TooSlow);
        return;
    }
    send_snapshots_later(hub, conn, transport);
}

/// Drops a client's queued frames. The client gets a snapshot of each of its rooms once its outbox is empty.
fn send_snapshots_later(hub: &mut Hub, conn: ConnKey, transport: &mut impl Transport) {
    let Some(client) = hub.clients.get(conn) else {
        return;
    };
    transport.discard(conn);
    for membership in client.memberships() {
        let room = hub.rooms.get_mut(membership.room);
        if let (Some(slot), Some(room)) = (membership.slot, room) {
            let lane = room.lane_mut(membership.lane);
            let seen = lane.version().unwrap_or(0);
            if let Some(clients) = lane.clients_of(membership.term) {
                clients.mark_stale(slot, seen);
            }
        }
    }
}
