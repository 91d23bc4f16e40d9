//! The rooms of a partition, and where each of them is.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use grandstand_common::bus::{Bucket, KvEntry};
use grandstand_common::data::Data;
use grandstand_common::id::{EdgeId, Instance, PlayerId, RoomId, SessionId};
use grandstand_common::subject;
use grandstand_common::wire::Body;
use grandstand_game::LiveTo;
use grandstand_game::host::Panicked;

use super::change::{Applied, Change, Read, ResidenceChange};
use super::panic_restore::RestorePoint;
use super::residence::{KnownRoom, Loaded, Residence, Stored, Waiting};
use super::tenure::Tenure;
use crate::command::Command;
use crate::context::Context;
use crate::deadlines::Deadlines;
use crate::requests::Purpose;
use crate::room::{Armed, Emit, Logged, Room};
use crate::stored::error::{DecodeError, EncodeError};
use crate::stored::quarantine::QuarantineReason;
use crate::stored::snapshot;

/// When a stored room is read again, after that failed.
const RETRY: Duration = Duration::from_millis(250);
/// Markers whose revisions are remembered; a room that is made again without it finds its revision at its first write.
const KEPT_MARKERS: usize = 4_096;
/// Panics outside of entries after which a room goes to quarantine.
const MAX_PANICS_OUTSIDE_ENTRIES: u32 = 3;

/// The rooms of a partition.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    rooms: BTreeMap<RoomId, KnownRoom>,
    /// Revisions of the markers of rooms that do not exist.
    markers: BTreeMap<RoomId, u64>,
    loaded: usize,
    stored: usize,
    /// When idle rooms leave memory.
    idle: Deadlines<RoomId>,
    /// When stored rooms are read again that could not be read.
    reload: Deadlines<RoomId>,
}

impl Rooms {
    /// How many rooms are in memory.
    pub(super) fn loaded(&self) -> usize {
        self.loaded
    }

    /// How many rooms are stored and not in memory.
    pub(super) fn stored(&self) -> usize {
        self.stored
    }

    /// The rooms that are known.
    pub(super) fn ids(&self) -> Vec<RoomId> {
        self.rooms.keys().cloned().collect()
    }

    /// A room in memory.
    pub(super) fn get(&self, id: &RoomId) -> Option<&Room> {
        self.rooms.get(id)?.room()
    }

    /// Whether a room exists: in memory, or stored.
    pub(super) fn exists(&self, id: &RoomId) -> bool {
        self.rooms.get(id).is_some_and(|place| {
            matches!(
                place.residence,
                Residence::Loaded(_) | Residence::Stored(_) | Residence::Loading(..)
            )
        })
    }

    /// Whether a room is stored and not in memory.
    pub(super) fn is_stored(&self, id: &RoomId) -> bool {
        self.rooms.get(id).is_some_and(|place| {
            matches!(
                place.residence,
                Residence::Stored(_) | Residence::Loading(..)
            )
        })
    }

    /// The entry that deleted a room.
    pub(super) fn deleted(&self, id: &RoomId) -> Option<u64> {
        match self.rooms.get(id)?.residence {
            Residence::Deleted(seq) => Some(seq),
            _ => None,
        }
    }

    /// Why a room is in quarantine, if it is.
    pub(super) fn quarantined(&self, id: &RoomId) -> Option<QuarantineReason> {
        match self.rooms.get(id)?.residence {
            Residence::Quarantined(why) => Some(why),
            _ => None,
        }
    }

    /// A room's instance; 0 if it does not exist.
    pub(super) fn instance(&self, id: &RoomId) -> Instance {
        match self.rooms.get(id).map(|place| &place.residence) {
            Some(Residence::Loaded(loaded)) => loaded.room.instance(),
            Some(Residence::Stored(stored) | Residence::Loading(stored, _)) => stored.instance,
            _ => Instance(0),
        }
    }

