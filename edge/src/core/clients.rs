//! Clients: their grants, their message budgets, and their memberships of rooms.

mod budget;

mod config;

mod membership;

mod renewal;

use std::time::{Duration, Instant};

use grandstand_common::auth::{Grants, GrantsCache, Revocations, Verifier};
use grandstand_common::clock::Now;
use grandstand_common::envelope::Encoding;
use grandstand_common::error::ErrorKind;
use smallvec::SmallVec;

use super::effects::{Effects, Timer};
use super::ids::RoomKey;
use crate::codec::WireFormat;
use crate::conn::key::ConnKey;
use crate::conn::map::ConnMap;
use crate::limits::{Refused, SharedLimits};
use crate::time::coarse::CoarseInstant;
use crate::time::token_bucket::Charge;

pub(crate) use budget::{Budget, Cost};
pub use config::ClientConfig;
pub(crate) use membership::{JoinRequest, Membership, Memberships};
pub(crate) use renewal::{RenewError, TokenEvent};

/// The time before a token's expiry at which its client is notified.
const TOKEN_NOTICE_MS: u64 = 60_000;

/// The longest time between two checks of a client's token, because a timer outlives its connection.
const TOKEN_CHECK_MS: u64 = 600_000;

/// A connected client.
#[derive(Debug)]
pub(crate) struct Client {
    format: WireFormat,
    grants: Grants,
    memberships: Memberships,
    budget: Budget,
    /// The sessions that the client has left and that no owner has ended yet.
    departing: u16,
    /// The number of the last announcement that the client has, or does not need.
    announced: u16,
    /// The client was notified that its token expires.
    expiry_notified: bool,
    /// The time at which the token is checked; `None` if it never expires.
    token_due: Option<CoarseInstant>,
}

impl Client {
    /// The wire format of messages to the client.
    pub(crate) fn format(&self) -> WireFormat {
        self.format
    }

    /// The encoding of the client's messages, in both directions.
    pub(crate) fn encoding(&self) -> Encoding {
        self.format.encoding
    }

    /// The client's rights.
    pub(crate) fn grants(&self) -> &Grants {
        &self.grants
    }

    /// The rooms that the client has joined or is joining.
    pub(crate) fn memberships(&self) -> &[Membership] {
        &self.memberships
    }
}

/// All clients of a core.
#[derive(Debug)]
pub(crate) struct Clients {
    clients: ConnMap<Client>,
    /// Shares equal grants between clients.
    shared: GrantsCache,
    verifier: Option<Verifier>,
    start: Instant,
    /// The sessions that clients have left and that no owner has ended yet, also of clients that are gone.
    departing: usize,
    /// The bytes of the windows of these sessions when they were left.
    departing_bytes: usize,
    config: ClientConfig,
    /// The limits of players, which all shards share.
    limits: SharedLimits,
}

