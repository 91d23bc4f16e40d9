//! An edge shard without its sockets and its bus. Inputs are messages, batches and `now`; outputs are frames and bus
//! commands.
//!
//! [`Core`] calls a handler for each event. Handlers are functions over `state` and `effects`. The machines of `state`
//! own the core's data; `effects` collects the outputs of an event. Only `flush` writes to clients.

mod timers;

mod ingress;

mod egress;

mod delivery;

mod revoked;

mod crowd;

mod leave;

mod watch;

mod join;

mod answer;

mod linger;

mod roomless;

mod shed;

mod unanswered;

mod reply;

mod flush;

mod interest;

mod listing;

mod state;

pub(crate) mod clients;

pub(crate) mod rooms;

mod owners;

mod health;

mod announcements;

pub(crate) mod effects;

mod command;

mod config;

mod limits;

mod ids;

mod counts;

mod tallies;

use std::time::{Duration, Instant};

use bytes::Bytes;
use grandstand_common::auth::{Grants, Verifier};
use grandstand_common::bus::AppendFailure;
use grandstand_common::clock::Now;
use grandstand_common::envelope::Payload;
use grandstand_common::error::ErrorKind;
use grandstand_common::id::{EdgeId, Lane as LaneId, Partition};
use grandstand_common::layout::Layout;
use grandstand_common::record::Lease;
use rand::RngExt;

use crate::codec::WireFormat;
use crate::conn::key::ConnKey;
use crate::conn::name::ConnName;
use crate::conn::transport::Transport;
use effects::Effects;
use state::State;

/// The most bytes of an entry of the log besides the data of a client's message.
const ENTRY_OVERHEAD: usize = 2 * 1024;

/// The most timers, and the most delayed lanes, that are handled before other tasks run.
const TIMERS: usize = 16;

pub use clients::ClientConfig;
pub use command::{AppendTag, Command, InterestTag};
pub use config::CoreConfig;
pub use counts::Counts;
pub use ids::RoomKey;
pub use limits::CoreLimits;
pub use listing::{Bounds, ListedClient, ListedRoom, Lists, Part};
pub use rooms::RoomConfig;
pub use rooms::chain::ChainConfig;
pub use rooms::delay::DeliveryPolicy;
pub use tallies::Tallies;
pub use watch::WatchRequest;

#[cfg(test)]
pub(crate) mod tests;

/// An edge shard's core. See the [module](self).
#[derive(Debug)]
pub struct Core {
    state: State,
    effects: Effects,
}

impl Core {
    /// Creates a core without clients. `seed` makes its random ids. Without a verifier, the core rejects all tokens.
    pub fn new(
        config: CoreConfig,
        edge: EdgeId,
        verifier: Option<Verifier>,
        seed: u64,
        now: Now,
    ) -> Self {
        Self {
            state: State::new(config, edge, verifier, seed, now),
            effects: Effects::new(now.at),
        }
    }

    /// Adds a client with the rights in `grants`, and sends it `welcome`.
    pub fn handle_open(
        &mut self,
        conn: ConnKey,
        format: WireFormat,
        grants: Grants,
        now: Now,
        transport: &mut impl Transport,
    ) {
        let state = &mut self.state;
        ingress::on_open(state, &mut self.effects, conn, format, grants, now);
        self.finish(now, transport);
    }

    /// Removes the client of a closed connection. Its players become `Lost`.
    pub fn handle_closed(&mut self, conn: ConnKey, now: Now) {
        ingress::on_closed(&mut self.state.hub, &mut self.effects, conn, now);
        self.tell_owners(now);
    }

    /// Handles a client's complete message.
    pub fn handle_message(
        &mut self,
        conn: ConnKey,
        payload: Payload<'_>,
        now: Now,
        transport: &mut impl Transport,
    ) {
        ingress::on_message(&mut self.state, &mut self.effects, conn, payload, now);
        self.finish(now, transport);
    }

    /// Shows a client the view of a lane, without making it a player: answers as a join with this id is answered.
    pub fn handle_watch(
        &mut self,
        conn: ConnKey,
        request: WatchRequest<'_>,
        now: Now,
        transport: &mut impl Transport,
    ) {
        watch::on_watch(&mut self.state, &mut self.effects, conn, request, now);
        self.finish(now, transport);
    }

    /// Answers a client's message that is too big. `start` holds its first bytes.
    pub fn handle_too_big(
        &mut self,
        conn: ConnKey,
        start: &[u8],
        now: Now,
        transport: &mut impl Transport,
    ) {
        ingress::on_too_big(&mut self.state, &mut self.effects, conn, start);
        self.finish(now, transport);
    }

