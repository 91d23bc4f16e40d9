//! Views of lanes, for clients that look once.

use grandstand_common::clock::Now;
use grandstand_common::error::ErrorKind;
use grandstand_common::id::{Lane as LaneId, RoomId};

use super::clients::{Client, JoinRequest};
use super::effects::{Effects, OwnerNote};
use super::ids::LaneKey;
use super::join::{Entered, enter, show};
use super::reply::{self, ErrorReply};
use super::state::{Hub, State};
use crate::conn::key::ConnKey;

/// The view of a lane that a client wants.
#[derive(Debug, Clone, Copy)]
pub struct WatchRequest<'a> {
    /// The room.
    pub room: &'a RoomId,
    /// The lane.
    pub lane: LaneId,
    /// The `id` of the answer.
    pub id: u64,
}

/// Shows a client a lane. The caller has checked that the client may see it.
pub(super) fn on_watch(
    state: &mut State,
    effects: &mut Effects,
    conn: ConnKey,
    request: WatchRequest<'_>,
    now: Now,
) {
    let WatchRequest { room, lane, id } = request;
    let hub = &mut state.hub;
    let refuse = |hub: &Hub, effects: &mut Effects, kind, message, retry: Option<u64>| {
        let error = ErrorReply::new(kind, message, Some(id), Some(room));
        let error = match retry {
            Some(ms) => error.retry_after(ms),
            None => error,
        };
        reply::error(&hub.clients, effects, conn, &error);
    };
    if let Err(refused) = hub.clients.charge_join(conn, now.at) {
        let message = "this player joins too fast; ask again later";
        let retry = Some(refused.retry_after_ms());
        return refuse(hub, effects, ErrorKind::RateLimited, message, retry);
    }
    if hub.is_room_revoked(conn, room, now.unix_ms) {
        let message = "this token was revoked for this room";
        return refuse(hub, effects, ErrorKind::Revoked, message, None);
    }
    if hub.clients.get(conn).is_none() {
        return;
    }
    let request = Box::new(JoinRequest {
        id: Some(id),
        since: None,
        joined_sent: false,
        datagrams: false,
        due: None,
    });
    let known = hub
        .rooms
        .find(room.as_str())
        .and_then(|key| hub.rooms.get(key));
    let is_old = known.is_some_and(|known| {
        let lane = known.lane(lane);
        lane.version().is_some() && !lane.has_current_snapshot()
    });
    let entered = Entered {
        lane,
        session: 0,
        is_invited: false,
    };
    if is_old {
        let at = enter(state, conn, room, entered, request);
        show_later(&mut state.hub, effects, conn, at);
    } else {
        show(state, effects, conn, (room, entered), request, now);
    }
}

/// Makes a client wait for the next snapshot of a lane, which the owner is asked for.
fn show_later(hub: &mut Hub, effects: &mut Effects, conn: ConnKey, at: LaneKey) {
    let format = hub.clients.get(conn).map(Client::format);
    let (Some(format), Some(room), Some(membership)) = (
        format,
        hub.rooms.get_mut(at.room),
        hub.clients.membership_mut(conn, at.room),
    ) else {
        return;
    };
    let lane = room.lane_mut(at.lane);
    let seen = lane.version().unwrap_or(0);
    let clients = lane.clients_mut();
    let slot = clients.add_member(conn, format, false);
    membership.slot = Some(slot);
    clients.mark_stale(slot, seen);
    if clients.slow_mut().wait(conn) {
        effects.tell_owner(at.room, OwnerNote::Snapshot);
    }
}
