//! The rooms that do not run, and their stored records: those in quarantine (D14, D29), and those that are too new (D34).

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use grandstand_common::bus::{Bucket, KvEntry};
use grandstand_common::id::RoomId;
use grandstand_common::subject;

use super::tenure::Tenure;
use crate::command::{Command, Outcome};
use crate::context::Context;
use crate::deadlines::Deadlines;
use crate::requests::Purpose;
use crate::stored::quarantine::{QuarantineReason, QuarantineRecord};

/// The delay before a failed write of a record is repeated.
const RETRY: Duration = Duration::from_millis(250);

/// The most bytes of a reason in words.
const WHY_BYTES: usize = 512;

/// The rooms of a partition that do not run, and their stored records.
#[derive(Debug, Default)]
pub(super) struct QuarantineRecords {
    rooms: BTreeMap<RoomId, Record>,
    /// Rooms whose records are not stored yet, with their first uncovered entries. The checkpoint cannot pass these.
    unstored: BTreeSet<(u64, RoomId)>,
    /// Rooms that another build did not run and this one runs again, with the revisions of their records and the entries
    /// that these name.
    retried: BTreeMap<RoomId, (u64, u64)>,
    /// Rooms that this build ran to the end of the log without a fault, with the revisions of their records. A record
    /// is deleted once a snapshot covers what it protects.
    cleared: BTreeMap<RoomId, u64>,
    deadlines: Deadlines<RoomId>,
}

/// The reason why a room does not run.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Reason {
    /// The room is in quarantine, for this reason in words.
    Quarantine(QuarantineReason, Option<String>),
    /// The room needs this version of its game, and this build has an earlier one.
    TooNew(u32),
}

/// The record of a room that does not run.
#[derive(Debug)]
struct Record {
    reason: Reason,
    /// The first entry that the room's snapshot does not cover.
    seq: u64,
    /// The revision of the stored record; 0 if there is none.
    revision: u64,
    /// Whether this record is stored.
    is_stored: bool,
    /// The time at which the record is written again after a failed write.
    retry_at: Option<Instant>,
}

impl QuarantineRecords {
    /// Adds a room that is put in quarantine, and writes its record. `why`: the reason in words, for operators. `seq`: the
    /// room's first uncovered entry.
    pub(super) fn quarantine(
        &mut self,
        cx: &mut Context,
        tenure: Tenure,
        id: &RoomId,
        (reason, why): (QuarantineReason, Option<String>),
        mut seq: u64,
    ) {
        cx.counts.quarantined += 1;
        let mut revision = self.rooms.get(id).map(|record| record.revision);
        if let Some((retried, from)) = self.retried.get(id).copied() {
            revision = revision.or(Some(retried));
            seq = seq.min(from);
        }
        let revision = self.cleared.remove(id).or(revision);
        let code = reason.code();
        tracing::error!(
            room = %id, code, why, seq,
            "a room is put in quarantine: `grandstand replay {id}` shows the entry, and `grandstand rooms retry {id}` tries it again"
        );
        let reason = Reason::Quarantine(reason, why.map(shortened));
        self.add_unstored(id.clone(), reason, seq, revision.unwrap_or(0));
        self.write(cx, tenure, id);
    }

    /// Keeps the first uncovered entry `seq` of a room for a build with this version of its game, unless there is a record
    /// of the room.
    pub(super) fn keep_for_newer(
        &mut self,
        cx: &mut Context,
        tenure: Tenure,
        id: &RoomId,
        version: u32,
        seq: u64,
    ) {
        if self.rooms.contains_key(id) {
            return;
        }
        tracing::warn!(room = %id, version, "a newer build of its game stored a room; it waits for a worker with that build");
        self.add_unstored(id.clone(), Reason::TooNew(version), seq, 0);
        self.write(cx, tenure, id);
    }

    /// Leaves the record of another build as it is, because this build turns out to be too old for the room.
    pub(super) fn leave(&mut self, id: &RoomId, version: u32) {
        if let Some((revision, seq)) = self.retried.remove(id) {
            let record = Record {
                reason: Reason::TooNew(version),
                seq,
                revision,
                is_stored: true,
                retry_at: None,
            };
            self.rooms.insert(id.clone(), record);
        }
    }

    /// Adds a room whose record is to be written, over a stored record with this revision. `seq` is the room's first
    /// uncovered entry.
    fn add_unstored(&mut self, id: RoomId, reason: Reason, seq: u64, revision: u64) {
        let record = Record {
            reason,
            seq,
            revision,
            is_stored: false,
            retry_at: None,
        };
        self.unstored.insert((seq, id.clone()));
        if let Some(before) = self.rooms.insert(id.clone(), record)
            && before.seq != seq
        {
            self.unstored.remove(&(before.seq, id));
        }
    }

