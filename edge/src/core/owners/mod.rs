//! The owners of partitions: requests that are repeated until the owner replies, and the numbers of workers' batches.

pub(crate) mod links;

pub(crate) mod partition;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use grandstand_common::clock::Now;
use grandstand_common::id::{Partition, RoomId};
use grandstand_common::layout::Layout;
use grandstand_common::record::Lease;
use grandstand_common::wire::InterestReply;

use super::command::InterestTag;
use super::effects::{Effects, OwnerNote, Timer};
use super::ids::RoomKey;
use links::WorkerLinks;
use partition::{OwnerRequest, PartitionOwner};

/// The least time between two requests because of changed numbers of spectators or of slow clients.
const SPECTATORS_INTERVAL: Duration = Duration::from_millis(500);
/// The time that a batch has to arrive after a reply has named its number.
const CLAIM_GRACE: Duration = Duration::from_millis(100);

/// The owners of all partitions.
#[derive(Debug)]
pub(crate) struct Owners {
    layout: Layout,
    partitions: Vec<PartitionOwner>,
    links: WorkerLinks,
    /// Rooms whose number of spectators has changed, until the timer expires.
    spectators_due: BTreeMap<RoomKey, SpectatorsDue>,
    /// Partitions whose owners may be due for a request.
    touched: VecDeque<Partition>,
}

/// A room about which its owner is told soon.
#[derive(Debug)]
struct SpectatorsDue {
    partition: Partition,
    /// Whether slow clients need a snapshot.
    needs_sync: bool,
}

impl Owners {
    /// Creates owners that are not known yet.
    pub(crate) fn new(layout: Layout) -> Self {
        Self {
            layout,
            partitions: layout.all_partitions().map(PartitionOwner::new).collect(),
            links: WorkerLinks::default(),
            spectators_due: BTreeMap::new(),
            touched: VecDeque::new(),
        }
    }

    /// Begins again with the partitions of another layout and the rooms that the core knows.
    pub(crate) fn set_layout(
        &mut self,
        layout: Layout,
        rooms: impl Iterator<Item = (Partition, RoomKey)>,
    ) {
        self.layout = layout;
        self.partitions = layout.all_partitions().map(PartitionOwner::new).collect();
        self.touched.clear();
        for (partition, room) in rooms {
            self.add(partition, room);
            if let Some(due) = self.spectators_due.get_mut(&room) {
                due.partition = partition;
            }
        }
    }

    /// The numbers of workers' batches.
    pub(crate) fn links(&mut self) -> &mut WorkerLinks {
        &mut self.links
    }

    /// Adds a room that the core knows. Its partition gets digests from then on, also if nothing else is asked.
    pub(crate) fn add(&mut self, partition: Partition, room: RoomKey) {
        if let Some(owner) = self.of_room(partition) {
            owner.add(room);
            if !owner.has_digest_timer() {
                self.touch(partition);
            }
        }
    }

    /// Drops a room that the core no longer knows.
    pub(crate) fn forget(&mut self, partition: Partition, room: RoomKey) {
        if let Some(owner) = self.of_room(partition) {
            owner.forget(room);
        }
        self.spectators_due.remove(&room);
        self.links.release(room);
    }

    /// Handles a note for a room's owner.
    pub(crate) fn note(
        &mut self,
        partition: Partition,
        room: RoomKey,
        note: OwnerNote,
        now: Now,
        effects: &mut Effects,
    ) {
        if matches!(note, OwnerNote::Spectators | OwnerNote::Snapshot) {
            if self.spectators_due.is_empty() {
                effects.at(now.at + SPECTATORS_INTERVAL, Timer::Spectators);
            }
            let due = self.spectators_due.entry(room).or_insert(SpectatorsDue {
                partition,
                needs_sync: false,
            });
            due.needs_sync |= note == OwnerNote::Snapshot;
            return;
        }
        if let Some(owner) = self.of_room(partition) {
            match note {
                OwnerNote::Spectators | OwnerNote::Snapshot | OwnerNote::Changed => {
                    owner.change(room)
                }
                OwnerNote::Unwatched => owner.set_sync(room, false),
                OwnerNote::Resync => owner.set_sync(room, true),
            }
            self.touch(partition);
        }
    }

    /// Schedules a message to an owner that this edge has no clients in a room.
    pub(crate) fn disown(&mut self, partition: Partition, room: RoomId) {
        let owner = self.of_room(partition);
        if owner.is_some_and(|owner| owner.disown(room)) {
            self.touch(partition);
        }
    }

