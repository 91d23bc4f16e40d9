//! A room as an edge sees it: two lanes, and the seats of the players who are connected here.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use grandstand_common::data::Data;
use grandstand_common::envelope::{Encoding, ServerMessage};
use grandstand_common::id::{Epoch, Instance, Lane as LaneId, Partition, PlayerId, RoomId};

use crate::codec::put_message;
use crate::conn::transport::ConnKey;
use crate::core::egress::hot::Heat;
use crate::core::rooms::chain::Chain;
use crate::core::rooms::delay::Hold;
use crate::core::rooms::lane::Lane;

/// Rejects that a seat remembers, to answer a repeat or a resume.
const KEPT_REJECTS: usize = 64;

/// A room's place in the core's table.
pub type RoomKey = usize;

/// A room of which this edge has members, or lately had.
#[derive(Debug)]
pub struct Room {
    /// Its name.
    pub id: RoomId,
    /// Where it lives.
    pub partition: Partition,
    /// The epoch of the owner that was last heard of it.
    pub epoch: Epoch,
    /// Which room of this name that is; 0 before the owner has told.
    pub instance: Instance,
    /// What players and spectators are shown.
    pub lanes: [Lane; 2],
    /// Members of a lane that wait for its first snapshot.
    pub waiting: [Vec<ConnKey>; 2],
    /// The sessions of players who are, or were, connected here, until the owner lets go of them.
    pub seats: BTreeMap<u64, Seat>,
    /// The players' and spectators' memberships, waiting ones included.
    pub members: [usize; 2],
    /// The owner said that there is no such room yet.
    pub absent: bool,
    /// What spectators are not shown yet; none if they are shown everything at once.
    pub hold: Option<Box<Hold>>,
    /// The subject on which what concerns all edges comes; none if the room is not hot.
    pub heat: Option<Box<Heat>>,
    /// Which lanes the owner was asked for.
    pub watched: [bool; 2],
    /// Sessions whose clients may have to be sent an `ack`.
    pub owing: Vec<u64>,
    /// Something of it was, or may have been, lost: what the owner reports may cover rejects that are still to come.
    pub syncing: bool,
    /// Since when nobody is here, if so.
    pub empty_since: Option<Instant>,
}

impl Room {
    /// A room of which nothing is known yet.
    pub fn new(id: RoomId, partition: Partition) -> Self {
        Self {
            id,
            partition,
            epoch: Epoch(0),
            instance: Instance(0),
            lanes: LaneId::ALL.map(Lane::new),
            waiting: [Vec::new(), Vec::new()],
            seats: BTreeMap::new(),
            members: [0, 0],
            absent: false,
            hold: None,
            heat: None,
            watched: [false; 2],
            owing: Vec::new(),
            syncing: false,
            empty_since: None,
        }
    }

    /// Another owner or another room of that name is heard of (D15). The lanes are still to be told.
    pub fn begin(&mut self, epoch: Epoch, instance: Instance) {
        self.epoch = epoch;
        self.instance = instance;
        self.absent = false;
        // What the owner before it sent last may not have come.
        self.syncing = self.seats.values().any(|seat| seat.joined);
    }

    /// The last version of a lane that came, whether it was shown or not; none if no snapshot of it has come.
    pub fn known_version(&self, lane: LaneId) -> Option<u64> {
        match (&self.hold, lane) {
            (Some(hold), LaneId::Spectators) => hold.head(),
            _ => self.lanes[lane.index()].version(),
        }
    }

    /// Whether nobody is here and nothing waits for the owner.
    pub fn is_idle(&self) -> bool {
        self.members == [0, 0] && self.seats.is_empty()
    }
}

/// What a client asked for in its `join`, until it is answered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Resume {
    /// The `join`'s id.
    pub id: Option<u64>,
    /// The last version and its epoch that the client has.
    pub since: Option<(u64, String)>,
    /// `joined` was sent in answer to it.
    pub greeted: bool,
}

/// An input that the game refused.
#[derive(Debug, Clone, PartialEq)]
pub struct Reject {
    /// Which.
    pub seq: u64,
    /// Why, for the program.
    pub code: String,
    /// Why, for people.
    pub message: String,
}

/// A player's session in a room.
#[derive(Debug)]
pub struct Seat {
    /// Who.
    pub player: PlayerId,
    /// Its connection, if it still has one here.
    pub conn: Option<(ConnKey, Encoding)>,
    /// Its entries on their way to the owner.
    pub chain: Chain,
    /// The owner has taken its `Joined`.
    pub joined: bool,
    /// The answer to its `join` is complete. Until then the latest `direct`, the rejects and the ack are only kept: they come
    /// with the answer, behind the snapshot.
    pub served: bool,
    /// The player's last input that the owner reported.
    pub acked: u64,
    /// The last one for which the client was sent an `ack`.
    pub told: u64,
    /// The `seq` that the next input must have.
    pub next_seq: u64,
    /// The latest of what only this player may see.
    pub direct: Option<Data>,
    /// The latest rejects.
    pub rejects: VecDeque<Reject>,
    /// The owner's epoch that last reported the session.
    pub epoch: Epoch,
    /// Whether its connection is not read from because the window is full.
    pub paused: bool,
    /// When its timer is set to go off.
    pub timer: Option<Instant>,
}

impl Seat {
    /// A seat for a connection, whose `Joined` is still to be pushed.
    pub fn new(player: PlayerId, conn: ConnKey, encoding: Encoding, chain: Chain) -> Self {
        Self {
            player,
            conn: Some((conn, encoding)),
            chain,
            joined: false,
            served: false,
            acked: 0,
            told: 0,
            next_seq: 1,
            direct: None,
            rejects: VecDeque::new(),
            epoch: Epoch(0),
            paused: false,
            timer: None,
        }
    }

    /// The `ack` that the client is still to be sent, which it then has been.
    pub fn take_ack(&mut self) -> Option<(ConnKey, u64)> {
        let is_due = self.served && self.acked > self.told;
        let (conn, _) = self.conn.filter(|_| is_due)?;
        self.told = self.acked;
        Some((conn, self.acked))
    }

    /// Appends what its client alone is told: the latest `direct`, the kept rejects, the `ack`.
    pub fn put_private(&self, out: &mut Vec<u8>, encoding: Encoding, room: &RoomId) {
        if let Some(data) = &self.direct {
            put_message(out, encoding, &ServerMessage::Direct { room, data });
        }
        for Reject { seq, code, message } in &self.rejects {
            let reject = ServerMessage::Reject {
                room,
                seq: *seq,
                code,
                message,
            };
            put_message(out, encoding, &reject);
        }
        if self.told > 0 {
            let seq = self.told;
            put_message(out, encoding, &ServerMessage::Ack { room, seq });
        }
    }

    /// Keeps a reject; returns whether it is new.
    pub fn keep_reject(&mut self, reject: Reject) -> bool {
        if self.rejects.iter().any(|r| r.seq == reject.seq) {
            return false;
        }
        if self.rejects.len() == KEPT_REJECTS {
            self.rejects.pop_front();
        }
        self.rejects.push_back(reject);
        true
    }
}
