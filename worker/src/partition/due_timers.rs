//! Appends the timers that are due.

use grandstand_common::wire::{Body, Entry};

use super::state::PartitionState;
use crate::context::Context;

/// Appends the timers that are due. A room whose entries are held back has none, because their entries wait as well.
pub(super) fn append_timers(state: &mut PartitionState, cx: &mut Context) {
    for id in state.timers.take_due(cx.now) {
        if state.outlets.is_held(&id) {
            continue;
        }
        let Some(armed) = state.rooms.timers(&id) else {
            continue;
        };
        for timer in state.timers.append_due(&id, armed, cx.now) {
            let entry = Entry::from(Body::Timer(timer));
            cx.append(state.tenure.id, &id, &entry);
        }
        state.timers.set(&id, Some(armed), cx.now);
    }
}
