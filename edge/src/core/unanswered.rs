//! Joins that are not answered in time (D31).

use grandstand_common::clock::Now;
use grandstand_common::error::ErrorKind;

use super::effects::{Effects, Timer};
use super::ids::RoomKey;
use super::reply::{self, ErrorReply};
use super::state::Hub;
use crate::conn::key::ConnKey;

/// Sets the timer of a join that could not be answered at once.
pub(super) fn arm(hub: &mut Hub, effects: &mut Effects, conn: ConnKey, room: RoomKey, now: Now) {
    let due = now.at + hub.clients.config().join_answer;
    let membership = hub.clients.membership_mut(conn, room);
    if let Some(request) = membership.and_then(|m| m.request.as_mut()) {
        request.due = Some(due);
        effects.at(due, Timer::Join(conn, room));
    }
}

/// Tells a client whose join is still not answered that the room is unavailable. The join is answered when it can be.
pub(super) fn on_timer(
    hub: &mut Hub,
    effects: &mut Effects,
    conn: ConnKey,
    key: RoomKey,
    now: Now,
) {
    let Some(room) = hub.rooms.get(key).map(|room| room.id().clone()) else {
        return;
    };
    let membership = hub.clients.membership_mut(conn, key);
    let Some(request) = membership.and_then(|m| m.request.as_mut()) else {
        return;
    };
    // A later join of the same room has a timer of its own.
    if request.joined_sent || request.due.is_none_or(|due| due > now.at) {
        return;
    }
    request.due = None;
    let id = request.id;
    let message = "no worker has answered for this room yet; the join is answered when one does";
    let error = ErrorReply::new(ErrorKind::RoomUnavailable, message, id, Some(&room));
    reply::error(&hub.clients, effects, conn, &error);
}
