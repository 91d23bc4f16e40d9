//! Ends what clients have by revoked tokens.

use grandstand_common::clock::Now;
use grandstand_common::error::ErrorKind;

use super::effects::{ClientAction, Effects};
use super::ids::RoomKey;
use super::reply::{self, ErrorReply};
use super::state::Hub;
use super::{crowd, leave};
use crate::conn::key::ConnKey;

/// Looks at up to `limit` slots of clients from `slot` on. Closes clients whose tokens are revoked, and takes clients
/// out of rooms for which their tokens are. Returns the next slot; `None` if there are no further ones.
pub(super) fn end(
    hub: &mut Hub,
    effects: &mut Effects,
    slot: usize,
    limit: usize,
    now: Now,
) -> Option<usize> {
    let end = hub.clients.slots().min(slot.saturating_add(limit));
    for at in slot..end {
        let Some(conn) = hub.clients.key_at(at) else {
            continue;
        };
        if hub.is_revoked(conn, now.unix_ms) {
            close(hub, effects, conn);
            continue;
        }
        let rooms = rooms(hub, conn, now);
        for room in &rooms {
            leave(hub, effects, conn, *room, now);
        }
        let client = hub.clients.get(conn);
        if !rooms.is_empty() && client.is_some_and(|client| client.memberships().is_empty()) {
            close(hub, effects, conn);
        }
    }
    (end > slot && end < hub.clients.slots()).then_some(end)
}

/// The rooms of a client for which its token is revoked.
fn rooms(hub: &Hub, conn: ConnKey, now: Now) -> Vec<RoomKey> {
    let client = hub.clients.get(conn).into_iter();
    let rooms = client.flat_map(|client| client.memberships().iter().map(|member| member.room));
    rooms
        .filter(|key| {
            let room = hub.rooms.get(*key);
            let is_revoked = |id| hub.is_room_revoked(conn, id, now.unix_ms);
            room.is_some_and(|room| is_revoked(room.id()))
        })
        .collect()
}

fn leave(hub: &mut Hub, effects: &mut Effects, conn: ConnKey, room: RoomKey, now: Now) {
    if effects.has_crowds() {
        // The client may not have been told yet that the room has ended.
        crowd::complete_end(hub, effects, conn, room);
    }
    leave::revoke(hub, effects, conn, room, now);
}

fn close(hub: &Hub, effects: &mut Effects, conn: ConnKey) {
    let why = ErrorKind::Revoked;
    let error = ErrorReply::new(why, "the token was revoked", None, None);
    reply::error(&hub.clients, effects, conn, &error);
    effects.act(conn, ClientAction::Close(why));
}
