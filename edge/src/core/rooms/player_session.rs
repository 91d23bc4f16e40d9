//! A player's session in a room: its chain of entries, and the messages for this player only.

use std::time::{Duration, Instant};

use bytes::Bytes;
use grandstand_common::bus::AppendFailure;
use grandstand_common::clock::Now;
use grandstand_common::envelope::{Encoding, ServerMessage};
use grandstand_common::error::ErrorKind;
use grandstand_common::id::{Epoch, Instance, PlayerId, RoomId};
use grandstand_common::subject;
use grandstand_common::wire::{Body, Processed};

use super::chain::Chain;
use super::private_messages::PrivateMessages;
use super::reject::Reject;
use crate::codec::put_message;
use crate::conn::key::ConnKey;
use crate::core::command::{AppendTag, Command};
use crate::core::effects::{Effects, Timer};
use crate::core::ids::RoomAddress;
use crate::limits::ByteBudget;

/// The effect of an owner's report on a session.
#[derive(Debug)]
pub(crate) enum SessionChange {
    /// This edge has no such session.
    Unknown,
    /// The session of a departed client is over.
    Ended(Option<(ConnKey, usize)>),
    /// The owner has processed the session's `Joined`, so its `join` can be answered.
    Joined(ConnKey),
    /// The session continues.
    Continues,
    /// The bus has lost entries of the session that an earlier owner had processed. The session is removed.
    RolledBack(Box<PlayerSession>),
}

/// Frames of its own that a session is due.
#[derive(Debug)]
pub(crate) struct DueFrames {
    pub(crate) frames: Bytes,
    /// Whether an `ack` is among them.
    pub(crate) has_ack: bool,
}

/// A player's session in a room.
#[derive(Debug)]
pub(crate) struct PlayerSession {
    player: PlayerId,
    /// Its connection; `None` once the client is gone.
    conn: Option<(ConnKey, Encoding)>,
    /// The connection that it had, and the bytes of its window at the end of that; `None` while it has one.
    departed: Option<(ConnKey, usize)>,
    chain: Chain,
    /// The owner has processed its `Joined`.
    joined: bool,
    /// The answer to its `join` is complete. Until then its own frames are kept, because they follow the snapshot.
    answered: bool,
    /// The player's last processed input.
    processed: u64,
    /// The last acked input.
    acked: u64,
    /// The `seq` that the next input must have.
    next_seq: u64,
    /// The `seq` of the last input that was refused as `busy`; 0 if none was.
    busy_seq: u64,
    /// The bytes of inputs that the player may send, here and in other rooms.
    budget: ByteBudget,
    private: PrivateMessages,
    /// The epoch of the owner that last reported the session.
    epoch: Epoch,
    /// The room's instance when the session was first reported.
    instance: Instance,
    /// The session is in the list of those that may be due frames of their own.
    due: bool,
    /// Reading from its connection is paused because the window is full.
    paused: bool,
    /// The time at which the chain's timer expires.
    timer: Option<Instant>,
}

impl PlayerSession {
    /// Creates a session. The caller pushes its `Joined`.
    pub(crate) fn new(
        player: PlayerId,
        budget: ByteBudget,
        conn: (ConnKey, Encoding),
        chain: Chain,
    ) -> Self {
        Self {
            player,
            conn: Some(conn),
            departed: None,
            chain,
            joined: false,
            answered: false,
            processed: 0,
            acked: 0,
            next_seq: 1,
            busy_seq: 0,
            budget,
            private: PrivateMessages::default(),
            epoch: Epoch(0),
            instance: Instance(0),
            due: false,
            paused: false,
            timer: None,
        }
    }

    /// The session's player.
    pub(crate) fn player(&self) -> &PlayerId {
        &self.player
    }

    /// The session's connection and its encoding; `None` once the client is gone.
    pub(crate) fn conn(&self) -> Option<(ConnKey, Encoding)> {
        self.conn
    }

    /// The session's connection and its encoding, if its `join` is answered.
    pub(super) fn answered_conn(&self) -> Option<(ConnKey, Encoding)> {
        self.conn.filter(|_| self.answered)
    }

    /// Whether the owner has processed its `Joined`.
    pub(crate) fn is_joined(&self) -> bool {
        self.joined
    }