    /// Charges a client for `count` frames that are not messages: pings, pongs and fragments.
    pub fn handle_frames(
        &mut self,
        conn: ConnKey,
        count: u32,
        now: Now,
        transport: &mut impl Transport,
    ) {
        let Self { state, effects } = self;
        ingress::on_frames(state, effects, conn, count, now);
        flush::act(&mut state.hub, effects, transport);
    }

    /// Sends a client whose outbox is empty the frames that it missed.
    pub fn handle_drained(&mut self, conn: ConnKey, now: Now, transport: &mut impl Transport) {
        flush::on_drained(&mut self.state.hub, &mut self.effects, conn, transport);
        self.tell_owners(now);
    }

    /// Handles a worker's message on `edge.{edge}`.
    pub fn handle_batch(&mut self, payload: Bytes, now: Now, transport: &mut impl Transport) {
        egress::on_batch(&mut self.state, &mut self.effects, payload, now);
        self.finish(now, transport);
    }

    /// Handles a message on `hot.{room}`.
    pub fn handle_hot(&mut self, payload: Bytes, now: Now, transport: &mut impl Transport) {
        egress::on_hot(&mut self.state.hub, &mut self.effects, payload, now);
        self.finish(now, transport);
    }

    /// Handles the reply to [`Command::Link`]; `None` if the worker did not reply.
    pub fn handle_link_reply(&mut self, worker: &str, to: u64, reply: Option<Bytes>, now: Now) {
        egress::on_link_reply(&mut self.state, &mut self.effects, worker, to, reply, now);
        self.tell_owners(now);
    }

    /// Handles the reply to [`Command::Interest`]; `None` if the owner did not reply.
    pub fn handle_interest_reply(&mut self, tag: InterestTag, reply: Option<Bytes>, now: Now) {
        egress::on_interest_reply(&mut self.state, &mut self.effects, tag, reply, now);
        self.tell_owners(now);
    }

    /// Handles a partition's record in KV `leases`.
    pub fn handle_lease(&mut self, partition: Partition, lease: &Lease, now: Now) {
        egress::on_lease(&mut self.state, &mut self.effects, partition, lease, now);
        self.tell_owners(now);
    }

    /// Handles the layout of the cluster, and whether rooms are being moved to another one. Returns whether the layout is
    /// another one than before; then all leases must be handled again.
    pub fn handle_layout(&mut self, layout: Layout, moving: bool, now: Now) -> bool {
        let is_other = egress::on_layout(&mut self.state, &mut self.effects, layout, moving, now);
        self.tell_owners(now);
        is_other
    }

    /// Handles the loss (`false`) or the return of the connection to the bus.
    pub fn handle_bus(&mut self, up: bool, now: Now) {
        egress::on_bus(&mut self.state, &mut self.effects, up, now);
        self.tell_owners(now);
    }

    /// Handles the most bytes that an entry of the log may have, which a reconnect can change. Returns the limit of a
    /// client's message if it is now another one.
    pub fn handle_max_entry(&mut self, bytes: usize) -> Option<u64> {
        self.state.fitting_bytes = bytes.saturating_sub(ENTRY_OVERHEAD) as u64;
        self.state.update_message_bytes()
    }

    /// Handles the result of an append: the entry's sequence in the log, or why the entry may not be stored.
    pub fn handle_appended(
        &mut self,
        tag: AppendTag,
        stored: Result<u64, AppendFailure>,
        now: Now,
    ) {
        egress::on_appended(&mut self.state, &mut self.effects, tag, stored, now);
        self.tell_owners(now);
    }

    /// Ends what clients have by revoked tokens. Looks at `limit` slots from `slot` on, and returns the next one; call
    /// it again until `None`, and let other tasks run before.
    pub fn handle_revocations(
        &mut self,
        slot: usize,
        limit: usize,
        now: Now,
        transport: &mut impl Transport,
    ) -> Option<usize> {
        let next = revoked::end(&mut self.state.hub, &mut self.effects, slot, limit, now);
        self.finish(now, transport);
        next
    }

    /// Handles up to 16 timers that have expired, and calls [`handle_releases`](Self::handle_releases). Call it again while
    /// [`poll_timeout`](Self::poll_timeout) has passed, and let other tasks run before.
    pub fn handle_timeout(&mut self, now: Now, transport: &mut impl Transport) {
        timers::handle_expired(&mut self.state, &mut self.effects, TIMERS, now);
        self.handle_releases(now, transport);
    }

