//! Rooms without clients: they stay watched for a while, because clients often return.

use grandstand_common::clock::Now;

use super::effects::{Effects, OwnerNote, Timer};
use super::ids::RoomKey;
use super::state::Hub;

/// Starts the linger timer of a room that has become empty. A room that no owner has described is dropped at once: a
/// client that joins and leaves while owners are silent leaves nothing behind (D26).
pub(super) fn begin(hub: &mut Hub, effects: &mut Effects, key: RoomKey, now: Now) {
    let linger = hub.rooms.config().linger;
    if let Some(room) = hub.rooms.get_mut(key)
        && room.linger(now)
    {
        if room.is_described() {
            effects.at(now.at + linger, Timer::Linger(key));
        } else {
            effects.tell_owner(key, OwnerNote::Unwatched);
        }
    }
}

/// Tells the owner that the room is no longer watched, if it is still empty.
pub(super) fn on_timer(hub: &mut Hub, effects: &mut Effects, key: RoomKey, now: Now) {
    let linger = hub.rooms.config().linger;
    let Some(room) = hub.rooms.get_mut(key) else {
        return;
    };
    let Some(since) = room.empty_since() else {
        return;
    };
    if now.at < since + linger {
        return effects.at(since + linger, Timer::Linger(key));
    }
    room.unwatch();
    effects.tell_owner(key, OwnerNote::Unwatched);
}

/// Tells owners that rooms without clients are not watched any more, because no client will return to this edge.
pub(super) fn end(hub: &mut Hub, effects: &mut Effects) {
    let left = hub.rooms.iter_mut();
    for room in left.filter(|room| room.is_idle() && room.is_watched()) {
        room.unwatch();
        effects.tell_owner(room.address().key, OwnerNote::Unwatched);
    }
}
