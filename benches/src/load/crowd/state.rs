//! The state of all clients of a job.

use grandstand_common::auth::Signer;
use grandstand_common::data::Data;

use super::super::dialect;
use super::super::frame;
use super::super::job::Job;
use super::super::message::Reader;
use super::super::schedule::Schedule;
use super::super::tally::Tally;
use super::room::{Slot, Track};

/// How far a client has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// It has no connection.
    Out,
    /// It asked for the WebSocket.
    Upgrading,
    /// It said who it is and what it wants.
    Joining,
    /// It is in.
    Live,
}

/// A client. What came of a frame that is not all there is all that it buffers.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) phase: Phase,
    pub(super) rest: Vec<u8>,
    /// Rooms that it was shown.
    pub(super) shown: u32,
    pub(super) since_ns: u64,
}

/// The connection is of no more use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone;

/// The clients of a job.
#[derive(Debug)]
pub(crate) struct Crowd {
    pub(super) job: Job,
    pub(super) host: String,
    pub(super) signer: Option<Signer>,
    /// If the server is ours.
    pub(super) reader: Option<Reader>,
    pub(super) members: Vec<Member>,
    /// By client, and then by which of its rooms.
    pub(super) slots: Vec<Slot>,
    /// By room.
    pub(super) tracks: Vec<Track>,
    pub(super) watched_ns: u64,
    pub(super) live: u32,
    pub(super) window: (u64, u64),
    pub(super) schedule: Option<Schedule>,
    pub(super) tally: Tally,
}

impl Crowd {
    /// All of them, not connected.
    pub(crate) fn new(job: Job) -> Self {
        let rooms = job.rooms.count(job.connections);
        let slots = job.connections as usize * job.rooms.per_connection as usize;
        let member = |_| Member {
            phase: Phase::Out,
            rest: Vec::new(),
            shown: 0,
            since_ns: 0,
        };
        Self {
            host: job
                .targets
                .first()
                .map(ToString::to_string)
                .unwrap_or_default(),
            signer: Signer::hs256(job.secret.as_bytes()).ok(),
            reader: (job.dialect.encoding())
                .map(|encoding| Reader::new(encoding, &job.rooms.prefix)),
            members: (0..job.connections).map(member).collect(),
            slots: (0..slots).map(|_| Slot::default()).collect(),
            tracks: (0..rooms).map(|_| Track::default()).collect(),
            watched_ns: 0,
            live: 0,
            window: (0, 0),
            schedule: None,
            tally: Tally::default(),
            job,
        }
    }

    /// How many are in.
    pub(crate) fn live(&self) -> u32 {
        self.live
    }

    /// Whether one is in.
    pub(crate) fn is_live(&self, client: usize) -> bool {
        self.members[client].phase == Phase::Live
    }

    /// Whether one came so far that it does not count as connecting any more, or was never connected.
    pub(crate) fn is_out(&self, client: usize) -> bool {
        self.members[client].phase == Phase::Out
    }

    pub(super) fn in_window(&self, due_ns: u64) -> bool {
        (self.window.0..self.window.1).contains(&due_ns)
    }

    pub(super) fn opcode(&self) -> u8 {
        match self.job.dialect.binary() {
            true => frame::BINARY,
            false => frame::TEXT,
        }
    }

    pub(super) fn enter(&mut self, client: usize, now_ns: u64) {
        let member = &mut self.members[client];
        if member.phase == Phase::Joining {
            member.phase = Phase::Live;
            self.live += 1;
            self.tally.entered += 1;
            self.tally
                .entries
                .record_ns(now_ns.saturating_sub(member.since_ns));
        }
    }

    pub(super) fn count(&mut self, due_ns: u64, now_ns: u64) {
        self.tally.received += 1;
        if self.in_window(due_ns) {
            self.tally.in_window += 1;
            self.tally
                .latencies
                .record_ns(now_ns.saturating_sub(due_ns));
        }
    }

    /// The data of an input: a JSON string of the job's size, quotes included.
    pub(super) fn data(&self, due_ns: u64) -> Data {
        let size = self.job.size as usize;
        let mut text = Vec::with_capacity(size + 2);
        text.push(b'"');
        dialect::payload(due_ns, size.saturating_sub(2), &mut text);
        text.push(b'"');
        Data::Json(text.into())
    }

    /// Where what the client knows of a room is; that it is told of another is an error.
    pub(super) fn slot(&mut self, client: usize, room: u32) -> Option<usize> {
        let first = self.first_room(client);
        if !(first..first + self.job.rooms.per_connection).contains(&room) {
            self.tally.fail("a message of a room that was not joined");
            return None;
        }
        Some(self.slot_of(client, room))
    }

    /// Whether a client is the one whose rooms are looked at as rooms.
    pub(super) fn is_first(&self, client: usize) -> bool {
        (client as u32).is_multiple_of(self.job.rooms.each)
    }

    /// All slots with their rooms.
    pub(super) fn all_slots(&self) -> impl Iterator<Item = (usize, u32)> {
        let each = self.job.rooms.per_connection as usize;
        (0..self.slots.len())
            .map(move |slot| (slot, self.first_room(slot / each) + (slot % each) as u32))
    }

    pub(super) fn slot_of(&self, client: usize, room: u32) -> usize {
        client * self.job.rooms.per_connection as usize + (room - self.first_room(client)) as usize
    }

    pub(super) fn first_room(&self, client: usize) -> u32 {
        client as u32 / self.job.rooms.each * self.job.rooms.per_connection
    }
}
