//! Deletes the worlds of deleted rooms.

use grandstand_common::bus::Bucket;
use grandstand_common::id::RoomId;
use grandstand_common::subject;

use super::state::PartitionState;
use crate::command::{Command, Outcome};
use crate::context::Context;
use crate::requests::Purpose;

/// Reads the world of a deleted room, to delete it.
pub(super) fn begin(state: &PartitionState, cx: &mut Context, id: &RoomId) {
    let kind = cx.games.get(id.game()).and_then(|kind| kind.realtime());
    if kind.is_none_or(|kind| kind.most_lost().is_none()) {
        return;
    }
    let token = cx.request(state.tenure.id, Purpose::ReadDeletedWorld(id.clone()));
    cx.commands.push_back(Command::Get {
        bucket: Bucket::Worlds,
        key: subject::world_key(id),
        token,
    });
}

/// Deletes the world of a deleted room, unless a room of the same name exists again: that one overwrites it.
pub(super) fn on_read(state: &PartitionState, cx: &mut Context, id: &RoomId, outcome: Outcome) {
    if let Outcome::Value(Some(entry)) = outcome
        && entry.value.is_some()
        && !state.rooms.exists(id)
    {
        let token = cx.request(state.tenure.id, Purpose::DeleteWorld(id.clone()));
        cx.commands.push_back(Command::DeleteIf {
            bucket: Bucket::Worlds,
            key: subject::world_key(id),
            expected: entry.revision,
            token,
        });
    }
}