    /// The timers of a room that exists.
    pub(super) fn timers(&self, id: &RoomId) -> Option<&BTreeMap<String, Armed>> {
        match &self.rooms.get(id)?.residence {
            Residence::Loaded(loaded) => Some(&loaded.room.state().timers),
            Residence::Stored(stored) | Residence::Loading(stored, _) => Some(&stored.timers),
            _ => None,
        }
    }

    /// Between two ticks of a room, if it is in memory, not finished, and its game has any.
    pub(super) fn tick_interval(&self, id: &RoomId) -> Option<Duration> {
        match &self.rooms.get(id)?.residence {
            Residence::Loaded(loaded) if !loaded.room.state().finished => loaded.tick,
            _ => None,
        }
    }

    /// The revision of a room's stored snapshot or marker; 0 if there is none.
    pub(super) fn revision(&self, id: &RoomId) -> u64 {
        self.rooms.get(id).map_or(0, |place| place.revision)
    }

    /// The revision of what is now stored of a room.
    pub(super) fn set_revision(&mut self, id: &RoomId, revision: u64) {
        if let Some(place) = self.rooms.get_mut(id) {
            place.revision = revision;
        }
    }

    /// Applies an entry of the log to its room.
    pub(super) fn apply(&mut self, cx: &mut Context, id: &RoomId, logged: Logged) -> Applied {
        let Some(place) = self.rooms.get_mut(id) else {
            return Applied::Absent(logged);
        };
        if logged.seq <= place.covered {
            return Applied::Covered;
        }
        let loaded = match &mut place.residence {
            Residence::Loaded(loaded) => loaded,
            Residence::Stored(_) | Residence::Loading(..) => return Applied::Stored(logged),
            Residence::Deleted(_) => return Applied::Absent(logged),
            Residence::Quarantined(why) => return Applied::Quarantined(logged, *why),
        };
        let mut emits = Vec::new();
        let handled = loaded.room.handle(&logged, &mut emits).or_else(|_| {
            // It may have left the state half changed: once more, from what is known to be whole.
            tracing::error!(room = %id, seq = logged.seq, "the game panicked");
            cx.counts.panics += 1;
            emits.clear();
            let mut room = loaded.restore.build(&cx.games, id)?;
            room.handle(&logged, &mut emits)?;
            loaded.room = room;
            Ok::<(), Panicked>(())
        });
        cx.counts.inputs += u64::from(matches!(logged.entry.body, Some(Body::Input(_))));
        if handled.is_err() {
            return Applied::Panicked(logged);
        }
        let seq = logged.seq;
        if emits.last() == Some(&Emit::Deleted) {
            emits.pop();
            let instance = loaded.room.instance();
            (place.covered, place.residence) = (seq, Residence::Deleted(seq));
            self.loaded -= 1;
            self.idle.set(id, None);
            return Applied::Done(Change {
                seq,
                emits,
                edges: Some(Vec::new()),
                residence: ResidenceChange::Deleted(instance),
            });
        }
        loaded.restore.push(logged);
        if loaded.idle_since.take().is_some() {
            self.idle.set(id, None);
        }
        Applied::Done(Change {
            seq,
            emits,
            edges: moved_edges(&mut loaded.room),
            residence: ResidenceChange::Unchanged,
        })
    }

    /// Adds the room that an entry created.
    pub(super) fn create(
        &mut self,
        cx: &Context,
        id: &RoomId,
        (mut room, emits): (Room, Vec<Emit>),
        logged: Logged,
    ) -> Change {
        let marker = self.markers.remove(id).unwrap_or(0);
        let (seq, edges) = (logged.seq, moved_edges(&mut room));
        let mut restore = RestorePoint::default();
        restore.push(logged);
        let residence = Residence::Loaded(Loaded::new(cx, id, room, restore));
        let deleted = self.deleted(id);
        match self.rooms.get_mut(id) {
            Some(place) => place.residence = residence,
            None => {
                let place = KnownRoom {
                    residence,
                    covered: 0,
                    revision: marker,
                    panics_outside_entries: 0,
                };
                self.rooms.insert(id.clone(), place);
            }
        }
        self.loaded += 1;
        Change {
            seq,
            emits,
            edges,
            residence: ResidenceChange::Created(deleted),
        }
    }