    /// The `seq` that the next input must have.
    pub(crate) fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// The last acked input.
    pub(crate) fn acked(&self) -> u64 {
        self.acked
    }

    /// The reject of an input, if it is kept.
    pub(crate) fn reject(&self, seq: u64) -> Option<&Reject> {
        self.private.reject(seq)
    }

    /// Whether all entries are processed.
    pub(super) fn is_processed(&self) -> bool {
        self.chain.is_empty()
    }

    /// The number of the chain's current round.
    pub(super) fn round(&self) -> u32 {
        self.chain.round()
    }

    /// Appends an entry to the chain.
    pub(super) fn push(&mut self, body: Body, now: Instant) {
        self.chain.push(body, now);
    }

    /// The bytes of inputs that the player may send.
    pub(super) fn budget(&self) -> &ByteBudget {
        &self.budget
    }

    /// Notes that the next input is refused as `busy`.
    pub(super) fn refuse_next(&mut self) {
        self.busy_seq = self.next_seq;
    }

    /// Whether the next input was refused as `busy`, so that those behind it are as well.
    pub(crate) fn has_refused_next(&self) -> bool {
        self.busy_seq == self.next_seq
    }

    /// Counts an input, so that the next one must have the following `seq`.
    pub(super) fn count_input(&mut self) {
        self.next_seq += 1;
    }

    /// The connection that it had, and the bytes of its window at the end of that; `None` while it has one.
    pub(crate) fn departed(&self) -> Option<(ConnKey, usize)> {
        self.departed
    }

    /// Notes that the connection is gone. Returns it and the bytes of the window, unless it was gone before.
    pub(super) fn disconnect(&mut self) -> Option<(ConnKey, usize)> {
        let (conn, _) = self.conn.take()?;
        self.departed = Some((conn, self.chain.bytes()));
        self.departed
    }

    /// Notes the result of an append.
    pub(super) fn on_appended(
        &mut self,
        tag: AppendTag,
        stored: Result<u64, AppendFailure>,
        now: Instant,
    ) {
        match stored {
            Ok(seq) => self.chain.handle_stored(tag.n, tag.round, seq, now),
            Err(_) => self.chain.handle_failed(tag.n, tag.round, now),
        }
    }

    /// Refuses an input of the window, and appends the window again.
    pub(super) fn refuse(&mut self, tag: AppendTag, why: ErrorKind, now: Instant) {
        self.chain.handle_refused(tag.n, tag.round, why.code(), now);
    }

    /// Whether the log has an entry that the owner has not reported. A `Joined` does not count, whose client gets an error
    /// of its own.
    pub(super) fn waits_for_report(&self) -> bool {
        self.joined && self.chain.is_stored()
    }

    /// Appends overdue entries again, if the bus is up. Returns whether the whole window was appended again.
    pub(super) fn on_timer(&mut self, bus_up: bool, now: Instant) -> bool {
        self.timer = None;
        if !bus_up {
            // The window is appended again when the bus is back.
            return false;
        }
        let round = self.chain.round();
        if self.chain.poll_timeout().is_some_and(|at| at <= now) {
            self.chain.handle_timeout(now);
        }
        self.chain.round() != round
    }

    /// Appends the whole window again.
    pub(super) fn restart(&mut self, now: Instant) {
        self.chain.restart(now);
    }

    /// Whether the bus has lost entries that an earlier owner processed and the window has no more (D23).
    pub(super) fn is_rolled_back(&self, report: &Processed) -> bool {
        self.joined && !report.ended && self.chain.is_beyond(report.n)
    }

    /// Whether the session has joined this instance of the room.
    pub(crate) fn is_of(&self, instance: Instance) -> bool {
        instance.0 != 0 && instance == self.instance
    }

    /// The first input that failed because the room was created again; `None` if none did. `instance` is the room's now.
    pub(crate) fn restarted_from(&self, instance: Instance) -> Option<u64> {
        let is_another = self.joined && instance.0 != 0 && instance != self.instance;
        let first = self.processed + 1;
        (is_another && first < self.next_seq).then_some(first)
    }

    /// The times for which the inputs up to entry `n` have waited for their report.
    pub(super) fn waited(&self, n: u64, now: Instant) -> impl Iterator<Item = Duration> {
        self.chain.waited(n, now)
    }

