//! A worker on a bus in memory, which carries out its commands at once.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use grandstand_common::bus::{Bucket, KvEntry, LogEntry};
use grandstand_common::id::{EdgeId, Epoch, Instance, Partition};
use grandstand_common::layout::Layout;
use grandstand_common::record::{Checkpoint, GameVersions, raise};
use grandstand_common::subject;
use grandstand_common::wire::{Batch, Entry, Interest, InterestReply, ItemKind};
use grandstand_game::Games;
use prost::Message;

use super::*;
use crate::command::{Command, EngineConfig, KvSource, Now, Outcome, Token};
use crate::engine::Engine;

mod bus;

pub(super) const P: Partition = Partition(3);

/// A bus, a clock and a worker, which can be replaced by a successor.
pub(super) struct Rig {
    pub(super) owner: Engine,
    /// The games of the next worker.
    pub(super) games: Games,
    /// The versions that the lease of the partition needs.
    pub(super) needs: GameVersions,
    /// Holds writes of the lease back.
    pub(super) hold_needs: bool,
    pub(super) now: Now,
    pub(super) log: Vec<LogEntry>,
    pub(super) log_first: u64,
    pub(super) created_ms: u64,
    pub(super) kv: BTreeMap<(String, String), KvEntry>,
    revision: u64,
    pub(super) next_seq: u64,
    /// The next sequence of the owner's log reader.
    log_reader: Option<u64>,
    /// The number of writes that still fail without an effect.
    pub(super) fail_writes: u32,
    /// The number of writes that still take effect but get no answer.
    pub(super) lose_answers: u32,
    /// The end of the keys to which `lose_answers` applies.
    pub(super) lose_answers_of: &'static str,
    /// Holds writes of rooms back in `held_writes`.
    pub(super) hold_writes: bool,
    pub(super) held_writes: Vec<Command>,
    /// Makes reads of keys fail.
    pub(super) fail_reads: bool,
    /// The number of appends that still fail without an effect.
    pub(super) lose_appends: u32,
    /// Holds appends back in `held_appends`.
    pub(super) hold_appends: bool,
    pub(super) held_appends: Vec<(String, Bytes)>,
    /// The end of the keys whose writes fail.
    pub(super) failing_key: &'static str,
    pub(super) hold_log: bool,
    /// Holds the reader of rooms back.
    pub(super) hold_rooms: bool,
    held_rooms: Option<Partition>,
    /// The owner's readers of keys, and the changes that they have not delivered yet.
    key_readers: Vec<(Partition, KvSource)>,
    undelivered: VecDeque<(String, KvEntry)>,
    pub(super) sent: VecDeque<(EdgeId, Batch)>,
    /// The batches that were published on the subjects of hot rooms.
    pub(super) hot: Vec<(String, Batch)>,
    pub(super) replies: Vec<InterestReply>,
    /// The commands `Ready`, `Released` and `Lost` so far.
    pub(super) events: Vec<&'static str>,
    pub(super) commands: Vec<Command>,
    /// The items that were emitted: id and body.
    pub(super) emitted: Vec<(String, serde_json::Value)>,
    /// Holds the answers to emitted items, and to messages to other rooms, back.
    pub(super) hold_outcomes: bool,
    pub(super) held_outcomes: Vec<(Token, Outcome)>,
    /// Makes the stream of what games emit refuse items.
    pub(super) fail_emits: bool,
    /// The readers of single rooms: the number, the subject and the next entry.
    room_readers: BTreeMap<u64, (String, u64)>,
    epoch: u64,
}

impl Rig {
    pub(super) fn new() -> Self {
        Self::with_config(|_| {})
    }