    /// Takes a room out of service.
    pub(super) fn quarantine(&mut self, id: &RoomId, why: QuarantineReason) -> Change {
        let marker = self.markers.remove(id).unwrap_or(0);
        self.uncount(id);
        self.idle.set(id, None);
        self.reload.set(id, None);
        let place = self.rooms.entry(id.clone()).or_insert_with(|| KnownRoom {
            residence: Residence::Quarantined(why),
            covered: 0,
            revision: marker,
            panics_outside_entries: 0,
        });
        place.residence = Residence::Quarantined(why);
        Change {
            edges: Some(Vec::new()),
            residence: ResidenceChange::Quarantined,
            ..Change::default()
        }
    }

    /// Loads a room as a takeover found it. Fails if the snapshot cannot be used.
    pub(super) fn load_at_takeover(
        &mut self,
        cx: &Context,
        id: &RoomId,
        entry: KvEntry,
        covered: impl Fn(u64, u64) -> u64,
    ) -> Result<Change, DecodeError> {
        let Some(value) = entry.value else {
            self.markers.insert(id.clone(), entry.revision);
            return Ok(Change::default());
        };
        let mut place = KnownRoom {
            residence: Residence::Quarantined(QuarantineReason::Unavailable),
            covered: 0,
            revision: entry.revision,
            panics_outside_entries: 0,
        };
        let head = snapshot::decode_head(&value);
        let room = head.and_then(|head| {
            place.covered = covered(head.generation, head.last);
            snapshot::decode(&cx.games, id, &value, place.covered)
        });
        let mut change = Change::default();
        let restored = match room {
            Ok(Some(mut room)) => {
                change.edges = moved_edges(&mut room);
                change.residence = ResidenceChange::Loaded;
                let restore = RestorePoint::of_snapshot(value, place.covered);
                place.residence = Residence::Loaded(Loaded::new(cx, id, room, restore));
                self.loaded += 1;
                Ok(change)
            }
            Ok(None) => {
                place.residence = Residence::Deleted(place.covered);
                Ok(change)
            }
            Err(error) => Err(error),
        };
        self.rooms.insert(id.clone(), place);
        restored
    }

    /// A room's snapshot, or that it was deleted, as it is to be stored; `None` if there is nothing to store. What is
    /// returned is what the room is rebuilt from after a panic.
    pub(super) fn encode(
        &mut self,
        id: &RoomId,
        (tenure, generation): (Tenure, u64),
        max_bytes: usize,
    ) -> Option<Result<Bytes, EncodeError>> {
        let head = |last| snapshot::SnapshotHead {
            epoch: tenure.epoch,
            generation,
            last,
        };
        match &mut self.rooms.get_mut(id)?.residence {
            Residence::Loaded(loaded) => {
                let last = loaded.room.last();
                let encoded = snapshot::encode(&loaded.room, head(last));
                if let Ok(value) = &encoded
                    && value.len() <= max_bytes
                {
                    loaded.restore = RestorePoint::of_snapshot(value.clone(), last);
                }
                Some(encoded)
            }
            Residence::Deleted(seq) => Some(snapshot::encode_deleted(head(*seq))),
            _ => None,
        }
    }

    /// A deleted room's key is gone, and its marker has this revision.
    pub(super) fn on_key_deleted(&mut self, id: &RoomId, revision: u64) {
        self.rooms.remove(id);
        if self.markers.len() < KEPT_MARKERS {
            self.markers.insert(id.clone(), revision);
        }
    }

