//! The sessions of a room's players on this edge. A session outlives its connection until the owner has ended it.

use std::collections::BTreeMap;
use std::time::Instant;

use grandstand_common::bus::AppendFailure;
use grandstand_common::clock::Now;
use grandstand_common::error::ErrorKind;
use grandstand_common::id::{Epoch, Instance, RoomId};
use grandstand_common::wire::{Body, Empty, Gone, Processed};

use super::config::RoomConfig;
use super::input_charge;
use super::recipient::Recipient;
use super::sync::SyncState;
use crate::conn::key::ConnKey;
use crate::core::command::AppendTag;
use crate::core::effects::Effects;
use crate::core::ids::RoomAddress;
use crate::limits::{ByteBudget, Limit};

pub(crate) use super::player_session::{DueFrames, PlayerSession, SessionChange};
pub(crate) use super::reject::Reject;

/// The sessions of a room's players.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    sessions: BTreeMap<u64, PlayerSession>,
    /// Sessions that may be due frames of their own.
    due: Vec<u64>,
    /// While messages about the room are lost, the frames for single players wait for them (D4, D31).
    sync: SyncState,
    /// The bytes of inputs that all players may send; `None` before the first one joins.
    budget: Option<ByteBudget>,
}

impl Sessions {
    /// Adds a session. The caller pushes its `Joined`.
    pub(crate) fn insert(&mut self, session: u64, player: PlayerSession) {
        self.sessions.insert(session, player);
    }

    pub(crate) fn get(&self, session: u64) -> Option<&PlayerSession> {
        self.sessions.get(&session)
    }

    /// Whether there are no sessions.
    pub(crate) fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Whether the owner has processed the `Joined` of some session.
    pub(crate) fn has_joined(&self) -> bool {
        self.sessions.values().any(PlayerSession::is_joined)
    }

    /// Whether the owner has not yet reported some entry as processed.
    pub(crate) fn has_unprocessed(&self) -> bool {
        self.sessions.values().any(|player| !player.is_processed())
    }

    /// The sessions whose `Joined` the owner has processed.
    pub(crate) fn joined(&self) -> Vec<u64> {
        self.ids(PlayerSession::is_joined)
    }

    /// The sessions whose `Joined` the owner has not processed.
    pub(crate) fn joining(&self) -> Vec<u64> {
        self.ids(|player| !player.is_joined())
    }

    fn ids(&self, is_wanted: impl Fn(&PlayerSession) -> bool) -> Vec<u64> {
        let sessions = self.sessions.iter();
        let wanted = sessions.filter(|(_, player)| is_wanted(player));
        wanted.map(|(&session, _)| session).collect()
    }

    /// The messages that the room lacks.
    pub(crate) fn sync(&self) -> &SyncState {
        &self.sync
    }

    /// The messages that the room lacks, to change them.
    pub(crate) fn sync_mut(&mut self) -> &mut SyncState {
        &mut self.sync
    }

    /// Appends an entry of a session.
    pub(crate) fn push(
        &mut self,
        address: &RoomAddress,
        session: u64,
        body: Body,
        now: Now,
        effects: &mut Effects,
    ) {
        if let Some(player) = self.sessions.get_mut(&session) {
            player.push(body, now.at);
            player.send_appends(address, session, effects);
        }
    }

    /// Sets what limits the inputs of all players, unless it is set.
    pub(crate) fn limit_inputs(&mut self, budget: impl FnOnce() -> ByteBudget) {
        self.budget.get_or_insert_with(budget);
    }

    /// Charges a session for the bytes of an input. The error is the limit that refuses it, and the wait in milliseconds.
    pub(crate) fn charge_input(
        &self,
        session: u64,
        bytes: usize,
        config: &RoomConfig,
        now: Instant,
    ) -> Result<(), (Limit, u64)> {
        self.sessions.get(&session).map_or(Ok(()), |player| {
            input_charge::charge(player.budget(), self.budget.as_ref(), bytes, config, now)
        })
    }

