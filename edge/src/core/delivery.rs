//! Delivery of owners' events to lanes: at once, or after the lane's delay.

use grandstand_common::clock::Now;
use grandstand_common::id::Lane as LaneId;

use super::crowd;
use super::effects::{Effects, OwnerNote};
use super::ids::{LaneKey, RoomKey};
use super::rooms::delay::DeliveryPolicy;
use super::rooms::event::{ApplyOutcome, LaneEvent, OfferOutcome, UpdateOutcome};
use super::state::Hub;

/// Sets the delivery policy that a snapshot brings for its lane. The players' lane is never delayed.
pub(super) fn set_policy(hub: &mut Hub, at: LaneKey, policy: DeliveryPolicy) {
    if at.lane == LaneId::Players {
        return;
    }
    let config = hub.rooms.config();
    let policy = policy.max(config.spectators);
    let cap = config.delay_bytes;
    if let Some(room) = hub.rooms.get_mut(at.room) {
        room.lane_mut(at.lane).set_policy(policy, cap);
    }
}

/// Applies an event to a lane, now or after the lane's delay.
pub(super) fn deliver(
    hub: &mut Hub,
    effects: &mut Effects,
    at: LaneKey,
    event: LaneEvent,
    now: Now,
) -> UpdateOutcome {
    let Some(room) = hub.rooms.get_mut(at.room) else {
        return UpdateOutcome::Old;
    };
    let is_snapshot = matches!(event, LaneEvent::Snapshot { .. });
    match room.lane_mut(at.lane).offer(event, now.at) {
        OfferOutcome::Due(event) => apply(hub, effects, at, event, now),
        OfferOutcome::Delayed(taken) => {
            release(hub, effects, at.room, now);
            if is_snapshot {
                // Waiting clients get `joined` now, and the snapshot when it is due.
                crowd::release_all(hub, effects, at);
            }
            taken
        }
    }
}

/// Queues a lane for the flush if it has frames to send and is not queued yet.
pub(super) fn mark_dirty(hub: &mut Hub, effects: &mut Effects, at: LaneKey) {
    if let Some(room) = hub.rooms.get_mut(at.room)
        && room.lane_mut(at.lane).clients_mut().enqueue_flush()
    {
        effects.mark_dirty(at);
    }
}

/// Applies the due events of up to `limit` delayed lanes.
pub(super) fn release_due(hub: &mut Hub, effects: &mut Effects, limit: usize, now: Now) {
    for _ in 0..limit {
        let Some(key) = hub.rooms.pop_due(now.at) else {
            return;
        };
        release(hub, effects, key, now);
    }
}

/// Applies the due events of a delayed lane, and schedules its next release.
fn release(hub: &mut Hub, effects: &mut Effects, key: RoomKey, now: Now) {
    let at = key.lane(LaneId::Spectators);
    while let Some(room) = hub.rooms.get_mut(key)
        && let Some(event) = room.lane_mut(at.lane).pop_due(now.at)
    {
        apply(hub, effects, at, event, now);
    }
    mark_dirty(hub, effects, at);
    hub.rooms.schedule_release(key);
    if let Some(room) = hub.rooms.get_mut(key)
        && room.lane_mut(at.lane).settle_delay()
    {
        effects.counts().delays_overflowed += 1;
        effects.tell_owner(key, OwnerNote::Resync);
    }
}

fn apply(
    hub: &mut Hub,
    effects: &mut Effects,
    at: LaneKey,
    event: LaneEvent,
    now: Now,
) -> UpdateOutcome {
    let Some((room, encoder)) = hub.rooms.get_with_encoder(at.room) else {
        return UpdateOutcome::Old;
    };
    let (id, lane_state, _) = room.parts(at.lane);
    let arrived_us = event.arrived_us();
    match lane_state.apply(id, event, encoder) {
        ApplyOutcome::Nothing => {}
        ApplyOutcome::HasSnapshot => crowd::release_all(hub, effects, at),
        ApplyOutcome::Updated(taken) => {
            if taken == UpdateOutcome::New {
                effects.counts().updates += 1;
                lane_state.clients_mut().stamp_last(arrived_us);
            }
            if !lane_state.clients().waiting().is_empty() {
                // The clients that wait have seen a later version through another edge.
                crowd::release_all(hub, effects, at);
            }
            return taken;
        }
        ApplyOutcome::Ended(code) => crowd::end_lane(hub, effects, at, &code, now),
    }
    UpdateOutcome::New
}
