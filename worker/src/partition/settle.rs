//! Passes a room's change on to the machines and to the edges.

use grandstand_common::error::ErrorKind;
use grandstand_common::id::RoomId;

use super::change::{Change, ResidenceChange};
use super::state::PartitionState;
use super::{delivery, writing};
use crate::context::Context;
use crate::outbox::RoomHead;
use crate::room::Emit;

/// Passes a room's change on to coverage, timers and sessions, then to the edges, and writes the room if it is due.
pub(super) fn settle(
    state: &mut PartitionState,
    cx: &mut Context,
    id: &RoomId,
    mut change: Change,
) {
    let entry = change.seq != 0;
    if entry {
        cx.applied.add_entry(change.bytes);
    }
    if matches!(
        change.residence,
        ResidenceChange::Created(_) | ResidenceChange::Loaded
    ) {
        // Before entries are applied by rules that other workers may not have.
        let game = id.game();
        let version = cx.games.version(game);
        if !state.needs.allows(game, version) {
            state.needs.raise(cx, state.tenure, game, version);
        }
    }
    let moved = change.edges.is_some();
    let is_due = state.update_machines(cx, id, &mut change);
    let is_sent = !entry || state.sends(id, change.seq);
    let mut rejects = 0;
    for reject in change.emits.iter().filter_map(Emit::reject) {
        rejects += 1;
        cx.tallies.on_reject(id.game(), &reject.code);
    }
    cx.counts.rejects += rejects;
    cx.counts.replayed_rejects += if is_sent { 0 } else { rejects };
    if is_sent {
        if let Some(ended) = change.ended {
            cx.tallies.on_ended(id.game(), ended);
        }
        if matches!(change.residence, ResidenceChange::Created(_)) {
            // The snapshots that the edges get contain the first entry's updates.
            delivery::on_created(state, cx, id);
            let is_view = |emit: &Emit| matches!(emit, Emit::Update(_) | Emit::Snapshot(_));
            change.emits.retain(|emit| !is_view(emit));
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
    if is_due {
        writing::write_room(state, cx, id);
    }
    if moved {
        state.update_idle(cx, id);
    }
    if entry {
        writing::write_oldest(state, cx);
    }
}
