//! What this edge watches, told to the partitions' owners and told again until they have it: soft state.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bytes::Bytes;
use grandstand_common::id::{Epoch, Lane as LaneId, Partition, RoomId, WorkerId};
use grandstand_common::record::Lease;
use grandstand_common::wire::InterestReply;
use prost::Message;

use crate::core::rooms::room::RoomKey;
use crate::core::{Core, Timer};
use grandstand_common::clock::Now;

pub mod links;

mod request;

/// Rooms in one request.
const CHUNK: usize = 256;
/// The most rooms that a digest names; with more, it is sent in chunks that drop nothing.
const DIGEST: usize = 4096;
/// The most rooms of a partition that wait for being told that nobody is here.
const STRAYS: usize = 1024;
/// How often all that is watched is told anew.
const DIGEST_EVERY: Duration = Duration::from_secs(30);
/// The first wait after a request that was not answered, doubled up to [`MAX_RETRY`].
const RETRY: Duration = Duration::from_millis(25);
const MAX_RETRY: Duration = Duration::from_secs(1);
/// How often changed numbers of viewers are told.
const VIEWERS_EVERY: Duration = Duration::from_millis(500);
/// How long a batch may take that an answer spoke of.
const CLAIM_GRACE: Duration = Duration::from_millis(100);

/// What was asked, and under which owner. What a former one says, or does not say, is of no interest any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// The partition.
    pub partition: Partition,
    /// Its owner's epoch.
    pub epoch: Epoch,
}

/// A partition: who owns it, and what its owner is still to be told.
#[derive(Debug)]
pub struct Watch {
    partition: Partition,
    owner: Option<WorkerId>,
    epoch: Epoch,
    ready: bool,
    /// The rooms of this partition that the core knows.
    pub(crate) rooms: BTreeSet<RoomKey>,
    /// Rooms to tell the owner about, and whether its answer is to bring what they lack.
    due: BTreeMap<RoomKey, bool>,
    asking: Option<Vec<(RoomKey, bool)>>,
    /// Rooms that are not known here, of which the owner sent as if they were: to be told that nobody is here.
    strays: BTreeSet<RoomId>,
    /// Which of these are in what is asked.
    strays_asked: Vec<RoomId>,
    retry: Duration,
    not_before: Option<Instant>,
    digest_at: Option<Instant>,
}

impl Watch {
    /// A partition whose owner is not known yet.
    pub fn new(partition: Partition) -> Self {
        Self {
            partition,
            owner: None,
            epoch: Epoch(0),
            ready: false,
            rooms: BTreeSet::new(),
            due: BTreeMap::new(),
            asking: None,
            strays: BTreeSet::new(),
            strays_asked: Vec::new(),
            retry: RETRY,
            not_before: None,
            digest_at: None,
        }
    }

    /// Drops a room that the core no longer knows.
    pub(crate) fn forget(&mut self, room: RoomKey) {
        self.rooms.remove(&room);
        self.due.remove(&room);
        if let Some(asking) = &mut self.asking {
            asking.retain(|(r, _)| *r != room);
        }
    }
}

impl Core {
    /// Who owns a partition, as KV `leases` says.
    pub fn handle_lease(&mut self, partition: Partition, lease: &Lease, now: Now) {
        let Some(watch) = self.watches.get_mut(usize::from(partition.0)) else {
            return;
        };
        if lease.epoch < watch.epoch || (watch.epoch == lease.epoch && watch.ready == lease.ready) {
            return;
        }
        watch.owner = lease.worker.clone();
        watch.epoch = lease.epoch;
        watch.ready = lease.ready && lease.worker.is_some();
        if watch.ready {
            // Nobody waits for a former owner.
            watch.asking = None;
            watch.due = watch.rooms.iter().map(|&room| (room, true)).collect();
            watch.retry = RETRY;
            watch.not_before = None;
            let rooms: Vec<_> = watch.rooms.iter().copied().collect();
            self.tell_owner(partition, now);
            if self.health.is_up() {
                self.repeat_joins(&rooms, now);
            }
        }
    }

    /// The answer to [`Command::Interest`](crate::core::Command::Interest); `None` if there was none.
    pub fn handle_interest_reply(&mut self, question: Question, reply: Option<Bytes>, now: Now) {
        let partition = question.partition;
        let watch = &mut self.watches[usize::from(partition.0)];
        if watch.epoch != question.epoch {
            return;
        }
        let asked = watch.asking.take().unwrap_or_default();
        match reply.and_then(|r| InterestReply::decode(r).ok()) {
            Some(reply) => {
                for room in std::mem::take(&mut watch.strays_asked) {
                    watch.strays.remove(&room);
                }
                watch.retry = RETRY;
                watch.not_before = None;
                self.links.handle_claim(&reply.worker, reply.number, false);
                if self.links.is_waiting() {
                    self.effects.at(now.at + CLAIM_GRACE, Timer::Links);
                }
                for (key, _) in asked {
                    let gone = self
                        .rooms
                        .get(key)
                        .is_some_and(|r| r.watched == [false; 2] && r.is_idle());
                    if gone
                        && !self.watches[usize::from(partition.0)]
                            .due
                            .contains_key(&key)
                    {
                        self.remove_room(key);
                    }
                }
            }
            None => {
                for (room, sync) in asked {
                    *watch.due.entry(room).or_default() |= sync;
                }
                watch.not_before = Some(now.at + watch.retry);
                self.effects
                    .at(now.at + watch.retry, Timer::Watch(partition));
                watch.retry = (watch.retry * 2).min(MAX_RETRY);
            }
        }
        self.tell_owner(partition, now);
    }

