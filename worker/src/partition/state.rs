//! The machines of a partition, side by side.

use std::time::Instant;

use grandstand_common::by_name::ByName;
use grandstand_common::id::{EdgeId, RoomId};
use grandstand_common::wire::{self, ItemKind};

use super::audience::HotLimits;
use super::audiences::{self, Audiences};
use super::bots::BotTurns;
use super::change::{Change, ResidenceChange};
use super::checkpoints::Checkpoints;
use super::coverage::Coverage;
use super::edge_sessions::EdgeSessions;
use super::lobby::Lobby;
use super::log::LogReading;
use super::needs::Needs;
use super::outlets::Outlets;
use super::quarantine_records::QuarantineRecords;
use super::room_coverage::CoverageLimits;
use super::room_reads::RoomReads;
use super::rooms::Rooms;
use super::takeover::Takeover;
use super::tenure::Tenure;
use super::timers::Timers;
use super::worlds::Worlds;
use crate::command::Command;
use crate::context::Context;
use crate::counts::{GameCounts, RoomCounts};
use crate::outbox::RoomHead;
use crate::room::Emit;
use crate::room::Room;
use crate::stored::outlet::PendingItem;

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
    pub(super) worlds: Worlds,
    pub(super) outlets: Outlets,
    pub(super) bots: BotTurns,
    pub(super) lobby: Lobby,
}

