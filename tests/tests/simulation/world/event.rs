//! Events of the simulation.

use super::*;

type ToEdge = Box<dyn FnOnce(&mut Core, Now, &mut Sockets)>;
type ToOwner = Box<dyn FnOnce(&mut Engine, command::Now)>;

/// An event at a time.
pub(super) enum SimEvent {
    /// A client takes its next action.
    Turn(usize),
    /// The core of an edge's generation receives an event.
    Edge(usize, u64, ToEdge),
    /// An edge's request to a partition's owner is answered or times out.
    Answer(usize, u64, Option<Bytes>),
    /// The worker of this generation receives an event.
    Engine(u64, ToOwner),
    /// The store is written, and its watchers are notified.
    Store(Box<dyn FnOnce(&mut World)>),
    /// Bytes of a client reach its edge.
    Bytes(usize, u32, Vec<u8>),
    /// Messages reach a client.
    Shown(usize, u32, Vec<Value>),
    /// A full socket has drained.
    Drained(usize, u32),
    /// An edge flushes more of its clients.
    Flush(usize),
    Tick,
    Die,
    EdgeDies(usize),
    /// The worker probes the edges.
    Probe,
    /// A client joins and soon leaves for good.
    Quit(usize),
    /// An edge loses the bus or has it back.
    Bus(usize, bool),
}

impl World {
    pub(super) fn at(&mut self, ms: u64, what: SimEvent) {
        self.order += 1;
        self.queue
            .push(Reverse((ms, self.order, self.order as usize)));
        self.events.insert(self.order as usize, what);
    }

    pub(super) fn after(&mut self, ms: std::ops::Range<u64>, what: SimEvent) {
        let ms = self.ms + self.rng.random_range(ms);
        self.at(ms, what);
    }

    /// Sends along a path: in order unless this one is reordered.
    pub(super) fn along(&mut self, path: (u64, usize), what: SimEvent) {
        if self.chance(self.plan.reordered) {
            self.after(0..300, what);
        } else {
            self.in_order(path, what);
        }
    }

    pub(super) fn in_order(&mut self, path: (u64, usize), what: SimEvent) {
        let at = self.ms + self.rng.random_range(0..5);
        let last = self.paths.entry(path).or_default();
        *last = at.max(*last);
        let at = *last;
        self.at(at, what);
    }

    pub(super) fn happen(&mut self, what: SimEvent) {
        let now = self.now();
        match what {
            SimEvent::Turn(client) => self.turn(client),
            SimEvent::Edge(i, generation, does) => {
                let edge = &mut self.edges[i];
                if edge.generation == generation {
                    does(&mut edge.core, now, &mut edge.sockets);
                }
            }
            SimEvent::Engine(generation, does) => {
                if generation == self.generation {
                    let now = self.owner_now();
                    does(&mut self.owner, now);
                }
            }
            SimEvent::Answer(i, id, reply) => {
                if let Some((_, tag)) = self.asked.remove(&id) {
                    let core = &mut self.edges[i].core;
                    core.handle_interest_reply(tag, reply, now);
                }
            }
            SimEvent::Store(does) => does(self),
            SimEvent::Bytes(edge, index, bytes) => self.bytes(edge, index, bytes),
            SimEvent::Shown(edge, index, messages) => self.shown(edge, index, &messages),
            SimEvent::Flush(edge) => self.edges[edge].flushes = false,
            SimEvent::Drained(edge, index) => {
                let edge = &mut self.edges[edge];
                edge.sockets.full.remove(&index);
                edge.core
                    .handle_drained(conn(index), now, &mut edge.sockets);
            }
            SimEvent::Tick => {
                for edge in &mut self.edges {
                    while edge.core.poll_timeout().is_some_and(|at| at <= now.at) {
                        edge.core.handle_timeout(now, &mut edge.sockets);
                    }
                }
                self.at(self.ms + 50, SimEvent::Tick);
            }
            SimEvent::Bus(edge, up) => {
                self.away[edge] = !up;
                self.edges[edge].core.handle_bus(up, now);
                if !up {
                    self.after(1..1_000, SimEvent::Bus(edge, true));
                }
            }
            SimEvent::Die => {
                self.generation += 1;
                self.heated += self.owner.counts().rooms_heated;
                self.owner = owner_of(self.generation, self.owner_now(), self.plan.hot);
                self.readers.clear();
                self.watched.clear();
                self.misses.clear();
                self.take_all();
            }
            SimEvent::EdgeDies(i) => self.edge_dies(i),
            SimEvent::Probe => self.probe(),
            SimEvent::Quit(i) => self.quit(i),
        }
    }

    /// Stores an entry of the worker, unless it or its receipt is lost. An entry may come long after its append has failed,
    /// when the worker or its successor has appended it again.
    pub(super) fn append(&mut self, subject: String, payload: Bytes, token: Token) {
        if self.chance(self.plan.lost) {
            return self.outcome(token, Outcome::Failed);
        }
        let is_late = self.chance(self.plan.reordered);
        let heard = !is_late && !self.chance(self.plan.lost);
        if is_late {
            self.outcome(token, Outcome::Failed);
        }
        let generation = self.generation;
        let store = move |world: &mut World| {
            let seq = world.store.append(subject, payload, 1_000_000 + world.ms);
            let outcome = if heard {
                Outcome::Appended(seq)
            } else {
                Outcome::Failed
            };
            if generation == world.generation && !is_late {
                world.outcome(token, outcome);
            }
        };
        let delay = if is_late { 500..3_000 } else { 0..5 };
        self.after(delay, SimEvent::Store(Box::new(store)));
    }
}
