//! The rooms of a partition: applying entries, loading, unloading, encoding.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use grandstand_common::data::Data;
use grandstand_common::id::{Instance, Lane, PlayerId, RoomId, SessionId};
use grandstand_common::wire::{self, Body};
use grandstand_game::LiveTo;
use grandstand_game::host::{Armed, Panicked};
use prost::Message;

use super::change::{Change, EntryOutcome, ResidenceChange};
use super::decode_room::{self, FoundSnapshot, LoadError, changed_edges};
use super::known_room::KnownRoom;
use super::known_rooms::KnownRooms;
use super::panic_restore::RestorePoint;
use super::residence::{Loaded, Residence, Stored};
use super::tenure::Tenure;
use crate::command::Now;
use crate::context::Context;
use crate::current_call::EntryId;
use crate::deadlines::Deadlines;
use crate::room::{Emit, Logged, Room};
use crate::stored::error::EncodeError;
use crate::stored::head::SnapshotHead;
use crate::stored::outlet::PendingItem;
use crate::stored::quarantine::QuarantineReason;
use crate::stored::snapshot::{self, SnapshotLimits};

/// A time that is not worth a more exact deadline.
const FAR: Duration = Duration::from_secs(3_600);

/// The rooms of a partition.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    known: KnownRooms,
    /// The times at which idle rooms leave memory.
    idle: Deadlines<RoomId>,
}

impl Rooms {
    pub(super) fn known(&self) -> &KnownRooms {
        &self.known
    }

    /// Returns the rooms that are known, for what is read of stored ones.
    pub(super) fn known_mut(&mut self) -> &mut KnownRooms {
        &mut self.known
    }

    /// Returns a room in memory.
    pub(super) fn get(&self, id: &RoomId) -> Option<&Room> {
        self.known.get(id)?.room()
    }

    /// Whether a room exists, in memory or stored.
    pub(super) fn exists(&self, id: &RoomId) -> bool {
        self.known.get(id).is_some_and(KnownRoom::exists)
    }

    /// Whether a room is stored and not in memory.
    pub(super) fn is_stored(&self, id: &RoomId) -> bool {
        self.known.get(id).is_some_and(KnownRoom::is_stored)
    }

    /// Returns the entry that deleted a room.
    pub(super) fn deleted(&self, id: &RoomId) -> Option<u64> {
        match *self.known.get(id)?.residence() {
            Residence::Deleted(seq) => Some(seq),
            _ => None,
        }
    }

