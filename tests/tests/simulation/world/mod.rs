//! Edges, a worker, clients and the bus between them, in virtual time.

mod wires;

mod sockets;

mod edges;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet};
use std::time::{Duration, Instant};

use bytes::Bytes;
use grandstand_common::auth::Grants;
use grandstand_common::bus::{Bucket, LogState};
use grandstand_common::clock::Now;
use grandstand_common::envelope::{Encoding, decode_server};
use grandstand_common::error::ErrorKind;
use grandstand_common::id::{EdgeId, Epoch, Partition, ProcessId};
use grandstand_common::record::Lease;
use grandstand_common::subject;
use grandstand_common::wire::{Interest, LinkRequest, Live};
use grandstand_edge::core::{self, Core, CoreConfig, Receipt};
use grandstand_edge::interest::Question;
use grandstand_edge::session::frame::{frame_len, header_len};
use grandstand_edge::session::{Event as Frame, Inflater, Session};
use grandstand_edge::sink::{ConnKey, Sent, Sink};
use grandstand_worker::command::{self, KvSource, Outcome, OwnerConfig, Token};
use grandstand_worker::game::Spectating;
use grandstand_worker::owner::Owner;
use grandstand_worker::registry::Registry;
use prost::Message;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

use crate::bus::Store;
use crate::client::Client;
use crate::ledger::Ledger;
use sockets::messages;

const PARTITIONS: u16 = 3;
const EDGES: usize = 2;
const ROOMS: usize = 3;
/// How the spectators of each room are served.
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
/// Trouble ends here; what is not well by [`END_MS`] never will be.
const CALM_MS: u64 = 20_000;
const END_MS: u64 = 60_000;

/// What goes wrong, and how often.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Of messages, appends, requests, receipts.
    pub(crate) lost: f64,
    /// Of appends and batches.
    pub(crate) repeated: f64,
    /// Of messages that are late and so overtaken.
    pub(crate) reordered: f64,
    /// Times that the worker dies and another takes over.
    pub(crate) worker_restarts: usize,
    /// Of a client's turns in which its connection drops.
    pub(crate) connection_drops: f64,
    /// Of sends to a client's socket that find it full.
    pub(crate) slow: f64,
    /// Of rooms of whose players one leaves for good, without a word.
    pub(crate) quits: f64,
    /// Times that an edge dies and another takes its place.
    pub(crate) edge_restarts: usize,
    /// Rooms are hot as soon as all edges watch them.
    pub(crate) hot: bool,
    /// Times that an edge loses the bus for a while.
    pub(crate) outages: usize,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            lost: 0.05,
            repeated: 0.05,
            reordered: 0.05,
            worker_restarts: 4,
            connection_drops: 0.05,
            slow: 0.0,
            quits: 0.3,
            edge_restarts: 0,
            hot: false,
            outages: 0,
        }
    }
}

type ToEdge = Box<dyn FnOnce(&mut Core, Now, &mut Sockets)>;
type ToOwner = Box<dyn FnOnce(&mut Owner, Now)>;

/// What happens at a time.
enum Happening {
    /// A client does its next thing.
    Turn(usize),
    /// An edge's core of this generation hears.
    Edge(usize, u64, ToEdge),
    /// A request of an edge's to a partition's owner is answered, or given up.
    Answer(usize, u64, Option<Bytes>),
    /// The worker of this generation hears.
    Owner(u64, ToOwner),
    /// The store is written, and somebody may hear of it.
    Store(Box<dyn FnOnce(&mut World)>),
    /// Bytes from a client reach its edge.
    Bytes(usize, u32, Vec<u8>),
    /// Messages reach a client.
    Shown(usize, u32, Vec<Value>),
    /// A full socket has drained.
    Drained(usize, u32),
    /// An edge gets round to more of its clients.
    Flush(usize),
    Tick,
    Die,
    EdgeDies(usize),
    /// The worker asks whether the edges are there.
    Probe,
    /// A client comes for a moment, then is gone for good.
    Quit(usize),
    /// An edge loses the bus, or has it back.
    Bus(usize, bool),
}

