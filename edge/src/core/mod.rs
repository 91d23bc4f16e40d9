//! An edge shard without its sockets and its bus: messages, batches and `now` in, frames and bus commands out.
//!
//! The parts, in the order in which data flows: [`ingress`](crate::core::ingress) takes clients' messages to the log,
//! [`interest`](crate::core::owners) tells owners what is watched here, [`egress`](crate::core::egress) takes owners' batches
//! in, and [`hub`](crate::core::rooms) shows them to the members of rooms.

pub mod counts;

mod command;

mod effects;

pub(crate) mod clients;

mod health;

pub mod ingress;

pub mod egress;

mod delivery;

mod join;

mod serve;

mod flush;

pub mod rooms;

pub mod owners;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use grandstand_common::auth::{Grants, GrantsCache, Verifier};
use grandstand_common::clock::Now;
use grandstand_common::envelope::{Limits, ServerMessage};
use grandstand_common::error::ErrorKind;
use grandstand_common::id::{EdgeId, Lane as LaneId, Partition, RoomId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use slab::Slab;
use smallvec::SmallVec;

use crate::codec::{self, WireFormat};
use crate::conn::map::ConnMap;
use crate::conn::transport::{ConnKey, Transport};
use crate::core::counts::Counts;
use crate::core::owners::Watch;
use crate::core::owners::links::Links;
use crate::core::rooms::chain::ChainConfig;
use crate::core::rooms::delay::Service;
use crate::core::rooms::room::{Room, RoomKey, Seat};
use crate::time::coarse::CoarseInstant;
use crate::websocket::deflate::{DeflateOptions, Deflater};

pub use command::{Command, Receipt};

pub(crate) use clients::{Client, Membership};
pub(crate) use effects::Timer;
use effects::{Effects, Notice};
use health::BusHealth;

#[cfg(test)]
mod tests;

/// What a core is made with.
#[derive(Debug, Clone)]
pub struct CoreConfig {
    /// How many partitions the cluster has.
    pub partitions: u16,
    /// Told to clients in `welcome`, and held.
    pub limits: Limits,
    /// Told to clients in `welcome`.
    pub heartbeat: Duration,
    /// Bytes of updates kept per lane for clients that resume. The same as the workers'.
    pub ring_bytes: usize,
    /// How spectators are served at least: rooms may be slower and later.
    pub spectators: Service,
    /// Bytes that are held per room whose spectators are not shown everything at once.
    pub hold_bytes: usize,
    /// Bytes of a lane that may wait for one member, whether its socket takes no more or this shard does not get round to
    /// it; beyond that it is served anew.
    pub outbox_bytes: usize,
    /// How long a room is still watched when nobody is here any more.
    pub linger: Duration,
    /// Messages that a client may send per second, on average; 0 for any number.
    pub messages_per_s: u32,
    /// Messages that a client may send at once.
    pub message_burst: u32,
    /// Close players that cannot keep up (4008) instead of serving them anew when they can.
    pub close_slow_players: bool,
    /// How messages are compressed for those who asked for it.
    pub deflate: DeflateOptions,
    /// How chains repeat what gets lost.
    pub chain: ChainConfig,
}

impl Default for CoreConfig {
    fn default() -> Self {
        Self {
            partitions: 64,
            limits: Limits {
                message_bytes: 64 * 1024,
                rooms: 64,
                window: 64,
                json_depth: 64,
            },
            heartbeat: Duration::from_secs(25),
            ring_bytes: 64 * 1024,
            spectators: Service::default(),
            hold_bytes: 4 * 1024 * 1024,
            outbox_bytes: 256 * 1024,
            linger: Duration::from_secs(30),
            messages_per_s: 500,
            message_burst: 2000,
            close_slow_players: false,
            deflate: DeflateOptions::default(),
            chain: ChainConfig::default(),
        }
    }
}

/// An edge shard's core. See the [module](self).
#[derive(Debug)]
pub struct Core {
    pub(crate) config: CoreConfig,
    pub(crate) edge: EdgeId,
    pub(crate) verifier: Option<Arc<Verifier>>,
    pub(crate) rng: StdRng,
    /// For what all of a lane are sent.
    pub(crate) deflater: Deflater,
    pub(crate) start: Instant,
    pub(crate) clients: ConnMap<Client>,
    /// Most clients have the same rights.
    pub(crate) kept: GrantsCache,
    pub(crate) rooms: Slab<Room>,
    pub(crate) names: HashMap<RoomId, RoomKey>,
    pub(crate) watches: Vec<Watch>,
    pub(crate) links: Links,
    pub(crate) effects: Effects,
    /// Rooms whose acks wait until it is known whether a hole was about them, and in which worker's numbers that is: another
    /// worker's answers say nothing about it.
    pub(crate) held: BTreeMap<RoomKey, Box<str>>,
    pub(crate) viewers_due: BTreeSet<RoomKey>,
    /// When rooms whose spectators are not shown everything at once have something to show.
    pub(crate) releases: BTreeSet<(Instant, RoomKey)>,
    pub(crate) health: BusHealth,
}

impl Core {
    /// A core with nobody connected. `seed` makes its random ids.
    pub fn new(
        config: CoreConfig,
        edge: EdgeId,
        verifier: Option<Arc<Verifier>>,
        seed: u64,
        now: Now,
    ) -> Self {
        let watches = (0..config.partitions)
            .map(|p| Watch::new(Partition(p)))
            .collect();
        Self {
            deflater: Deflater::new(config.deflate),
            config,
            edge,
            verifier,
            rng: StdRng::seed_from_u64(seed),
            start: now.at,
            clients: ConnMap::default(),
            kept: GrantsCache::default(),
            rooms: Slab::new(),
            names: HashMap::new(),
            watches,
            links: Links::default(),
            effects: Effects::new(now.at),
            held: BTreeMap::new(),
            viewers_due: BTreeSet::new(),
            releases: BTreeSet::new(),
            health: BusHealth::default(),
        }
    }

    /// A connection was upgraded and may do what `grants` says: it is welcomed.
    pub fn handle_open(
        &mut self,
        conn: ConnKey,
        form: WireFormat,
        grants: Grants,
        now: Now,
        sink: &mut impl Transport,
    ) {
        let name = format!(
            "{}-{:012x}",
            self.edge,
            self.rng.random::<u64>() & 0xffff_ffff_ffff
        );
        let client = Client {
            form,
            grants: self.kept.share(grants),
            memberships: SmallVec::new(),
            budget: self.config.message_burst as f32,
            budget_at: self.coarse(now.at),
            warned: false,
            token_due: None,
        };
        self.clients.insert(conn, client);
        self.arm_token(conn, now);
        let welcome = ServerMessage::Welcome {
            connection: &name,
            edge: self.edge.as_str(),
            heartbeat_ms: self.config.heartbeat.as_millis() as u64,
            limits: self.config.limits,
            features: &[],
        };
        sink.send_control(conn, &codec::message(form.encoding, &welcome));
        if self.health.is_degraded() {
            self.notice(conn, "degraded", None, sink);
        }
    }

    /// A connection is gone: its players are `Lost`, its places free.
    pub fn handle_closed(&mut self, conn: ConnKey, now: Now) {
        let Some(client) = self.clients.remove(conn) else {
            return;
        };
        for membership in client.memberships {
            self.depart(conn, &membership, now);
            if membership.lane == LaneId::Players {
                self.lose_seat(membership.room, membership.session, now);
            }
        }
    }

    /// The bus went away, or is back.
    pub fn handle_bus(&mut self, up: bool, now: Now) {
        if !self.health.set_up(up) {
            return;
        }
        if up {
            self.watch_everything(now);
            self.restart_chains(now);
        }
        self.notify_health(now.at);
    }

    /// What became of an append says whether the bus does its work.
    pub(crate) fn note_append(&mut self, room: RoomKey, stored: bool, now: Now) {
        let Some(partition) = self.rooms.get(room).map(|room| room.partition) else {
            return;
        };
        self.health.on_append(partition, stored, now.at);
        self.notify_health(now.at);
    }

    /// Notifies all clients when the bus gets into trouble, and when it has recovered.
    fn notify_health(&mut self, now: Instant) {
        if let Some(code) = self.health.poll_notice(now) {
            for conn in self.clients.keys() {
                let notice = Notice {
                    code,
                    reconnect_in_ms: None,
                };
                self.effects.notify(conn, notice);
            }
        }
        self.health.arm(&mut self.effects);
    }

    /// Whether [`poll_command`](Self::poll_command) has something.
    pub fn has_commands(&self) -> bool {
        self.effects.waiting_commands() > 0
    }

    /// Counts a connection that was refused before it became a client.
    pub fn count_refused(&mut self, why: ErrorKind) {
        self.effects.counts().error(why);
    }

    /// What the bus is to do. Call until `None`, after every call of a `handle_*` method.
    pub fn poll_command(&mut self) -> Option<Command> {
        self.effects.poll_command()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), if nothing else happens.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let timers = self.effects.next_timer();
        timers.into_iter().chain(self.next_release()).min()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now, sink: &mut impl Transport) {
        while let Some(timer) = self.effects.poll_expired(now.at) {
            match timer {
                Timer::Chain(room, session) => self.on_chain_timer(room, session, now),
                Timer::Watch(partition) => self.on_watch_timer(partition, now),
                Timer::Viewers => self.on_viewers_timer(now),
                Timer::Linger(room) => self.on_linger_timer(room, now),
                Timer::Links => self.on_links_timer(),
                Timer::Token(conn) => self.on_token_timer(conn, now, sink),
                Timer::Health => {
                    self.health.on_timer();
                    self.notify_health(now.at);
                }
            }
        }
        self.handle_releases(now, sink);
    }

    /// What has been counted so far.
    pub fn counts(&self) -> &Counts {
        self.effects.counted()
    }

    /// How many rooms are known, and how many connections are open.
    pub fn sizes(&self) -> (usize, usize) {
        (self.rooms.len(), self.clients.len())
    }

    /// Tells every client to connect anew, at times spread over `within`.
    pub fn drain(&mut self, within: Duration) {
        for conn in self.clients.keys() {
            let at = self.rng.random_range(0..=within.as_millis() as u64);
            let notice = Notice {
                code: "draining",
                reconnect_in_ms: Some(at),
            };
            self.effects.notify(conn, notice);
        }
    }

    /// The time as clients keep it.
    pub(crate) fn coarse(&self, at: Instant) -> CoarseInstant {
        CoarseInstant::new(at.saturating_duration_since(self.start))
    }

    /// A session's seat.
    pub(crate) fn seat(&mut self, key: RoomKey, session: u64) -> Option<&mut Seat> {
        self.rooms.get_mut(key)?.seats.get_mut(&session)
    }
}
