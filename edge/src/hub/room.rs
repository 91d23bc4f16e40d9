//! A room as an edge sees it: two lanes, and the seats of the players who are connected here.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use grandstand_common::data::Data;
use grandstand_common::envelope::Encoding;
use grandstand_common::id::{Epoch, Instance, Lane as LaneId, Partition, PlayerId, RoomId};
use grandstand_common::wire::Presence;

use super::lane::Lane;
use crate::ingress::chain::Chain;
use crate::sink::ConnKey;

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
    pub seats: HashMap<u64, Seat>,
    /// The players' and spectators' memberships, waiting ones included.
    pub members: [usize; 2],
    /// The owner said that there is no such room yet.
    pub absent: bool,
    /// Who is there, as last told.
    pub presence: Option<Presence>,
    /// Which lanes the owner was asked for.
    pub watched: [bool; 2],
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
            seats: HashMap::new(),
            members: [0, 0],
            absent: false,
            presence: None,
            watched: [false; 2],
            empty_since: None,
        }
    }

    /// Another owner or another room of that name is heard of: forgets what was shown before (D15).
    pub fn begin(&mut self, epoch: Epoch, instance: Instance) {
        self.epoch = epoch;
        self.instance = instance;
        self.absent = false;
        for lane in &mut self.lanes {
            lane.reset(epoch, instance);
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
    /// The player's last input that the owner reported.
    pub acked: u64,
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
            acked: 0,
            next_seq: 1,
            direct: None,
            rejects: VecDeque::new(),
            epoch: Epoch(0),
            paused: false,
            timer: None,
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
