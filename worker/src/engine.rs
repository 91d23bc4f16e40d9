//! All that one worker owns, without I/O: partitions, their rooms, and the links to edges.
//!
//! A driver pushes in what the bus delivers (`handle_*`), ends its turn with [`Engine::flush`], carries out what
//! [`Engine::poll_command`] yields, and sleeps no longer than until [`Engine::poll_timeout`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use grandstand_common::bus::{KvEntry, LogEntry};
use grandstand_common::id::{EdgeId, Epoch, Partition, ProcessId};
use grandstand_common::wire::{Interest, InterestReply, LinkReply, LinkRequest, Live};
use prost::Message;

use crate::command::{Command, EngineConfig, KvSource, Now, Outcome, Token};
use crate::context::{Context, Ownership};
use crate::counts::Counts;
use crate::partition::OwnedPartition;
use grandstand_game::Games;

/// Requests that wait for the end of a turn; more are not answered, and their edges ask again.
const MAX_REPLIES: usize = 4_096;

/// All that one worker owns.
#[derive(Debug)]
pub struct Engine {
    context: Context,
    partitions: BTreeMap<Partition, OwnedPartition>,
    replies: Vec<PendingReply>,
}

/// A request whose answer comes behind the turn's batches.
#[derive(Debug)]
struct PendingReply {
    edge: EdgeId,
    epoch: Epoch,
    to: String,
}

impl Engine {
    /// Owns nothing yet.
    pub fn new(now: Now, config: EngineConfig, games: Games) -> Self {
        Self {
            context: Context::new(now, config, games),
            partitions: BTreeMap::new(),
            replies: Vec::new(),
        }
    }

    /// The lease of a partition was won with this epoch: the takeover begins, and ends with [`Command::Ready`].
    /// What was held of the partition before is dropped.
    pub fn take(&mut self, now: Now, partition: Partition, epoch: Epoch) {
        self.context.now = now;
        self.drop_partition(partition);
        let owned = OwnedPartition::take(&mut self.context, partition, epoch);
        self.partitions.insert(partition, owned);
    }

    /// Hands a partition over: takes no more entries, writes what is uncovered and the checkpoint, then
    /// [`Command::Released`]. At once if the takeover is not done.
    pub fn release(&mut self, now: Now, partition: Partition) {
        self.context.now = now;
        self.with_partition(partition, |owned, cx| owned.release(cx));
    }

    /// The lease is lost: everything of the partition is forgotten, nothing more of it is written.
    pub fn drop_partition(&mut self, partition: Partition) {
        let Some(owned) = self.partitions.remove(&partition) else {
            return;
        };
        for room in owned.hot_rooms() {
            self.context.outbox.forget_hot(room);
        }
        self.context.forget(partition);
        self.context.commands.extend([
            Command::CloseLog { partition },
            Command::CloseKv {
                partition,
                source: KvSource::Rooms,
            },
            Command::CloseKv {
                partition,
                source: KvSource::Quarantine,
            },
        ]);
    }

    /// This worker is not to own anything any more, and must not even send what it has for edges.
    pub fn drop_all(&mut self) {
        let all: Vec<_> = self.partitions.keys().copied().collect();
        for partition in all {
            self.drop_partition(partition);
        }
        self.replies.clear();
        self.context.outbox.clear();
    }

