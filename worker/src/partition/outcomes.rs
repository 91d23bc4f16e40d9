//! Passes the outcome of a command to the machine that asked for it.

use super::state::PartitionState;
use super::{
    cut, deleted_worlds, idle_loading, lobby_writing, opening, outgoing, release, ticking,
    world_storage, writing,
};
use crate::command::Outcome;
use crate::context::{Context, TenureState};
use crate::requests::Purpose;

/// Handles the outcome of a command that had this purpose.
pub(super) fn handle(
    state: &mut PartitionState,
    cx: &mut Context,
    purpose: Purpose,
    outcome: Outcome,
) -> TenureState {
    match purpose {
        Purpose::Takeover => opening::on_outcome(state, cx, outcome),
        Purpose::WriteCheckpoint => {
            release::on_checkpoint_written(state, cx, &outcome);
            TenureState::Held
        }
        Purpose::ReadBackCheckpoint => release::on_checkpoint_read_back(state, cx, outcome),
        Purpose::WriteRoom(id) => {
            writing::on_written(state, cx, &id, outcome);
            TenureState::Held
        }
        Purpose::ReadBackRoom(id) => writing::on_read_back(state, cx, &id, outcome),
        Purpose::DeleteRoom(id) => {
            writing::on_deletion(state, cx, &id, &outcome);
            TenureState::Held
        }
        Purpose::WriteQuarantineRecord(id) => {
            writing::on_record_written(state, cx, &id, &outcome);
            TenureState::Held
        }
        Purpose::ReadBackQuarantineRecord(id) => {
            writing::on_record_read_back(state, cx, &id, outcome)
        }
        Purpose::ReadRoom(id) => idle_loading::on_outcome(state, cx, id, outcome),
        Purpose::MeasureLog => {
            cut::on_log_end(state, cx, outcome);
            TenureState::Held
        }
        Purpose::DeleteQuarantineRecord(id) => {
            state
                .quarantine_records
                .on_deletion(&id, &outcome, cx.now.at);
            TenureState::Held
        }
        Purpose::SendOut(id, place) => {
            outgoing::on_outcome(state, cx, &id, place, &outcome);
            TenureState::Held
        }
        Purpose::AppendCommit(id, no) => {
            ticking::on_appended(state, cx, &id, no, &outcome);
            TenureState::Held
        }
        Purpose::ReadWorld(id) => world_storage::on_read(state, cx, &id, outcome),
        Purpose::WriteWorld(id) => {
            world_storage::on_written(state, cx, &id, &outcome);
            TenureState::Held
        }
        Purpose::ReadDeletedWorld(id) => {
            deleted_worlds::on_read(state, cx, &id, outcome);
            TenureState::Held
        }
        Purpose::WriteListing(id) => {
            lobby_writing::on_written(state, cx, &id, &outcome);
            TenureState::Held
        }
        Purpose::ReadListing(id) => {
            lobby_writing::on_read(state, cx, &id, &outcome);
            TenureState::Held
        }
        Purpose::AppendBot => {
            state.bots.end_append();
            TenureState::Held
        }
        Purpose::Append | Purpose::DeleteWorld(_) => TenureState::Held,
    }
}
