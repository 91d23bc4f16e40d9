//! Edges, a worker, clients and the bus between them in virtual time.

mod plan;

mod event;

mod wires;

mod sockets;

mod edges;

mod outlet;

mod check;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet};
use std::time::{Duration, Instant};

use bytes::Bytes;
use grandstand_common::auth::Grants;
use grandstand_common::bus::{AppendFailure, Bucket, KvEntry, LogState};
use grandstand_common::clock::Now;
use grandstand_common::envelope::{Encoding, Payload, decode_server};
use grandstand_common::error::ErrorKind;
use grandstand_common::id::{EdgeId, Epoch, Partition, ProcessId};
use grandstand_common::record::{GameVersions, Lease};
use grandstand_common::subject;
use grandstand_common::wire::{Interest, LinkRequest, Live};
use grandstand_edge::conn::key::ConnKey;
use grandstand_edge::conn::transport::{SendStatus, Transport};
use grandstand_edge::core::{self, AppendTag, Core, CoreConfig, InterestTag, RoomConfig};
use grandstand_edge::websocket::decoder::{Decoder, Event as Frame};
use grandstand_edge::websocket::frame::{frame_len, header_len};
use grandstand_edge::websocket::inflate::Inflater;
use grandstand_game::{Games, Spectating};
use grandstand_worker::command::{self, EngineConfig, KvSource, Outcome, Token};
use grandstand_worker::engine::Engine;
use prost::Message;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

use crate::bus::Store;
use crate::client::Client;
use crate::ledger::{BOT, CALL_TIMEOUT_MS, LAST_OF_BOT, Ledger};
pub(crate) use plan::Plan;

use event::SimEvent;
use sockets::{Sockets, messages};

const PARTITIONS: u16 = 3;
const EDGES: usize = 2;
const ROOMS: usize = 3;
/// The delay and the rate of each room's spectators.
const SERVED: [Spectating; ROOMS] = [
    Spectating {
        max_rate_hz: 0,
        delay_ms: 0,
    },
    Spectating {
        max_rate_hz: 2,
        delay_ms: 0,
    },
    Spectating {
        max_rate_hz: 5,
        delay_ms: 3_000,
    },
];
/// Faults end here. All must have recovered by [`END_MS`].
const CALM_MS: u64 = 20_000;
const END_MS: u64 = 60_000;

struct Edge {
    generation: u64,
    core: Core,
    sockets: Sockets,
    sessions: HashMap<u32, Decoder>,
    clients: HashMap<u32, usize>,
    next: u32,
    /// Whether a flush is scheduled.
    flushes: bool,
}

/// The whole simulation.
pub(crate) struct World {
    plan: Plan,
    rng: StdRng,
    start: Instant,
    ms: u64,
    order: u64,
    queue: BinaryHeap<Reverse<(u64, u64, usize)>>,
    events: HashMap<usize, SimEvent>,
    pub(crate) store: Store,
    edges: Vec<Edge>,
    owner: Engine,
    generation: u64,
    epoch: u64,
    readers: BTreeMap<u16, u64>,
    /// The readers of keys, each with its number.
    watched: BTreeMap<(u16, KvSource), u64>,
    /// The unanswered requests of edges to partitions' owners, by number.
    asked: HashMap<u64, (usize, InterestTag)>,
    /// The number of consecutive probes that an edge did not answer.
    misses: HashMap<ProcessId, u32>,
    /// The last arrival time on each path. Later sends arrive later unless they are reordered.
    paths: HashMap<(u64, usize), u64>,
    clients: Vec<Client>,
    deaths: usize,
    /// The edges that receive the subjects of hot rooms.
    routes: BTreeSet<(usize, String)>,
    away: [bool; EDGES],
    heated: u64,
    /// The items that games emitted, and their calls, by id.
    emitted: BTreeMap<String, Bytes>,
    /// The number of requests of the outlet.
    requests: u64,
}

fn conn(index: u32) -> ConnKey {
    ConnKey {
        index,
        generation: 0,
    }
}

fn owner_of(generation: u64, now: command::Now, hot: bool) -> Engine {
    let id = format!("w-{generation}").parse().expect("a name");
    let mut config = EngineConfig {
        idle: Some(Duration::from_millis(200)),
        ..EngineConfig::new(id)
    };
    if hot {
        (config.hot_edges, config.cold_edges) = (EDGES - 1, EDGES);
        config.cold_after = Duration::from_millis(700);
    }
    Engine::new(now, config, Games::new().with::<Ledger>())
}

