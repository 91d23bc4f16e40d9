//! Edges, a worker, clients and the bus between them, in virtual time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};
use std::time::{Duration, Instant};

use bytes::Bytes;
use grandstand_common::auth::Grants;
use grandstand_common::bus::LogState;
use grandstand_common::clock::Now;
use grandstand_common::envelope::{Encoding, decode_server};
use grandstand_common::error::ErrorKind;
use grandstand_common::id::{Epoch, Partition};
use grandstand_common::record::Lease;
use grandstand_common::subject;
use grandstand_common::wire::{Interest, LinkRequest, Live};
use grandstand_edge::core::{self, Core, CoreConfig, Receipt};
use grandstand_edge::interest::Question;
use grandstand_edge::session::frame::{frame_len, header_len};
use grandstand_edge::session::{Event as Frame, Session};
use grandstand_edge::sink::{ConnKey, Sent, Sink};
use grandstand_worker::command::{self, KvSource, Outcome, OwnerConfig, Token};
use grandstand_worker::owner::Owner;
use grandstand_worker::registry::Registry;
use prost::Message;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

use crate::bus::Store;
use crate::client::Client;
use crate::ledger::Ledger;

const PARTITIONS: u16 = 3;
const EDGES: usize = 2;
const ROOMS: usize = 3;
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
        }
    }
}

type ToEdge = Box<dyn FnOnce(&mut Core, Now, &mut Sockets)>;
type ToOwner = Box<dyn FnOnce(&mut Owner, Now)>;

/// What happens at a time.
enum Happening {
    /// A client does its next thing.
    Turn(usize),
    /// An edge's core hears.
    Edge(usize, ToEdge),
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
    Tick,
    Die,
}

/// The sockets of an edge.
#[derive(Default)]
pub(crate) struct Sockets {
    sent: Vec<(u32, Bytes)>,
    full: HashSet<u32>,
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
    fn discard(&mut self, _: ConnKey) {}
    fn close(&mut self, conn: ConnKey, why: ErrorKind) {
        self.closed.push((conn.index, why));
    }
    fn pause(&mut self, _: ConnKey, _: bool) {}
}

struct Edge {
    core: Core,
    sockets: Sockets,
    sessions: HashMap<u32, Session>,
    clients: HashMap<u32, usize>,
    next: u32,
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
    /// The requests of edges to partitions' owners that are not answered, by number.
    asked: HashMap<u64, Question>,
    /// When what was sent on a path last arrives: what comes later arrives later, unless it is reordered.
    paths: HashMap<(u64, usize), u64>,
    clients: Vec<Client>,
    deaths: usize,
}

fn conn(index: u32) -> ConnKey {
    ConnKey {
        index,
        generation: 0,
    }
}

fn owner_of(generation: u64, now: Now) -> Owner {
    let id = format!("w-{generation}").parse().expect("a name");
    Owner::new(now, OwnerConfig::new(id), Registry::new().with::<Ledger>())
}