    /// Notes that a session's next input is refused as `busy`.
    pub(crate) fn refuse_next(&mut self, session: u64) {
        if let Some(player) = self.sessions.get_mut(&session) {
            player.refuse_next();
        }
    }

    /// Appends a session's next input.
    pub(crate) fn push_input(
        &mut self,
        address: &RoomAddress,
        session: u64,
        body: Body,
        now: Now,
        effects: &mut Effects,
    ) {
        if let Some(player) = self.sessions.get_mut(&session) {
            player.count_input();
            player.push(body, now.at);
            player.send_appends(address, session, effects);
        }
    }

    /// Appends a session's last entry. Its window stays whole until the owner has processed it: an input counts even if
    /// its client hangs up at once, and the owner takes the last entry only behind all others. Returns the connection
    /// that it had and the bytes of the window, unless it had ended before.
    pub(crate) fn end(
        &mut self,
        address: &RoomAddress,
        session: u64,
        last: Body,
        now: Now,
        effects: &mut Effects,
    ) -> Option<(ConnKey, usize)> {
        let player = self.sessions.get_mut(&session);
        let departed = player.and_then(PlayerSession::disconnect);
        self.push(address, session, last, now, effects);
        departed
    }

    /// Removes a session without a further entry.
    pub(crate) fn remove(&mut self, session: u64) -> Option<PlayerSession> {
        self.sessions.remove(&session)
    }

    /// Removes and returns all sessions.
    pub(crate) fn clear(&mut self) -> Vec<PlayerSession> {
        let sessions = std::mem::take(&mut self.sessions);
        sessions.into_values().collect()
    }

    /// Notes the result of an append: the entry's sequence in the log, or why the entry may not be stored.
    pub(crate) fn on_appended(
        &mut self,
        address: &RoomAddress,
        tag: AppendTag,
        stored: Result<u64, AppendFailure>,
        now: Now,
        effects: &mut Effects,
    ) {
        if let Some(player) = self.sessions.get_mut(&tag.session) {
            player.on_appended(tag, stored, now.at);
            player.send_appends(address, tag.session, effects);
        }
    }

    /// Refuses an input of a session's window, and appends the window again.
    pub(crate) fn refuse(
        &mut self,
        address: &RoomAddress,
        tag: AppendTag,
        why: ErrorKind,
        now: Now,
        effects: &mut Effects,
    ) {
        if let Some(player) = self.sessions.get_mut(&tag.session) {
            player.refuse(tag, why, now.at);
            player.send_appends(address, tag.session, effects);
        }
    }

    /// Appends a session's overdue entries again, if the bus is up. Returns whether its owner has not reported what is stored
    /// for so long that the whole window is appended again.
    pub(crate) fn on_timer(
        &mut self,
        address: &RoomAddress,
        session: u64,
        bus_up: bool,
        now: Now,
        effects: &mut Effects,
    ) -> bool {
        let Some(player) = self.sessions.get_mut(&session) else {
            return false;
        };
        let waits = player.waits_for_report();
        let restarted = player.on_timer(bus_up, now.at);
        effects.counts().chain_restarts += u64::from(restarted);
        if bus_up {
            player.send_appends(address, session, effects);
        }
        restarted && waits
    }

    /// Appends all windows again after the bus was away, because entries may have been lost or reordered (D3).
    pub(crate) fn restart(&mut self, address: &RoomAddress, now: Now, effects: &mut Effects) {
        for (&session, player) in &mut self.sessions {
            player.restart(now.at);
            player.send_appends(address, session, effects);
        }
    }

