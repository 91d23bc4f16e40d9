//! Loads rooms that were read, and handles the events that waited for them.

use grandstand_common::id::RoomId;

use super::room_reads::WaitingEvent;
use super::state::PartitionState;
use super::{idle_loading, intake, interest, losses, outgoing, release};
use crate::context::{Context, TenureState};
use crate::loads::StoredValue;

/// Loads a room from its snapshot, and handles what waited for it.
pub(super) fn load(
    state: &mut PartitionState,
    cx: &mut Context,
    id: &RoomId,
    stored: Option<StoredValue>,
) -> TenureState {
    for what in idle_loading::on_read(state, cx, id, stored) {
        match what {
            WaitingEvent::Entry(logged) => intake::apply(state, cx, id, logged),
            WaitingEvent::Interest(edge, wanted) => {
                interest::on_room_interest(state, cx, id, &edge, &wanted);
            }
            WaitingEvent::Lost(edge) => losses::lose_all(state, cx, id, edge),
            WaitingEvent::Retried(..) => {}
        }
    }
    idle_loading::finish(state, cx, id);
    outgoing::begin_reading(state, cx, id);
    release::try_release(state, cx)
}