    /// Handles an owner's report. Returns whether it is the first.
    pub(super) fn on_processed(
        &mut self,
        epoch: Epoch,
        instance: Instance,
        report: &Processed,
        now: Now,
    ) -> bool {
        self.chain.handle_processed(report.n, report.gap, now.at);
        if self.epoch != epoch && self.epoch != Epoch(0) {
            // The former owner may have processed entries that the new owner has not seen (D3).
            self.chain.restart(now.at);
        }
        self.epoch = epoch;
        let first = !std::mem::replace(&mut self.joined, true);
        self.processed = self.processed.max(report.last_seq);
        self.next_seq = self.next_seq.max(self.processed + 1);
        if first {
            self.instance = instance;
            // All earlier rejects came with the first report.
            self.acked = self.processed;
        }
        first
    }

    /// Appends the chain's new entries to the log, and sets its timer.
    pub(super) fn send_appends(
        &mut self,
        address: &RoomAddress,
        session: u64,
        effects: &mut Effects,
    ) {
        while let Some(append) = self.chain.poll_append() {
            let tag = AppendTag {
                room: address.key,
                session,
                n: append.n,
                round: append.round,
            };
            effects.command(Command::Append {
                subject: subject::log(address.partition, &address.id),
                partition: address.partition,
                payload: append.payload,
                tag,
            });
        }
        if let Some(at) = self.chain.poll_timeout()
            && self.timer.is_none_or(|armed| at < armed)
        {
            self.timer = Some(at);
            effects.at(at, Timer::Chain(address.key, session));
        }
    }

    /// Whether reading from its connection is paused because the window is full.
    pub(super) fn is_paused(&self) -> bool {
        self.paused
    }

    /// Notes whether the window is full; returns whether that has changed.
    pub(super) fn update_paused(&mut self) -> bool {
        let full = self.chain.is_full();
        std::mem::replace(&mut self.paused, full) != full
    }

    /// Notes that frames of its own may be due. Returns whether none were before: the list of such sessions grows by each
    /// once, however long they wait (D26).
    pub(super) fn set_due(&mut self) -> bool {
        !std::mem::replace(&mut self.due, true)
    }

    /// The messages for the player only.
    pub(super) fn private_mut(&mut self) -> &mut PrivateMessages {
        &mut self.private
    }

    /// Takes the frames that are due, with their connection: the latest `direct`, rejects, the `ack`.
    pub(super) fn take_due(&mut self, room: &RoomId) -> Option<(ConnKey, DueFrames)> {
        self.due = false;
        let (conn, encoding) = self.answered_conn()?;
        let mut out = Vec::new();
        if self.private.is_answer_due() {
            self.answer(&mut out, encoding, room);
        } else {
            self.private.put_due(&mut out, encoding, room);
        }
        let has_ack = self.processed > self.acked;
        if has_ack {
            self.acked = self.processed;
            self.put_ack(&mut out, encoding, room);
        }
        let frames = out.into();
        let due = DueFrames { frames, has_ack };
        (!due.frames.is_empty()).then_some((conn, due))
    }

    /// Appends the frames for this client only to the answer to its `join`: the latest `direct`, the kept rejects, the
    /// `ack`. Returns whether another `ack` is due.
    pub(super) fn answer(&mut self, out: &mut Vec<u8>, encoding: Encoding, room: &RoomId) -> bool {
        self.answered = true;
        self.private.put_all(out, encoding, room);
        if self.acked > 0 {
            self.put_ack(out, encoding, room);
        }
        self.processed > self.acked
    }

    /// The answer to a repeated input that is acked: its reject, if it is kept, and the `ack`.
    pub(super) fn answer_repeat(&self, seq: u64, encoding: Encoding, room: &RoomId) -> Bytes {
        let mut out = Vec::new();
        if let Some(reject) = self.reject(seq) {
            put_message(&mut out, encoding, &reject.message(room));
        }
        self.put_ack(&mut out, encoding, room);
        out.into()
    }

    /// Notes that what [`answer`](Self::answer) appends is sent later. Returns whether something is due.
    pub(super) fn answer_later(&mut self) -> bool {
        self.answered = true;
        self.private.delay_answer();
        true
    }

    fn put_ack(&self, out: &mut Vec<u8>, encoding: Encoding, room: &RoomId) {
        let seq = self.acked;
        put_message(out, encoding, &ServerMessage::Ack { room, seq });
    }
}
