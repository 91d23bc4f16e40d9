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

/// The progress of a client's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Not connected.
    Out,
    /// The WebSocket was requested.
    Upgrading,
    /// The `join` was sent.
    Joining,
    /// Connected and in its rooms.
    Live,
}

/// A client. It buffers only the beginning of an incomplete frame.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) phase: Phase,
    pub(super) rest: Vec<u8>,
    /// The number of rooms that were shown.
    pub(super) shown: u32,
    pub(super) since_ns: u64,
}

/// The connection must be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone;

/// The clients of a job.
#[derive(Debug)]
pub(crate) struct Crowd {
    pub(super) job: Job,
    pub(super) host: String,
    pub(super) signer: Option<Signer>,
    /// `None` for other servers than Grandstand.
    pub(super) reader: Option<Reader>,
    pub(super) members: Vec<Member>,
    /// The position of each client in each of its rooms, by client, then by room of the client.
    pub(super) slots: Vec<Slot>,
    /// The rooms as their first clients see them, by room.
    pub(super) tracks: Vec<Track>,
    pub(super) watched_ns: u64,
    pub(super) live: u32,
    pub(super) window: (u64, u64),
    pub(super) schedule: Option<Schedule>,
    pub(super) tally: Tally,
}

impl Crowd {
    /// The clients of a job, not connected.
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
            host: match &job.front {
                Some(front) => front.host.clone(),
                None => job
                    .targets
                    .first()
                    .map_or_else(String::new, ToString::to_string),
            },
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

    /// The number of connected clients.
    pub(crate) fn live(&self) -> u32 {
        self.live
    }

    /// Whether a client is connected.
    pub(crate) fn is_live(&self, client: usize) -> bool {
        self.members[client].phase == Phase::Live
    }

    /// Whether a client has no connection, not even a pending one.
    pub(crate) fn is_out(&self, client: usize) -> bool {
        self.members[client].phase == Phase::Out
    }

    pub(super) fn in_window(&self, due_ns: u64) -> bool {
        (self.window.0..self.window.1).contains(&due_ns)
    }

    pub(super) fn opcode(&self) -> u8 {
        if self.job.dialect.binary() {
            frame::BINARY
        } else {
            frame::TEXT
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

    /// The data of an input: a JSON string of the job's size, including quotes.
    pub(super) fn data(&self, due_ns: u64) -> Data {
        let size = self.job.size as usize;
        let mut text = Vec::with_capacity(size + 2);
        text.push(b'"');
        dialect::payload(due_ns, size.saturating_sub(2), &mut text);
        text.push(b'"');
        Data::Json(text.into())
    }

    /// Returns the index of the client's state of a room. Counts an error if the client is not in that room.
    pub(super) fn slot(&mut self, client: usize, room: u32) -> Option<usize> {
        let first = self.first_room(client);
        if !(first..first + self.job.rooms.per_connection).contains(&room) {
            self.tally
                .fail("a message about a room that was not joined");
            return None;
        }
        Some(self.slot_of(client, room))
    }

    /// Whether a client is the first one of its rooms, which measures the rooms' pauses.
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