    /// Lets the volatile part of a room handle a lossy message.
    pub(super) fn live(
        &mut self,
        id: &RoomId,
        (session, player): (SessionId, &PlayerId),
        data: Data,
    ) -> Option<Result<Vec<(LiveTo, Data)>, Panicked>> {
        Some(self.loaded_mut(id)?.room.live(session, player, data))
    }

    /// Moves the volatile part of a room on.
    pub(super) fn tick(&mut self, id: &RoomId) -> Option<Result<Vec<(LiveTo, Data)>, Panicked>> {
        Some(self.loaded_mut(id)?.room.tick())
    }

    /// Rebuilds a room whose game panicked outside of an entry. Returns whether it can go on.
    pub(super) fn rebuild(&mut self, cx: &Context, id: &RoomId) -> bool {
        let Some(place) = self.rooms.get_mut(id) else {
            return true;
        };
        let Residence::Loaded(loaded) = &mut place.residence else {
            return true;
        };
        place.panics_outside_entries += 1;
        match loaded.restore.build(&cx.games, id) {
            Ok(room) if place.panics_outside_entries < MAX_PANICS_OUTSIDE_ENTRIES => {
                loaded.room = room;
                true
            }
            _ => false,
        }
    }

    /// Says whether nothing keeps a room in memory, and sets when it leaves if so.
    pub(super) fn set_idle(&mut self, cx: &Context, id: &RoomId, is_idle: bool) {
        let Some(place) = self.rooms.get_mut(id) else {
            return;
        };
        let Residence::Loaded(loaded) = &mut place.residence else {
            return;
        };
        let after = cx.config.idle.filter(|_| is_idle && place.revision > 0);
        loaded.idle_since = after.map(|_| loaded.idle_since.unwrap_or(cx.now.at));
        let at = loaded
            .idle_since
            .zip(after)
            .map(|(since, after)| since + after);
        self.idle.set(id, at);
    }

    /// The rooms that may leave memory.
    pub(super) fn take_idle(&mut self, now: Instant) -> Vec<RoomId> {
        self.idle.take_due(now)
    }

    /// Drops a room from memory that its stored snapshot has all of.
    pub(super) fn unload(&mut self, id: &RoomId) -> Option<Change> {
        let place = self.rooms.get_mut(id)?;
        let room = place.room()?;
        let stored = Stored {
            instance: room.instance(),
            timers: room.state().timers.clone(),
        };
        place.covered = room.last();
        place.residence = Residence::Stored(Box::new(stored));
        self.loaded -= 1;
        self.stored += 1;
        Some(Change {
            edges: Some(Vec::new()),
            residence: ResidenceChange::Unloaded,
            ..Change::default()
        })
    }

    /// Lets something wait for a stored room, which is read if it is not being read.
    pub(super) fn wait(&mut self, cx: &mut Context, tenure: Tenure, id: &RoomId, what: Waiting) {
        let Some(place) = self.rooms.get_mut(id) else {
            return;
        };
        let read = place.begin_loading();
        let Residence::Loading(_, waiting) = &mut place.residence else {
            return;
        };
        if let Waiting::Interest(edge, _) = &what {
            // Of an edge's wishes the last counts, except that it asked for what it lacks.
            waiting.retain(
                |other| !matches!(other, Waiting::Interest(of, w) if of == edge && !w.sync),
            );
        }
        waiting.push_back(what);
        if read {
            read_room(cx, tenure, id);
        }
    }

    /// A stored room could not be read: it is read again later.
    pub(super) fn on_unread(&mut self, id: &RoomId, now: Instant) {
        if self.is_stored(id) {
            self.reload.set(id, Some(now + RETRY));
        }
    }

    /// Reads stored rooms again that could not be read a while ago.
    pub(super) fn read_again(&mut self, cx: &mut Context, tenure: Tenure) {
        for id in self.reload.take_due(cx.now.at) {
            read_room(cx, tenure, &id);
        }
    }