/// The sockets of an edge.
#[derive(Default)]
pub(crate) struct Sockets {
    sent: Vec<(u32, Bytes)>,
    full: HashSet<u32>,
    /// They take more, and what waited for them was dropped.
    discarded: Vec<u32>,
    gone: HashSet<u32>,
    closed: Vec<(u32, ErrorKind)>,
}

impl Sink for Sockets {
    fn send(&mut self, conn: ConnKey, frames: &Bytes) -> Sent {
        if self.full.contains(&conn.index) {
            return Sent::Full;
        }
        self.send_control(conn, frames)
    }
    fn send_control(&mut self, conn: ConnKey, frames: &Bytes) -> Sent {
        if self.gone.contains(&conn.index) {
            return Sent::Gone;
        }
        self.sent.push((conn.index, frames.clone()));
        Sent::Written
    }
    fn discard(&mut self, conn: ConnKey) {
        if !self.full.contains(&conn.index) {
            self.discarded.push(conn.index);
        }
    }
    fn close(&mut self, conn: ConnKey, why: ErrorKind) {
        self.closed.push((conn.index, why));
    }
    fn pause(&mut self, _: ConnKey, _: bool) {}
}

struct Edge {
    generation: u64,
    core: Core,
    sockets: Sockets,
    sessions: HashMap<u32, Session>,
    clients: HashMap<u32, usize>,
    next: u32,
    /// It will get round to more of its clients.
    flushes: bool,
}

/// All of it.
pub(crate) struct World {
    plan: Plan,
    rng: StdRng,
    start: Instant,
    ms: u64,
    order: u64,
    queue: BinaryHeap<Reverse<(u64, u64, usize)>>,
    happenings: HashMap<usize, Happening>,
    pub(crate) store: Store,
    edges: Vec<Edge>,
    owner: Owner,
    generation: u64,
    epoch: u64,
    readers: BTreeMap<u16, u64>,
    /// The keys that it reads.
    watched: BTreeSet<(u16, KvSource)>,
    /// The requests of edges to partitions' owners that are not answered, by number.
    asked: HashMap<u64, (usize, Question)>,
    /// How often in a row an edge did not answer the worker.
    misses: HashMap<ProcessId, u32>,
    /// When what was sent on a path last arrives: what comes later arrives later, unless it is reordered.
    paths: HashMap<(u64, usize), u64>,
    clients: Vec<Client>,
    deaths: usize,
    /// Which edges are reached on which hot rooms' subjects.
    routes: BTreeSet<(usize, String)>,
    away: [bool; EDGES],
    heated: u64,
}

fn conn(index: u32) -> ConnKey {
    ConnKey {
        index,
        generation: 0,
    }
}

fn owner_of(generation: u64, now: Now, hot: bool) -> Owner {
    let id = format!("w-{generation}").parse().expect("a name");
    let mut config = OwnerConfig {
        idle: Some(Duration::from_millis(200)),
        ..OwnerConfig::new(id)
    };
    if hot {
        (config.hot_edges, config.cold_edges) = (EDGES - 1, EDGES);
        config.cold_after = Duration::from_millis(700);
    }
    Owner::new(now, config, Registry::new().with::<Ledger>())
}

impl World {
    pub(crate) fn new(seed: u64, plan: Plan) -> Self {
        let start = tokio::time::Instant::now().into_std();
        let now = Now {
            at: start,
            unix_ms: 1_000_000,
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
            happenings: HashMap::new(),
            store: Store::default(),
            edges: (0..EDGES).map(edge).collect(),
            owner: owner_of(1, now, plan.hot),
            routes: BTreeSet::new(),
            away: [false; EDGES],
            heated: 0,
            generation: 1,
            epoch: 0,
            readers: BTreeMap::new(),
            watched: BTreeSet::new(),
            asked: HashMap::new(),
            misses: HashMap::new(),
            paths: HashMap::new(),
            clients: (0..ROOMS * 4).map(client).collect(),
            deaths: plan.worker_restarts,
            plan,
        };
        world.take_all();
        for i in 0..world.clients.len() {
            world.after(0..500, Happening::Turn(i));
        }
        for _ in 0..world.deaths {
            world.after(1_000..CALM_MS, Happening::Die);
        }
        for _ in 0..world.plan.edge_restarts {
            let edge = world.rng.random_range(0..EDGES);
            world.after(1_000..CALM_MS, Happening::EdgeDies(edge));
        }
        for room in 0..ROOMS {
            if world.rng.random_bool(world.plan.quits) {
                world.after(1_000..CALM_MS + 1, Happening::Quit(room));
            }
        }
        for _ in 0..world.plan.outages {
            let edge = world.rng.random_range(0..EDGES);
            world.after(1_000..CALM_MS, Happening::Bus(edge, false));
        }
        world.after(1..2, Happening::Tick);
        world.after(1..2, Happening::Probe);
        world
    }

