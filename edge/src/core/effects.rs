//! The outputs of an event: commands for the bus, timers, notes for owners, and actions and frames for clients.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;
use grandstand_common::clock::Now;
use grandstand_common::envelope::ServerMessage;
use grandstand_common::error::ErrorKind;
use grandstand_common::id::{Lane as LaneId, Partition};

use super::command::Command;
use super::counts::Counts;
use super::ids::{LaneKey, RoomKey};
use super::tallies::Tallies;
use crate::conn::key::ConnKey;
use crate::time::wheel::TimerWheel;

/// The capacity of the queue of actions that is kept for the next event. Only the end of a large room needs more.
const KEPT_ACTIONS: usize = 1024;

/// A timer of one part of the core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timer {
    /// A session's window may be due for a repeat.
    Chain(RoomKey, u64),
    /// A partition's owner may be due for a request.
    Partition(Partition),
    /// Owners are due to be told changed numbers of spectators.
    Spectators,
    /// A room has been empty for a while.
    Linger(RoomKey),
    /// A gap in a link is due for a request.
    Links,
    /// A client's join may be unanswered for too long.
    Join(ConnKey, RoomKey),
    /// A client may have been in no room for too long.
    Roomless(ConnKey),
    /// A token expires soon, or has expired.
    Token(ConnKey),
    /// The bus may have recovered.
    Health,
}

/// A notice for a client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Notice {
    /// Names the notice to the client's program.
    pub(crate) code: &'static str,
    /// The wait before the client should connect again; `None` if it should stay.
    pub(crate) reconnect_in_ms: Option<u64>,
}

impl Notice {
    /// The message for the client. `id` is the client's message that it answers, if any.
    pub(crate) fn message(self, id: Option<u64>) -> ServerMessage<'static> {
        ServerMessage::Notice {
            id,
            code: self.code,
            reconnect_in_ms: self.reconnect_in_ms,
        }
    }
}

/// A note for a room's owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OwnerNote {
    /// The number of spectators has changed. Owners are told at most twice a second.
    Spectators,
    /// Slow clients need a newer snapshot of a lane. Owners are asked at most twice a second.
    Snapshot,
    /// The sessions, the watched lanes or the subscription have changed.
    Changed,
    /// No client of this edge is in the room any more.
    Unwatched,
    /// This edge has missed a message of the room.
    Resync,
}

/// An action on a client's connection.
#[derive(Debug)]
pub(crate) enum ClientAction {
    /// Sends frames that may be dropped if the client is slow. It then gets a snapshot instead.
    Data(Bytes),
    /// Sends frames that are never dropped while the connection is open.
    Control(Bytes),
    /// Sends the answer to a join.
    Answer(Box<Answer>),
    /// Drops the client's queued frames. It gets a snapshot once its outbox is empty.
    Discard,
    /// Closes the connection after all queued frames.
    Close(ErrorKind),
    /// Stops (`true`) or resumes reading from the connection.
    Pause(bool),
}

/// The answer to a join, in three pieces that are sent as one. They are concatenated when they are sent, so that many
/// answers that wait share the snapshot. If the client's socket has not accepted all earlier frames, only `joined` is
/// sent, and the rest is made again once it has (D26).
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) room: RoomKey,
    /// The last version of the lane that the client may have seen.
    pub(crate) seen: u64,
    /// The last version that the client has, and its epoch. The last two pieces begin there.
    pub(crate) since: Option<(u64, String)>,
    /// `joined`, which must not be dropped.
    pub(crate) joined: Vec<u8>,
    /// The lane's frames that the client has not been sent.
    pub(crate) shared: Bytes,
    /// The frames for this client only, and presence.
    pub(crate) private: Vec<u8>,
}

/// The outputs of the core's machines and handlers, collected until the caller takes them.
#[derive(Debug)]
pub(crate) struct Effects {
    commands: VecDeque<Command>,
    timers: TimerWheel<Timer>,
    owner_notes: VecDeque<(RoomKey, OwnerNote)>,
    actions: VecDeque<(ConnKey, ClientAction)>,
    /// Lanes with frames to flush, per audience.
    dirty: [VecDeque<RoomKey>; 2],
    /// Lanes whose clients are told one by one: the first snapshot, or the end.
    crowds: VecDeque<LaneKey>,
    /// Rooms whose sessions append their windows again, and since when.
    repeats: VecDeque<RoomKey>,
    repeat_at: Option<Now>,
    counts: Counts,
    tallies: Tallies,
}

