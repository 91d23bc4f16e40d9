//! Copies the entries of the log that no snapshot covers: those behind the checkpoints, and those of rooms in
//! quarantine. After orderly releases only the latter are left.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use grandstand_common::bus::nats::Nats;
use grandstand_common::bus::{Bucket, Bus, BusError, LogEntry, Read, Receipt};
use grandstand_common::id::{Partition, RoomId};
use grandstand_common::record::StuckEntry;
use grandstand_common::subject;
use grandstand_common::wire::Entry;
use prost::Message;

use super::error::RepartitionError;
use super::listing::{decode, encode, list, replace};
use super::rooms::Checkpoints;
use super::step::{Step, Tell};
use crate::stored::quarantine::QuarantineRecord;
use crate::stored::snapshot;

/// The most entries in flight.
const IN_FLIGHT: usize = 256;

/// The quarantine records of a layout, by partition.
type Records = BTreeMap<Partition, BTreeMap<RoomId, QuarantineRecord>>;

/// The entries that were sent to the next layout's log.
#[derive(Default)]
struct Copied {
    in_flight: VecDeque<(RoomId, Receipt, Option<StuckEntry>)>,
    /// The first entry of each room.
    first: BTreeMap<RoomId, u64>,
    tail: Tail,
}

/// The counts of what was copied.
#[derive(Debug, Default)]
pub(super) struct Tail {
    /// The number of entries.
    pub(super) entries: u64,
    /// The entries among them at which loops got stuck, with their places in the next layout's log.
    pub(super) stuck: Vec<StuckEntry>,
}

/// The log of the former layout.
#[derive(Clone, Copy)]
pub(super) struct FormerLog<'a> {
    pub(super) bus: &'a Bus,
    pub(super) checkpoints: &'a Checkpoints,
    /// The entries at which loops got stuck.
    pub(super) stuck: &'a [StuckEntry],
}

/// Copies the entries to the log of `new`, then the quarantine records.
pub(super) async fn copy(
    former: FormerLog<'_>,
    new: &Bus,
    nats: &Nats,
    tell: Tell<'_>,
) -> Result<Tail, RepartitionError> {
    let old = former.bus;
    // Entries have no keys, so that those that an interrupted run has copied are copied again from the beginning.
    nats.with_layout(new.layout()).empty_log().await?;
    let records = records(old).await?;
    let mut copied = Copied::default();
    // Calls of a game outside of entries.
    let outside = former.stuck.iter().filter(|entry| entry.seq == 0);
    copied.tail.stuck.extend(outside.cloned());
    let of = usize::from(old.layout().partitions);
    let nothing = BTreeMap::new();
    for (done, partition) in old.layout().all_partitions().enumerate() {
        let records = records.get(&partition).unwrap_or(&nothing);
        let mut source = Source {
            log: former,
            partition,
            records,
            covered: BTreeMap::new(),
        };
        copy_partition(&mut source, new, &mut copied).await?;
        tell(&Step::Log { done: done + 1, of });
    }
    while copied.finish_one().await? {}
    for (room, record) in records.into_values().flatten() {
        put_record(new, &room, record, &copied.first).await?;
    }
    Ok(copied.tail)
}

/// The log of a partition of the former layout.
struct Source<'a> {
    log: FormerLog<'a>,
    partition: Partition,
    records: &'a BTreeMap<RoomId, QuarantineRecord>,
    /// The last entry that each room's snapshot covers.
    covered: BTreeMap<RoomId, u64>,
}

