//! Follows the change of a room by an entry: tells the machines, then the edges.

use grandstand_common::error::ErrorKind;
use grandstand_common::id::RoomId;

use super::change::{Change, ResidenceChange};
use super::state::PartitionState;
use super::{delivery, writing};
use crate::context::Context;
use crate::outbox::RoomHead;
use crate::room::Emit;

/// Tells every machine of a room's change: coverage, timers, sessions, then the edges; at last the room is written if it
/// is due.
pub(super) fn settle(
    state: &mut PartitionState,
    cx: &mut Context,
    id: &RoomId,
    mut change: Change,
) {
    let is_due = state.update_machines(cx, id, &mut change);
    let is_ready = state.takeover.is_ready();
    let rejects = change.emits.iter().filter(|emit| emit.is_reject());
    cx.counts.rejects += rejects.count() as u64;
    if is_ready {
        if matches!(change.residence, ResidenceChange::Created(_)) {
            // Nobody had anything before, and the snapshots cover the first entry's updates.
            delivery::on_created(state, cx, id);
            change.emits.retain(|emit| !matches!(emit, Emit::Update(_)));
        }
        delivery::deliver(state, cx, id, change.emits);
    }
    if let ResidenceChange::Deleted(instance) = change.residence {
        let head = RoomHead {
            instance,
            ..state.head(id)
        };
        state.close(cx, &head, true, ErrorKind::Finished.code());
    }
    state.update_ticks(cx, id);
    if is_due {
        writing::write_room(state, cx, id);
    }
}
