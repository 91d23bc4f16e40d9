//! A partition that this worker owns: its rooms, from the takeover to the handover.
//!
//! Each machine owns a part of the state and knows no other machine. The handlers are functions over [`PartitionState`]
//! and [`Context`]. A room changes only in [`rooms`], which returns the change. [`settle`] passes the change on to the
//! other machines.

mod tenure;

mod panic_restore;

mod residence;

mod change;

mod decode_room;

mod known_room;

mod room_table;

mod known_rooms;

mod rooms;

mod room_reads;

mod room_coverage;

mod coverage;

mod quarantine_records;

mod checkpoints;

mod takeover;

mod log;

mod timers;

mod needs;

mod room_world;

mod worlds;

mod outlet;

mod outlets;

mod bots;

mod lobby;

mod edge_sessions;

mod update_ring;

mod audience;

mod audiences;

mod state;

mod faults;

mod send;

mod hot_rooms;

mod delivery;

mod deleted_worlds;

mod writing;

mod ticking;

mod world_storage;

mod bot_play;

mod lobby_writing;

mod due_timers;

mod settle;

mod losses;

mod idle_loading;

mod intake;

mod outgoing;

mod waiting;

mod operator;

mod outcomes;

mod interest;

mod opening;

mod cut;

mod release;

mod listing;

#[cfg(test)]
mod testing;

use std::time::Instant;

use grandstand_common::bus::{KvEntry, LogEntry, Read};
use grandstand_common::by_name::ByName;
use grandstand_common::id::{EdgeId, Epoch, Partition, ProcessId, RoomId};
use grandstand_common::record::GameVersions;
use grandstand_common::wire::{self, OperatorReply, OperatorWant};

use crate::command::{KvSource, Now, Outcome};
use crate::context::{Context, TenureState};
use crate::counts::{GameCounts, RoomCounts};
use crate::loads::StoredValue;
use crate::requests::Purpose;
use state::PartitionState;
use tenure::Tenure;

pub use listing::LiveState;
pub(crate) use listing::{ListedRoom, Page};

/// One owned partition.
#[derive(Debug)]
pub(crate) struct OwnedPartition {
    state: PartitionState,
}

impl OwnedPartition {
    /// Begins the takeover of a partition whose lease was won with this epoch.
    pub(crate) fn take(cx: &mut Context, id: Partition, epoch: Epoch) -> Self {
        let tenure = Tenure { id, epoch };
        let mut state = PartitionState::new(cx, tenure);
        opening::begin(&mut state, cx);
        Self { state }
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.state.tenure.epoch
    }

    /// Returns the numbers of its rooms.
    pub(crate) fn room_counts(&self) -> RoomCounts {
        self.state.room_counts()
    }

    /// Adds what is in it to numbers by game. Returns how many entries of the log are not applied yet, as far as is known.
    pub(crate) fn measure(&self, games: &mut ByName<GameCounts>) -> u64 {
        self.state.measure(games)
    }

    /// Handles other limits of the bus: tries again what it did not take.
    pub(crate) fn handle_limits(&mut self, cx: &Context) {
        self.state.coverage.retry_held(cx.now.at);
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.state.takeover.is_ready()
    }

    pub(crate) fn hot_rooms(&self) -> impl Iterator<Item = &RoomId> {
        self.state.audiences.hot_rooms()
    }

    /// Returns the processes of the edges that hold sessions of connected players. A process may repeat.
    pub(crate) fn session_processes(&self) -> impl Iterator<Item = ProcessId> {
        self.state.sessions.processes()
    }

    /// Returns the processes of the edges that watch rooms. A process may repeat.
    pub(crate) fn watching_processes(&self) -> impl Iterator<Item = ProcessId> {
        self.state.audiences.watching().map(EdgeId::process)
    }

