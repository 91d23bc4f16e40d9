//! The state of a worker, without I/O: its partitions, their rooms, and its links to edges.
//!
//! A driver passes in what the bus delivers (`handle_*`), ends its turn with [`Engine::flush`], carries out the
//! commands of [`Engine::poll_command`], and sleeps at most until [`Engine::poll_timeout`].

mod partitions;

mod schedule;

use std::time::{Duration, Instant};

use grandstand_common::bus::{KvEntry, LogEntry, Read};
use grandstand_common::id::{EdgeId, Epoch, Partition, ProcessId};
use grandstand_common::record::{GameVersions, StuckEntry};
use grandstand_common::wire::{
    Interest, InterestReply, LinkReply, LinkRequest, Live, OperatorReply, OperatorWant,
};
use grandstand_game::Games;
use prost::Message;

use crate::command::{Command, EngineConfig, KvSource, Now, Outcome, Token};
use crate::context::{Context, TenureState};
use crate::counts::Counts;
use crate::current_call::CurrentCall;
use crate::partition::OwnedPartition;
use crate::tallies::Tallies;

pub use self::partitions::Partitions;
pub(crate) use self::partitions::RoomPlace;

/// The most requests that wait for the end of a turn. Further ones are not answered, and their edges ask again.
const MAX_REPLIES: usize = 4_096;

/// The partitions of a worker, and what they share.
#[derive(Debug)]
pub struct Engine {
    context: Context,
    partitions: Partitions,
    replies: Vec<PendingReply>,
}

/// An interest request that is answered after the turn's batches.
#[derive(Debug)]
struct PendingReply {
    edge: EdgeId,
    epoch: Epoch,
    to: String,
}

impl Engine {
    /// Creates an engine without partitions.
    pub fn new(now: Now, config: EngineConfig, games: Games) -> Self {
        Self {
            context: Context::new(now, config, games),
            partitions: Partitions::default(),
            replies: Vec::new(),
        }
    }

    /// Begins the takeover of a partition whose lease was won with this epoch. It ends with [`Command::Ready`]. Earlier
    /// state of the partition is dropped.
    pub fn take(&mut self, now: Now, partition: Partition, epoch: Epoch) {
        self.context.now = now;
        self.partitions.take(&mut self.context, partition, epoch);
    }

    /// Notes the entries of a partition at which loops of its owners got stuck. Call it after [`take`](Self::take). A room
    /// goes to quarantine instead of the second attempt to apply such an entry.
    pub fn note_stuck(&mut self, partition: Partition, entries: Vec<StuckEntry>) {
        self.context.note_stuck(partition, entries);
    }

    /// Shows in `current_call` which call of a game has not returned.
    pub fn set_current_call(&mut self, current_call: CurrentCall) {
        self.context.current_call = current_call;
    }

    /// Begins a handover: stops reading the log, writes uncovered rooms and the checkpoint, and ends with
    /// [`Command::Released`]. It ends at once if the takeover is not complete.
    pub fn release(&mut self, now: Now, partition: Partition) {
        self.context.now = now;
        self.with_partition(partition, |owned, cx| owned.release(cx));
    }

    /// Drops a partition whose lease is lost. Nothing more of it is written.
    pub fn drop_partition(&mut self, partition: Partition) {
        self.partitions.drop_partition(&mut self.context, partition);
    }

    /// Drops all partitions, and the items that are not sent to edges yet.
    pub fn drop_all(&mut self) {
        self.partitions.drop_all(&mut self.context);
        self.replies.clear();
        self.context.outbox.clear();
    }

    /// Returns the partitions that it owns.
    pub fn partitions(&self) -> &Partitions {
        &self.partitions
    }

    /// Returns the counters.
    pub fn counts(&self) -> Counts {
        self.context.counts
    }

    /// The measurements beside the counters.
    pub fn tallies(&mut self) -> &mut Tallies {
        &mut self.context.tallies
    }

    /// Handles an entry from the reader of a partition's log. `behind` more entries were stored when it was sent.
    pub fn handle_log(&mut self, now: Now, partition: Partition, entry: &LogEntry, behind: u64) {
        self.context.now = now;
        self.context.entries += 1;
        self.with_partition(partition, |owned, cx| {
            owned.handle_log(cx, entry, behind);
            TenureState::Held
        });
    }

    /// Handles the end of a log: its reader has delivered all stored entries.
    pub fn handle_log_idle(&mut self, now: Now, partition: Partition) {
        self.context.now = now;
        self.with_partition(partition, |owned, cx| {
            owned.handle_log_idle(cx);
            TenureState::Held
        });
    }

