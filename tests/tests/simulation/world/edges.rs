//! Edges that die, and their detection by the worker.

use grandstand_common::layout::Layout;

use super::*;

/// Interval of the worker's probes.
const PROBE_MS: u64 = 250;
const MISSES: u32 = 4;

impl Edge {
    pub(super) fn new(i: usize, generation: u64, seed: u64, now: Now) -> Self {
        let config = CoreConfig {
            layout: Layout::new(PARTITIONS, 1),
            rooms: RoomConfig {
                linger: Duration::from_secs(3),
                // Small, so that an edge sometimes overflows a client's outbox.
                outbox_bytes: 700,
                ..RoomConfig::default()
            },
            ..CoreConfig::default()
        };
        Self {
            generation,
            core: Core::new(config, edge_id(i, generation), None, seed, now),
            sockets: Sockets::default(),
            sessions: HashMap::new(),
            clients: HashMap::new(),
            next: 0,
            flushes: false,
        }
    }
}

fn edge_id(i: usize, generation: u64) -> EdgeId {
    format!("e{i}-0-{generation}").parse().expect("a name")
}

impl World {
    /// Sends an event to the current generation of an edge.
    pub(super) fn to_edge(
        &self,
        i: usize,
        tell: impl FnOnce(&mut Core, Now, &mut Sockets) + 'static,
    ) -> SimEvent {
        SimEvent::Edge(i, self.edges[i].generation, Box::new(tell))
    }

    /// Returns the index of the edge with this subject if it is alive.
    pub(super) fn edge_of(&self, subject: &str) -> Option<usize> {
        let is = |i: &usize| subject == subject::edge(&edge_id(*i, self.edges[*i].generation));
        (0..EDGES).find(is)
    }

    /// Replaces an edge; all its connections are lost.
    pub(super) fn edge_dies(&mut self, i: usize) {
        let (now, seed) = (self.now(), self.rng.random());
        let edge = &mut self.edges[i];
        let mut new = Edge::new(i, edge.generation + 1, seed, now);
        new.next = edge.next;
        let dead = std::mem::replace(edge, new);
        for client in dead.clients.into_values() {
            let client = &mut self.clients[client];
            client.at = None;
            client.joined = false;
        }
        self.asked.retain(|_, (of, _)| *of != i);
        self.routes.retain(|(of, _)| *of != i);
        self.away[i] = false;
        let owned: Vec<_> = self.owner.partitions().iter().collect();
        for (partition, _, ready) in owned {
            self.tell_lease(partition.0, ready);
        }
    }

    pub(super) fn probe(&mut self) {
        let now = self.owner_now();
        let edges = self.edges.iter().enumerate();
        let living: Vec<_> = edges
            .map(|(i, edge)| edge_id(i, edge.generation).process())
            .collect();
        for process in self.owner.partitions().session_processes() {
            let misses = self.misses.entry(process.clone()).or_default();
            *misses = if living.contains(&process) {
                0
            } else {
                *misses + 1
            };
            if *misses >= MISSES {
                self.owner.handle_process_gone(now, &process);
            }
        }
        self.at(self.ms + PROBE_MS, SimEvent::Probe);
    }
}
