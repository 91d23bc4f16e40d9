//! An edge shard without its sockets and its bus: messages, batches and `now` in, frames and bus commands out.
//!
//! [`Core`] calls a handler for each event. Handlers are functions over the machines of `state`, which own what the core
//! knows, and over `effects`, which collects what an event leads to. Of all files only `flush` writes to clients.

mod ingress;

mod egress;

mod delivery;

mod join;

mod reply;

mod flush;

mod interest;

mod state;

pub(crate) mod clients;

pub(crate) mod rooms;

mod owners;

mod health;

pub(crate) mod effects;

mod command;

mod config;

mod ids;

mod counts;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use grandstand_common::auth::{Grants, Verifier};
use grandstand_common::clock::Now;
use grandstand_common::error::ErrorKind;
use grandstand_common::id::{EdgeId, Lane as LaneId, Partition};
use grandstand_common::record::Lease;
use rand::RngExt;

use crate::codec::WireFormat;
use crate::conn::key::ConnKey;
use crate::conn::transport::Transport;
use effects::{Effects, Notice, Timer};
use state::State;

pub use clients::ClientConfig;
pub use command::{AppendTag, Command, InterestTag};
pub use config::CoreConfig;
pub use counts::Counts;
pub use ids::RoomKey;
pub use rooms::RoomConfig;
pub use rooms::chain::ChainConfig;
pub use rooms::delay::DeliveryPolicy;

#[cfg(test)]
mod tests;

/// An edge shard's core. See the [module](self).
#[derive(Debug)]
pub struct Core {
    state: State,
    effects: Effects,
}

impl Core {
    /// A core with nobody connected. `seed` makes its random ids. Without a verifier, it takes no tokens.
    pub fn new(
        config: CoreConfig,
        edge: EdgeId,
        verifier: Option<Arc<Verifier>>,
        seed: u64,
        now: Now,
    ) -> Self {
        Self {
            state: State::new(config, edge, verifier, seed, now),
            effects: Effects::new(now.at),
        }
    }

    /// A connection was upgraded and may do what `grants` says: it is welcomed.
    pub fn handle_open(
        &mut self,
        conn: ConnKey,
        form: WireFormat,
        grants: Grants,
        now: Now,
        transport: &mut impl Transport,
    ) {
        let (state, effects) = (&mut self.state, &mut self.effects);
        ingress::on_open(state, effects, (conn, form), grants, now);
        self.finish(now, transport);
    }

    /// A connection is gone: its players are `Lost`, its places free.
    pub fn handle_closed(&mut self, conn: ConnKey, now: Now) {
        ingress::on_closed(&mut self.state.hub, &mut self.effects, conn, now);
        self.tell_owners(now);
    }

    /// A whole message of a client's.
    pub fn handle_message(
        &mut self,
        conn: ConnKey,
        binary: bool,
        payload: &[u8],
        now: Now,
        transport: &mut impl Transport,
    ) {
        let (state, effects) = (&mut self.state, &mut self.effects);
        ingress::on_message(state, effects, (conn, binary), payload, now);
        self.finish(now, transport);
    }

    /// A connection's outbox has run empty: it is sent what it missed meanwhile.
    pub fn handle_drained(&mut self, conn: ConnKey, transport: &mut impl Transport) {
        let (hub, effects) = (&mut self.state.hub, &mut self.effects);
        join::on_drained(hub, effects, conn);
        flush::act(hub, effects, transport);
    }

    /// A message on `edge.{edge}`.
    pub fn handle_batch(&mut self, payload: Bytes, now: Now, transport: &mut impl Transport) {
        egress::on_batch(&mut self.state, &mut self.effects, payload, now);
        self.finish(now, transport);
    }

    /// A message on `hot.{room}`.
    pub fn handle_hot(&mut self, payload: Bytes, now: Now, transport: &mut impl Transport) {
        egress::on_hot(&mut self.state.hub, &mut self.effects, payload, now);
        self.finish(now, transport);
    }

    /// The answer to [`Command::Link`]; `None` if there was none.
    pub fn handle_link_reply(&mut self, worker: &str, to: u64, reply: Option<Bytes>, now: Now) {
        let (state, effects) = (&mut self.state, &mut self.effects);
        egress::on_link_reply(state, effects, (worker, to), reply, now);
        self.tell_owners(now);
    }

    /// The answer to [`Command::Interest`]; `None` if there was none.
    pub fn handle_interest_reply(&mut self, tag: InterestTag, reply: Option<Bytes>, now: Now) {
        let (state, effects) = (&mut self.state, &mut self.effects);
        egress::on_interest_reply(state, effects, tag, reply, now);
        self.tell_owners(now);
    }