    #[allow(clippy::disallowed_methods)]
    pub(super) fn with_config(change: impl Fn(&mut EngineConfig)) -> Self {
        let now = Now {
            at: Instant::now(),
            log_ms: 1_000_000,
        };
        let mut games = Games::new().with::<Echo>().with::<tally::Tally>();
        games.add_realtime::<worlds::Rolling>();
        games.add::<bots::Duel>();
        games.add::<lobby::Listed>();
        Self {
            owner: owner(now, games.clone(), change),
            games,
            needs: GameVersions::new(),
            hold_needs: false,
            now,
            log: Vec::new(),
            log_first: 1,
            created_ms: 77,
            kv: BTreeMap::new(),
            revision: 0,
            next_seq: 1,
            log_reader: None,
            fail_writes: 0,
            lose_answers: 0,
            lose_answers_of: "",
            hold_writes: false,
            held_writes: Vec::new(),
            fail_reads: false,
            lose_appends: 0,
            hold_appends: false,
            held_appends: Vec::new(),
            failing_key: "none",
            hold_log: false,
            hold_rooms: false,
            held_rooms: None,
            key_readers: Vec::new(),
            undelivered: VecDeque::new(),
            sent: VecDeque::new(),
            hot: Vec::new(),
            replies: Vec::new(),
            events: Vec::new(),
            commands: Vec::new(),
            emitted: Vec::new(),
            hold_outcomes: false,
            held_outcomes: Vec::new(),
            fail_emits: false,
            room_readers: BTreeMap::new(),
            epoch: 100,
        }
    }

    /// Returns a rig whose worker has taken the partition over.
    pub(super) fn started() -> Self {
        let mut rig = Self::new();
        rig.take();
        rig
    }

    pub(super) fn take(&mut self) {
        self.epoch += 1;
        let epoch = Epoch(self.epoch);
        self.owner.take(self.now, P, epoch);
        self.owner.handle_needs(self.now, P, epoch, &self.needs);
        self.run();
        for _ in 0..10 {
            if self.events.is_empty() {
                self.advance(250);
            }
        }
        assert_eq!(self.events.pop(), Some("ready"));
    }

    /// Replaces the worker, as if it had died, and lets the new one take over.
    pub(super) fn restart(&mut self) {
        self.restart_with(|_| {});
    }

    pub(super) fn restart_with(&mut self, change: impl Fn(&mut EngineConfig)) {
        self.owner = owner(self.now, self.games.clone(), change);
        self.log_reader = None;
        self.key_readers.clear();
        self.room_readers.clear();
        self.held_outcomes.clear();
        self.held_rooms = None;
        self.sent.clear();
        self.take();
    }

    pub(super) fn put(&mut self, bucket: Bucket, key: &str, value: Option<Bytes>) -> u64 {
        self.revision += 1;
        let entry = KvEntry {
            key: key.to_owned(),
            value,
            revision: self.revision,
            time_ms: self.now.log_ms,
        };
        let bucket = format!("{bucket:?}");
        self.undelivered.push_back((bucket.clone(), entry.clone()));
        self.kv.insert((bucket, key.to_owned()), entry);
        self.revision
    }

    pub(super) fn get(&self, bucket: Bucket, key: &str) -> Option<&KvEntry> {
        self.kv.get(&(format!("{bucket:?}"), key.to_owned()))
    }

    pub(super) fn checkpoint(&self) -> Checkpoint {
        let entry = self
            .get(Bucket::Rooms(P), &subject::checkpoint_key(P))
            .unwrap();
        serde_json::from_slice(entry.value.as_ref().unwrap()).unwrap()
    }

    pub(super) fn snapshot(&self, room: &str) -> Option<serde_json::Value> {
        let key = subject::room_key(P, &room_id(room));
        let entry = self.get(Bucket::Rooms(P), &key)?;
        Some(serde_json::from_slice(entry.value.as_ref()?).unwrap())
    }

    /// Appends an entry, lets the owner read it, and ends the turn. Returns the entry's sequence.
    pub(super) fn append(&mut self, room: &str, entry: Entry) -> u64 {
        let seq = self.store(
            subject::log(P, &room_id(room)),
            entry.encode_to_vec().into(),
        );
        self.run();
        seq
    }

    /// Appends a `Joined`. Returns the instance of the room, if this entry creates it.
    pub(super) fn join(&mut self, room: &str, player: &str, session: u64) -> u64 {
        let time_ms = self.now.log_ms;
        let seq = self.append(room, joined(player, session));
        Instance::from_entry(seq, time_ms).0
    }

