//! A seeded simulation of several machines over a key-value store that delays, stalls and loses answers, while workers
//! pause, lose their connections, die and start.
//!
//! It checks at every step that at most one worker that may act owns a partition, that the epochs of a partition only grow,
//! and that a lease needs the versions of games that its owners have stored. It checks after the last fault that every
//! partition has a ready owner, and one that can run all rooms if such a worker lives.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::{Duration, Instant};

use bytes::Bytes;
use grandstand_common::layout::Layout;
use grandstand_common::record::Lease;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::record::decode;
use super::*;

mod world;

const PARTITIONS: u16 = 12;
const PUT_TIMEOUT: u64 = 1_000;
const GAME: &str = "sum";

fn games(version: u32) -> GameVersions {
    GameVersions::from([(GAME.to_owned(), version)])
}

#[derive(Debug)]
enum Event {
    /// A put or a get arrives at the store.
    Arrives {
        node: usize,
        connection: u64,
        op: Op,
    },
    /// The store's answer arrives at the worker.
    Answered {
        node: usize,
        id: u64,
        answer: Answer,
    },
    /// The worker gives up waiting for an answer.
    TimedOut { node: usize, id: u64 },
    /// The watch delivers an entry.
    Shown {
        node: usize,
        connection: u64,
        record: RecordKey,
        entry: KvEntry,
    },
    /// The outcome of a probe arrives at the worker.
    Probed {
        node: usize,
        probe: Probe,
        outcome: ProbeOutcome,
    },
    /// The worker has taken a partition over.
    Read {
        node: usize,
        partition: Partition,
        epoch: Epoch,
    },
    /// The worker of a partition has rooms of a version of their game.
    Wants {
        node: usize,
        partition: Partition,
        epoch: Epoch,
        version: u32,
    },
    /// The worker has stopped serving a partition.
    Stopped { node: usize, partition: Partition },
    /// A worker is connected again.
    Connected { node: usize },
    /// A paused worker continues.
    Resumes { node: usize },
    /// The store is copied, and comes back as this copy later.
    Backup,
}

#[derive(Debug, Clone)]
struct Op {
    id: u64,
    record: RecordKey,
    put: Option<(Bytes, u64)>,
}

#[derive(Debug)]
enum Answer {
    Put(PutOutcome),
    Get(GetOutcome),
}

struct Node {
    machine: LeaseMachine,
    /// The version of the game that it runs.
    version: u32,
    alive: bool,
    up: bool,
    /// The number of connections so far. Messages of earlier ones are lost.
    connection: u64,
    paused: bool,
    waiting: BTreeMap<u64, RecordKey>,
    puts: BTreeMap<u64, bool>,
    held: Vec<Event>,
    /// The time of the last scheduled entry of the watch, which delivers entries in order.
    shown_at: u64,
}

struct Sim {
    rng: ChaCha8Rng,
    start: Instant,
    ms: u64,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    events: BTreeMap<u64, Event>,
    count: u64,
    store: BTreeMap<String, (RecordKey, KvEntry)>,
    revision: u64,
    backup: (BTreeMap<String, (RecordKey, KvEntry)>, u64),
    stalled_until: u64,
    /// Whether workers probe over two servers. The first one has no routes until `cut_until`.
    clustered: bool,
    cut_until: u64,
    nodes: Vec<Node>,
    epochs: BTreeMap<Partition, Epoch>,
    /// The highest version of the game that an owner has stored, as far as the bucket of leases was not rolled back since.
    written: BTreeMap<Partition, u32>,
    was_rolled_back: bool,
    calm: bool,
    seed: u64,
}