    /// Returns the code that clients of a room get that does not run.
    pub(super) fn refusal(&self, id: &RoomId) -> Option<&'static str> {
        self.known.get(id)?.refusal()
    }

    /// Returns a room's instance, or 0 if it does not exist.
    pub(super) fn instance(&self, id: &RoomId) -> Instance {
        self.known.get(id).map_or(Instance(0), KnownRoom::instance)
    }

    /// Returns the timers of a room in memory.
    pub(super) fn timers(&self, id: &RoomId) -> Option<&BTreeMap<String, Armed>> {
        self.known.get(id)?.timers()
    }

    /// Whether a room in memory has a timer that is due at `now_ms`.
    pub(super) fn has_due_timer(&self, id: &RoomId, now_ms: u64) -> bool {
        let timers = self.timers(id).into_iter().flatten();
        timers.into_iter().any(|(_, armed)| armed.due_ms <= now_ms)
    }

    /// Returns the revision of a room's stored snapshot or delete marker, or 0 if there is neither.
    pub(super) fn revision(&self, id: &RoomId) -> u64 {
        self.known.get(id).map_or(0, KnownRoom::revision)
    }

    /// Sets the revision of a room's stored snapshot or delete marker.
    pub(super) fn set_revision(&mut self, id: &RoomId, revision: u64) {
        if let Some(known) = self.known.get_mut(id) {
            known.set_revision(revision);
        }
    }

    /// Applies an entry of the log to its room.
    pub(super) fn apply(&mut self, cx: &mut Context, id: &RoomId, logged: Logged) -> EntryOutcome {
        if self.known.may_exist(id) {
            return EntryOutcome::Stored(logged);
        }
        let Some(known) = self.known.get_mut(id) else {
            return EntryOutcome::Absent(logged);
        };
        if known.covers(logged.seq) {
            return EntryOutcome::Covered;
        }
        let Some(loaded) = known.loaded_mut() else {
            return match known.residence() {
                Residence::Stored(_) => EntryOutcome::Stored(logged),
                Residence::Quarantined(reason) => EntryOutcome::Quarantined(logged, *reason),
                Residence::TooNew(version) => EntryOutcome::TooNew(logged, *version),
                Residence::Deleted(_) | Residence::Loaded(_) => EntryOutcome::Absent(logged),
            };
        };
        let panics = &mut 0;
        let entry = EntryId {
            seq: logged.seq,
            time_ms: logged.time_ms,
        };
        let was_finished = loaded.is_finished();
        let handled = cx.call(id, entry, || loaded.handle(&cx.games, id, &logged, panics));
        cx.counts.panics += *panics;
        cx.counts.inputs += u64::from(matches!(logged.entry.body, Some(Body::Input(_))));
        let Ok(mut emits) = handled else {
            return EntryOutcome::Panicked(logged);
        };
        let ended = (loaded.is_finished() && !was_finished).then(|| loaded.ended());
        let seq = logged.seq;
        let bytes = logged.entry.encoded_len() as u64;
        if emits.last() == Some(&Emit::Deleted) {
            emits.pop();
            let instance = loaded.room().instance();
            known.set_covered(seq);
            self.known.set_residence(id, Residence::Deleted(seq));
            self.idle.set(id, None);
            return EntryOutcome::Done(Change {
                seq,
                emits,
                edges: Some(Vec::new()),
                residence: ResidenceChange::Deleted(instance),
                ended,
                ..Change::default()
            });
        }
        if loaded.on_applied(logged) {
            self.idle.set(id, None);
        }
        EntryOutcome::Done(Change {
            seq,
            bytes,
            snapshot_bytes: loaded.snapshot_bytes(),
            emits,
            edges: changed_edges(loaded.room_mut()),
            ended,
            ..Change::default()
        })
    }

    /// Adds the room that an entry created.
    pub(super) fn create(
        &mut self,
        id: &RoomId,
        mut room: Room,
        emits: Vec<Emit>,
        logged: Logged,
    ) -> Change {
        let (seq, time_ms) = (logged.seq, logged.time_ms);
        let edges = changed_edges(&mut room);
        let mut restore = RestorePoint::default();
        restore.push(logged);
        let deleted = self.deleted(id);
        let loaded = Loaded::new(room, restore, Some(time_ms));
        self.known.set_residence(id, Residence::Loaded(loaded));
        Change {
            seq,
            emits,
            edges,
            residence: ResidenceChange::Created(deleted),
            ..Change::default()
        }
    }

    /// Returns the bytes of the last snapshot of a room in memory; 0 if it has none.
    pub(super) fn snapshot_bytes(&self, id: &RoomId) -> u64 {
        let loaded = self.known.get(id).and_then(KnownRoom::loaded);
        loaded.map_or(0, Loaded::snapshot_bytes)
    }

    /// Puts a room in quarantine. `whole` is its last whole state if that is to be stored.
    pub(super) fn quarantine(
        &mut self,
        id: &RoomId,
        reason: QuarantineReason,
        whole: Option<Bytes>,
    ) -> Change {
        self.known.set_residence(id, Residence::Quarantined(reason));
        self.known.set_whole(id, whole);
        self.idle.set(id, None);
        Change {
            edges: Some(Vec::new()),
            residence: ResidenceChange::Quarantined,
            ..Change::default()
        }
    }

    /// Encodes a room's snapshot, or that it was deleted, for its key; `None` if there is nothing to store. After
    /// a panic the room is rebuilt from the snapshot.
    pub(super) fn encode(
        &mut self,
        id: &RoomId,
        outlet: &[&PendingItem],
        (tenure, generation): (Tenure, u64),
        limits: SnapshotLimits,
    ) -> Option<Result<Bytes, EncodeError>> {
        let head = |last| SnapshotHead {
            epoch: tenure.epoch,
            generation,
            last,
        };
        let known = self.known.get_mut(id)?;
        match *known.residence() {
            Residence::Deleted(seq) => return Some(snapshot::encode_deleted(head(seq))),
            Residence::Quarantined(_) => return self.known.whole(id).map(Ok),
            Residence::Loaded(_) | Residence::Stored(_) | Residence::TooNew(_) => {}
        }
        let loaded = known.loaded_mut()?;
        let head = head(loaded.room().last());
        Some(loaded.encode(outlet, head, limits))
    }

    /// Encodes a room in memory as it was after its last whole entry, unless it cannot be rebuilt or exceeds its
    /// limits.
    pub(super) fn encode_whole(
        &self,
        cx: &Context,
        id: &RoomId,
        outlet: &[&PendingItem],
        (tenure, generation): (Tenure, u64),
        limits: SnapshotLimits,
    ) -> Option<Bytes> {
        let whole = self.known.get(id)?.loaded()?.whole(cx, id)?;
        let head = SnapshotHead {
            epoch: tenure.epoch,
            generation,
            last: whole.last(),
        };
        snapshot::encode(&whole, outlet, head, limits).ok()
    }

    /// Forgets the last whole state of a quarantined room, because it is stored.
    pub(super) fn on_whole_stored(&mut self, id: &RoomId) {
        self.known.set_whole(id, None);
    }

    /// Continues a room as another instance, because entries between its snapshot and the log are gone.
    pub(super) fn restart(&mut self, id: &RoomId, instance: Instance) {
        if let Some(room) = self.room_mut(id) {
            room.restart(instance);
        }
    }

    /// Removes a deleted room whose key was deleted. `revision`: that of the delete marker.
    pub(super) fn on_key_deleted(&mut self, id: &RoomId, revision: u64) {
        self.known.remove(id, revision);
    }

    /// Passes a lossy message to a room in memory.
    pub(super) fn live(
        &mut self,
        cx: &Context,
        id: &RoomId,
        session: SessionId,
        player: &PlayerId,
        data: Data,
    ) -> Option<Result<Vec<(LiveTo, Data)>, Panicked>> {
        let room = self.room_mut(id)?;
        Some(cx.call(id, EntryId::OUTSIDE, || room.live(session, player, data)))
    }

    /// Returns a lane's view of a room in memory. From now on the lane's automatic updates are made.
    pub(super) fn view(
        &mut self,
        cx: &Context,
        id: &RoomId,
        lane: Lane,
    ) -> Option<Result<wire::Snapshot, Panicked>> {
        let room = self.room_mut(id)?;
        Some(cx.call(id, EntryId::OUTSIDE, || room.view(lane)))
    }

    /// Ends the automatic updates of a lane that nobody watches.
    pub(super) fn unwatch(&mut self, id: &RoomId, lane: Lane) {
        if let Some(room) = self.room_mut(id) {
            room.unwatch(lane);
        }
    }

    /// Rebuilds a room whose game panicked outside of an entry. Returns whether it can continue.
    pub(super) fn rebuild(&mut self, cx: &Context, id: &RoomId) -> bool {
        let known = self.known.get_mut(id);
        known.is_none_or(|known| known.rebuild(cx, id))
    }

    /// Begins, continues or ends the idle time of a room in memory.
    pub(super) fn set_idle(&mut self, cx: &Context, id: &RoomId, is_idle: bool) {
        let Some(known) = self.known.get_mut(id) else {
            return;
        };
        if let Some(loaded) = known.loaded_mut() {
            let after = cx.config.idle.filter(|_| is_idle);
            let at = loaded.set_idle(after, cx.now.at);
            self.idle.set(id, at);
        }
    }

    /// Returns the rooms whose idle time is over.
    pub(super) fn take_idle(&mut self, now: Instant) -> Vec<RoomId> {
        self.idle.take_due(now)
    }

    /// Drops a room from memory. Its stored snapshot must cover it.
    pub(super) fn unload(&mut self, id: &RoomId) -> Option<Change> {
        let known = self.known.get_mut(id)?;
        let room = known.room()?;
        let timers = room.instance_state().timers.values();
        let due_ms = timers.map(|armed| armed.due_ms).min();
        let stored = Stored::new(room.instance(), due_ms);
        let last = room.last();
        known.set_covered(last);
        self.known.set_residence(id, Residence::Stored(stored));
        Some(Change {
            edges: Some(Vec::new()),
            residence: ResidenceChange::Unloaded,
            ..Change::default()
        })
    }

    /// Loads a room from its snapshot. The former owner may have written a stored room again; its late write contains no
    /// less.
    pub(super) fn load(
        &mut self,
        cx: &Context,
        id: &RoomId,
        found: FoundSnapshot,
    ) -> Result<Change, LoadError> {
        let FoundSnapshot {
            value,
            revision,
            covered,
            is_earlier,
        } = found;
        if let Some(known) = self.known.get(id).filter(|known| known.is_stored())
            && known.revision() != revision
            && !(is_earlier && covered >= known.covered())
        {
            return Err(LoadError::Changed);
        }
        let (residence, change) = match decode_room::decode(cx, id, value, covered)? {
            Some(loaded) => loaded,
            None => (Residence::Deleted(covered), Change::default()),
        };
        self.known.insert(id, residence, covered, revision);
        Ok(change)
    }

    /// Notes that the log lost the entries after `last` (D11): entries with their sequences are new.
    pub(super) fn cut(&mut self, last: u64) {
        for known in self.known.values_mut() {
            known.cut(last);
        }
    }

    /// Returns when the next idle room leaves memory or, if `wants_due`, the next timer of a stored room is due, as far as
    /// is known at `now`.
    pub(super) fn poll_timeout(&self, now: Now, wants_due: bool) -> Option<Instant> {
        let due_ms = self.known.next_due().filter(|_| wants_due);
        let left = due_ms.map(|at| Duration::from_millis(at.saturating_sub(now.log_ms)));
        let due = left.map(|left| now.at.checked_add(left).unwrap_or(now.at + FAR));
        self.idle.next().into_iter().chain(due).min()
    }

    fn room_mut(&mut self, id: &RoomId) -> Option<&mut Room> {
        Some(self.known.get_mut(id)?.loaded_mut()?.room_mut())
    }
}
