//! Clients: their grants, their message budgets, and their memberships of rooms.

mod client;

mod budget;

mod config;

mod departing;

mod expiry;

mod membership;

mod renewal;

mod roomless;

use std::time::{Duration, Instant};

use grandstand_common::auth::{Grants, GrantsCache, Revocations, Verifier};
use grandstand_common::clock::Now;
use grandstand_common::error::ErrorKind;
use grandstand_common::id::EdgeId;
use smallvec::SmallVec;

use super::effects::{Effects, Timer};
use super::ids::RoomKey;
use crate::codec::WireFormat;
use crate::conn::key::ConnKey;
use crate::conn::map::ConnMap;
use crate::conn::name::ConnName;
use crate::limits::{Limit, Refused, SharedLimits};
use crate::time::coarse::CoarseInstant;
use crate::time::token_bucket::Charge;

use budget::Budget;
use departing::Departing;
use expiry::Expiry;
use roomless::Roomless;

pub(crate) use budget::Cost;
pub(crate) use client::Client;
pub use config::ClientConfig;
pub(crate) use membership::{JoinRequest, Membership, Memberships};
pub(crate) use renewal::{RenewError, TokenEvent};

/// The reason of a refusal, for the client's program and for people.
pub(crate) type Reason = (ErrorKind, &'static str);

/// All clients of a core.
#[derive(Debug)]
pub(crate) struct Clients {
    clients: ConnMap<Client>,
    /// Shares equal grants between clients.
    shared: GrantsCache,
    verifier: Option<Verifier>,
    start: Instant,
    departing: Departing,
    config: ClientConfig,
    /// The limits of players, which all shards share.
    limits: SharedLimits,
    /// Names clients without a player.
    edge: EdgeId,
    /// The memberships of all clients, by [`Lane::index`](grandstand_common::id::Lane::index).
    members: [usize; 2],
}

impl Clients {
    /// Creates an empty table. Without a verifier, all tokens are rejected.
    pub(crate) fn new(
        config: ClientConfig,
        limits: SharedLimits,
        verifier: Option<Verifier>,
        edge: EdgeId,
        start: Instant,
    ) -> Self {
        Self {
            clients: ConnMap::default(),
            shared: GrantsCache::default(),
            verifier,
            start,
            departing: Departing::default(),
            config,
            limits,
            edge,
            members: [0; 2],
        }
    }

    /// Adds a client, and sets the timer of its token.
    ///
    /// # Errors
    /// If the player has too many connections.
    pub(crate) fn open(
        &mut self,
        conn: ConnKey,
        format: WireFormat,
        grants: Grants,
        now: Now,
        effects: &mut Effects,
    ) -> Result<(), Refused> {
        if let Some(player) = grants.player() {
            self.limits.enter_player(player.as_str(), now.at)?;
        }
        let coarse = self.coarse(now.at);
        let client = Client {
            announced: 0,
            format,
            grants: self.shared.share(grants),
            memberships: SmallVec::new(),
            budget: Budget::new(&self.config, coarse),
            departing: 0,
            expiry: Expiry::new(coarse),
            roomless: Roomless::new(coarse),
        };
        self.clients.insert(conn, client);
        self.arm_token(conn, now, effects);
        Ok(())
    }

    /// Removes a client; returns its memberships.
    pub(crate) fn close(&mut self, conn: ConnKey) -> Option<Memberships> {
        let client = self.clients.remove(conn)?;
        if let Some(player) = client.grants.player() {
            self.limits.leave_player(player.as_str());
        }
        for membership in &client.memberships {
            self.members[membership.lane.index()] -= 1;
        }
        Some(client.memberships)
    }

    /// A connected client.
    pub(crate) fn get(&self, conn: ConnKey) -> Option<&Client> {
        self.clients.get(conn)
    }

    /// The first client in a slot from `slot` on that has not got announcement `number`, and the slot behind it. Visits at
    /// most `limit` slots; `None` if there are no further ones.
    pub(crate) fn next_unannounced(
        &self,
        slot: usize,
        limit: usize,
        number: u16,
    ) -> Option<(Option<ConnKey>, usize)> {
        let end = self.clients.slots().min(slot + limit);
        if slot >= end {
            return None;
        }
        let lacks = |conn: &ConnKey| self.get(*conn).is_some_and(|c| c.announced != number);
        let found = (slot..end).find_map(|at| self.clients.key_at(at).filter(lacks));
        let next = found.map_or(end, |conn| conn.index as usize + 1);
        Some((found, next))
    }

    /// Notes that a client has an announcement, or does not need it.
    pub(crate) fn set_announced(&mut self, conn: ConnKey, number: u16) {
        if let Some(client) = self.clients.get_mut(conn) {
            client.announced = number;
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (ConnKey, &Client)> {
        let keys = (0..self.clients.slots()).filter_map(|slot| self.clients.key_at(slot));
        keys.filter_map(|conn| Some((conn, self.clients.get(conn)?)))
    }

    /// The number of slots, also of clients that are gone.
    pub(crate) fn slots(&self) -> usize {
        self.clients.slots()
    }

    /// The client in a slot.
    pub(crate) fn key_at(&self, slot: usize) -> Option<ConnKey> {
        self.clients.key_at(slot)
    }

    /// The revoked players, tokens and rooms.
    pub(crate) fn revocations(&self) -> Option<&Revocations> {
        self.verifier.as_ref().map(Verifier::revocations)
    }

    /// The number of clients.
    pub(crate) fn len(&self) -> usize {
        self.clients.len()
    }

    /// The memberships of all clients, by [`Lane::index`](grandstand_common::id::Lane::index).
    pub(crate) fn members(&self) -> [usize; 2] {
        self.members
    }

    /// The limits of clients.
    pub(crate) fn config(&self) -> &ClientConfig {
        &self.config
    }

    /// A client's membership of a room, to change it.
    pub(crate) fn membership_mut(
        &mut self,
        conn: ConnKey,
        room: RoomKey,
    ) -> Option<&mut Membership> {
        let client = self.clients.get_mut(conn)?;
        client.memberships.iter_mut().find(|m| m.room == room)
    }

    /// Adds a membership of a room.
    pub(crate) fn enter(&mut self, conn: ConnKey, membership: Membership) {
        if let Some(client) = self.clients.get_mut(conn) {
            self.members[membership.lane.index()] += 1;
            client.memberships.push(membership);
        }
    }

    /// Removes and returns a client's membership of a room.
    pub(crate) fn leave(&mut self, conn: ConnKey, room: RoomKey) -> Option<Membership> {
        let client = self.clients.get_mut(conn)?;
        let at = client.memberships.iter().position(|m| m.room == room)?;
        let left = client.memberships.swap_remove(at);
        self.members[left.lane.index()] -= 1;
        Some(left)
    }

    /// Counts a session that a client has left, and the bytes of its window, until its owner has ended it.
    pub(crate) fn count_departing(&mut self, (conn, bytes): (ConnKey, usize)) {
        self.departing.add(bytes);
        if let Some(client) = self.clients.get_mut(conn) {
            client.departing = client.departing.saturating_add(1);
        }
    }

    /// Notes that a session that a client had left has ended.
    pub(crate) fn uncount_departing(&mut self, (conn, bytes): (ConnKey, usize)) {
        self.departing.remove(bytes);
        if let Some(client) = self.clients.get_mut(conn) {
            client.departing = client.departing.saturating_sub(1);
        }
    }

    /// Charges a client's player for a join. A client without a player has only its own limit of messages.
    ///
    /// # Errors
    /// If the player joins too fast.
    pub(crate) fn charge_join(&self, conn: ConnKey, now: Instant) -> Result<(), Refused> {
        let client = self.clients.get(conn);
        match client.and_then(|client| client.grants.player()) {
            Some(player) => self.limits.charge_join(player.as_str(), now),
            None => Ok(()),
        }
    }

    /// The reason why a client may not join another room: it is in `most` rooms.
    pub(crate) fn refuses_room(&self, conn: ConnKey, most: u64) -> Option<Reason> {
        if (self.get(conn)?.memberships.len() as u64) < most {
            return None;
        }
        self.count_refused(conn, Limit::Rooms);
        let message = "this connection is in as many rooms as it may join; leave one first";
        Some((ErrorKind::RateLimited, message))
    }

    /// Counts what a limit refuses a client.
    pub(crate) fn count_refused(&self, conn: ConnKey, limit: Limit) {
        let edge = &self.edge;
        let key = conn;
        match self.get(conn).and_then(|client| client.grants.player()) {
            Some(player) => self.limits.count_refused(limit, player),
            None => self.limits.count_refused(limit, &ConnName { edge, key }),
        }
    }

    /// Notes that a client may be in no room from now on. Returns when to look at it, unless that is set or there is no
    /// limit.
    pub(crate) fn begin_roomless(&mut self, conn: ConnKey, now: Instant) -> Option<Instant> {
        let coarse = self.coarse(now);
        let most = self.config.no_room;
        let client = self.clients.get_mut(conn)?;
        let is_roomless = client.memberships.is_empty() && !most.is_zero();
        (is_roomless && client.roomless.begin(coarse)).then(|| now + most)
    }

    /// Looks at a client at that time. Returns how long it may still be in no room; `None` if it is in one.
    pub(crate) fn roomless_left(&mut self, conn: ConnKey, now: Instant) -> Option<Duration> {
        let coarse = self.coarse(now);
        let most = self.config.no_room;
        let client = self.clients.get_mut(conn)?;
        let is_in_room = !client.memberships.is_empty() || most.is_zero();
        let left = client.roomless.look(is_in_room, most, coarse);
        if left == Some(Duration::ZERO) {
            self.count_refused(conn, Limit::NoRoom);
        }
        left
    }

    /// The reason why a client may not join as a player at the moment: too many sessions that it left wait for owners.
    pub(crate) fn refuses_player(&self, conn: ConnKey) -> Option<Reason> {
        let own = self.clients.get(conn)?.departing;
        self.departing.refuse(own, &self.config)
    }

    /// Moves a client's membership of a room to the end of the list.
    pub(crate) fn move_to_end(&mut self, conn: ConnKey, room: RoomKey) {
        if let Some(client) = self.clients.get_mut(conn)
            && let Some(at) = client.memberships.iter().position(|m| m.room == room)
        {
            client.memberships[at..].rotate_left(1);
        }
    }

    /// Charges a client for something that it sends. Returns the wait after which it may send again as well.
    pub(crate) fn charge(&mut self, conn: ConnKey, cost: Cost, now: Instant) -> (Charge, Duration) {
        let now = self.coarse(now);
        let Some(client) = self.clients.get_mut(conn) else {
            return (Charge::Allowed, Duration::ZERO);
        };
        let charged = client.budget.charge(cost, &self.config, now);
        if let Some(limit) = charged.limit {
            self.count_refused(conn, limit);
        }
        (charged.charge, charged.wait)
    }

    /// Replaces the limits of all clients.
    pub(crate) fn set_config(&mut self, config: ClientConfig) {
        self.config = config;
    }

    /// Verifies a token that comes in a `join`.
    pub(crate) fn verify(&self, token: &str, now: Now) -> Result<Grants, RenewError> {
        let verifier = self.verifier.as_ref().ok_or(RenewError::NoVerifier)?;
        Ok(verifier.verify(token, now.unix_ms)?)
    }

    /// Replaces a client's grants by those of a new token.
    pub(crate) fn renew(
        &mut self,
        conn: ConnKey,
        token: &str,
        now: Now,
        effects: &mut Effects,
    ) -> Result<(), RenewError> {
        let verifier = self.verifier.as_ref().ok_or(RenewError::NoVerifier)?;
        let Some(client) = self.clients.get_mut(conn) else {
            return Ok(());
        };
        let renewed = verifier.verify(token, now.unix_ms)?;
        renewed.renews(&client.grants)?;
        if let (None, Some(player)) = (client.grants.player(), renewed.player()) {
            self.limits.enter_player(player.as_str(), now.at)?;
        }
        client.expiry.renew();
        client.grants = self.shared.share(renewed);
        self.arm_token(conn, now, effects);
        Ok(())
    }

    /// Checks a client's token, and sets the timer of the next check.
    pub(crate) fn on_token_timer(
        &mut self,
        conn: ConnKey,
        now: Now,
        effects: &mut Effects,
    ) -> Option<TokenEvent> {
        let coarse = self.coarse(now.at);
        let client = self.clients.get_mut(conn)?;
        let expires = client.grants.expires_ms();
        let event = client.expiry.check(expires, now, coarse);
        if event != Some(TokenEvent::Expired) {
            self.arm_token(conn, now, effects);
        }
        event
    }

    /// Sets the timer of the next check of a client's token.
    fn arm_token(&mut self, conn: ConnKey, now: Now, effects: &mut Effects) {
        let start = self.start;
        let coarse = |at: Instant| CoarseInstant::new(at.saturating_duration_since(start));
        if let Some(client) = self.clients.get_mut(conn)
            && let Some(due) = client.expiry.arm(client.grants.expires_ms(), now, coarse)
        {
            effects.at(due, Timer::Token(conn));
        }
    }

    fn coarse(&self, at: Instant) -> CoarseInstant {
        CoarseInstant::new(at.saturating_duration_since(self.start))
    }
}
