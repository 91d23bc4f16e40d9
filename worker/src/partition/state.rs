//! The machines of a partition, side by side.

use grandstand_common::id::{EdgeId, RoomId};
use grandstand_common::wire::{self, ItemKind};

use super::audiences::{self, Audiences};
use super::change::{Change, ResidenceChange};
use super::checkpoints::Checkpoints;
use super::coverage::{self, Coverage};
use super::log::LogReading;
use super::quarantine_records::QuarantineRecords;
use super::rooms::Rooms;
use super::sessions::EdgeSessions;
use super::takeover::Takeover;
use super::tenure::Tenure;
use super::ticks::Ticks;
use super::timers::Timers;
use crate::command::{EngineConfig, Now};
use crate::context::Context;
use crate::outbox::RoomHead;

/// All that is known of an owned partition.
#[derive(Debug)]
pub(super) struct PartitionState {
    pub(super) tenure: Tenure,
    pub(super) takeover: Takeover,
    pub(super) checkpoints: Checkpoints,
    pub(super) log: LogReading,
    pub(super) rooms: Rooms,
    pub(super) coverage: Coverage,
    pub(super) quarantine_records: QuarantineRecords,
    pub(super) timers: Timers,
    pub(super) sessions: EdgeSessions,
    pub(super) ticks: Ticks,
    pub(super) audiences: Audiences,
}

impl PartitionState {
    pub(super) fn new(now: Now, config: &EngineConfig, tenure: Tenure) -> Self {
        let coverage = coverage::Limits {
            entries: config.snapshot_entries,
            delay: config.snapshot_delay,
        };
        let audiences = audiences::Limits {
            presence_interval: config.presence_interval,
            hot_edges: config.hot_edges,
            cold_edges: config.cold_edges,
            cold_after: config.cold_after,
            absent_rooms: config.absent_rooms,
        };
        Self {
            tenure,
            takeover: Takeover::default(),
            checkpoints: Checkpoints::new(tenure.epoch, now.at),
            log: LogReading::default(),
            rooms: Rooms::default(),
            coverage: Coverage::new(coverage),
            quarantine_records: QuarantineRecords::default(),
            timers: Timers::default(),
            sessions: EdgeSessions::default(),
            ticks: Ticks::default(),
            audiences: Audiences::new(audiences),
        }
    }

    /// The first entry that neither a stored snapshot nor a quarantine record covers.
    pub(super) fn covered_to(&self) -> u64 {
        let first = self.coverage.first().into_iter();
        let first = first.chain(self.quarantine_records.first()).min();
        first.unwrap_or(self.log.next_seq())
    }

    /// Whether every entry is covered.
    pub(super) fn is_covered(&self) -> bool {
        self.coverage.first().is_none() && self.quarantine_records.first().is_none()
    }

    /// For items about a room; instance 0 if it does not exist.
    pub(super) fn head(&self, id: &RoomId) -> RoomHead {
        RoomHead {
            room: id.clone(),
            epoch: self.tenure.epoch,
            instance: self.rooms.instance(id),
        }
    }

    /// An edge watches a lane from now on. Returns whether it did not before.
    pub(super) fn watch(
        &mut self,
        id: &RoomId,
        edge: &EdgeId,
        lane: grandstand_common::id::Lane,
    ) -> bool {
        let exists = self.rooms.exists(id);
        self.audiences.watch(id, edge, lane, exists)
    }

    /// Sends all edges that watch a room away. `exists`: the room did.
    pub(super) fn close(&mut self, cx: &mut Context, head: &RoomHead, exists: bool, code: &str) {
        let Some(edges) = self.audiences.close(&head.room, exists) else {
            return;
        };
        cx.outbox.forget_hot(&head.room);
        for edge in edges {
            let closed = wire::Closed {
                code: code.to_owned(),
            };
            // A `Closed` is always small enough.
            let _ = cx
                .outbox
                .push(cx.now.at, &edge, head, ItemKind::Closed(closed));
        }
    }

    /// Tells the machines of a room's change that need nothing sent or written. Returns whether the room is to be written
    /// now.
    pub(super) fn update_machines(
        &mut self,
        cx: &Context,
        id: &RoomId,
        change: &mut Change,
    ) -> bool {
        let now = cx.now.at;
        let mut is_due = change.seq != 0 && self.coverage.mark(id, change.seq, now);
        match change.residence {
            ResidenceChange::Created(deleted) => {
                self.coverage.set_deleted(id, false, now);
                if let Some(deleted) = deleted {
                    self.coverage.remove_deleted(id, deleted);
                }
            }
            ResidenceChange::Deleted(_) => is_due |= self.coverage.set_deleted(id, true, now),
            ResidenceChange::Wiped => drop(self.coverage.clear(id)),
            ResidenceChange::Unchanged
            | ResidenceChange::Loaded
            | ResidenceChange::Unloaded
            | ResidenceChange::Quarantined => {}
        }
        if self.takeover.is_ready() {
            self.timers.set(id, self.rooms.timers(id), cx.now);
        }
        if let Some(edges) = change.edges.take() {
            self.sessions.set(id, edges);
        }
        is_due
    }

    /// Starts, keeps or ends a room's ticks: it has some only while somebody watches.
    pub(super) fn update_ticks(&mut self, cx: &Context, id: &RoomId) {
        let every = self.rooms.tick_interval(id);
        let every = every.filter(|_| self.audiences.is_watched(id) && self.takeover.is_ready());
        self.ticks.set(id, every, cx.now.at);
    }

    /// Looks whether a room may leave memory some time: nobody is connected to it or watches it, and its stored snapshot
    /// has all of it.
    pub(super) fn update_idle(&mut self, cx: &Context, id: &RoomId) {
        if cx.config.idle.is_some() {
            let is_idle = self.is_idle(id);
            self.rooms.set_idle(cx, id, is_idle);
        }
    }

    /// Whether nothing keeps a room in memory.
    pub(super) fn is_idle(&self, id: &RoomId) -> bool {
        self.takeover.is_ready()
            && self.coverage.is_clean(id)
            && !self.audiences.is_watched(id)
            && self
                .rooms
                .get(id)
                .is_some_and(|room| room.edges().next().is_none())
    }
}