    fn now(&self) -> Now {
        Now {
            at: self.start + Duration::from_millis(self.ms),
            unix_ms: 1_000_000 + self.ms,
        }
    }

    fn calm(&self) -> bool {
        self.ms >= CALM_MS
    }

    fn chance(&mut self, of: f64) -> bool {
        !self.calm() && self.rng.random_bool(of)
    }

    fn at(&mut self, ms: u64, what: Happening) {
        self.order += 1;
        self.queue
            .push(Reverse((ms, self.order, self.order as usize)));
        self.happenings.insert(self.order as usize, what);
    }

    fn after(&mut self, ms: std::ops::Range<u64>, what: Happening) {
        let ms = self.ms + self.rng.random_range(ms);
        self.at(ms, what);
    }

    /// Sends along a path: in order, unless it is one of those that are reordered.
    fn along(&mut self, path: (u64, usize), what: Happening) {
        if self.chance(self.plan.reordered) {
            self.after(0..300, what);
        } else {
            self.in_order(path, what);
        }
    }

    fn in_order(&mut self, path: (u64, usize), what: Happening) {
        let at = self.ms + self.rng.random_range(0..5);
        let last = self.paths.entry(path).or_default();
        *last = at.max(*last);
        let at = *last;
        self.at(at, what);
    }

    /// Plays it out, and returns how many inputs were applied, and how often rooms became hot.
    pub(crate) fn run(mut self) -> (u64, u64) {
        while let Some(Reverse((ms, _, key))) = self.queue.pop() {
            if ms > END_MS {
                break;
            }
            self.ms = ms;
            let Some(what) = self.happenings.remove(&key) else {
                continue;
            };
            self.happen(what);
            self.settle();
        }
        self.heated += self.owner.counts().rooms_heated;
        (self.check(), self.heated)
    }

    fn happen(&mut self, what: Happening) {
        let now = self.now();
        match what {
            Happening::Turn(client) => self.turn(client),
            Happening::Edge(i, generation, does) => {
                let edge = &mut self.edges[i];
                if edge.generation == generation {
                    does(&mut edge.core, now, &mut edge.sockets);
                }
            }
            Happening::Owner(generation, does) => {
                if generation == self.generation {
                    does(&mut self.owner, now);
                }
            }
            Happening::Answer(i, id, reply) => {
                if let Some((_, question)) = self.asked.remove(&id) {
                    let core = &mut self.edges[i].core;
                    core.handle_interest_reply(question, reply, now);
                }
            }
            Happening::Store(does) => does(self),
            Happening::Bytes(edge, index, bytes) => self.bytes(edge, index, bytes),
            Happening::Shown(edge, index, messages) => self.shown(edge, index, &messages),
            Happening::Flush(edge) => self.edges[edge].flushes = false,
            Happening::Drained(edge, index) => {
                let edge = &mut self.edges[edge];
                edge.sockets.full.remove(&index);
                edge.core.handle_drained(conn(index), &mut edge.sockets);
            }
            Happening::Tick => {
                for edge in &mut self.edges {
                    edge.core.handle_timeout(now, &mut edge.sockets);
                }
                self.at(self.ms + 50, Happening::Tick);
            }
            Happening::Bus(edge, up) => {
                self.away[edge] = !up;
                self.edges[edge].core.handle_bus(up, now);
                if !up {
                    self.after(1..1_000, Happening::Bus(edge, true));
                }
            }
            Happening::Die => {
                self.generation += 1;
                self.heated += self.owner.counts().rooms_heated;
                self.owner = owner_of(self.generation, now, self.plan.hot);
                self.readers.clear();
                self.watched.clear();
                self.misses.clear();
                self.take_all();
            }
            Happening::EdgeDies(i) => self.edge_dies(i),
            Happening::Probe => self.probe(),
            Happening::Quit(i) => self.quit(i),
        }
    }

