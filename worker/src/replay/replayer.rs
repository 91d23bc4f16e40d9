//! Replays one room entry by entry.

use grandstand_common::bus::LogEntry;
use grandstand_common::id::{Instance, RoomId};
use grandstand_common::wire::Entry;
use grandstand_game::Games;
use prost::Message;

use super::comparison::Comparison;
use super::diff::Differences;
use super::line::{Line, StateBefore};
use super::replicas::{Hashed, Replicas, Stopped};
use super::scan::InstanceSpan;
use super::stored::{Key, Snapshot, StoredRecords};
use super::tally::Tally;
use crate::room::{Logged, Room};
use crate::stored::snapshot::DecodeError;

/// Decodes an entry of the log; `None` if it cannot be read.
pub(super) fn decode(entry: &LogEntry) -> Option<Logged> {
    let decoded = Entry::decode(entry.payload.clone()).ok()?;
    Some(Logged::new(entry.seq, entry.time_ms, decoded))
}

/// The replay of a room.
#[derive(Debug)]
pub(super) struct Replayer {
    games: Games,
    pub(super) id: RoomId,
    instance: Instance,
    pub(super) stored: StoredRecords,
    pub(super) replicas: Replicas,
    pub(super) tally: Tally,
    pub(super) comparison: Option<Comparison>,
    /// The state after the last entry.
    pub(super) hashed: Option<Hashed>,
    /// The last state of a room that has been deleted.
    pub(super) before_deletion: Option<Hashed>,
    pub(super) deleted: Option<u64>,
    pub(super) stopped: Option<(u64, Stopped)>,
}

impl Replayer {
    /// Begins before the entry that created the room.
    pub(super) fn new(
        games: &Games,
        id: &RoomId,
        span: &InstanceSpan,
        stored: StoredRecords,
    ) -> Self {
        let nothing = || Ok::<_, std::convert::Infallible>(None);
        let replicas = match Replicas::new(games, id, nothing) {
            Ok(replicas) => replicas,
            Err(never) => match never {},
        };
        Self::with(games, id, span.instance, stored, replicas)
    }

    /// Begins with a stored snapshot.
    pub(super) fn from_snapshot(
        games: &Games,
        id: &RoomId,
        snapshot: &Snapshot,
        stored: StoredRecords,
    ) -> Result<Self, DecodeError> {
        let replicas = Replicas::new(games, id, || snapshot.load(games, id))?;
        let mut replay = Self::with(games, id, snapshot.instance, stored, replicas);
        replay.hashed = Some(Hashed {
            state: snapshot.state.clone(),
            hash: snapshot.is,
        });
        replay.comparison = Some(Comparison::BegunThere { seq: snapshot.last });
        Ok(replay)
    }

    fn with(
        games: &Games,
        id: &RoomId,
        instance: Instance,
        stored: StoredRecords,
        replicas: Replicas,
    ) -> Self {
        Self {
            games: games.clone(),
            id: id.clone(),
            instance,
            stored,
            replicas,
            tally: Tally::default(),
            comparison: None,
            hashed: None,
            before_deletion: None,
            deleted: None,
            stopped: None,
        }
    }

    /// Replays the next entry. Returns `None` for entries after the room's end.
    pub(super) fn handle(&mut self, entry: &LogEntry) -> Option<Line> {
        if self.deleted.is_some() || self.stopped.is_some() {
            return None;
        }
        if let Some(last) = self.stored.snapshot().map(|snapshot| snapshot.last)
            && entry.seq > last
        {
            self.compare();
        }
        let Some(logged) = decode(entry) else {
            let line = Line::unreadable(entry.seq, entry.time_ms);
            self.tally.count(&line);
            return Some(line);
        };
        let mut line = Line::from_logged(&logged);
        let hash = self.hashed.as_ref().map(|hashed| hashed.hash);
        let before = StateBefore::new(self.replicas.room(), hash);
        match self.replicas.step(&logged) {
            Ok(stepped) => {
                line.add(&stepped, &before, self.replicas.room());
                let bytes = stepped.hashed.as_ref().map_or(0, |h| h.state.len());
                self.tally.sized(entry.seq, bytes);
                let previous = std::mem::replace(&mut self.hashed, stepped.hashed);
                if line.deleted {
                    self.deleted = Some(entry.seq);
                    self.before_deletion = previous;
                }
            }
            Err(stopped) => {
                line.stopped = Some(stopped.to_string());
                self.stopped = Some((entry.seq, stopped));
            }
        }
        self.tally.count(&line);
        Some(line)
    }

