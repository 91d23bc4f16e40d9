//! The log's reader lost its place: whether the log was cut decides where to go on (D11).

use std::time::Duration;

use grandstand_common::bus::LogState;

use super::state::PartitionState;
use super::writing::advance_checkpoint;
use crate::command::{Command, Outcome};
use crate::context::Context;
use crate::requests::Purpose;

/// When the log's end is looked up again, after that failed.
const RETRY: Duration = Duration::from_millis(250);

/// The log's reader cannot go on: looks where the log ends.
pub(super) fn handle_log_lost(state: &mut PartitionState, cx: &mut Context) {
    if state.takeover.is_running() {
        let partition = state.tenure.id;
        let token = cx.request(partition, Purpose::MeasureLog);
        cx.commands
            .push_back(Command::LogState { partition, token });
    }
}

/// Where the log ends: it is read on.
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
    let (partition, from) = (state.tenure.id, state.log.next_seq());
    cx.commands.push_back(Command::OpenLog { partition, from });
}

/// Entries that were applied may be gone from the log; what they made of the rooms stays (D11).
fn on_cut(state: &mut PartitionState, cx: &mut Context, log: LogState) {
    let reached = state.log.reached();
    let Some(cut) = state.checkpoints.cut(cx.now.at, reached, log) else {
        return;
    };
    tracing::warn!(partition = %state.tenure.id, cut, "the log was cut");
    state.log.seek(cut);
    state.rooms.cut(cut.saturating_sub(1));
    state.coverage.cut(cut);
    state.quarantine_records.cut(cut);
    advance_checkpoint(state, cx);
}