    /// Adds the rooms in slots from `from` on to a page. Returns the slot to continue from if the page is full.
    pub(crate) fn list_rooms(&self, from: usize, page: &mut Page) -> Option<usize> {
        listing::list(&self.state, from, page)
    }

    /// Returns a room, as operators see it.
    pub(crate) fn room(&self, id: &RoomId) -> Option<ListedRoom> {
        listing::show(&self.state, id)
    }

    /// The state of a room in memory.
    pub(crate) fn live_state(&self, id: &RoomId) -> Option<LiveState> {
        listing::live_state(&self.state, id)
    }

    /// Handles an entry from the reader of the log. `behind` more entries were stored when it was sent.
    pub(crate) fn handle_log(&mut self, cx: &mut Context, entry: &LogEntry, behind: u64) {
        intake::handle_log(&mut self.state, cx, entry, behind);
    }

    /// Handles the end of the log: its reader has delivered all stored entries.
    pub(crate) fn handle_log_idle(&mut self, cx: &mut Context) {
        opening::on_caught_up(&mut self.state, cx);
    }

    /// Handles the failure of the log's reader.
    pub(crate) fn handle_log_lost(&mut self, cx: &mut Context) {
        cut::handle_log_lost(&mut self.state, cx);
    }

    /// Handles what a reader of one room's log has read.
    pub(crate) fn handle_room_log(&mut self, cx: &mut Context, reader: u64, read: &Read<LogEntry>) {
        outgoing::handle_read(&mut self.state, cx, reader, read);
    }

    /// Returns the numbers of the readers of single rooms.
    pub(crate) fn room_readers(&self) -> impl Iterator<Item = u64> {
        self.state.outlets.readers()
    }

    /// Handles a key from a reader of keys, with the number of keys that were stored after it.
    pub(crate) fn handle_kv(
        &mut self,
        cx: &mut Context,
        source: KvSource,
        entry: KvEntry,
        behind: u64,
    ) -> TenureState {
        opening::handle_key(&mut self.state, cx, source, entry, behind)
    }

    /// Handles the end of the keys: their reader has delivered all stored ones.
    pub(crate) fn handle_kv_idle(&mut self, cx: &mut Context, source: KvSource) {
        opening::handle_keys_idle(&mut self.state, cx, source);
    }

    /// Handles the failure of a reader of keys.
    pub(crate) fn handle_kv_lost(&mut self, cx: &mut Context, source: KvSource) {
        opening::handle_keys_lost(&mut self.state, cx, source);
    }

    /// Handles the outcome of a command.
    pub(crate) fn handle_outcome(
        &mut self,
        cx: &mut Context,
        purpose: Purpose,
        outcome: Outcome,
    ) -> TenureState {
        match outcomes::handle(&mut self.state, cx, purpose, outcome) {
            TenureState::Held => release::try_release(&mut self.state, cx),
            other => other,
        }
    }

    /// Handles what the stored lease says about the versions of games that the rooms need.
    pub(crate) fn handle_needs(&mut self, needs: &GameVersions) {
        self.state.needs.on_stored(needs);
    }

    /// Handles an interest request of an edge.
    pub(crate) fn handle_interest(
        &mut self,
        cx: &mut Context,
        edge: &EdgeId,
        interest: &wire::Interest,
    ) {
        interest::handle_interest(&mut self.state, cx, edge, interest);
    }

    /// Handles the request of an operator.
    pub(crate) fn handle_operator(
        &mut self,
        cx: &mut Context,
        want: &OperatorWant,
    ) -> OperatorReply {
        operator::handle(&mut self.state, cx, want)
    }

    /// Handles a lossy message from an edge.
    pub(crate) fn handle_live(&mut self, cx: &mut Context, live: wire::Live) {
        delivery::handle_live(&mut self.state, cx, live);
    }

    /// Handles the death of an edge process. Call it repeatedly while the process is dead.
    pub(crate) fn handle_process_gone(&mut self, cx: &mut Context, process: &ProcessId) {
        losses::handle_process_gone(&mut self.state, cx, process);
    }