    /// Handles the failure of a log's reader: checks whether the log was cut, and opens it again.
    pub fn handle_log_lost(&mut self, partition: Partition) {
        self.with_partition(partition, |owned, cx| {
            owned.handle_log_lost(cx);
            TenureState::Held
        });
    }

    /// Handles what the reader of one room's log has read.
    pub fn handle_room_log(
        &mut self,
        now: Now,
        (partition, reader): (Partition, u64),
        read: &Read<LogEntry>,
    ) {
        self.context.now = now;
        self.with_partition(partition, |owned, cx| {
            owned.handle_room_log(cx, reader, read);
            TenureState::Held
        });
    }

    /// Handles a key from a reader of keys. `behind` more keys were stored when it was sent.
    pub fn handle_kv(
        &mut self,
        now: Now,
        (partition, source): (Partition, KvSource),
        entry: KvEntry,
        behind: u64,
    ) {
        self.context.now = now;
        self.with_partition(partition, |owned, cx| {
            owned.handle_kv(cx, source, entry, behind)
        });
    }

    /// Handles the end of the keys: their reader has delivered all stored ones.
    pub fn handle_kv_idle(&mut self, now: Now, (partition, source): (Partition, KvSource)) {
        self.context.now = now;
        self.with_partition(partition, |owned, cx| {
            owned.handle_kv_idle(cx, source);
            TenureState::Held
        });
    }

    /// Handles the failure of a reader of keys: opens it again if it is still needed.
    pub fn handle_kv_lost(&mut self, (partition, source): (Partition, KvSource)) {
        self.with_partition(partition, |owned, cx| {
            owned.handle_kv_lost(cx, source);
            TenureState::Held
        });
    }

    /// Handles the outcome of a command.
    pub fn handle_outcome(&mut self, now: Now, token: Token, outcome: Outcome) {
        self.context.now = now;
        let Some((partition, purpose)) = self.context.requests.end(token) else {
            return;
        };
        self.with_partition(partition, |owned, cx| {
            owned.handle_outcome(cx, purpose, outcome)
        });
    }

    /// Handles what the stored lease of a partition says about the versions of games that its rooms need. Call it after
    /// [`take`](Self::take) and whenever that has changed. No snapshot of a higher version is written before.
    pub fn handle_needs(
        &mut self,
        now: Now,
        partition: Partition,
        epoch: Epoch,
        needs: &GameVersions,
    ) {
        self.context.now = now;
        self.with_partition(partition, |owned, _| {
            if owned.epoch() == epoch {
                owned.handle_needs(needs);
            }
            TenureState::Held
        });
    }

    /// Handles an edge's request on `ctl.{p}`. The answer is a [`Command::Reply`] after the turn's batches. A partition
    /// that is not ready does not answer; the edge asks again, also when the lease becomes `ready`.
    pub fn handle_interest(
        &mut self,
        now: Now,
        partition: Partition,
        interest: &Interest,
        reply: Option<String>,
    ) {
        self.context.now = now;
        let Ok(edge) = interest.edge.parse::<EdgeId>() else {
            return;
        };
        self.context.outbox.heard(now.at, &edge);
        let Some(owned) = self.partitions.get(partition) else {
            return;
        };
        // The edge knows a later owner. If the leases were rolled back, that one is gone, and this owner needs a higher
        // epoch (D23). An epoch that no owner can have had would leave the partition without one forever.
        let known = interest.rooms.iter();
        let known = known.flat_map(|room| [room.players, room.spectators]);
        let epochs = known.flatten().map(|known| Epoch(known.epoch));
        let latest = epochs.filter(|epoch| epoch.is_plausible(now.log_ms)).max();
        if let Some(later) = latest.filter(|latest| *latest > owned.epoch()) {
            return self.with_partition(partition, |_, _| TenureState::Lost(later));
        }
        if !owned.is_ready() {
            return;
        }
        let epoch = owned.epoch();
        self.with_partition(partition, |owned, cx| {
            owned.handle_interest(cx, &edge, interest);
            TenureState::Held
        });
        if let Some(to) = reply
            && self.replies.len() < MAX_REPLIES
        {
            self.replies.push(PendingReply { edge, epoch, to });
        }
    }

    /// Answers the request of an operator; `None` if the partition is not owned.
    pub fn handle_operator(
        &mut self,
        now: Now,
        partition: Partition,
        want: &OperatorWant,
    ) -> Option<OperatorReply> {
        self.context.now = now;
        let mut reply = None;
        self.with_partition(partition, |owned, cx| {
            reply = Some(owned.handle_operator(cx, want));
            TenureState::Held
        });
        reply
    }

    /// Handles a lossy message on `live.{p}`.
    pub fn handle_live(&mut self, now: Now, partition: Partition, live: Live) {
        self.context.now = now;
        self.with_partition(partition, |owned, cx| {
            owned.handle_live(cx, live);
            TenureState::Held
        });
    }