    /// Sends the members of up to 16 delayed lanes what is due. Call it again while
    /// [`next_release`](Self::next_release) has passed.
    pub fn handle_releases(&mut self, now: Now, transport: &mut impl Transport) {
        delivery::release_due(&mut self.state.hub, &mut self.effects, TIMERS, now);
        self.finish(now, transport);
    }

    /// The time of the next call of [`handle_releases`](Self::handle_releases).
    pub fn next_release(&self) -> Option<Instant> {
        self.state.hub.rooms.next_release()
    }

    /// The time of the next call of [`handle_timeout`](Self::handle_timeout), if nothing else happens.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let timers = self.effects.next_timer();
        timers.into_iter().chain(self.next_release()).min()
    }

    /// The next command for the bus. Call until `None` after every `handle_*` method.
    pub fn poll_command(&mut self) -> Option<Command> {
        egress::poll_command(&mut self.state, &mut self.effects)
    }

    /// Whether [`poll_command`](Self::poll_command) returns a command.
    pub fn has_commands(&self) -> bool {
        self.effects.waiting_commands() > 0 || self.effects.has_repeats()
    }

    /// Performs the actions for single clients, and writes to up to `budget` members of lanes. Returns whether frames are
    /// left. The caller lets other tasks run, and reads the clock, before it calls again.
    pub fn flush(&mut self, budget: usize, transport: &mut impl Transport) -> bool {
        flush::flush(&mut self.state.hub, &mut self.effects, budget, transport)
    }

    /// Whether [`flush`](Self::flush) has actions or frames to send.
    pub fn needs_flush(&self) -> bool {
        self.effects.needs_flush() || self.state.hub.announcements.is_active()
    }

    /// Whether a players' lane waits for the flush.
    pub fn has_players_to_flush(&self) -> bool {
        self.effects.dirty_lanes(LaneId::Players) > 0
    }

    /// Closes one in fifty clients because the edge is short of memory: spectators and clients without a room, and players
    /// after them only if `with_players`. Takes time in proportion to the number of clients.
    pub fn shed(&mut self, with_players: bool, transport: &mut impl Transport) {
        shed::shed(&mut self.state, &mut self.effects, with_players);
        flush::act(&mut self.state.hub, &mut self.effects, transport);
    }

    /// Replaces the limits. Clients above a lower limit keep what they have; clients that connect are told the new limits.
    pub fn set_limits(&mut self, limits: CoreLimits) {
        self.state.set_limits(limits);
    }

    /// Tells every client to reconnect, at random times within `within`. Clients that connect later are told as well.
    pub fn drain(&mut self, within: Duration, now: Now) {
        let State { hub, rng, .. } = &mut self.state;
        hub.announcements.drain(within, now.at, rng.random());
    }

    /// Withdraws from rooms without clients. Returns whether none is left: owners have answered, and processed all entries.
    pub fn withdraw(&mut self, now: Now) -> bool {
        linger::end(&mut self.state.hub, &mut self.effects);
        self.tell_owners(now);
        self.state.hub.rooms.len() == 0
    }

    /// The name of a connection, as in its `welcome`.
    pub fn name(&self, conn: ConnKey) -> ConnName<'_> {
        ConnName {
            edge: &self.state.edge,
            key: conn,
        }
    }

    /// Counts a connection that was rejected, with an error, before it became a client.
    pub fn count_refused(&mut self, why: ErrorKind) {
        self.effects.counts().error(why);
    }

    /// The counters.
    pub fn counts(&self) -> &Counts {
        self.effects.counted()
    }

    /// The durations that it measures.
    pub fn tallies(&mut self) -> &mut Tallies {
        self.effects.tallies()
    }

    /// The lists of clients and rooms, for operators.
    pub fn lists(&self) -> Lists<'_> {
        Lists::new(&self.state.hub, &self.state.edge)
    }

    /// Ends an event: tells owners about its changes, then performs its actions.
    fn finish(&mut self, now: Now, transport: &mut impl Transport) {
        self.tell_owners(now);
        flush::act(&mut self.state.hub, &mut self.effects, transport);
    }

    /// Ends an event whose handler has no transport. Its actions wait for the next flush.
    fn tell_owners(&mut self, now: Now) {
        interest::tell_owners(&mut self.state, &mut self.effects, now);
    }
}
