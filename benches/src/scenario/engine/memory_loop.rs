//! A room loop without a bus: an engine whose commands are carried out in memory, and the log that it reads.

use std::collections::BTreeSet;

use bytes::Bytes;
use grandstand_common::bus::{Bucket, KvEntry, LogEntry, LogState};
use grandstand_common::data::Data;
use grandstand_common::id::{Epoch, Partition, RoomId};
use grandstand_common::log_clock::LogClock;
use grandstand_common::subject;
use grandstand_common::wire::{Body, Entry, Input, Interest, Joined, Known, RoomInterest};
use grandstand_game::Games;
use grandstand_worker::command::{Command, EngineConfig, KvSource, Outcome};
use grandstand_worker::engine::Engine;
use prost::Message as _;

/// The edge that watches all rooms.
const EDGE: &str = "edge-0-bench";

/// The entries of a turn.
const TURN: usize = 64;

/// A room with its log.
#[derive(Debug)]
struct FedRoom {
    id: RoomId,
    partition: Partition,
    /// The inputs so far.
    inputs: u64,
}

/// The share of a loop in the partitions of a worker.
#[derive(Debug, Clone, Copy)]
pub(super) struct LoopShare {
    pub(super) partitions: u16,
    pub(super) loops: u16,
    pub(super) index: u16,
}

/// A room loop that is fed from memory.
pub(super) struct MemoryLoop {
    engine: Engine,
    clock: LogClock,
    partitions: BTreeSet<Partition>,
    rooms: Vec<FedRoom>,
    next_room: usize,
    data: Bytes,
    seq: u64,
    revision: u64,
    /// The readers of keys that are open, and the keys that they have not delivered.
    readers: BTreeSet<(Partition, KvSource)>,
    undelivered: Vec<(Partition, KvEntry)>,
    ready: usize,
}

impl MemoryLoop {
    /// A loop with those of the rooms whose partitions are its own. Inputs have `size` bytes.
    pub(super) fn new(games: Games, rooms: u32, size: u32, share: LoopShare) -> Self {
        let LoopShare {
            partitions,
            loops,
            index,
        } = share;
        let sender = "worker-bench".parse().expect("it is an id");
        let rooms = (0..rooms).map(|n| {
            let id: RoomId = format!("relay-{n}").parse().expect("it is an id");
            let partition = id.partition(partitions);
            FedRoom {
                id,
                partition,
                inputs: 0,
            }
        });
        let own = |partition: Partition| partition.0 % loops == index;
        let clock = LogClock::new();
        Self {
            engine: Engine::new(clock.now(), EngineConfig::new(sender), games),
            clock,
            partitions: (0..partitions).map(Partition).filter(|p| own(*p)).collect(),
            rooms: rooms.filter(|room| own(room.partition)).collect(),
            next_room: 0,
            data: format!("\"{}\"", "x".repeat(size.saturating_sub(2) as usize)).into(),
            seq: 0,
            revision: 0,
            readers: BTreeSet::new(),
            undelivered: Vec::new(),
            ready: 0,
        }
    }

    /// Takes the partitions over, and creates the rooms with a player each, all watched by one edge.
    pub(super) fn open(&mut self) {
        for partition in self.partitions.clone() {
            self.engine.take(self.clock.now(), partition, Epoch(1));
        }
        while self.ready < self.partitions.len() {
            self.end_turn();
        }
        for at in 0..self.rooms.len() {
            let joined = Body::Joined(Joined {
                seed: vec![7; 32].into(),
                ..Joined::default()
            });
            self.append(at, 0, joined);
        }
        self.end_turn();
        for room in &self.rooms {
            let interest = Interest {
                edge: EDGE.to_owned(),
                digest: false,
                rooms: vec![RoomInterest {
                    room: room.id.to_string(),
                    players: Some(Known::default()),
                    spectators: Some(Known::default()),
                    viewers: 1,
                    sessions: vec![1],
                    sync: true,
                    ..RoomInterest::default()
                }],
            };
            self.engine
                .handle_interest(self.clock.now(), room.partition, &interest, None);
        }
        self.end_turn();
    }

    /// A turn with some inputs. Returns their number.
    pub(super) fn turn(&mut self) -> u64 {
        for _ in 0..TURN {
            let at = self.next_room;
            self.next_room = (at + 1) % self.rooms.len();
            let room = &mut self.rooms[at];
            room.inputs += 1;
            let seq = room.inputs;
            let input = Body::Input(Input {
                seq,
                data: Some(Data::Json(self.data.clone())),
                ..Input::default()
            });
            self.append(at, seq, input);
        }
        self.end_turn();
        TURN as u64
    }

    /// The inputs that the games got.
    pub(super) fn inputs(&self) -> u64 {
        self.engine.counts().inputs
    }

    fn append(&mut self, room: usize, n: u64, body: Body) {
        let entry = Entry {
            player: "alice".to_owned(),
            session: 1,
            n,
            round: 1,
            edge: EDGE.to_owned(),
            logged_ms: 0,
            body: Some(body),
        };
        let room = &self.rooms[room];
        self.seq += 1;
        let stored = LogEntry {
            seq: self.seq,
            time_ms: self.clock.now().log_ms,
            subject: subject::log(room.partition, &room.id),
            payload: entry.encode_to_vec().into(),
        };
        self.engine
            .handle_log(self.clock.now(), room.partition, &stored, 1);
    }

    fn end_turn(&mut self) {
        self.engine.flush(self.clock.now());
        while let Some(command) = self.engine.poll_command() {
            self.carry_out(command);
        }
        for (partition, entry) in std::mem::take(&mut self.undelivered) {
            let reader = (partition, KvSource::Rooms);
            if self.readers.contains(&reader) {
                self.engine.handle_kv(self.clock.now(), reader, entry, 0);
            }
        }
    }

    fn carry_out(&mut self, command: Command) {
        let now = self.clock.now();
        let (token, outcome) = match command {
            Command::Append { token, .. } | Command::Emit { token, .. } => {
                self.seq += 1;
                (token, Outcome::Appended(self.seq))
            }
            Command::PutIf {
                bucket,
                key,
                value,
                token,
                ..
            } => {
                self.revision += 1;
                if let Bucket::Rooms(partition) = bucket {
                    let entry = KvEntry {
                        key,
                        value: Some(value),
                        revision: self.revision,
                        time_ms: now.log_ms,
                    };
                    self.undelivered.push((partition, entry));
                }
                (token, Outcome::Stored(self.revision))
            }
            Command::DeleteIf { token, .. } => {
                self.revision += 1;
                (token, Outcome::Stored(self.revision))
            }
            Command::Get { token, .. } => (token, Outcome::Value(None)),
            Command::LogState { token, .. } => {
                let state = LogState {
                    first: 1,
                    last: self.seq,
                    created_ms: 1,
                };
                (token, Outcome::Log(state))
            }
            Command::OpenLog { partition, .. } => {
                return self.engine.handle_log_idle(now, partition);
            }
            Command::OpenKv { partition, source } => {
                self.readers.insert((partition, source));
                return self.engine.handle_kv_idle(now, (partition, source));
            }
            Command::CloseKv { partition, source } => {
                self.readers.remove(&(partition, source));
                return;
            }
            Command::Ready { .. } => {
                self.ready += 1;
                return;
            }
            _ => return,
        };
        self.engine.handle_outcome(now, token, outcome);
    }
}
