//! A partition that this worker owns: its rooms, from the takeover to the handover.

mod rooms;

mod takeover;

mod intake;

mod writing;

mod quarantine;

mod checkpoints;

mod audiences;

mod delivery;

mod heat;

mod interest;

mod sessions;

mod loading;

mod timers;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use grandstand_common::id::{EdgeId, Epoch, Instance, Partition, RoomId, SessionId};
use grandstand_common::record::Checkpoint;

use crate::command::{Command, Now, Outcome, OwnerConfig, Token};
use crate::deadlines::Deadlines;
use crate::outbox::{Outbox, RoomHead};
use crate::process::metrics::Counts;
use grandstand_game::Games;

use audiences::Audience;
use rooms::Slot;
use sessions::Losing;
use takeover::Found;
pub(crate) use takeover::Stage;

/// When what failed is tried again.
const RETRY: Duration = Duration::from_millis(250);

/// What all partitions of a worker share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The time of the call.
    pub(crate) now: Now,
    pub(crate) config: OwnerConfig,
    pub(crate) games: Games,
    pub(crate) outbox: Outbox,
    pub(crate) commands: VecDeque<Command>,
    pub(crate) pending: BTreeMap<Token, (Partition, Pending)>,
    pub(crate) next_token: u64,
    /// Writes of rooms in flight.
    pub(crate) writes: usize,
    /// Appends in flight.
    pub(crate) appends: usize,
    pub(crate) counts: Counts,
}

/// What an outcome is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pending {
    /// A step of the takeover.
    Takeover,
    /// A timer's entry, or that of a dead edge: whether it was stored shows in the log.
    Append,
    /// The checkpoint's write, and the read after one that failed.
    Checkpoint,
    CheckpointBack,
    /// A room's write, and the read after one that failed.
    Room(RoomId),
    RoomBack(RoomId),
    /// The deletion of a room's key.
    Delete(RoomId),
    /// A quarantine record's write, and the read after one that failed.
    Quarantine(RoomId),
    QuarantineBack(RoomId),
    /// The deletion of a quarantine record: another build's attempt went well.
    Lift,
    /// The reading of a room at rest.
    Wake(RoomId),
    /// Where the log ends, after its reader lost its place.
    LogEnd,
}

impl Pending {
    fn is_append(&self) -> bool {
        matches!(self, Self::Append)
    }

    fn is_write(&self) -> bool {
        matches!(self, Self::Room(_) | Self::RoomBack(_) | Self::Delete(_))
    }
}

impl Shared {
    /// A token for a command whose outcome is for `pending`.
    pub(crate) fn token(&mut self, partition: Partition, pending: Pending) -> Token {
        self.next_token += 1;
        let token = Token(self.next_token);
        self.writes += usize::from(pending.is_write());
        self.appends += usize::from(pending.is_append());
        self.pending.insert(token, (partition, pending));
        token
    }

    /// What an outcome is for; `None` if its partition was dropped.
    pub(crate) fn take_pending(&mut self, token: Token) -> Option<(Partition, Pending)> {
        let (partition, pending) = self.pending.remove(&token)?;
        self.writes -= usize::from(pending.is_write());
        self.appends -= usize::from(pending.is_append());
        Some((partition, pending))
    }

    /// What was asked for a partition is not done if it has not begun, and concerns nobody any more.
    pub(crate) fn forget(&mut self, partition: Partition) {
        let of = |(p, _): &(Partition, Pending)| *p == partition;
        for (_, pending) in self.pending.values().filter(|p| of(p)) {
            self.writes -= usize::from(pending.is_write());
            self.appends -= usize::from(pending.is_append());
        }
        self.pending.retain(|_, pending| !of(pending));
        let pending = &self.pending;
        self.commands.retain(|command| match command {
            Command::Append { token, .. }
            | Command::PutIf { token, .. }
            | Command::DeleteIf { token, .. }
            | Command::Get { token, .. }
            | Command::LogState { token, .. } => pending.contains_key(token),
            Command::OpenLog { partition: of, .. }
            | Command::OpenKv { partition: of, .. }
            | Command::Ready { partition: of, .. } => *of != partition,
            _ => true,
        });
    }

    pub(crate) fn can_write(&self) -> bool {
        self.writes < self.config.writes
    }
}

/// How a partition's part in a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Fate {
    /// It is held.
    Held,
    /// Another owner's epoch was seen.
    Lost,
    /// It was handed over.
    Released,
}