impl PartitionState {
    pub(super) fn new(cx: &Context, tenure: Tenure) -> Self {
        let config = &cx.config;
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
            checkpoints: Checkpoints::new(tenure.epoch, cx.now.at),
            log: LogReading::default(),
            rooms: Rooms::default(),
            room_reads: RoomReads::default(),
            coverage: Coverage::new(coverage),
            quarantine_records: QuarantineRecords::default(),
            timers: Timers::default(),
            sessions: EdgeSessions::default(),
            audiences: Audiences::new(audiences),
            needs: Needs::default(),
            worlds: Worlds::new(cx.origin),
            outlets: Outlets::default(),
            bots: BotTurns::default(),
            lobby: Lobby::default(),
        }
    }

    /// Forgets the rooms that were found, because the takeover begins again.
    pub(super) fn forget_rooms(&mut self, cx: &mut Context) {
        self.rooms = Rooms::default();
        self.room_reads = RoomReads::default();
        self.coverage.reset();
        self.quarantine_records = QuarantineRecords::default();
        self.sessions = EdgeSessions::default();
        self.worlds = Worlds::new(cx.origin);
        self.bots = BotTurns::default();
        self.lobby = Lobby::default();
        cx.loads.forget(self.tenure.id);
        let partition = self.tenure.id;
        let close = |reader| Command::CloseRoom { partition, reader };
        cx.commands.extend(self.outlets.readers().map(close));
        self.outlets.reset();
    }

    /// Whether what follows from an entry is sent to edges. A replay sends nothing, but entries that were held back meanwhile
    /// are new to all.
    pub(super) fn sends(&self, id: &RoomId, seq: u64) -> bool {
        self.takeover.sends(seq) || self.takeover.is_ready() && self.outlets.is_held(id)
    }

    /// Returns the first entry that neither a stored snapshot nor a quarantine record covers. Until all stored rooms are
    /// read, it is that of the stored checkpoint.
    pub(super) fn covered_to(&self) -> u64 {
        if !self.takeover.is_read() {
            return self.checkpoints.seq();
        }
        let first = self.coverage.first().into_iter();
        let first = first.chain(self.quarantine_records.first());
        let first = first.chain(self.outlets.first_held()).min();
        first.unwrap_or(self.log.next_seq())
    }

    /// Returns the numbers of its rooms.
    pub(super) fn room_counts(&self) -> RoomCounts {
        let known = self.rooms.known();
        RoomCounts {
            loaded: known.loaded(),
            stored: known.stored(),
            too_new: known.too_new(),
            held: self.coverage.held(),
            waiting: self.outlets.held(),
            quarantined: known.quarantined(),
        }
    }

    /// Adds the rooms in memory and the spectators to numbers by game. Returns how many entries of the log are not applied
    /// yet, as far as is known.
    pub(super) fn measure(&self, games: &mut ByName<GameCounts>) -> u64 {
        for (game, loaded) in self.rooms.known().games() {
            games.get_or_insert(game, GameCounts::default).rooms += loaded;
        }
        for (game, viewers) in self.audiences.viewers_by_game() {
            games.get_or_insert(game, GameCounts::default).viewers += viewers;
        }
        self.log.unapplied()
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
        match change.residence {
            ResidenceChange::Unchanged | ResidenceChange::Loaded => self.note_commits(cx, id),
            _ => self.worlds.forget(id),
        }
        self.timers.set(id, self.rooms.timers(id), cx.now);
        self.update_outlet(id, change, now);
        if let Some(edges) = change.edges.take() {
            self.sessions.set(id, edges);
        }
        self.update_bots(cx, id);
        if self.rooms.get(id).is_some() {
            self.lobby.touch(id, now);
        } else {
            self.lobby.forget(id);
        }
        is_due
    }

    /// Adds what a change sends out. A replay sends it again: what is acked meanwhile is known by its id.
    fn update_outlet(&mut self, id: &RoomId, change: &mut Change, now: Instant) {
        self.outlets
            .restore(id, std::mem::take(&mut change.items), now);
        let instance = self.rooms.instance(id);
        for emit in change
            .emits
            .extract_if(.., |emit| matches!(emit, Emit::Out(_)))
        {
            if let Emit::Out(item) = emit {
                self.outlets.push(id, PendingItem::new(instance, item), now);
            }
        }
    }

    /// Tells the world of a room which of its commits the room has applied.
    fn note_commits(&mut self, cx: &Context, id: &RoomId) {
        if self.worlds.get(id).is_none() {
            return;
        }
        let (epoch, now) = (self.tenure.epoch, cx.now.at);
        if let Some(known) = self.rooms.get(id).and_then(Room::realtime)
            && known.epoch >= epoch
        {
            let no = (known.epoch == epoch).then_some(known.no);
            self.worlds
                .change(id, now, |world| world.on_applied(no, now));
        }
    }

    /// Moves the world of a room in real time while a player is connected or an edge watches, and forgets the controls of
    /// players who are not.
    fn update_world(&mut self, cx: &Context, id: &RoomId) {
        let Some(kind) = cx.games.get(id.game()).and_then(|kind| kind.realtime()) else {
            return;
        };
        let Some(room) = self.rooms.get(id) else {
            return;
        };
        let is_seen = room.edges().next().is_some() || self.audiences.is_watched(id);
        let is_over = room.instance_state().finished || self.takeover.is_releasing();
        let is_active = is_seen && !is_over;
        self.worlds.set_active(id, kind, is_active, cx.now.at);
        let known = self.worlds.get_mut(id);
        if let Some(world) = known.and_then(|known| known.world_mut()) {
            world.retain_controls(&|player| room.is_connected(player));
        }
    }

    /// Lets the bots of a room in memory play while a player is connected or an edge watches.
    fn update_bots(&mut self, cx: &Context, id: &RoomId) {
        let room = self.rooms.get(id).filter(|room| !room.bots().is_empty());
        let is_played = room.is_some_and(|room| {
            let is_seen = room.edges().next().is_some() || self.audiences.is_watched(id);
            is_seen && !room.instance_state().finished
        });
        if is_played && !self.takeover.is_releasing() {
            self.bots.touch(id, cx.now.at);
        } else {
            self.bots.forget(id);
        }
    }

    /// Schedules the unloading of a room if it is idle, and cancels it otherwise. Moves its world and lets its bots play, or
    /// stops them.
    pub(super) fn update_idle(&mut self, cx: &Context, id: &RoomId) {
        self.update_world(cx, id);
        self.update_bots(cx, id);
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
            && !self.outlets.is_busy(id)
            && self
                .rooms
                .get(id)
                .is_some_and(|room| room.edges().next().is_none())
    }
}
