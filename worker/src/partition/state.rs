//! The machines of a partition, side by side.

use grandstand_common::id::{EdgeId, RoomId};
use grandstand_common::wire::{self, ItemKind};

use super::audience::HotLimits;
use super::audiences::{self, Audiences};
use super::change::{Change, ResidenceChange};
use super::checkpoints::Checkpoints;
use super::coverage::Coverage;
use super::edge_sessions::EdgeSessions;
use super::log::LogReading;
use super::needs::Needs;
use super::quarantine_records::QuarantineRecords;
use super::room_coverage::CoverageLimits;
use super::room_reads::RoomReads;
use super::rooms::Rooms;
use super::takeover::Takeover;
use super::tenure::Tenure;
use super::timers::Timers;
use crate::command::{EngineConfig, Now};
use crate::context::Context;
use crate::outbox::RoomHead;

/// The state of an owned partition: its machines.
#[derive(Debug)]
pub(super) struct PartitionState {
    pub(super) tenure: Tenure,
    pub(super) takeover: Takeover,
    pub(super) checkpoints: Checkpoints,
    pub(super) log: LogReading,
    pub(super) rooms: Rooms,
    pub(super) room_reads: RoomReads,
    pub(super) coverage: Coverage,
    pub(super) quarantine_records: QuarantineRecords,
    pub(super) timers: Timers,
    pub(super) sessions: EdgeSessions,
    pub(super) audiences: Audiences,
    pub(super) needs: Needs,
}

impl PartitionState {
    pub(super) fn new(now: Now, config: &EngineConfig, tenure: Tenure) -> Self {
        let coverage = CoverageLimits {
            entries: config.snapshot_entries.into(),
            bytes: config.snapshot_bytes,
            delay: config.snapshot_delay,
            max_delay: config.snapshot_max_delay,
        };
        let audiences = audiences::Limits {
            presence_interval: config.presence_interval,
            hot: HotLimits {
                hot_edges: config.hot_edges,
                cold_edges: config.cold_edges,
                cold_after: config.cold_after,
            },
            absent_rooms: config.absent_rooms,
        };
        Self {
            tenure,
            takeover: Takeover::default(),
            checkpoints: Checkpoints::new(tenure.epoch, now.at),
            log: LogReading::default(),
            rooms: Rooms::default(),
            room_reads: RoomReads::default(),
            coverage: Coverage::new(coverage),
            quarantine_records: QuarantineRecords::default(),
            timers: Timers::default(),
            sessions: EdgeSessions::default(),
            audiences: Audiences::new(audiences),
            needs: Needs::default(),
        }
    }

    /// Forgets the rooms that were found, because the takeover begins again.
    pub(super) fn forget_rooms(&mut self, cx: &mut Context) {
        self.rooms = Rooms::default();
        self.room_reads = RoomReads::default();
        self.coverage.reset();
        self.quarantine_records = QuarantineRecords::default();
        self.sessions = EdgeSessions::default();
        cx.loads.forget(self.tenure.id);
    }

    /// Returns the first entry that neither a stored snapshot nor a quarantine record covers. Until all stored rooms are
    /// read, it is that of the stored checkpoint.
    pub(super) fn covered_to(&self) -> u64 {
        if !self.takeover.is_read() {
            return self.checkpoints.seq();
        }
        let first = self.coverage.first().into_iter();
        let first = first.chain(self.quarantine_records.first()).min();
        first.unwrap_or(self.log.next_seq())
    }

    /// Whether stored snapshots and quarantine records cover every entry, and no record is left that protects nothing.
    pub(super) fn is_covered(&self) -> bool {
        self.coverage.first().is_none()
            && self.quarantine_records.first().is_none()
            && !self.quarantine_records.has_cleared()
    }

    /// Returns the head of items about a room. Its instance is 0 if the room does not exist.
    pub(super) fn head(&self, id: &RoomId) -> RoomHead {
        RoomHead {
            room: id.clone(),
            epoch: self.tenure.epoch,
            instance: self.rooms.instance(id),
        }
    }

    /// Adds a lane to those that an edge watches. Returns whether the edge did not watch it before.
    pub(super) fn watch(
        &mut self,
        id: &RoomId,
        edge: &EdgeId,
        lane: grandstand_common::id::Lane,
    ) -> bool {
        let exists = self.rooms.exists(id);
        self.audiences.watch(id, edge, lane, exists)
    }

    /// Sends `Closed` to all edges that watch a room, and removes its audience. `exists` says whether the room existed
    /// before.
    pub(super) fn close(&mut self, cx: &mut Context, head: &RoomHead, exists: bool, code: &str) {
        let Some(edges) = self.audiences.close(&head.room, exists) else {
            return;
        };
        cx.outbox.forget_hot(&head.room);
        for edge in edges {
            let closed = wire::Closed {
                code: code.to_owned(),
            };
            // A `Closed` never exceeds the payload limit.
            let _ = cx
                .outbox
                .push(cx.now.at, &edge, head, ItemKind::Closed(closed));
        }
    }

    /// Updates coverage, timers and sessions after a room's change. Sends and writes nothing. Returns whether the room
    /// is due to be written.
    pub(super) fn update_machines(
        &mut self,
        cx: &Context,
        id: &RoomId,
        change: &mut Change,
    ) -> bool {
        let now = cx.now.at;
        let size = (change.bytes, change.snapshot_bytes);
        let mut is_due = change.seq != 0 && self.coverage.mark(id, change.seq, size, now);
        match change.residence {
            ResidenceChange::Created(deleted) => {
                self.coverage.set_urgent(id, false, now);
                if let Some(deleted) = deleted {
                    self.coverage.remove_deleted(id, deleted);
                }
            }
            ResidenceChange::Deleted(_) => is_due |= self.coverage.set_urgent(id, true, now),
            ResidenceChange::Wiped => drop(self.coverage.clear(id)),
            ResidenceChange::Quarantined => self.room_reads.forget(id),
            ResidenceChange::Unchanged | ResidenceChange::Loaded | ResidenceChange::Unloaded => {}
        }
        self.timers.set(id, self.rooms.timers(id), cx.now);
        if let Some(edges) = change.edges.take() {
            self.sessions.set(id, edges);
        }
        is_due
    }

    /// Schedules the unloading of a room if it is idle, and cancels it otherwise.
    pub(super) fn update_idle(&mut self, cx: &Context, id: &RoomId) {
        if cx.config.idle.is_some() {
            let is_idle = self.is_idle(id);
            self.rooms.set_idle(cx, id, is_idle);
        }
    }

    /// Whether a room may leave memory once its snapshot covers all its entries: no player is connected, and no edge
    /// watches it.
    pub(super) fn is_idle(&self, id: &RoomId) -> bool {
        (self.rooms.revision(id) > 0 || !self.coverage.is_clean(id))
            && !self.audiences.is_watched(id)
            && self
                .rooms
                .get(id)
                .is_some_and(|room| room.edges().next().is_none())
    }
}