    /// Another worker, with a higher epoch, takes over all partitions.
    fn take_all(&mut self) {
        self.epoch += 1;
        let now = self.now();
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

    /// Carries out what has come of it: flushes, commands, bytes to clients.
    fn settle(&mut self) {
        let now = self.now();
        for i in 0..EDGES {
            // Others come and go, and more comes from owners, before all have what there is.
            let mut visits = self.rng.random_range(0..8);
            let edge = &mut self.edges[i];
            while edge.core.needs_flush() && visits > 0 {
                edge.core.flush(1, &mut edge.sockets);
                visits -= 1;
            }
            if edge.core.needs_flush() && !std::mem::replace(&mut edge.flushes, true) {
                self.after(0..3, Happening::Flush(i));
            }
            while let Some(command) = self.edges[i].core.poll_command() {
                self.edge_command(i, command);
            }
            for (index, frames) in std::mem::take(&mut self.edges[i].sockets.sent) {
                let messages = messages(&frames);
                self.in_order(
                    (u64::from(index) << 8 | 1, i),
                    Happening::Shown(i, index, messages),
                );
                if self.chance(self.plan.slow) && self.edges[i].sockets.full.insert(index) {
                    self.after(10..400, Happening::Drained(i, index));
                }
            }
            for index in std::mem::take(&mut self.edges[i].sockets.discarded) {
                self.after(0..20, Happening::Drained(i, index));
            }
            for (index, why) in std::mem::take(&mut self.edges[i].sockets.closed) {
                assert_eq!(why, ErrorKind::Replaced, "nobody else is closed");
                self.hang_up(i, index);
            }
        }
        self.feed_owner();
        self.owner.flush(now);
        while let Some(command) = self.owner.poll_command() {
            self.owner_command(command);
        }
    }

    /// Everybody is well.
    fn check(&self) -> u64 {
        let mut applied = 0;
        for room in 0..ROOMS {
            let room = format!("ledger-{room}");
            let clients: Vec<_> = self.clients.iter().filter(|c| c.room == room).collect();
            let view = clients[2].view.as_ref().expect("it has a view");
            let quitters: Vec<_> = clients.iter().filter(|c| c.quit).collect();
            for client in &quitters {
                let lines = lines(view, &client.name);
                let made: Vec<u64> = (1..=client.made).filter(|seq| seq % 7 != 0).collect();
                assert!(made.starts_with(&lines), "{}: {lines:?}", client.name);
                assert!(lines.last().unwrap_or(&0) + 7 > client.acked);
                applied += lines.len() as u64;
            }
            for client in clients.iter().filter(|c| !c.quit) {
                for (player, state) in &client.presence {
                    let is_gone = quitters.iter().any(|c| c.name == *player);
                    let wanted = if is_gone { "lost" } else { "connected" };
                    assert_eq!(state, wanted, "{player} for {}", client.name);
                }
                assert!(client.joined, "{} is in", client.name);
                assert_eq!(client.errors, Vec::<String>::new());
                assert_eq!(
                    client.view.as_ref(),
                    Some(view),
                    "{} sees what all see",
                    client.name
                );
                let lines = lines(view, &client.name);
                let made: Vec<u64> = (1..=client.made).filter(|seq| seq % 7 != 0).collect();
                assert_eq!(
                    lines, made,
                    "{}: applied exactly once, in order",
                    client.name
                );
                assert_eq!(client.acked, client.made, "{}: all is acked", client.name);
                if client.player && client.made > 0 {
                    assert_eq!(client.direct, Some(made.len().into()), "{}", client.name);
                }
                applied += client.made;
            }
        }
        applied
    }
}

/// The numbers of a player's inputs that were applied, in order.
fn lines(view: &Value, player: &str) -> Vec<u64> {
    let lines = view["lines"].as_array().expect("a list").iter();
    let lines = lines.filter(|line| line[0] == player);
    lines
        .map(|line| line[1].as_u64().expect("a number"))
        .collect()
}
