//! The requests to one partition's owner.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use grandstand_common::id::{Epoch, Partition, RoomId, WorkerId};
use grandstand_common::record::Lease;

use crate::core::effects::{Effects, Timer};
use crate::core::ids::RoomKey;

/// The most rooms in one request.
const CHUNK: usize = 256;
/// The most rooms in a digest. If there are more, plain requests name them, and the owner drops none of its own.
const DIGEST: usize = 4096;
/// The most unknown rooms of a partition that wait for a request.
const MAX_UNKNOWN: usize = 1024;
/// The time between two digests.
const DIGEST_EVERY: Duration = Duration::from_secs(30);
/// The wait after a request without a reply. It doubles up to [`MAX_RETRY`].
const RETRY: Duration = Duration::from_millis(25);
const MAX_RETRY: Duration = Duration::from_secs(1);

/// A request to a partition's owner.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OwnerRequest {
    pub(crate) partition: Partition,
    /// Its owner's epoch.
    pub(crate) epoch: Epoch,
    /// The rooms to describe, each with whether the owner must send the state and messages that this edge lacks (a sync).
    pub(crate) rooms: Vec<(RoomKey, bool)>,
    /// Rooms that this edge does not have, although the owner's batches are about them.
    pub(crate) unknown_rooms: Vec<RoomId>,
    /// The request names all rooms of the partition that the edge has.
    pub(crate) digest: bool,
}

/// A partition's owner, and the requests that it is due.
#[derive(Debug)]
pub(crate) struct PartitionOwner {
    partition: Partition,
    /// The sender of the owner's batches.
    sender: Option<WorkerId>,
    epoch: Epoch,
    ready: bool,
    /// The rooms of this partition that the core knows.
    rooms: BTreeSet<RoomKey>,
    /// Rooms to describe in the next requests, and whether they need a sync.
    pending: BTreeMap<RoomKey, bool>,
    /// The rooms of the request that is not answered yet, and whether they need a sync.
    in_flight: Option<Vec<(RoomKey, bool)>>,
    /// Rooms that this edge does not have, although the owner's batches are about them.
    unknown_rooms: BTreeSet<RoomId>,
    /// The unknown rooms of the request that is not answered yet.
    unknown_in_flight: Vec<RoomId>,
    retry: Duration,
    not_before: Option<Instant>,
    digest_at: Option<Instant>,
    /// The next request is a digest.
    digest_due: bool,
}

impl PartitionOwner {
    /// Creates a partition whose owner is not known yet.
    pub(super) fn new(partition: Partition) -> Self {
        Self {
            partition,
            sender: None,
            epoch: Epoch(0),
            ready: false,
            rooms: BTreeSet::new(),
            pending: BTreeMap::new(),
            in_flight: None,
            unknown_rooms: BTreeSet::new(),
            unknown_in_flight: Vec::new(),
            retry: RETRY,
            not_before: None,
            digest_at: None,
            digest_due: false,
        }
    }

    /// The owner's epoch.
    pub(super) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Whether the owner's batches have this sender, as far as this edge knows.
    pub(super) fn is_owned_by(&self, sender: &str) -> bool {
        let own = self.sender.as_ref();
        own.is_some_and(|own| own.as_str() == sender)
    }