    /// Begins the handover of the partition.
    pub(crate) fn release(&mut self, cx: &mut Context) -> TenureState {
        release::release(&mut self.state, cx)
    }

    /// Does the work that is due.
    pub(crate) fn handle_timeout(&mut self, cx: &mut Context) -> TenureState {
        let state = &mut self.state;
        let now = cx.now.at;
        if state.takeover.take_retry(now) {
            if state.takeover.is_running() {
                // The bucket lost the claim of the checkpoint.
                return TenureState::RolledBack;
            }
            opening::begin(state, cx);
        }
        if state.log.take_retry(now) {
            cut::handle_log_lost(state, cx);
        }
        writing::write_due(state, cx);
        state.quarantine_records.handle_timeout(cx, state.tenure);
        state.room_reads.retry_due(now);
        if state.takeover.is_ready() {
            idle_loading::unload_idle(state, cx);
            for id in state.audiences.due_cooling(now) {
                hot_rooms::update(state, cx, &id);
            }
            for id in state.audiences.due_presences(now) {
                delivery::send_presence(state, cx, &id);
            }
            due_timers::append_timers(state, cx);
            bot_play::drive(state, cx);
            lobby_writing::drive(state, cx);
            outgoing::send_items(state, cx);
            losses::append_losses(state, cx);
        }
        if (state.takeover.is_ready() || state.takeover.is_releasing())
            && let TenureState::Lost(later) = ticking::drive(state, cx)
        {
            return TenureState::Lost(later);
        }
        writing::advance_checkpoint(state, cx);
        idle_loading::begin_reads(state, cx);
        release::try_release(state, cx)
    }

    /// Begins to read rooms that are needed in memory, as far as the engine allows. Call it after others were loaded.
    pub(crate) fn begin_reads(&mut self, cx: &mut Context) {
        idle_loading::begin_reads(&mut self.state, cx);
    }

    /// Whether there is work that a limit holds up which all partitions share. Then call
    /// [`handle_timeout`](Self::handle_timeout) in each turn.
    pub(crate) fn is_waiting(&self) -> bool {
        let state = &self.state;
        state.room_reads.has_queued() || state.sessions.has_losses() || state.lobby.is_held()
    }

    /// The time of the next call of [`handle_timeout`](Self::handle_timeout), unless something happens to the partition
    /// before, as far as is known at `now`.
    pub(crate) fn poll_timeout(&self, now: Now) -> Option<Instant> {
        let state = &self.state;
        let takeover = &state.takeover;
        let writes = takeover.is_running() || takeover.is_releasing();
        let covered = state.covered_to();
        let always = [
            takeover.poll_timeout(),
            state.log.poll_timeout(),
            state.coverage.poll_timeout(),
            state.quarantine_records.poll_timeout(),
            state.room_reads.poll_timeout(),
            (takeover.is_ready() || takeover.is_releasing())
                .then(|| state.worlds.poll_timeout())
                .flatten(),
            writes
                .then(|| state.checkpoints.poll_timeout(covered))
                .flatten(),
        ];
        let ready = [
            state.rooms.poll_timeout(now, !state.room_reads.has_later()),
            state.audiences.poll_timeout(),
            state.timers.poll_timeout(now),
            state.outlets.poll_timeout(),
            state.bots.poll_timeout(),
            state.lobby.poll_timeout(),
        ];
        let ready = ready.into_iter().filter(|_| takeover.is_ready());
        always.into_iter().chain(ready).flatten().min()
    }

    /// Loads a room from its snapshot, and handles what waited for it.
    pub(crate) fn load(
        &mut self,
        cx: &mut Context,
        id: &RoomId,
        stored: Option<StoredValue>,
    ) -> TenureState {
        waiting::load(&mut self.state, cx, id, stored)
    }
}