    /// Has a lane of a room watched, if it is not.
    pub(crate) fn watch(&mut self, key: RoomKey, lane: LaneId, now: Now) {
        let room = &mut self.rooms[key];
        if !std::mem::replace(&mut room.watched[lane.index()], true) {
            self.sync(key, now);
        }
    }

    /// Nobody is here any more: tells the owner, and forgets the room when it has been told.
    pub(crate) fn unwatch(&mut self, key: RoomKey, now: Now) {
        let room = &mut self.rooms[key];
        room.watched = [false; 2];
        let partition = room.partition;
        self.watches[usize::from(partition.0)]
            .due
            .insert(key, false);
        self.tell_owner(partition, now);
    }

    /// Has the owner told how things are with a room.
    pub(crate) fn tell_soon(&mut self, partition: Partition, key: RoomKey, now: Now) {
        let watch = &mut self.watches[usize::from(partition.0)];
        watch.due.entry(key).or_insert(false);
        self.tell_owner(partition, now);
    }

    /// Asks the owner for what this edge lacks of a room.
    pub(crate) fn sync(&mut self, key: RoomKey, now: Now) {
        let Some(room) = self.rooms.get(key) else {
            return;
        };
        let partition = room.partition;
        self.watches[usize::from(partition.0)].due.insert(key, true);
        self.tell_owner(partition, now);
    }

    /// The owner takes somebody for connected here who is not: it is told who is.
    pub(crate) fn disown(&mut self, room: &str, now: Now) {
        if let Some(&key) = self.names.get(room) {
            let partition = self.rooms[key].partition;
            self.watches[usize::from(partition.0)]
                .due
                .entry(key)
                .or_insert(false);
            return self.tell_owner(partition, now);
        }
        let Ok(id) = room.parse::<RoomId>() else {
            return;
        };
        let partition = id.partition(self.config.partitions);
        let watch = &mut self.watches[usize::from(partition.0)];
        // What finds no place is found out by the next digest.
        if watch.strays.len() < STRAYS {
            watch.strays.insert(id);
            self.tell_owner(partition, now);
        }
    }

    /// The rooms that a worker owns.
    pub(crate) fn rooms_of(&self, worker: &str) -> Vec<RoomKey> {
        let owned = |w: &&Watch| w.owner.as_ref().is_some_and(|o| o.as_str() == worker);
        let all = self.watches.iter().filter(owned);
        all.flat_map(|watch| watch.rooms.iter().copied()).collect()
    }

    /// The bus is back: whatever owners sent meanwhile is lost, and what they were told may be.
    pub(crate) fn watch_everything(&mut self, now: Now) {
        self.doubt_heat();
        for at in 0..self.watches.len() {
            let watch = &mut self.watches[at];
            watch.due = watch.rooms.iter().map(|&room| (room, true)).collect();
            watch.retry = RETRY;
            watch.not_before = None;
            let partition = watch.partition;
            self.tell_owner(partition, now);
        }
    }

    /// Whether a worker owns a partition, as far as is known.
    pub(crate) fn owns_something(&self, worker: &str) -> bool {
        self.watches
            .iter()
            .any(|w| w.owner.as_ref().is_some_and(|o| o.as_str() == worker))
    }

    pub(crate) fn viewers_changed(&mut self, key: RoomKey, now: Instant) {
        if self.viewers_due.is_empty() {
            self.effects.at(now + VIEWERS_EVERY, Timer::Viewers);
        }
        self.viewers_due.insert(key);
    }

    pub(crate) fn on_viewers_timer(&mut self, now: Now) {
        for key in std::mem::take(&mut self.viewers_due) {
            let Some(room) = self.rooms.get(key) else {
                continue;
            };
            let partition = room.partition;
            self.watches[usize::from(partition.0)]
                .due
                .entry(key)
                .or_insert(false);
            self.tell_owner(partition, now);
        }
    }

    pub(crate) fn on_watch_timer(&mut self, partition: Partition, now: Now) {
        let watch = &mut self.watches[usize::from(partition.0)];
        if watch.digest_at.is_some_and(|at| at <= now.at) {
            watch.digest_at = None;
            if watch.ready
                && watch.asking.is_none()
                && watch.due.is_empty()
                && watch.rooms.len() <= DIGEST
            {
                // Said even if it is of nothing: then the owner learns that.
                let rooms: Vec<_> = watch.rooms.iter().map(|&room| (room, false)).collect();
                self.request(partition, rooms, true);
            } else {
                let rooms = watch.rooms.clone();
                for room in rooms {
                    watch.due.entry(room).or_insert(false);
                }
            }
        }
        self.tell_owner(partition, now);
    }
}