impl Source<'_> {
    /// The first entry that the checkpoint does not cover.
    fn checkpoint(&self) -> u64 {
        let checkpoint = self.log.checkpoints.get(&self.partition);
        checkpoint.map_or(0, |checkpoint| checkpoint.seq)
    }

    /// The first entry that may have to be copied.
    fn first(&self) -> u64 {
        let records = self.records.values().map(|record| record.seq);
        records.chain([self.checkpoint()]).min().unwrap_or(0)
    }

    /// The record of loops that got stuck at an entry, which has this time.
    fn stuck_at(&self, room: &RoomId, seq: u64, time_ms: u64) -> Option<StuckEntry> {
        let is_here =
            |stuck: &&StuckEntry| (&stuck.room, stuck.seq, stuck.time_ms) == (room, seq, time_ms);
        self.log.stuck.iter().find(is_here).cloned()
    }

    /// Whether an entry came after a takeover whose owner has not looked at all rooms. Such an owner has stored no
    /// room, and a room that seems to cover the entry shows a cut that was not recorded (D11).
    fn is_unread(&self, seq: u64) -> bool {
        let checkpoint = self.log.checkpoints.get(&self.partition);
        let unread_to = checkpoint.and_then(|checkpoint| checkpoint.unread_to);
        unread_to.is_some_and(|to| seq > to)
    }

    /// Whether an entry of a room is in no snapshot.
    async fn is_uncovered(&mut self, room: &RoomId, seq: u64) -> Result<bool, RepartitionError> {
        let kept = self
            .records
            .get(room)
            .is_some_and(|record| seq >= record.seq);
        if seq < self.checkpoint() && !kept {
            return Ok(false);
        }
        if self.is_unread(seq) {
            return Ok(true);
        }
        if let Some(covered) = self.covered.get(room) {
            return Ok(seq > *covered);
        }
        let key = subject::room_key(self.partition, room);
        let entry = self
            .log
            .bus
            .get(Bucket::Rooms(self.partition), &key)
            .await?;
        let value = entry.and_then(|entry| entry.value);
        let head = value.and_then(|value| snapshot::decode_head(&value).ok());
        let checkpoint = self.log.checkpoints.get(&self.partition);
        let covered = head.map_or(0, |head| {
            checkpoint.map_or(head.last, |c| c.covered(head.generation, head.last))
        });
        self.covered.insert(room.clone(), covered);
        Ok(seq > covered)
    }
}

async fn copy_partition(
    source: &mut Source<'_>,
    new: &Bus,
    copied: &mut Copied,
) -> Result<(), RepartitionError> {
    let log = source.log.bus.log_state(source.partition).await?;
    if log.last < source.first().max(1) {
        return Ok(());
    }
    let mut reader = source
        .log
        .bus
        .read_log(source.partition, source.first())
        .await?;
    loop {
        match reader.next().await {
            Read::Item(entry, behind) => {
                if let Some((_, room)) = subject::parse_log(&entry.subject)
                    && source.is_uncovered(&room, entry.seq).await?
                {
                    let (payload, time_ms) = with_time(&entry);
                    let stuck = source.stuck_at(&room, entry.seq, time_ms);
                    copied.send(new, room, payload, stuck).await?;
                }
                if behind == 0 || entry.seq >= log.last {
                    return Ok(());
                }
            }
            Read::Idle => return Ok(()),
            Read::Lost => return Err(BusError::Disconnected.into()),
        }
    }
}

impl Copied {
    /// Appends an entry to the next layout's log.
    async fn send(
        &mut self,
        new: &Bus,
        room: RoomId,
        payload: Bytes,
        stuck: Option<StuckEntry>,
    ) -> Result<(), RepartitionError> {
        let subject = subject::log(new.layout().partition_of(&room), &room);
        let receipt = new.append(subject, payload).await?;
        self.in_flight.push_back((room, receipt, stuck));
        self.tail.entries += 1;
        if self.in_flight.len() >= IN_FLIGHT {
            self.finish_one().await?;
        }
        Ok(())
    }

    /// Waits until the next entry is stored. Returns whether one was in flight.
    async fn finish_one(&mut self) -> Result<bool, RepartitionError> {
        let Some((room, receipt, stuck)) = self.in_flight.pop_front() else {
            return Ok(false);
        };
        match receipt.await {
            Ok(seq) => {
                let stuck = stuck.map(|stuck| StuckEntry { seq, ..stuck });
                self.tail.stuck.extend(stuck);
                self.first.entry(room).or_insert(seq);
                Ok(true)
            }
            Err(cause) => Err(RepartitionError::Append {
                room: room.to_string(),
                cause,
            }),
        }
    }
}

