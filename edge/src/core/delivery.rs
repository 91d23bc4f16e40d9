//! Delivery of owners' events to lanes: at once, or after the lane's delay.

use grandstand_common::clock::Now;
use grandstand_common::envelope::ServerMessage;
use grandstand_common::error::ErrorKind;
use grandstand_common::id::{Lane as LaneId, RoomId};

use super::clients::Membership;
use super::effects::{ClientAction, Effects, Tell};
use super::ids::RoomKey;
use super::rooms::delay::DeliveryPolicy;
use super::rooms::event::{Applied, LaneEvent, Offer, UpdateOutcome};
use super::rooms::sessions::PlayerSession;
use super::state::Hub;
use super::{join, linger, reply};
use crate::conn::key::ConnKey;

/// Sets the delivery policy that a snapshot brings for its lane. The players' lane is never delayed.
pub(super) fn set_policy(hub: &mut Hub, key: RoomKey, lane: LaneId, policy: DeliveryPolicy) {
    if lane == LaneId::Players {
        return;
    }
    let config = hub.rooms.config();
    let (policy, cap) = (policy.max(config.spectators), config.delay_bytes);
    if let Some(room) = hub.rooms.room_mut(key) {
        room.lane_mut(lane).set_policy(policy, cap);
    }
}

/// Applies an event to a lane, now or after the lane's delay.
pub(super) fn deliver(
    hub: &mut Hub,
    effects: &mut Effects,
    (key, lane): (RoomKey, LaneId),
    event: LaneEvent,
    now: Now,
) -> UpdateOutcome {
    let Some(room) = hub.rooms.room_mut(key) else {
        return UpdateOutcome::Old;
    };
    let is_snapshot = matches!(event, LaneEvent::Snapshot { .. });
    match room.lane_mut(lane).offer(event, now.at) {
        Offer::Due(event) => apply(hub, effects, (key, lane), event, now),
        Offer::Delayed(taken) => {
            release(hub, effects, key, now);
            if is_snapshot {
                // Waiting clients get `joined` now, and the snapshot when it is due.
                join::answer_waiting(hub, effects, key, lane);
            }
            taken
        }
    }
}

/// Queues a lane for the flush if it has frames to send and is not queued yet.
pub(super) fn mark_dirty(hub: &mut Hub, effects: &mut Effects, key: RoomKey, lane: LaneId) {
    if let Some(room) = hub.rooms.room_mut(key)
        && room.lane_mut(lane).clients_mut().enqueue()
    {
        effects.mark_dirty(key, lane);
    }
}

/// Applies the due events of all delayed lanes.
pub(super) fn release_due(hub: &mut Hub, effects: &mut Effects, now: Now) {
    while let Some(key) = hub.rooms.pop_due(now.at) {
        release(hub, effects, key, now);
    }
}

/// Applies the due events of a delayed lane, and schedules its next release.
fn release(hub: &mut Hub, effects: &mut Effects, key: RoomKey, now: Now) {
    let lane = LaneId::Spectators;
    while let Some(room) = hub.rooms.room_mut(key)
        && let Some(event) = room.lane_mut(lane).pop_due(now.at)
    {
        apply(hub, effects, (key, lane), event, now);
    }
    mark_dirty(hub, effects, key, lane);
    hub.rooms.schedule_release(key);
    if let Some(room) = hub.rooms.room_mut(key)
        && room.lane_mut(lane).settle_delay()
    {
        effects.counts().delays_overflowed += 1;
        effects.tell_owner(key, Tell::Resync);
    }
}

fn apply(
    hub: &mut Hub,
    effects: &mut Effects,
    (key, lane): (RoomKey, LaneId),
    event: LaneEvent,
    now: Now,
) -> UpdateOutcome {
    let Some((room, encoder)) = hub.rooms.get_mut(key) else {
        return UpdateOutcome::Old;
    };
    let (id, lane_state, _) = room.parts(lane);
    match lane_state.apply(id, event, encoder) {
        Applied::Nothing => {}
        Applied::HasSnapshot => join::answer_waiting(hub, effects, key, lane),
        Applied::Updated(taken) => {
            effects.counts().updates += u64::from(taken == UpdateOutcome::New);
            if !lane_state.clients().waiting().is_empty() {
                // They have seen more than the lane had.
                join::answer_waiting(hub, effects, key, lane);
            }
            return taken;
        }
        Applied::Ended(code) => end_lane(hub, effects, (key, lane), &code, now),
    }
    UpdateOutcome::New
}

/// Makes all clients leave a lane. Members get the frames that they have not been sent before their `left`.
fn end_lane(
    hub: &mut Hub,
    effects: &mut Effects,
    (key, lane): (RoomKey, LaneId),
    code: &str,
    now: Now,
) {
    let cap = hub.rooms.config().outbox_bytes;
    let Some((room, encoder)) = hub.rooms.get_mut(key) else {
        return;
    };
    let (id, lane_state, sessions) = room.parts(lane);
    let id = id.clone();
    let mut written = 0;
    let clients = lane_state.clients_mut();
    while clients.is_dirty() {
        clients.flush(usize::MAX, cap, |conn, frames| {
            let unreached = frames.is_none();
            written += u64::from(!unreached);
            let action = frames.map_or(ClientAction::Discard, ClientAction::Data);
            effects.act(conn, action);
            !unreached
        });
    }
    effects.counts().writes += written;
    effects.counts().encodings += clients.take_encoded();
    let (mut conns, mut departed) = (clients.take_waiting(), Vec::new());
    conns.extend(clients.members().iter().map(|member| member.conn));
    if lane == LaneId::Players {
        let cleared = sessions.clear();
        conns.extend(cleared.iter().filter_map(|player| Some(player.conn()?.0)));
        departed.extend(cleared.iter().filter_map(PlayerSession::departed));
    }
    lane_state.set_presence(&id, None, encoder);
    for conn in departed {
        hub.clients.departed(conn);
    }
    for conn in conns {
        let Some(membership) = join::dismiss(hub, effects, conn, key, now) else {
            continue;
        };
        reply::resume_reading(hub, effects, conn);
        tell_closed(hub, effects, conn, (membership, &id), code);
    }
    linger::begin(hub, effects, key, now);
}

fn tell_closed(
    hub: &Hub,
    effects: &mut Effects,
    conn: ConnKey,
    (membership, room): (Membership, &RoomId),
    code: &str,
) {
    if code == ErrorKind::Finished.code() {
        let left = ServerMessage::Left {
            id: None,
            room,
            code,
        };
        return reply::send(&hub.clients, effects, conn, &left);
    }
    let id = membership.request.and_then(|request| request.id);
    let message = if code == ErrorKind::NoSuchGame.code() {
        "no worker knows the game that the room's name begins with"
    } else {
        "this room is unavailable"
    };
    reply::join_error(&hub.clients, effects, conn, (code, message), (id, room));
}