impl Sim {
    fn new(seed: u64, start: Instant) -> Self {
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
            start,
            ms: 0,
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            count: 0,
            store: BTreeMap::new(),
            revision: 0,
            backup: (BTreeMap::new(), 0),
            stalled_until: 0,
            clustered: seed % 2 == 1,
            cut_until: 0,
            nodes: Vec::new(),
            epochs: BTreeMap::new(),
            written: BTreeMap::new(),
            was_rolled_back: false,
            calm: false,
            seed,
        }
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_millis(self.ms)
    }

    fn schedule(&mut self, ms: u64, event: Event) {
        self.count += 1;
        self.queue.push(Reverse((self.ms + ms, self.count)));
        self.events.insert(self.count, event);
    }

    fn delay(&mut self) -> u64 {
        match self.rng.random_range(0..100) {
            0 if !self.calm => self.rng.random_range(0..1_500),
            _ => self.rng.random_range(0..8),
        }
    }

    fn spawn(&mut self, carried_over: CarriedOver) {
        let index = self.nodes.len();
        let version = self.rng.random_range(1..=2);
        let settings = LeaseSettings {
            id: format!("w{}-{index}", self.rng.random_range(0..1000))
                .parse()
                .unwrap(),
            build: String::new(),
            games: games(version),
            layout: Layout::new(PARTITIONS, 1),
            senders: Vec::new(),
            alone: false,
            carried_over,
        };
        let mut machine = LeaseMachine::new(settings);
        machine.handle_connection(self.now(), true);
        if self.clustered {
            machine.handle_second_connection(self.now(), SecondConnectionState::Connected(1));
        }
        self.nodes.push(Node {
            machine,
            version,
            alive: true,
            up: true,
            connection: 1,
            paused: false,
            waiting: BTreeMap::new(),
            puts: BTreeMap::new(),
            held: Vec::new(),
            shown_at: 0,
        });
        self.show_all(index);
        self.nodes[index].machine.handle_loaded();
    }

    /// Delivers all existing entries, as a watch does at its start.
    fn show_all(&mut self, index: usize) {
        let now = self.now();
        let machine = &mut self.nodes[index].machine;
        for (record, entry) in self.store.values() {
            world::show(machine, now, record, entry);
        }
    }

    /// Injects a random fault, or starts or stops a worker.
    fn inject_fault(&mut self) {
        let living: Vec<usize> = (0..self.nodes.len())
            .filter(|&n| self.nodes[n].alive)
            .collect();
        let node = living[self.rng.random_range(0..living.len())];
        let ms = self.rng.random_range(0..6_000);
        let now = self.now();
        match self.rng.random_range(0..9) {
            0 => {
                self.nodes[node].alive = false;
                self.spawn(CarriedOver::default());
            }
            1 => self.stalled_until = self.ms + ms,
            6 => self.cut_until = self.ms + ms,
            2 if self.nodes[node].up && !self.nodes[node].paused => {
                self.nodes[node].up = false;
                self.nodes[node].machine.handle_connection(now, false);
                self.schedule(ms, Event::Connected { node });
            }
            3 if !self.nodes[node].paused && self.nodes[node].up => {
                self.nodes[node].paused = true;
                self.schedule(ms, Event::Resumes { node });
            }
            4 if living.len() < 5 => self.spawn(CarriedOver::default()),
            7 => self.schedule(ms / 2, Event::Backup),
            8 => self.roll_back(),
            5 if living.len() > 2 && self.staying() > 2 => self.nodes[node].machine.handle_leave(),
            _ => {}
        }
    }

    /// The store restarts as it was at the last backup (D23). Workers lose their connections, and what is in flight.
    fn roll_back(&mut self) {
        if self.backup.0.is_empty() {
            return;
        }
        (self.store, self.revision) = self.backup.clone();
        self.written.clear();
        self.was_rolled_back = true;
        self.events.retain(|_, event| {
            !matches!(
                event,
                Event::Arrives { .. } | Event::Answered { .. } | Event::Shown { .. }
            )
        });
        let now = self.now();
        for node in 0..self.nodes.len() {
            if self.nodes[node].alive && self.nodes[node].up && !self.nodes[node].paused {
                self.nodes[node].up = false;
                self.nodes[node].machine.handle_connection(now, false);
                let ms = self.rng.random_range(0..500);
                self.schedule(ms, Event::Connected { node });
            }
        }
    }

    fn staying(&self) -> usize {
        let stays = |node: &&Node| node.alive && node.machine.state.own.state == WorkerState::Alive;
        self.nodes.iter().filter(stays).count()
    }

    /// Checks that the lease of a partition needs what was written there.
    fn check_needs(&self, partition: Partition) {
        let needs = self.needs(partition);
        let written = self.written.get(&partition).copied().unwrap_or(1);
        assert!(
            needs >= written,
            "seed {} at {}: the lease of {partition} needs {needs}, and {written} was written",
            self.seed,
            self.ms
        );
    }

    /// Checks that at most one worker that may act owns each partition.
    fn check(&self) {
        let now = self.now();
        let acting: Vec<&Node> = self
            .nodes
            .iter()
            .filter(|node| node.alive && node.machine.may_act(now))
            .collect();
        for partition in (0..PARTITIONS).map(Partition) {
            let owners: Vec<_> = acting
                .iter()
                .filter_map(|node| Some((node.machine.id(), node.machine.epoch(partition)?)))
                .collect();
            assert!(
                owners.len() <= 1,
                "seed {} at {}: {partition} {owners:?}",
                self.seed,
                self.ms
            );
        }
    }

    /// The version that the stored lease of a partition needs.
    fn needs(&self, partition: Partition) -> u32 {
        let key = format!("{:?}", RecordKey::Lease(partition));
        let value = self.store.get(&key);
        let value = value.and_then(|(_, entry)| entry.value.as_ref());
        let lease: Option<Lease> = value.and_then(decode);
        lease
            .and_then(|lease| lease.needs.get(GAME).copied())
            .unwrap_or(1)
    }

    /// Checks that every partition has a ready owner that can run its rooms, if such a worker lives, and that not all have
    /// the same one.
    fn check_owned(&self) {
        let now = self.now();
        let able = self
            .nodes
            .iter()
            .filter(|node| node.alive && node.version == 2)
            .count();
        let needing = (0..PARTITIONS)
            .filter(|p| self.needs(Partition(*p)) == 2)
            .count();
        for partition in (0..PARTITIONS).map(Partition) {
            let owned = self.nodes.iter().any(|node| {
                let lease = &node.machine.state.leases[usize::from(partition.0)];
                let ready = matches!(lease.ownership, Ownership::Owned { ready: true, .. });
                let is_able = able == 0 || node.version >= self.needs(partition);
                node.alive && node.machine.may_act(now) && ready && is_able
            });
            assert!(owned, "seed {}: {partition} has no owner", self.seed);
        }
        let living = self.nodes.iter().filter(|node| node.alive);
        let stored: Vec<Lease> = self
            .store
            .values()
            .filter(|(record, _)| matches!(record, RecordKey::Lease(_)))
            .map(|(_, entry)| decode(entry.value.as_ref().unwrap()).unwrap())
            .collect();
        assert!(
            stored.iter().all(|lease| lease.ready),
            "seed {}: {stored:?}",
            self.seed
        );
        let has_one = living.count() <= 1 || (able == 1 && needing > 0);
        assert!(has_one || stored.iter().any(|lease| lease.worker != stored[0].worker));
    }
}

#[test]
fn d16_a_partition_has_at_most_one_owner_at_a_time_and_gets_one() {
    let start = tokio::time::Instant::now().into_std();
    for seed in 0..100 {
        let mut sim = Sim::new(seed, start);
        for _ in 0..sim.rng.random_range(3..=5) {
            sim.spawn(CarriedOver::default());
        }
        for _ in 0..sim.rng.random_range(3..15) {
            let until = sim.ms + sim.rng.random_range(0..5_000);
            sim.run(until);
            sim.inject_fault();
        }
        sim.calm = true;
        let until = sim.ms + 15_000;
        sim.run(until);
        sim.check_owned();
    }
}
