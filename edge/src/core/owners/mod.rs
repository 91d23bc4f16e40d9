//! The owners of partitions: what they are told, again and again until they have it, and what they have sent.

pub(crate) mod links;

pub(crate) mod partition;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use grandstand_common::clock::Now;
use grandstand_common::id::{Partition, RoomId};
use grandstand_common::record::Lease;
use grandstand_common::wire::InterestReply;

use super::command::InterestTag;
use super::effects::{Effects, Tell, Timer};
use super::ids::RoomKey;
use links::WorkerLinks;
use partition::{OwnerRequest, PartitionOwner};

/// How often changed numbers of viewers are told.
const VIEWERS_EVERY: Duration = Duration::from_millis(500);
/// How long a batch may take whose number an answer named.
const CLAIM_GRACE: Duration = Duration::from_millis(100);

/// The owners of all partitions.
#[derive(Debug)]
pub(crate) struct Owners {
    partitions: Vec<PartitionOwner>,
    links: WorkerLinks,
    /// Rooms whose numbers of viewers have changed.
    viewers_due: BTreeMap<RoomKey, Partition>,
    /// Partitions whose owners may be due for a request.
    touched: VecDeque<Partition>,
}

impl Owners {
    /// No partition's owner is known yet.
    pub(crate) fn new(partitions: u16) -> Self {
        let partitions = (0..partitions).map(|p| PartitionOwner::new(Partition(p)));
        Self {
            partitions: partitions.collect(),
            links: WorkerLinks::default(),
            viewers_due: BTreeMap::new(),
            touched: VecDeque::new(),
        }
    }

    /// The numbers of workers' batches.
    pub(crate) fn links(&mut self) -> &mut WorkerLinks {
        &mut self.links
    }

    /// Adds a room that the core knows.
    pub(crate) fn add(&mut self, partition: Partition, room: RoomKey) {
        self.partition(partition).add(room);
    }

    /// Drops a room that the core no longer knows.
    pub(crate) fn forget(&mut self, partition: Partition, room: RoomKey) {
        self.partition(partition).forget(room);
        self.viewers_due.remove(&room);
        self.links.release(room);
    }

    /// Notes what a room's owner is to be told.
    pub(crate) fn note(
        &mut self,
        partition: Partition,
        room: RoomKey,
        tell: Tell,
        now: Now,
        effects: &mut Effects,
    ) {
        match tell {
            Tell::Viewers => {
                if self.viewers_due.is_empty() {
                    effects.at(now.at + VIEWERS_EVERY, Timer::Viewers);
                }
                self.viewers_due.insert(room, partition);
                return;
            }
            Tell::Changed => self.partition(partition).change(room),
            Tell::Unwatched => self.partition(partition).set_sync(room, false),
            Tell::Resync => self.partition(partition).set_sync(room, true),
        }
        self.touch(partition);
    }

    /// Lets an owner be told that nobody is in a room that is not known here.
    pub(crate) fn disown(&mut self, partition: Partition, room: RoomId) {
        if self.partition(partition).disown(room) {
            self.touch(partition);
        }
    }

    /// Takes what KV `leases` says of a partition; returns whether an owner is ready that was not before.
    pub(crate) fn on_lease(&mut self, partition: Partition, lease: &Lease) -> bool {
        let owner = self.partitions.get_mut(usize::from(partition.0));
        let ready = owner.is_some_and(|owner| owner.on_lease(lease));
        if ready {
            self.touch(partition);
        }
        ready
    }

    /// The rooms of a partition that the core knows.
    pub(crate) fn rooms(&self, partition: Partition) -> Vec<RoomKey> {
        self.partitions[usize::from(partition.0)].rooms().collect()
    }

    /// The rooms that a worker owns.
    pub(crate) fn rooms_of(&self, worker: &str) -> Vec<RoomKey> {
        let owned = self.partitions.iter().filter(|p| p.is_owned_by(worker));
        owned.flat_map(PartitionOwner::rooms).collect()
    }

    /// Whether a worker owns a partition, as far as is known.
    pub(crate) fn owns_something(&self, worker: &str) -> bool {
        self.partitions.iter().any(|p| p.is_owned_by(worker))
    }

    /// Asks all owners for everything again: whatever they sent while the bus was away is lost.
    pub(crate) fn resync(&mut self) {
        for at in 0..self.partitions.len() {
            self.partitions[at].resync();
            self.touch(Partition(at as u16));
        }
    }

    /// Lets owners be told the numbers of viewers that have changed.
    pub(crate) fn on_viewers_timer(&mut self) {
        for (room, partition) in std::mem::take(&mut self.viewers_due) {
            self.partition(partition).change(room);
            self.touch(partition);
        }
    }

    /// Lets a partition's owner be told again what is due.
    pub(crate) fn on_partition_timer(&mut self, partition: Partition, now: Now) {
        self.partition(partition).on_timer(now.at);
        self.touch(partition);
    }

    /// The next request to an owner. Call until `None` after each event.
    pub(crate) fn poll_request(
        &mut self,
        bus_up: bool,
        now: Now,
        effects: &mut Effects,
    ) -> Option<OwnerRequest> {
        while let Some(partition) = self.touched.pop_front() {
            let owner = self.partition(partition);
            if let Some(request) = owner.poll_request(bus_up, now.at, effects) {
                return Some(request);
            }
        }
        None
    }

    /// Takes an owner's reply; `None` if there was none. Returns the rooms that were told and about which nothing further
    /// is to be told.
    pub(crate) fn on_reply(
        &mut self,
        tag: InterestTag,
        reply: Option<InterestReply>,
        now: Now,
        effects: &mut Effects,
    ) -> Vec<RoomKey> {
        let owner = self.partition(tag.partition);
        if owner.epoch() != tag.epoch {
            return Vec::new();
        }
        let told = match reply {
            Some(reply) => {
                let told = owner.on_answered();
                self.links.handle_claim(&reply.worker, reply.number, false);
                if self.links.is_waiting() {
                    effects.at(now.at + CLAIM_GRACE, Timer::Links);
                }
                told
            }
            None => {
                owner.on_unanswered(now.at, effects);
                Vec::new()
            }
        };
        self.touch(tag.partition);
        told
    }

    fn partition(&mut self, partition: Partition) -> &mut PartitionOwner {
        &mut self.partitions[usize::from(partition.0)]
    }

    fn touch(&mut self, partition: Partition) {
        if self.touched.back() != Some(&partition) {
            self.touched.push_back(partition);
        }
    }
}