    /// Handles a partition's record in KV `leases`; returns whether an owner has become ready.
    pub(crate) fn on_lease(&mut self, partition: Partition, lease: &Lease) -> bool {
        let owner = self.known(partition);
        let ready = owner.is_some_and(|owner| owner.on_lease(lease));
        if ready {
            self.touch(partition);
        }
        ready
    }

    /// The rooms of a partition that the core knows.
    pub(crate) fn rooms(&mut self, partition: Partition) -> Vec<RoomKey> {
        let owner = self.known(partition);
        owner.map_or_else(Vec::new, |owner| owner.rooms().collect())
    }

    /// The rooms of the partitions whose owners' batches have this sender, as far as this edge knows.
    pub(crate) fn rooms_of(&self, sender: &str) -> Vec<RoomKey> {
        let owned = self.partitions.iter().filter(|p| p.is_owned_by(sender));
        owned.flat_map(PartitionOwner::rooms).collect()
    }

    /// Whether the owner of a partition has this sender, as far as this edge knows.
    pub(crate) fn is_owner(&self, sender: &str) -> bool {
        self.partitions.iter().any(|p| p.is_owned_by(sender))
    }

    /// Schedules requests to all owners for a sync of all rooms, because batches sent while the bus was away are lost.
    pub(crate) fn resync(&mut self) {
        for at in 0..self.partitions.len() {
            self.partitions[at].resync();
            self.touch(self.layout.partition(at));
        }
    }

    /// Schedules requests about the rooms whose number of spectators has changed, or whose slow clients need a snapshot.
    pub(crate) fn on_spectators_timer(&mut self) {
        for (room, due) in std::mem::take(&mut self.spectators_due) {
            if let Some(owner) = self.of_room(due.partition) {
                if due.needs_sync {
                    owner.set_sync(room, true)
                } else {
                    owner.change(room)
                }
                self.touch(due.partition);
            }
        }
    }

    /// Handles a partition's timer: a retry or a digest may be due.
    pub(crate) fn on_partition_timer(&mut self, partition: Partition, now: Now) {
        if let Some(owner) = self.known(partition) {
            owner.on_timer(now.at);
            self.touch(partition);
        }
    }

    /// The next request to an owner. Call until `None` after each event.
    pub(crate) fn poll_request(
        &mut self,
        bus_up: bool,
        now: Now,
        effects: &mut Effects,
    ) -> Option<OwnerRequest> {
        while let Some(partition) = self.touched.pop_front() {
            let owner = self.known(partition);
            let request = owner.and_then(|owner| owner.poll_request(bus_up, now.at, effects));
            if request.is_some() {
                return request;
            }
        }
        None
    }

    /// Handles an owner's reply; `None` if it did not reply. Returns the request's rooms that need no further request.
    pub(crate) fn on_reply(
        &mut self,
        tag: InterestTag,
        reply: Option<InterestReply>,
        now: Now,
        effects: &mut Effects,
    ) -> Vec<RoomKey> {
        let Some(owner) = self.known(tag.partition) else {
            return Vec::new();
        };
        if owner.epoch() != tag.epoch {
            return Vec::new();
        }
        let settled = match reply {
            Some(reply) => {
                let settled = owner.on_answered();
                self.links.handle_claim(&reply.worker, reply.number);
                if self.links.needs_timer() {
                    effects.at(now.at + CLAIM_GRACE, Timer::Links);
                }
                settled
            }
            None => {
                owner.on_unanswered(now.at, effects);
                Vec::new()
            }
        };
        self.touch(tag.partition);
        settled
    }

    /// The partition of a room of the core, which is always one of the layout. If it were not, the log says so and no
    /// owner is told: the owner of another partition would be the wrong one.
    fn of_room(&mut self, partition: Partition) -> Option<&mut PartitionOwner> {
        let index = self.layout.index_of(partition);
        debug_assert!(index.is_some(), "{partition:?} is of another layout");
        if index.is_none() {
            let layout = self.layout;
            tracing::error!(
                ?partition,
                ?layout,
                "a room is in a partition of another layout"
            );
        }
        self.partitions.get_mut(index?)
    }

    /// A partition of the layout; `None` for one of another layout.
    fn known(&mut self, partition: Partition) -> Option<&mut PartitionOwner> {
        let index = self.layout.index_of(partition)?;
        self.partitions.get_mut(index)
    }

    /// Queues a partition for [`poll_request`](Self::poll_request).
    fn touch(&mut self, partition: Partition) {
        if self.touched.back() != Some(&partition) {
            self.touched.push_back(partition);
        }
    }
}