/// An entry with the time at which it was first stored, which is the time of its event (D7), and that time. Fields that
/// this build does not know stay.
fn with_time(entry: &LogEntry) -> (Bytes, u64) {
    let known = Entry::decode(entry.payload.clone());
    let logged_ms = known.map_or(0, |known| known.logged_ms);
    if logged_ms != 0 {
        return (entry.payload.clone(), logged_ms);
    }
    let time = Entry {
        logged_ms: entry.time_ms,
        ..Entry::default()
    };
    // Fields that follow a message's belong to it.
    let timed = [&entry.payload[..], &time.encode_to_vec()].concat();
    (timed.into(), entry.time_ms)
}

async fn records(old: &Bus) -> Result<Records, RepartitionError> {
    let mut found = Records::new();
    for entry in list(old, Bucket::Quarantine).await? {
        if let (Some((partition, room)), Some(value)) =
            (subject::parse_room_key(&entry.key), &entry.value)
            && old.layout().index_of(partition).is_some()
        {
            let record = decode("quarantine", &entry.key, value)?;
            found.entry(partition).or_default().insert(room, record);
        }
    }
    Ok(found)
}

/// Stores a quarantine record for the next layout. Its first uncovered entry is the room's first one there, or one to
/// come.
async fn put_record(
    new: &Bus,
    room: &RoomId,
    record: QuarantineRecord,
    first: &BTreeMap<RoomId, u64>,
) -> Result<(), RepartitionError> {
    let partition = new.layout().partition_of(room);
    let seq = match first.get(room) {
        Some(seq) => *seq,
        None => new.log_state(partition).await?.last + 1,
    };
    let key = subject::room_key(partition, room);
    let record = QuarantineRecord { seq, ..record };
    replace(new, Bucket::Quarantine, &key, encode(&key, &record)?).await
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use grandstand_common::id::Epoch;
    use grandstand_common::record::Checkpoint;

    use super::*;
    use grandstand_common::bus::BusOptions;

    #[test]
    fn d33_entries_beyond_the_end_that_an_unfinished_takeover_measured_are_copied() {
        let checkpoint = Checkpoint {
            epoch: Epoch(2),
            generation: 0,
            seq: 5,
            created_ms: 1,
            cuts: Vec::new(),
            unread_to: Some(20),
        };
        let partition = Partition(1);
        let mut checkpoints = Checkpoints::from([(partition, checkpoint)]);
        let records = BTreeMap::new();
        let room: RoomId = "echo-1".parse().unwrap();
        let is_uncovered = |checkpoints: &Checkpoints, seq| {
            let mut source = Source {
                log: FormerLog {
                    bus: &Bus::embedded(&BusOptions::default()).unwrap(),
                    checkpoints,
                    stuck: &[],
                },
                partition,
                records: &records,
                // A snapshot from before the log lost its tail.
                covered: BTreeMap::from([(room.clone(), 30)]),
            };
            let copied = source.is_uncovered(&room, seq).now_or_never();
            copied.unwrap().unwrap()
        };
        assert!(!is_uncovered(&checkpoints, 20));
        assert!(is_uncovered(&checkpoints, 21));
        checkpoints.get_mut(&partition).unwrap().unread_to = None;
        assert!(!is_uncovered(&checkpoints, 21));
    }

    #[test]
    fn d33_a_copied_entry_keeps_its_time_and_unknown_fields() {
        let mut payload = Entry {
            player: "alice".to_owned(),
            n: 7,
            ..Entry::default()
        }
        .encode_to_vec();
        // Field 99, which no build knows yet.
        payload.extend([0x98, 0x06, 0x2a]);
        let entry = LogEntry {
            seq: 3,
            time_ms: 1_000,
            subject: "in.1.relay-1".to_owned(),
            payload: payload.into(),
        };
        let (copied, time_ms) = with_time(&entry);
        assert_eq!(time_ms, 1_000);
        assert!(copied.starts_with(&entry.payload));
        let decoded = Entry::decode(copied.clone()).unwrap();
        assert_eq!((decoded.n, decoded.logged_ms), (7, 1_000));
        let again = LogEntry {
            time_ms: 2_000,
            payload: copied,
            ..entry
        };
        let (copied, time_ms) = with_time(&again);
        let decoded = Entry::decode(copied).unwrap();
        assert_eq!(
            (decoded.logged_ms, time_ms),
            (1_000, 1_000),
            "a second copy keeps it too"
        );
    }
}