    /// A stored room was read. `None` if it is not stored any more.
    pub(super) fn load(
        &mut self,
        cx: &mut Context,
        id: &RoomId,
        entry: Option<KvEntry>,
        covered: impl Fn(u64, u64) -> u64,
    ) -> Option<Read> {
        let place = self.rooms.get_mut(id)?;
        let Residence::Loading(_, waiting) = &mut place.residence else {
            return None;
        };
        let waiting = std::mem::take(waiting);
        let revision = entry.as_ref().map_or(0, |entry| entry.revision);
        let Some(value) = entry.and_then(|entry| entry.value) else {
            // The bucket was wiped, and the room with it.
            self.rooms.remove(id);
            self.stored -= 1;
            self.markers.insert(id.clone(), revision);
            let change = Some(Change {
                residence: ResidenceChange::Wiped,
                ..Change::default()
            });
            return Some(Read { waiting, change });
        };
        let covered = snapshot::decode_head(&value).map(|head| covered(head.generation, head.last));
        let room = covered.and_then(|covered| {
            let room = snapshot::decode(&cx.games, id, &value, covered)?;
            Ok(room.map(|room| (room, covered)))
        });
        let change = match room {
            Ok(Some((mut room, covered))) if place.revision == revision => {
                let edges = moved_edges(&mut room);
                let restore = RestorePoint::of_snapshot(value, covered);
                place.covered = covered;
                place.residence = Residence::Loaded(Loaded::new(cx, id, room, restore));
                self.stored -= 1;
                self.loaded += 1;
                Some(Change {
                    edges,
                    residence: ResidenceChange::Loaded,
                    ..Change::default()
                })
            }
            Ok(_) => {
                tracing::error!(room = %id, revision, "the snapshot of a stored room is not the one that was stored");
                cx.counts.damaged += 1;
                None
            }
            Err(error) => {
                tracing::error!(room = %id, revision, %error, "the snapshot of a stored room cannot be used, and stays as it is");
                cx.counts.count_unusable(&error);
                None
            }
        };
        Some(Read { waiting, change })
    }

    /// Entries behind `last` are gone from the log (D11): entries that are stored there now are new.
    pub(super) fn cut(&mut self, last: u64) {
        for place in self.rooms.values_mut() {
            place.covered = place.covered.min(last);
            if let Residence::Loaded(loaded) = &mut place.residence {
                loaded.room.cut(last);
            }
        }
    }

    /// The next deadline of a room that leaves memory.
    pub(super) fn poll_idle(&self) -> Option<Instant> {
        self.idle.next()
    }

    /// The next deadline of a room that is read again.
    pub(super) fn poll_reload(&self) -> Option<Instant> {
        self.reload.next()
    }

    fn loaded_mut(&mut self, id: &RoomId) -> Option<&mut Loaded> {
        match &mut self.rooms.get_mut(id)?.residence {
            Residence::Loaded(loaded) => Some(loaded),
            _ => None,
        }
    }

    fn uncount(&mut self, id: &RoomId) {
        match self.rooms.get(id).map(|place| &place.residence) {
            Some(Residence::Loaded(_)) => self.loaded -= 1,
            Some(Residence::Stored(_) | Residence::Loading(..)) => self.stored -= 1,
            _ => {}
        }
    }
}

fn read_room(cx: &mut Context, tenure: Tenure, id: &RoomId) {
    let token = cx.request(tenure.id, Purpose::ReadRoom(id.clone()));
    cx.commands.push_back(Command::Get {
        bucket: Bucket::Rooms(tenure.id),
        key: subject::room_key(tenure.id, id),
        token,
    });
}

/// The edges that hold connected players' sessions, if they may have changed.
fn moved_edges(room: &mut Room) -> Option<Vec<EdgeId>> {
    room.take_moved().then(|| room.edges().cloned().collect())
}