/// One owned partition.
#[derive(Debug)]
pub(crate) struct Owned {
    id: Partition,
    epoch: Epoch,
    stage: Stage,
    /// As it is stored.
    checkpoint: Checkpoint,
    checkpoint_revision: u64,
    /// The checkpoint that is being written.
    checkpoint_next: Option<Checkpoint>,
    checkpoint_at: Instant,
    /// Not before, after a write that failed.
    checkpoint_retry: Option<Instant>,
    /// It is to be written whether or not it has moved.
    checkpoint_due: bool,
    /// The first and the last entry that were in the log at takeover.
    log_first: u64,
    log_last: u64,
    /// Entries before it were handled.
    next_seq: u64,
    slots: BTreeMap<RoomId, Slot>,
    /// First uncovered entries.
    uncovered: BTreeSet<(u64, RoomId)>,
    /// Deleted rooms whose keys are still there, with the entry that deleted them.
    deleted: BTreeSet<(u64, RoomId)>,
    /// Revisions of the markers of rooms that are not there.
    markers: BTreeMap<RoomId, u64>,
    /// Rooms that another build put in quarantine and that are tried once more, with their records' revisions.
    lifted: BTreeMap<RoomId, u64>,
    /// What the takeover has read.
    found: Found,
    audiences: BTreeMap<RoomId, Audience>,
    /// Which rooms an edge watches.
    watched: BTreeMap<EdgeId, BTreeSet<RoomId>>,
    /// Rooms that are watched and do not exist.
    absent: usize,
    deadlines: Deadlines<RoomId>,
    retry_at: Option<Instant>,
    /// The rooms in which an edge holds connected players' sessions.
    sessions: BTreeMap<EdgeId, BTreeSet<RoomId>>,
    /// Rooms that are loaded, and rooms at rest.
    loaded: usize,
    idle: usize,
    /// Entries that wait for rooms that are being read.
    waiting: usize,
    /// They are so many that the log is not read on.
    held: bool,
    /// Edges that are dead, and how far their players' loss is appended.
    losing: BTreeMap<EdgeId, Losing>,
    /// Sessions that their edge does not have, and when their loss was appended.
    strays: BTreeMap<SessionId, Instant>,
}

impl Owned {
    pub(crate) fn new(now: Now, id: Partition, epoch: Epoch) -> Self {
        Self {
            id,
            epoch,
            stage: Stage::Checkpoint,
            checkpoint: Checkpoint {
                epoch,
                generation: 0,
                seq: 0,
                created_ms: 0,
                cuts: Vec::new(),
            },
            checkpoint_revision: 0,
            checkpoint_next: None,
            checkpoint_at: now.at,
            checkpoint_retry: None,
            checkpoint_due: false,
            log_first: 0,
            log_last: u64::MAX,
            next_seq: 0,
            slots: BTreeMap::new(),
            uncovered: BTreeSet::new(),
            deleted: BTreeSet::new(),
            markers: BTreeMap::new(),
            lifted: BTreeMap::new(),
            found: Found::default(),
            audiences: BTreeMap::new(),
            watched: BTreeMap::new(),
            absent: 0,
            deadlines: Deadlines::default(),
            retry_at: None,
            sessions: BTreeMap::new(),
            loaded: 0,
            idle: 0,
            waiting: 0,
            held: false,
            losing: BTreeMap::new(),
            strays: BTreeMap::new(),
        }
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// How many rooms are loaded.
    pub(crate) fn rooms(&self) -> usize {
        self.loaded
    }

    /// How many rooms are at rest.
    pub(crate) fn idle_rooms(&self) -> usize {
        self.idle
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.stage == Stage::Ready
    }

    /// What became of a command.
    pub(crate) fn handle_outcome(
        &mut self,
        cx: &mut Shared,
        pending: Pending,
        outcome: Outcome,
    ) -> Fate {
        match pending {
            Pending::Takeover => self.on_takeover(cx, outcome),
            Pending::Append | Pending::Lift => Fate::Held,
            Pending::Checkpoint => self.on_checkpoint_written(cx, outcome),
            Pending::CheckpointBack => self.on_checkpoint_read_back(cx, outcome),
            Pending::Room(id) => self.on_room_written(cx, &id, outcome),
            Pending::RoomBack(id) => self.on_room_read_back(cx, &id, outcome),
            Pending::Delete(id) => self.on_deleted(cx, &id, outcome),
            Pending::Quarantine(id) => self.on_quarantine_written(cx, &id, outcome),
            Pending::QuarantineBack(id) => self.on_quarantine_read_back(cx, &id, outcome),
            Pending::Wake(id) => self.on_woken(cx, &id, outcome),
            Pending::LogEnd => {
                self.on_log_end(cx, outcome);
                Fate::Held
            }
        }
    }

    /// For items about a room; instance 0 if it does not exist.
    fn head(&self, room: &RoomId) -> RoomHead {
        let slot = self.slots.get(room);
        let instance = slot.and_then(|slot| match (&slot.room, &slot.asleep) {
            (Some(room), _) => Some(room.instance()),
            (None, asleep) => asleep.as_ref().map(|asleep| asleep.instance),
        });
        RoomHead {
            room: room.clone(),
            epoch: self.epoch,
            instance: instance.unwrap_or(Instance(0)),
        }
    }
}