    pub(super) fn input(&mut self, room: &str, sender: (&str, u64), n: u64, text: &str) -> u64 {
        self.append(room, input(sender, n, n, text))
    }

    pub(super) fn advance(&mut self, ms: u64) {
        self.now.at += Duration::from_millis(ms);
        self.now.log_ms += ms;
        self.run();
    }

    pub(super) fn send_interest(&mut self, interest: Interest) -> InterestReply {
        let reply = Some("r".to_owned());
        self.owner.handle_interest(self.now, P, &interest, reply);
        self.run();
        self.replies.pop().unwrap()
    }

    /// Carries out the writes that were held back.
    pub(super) fn release_writes(&mut self) {
        self.hold_writes = false;
        for command in std::mem::take(&mut self.held_writes) {
            self.carry_out(command);
        }
        self.run();
    }

    /// Stores the appends that were held back, as late ones.
    pub(super) fn release_appends(&mut self) {
        self.hold_appends = false;
        for (subject, payload) in std::mem::take(&mut self.held_appends) {
            self.store(subject, payload);
        }
        self.run();
    }

    /// Answers what was held back.
    pub(super) fn release_outcomes(&mut self) {
        self.hold_outcomes = false;
        for (token, outcome) in std::mem::take(&mut self.held_outcomes) {
            self.owner.handle_outcome(self.now, token, outcome);
        }
        self.run();
    }

    /// Lets the reader of rooms deliver what is stored.
    pub(super) fn release_rooms(&mut self) {
        self.hold_rooms = false;
        if let Some(partition) = self.held_rooms.take() {
            self.stream(partition, KvSource::Rooms);
        }
        self.run();
    }

    /// Returns the items about a room that an edge received since the last call.
    pub(super) fn items(&mut self, edge: &str, room: &str) -> Vec<ItemKind> {
        let mut items = Vec::new();
        let sent = std::mem::take(&mut self.sent);
        for (to, mut batch) in sent {
            if to.as_str() != edge {
                self.sent.push_back((to, batch));
                continue;
            }
            for part in batch.rooms.extract_if(.., |part| part.room == room) {
                assert_eq!(part.epoch, self.epoch);
                items.extend(part.items.into_iter().filter_map(|item| item.kind));
            }
            if !batch.rooms.is_empty() {
                self.sent.push_back((to, batch));
            }
        }
        items
    }

    /// Like [`items`](Self::items), each item in one line.
    pub(super) fn received(&mut self, edge: &str, room: &str) -> Vec<String> {
        self.items(edge, room).iter().map(summary).collect()
    }

    /// Requires that an edge has been sent this item of a room.
    #[track_caller]
    pub(super) fn expect_item(&mut self, edge: &str, room: &str, item: &str) {
        let received = self.received(edge, room);
        assert!(received.iter().any(|line| line == item), "{received:?}");
    }

    /// Flushes and carries out commands until the owner has none.
    pub(super) fn run(&mut self) {
        for turn in 0.. {
            assert!(turn < 10_000, "the owner never rests");
            self.deliver();
            self.owner.flush(self.now);
            assert!(self.owner.has_counted_rooms());
            let mut idle = true;
            let before = self.commands.len();
            while let Some(command) = self.owner.poll_command() {
                idle = false;
                let asked = self.commands.len() - before;
                assert!(asked < 100_000, "the owner never rests");
                self.commands.push(command.clone());
                self.carry_out(command);
            }
            if idle && !self.deliver() && !self.owner.has_loads() {
                assert!(!self.owner.has_forgotten_work(self.now));
                return;
            }
        }
    }
}

fn owner(now: Now, games: Games, change: impl Fn(&mut EngineConfig)) -> Engine {
    let mut config = EngineConfig::new("w-1".parse().unwrap());
    // Most tests do not wait for the cost of a replay.
    (config.snapshot_entries, config.snapshot_delay) = (32, Duration::from_secs(1));
    config.checkpoint_entries = 0;
    // All rooms are in the partition.
    config.layout = Layout {
        first_partition: P.0,
        ..Layout::new(1, 1)
    };
    change(&mut config);
    Engine::new(now, config, games)
}