impl Clients {
    /// Creates an empty table. Without a verifier, all tokens are rejected.
    pub(crate) fn new(
        (config, limits): (ClientConfig, SharedLimits),
        verifier: Option<Verifier>,
        start: Instant,
    ) -> Self {
        Self {
            clients: ConnMap::default(),
            shared: GrantsCache::default(),
            verifier,
            start,
            departing: 0,
            departing_bytes: 0,
            config,
            limits,
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
        let client = Client {
            announced: 0,
            format,
            grants: self.shared.share(grants),
            memberships: SmallVec::new(),
            budget: Budget::new(&self.config, self.coarse(now.at)),
            departing: 0,
            expiry_notified: false,
            token_due: None,
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

    /// All clients.
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

    /// The time after which a join that is not answered yet gets the error `room_unavailable`.
    pub(crate) fn join_answer(&self) -> Duration {
        self.config.join_answer
    }

    /// Whether slow players are closed.
    pub(crate) fn closes_slow_players(&self) -> bool {
        self.config.close_slow_players
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
            client.memberships.push(membership);
        }
    }

    /// Removes and returns a client's membership of a room.
    pub(crate) fn leave(&mut self, conn: ConnKey, room: RoomKey) -> Option<Membership> {
        let client = self.clients.get_mut(conn)?;
        let at = client.memberships.iter().position(|m| m.room == room)?;
        Some(client.memberships.swap_remove(at))
    }

    /// Counts a session that a client has left, and the bytes of its window, until its owner has ended it.
    pub(crate) fn count_departing(&mut self, (conn, bytes): (ConnKey, usize)) {
        self.departing += 1;
        self.departing_bytes += bytes;
        if let Some(client) = self.clients.get_mut(conn) {
            client.departing = client.departing.saturating_add(1);
        }
    }

    /// Notes that a session that a client had left has ended.
    pub(crate) fn uncount_departing(&mut self, (conn, bytes): (ConnKey, usize)) {
        self.departing = self.departing.saturating_sub(1);
        self.departing_bytes = self.departing_bytes.saturating_sub(bytes);
        if let Some(client) = self.clients.get_mut(conn) {
            client.departing = client.departing.saturating_sub(1);
        }
    }

    /// Charges a client's player for a join. One without a player has its own limit of messages only.
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

    /// The reason why a client may not join as a player at the moment: too many sessions that it left wait for owners.
    pub(crate) fn refuses_player(&self, conn: ConnKey) -> Option<(ErrorKind, &'static str)> {
        let departing = self.clients.get(conn)?.departing;
        if departing >= self.config.departing {
            let message = "too many rooms that this connection has left have not been answered; wait for their workers";
            return Some((ErrorKind::RateLimited, message));
        }
        let are_many = self.departing >= self.config.departing_in_all
            || self.departing_bytes >= self.config.departing_bytes_in_all;
        are_many.then_some((
            ErrorKind::RoomUnavailable,
            "too many players of this edge have left rooms whose workers do not answer",
        ))
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
        match self.clients.get_mut(conn) {
            Some(client) => client.budget.charge(cost, &self.config, now),
            None => (Charge::Allowed, Duration::ZERO),
        }
    }

    /// Replaces the limits of all clients.
    pub(crate) fn set_config(&mut self, config: ClientConfig) {
        self.config = config;
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
        client.expiry_notified = false;
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
        if client
            .token_due
            .is_some_and(|armed| !coarse.has_reached(armed))
        {
            return None;
        }
        client.token_due = None;
        let expires = client.grants.expires_ms()?;
        if expires <= now.unix_ms {
            return Some(TokenEvent::Expired);
        }
        let soon = !client.expiry_notified && expires - now.unix_ms <= TOKEN_NOTICE_MS;
        client.expiry_notified |= soon;
        self.arm_token(conn, now, effects);
        soon.then_some(TokenEvent::ExpiresSoon)
    }

    /// Sets the timer of a client's token to the earliest of its notice, its expiry and the next check.
    fn arm_token(&mut self, conn: ConnKey, now: Now, effects: &mut Effects) {
        let start = self.start;
        let Some(client) = self.clients.get_mut(conn) else {
            return;
        };
        let Some(expires) = client.grants.expires_ms() else {
            return;
        };
        let left = expires.saturating_sub(now.unix_ms);
        let wait = match client.expiry_notified {
            true => left,
            false => left.saturating_sub(TOKEN_NOTICE_MS),
        };
        let due = now.at + Duration::from_millis(wait.min(TOKEN_CHECK_MS));
        let coarse = CoarseInstant::new(due.saturating_duration_since(start));
        if client
            .token_due
            .is_none_or(|armed| !coarse.has_reached(armed))
        {
            client.token_due = Some(coarse);
            effects.at(due, Timer::Token(conn));
        }
    }

    fn coarse(&self, at: Instant) -> CoarseInstant {
        CoarseInstant::new(at.saturating_duration_since(self.start))
    }
}