    /// The partitions that are held, with their epochs and whether they are ready.
    pub fn partitions(&self) -> impl Iterator<Item = (Partition, Epoch, bool)> + '_ {
        let all = self.partitions.iter();
        all.map(|(id, owned)| (*id, owned.epoch(), owned.is_ready()))
    }

    /// What was counted so far.
    pub fn counts(&self) -> Counts {
        self.context.counts
    }

    /// How many rooms are loaded.
    pub fn rooms(&self) -> usize {
        self.partitions.values().map(OwnedPartition::rooms).sum()
    }

    /// How many rooms are at rest.
    pub fn idle_rooms(&self) -> usize {
        self.partitions
            .values()
            .map(OwnedPartition::stored_rooms)
            .sum()
    }

    /// The processes of the edges that hold connected players' sessions, for probing whether they live.
    pub fn session_processes(&self) -> BTreeSet<ProcessId> {
        let mut processes = BTreeSet::new();
        for owned in self.partitions.values() {
            owned.session_processes(&mut processes);
        }
        processes
    }

    /// The reader of a partition's log delivers an entry; `behind` more were stored when it was sent.
    pub fn handle_log(&mut self, now: Now, partition: Partition, entry: &LogEntry, behind: u64) {
        self.context.now = now;
        self.with_partition(partition, |owned, cx| {
            owned.handle_log(cx, entry, behind);
            Ownership::Held
        });
    }

    /// The reader of a partition's log has delivered all that there is.
    pub fn handle_log_idle(&mut self, now: Now, partition: Partition) {
        self.context.now = now;
        self.with_partition(partition, |owned, cx| {
            owned.handle_log_idle(cx);
            Ownership::Held
        });
    }

    /// The reader of a partition's log ended: it is opened anew, after a look whether the log was cut.
    pub fn handle_log_lost(&mut self, partition: Partition) {
        self.with_partition(partition, |owned, cx| {
            owned.handle_log_lost(cx);
            Ownership::Held
        });
    }

    /// A reader of keys delivers one; `behind` more were stored when it was sent.
    pub fn handle_kv(
        &mut self,
        now: Now,
        reader: (Partition, KvSource),
        entry: KvEntry,
        behind: u64,
    ) {
        self.context.now = now;
        let (partition, source) = reader;
        let item = (entry, behind);
        self.with_partition(partition, |owned, cx| owned.handle_kv(cx, source, item));
    }

    /// A reader of keys has delivered all that there is.
    pub fn handle_kv_idle(&mut self, now: Now, reader: (Partition, KvSource)) {
        self.context.now = now;
        let (partition, source) = reader;
        self.with_partition(partition, |owned, cx| {
            owned.handle_kv_idle(cx, source);
            Ownership::Held
        });
    }

    /// A reader of keys ended: it is opened anew if it is still needed.
    pub fn handle_kv_lost(&mut self, reader: (Partition, KvSource)) {
        let (partition, source) = reader;
        self.with_partition(partition, |owned, cx| {
            owned.handle_kv_lost(cx, source);
            Ownership::Held
        });
    }

    /// What became of a command.
    pub fn handle_outcome(&mut self, now: Now, token: Token, outcome: Outcome) {
        self.context.now = now;
        let Some((partition, purpose)) = self.context.requests.end(token) else {
            return;
        };
        self.with_partition(partition, |owned, cx| {
            owned.handle_outcome(cx, purpose, outcome)
        });
    }

    /// An edge's request on `ctl.{p}`. Not answered unless the partition is ready: the edge asks again, or hears of the
    /// lease's `ready`. The answer is a [`Command::Reply`] behind the turn's batches.
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
        let Some(owned) = self.partitions.get_mut(&partition) else {
            return;
        };
        if !owned.is_ready() {
            return;
        }
        owned.handle_interest(&mut self.context, &edge, interest);
        let epoch = owned.epoch();
        if let Some(to) = reply
            && self.replies.len() < MAX_REPLIES
        {
            self.replies.push(PendingReply { edge, epoch, to });
        }
    }

    /// A lossy message on `live.{p}`.
    pub fn handle_live(&mut self, now: Now, partition: Partition, live: Live) {
        self.context.now = now;
        self.with_partition(partition, |owned, cx| {
            owned.handle_live(cx, live);
            Ownership::Held
        });
    }

    /// An edge saw a hole in the numbers of this worker's batches.
    pub fn handle_link_request(&mut self, now: Now, request: &LinkRequest) -> LinkReply {
        self.context.now = now;
        self.context.outbox.handle_request(now.at, request)
    }

    /// An edge process was found dead: its connected players are lost. Call it again and again while it is dead.
    pub fn handle_process_gone(&mut self, now: Now, process: &ProcessId) {
        self.context.now = now;
        for owned in self.partitions.values_mut() {
            owned.handle_process_gone(&mut self.context, process);
        }
    }

    /// The worker's connection to the bus is back: all edges hear at once what the last numbers are.
    pub fn handle_reconnected(&mut self, now: Now) {
        self.context.now = now;
        self.context.outbox.handle_reconnected(now.at);
    }

    /// Does what is due at [`poll_timeout`](Self::poll_timeout). [`flush`](Self::flush) does so too.
    pub fn handle_timeout(&mut self, now: Now) {
        self.context.now = now;
        let all: Vec<_> = self.partitions.keys().copied().collect();
        for partition in all {
            self.with_partition(partition, |owned, cx| owned.handle_timeout(cx));
        }
        self.context.outbox.handle_timeout(now.at);
    }

    /// Ends a turn: what gathered for each edge becomes one batch. Call it after some `handle_*` calls (all that the bus
    /// has ready, up to a few hundred), then [`poll_command`](Self::poll_command).
    pub fn flush(&mut self, now: Now) {
        self.context.now = now;
        self.handle_timeout(now);
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

    /// The next thing to do. Call until `None` after every `flush`; what is asked for in between waits until then.
    pub fn poll_command(&mut self) -> Option<Command> {
        if let Some((subject, payload)) = self.context.outbox.poll() {
            return Some(Command::Publish { subject, payload });
        }
        self.context.commands.pop_front()
    }

    /// When to call [`flush`](Self::flush) although nothing came. Ask again after every `flush`.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let partitions = self
            .partitions
            .values()
            .filter_map(OwnedPartition::poll_timeout);
        partitions.chain(self.context.outbox.poll_timeout()).min()
    }

    fn with_partition(
        &mut self,
        partition: Partition,
        run: impl FnOnce(&mut OwnedPartition, &mut Context) -> Ownership,
    ) {
        let Some(owned) = self.partitions.get_mut(&partition) else {
            return;
        };
        let epoch = owned.epoch();
        let command = match run(owned, &mut self.context) {
            Ownership::Held => return,
            Ownership::Lost => Command::Lost { partition, epoch },
            Ownership::Released => Command::Released { partition, epoch },
        };
        self.drop_partition(partition);
        self.context.commands.push_back(command);
    }
}

#[cfg(test)]
mod tests;
