//! Recovers from the failure of the log's reader: checks whether the log was cut, then reads on (D11).

use std::time::Duration;

use grandstand_common::bus::LogState;

use super::state::PartitionState;
use super::writing::advance_checkpoint;
use crate::command::{Command, Outcome};
use crate::context::Context;
use crate::requests::Purpose;

/// The delay before the log is measured again after a failure.
const RETRY: Duration = Duration::from_millis(250);

/// Handles the failure of the log's reader: looks up where the log ends.
pub(super) fn handle_log_lost(state: &mut PartitionState, cx: &mut Context) {
    if state.takeover.is_running() {
        let partition = state.tenure.id;
        let token = cx.request(partition, Purpose::MeasureLog);
        cx.commands
            .push_back(Command::LogState { partition, token });
    }
}

/// Handles the end of the log: records a cut if entries are gone, and opens the log again.
pub(super) fn on_log_end(state: &mut PartitionState, cx: &mut Context, outcome: Outcome) {
    if !state.takeover.is_running() {
        return;
    }
    let Outcome::Log(log) = outcome else {
        state.log.retry_at(cx.now.at + RETRY);
        return;
    };
    on_cut(state, cx, log);
    if state.log.is_paused() {
        return;
    }
    let partition = state.tenure.id;
    let from = state.log.next_seq();
    cx.commands.push_back(Command::OpenLog { partition, from });
}

/// Records a cut if entries that were applied are gone from the log. The rooms keep their effects (D11).
fn on_cut(state: &mut PartitionState, cx: &mut Context, log: LogState) {
    let reached = state.log.reached();
    let Some(cut) = state.checkpoints.cut(cx.now.at, reached, log) else {
        return;
    };
    tracing::warn!(partition = %state.tenure.id, cut, "the log was cut");
    state.log.seek(cut);
    state.rooms.cut(cut.saturating_sub(1));
    state.coverage.cut(cut);
    state.outlets.cut(cut);
    state.quarantine_records.cut(cut);
    advance_checkpoint(state, cx);
}