    /// Adds a room with a stored record that this build does not run again.
    pub(super) fn add_stored(&mut self, id: RoomId, record: &QuarantineRecord, revision: u64) {
        let reason = match record.version {
            Some(version) => Reason::TooNew(version),
            None => {
                let code = QuarantineReason::from_code(&record.code);
                Reason::Quarantine(code, record.why.clone())
            }
        };
        let record = Record {
            reason,
            seq: record.seq,
            revision,
            is_stored: true,
            retry_at: None,
        };
        if let Some(before) = self.rooms.insert(id.clone(), record) {
            self.unstored.remove(&(before.seq, id));
        }
    }

    /// Adds a room that another build did not run and this one runs again. Its record has this revision, and names
    /// the entry `seq`.
    pub(super) fn retry(&mut self, id: RoomId, revision: u64, seq: u64) {
        self.retried.insert(id, (revision, seq));
    }

    /// Makes a room with a stored record of this build one that runs again. Returns the entry that the record names.
    pub(super) fn retry_stored(&mut self, id: &RoomId) -> Option<u64> {
        let record = self.rooms.get(id).filter(|record| record.is_stored)?;
        let (revision, seq) = (record.revision, record.seq);
        self.rooms.remove(id);
        self.retried.insert(id.clone(), (revision, seq));
        Some(seq)
    }

    /// Makes the record of a room one that is deleted once the room's deletion is stored. Returns whether it is stored, or
    /// there is none.
    pub(super) fn clear(&mut self, id: &RoomId) -> bool {
        match self.rooms.get(id) {
            Some(record) if !record.is_stored => false,
            Some(record) => {
                self.cleared.insert(id.clone(), record.revision);
                self.rooms.remove(id);
                true
            }
            None => true,
        }
    }

    /// Whether a room runs again. Its entries from before the checkpoint must then be applied, too.
    pub(super) fn is_retried(&self, id: &RoomId) -> bool {
        self.retried.contains_key(id)
    }

    /// Ends the runs of other builds' quarantined rooms at the end of the log, of those that `has_log`. Returns those that
    /// are not back in quarantine: their records are to be deleted once their rooms are stored.
    pub(super) fn end_retries(&mut self, has_log: impl Fn(&RoomId) -> bool) -> Vec<RoomId> {
        let (ended, runs) = std::mem::take(&mut self.retried)
            .into_iter()
            .partition(|(id, _)| has_log(id));
        self.retried = runs;
        let ended: BTreeMap<RoomId, (u64, u64)> = ended;
        let cleared = ended.into_iter();
        let cleared: Vec<_> = cleared
            .filter(|(id, _)| !self.rooms.contains_key(id))
            .map(|(id, (revision, _))| (id, revision))
            .collect();
        self.cleared.extend(cleared.iter().cloned());
        cleared.into_iter().map(|(id, _)| id).collect()
    }

    /// Whether rooms of other builds' quarantine are being run.
    pub(super) fn has_retried(&self) -> bool {
        !self.retried.is_empty()
    }

    /// Whether records wait for their deletion.
    pub(super) fn has_cleared(&self) -> bool {
        !self.cleared.is_empty()
    }

    /// Deletes the record of a room that runs again, if there is one. The stored snapshot must cover what it protects.
    pub(super) fn delete(&mut self, cx: &mut Context, tenure: Tenure, id: &RoomId) {
        let Some(revision) = self.cleared.get(id) else {
            return;
        };
        let token = cx.request(tenure.id, Purpose::DeleteQuarantineRecord(id.clone()));
        cx.commands.push_back(Command::DeleteIf {
            bucket: Bucket::Quarantine,
            key: subject::room_key(tenure.id, id),
            expected: *revision,
            token,
        });
    }

    /// Handles the outcome of a record's deletion. After a conflict the record is not the one that was read: an
    /// unanswered deletion took effect.
    pub(super) fn on_deletion(&mut self, id: &RoomId, outcome: &Outcome, now: Instant) {
        match outcome {
            Outcome::Stored(_) | Outcome::Conflict => drop(self.cleared.remove(id)),
            _ if self.cleared.contains_key(id) => self.deadlines.set(id, Some(now + RETRY)),
            _ => {}
        }
    }