impl World {
    pub(crate) fn new(seed: u64, plan: Plan) -> Self {
        let start = tokio::time::Instant::now().into_std();
        let now = Now {
            at: start,
            unix_ms: 1_000_000,
        };
        let config = CoreConfig {
            partitions: PARTITIONS,
            linger: Duration::from_secs(3),
            ..CoreConfig::default()
        };
        let edge = |i: usize| Edge {
            core: Core::new(
                config.clone(),
                format!("edge-{i}").parse().expect("a name"),
                None,
                seed ^ i as u64,
                now,
            ),
            sockets: Sockets::default(),
            sessions: HashMap::new(),
            clients: HashMap::new(),
            next: 0,
        };
        let client = |i: usize| {
            let (room, place) = (i % ROOMS, i / ROOMS);
            Client::new(format!("c{i}"), format!("ledger-{room}"), place < 2)
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
            owner: owner_of(1, now),
            generation: 1,
            epoch: 0,
            readers: BTreeMap::new(),
            asked: HashMap::new(),
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
        world.after(1..2, Happening::Tick);
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

    /// Plays it out, and returns how many inputs were applied.
    pub(crate) fn run(mut self) -> u64 {
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
        self.check()
    }

    fn happen(&mut self, what: Happening) {
        let now = self.now();
        match what {
            Happening::Turn(client) => self.turn(client),
            Happening::Edge(i, does) => {
                let edge = &mut self.edges[i];
                does(&mut edge.core, now, &mut edge.sockets);
            }
            Happening::Owner(generation, does) => {
                if generation == self.generation {
                    does(&mut self.owner, now);
                }
            }
            Happening::Answer(i, id, reply) => {
                if let Some(question) = self.asked.remove(&id) {
                    let core = &mut self.edges[i].core;
                    core.handle_interest_reply(question, reply, now);
                }
            }
            Happening::Store(does) => does(self),
            Happening::Bytes(edge, index, bytes) => self.bytes(edge, index, bytes),
            Happening::Shown(edge, index, messages) => self.shown(edge, index, &messages),
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
            Happening::Die => {
                self.generation += 1;
                self.owner = owner_of(self.generation, now);
                self.readers.clear();
                self.take_all();
            }
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
            self.in_order((u64::MAX, i), Happening::Edge(i, Box::new(tell)));
        }
    }

    /// Carries out what has come of it: flushes, commands, bytes to clients.
    fn settle(&mut self) {
        let now = self.now();
        for i in 0..EDGES {
            let edge = &mut self.edges[i];
            while edge.core.flush(2, &mut edge.sockets) {}
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

    fn edge_command(&mut self, i: usize, command: core::Command) {
        match command {
            core::Command::Append {
                subject,
                payload,
                receipt,
            } => self.edge_append(i, subject, payload, receipt),
            core::Command::Interest {
                subject,
                payload,
                question,
            } => {
                let partition = question.partition;
                assert_eq!(subject::parse_partition(&subject), Some(partition));
                self.order += 1;
                let id = self.order;
                self.asked.insert(id, question);
                let ready = |(p, _, ready)| p == partition && ready;
                if !self.owner.partitions().any(ready) {
                    return self.after(1..5, Happening::Answer(i, id, None));
                }
                self.at(self.ms + 1000, Happening::Answer(i, id, None));
                if self.chance(self.plan.lost) {
                    return;
                }
                let interest = Interest::decode(payload).expect("an interest");
                let to = format!("{i}.{id}");
                let ask = move |owner: &mut Owner, now: Now| {
                    owner.handle_interest(now, partition, &interest, Some(to));
                };
                self.after(0..5, Happening::Owner(self.generation, Box::new(ask)));
            }
            core::Command::Link {
                payload,
                worker,
                to,
                ..
            } => {
                let current = worker == format!("w-{}", self.generation);
                let lost = !current || self.chance(self.plan.lost);
                let now = self.now();
                let request = LinkRequest::decode(payload).expect("a request");
                let reply = (!lost).then(|| {
                    let reply = self.owner.handle_link_request(now, &request);
                    Bytes::from(reply.encode_to_vec())
                });
                let answer = move |core: &mut Core, now: Now, _: &mut Sockets| {
                    core.handle_link_reply(&worker, to, reply, now);
                };
                self.after(1..10, Happening::Edge(i, Box::new(answer)));
            }
            core::Command::Publish { subject, payload } => {
                let partition =
                    subject::parse_partition(&subject).expect("live goes to a partition");
                let live = Live::decode(payload).expect("a live message");
                let generation = self.generation;
                let hear = move |owner: &mut Owner, now: Now| {
                    owner.handle_live(now, partition, live);
                };
                self.after(0..5, Happening::Owner(generation, Box::new(hear)));
            }
        }
    }

    fn edge_append(&mut self, i: usize, subject: String, payload: Bytes, receipt: Receipt) {
        let answer = move |stored: Option<u64>| {
            move |core: &mut Core, now: Now, _: &mut Sockets| {
                core.handle_appended(receipt, stored, now)
            }
        };
        if self.chance(self.plan.lost) {
            // Either at once, as on a disconnect, or never.
            if self.rng.random_bool(0.5) {
                self.after(1..50, Happening::Edge(i, Box::new(answer(None))));
            }
            return;
        }
        let copies = 1 + usize::from(self.chance(self.plan.repeated));
        for _ in 0..copies {
            let (subject, payload) = (subject.clone(), payload.clone());
            let heard = !self.chance(self.plan.lost);
            let store = move |world: &mut World| {
                let seq = world.store.append(subject, payload, 1_000_000 + world.ms);
                if heard {
                    world.after(0..4, Happening::Edge(i, Box::new(answer(Some(seq)))));
                }
            };
            self.along((1 << 40, i), Happening::Store(Box::new(store)));
        }
    }

    /// The worker reads what is new in the log.
    fn feed_owner(&mut self) {
        let now = self.now();
        let places: Vec<_> = self.readers.iter().map(|(&p, &from)| (p, from)).collect();
        for (partition, from) in places {
            let entries = self.store.read(partition, from);
            let count = entries.len() as u64;
            for (i, entry) in entries.into_iter().enumerate() {
                self.readers.insert(partition, entry.seq + 1);
                self.owner
                    .handle_log(now, Partition(partition), &entry, count - 1 - i as u64);
            }
        }
    }

    fn outcome(&mut self, token: Token, outcome: Outcome) {
        let generation = self.generation;
        let tell = move |owner: &mut Owner, now: Now| owner.handle_outcome(now, token, outcome);
        self.after(0..5, Happening::Owner(generation, Box::new(tell)));
    }

    fn owner_command(&mut self, command: command::Command) {
        use command::Command as C;
        let now = self.now();
        match command {
            C::Publish { subject, payload } => {
                let edge = (0..EDGES)
                    .find(|i| subject == format!("edge.edge-{i}"))
                    .expect("an edge");
                let copies = if self.chance(self.plan.lost) {
                    0
                } else {
                    1 + usize::from(self.chance(self.plan.repeated))
                };
                for _ in 0..copies {
                    let payload = payload.clone();
                    let tell = move |core: &mut Core, now: Now, sockets: &mut Sockets| {
                        core.handle_batch(payload, now, sockets);
                    };
                    self.along(
                        (self.generation, edge),
                        Happening::Edge(edge, Box::new(tell)),
                    );
                }
            }
            C::Reply { to, payload } => {
                let parts: Vec<u64> = to
                    .split('.')
                    .map(|n| n.parse().expect("as given"))
                    .collect();
                let edge = parts[0] as usize;
                if !self.chance(self.plan.lost) {
                    let answer = Happening::Answer(edge, parts[1], Some(payload));
                    self.after(0..5, answer);
                }
            }
            C::Append {
                subject,
                payload,
                token,
            } => {
                if self.chance(self.plan.lost) {
                    return self.outcome(token, Outcome::Failed);
                }
                let heard = !self.chance(self.plan.lost);
                let store = move |world: &mut World| {
                    let seq = world.store.append(subject, payload, 1_000_000 + world.ms);
                    world.outcome(
                        token,
                        if heard {
                            Outcome::Appended(seq)
                        } else {
                            Outcome::Failed
                        },
                    );
                };
                self.after(0..5, Happening::Store(Box::new(store)));
            }
            C::PutIf {
                bucket,
                key,
                value,
                expected,
                token,
            } => {
                self.write(
                    move |store| store.put(bucket, &key, Some(value), expected),
                    token,
                );
            }
            C::DeleteIf {
                bucket,
                key,
                expected,
                token,
            } => {
                self.write(move |store| store.put(bucket, &key, None, expected), token);
            }
            C::Get { bucket, key, token } => {
                let found = self.store.get(bucket, &key);
                self.outcome(token, Outcome::Value(found));
            }
            C::LogState { token, .. } => {
                let last = self.store.log.len() as u64;
                self.outcome(
                    token,
                    Outcome::Log(LogState {
                        first: 1,
                        last,
                        created_ms: 1,
                    }),
                );
            }
            C::OpenLog { partition, from } => {
                self.readers.insert(partition.0, from);
                let entries = self.store.read(partition.0, from);
                if entries.is_empty() {
                    self.owner.handle_log_idle(now, partition);
                }
            }
            C::CloseLog { partition } => {
                self.readers.remove(&partition.0);
            }
            C::OpenKv { partition, source } => {
                let prefix = subject::partition_prefix(partition);
                let entries = self.store.list(source.bucket(partition), &prefix);
                let count = entries.len() as u64;
                for (i, entry) in entries.into_iter().enumerate() {
                    self.owner
                        .handle_kv(now, (partition, source), entry, count - 1 - i as u64);
                }
                self.owner.handle_kv_idle(now, (partition, source));
            }
            C::CloseKv {
                source: KvSource::Rooms | KvSource::Quarantine,
                ..
            } => {}
            C::Ready { partition, epoch } => {
                assert_eq!(epoch, Epoch(self.epoch));
                self.tell_lease(partition.0, true);
            }
            C::Released { .. } => {}
            C::Lost { partition, .. } => panic!("{partition} is nobody else's"),
        }
    }

    /// A write of the worker's: it happens even if the worker is dead by then, and its answer may be lost.
    fn write(&mut self, put: impl FnOnce(&mut Store) -> Option<u64> + 'static, token: Token) {
        if self.chance(self.plan.lost) {
            return self.outcome(token, Outcome::Failed);
        }
        let heard = !self.chance(self.plan.lost);
        let generation = self.generation;
        let store = move |world: &mut World| {
            let outcome = match put(&mut world.store) {
                _ if !heard => Outcome::Failed,
                Some(revision) => Outcome::Stored(revision),
                None => Outcome::Conflict,
            };
            if generation == world.generation {
                world.outcome(token, outcome);
            }
        };
        let late = if self.chance(self.plan.reordered) {
            1..1500
        } else {
            0..5
        };
        self.after(late, Happening::Store(Box::new(store)));
    }

    /// A client does its next thing.
    fn turn(&mut self, i: usize) {
        let calm = self.calm();
        let at = self.clients[i].at;
        match at {
            None => self.connect(i),
            Some((edge, index)) if self.chance(self.plan.connection_drops) => {
                self.hang_up(edge, index)
            }
            Some(at) => {
                let client = &mut self.clients[i];
                if client.player && client.joined && !calm {
                    let input = client.input();
                    self.say(at, &input);
                }
            }
        }
        if !calm || self.clients[i].at.is_none() {
            self.after(20..600, Happening::Turn(i));
        }
    }

    fn connect(&mut self, i: usize) {
        let e = self.rng.random_range(0..EDGES);
        let now = self.now();
        let edge = &mut self.edges[e];
        let index = edge.next;
        edge.next += 1;
        edge.sessions.insert(index, Session::new(1 << 16));
        edge.clients.insert(index, i);
        let grants = Grants::trusted(self.clients[i].name.parse().expect("a name"));
        edge.core
            .handle_open(conn(index), Encoding::Json, grants, now, &mut edge.sockets);
        self.clients[i].at = Some((e, index));
        let resume = self.rng.random_bool(0.8);
        let join = self.clients[i].join(resume);
        self.say((e, index), &join);
    }

    fn hang_up(&mut self, e: usize, index: u32) {
        let now = self.now();
        let edge = &mut self.edges[e];
        edge.sockets.gone.insert(index);
        edge.sessions.remove(&index);
        edge.core.handle_closed(conn(index), now);
        if let Some(i) = edge.clients.remove(&index)
            && self.clients[i].at == Some((e, index))
        {
            self.clients[i].at = None;
            self.clients[i].joined = false;
            if self.calm() {
                self.after(20..600, Happening::Turn(i));
            }
        }
    }

    /// A client's message, masked and framed, in pieces.
    fn say(&mut self, (edge, index): (usize, u32), message: &Value) {
        if let Some(i) = self.edges[edge].clients.get(&index)
            && std::env::var("TRACE").is_ok_and(|name| name == self.clients[*i].name)
        {
            eprintln!("{} {i} -> {edge}/{index}: {message}", self.ms);
        }
        let payload = message.to_string().into_bytes();
        let mask: [u8; 4] = self.rng.random();
        let mut frame = vec![0x81, 0x80 | 126];
        frame.extend_from_slice(&(payload.len() as u16).to_be_bytes());
        if payload.len() < 126 {
            frame = vec![0x81, 0x80 | payload.len() as u8];
        }
        frame.extend_from_slice(&mask);
        frame.extend(payload.iter().enumerate().map(|(i, b)| b ^ mask[i % 4]));
        while !frame.is_empty() {
            let cut = self.rng.random_range(1..=frame.len());
            let piece: Vec<u8> = frame.drain(..cut).collect();
            self.in_order(
                (u64::from(index) << 8 | 2, edge),
                Happening::Bytes(edge, index, piece),
            );
        }
    }

    fn bytes(&mut self, e: usize, index: u32, mut bytes: Vec<u8>) {
        let now = self.now();
        let edge = &mut self.edges[e];
        let Some(session) = edge.sessions.get_mut(&index) else {
            return;
        };
        let mut input = &mut bytes[..];
        while let Some(event) = session
            .handle_bytes(&mut input)
            .expect("clients keep to the protocol")
        {
            match event {
                Frame::Text(text) => {
                    edge.core
                        .handle_message(conn(index), false, text, now, &mut edge.sockets)
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn shown(&mut self, e: usize, index: u32, messages: &[Value]) {
        let Some(&i) = self.edges[e].clients.get(&index) else {
            return;
        };
        for message in messages {
            if std::env::var("TRACE").is_ok_and(|name| name == self.clients[i].name) {
                eprintln!("{} {e}/{index} -> {i}: {message}", self.ms);
            }
            for answer in self.clients[i].take(message) {
                self.say((e, index), &answer);
            }
        }
    }

    /// Everybody is well.
    fn check(&self) -> u64 {
        let mut applied = 0;
        for room in 0..ROOMS {
            let room = format!("ledger-{room}");
            let clients: Vec<_> = self.clients.iter().filter(|c| c.room == room).collect();
            let view = clients[0].view.as_ref().expect("it has a view");
            for client in &clients {
                assert!(client.joined, "{} is in", client.name);
                assert_eq!(client.errors, Vec::<String>::new());
                assert_eq!(
                    client.view.as_ref(),
                    Some(view),
                    "{} sees what all see",
                    client.name
                );
                let lines: Vec<u64> = view
                    .as_array()
                    .expect("a list")
                    .iter()
                    .filter(|line| line[0] == client.name.as_str())
                    .map(|line| line[1].as_u64().expect("a number"))
                    .collect();
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

fn messages(mut frames: &[u8]) -> Vec<Value> {
    let mut all = Vec::new();
    while let Some(len) = frame_len(frames) {
        let header = (2..=10)
            .find(|h| header_len(len - h) == *h)
            .expect("a header");
        let payload = &frames[header..len];
        decode_server(Encoding::Json, payload).expect("a message of version 1");
        all.push(serde_json::from_slice(payload).expect("JSON"));
        frames = &frames[len..];
    }
    all
}