impl World {
    pub(crate) fn new(seed: u64, plan: Plan) -> Self {
        let start = tokio::time::Instant::now().into_std();
        let now = Now {
            at: start,
            unix_ms: 1_000_000,
            unix_us: 1_000_000_000,
            log_ms: 1_000_000,
        };
        let owner_now = command::Now {
            at: start,
            log_ms: now.unix_ms,
        };
        let edge = |i: usize| Edge::new(i, 1, seed ^ i as u64, now);
        let client = |i: usize| {
            let (room, place) = (i % ROOMS, i / ROOMS);
            let service = SERVED[room];
            Client::new(
                format!("c{i}"),
                format!("ledger-{room}"),
                place < 2,
                service,
            )
        };
        let mut world = Self {
            rng: StdRng::seed_from_u64(seed),
            start,
            ms: 0,
            order: 0,
            queue: BinaryHeap::new(),
            events: HashMap::new(),
            store: Store::default(),
            edges: (0..EDGES).map(edge).collect(),
            owner: owner_of(1, owner_now, plan.hot),
            routes: BTreeSet::new(),
            away: [false; EDGES],
            heated: 0,
            emitted: BTreeMap::new(),
            requests: 0,
            generation: 1,
            epoch: 0,
            readers: BTreeMap::new(),
            watched: BTreeMap::new(),
            asked: HashMap::new(),
            misses: HashMap::new(),
            paths: HashMap::new(),
            clients: (0..ROOMS * 4).map(client).collect(),
            deaths: plan.worker_restarts,
            plan,
        };
        world.take_all();
        for i in 0..world.clients.len() {
            world.after(0..500, SimEvent::Turn(i));
        }
        for _ in 0..world.deaths {
            world.after(1_000..CALM_MS, SimEvent::Die);
        }
        for _ in 0..world.plan.edge_restarts {
            let edge = world.rng.random_range(0..EDGES);
            world.after(1_000..CALM_MS, SimEvent::EdgeDies(edge));
        }
        for room in 0..ROOMS {
            if world.rng.random_bool(world.plan.quits) {
                world.after(1_000..CALM_MS + 1, SimEvent::Quit(room));
            }
        }
        for _ in 0..world.plan.outages {
            let edge = world.rng.random_range(0..EDGES);
            world.after(1_000..CALM_MS, SimEvent::Bus(edge, false));
        }
        world.after(1..2, SimEvent::Tick);
        world.after(1..2, SimEvent::Probe);
        world
    }

    fn now(&self) -> Now {
        Now {
            at: self.start + Duration::from_millis(self.ms),
            unix_ms: 1_000_000 + self.ms,
            unix_us: (1_000_000 + self.ms) * 1_000,
            log_ms: 1_000_000 + self.ms,
        }
    }

    /// The owner knows the time of the log.
    fn owner_now(&self) -> command::Now {
        command::Now {
            at: self.start + Duration::from_millis(self.ms),
            log_ms: 1_000_000 + self.ms,
        }
    }

    fn calm(&self) -> bool {
        self.ms >= CALM_MS
    }

    fn chance(&mut self, of: f64) -> bool {
        !self.calm() && self.rng.random_bool(of)
    }

    /// Runs to the end. Returns the number of applied inputs and how often rooms became hot.
    pub(crate) fn run(mut self) -> (u64, u64) {
        while let Some(Reverse((ms, _, key))) = self.queue.pop() {
            if ms > END_MS {
                break;
            }
            self.ms = ms;
            let Some(what) = self.events.remove(&key) else {
                continue;
            };
            self.happen(what);
            self.settle();
        }
        self.heated += self.owner.counts().rooms_heated;
        (self.check(), self.heated)
    }

    /// Another worker with a higher epoch takes over all partitions.
    fn take_all(&mut self) {
        self.epoch += 1;
        let now = self.owner_now();
        for p in 0..PARTITIONS {
            self.owner.take(now, Partition(p), Epoch(self.epoch));
            self.tell_lease(p, false);
        }
    }

    fn tell_lease(&mut self, partition: u16, ready: bool) {
        let worker = format!("w-{}", self.generation).parse().expect("a name");
        let lease = Lease {
            worker: Some(worker),
            epoch: Epoch(self.epoch),
            ready,
            sender: None,
            stuck: Vec::new(),
            needs: GameVersions::new(),
            moved: false,
        };
        for i in 0..EDGES {
            let lease = lease.clone();
            let tell = move |core: &mut Core, now: Now, _: &mut Sockets| {
                core.handle_lease(Partition(partition), &lease, now);
            };
            let tell = self.to_edge(i, tell);
            self.in_order((u64::MAX, i), tell);
        }
    }

    /// Carries out the outputs of the cores: flushes, commands, bytes to clients.
    fn settle(&mut self) {
        for i in 0..EDGES {
            // Other events come between two visits, before all clients have everything.
            let mut visits = self.rng.random_range(0..8);
            let edge = &mut self.edges[i];
            while edge.core.needs_flush() && visits > 0 {
                edge.core.flush(1, &mut edge.sockets);
                visits -= 1;
            }
            if edge.core.needs_flush() && !std::mem::replace(&mut edge.flushes, true) {
                self.after(0..3, SimEvent::Flush(i));
            }
            while let Some(command) = self.edges[i].core.poll_command() {
                self.edge_command(i, command);
            }
            for (index, frames) in std::mem::take(&mut self.edges[i].sockets.sent) {
                let messages = messages(&frames);
                self.in_order(
                    (u64::from(index) << 8 | 1, i),
                    SimEvent::Shown(i, index, messages),
                );
                if self.chance(self.plan.slow) && self.edges[i].sockets.full.insert(index) {
                    self.after(10..400, SimEvent::Drained(i, index));
                }
            }
            for index in std::mem::take(&mut self.edges[i].sockets.discarded) {
                self.after(0..20, SimEvent::Drained(i, index));
            }
            for (index, why) in std::mem::take(&mut self.edges[i].sockets.closed) {
                assert_eq!(
                    why,
                    ErrorKind::Replaced,
                    "only replaced connections are closed"
                );
                self.hang_up(i, index);
            }
        }
        self.feed_owner();
        self.owner.flush(self.owner_now());
        while let Some(command) = self.owner.poll_command() {
            self.owner_command(command);
        }
    }
}
