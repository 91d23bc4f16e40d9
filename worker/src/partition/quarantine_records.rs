//! Rooms in quarantine, and the records that say so (D14).

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use grandstand_common::bus::{Bucket, KvEntry};
use grandstand_common::id::RoomId;
use grandstand_common::subject;

use super::tenure::Tenure;
use crate::command::Command;
use crate::context::Context;
use crate::deadlines::Deadlines;
use crate::requests::Purpose;
use crate::stored::quarantine::{QuarantineReason, QuarantineRecord};

/// When a record's write that failed is tried again.
const RETRY: Duration = Duration::from_millis(250);

/// The quarantined rooms of a partition.
#[derive(Debug, Default)]
pub(super) struct QuarantineRecords {
    rooms: BTreeMap<RoomId, Quarantine>,
    /// Rooms whose records are not stored yet: they hold the checkpoint back.
    unstored: BTreeSet<(u64, RoomId)>,
    /// Rooms that another build put in quarantine and that are tried again, with their records' revisions.
    retried: BTreeMap<RoomId, u64>,
    deadlines: Deadlines<RoomId>,
}

/// A room in quarantine.
#[derive(Debug)]
struct Quarantine {
    why: QuarantineReason,
    /// The first entry that its snapshot does not cover.
    seq: u64,
    /// The record's revision; 0 if there is none yet.
    revision: u64,
    /// The record is stored as it is here.
    stored: bool,
    /// When the record is written again, after a write that failed.
    retry_at: Option<Instant>,
}

impl QuarantineRecords {
    /// A room goes to quarantine: its record is written.
    pub(super) fn quarantine(
        &mut self,
        cx: &mut Context,
        tenure: Tenure,
        id: &RoomId,
        of: (QuarantineReason, u64),
    ) {
        let (why, seq) = of;
        let revision = self.rooms.get(id).map(|quarantine| quarantine.revision);
        let revision = revision.or(self.retried.get(id).copied());
        self.add_unstored(id.clone(), of, revision.unwrap_or(0));
        tracing::error!(room = %id, code = why.code(), seq, "a room goes to quarantine");
        self.write(cx, tenure, id);
    }

    /// A room whose record is yet to be written, over the one with this revision.
    pub(super) fn add_unstored(
        &mut self,
        id: RoomId,
        (why, seq): (QuarantineReason, u64),
        revision: u64,
    ) {
        let quarantine = Quarantine {
            why,
            seq,
            revision,
            stored: false,
            retry_at: None,
        };
        self.unstored.insert((seq, id.clone()));
        if let Some(before) = self.rooms.insert(id.clone(), quarantine)
            && before.seq != seq
        {
            self.unstored.remove(&(before.seq, id));
        }
    }

    /// A room that this very build put in quarantine stays there.
    pub(super) fn add_stored(&mut self, id: RoomId, record: &QuarantineRecord, revision: u64) {
        let quarantine = Quarantine {
            why: QuarantineReason::from_code(&record.code),
            seq: record.seq,
            revision,
            stored: true,
            retry_at: None,
        };
        if let Some(before) = self.rooms.insert(id.clone(), quarantine) {
            self.unstored.remove(&(before.seq, id));
        }
    }

    /// A room that another build put in quarantine is tried again.
    pub(super) fn retry(&mut self, id: RoomId, revision: u64) {
        self.retried.insert(id, revision);
    }

    /// Whether a room is tried again: its entries from before the checkpoint count too.
    pub(super) fn is_retried(&self, id: &RoomId) -> bool {
        self.retried.contains_key(id)
    }

    /// The log was read: the records of the rooms that were tried again, unless they are back in quarantine.
    pub(super) fn take_cleared(&mut self) -> Vec<(RoomId, u64)> {
        let retried = std::mem::take(&mut self.retried).into_iter();
        retried
            .filter(|(id, _)| !self.rooms.contains_key(id))
            .collect()
    }

    /// The log was cut before entry `cut`, which is the next that comes.
    pub(super) fn cut(&mut self, cut: u64) {
        for (id, quarantine) in &mut self.rooms {
            if !quarantine.stored && quarantine.seq > cut {
                self.unstored.remove(&(quarantine.seq, id.clone()));
                quarantine.seq = cut;
                self.unstored.insert((cut, id.clone()));
            }
        }
    }

    /// The first entry that quarantined rooms hold the checkpoint back to.
    pub(super) fn first(&self) -> Option<u64> {
        self.unstored.first().map(|(seq, _)| *seq)
    }

    /// The rooms whose records are not stored.
    pub(super) fn unstored(&self) -> Vec<RoomId> {
        self.unstored.iter().map(|(_, id)| id.clone()).collect()
    }

    /// Writes a room's record, if it is not stored.
    pub(super) fn write(&mut self, cx: &mut Context, tenure: Tenure, id: &RoomId) {
        let Some(quarantine) = self.rooms.get(id).filter(|q| !q.stored) else {
            return;
        };
        let record = QuarantineRecord {
            epoch: tenure.epoch,
            build: cx.config.build.clone(),
            seq: quarantine.seq,
            code: quarantine.why.code().to_owned(),
        };
        let token = cx.request(tenure.id, Purpose::WriteRecord(id.clone()));
        cx.commands.push_back(Command::PutIf {
            bucket: Bucket::Quarantine,
            key: subject::room_key(tenure.id, id),
            value: serde_json::to_vec(&record).unwrap_or_default().into(),
            expected: quarantine.revision,
            token,
        });
    }

    /// A record is stored.
    pub(super) fn on_stored(&mut self, id: &RoomId, revision: u64) {
        if let Some(quarantine) = self.rooms.get_mut(id) {
            quarantine.revision = revision;
            quarantine.stored = true;
            quarantine.retry_at = None;
            self.unstored.remove(&(quarantine.seq, id.clone()));
            self.deadlines.set(id, None);
        }
    }

    /// A record's write failed: what is stored is read.
    pub(super) fn on_failed(
        &mut self,
        cx: &mut Context,
        tenure: Tenure,
        id: &RoomId,
        conflict: bool,
    ) {
        let Some(quarantine) = self.rooms.get_mut(id) else {
            return;
        };
        quarantine.retry_at = (!conflict).then_some(cx.now.at + RETRY);
        self.deadlines.set(id, quarantine.retry_at);
        let token = cx.request(tenure.id, Purpose::ReadBackRecord(id.clone()));
        cx.commands.push_back(Command::Get {
            bucket: Bucket::Quarantine,
            key: subject::room_key(tenure.id, id),
            token,
        });
    }

    /// The read after a write that failed has ended; `None` if it failed, too.
    pub(super) fn on_read_back(
        &mut self,
        cx: &mut Context,
        tenure: Tenure,
        id: &RoomId,
        read: Option<Option<KvEntry>>,
    ) {
        let Some(quarantine) = self.rooms.get_mut(id) else {
            return;
        };
        match read {
            Some(entry) => {
                quarantine.revision = entry.map_or(0, |entry| entry.revision);
                if quarantine.retry_at.is_none() {
                    self.write(cx, tenure, id);
                }
            }
            None => {
                quarantine.retry_at = Some(cx.now.at + RETRY);
                self.deadlines.set(id, quarantine.retry_at);
            }
        }
    }

    /// Writes the records again whose writes failed a while ago.
    pub(super) fn handle_timeout(&mut self, cx: &mut Context, tenure: Tenure) {
        for id in self.deadlines.take_due(cx.now.at) {
            if let Some(quarantine) = self.rooms.get_mut(&id) {
                quarantine.retry_at = None;
            }
            self.write(cx, tenure, &id);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.next()
    }
}