impl Effects {
    /// Creates empty effects. The timers' clock starts at `now`.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            commands: VecDeque::new(),
            timers: TimerWheel::new(now),
            owner_notes: VecDeque::new(),
            actions: VecDeque::new(),
            dirty: [VecDeque::new(), VecDeque::new()],
            crowds: VecDeque::new(),
            repeats: VecDeque::new(),
            repeat_at: None,
            counts: Counts::default(),
            tallies: Tallies::default(),
        }
    }

    /// Queues a command for the bus.
    pub(crate) fn command(&mut self, command: Command) {
        self.commands.push_back(command);
    }

    /// The next command for the bus.
    pub(crate) fn poll_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// Queues rooms whose sessions append their windows again, one after the other, as the bus takes the entries (D25).
    pub(crate) fn repeat(&mut self, rooms: impl IntoIterator<Item = RoomKey>, now: Now) {
        self.repeats.clear();
        self.repeats.extend(rooms);
        self.repeat_at = Some(now);
    }

    /// The next room whose sessions append their windows again.
    pub(crate) fn pop_repeat(&mut self) -> Option<(RoomKey, Now)> {
        let room = self.repeats.pop_front();
        if room.is_none() {
            self.repeats = VecDeque::new();
        }
        room.zip(self.repeat_at)
    }

    /// Whether rooms append their windows again.
    pub(crate) fn has_repeats(&self) -> bool {
        !self.repeats.is_empty()
    }

    /// The number of commands that wait for the bus.
    pub(crate) fn waiting_commands(&self) -> usize {
        self.commands.len()
    }

    /// Sets a timer.
    pub(crate) fn at(&mut self, at: Instant, timer: Timer) {
        self.timers.insert(at, timer);
    }

    /// The next timer that has expired.
    pub(crate) fn poll_expired(&mut self, now: Instant) -> Option<Timer> {
        self.timers.poll_expired(now)
    }

    /// The time of the next call of [`poll_expired`](Self::poll_expired).
    pub(crate) fn next_timer(&self) -> Option<Instant> {
        self.timers.next_deadline()
    }

    /// Queues a note for a room's owner.
    pub(crate) fn tell_owner(&mut self, room: RoomKey, note: OwnerNote) {
        self.owner_notes.push_back((room, note));
    }

    /// The next note for a room's owner.
    pub(crate) fn pop_owner_note(&mut self) -> Option<(RoomKey, OwnerNote)> {
        self.owner_notes.pop_front()
    }

    /// Queues an action. Actions are performed in order, before lanes are flushed.
    pub(crate) fn act(&mut self, conn: ConnKey, action: ClientAction) {
        self.actions.push_back((conn, action));
    }

    /// The next action to perform.
    pub(crate) fn pop_action(&mut self) -> Option<(ConnKey, ClientAction)> {
        let action = self.actions.pop_front();
        if action.is_none() && self.actions.capacity() > KEPT_ACTIONS {
            self.actions = VecDeque::new();
        }
        action
    }

    /// Queues a lane whose clients are told one by one. The caller ensures that it is not queued already.
    pub(crate) fn queue_crowd(&mut self, at: LaneKey) {
        self.crowds.push_back(at);
    }

    /// Whether clients of some lane are told one by one.
    pub(crate) fn has_crowds(&self) -> bool {
        !self.crowds.is_empty()
    }

    /// The lane whose clients are told next.
    pub(crate) fn pop_crowd(&mut self) -> Option<LaneKey> {
        self.crowds.pop_front()
    }

    /// Queues a lane for the flush. The caller ensures that it is not queued already.
    pub(crate) fn mark_dirty(&mut self, at: LaneKey) {
        self.dirty[at.lane.index()].push_back(at.room);
    }

    /// The room whose lane is flushed next.
    pub(crate) fn pop_dirty(&mut self, lane: LaneId) -> Option<RoomKey> {
        self.dirty[lane.index()].pop_front()
    }

    /// The number of lanes of this audience that wait for the flush.
    pub(crate) fn dirty_lanes(&self, lane: LaneId) -> usize {
        self.dirty[lane.index()].len()
    }

    /// Whether actions wait to be performed.
    pub(crate) fn has_actions(&self) -> bool {
        !self.actions.is_empty()
    }

    /// Whether actions or frames wait for the flush.
    pub(crate) fn needs_flush(&self) -> bool {
        self.dirty.iter().any(|lanes| !lanes.is_empty()) || self.has_actions() || self.has_crowds()
    }

    /// The counters, to change them.
    pub(crate) fn counts(&mut self) -> &mut Counts {
        &mut self.counts
    }

    /// The durations that are measured, to change them.
    pub(crate) fn tallies(&mut self) -> &mut Tallies {
        &mut self.tallies
    }

    /// The counters.
    pub(crate) fn counted(&self) -> &Counts {
        &self.counts
    }
}