    /// Answers an edge that found a gap in the numbers of this worker's batches.
    pub fn handle_link_request(&mut self, now: Now, request: &LinkRequest) -> LinkReply {
        self.context.now = now;
        self.context.outbox.handle_request(now.at, request)
    }

    /// Handles the death of an edge process: its connected players are lost. Call it repeatedly while the process is
    /// dead.
    pub fn handle_process_gone(&mut self, now: Now, process: &ProcessId) {
        self.context.now = now;
        self.partitions.with_all(&mut self.context, |owned, cx| {
            owned.handle_process_gone(cx, process);
        });
    }

    /// Handles a reconnect to the bus: sends each edge the number of its last batch at once.
    pub fn handle_reconnected(&mut self, now: Now) {
        self.context.now = now;
        self.context.outbox.handle_reconnected(now.at);
    }

    /// Handles the bus' limits of a message and of a value, bytes, which a reconnect can change.
    pub fn handle_limits(&mut self, max_payload: usize, value_bytes: usize) {
        let config = &mut self.context.config;
        (config.max_payload, config.value_bytes) = (max_payload, value_bytes);
        self.context.outbox.set_max_payload(max_payload);
        self.context.said_too_big = false;
        self.partitions.with_all(&mut self.context, |owned, cx| {
            owned.handle_limits(cx);
        });
    }

    /// Notes the time that handling events took since the last call, as far as entries of logs were among them. From it
    /// follows how much a successor can replay in time (D32).
    pub fn note_busy(&mut self, busy: Duration) {
        let applied = std::mem::take(&mut self.context.applied);
        if applied.entries > 0 {
            self.context.replay_cost.note(applied, busy);
        }
    }

    /// Does the work that is due at [`poll_timeout`](Self::poll_timeout). [`flush`](Self::flush) does it too.
    pub fn handle_timeout(&mut self, now: Now) {
        self.context.now = now;
        self.context.grant_bot_steps();
        self.partitions.handle_timeout(&mut self.context);
        self.context.outbox.handle_timeout(now.at);
    }

    /// Ends a turn: collects the items for each edge into batches. Call it after the `handle_*` calls of a turn (all
    /// that the bus has ready, up to a few hundred), then [`poll_command`](Self::poll_command).
    pub fn flush(&mut self, now: Now) {
        self.context.now = now;
        self.handle_timeout(now);
        self.load_rooms();
        self.context.loads.begin_turn();
        self.context.outbox.flush(now.at);
        for waiting in std::mem::take(&mut self.replies) {
            let reply = InterestReply {
                worker: self.context.config.worker.to_string(),
                epoch: waiting.epoch.0,
                number: self.context.outbox.number(&waiting.edge),
            };
            self.context.commands.push_back(Command::Reply {
                to: waiting.to,
                payload: reply.encode_to_vec().into(),
            });
        }
    }

    /// Whether this turn has parsed as much as it may (D25). Call [`flush`](Self::flush) before more of `handle_kv`.
    pub fn is_turn_full(&self) -> bool {
        self.context.loads.is_turn_full()
    }

    /// Loads rooms that were read, as many as a turn may decode.
    fn load_rooms(&mut self) {
        // The time of these entries is not measured, see `note_busy`.
        let applied = self.context.applied;
        let mut has_loaded = false;
        while let Some(load) = self.context.loads.next() {
            self.with_partition(load.partition, |owned, cx| {
                owned.load(cx, &load.room, load.stored)
            });
            has_loaded = true;
        }
        self.context.applied = applied;
        if has_loaded {
            self.partitions.begin_reads(&mut self.context);
        }
    }

    /// Returns the next command. Call it until `None` after every `flush`; commands that arise in between wait until
    /// then.
    pub fn poll_command(&mut self) -> Option<Command> {
        if let Some((subject, payload)) = self.context.outbox.poll() {
            return Some(Command::Publish { subject, payload });
        }
        self.context.commands.pop_front()
    }

    /// The time of the next call of [`flush`](Self::flush) if nothing arrives. Ask again after every `flush`.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let now = self.context.now;
        let partitions = self.partitions.poll_timeout(now);
        let loads = Some(now.at).filter(|_| self.context.loads.has_next());
        let outbox = self.context.outbox.poll_timeout();
        [partitions, loads, outbox].into_iter().flatten().min()
    }

    /// Calls `handle` on an owned partition that something happens to.
    fn with_partition(
        &mut self,
        partition: Partition,
        handle: impl FnOnce(&mut OwnedPartition, &mut Context) -> TenureState,
    ) {
        self.partitions.with(&mut self.context, partition, handle);
    }
}

#[cfg(test)]
mod tests;