    /// Appends again the windows of sessions that the owner has not reported yet (D3). A new owner does not report
    /// entries that it reads during its takeover, and requests name only sessions that were reported.
    pub(crate) fn repeat_joins(&mut self, address: &RoomAddress, now: Now, effects: &mut Effects) {
        let unreported = self
            .sessions
            .iter_mut()
            .filter(|(_, player)| !player.is_joined());
        for (&session, player) in unreported {
            player.restart(now.at);
            player.send_appends(address, session, effects);
        }
    }

    /// Handles an owner's report on a session.
    pub(crate) fn on_processed(
        &mut self,
        address: &RoomAddress,
        incarnation: (Epoch, Instance),
        report: &Processed,
        now: Now,
        effects: &mut Effects,
    ) -> SessionChange {
        let session = report.session;
        let Some(player) = self.sessions.get_mut(&session) else {
            return SessionChange::Unknown;
        };
        if player.is_rolled_back(report) {
            let removed = self.sessions.remove(&session);
            return removed.map_or(SessionChange::Unknown, |player| {
                SessionChange::RolledBack(Box::new(player))
            });
        }
        for waited in player.waited(report.n, now.at) {
            effects.tallies().input_latency.observe_micros(waited);
        }
        let (epoch, instance) = incarnation;
        let first = player.on_processed(epoch, instance, report, now);
        let conn = player.conn();
        if !first && player.set_due() {
            self.due.push(session);
        }
        if report.ended && conn.is_none() {
            let ended = self.sessions.remove(&session);
            return SessionChange::Ended(ended.and_then(|player| player.departed()));
        }
        if report.lost && conn.is_some() {
            player.push(Body::Here(Empty {}), now.at);
        }
        player.send_appends(address, session, effects);
        match conn.filter(|_| first) {
            Some((conn, _)) => SessionChange::Joined(conn),
            None => SessionChange::Continues,
        }
    }

    /// Removes and returns a session that the owner does not have.
    ///
    /// If the owner has not reported the session's `Joined`, and a later entry has overtaken it, both are appended
    /// again and the session stays. Without the session, its `Joined` could leave a player connected that has no
    /// client.
    pub(crate) fn on_gone(
        &mut self,
        address: &RoomAddress,
        gone: &Gone,
        now: Now,
        effects: &mut Effects,
    ) -> Option<PlayerSession> {
        if let Some(player) = self.sessions.get_mut(&gone.session)
            && !player.is_joined()
            && gone.n > 0
            && gone.code == ErrorKind::NotJoined.code()
        {
            if gone.round == player.round() {
                player.restart(now.at);
                player.send_appends(address, gone.session, effects);
            }
            return None;
        }
        self.sessions.remove(&gone.session)
    }

    /// A session, to pass messages for its player only on.
    pub(crate) fn recipient(&mut self, session: u64) -> Option<Recipient<'_>> {
        let player = self.sessions.get_mut(&session)?;
        let waits = self.sync.is_pending();
        Some(Recipient::new(session, player, &mut self.due, waits))
    }

    /// Passes the frames of their own that sessions are due to `send`, unless messages that precede them may still arrive
    /// (D4). They follow the players' updates.
    pub(super) fn send_due(&mut self, room: &RoomId, mut send: impl FnMut(ConnKey, DueFrames)) {
        if self.sync.is_pending() {
            return;
        }
        for session in self.due.drain(..) {
            let player = self.sessions.get_mut(&session);
            if let Some((conn, due)) = player.and_then(|player| player.take_due(room)) {
                send(conn, due);
            }
        }
    }

    /// Whether reading from a session's connection is paused because its window is full.
    pub(crate) fn is_paused(&self, session: u64) -> bool {
        self.get(session).is_some_and(PlayerSession::is_paused)
    }

    /// Notes whether a session's window is full. Returns its connection if that has changed.
    pub(crate) fn update_paused(&mut self, session: u64) -> Option<ConnKey> {
        let player = self.sessions.get_mut(&session)?;
        let changed = player.update_paused();
        let (conn, _) = player.conn().filter(|_| changed)?;
        Some(conn)
    }
}