    /// Compares the result after the last entry, which is `until` or the last one in the log.
    pub(super) fn finish(&mut self, span: &InstanceSpan, is_newest: bool, until: Option<u64>) {
        let last = until.unwrap_or(self.stored.log.last);
        if self.comparison.is_some() {
            return;
        }
        let is_alive = self.deleted.is_none() && self.stopped.is_none();
        self.comparison = match &self.stored.key {
            Key::Room(snapshot) if snapshot.last <= last || !is_alive => return self.compare(),
            Key::Room(snapshot) => Some(Comparison::NotReached { seq: snapshot.last }),
            _ if !is_newest => Some(Comparison::Older),
            Key::Deleted(seq) if self.deleted == Some(*seq) => {
                Some(Comparison::BothDeleted { seq: Some(*seq) })
            }
            Key::Deleted(seq) if *seq > last && is_alive => {
                Some(Comparison::NotReached { seq: *seq })
            }
            // The room was created again after that deletion.
            Key::Deleted(seq) if *seq < span.created => Some(Comparison::NotStored),
            Key::Deleted(seq) => Some(Comparison::Fate {
                stored_deleted: true,
                stored_at: Some(*seq),
                replayed: self.deleted,
            }),
            Key::Marker(_) | Key::Nothing if self.deleted.is_some() => {
                Some(Comparison::BothDeleted { seq: None })
            }
            Key::Marker(_) if self.stopped.is_some() || until.is_some() => {
                Some(Comparison::NotStored)
            }
            Key::Marker(at_ms) if *at_ms > span.begun_ms => Some(Comparison::Fate {
                stored_deleted: true,
                stored_at: None,
                replayed: None,
            }),
            Key::Marker(_) | Key::Nothing => Some(Comparison::NotStored),
            Key::Unreadable(error) => Some(Comparison::Unreadable {
                error: error.clone(),
            }),
        };
    }

    /// Compares the state with the snapshot. Call it after the last entry that the snapshot covers.
    fn compare(&mut self) {
        if let (None, Some(snapshot)) = (&self.comparison, self.stored.snapshot()) {
            self.comparison = Some(self.compared(snapshot));
        }
    }

    fn compared(&self, snapshot: &Snapshot) -> Comparison {
        let seq = snapshot.last;
        if snapshot.instance != self.instance {
            return Comparison::OtherInstance;
        }
        if self.stopped.is_some() {
            return Comparison::NotReached { seq };
        }
        let Some(mine) = &self.hashed else {
            return Comparison::Fate {
                stored_deleted: false,
                stored_at: Some(seq),
                replayed: self.deleted,
            };
        };
        let hash = mine.hash;
        if snapshot.is == hash && snapshot.damaged().is_none() {
            let rewritten = false;
            return Comparison::Equal {
                seq,
                hash,
                rewritten,
            };
        }
        // A build with other fields serializes the same state differently.
        let loaded = snapshot.load(&self.games, &self.id).ok().flatten();
        let loaded = loaded.and_then(|room: Room| Hashed::from_room(&room).ok());
        if loaded.is_some_and(|loaded| loaded.hash == hash) {
            return Comparison::Equal {
                seq,
                hash,
                rewritten: true,
            };
        }
        Comparison::Differs {
            seq,
            stored: snapshot.is,
            replayed: hash,
            damaged: snapshot.damaged(),
            cut: snapshot.cut,
            differences: Differences::between(&snapshot.state, &mine.state),
        }
    }
}