    /// The rooms of this partition that the core knows.
    pub(super) fn rooms(&self) -> impl Iterator<Item = RoomKey> + '_ {
        self.rooms.iter().copied()
    }

    /// Adds a room that the core knows.
    pub(super) fn add(&mut self, room: RoomKey) {
        self.rooms.insert(room);
    }

    /// Whether the next digest has a time.
    pub(super) fn has_digest_timer(&self) -> bool {
        self.digest_at.is_some()
    }

    /// Drops a room that the core no longer knows.
    pub(super) fn forget(&mut self, room: RoomKey) {
        self.rooms.remove(&room);
        self.pending.remove(&room);
        if let Some(in_flight) = &mut self.in_flight {
            in_flight.retain(|(r, _)| *r != room);
        }
    }

    /// Handles the partition's record in KV `leases`; returns whether the owner has become ready.
    pub(super) fn on_lease(&mut self, lease: &Lease) -> bool {
        if lease.epoch < self.epoch || (self.epoch == lease.epoch && self.ready == lease.ready) {
            return false;
        }
        self.sender = lease.sender().cloned();
        self.epoch = lease.epoch;
        self.ready = lease.ready && lease.worker.is_some();
        if self.ready {
            // A reply of the former owner no longer counts.
            self.in_flight = None;
            self.resync();
        }
        self.ready
    }

    /// Schedules requests for a sync of all rooms, without a wait.
    pub(super) fn resync(&mut self) {
        self.pending = self.rooms.iter().map(|&room| (room, true)).collect();
        self.retry = RETRY;
        self.not_before = None;
    }

    /// Schedules a request that describes a room.
    pub(super) fn change(&mut self, room: RoomKey) {
        self.pending.entry(room).or_insert(false);
    }

    /// Schedules a request that describes a room, with or without a sync.
    pub(super) fn set_sync(&mut self, room: RoomKey, sync: bool) {
        self.pending.insert(room, sync);
    }

    /// Schedules a message that this edge has no clients in a room. Returns whether there was space; the next digest
    /// covers the rooms beyond the limit.
    pub(super) fn disown(&mut self, room: RoomId) -> bool {
        let fits = self.unknown_rooms.len() < MAX_UNKNOWN;
        if fits {
            self.unknown_rooms.insert(room);
        }
        fits
    }

    /// Notes the reply to the request. Returns the request's rooms that need no further request.
    pub(super) fn on_answered(&mut self) -> Vec<RoomKey> {
        for room in std::mem::take(&mut self.unknown_in_flight) {
            self.unknown_rooms.remove(&room);
        }
        self.retry = RETRY;
        self.not_before = None;
        let rooms = self.in_flight.take().unwrap_or_default().into_iter();
        let rooms = rooms.map(|(room, _)| room);
        rooms
            .filter(|room| !self.pending.contains_key(room))
            .collect()
    }

    /// Notes that the request was not answered. It is sent again after a backoff.
    pub(super) fn on_unanswered(&mut self, now: Instant, effects: &mut Effects) {
        for (room, sync) in self.in_flight.take().unwrap_or_default() {
            *self.pending.entry(room).or_default() |= sync;
        }
        self.not_before = Some(now + self.retry);
        effects.at(now + self.retry, Timer::Partition(self.partition));
        self.retry = (self.retry * 2).min(MAX_RETRY);
    }

    /// Schedules the digest if it is due. With too many rooms or a request pending, all rooms are described one by one.
    pub(super) fn on_timer(&mut self, now: Instant) {
        if self.digest_at.is_none_or(|at| at > now) {
            return;
        }
        self.digest_at = None;
        if self.ready
            && self.in_flight.is_none()
            && self.pending.is_empty()
            && self.rooms.len() <= DIGEST
        {
            self.digest_due = true;
        } else {
            for &room in &self.rooms {
                self.pending.entry(room).or_insert(false);
            }
        }
    }

    /// The next request to the owner, unless a request is in flight or the backoff is not over. Sets the timer of the
    /// next digest.
    pub(super) fn poll_request(
        &mut self,
        bus_up: bool,
        now: Instant,
        effects: &mut Effects,
    ) -> Option<OwnerRequest> {
        let backs_off = self.not_before.is_some_and(|at| at > now);
        let is_due = !self.pending.is_empty() || !self.unknown_rooms.is_empty();
        let request = if std::mem::take(&mut self.digest_due) {
            // A digest without rooms is sent too: it tells the owner that this edge has none.
            let rooms = self.rooms.iter().map(|&room| (room, false)).collect();
            Some(self.request(rooms, true))
        } else if self.ready && self.in_flight.is_none() && !backs_off && is_due && bus_up {
            let rooms = (0..CHUNK).map_while(|_| self.pending.pop_first()).collect();
            Some(self.request(rooms, false))
        } else {
            None
        };
        if self.digest_at.is_none() && !self.rooms.is_empty() {
            self.digest_at = Some(now + DIGEST_EVERY);
            effects.at(now + DIGEST_EVERY, Timer::Partition(self.partition));
        }
        request
    }

    fn request(&mut self, rooms: Vec<(RoomKey, bool)>, digest: bool) -> OwnerRequest {
        let unknown_rooms: Vec<_> = self.unknown_rooms.iter().take(CHUNK).cloned().collect();
        self.in_flight = Some(rooms.clone());
        self.unknown_in_flight.clone_from(&unknown_rooms);
        OwnerRequest {
            partition: self.partition,
            epoch: self.epoch,
            rooms,
            unknown_rooms,
            digest,
        }
    }
}