    /// The owner of a partition, as KV `leases` says.
    pub fn handle_lease(&mut self, partition: Partition, lease: &Lease, now: Now) {
        let (state, effects) = (&mut self.state, &mut self.effects);
        egress::on_lease(state, effects, partition, lease, now);
        self.tell_owners(now);
    }

    /// The bus went away, or is back.
    pub fn handle_bus(&mut self, up: bool, now: Now) {
        egress::on_bus(&mut self.state, &mut self.effects, up, now);
        self.tell_owners(now);
    }

    /// An append was stored under a sequence, or (`None`) may not have been.
    pub fn handle_appended(&mut self, tag: AppendTag, stored: Option<u64>, now: Now) {
        let (state, effects) = (&mut self.state, &mut self.effects);
        egress::on_appended(state, effects, tag, stored, now);
        self.tell_owners(now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now, transport: &mut impl Transport) {
        let (state, effects) = (&mut self.state, &mut self.effects);
        while let Some(timer) = effects.poll_expired(now.at) {
            let hub = &mut state.hub;
            match timer {
                Timer::Chain(room, session) => {
                    egress::on_chain_timer(state, effects, (room, session), now);
                }
                Timer::Partition(partition) => state.owners.on_partition_timer(partition, now),
                Timer::Viewers => state.owners.on_viewers_timer(),
                Timer::Linger(room) => join::on_linger_timer(hub, effects, room, now),
                Timer::Links => egress::on_links_timer(state, effects),
                Timer::Token(conn) => ingress::on_token_timer(hub, effects, conn, now),
                Timer::Health => {
                    state.health.on_timer();
                    egress::notify_health(state, effects, now);
                }
            }
        }
        self.handle_releases(now, transport);
    }

    /// Shows what is due in delayed lanes.
    pub fn handle_releases(&mut self, now: Now, transport: &mut impl Transport) {
        delivery::release_due(&mut self.state.hub, &mut self.effects, now);
        self.finish(now, transport);
    }

    /// When to call [`handle_releases`](Self::handle_releases).
    pub fn next_release(&self) -> Option<Instant> {
        self.state.hub.rooms.next_release()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), if nothing else happens.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let timers = self.effects.next_timer();
        timers.into_iter().chain(self.next_release()).min()
    }

    /// What the bus is to do. Call until `None`, after every call of a `handle_*` method.
    pub fn poll_command(&mut self) -> Option<Command> {
        self.effects.poll_command()
    }

    /// Whether [`poll_command`](Self::poll_command) has something.
    pub fn has_commands(&self) -> bool {
        self.effects.waiting_commands() > 0
    }

    /// Performs what waits for single clients, and writes to up to `most` members of lanes. Returns whether something is
    /// left; the caller gives others their turn (and reads the clock) before it calls again.
    pub fn flush(&mut self, most: usize, transport: &mut impl Transport) -> bool {
        let (hub, effects) = (&mut self.state.hub, &mut self.effects);
        flush::flush(hub, effects, most, transport)
    }

    /// Whether [`flush`](Self::flush) has something to do.
    pub fn needs_flush(&self) -> bool {
        self.effects.needs_flush()
    }

    /// Whether lanes of players have something to flush.
    pub fn has_players_to_flush(&self) -> bool {
        self.effects.dirty_lanes(LaneId::Players) > 0
    }

    /// Tells every client to connect again, at times spread over `within`.
    pub fn drain(&mut self, within: Duration) {
        for conn in self.state.hub.clients.keys() {
            let at = self.state.rng.random_range(0..=within.as_millis() as u64);
            let notice = Notice {
                code: "draining",
                reconnect_in_ms: Some(at),
            };
            self.effects.notify(conn, notice);
        }
    }

    /// Whether an entry of a session is not yet reported as processed. Looks at all rooms.
    pub fn has_unprocessed(&self) -> bool {
        let mut rooms = self.state.hub.rooms.iter();
        rooms.any(|room| room.sessions().has_unprocessed())
    }

    /// Counts a connection that was refused before it became a client.
    pub fn count_refused(&mut self, why: ErrorKind) {
        self.effects.counts().error(why);
    }

    /// What has been counted so far.
    pub fn counts(&self) -> &Counts {
        self.effects.counted()
    }

    /// The numbers of known rooms and of open connections.
    pub fn sizes(&self) -> (usize, usize) {
        (self.state.hub.rooms.len(), self.state.hub.clients.len())
    }

    /// Ends an event: owners are told what it changed, then its actions are performed.
    fn finish(&mut self, now: Now, transport: &mut impl Transport) {
        self.tell_owners(now);
        flush::act(&mut self.state.hub, &mut self.effects, transport);
    }

    /// Ends an event without a transport at hand: its actions wait for the next flush.
    fn tell_owners(&mut self, now: Now) {
        interest::tell_owners(&mut self.state, &mut self.effects, now);
    }
}