    /// Lowers the first uncovered entries of unstored records to `cut`, the next entry after a cut of the log (D11).
    pub(super) fn cut(&mut self, cut: u64) {
        for (id, record) in &mut self.rooms {
            if !record.is_stored && record.seq > cut {
                self.unstored.remove(&(record.seq, id.clone()));
                record.seq = cut;
                self.unstored.insert((cut, id.clone()));
            }
        }
    }

    /// Returns the first uncovered entry of the rooms whose records are not stored.
    pub(super) fn first(&self) -> Option<u64> {
        self.unstored.first().map(|(seq, _)| *seq)
    }

    /// Writes a room's record if it is not stored. The log says if it cannot be encoded; it is then tried again later.
    pub(super) fn write(&mut self, cx: &mut Context, tenure: Tenure, id: &RoomId) {
        let unstored = self.rooms.get_mut(id).filter(|record| !record.is_stored);
        let Some(record) = unstored else {
            return;
        };
        let (code, why, version) = match &record.reason {
            Reason::Quarantine(reason, why) => (*reason, why.clone(), None),
            Reason::TooNew(version) => (QuarantineReason::Unavailable, None, Some(*version)),
        };
        let stored = QuarantineRecord {
            epoch: tenure.epoch,
            build: cx.config.build.clone(),
            seq: record.seq,
            code: code.code().to_owned(),
            why,
            version,
        };
        let value = match serde_json::to_vec(&stored) {
            Ok(value) => value.into(),
            Err(error) => {
                tracing::error!(room = %id, %error, "cannot encode the record of a room that does not run");
                record.retry_at = Some(cx.now.at + RETRY);
                self.deadlines.set(id, record.retry_at);
                return;
            }
        };
        let token = cx.request(tenure.id, Purpose::WriteQuarantineRecord(id.clone()));
        cx.commands.push_back(Command::PutIf {
            bucket: Bucket::Quarantine,
            key: subject::room_key(tenure.id, id),
            value,
            expected: record.revision,
            token,
        });
    }

    /// Notes that a room's record is stored.
    pub(super) fn on_stored(&mut self, id: &RoomId, revision: u64) {
        if let Some(record) = self.rooms.get_mut(id) {
            record.revision = revision;
            record.is_stored = true;
            record.retry_at = None;
            self.unstored.remove(&(record.seq, id.clone()));
            self.deadlines.set(id, None);
        }
    }

    /// Reads the stored record after a write of it failed. After a conflict the next write follows at once.
    pub(super) fn on_failed(
        &mut self,
        cx: &mut Context,
        tenure: Tenure,
        id: &RoomId,
        conflict: bool,
    ) {
        let Some(record) = self.rooms.get_mut(id) else {
            return;
        };
        record.retry_at = (!conflict).then_some(cx.now.at + RETRY);
        self.deadlines.set(id, record.retry_at);
        let token = cx.request(tenure.id, Purpose::ReadBackQuarantineRecord(id.clone()));
        cx.commands.push_back(Command::Get {
            bucket: Bucket::Quarantine,
            key: subject::room_key(tenure.id, id),
            token,
        });
    }

    /// Handles the end of the read after a failed write. `read` is the stored value, or `None` if the read failed, too.
    pub(super) fn on_read_back(
        &mut self,
        cx: &mut Context,
        tenure: Tenure,
        id: &RoomId,
        read: Option<Option<KvEntry>>,
    ) {
        let Some(record) = self.rooms.get_mut(id) else {
            return;
        };
        match read {
            Some(entry) => {
                record.revision = entry.map_or(0, |entry| entry.revision);
                if record.retry_at.is_none() {
                    self.write(cx, tenure, id);
                }
            }
            None => {
                record.retry_at = Some(cx.now.at + RETRY);
                self.deadlines.set(id, record.retry_at);
            }
        }
    }

    /// Repeats the writes and deletions of records that failed.
    pub(super) fn handle_timeout(&mut self, cx: &mut Context, tenure: Tenure) {
        for id in self.deadlines.take_due(cx.now.at) {
            if let Some(record) = self.rooms.get_mut(&id) {
                record.retry_at = None;
            }
            self.write(cx, tenure, &id);
            self.delete(cx, tenure, &id);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.next()
    }
}

/// Returns a reason cut to its bound.
fn shortened(mut why: String) -> String {
    let starts = why.char_indices().map(|(at, _)| at).chain([why.len()]);
    let end = starts.take_while(|&at| at <= WHY_BYTES).last();
    why.truncate(end.unwrap_or(0));
    why
}
