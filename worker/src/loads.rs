//! The snapshots that are on their way into memory, and those that takeovers read and keep for it (D25). All partitions
//! of an engine share the limits.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use grandstand_common::bus::KvEntry;
use grandstand_common::id::{Partition, RoomId};

/// The bytes of snapshots that one turn decodes, and the bytes of found snapshots that it parses. A larger snapshot is
/// decoded alone.
const TURN_BYTES: usize = 256 * 1024;
/// The bytes that a kept snapshot takes beside its text.
const KEPT_OVERHEAD: usize = 160;
/// The most snapshots that are being read or wait to be decoded.
const MAX_LOADS: usize = 64;
/// The same, while none of the further ones has entries or viewers waiting.
const MAX_LATER_LOADS: usize = 32;

/// The urgency of the load of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// Entries or viewers wait.
    Now,
    /// A timer is due, or players have lost their edge.
    Later,
}

/// A stored value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredValue {
    /// `None` for a marker.
    pub(crate) value: Option<Bytes>,
    pub(crate) revision: u64,
}

impl From<KvEntry> for StoredValue {
    fn from(entry: KvEntry) -> Self {
        Self {
            value: entry.value,
            revision: entry.revision,
        }
    }
}

/// A snapshot that was read and is to be decoded; without a value if its key does not exist.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) partition: Partition,
    pub(crate) room: RoomId,
    pub(crate) stored: Option<StoredValue>,
}

/// Snapshots on their way into memory.
#[derive(Debug)]
pub(crate) struct Loads {
    /// Snapshots to decode, in order.
    read: VecDeque<Load>,
    /// The bytes that were decoded in this turn.
    decoded: usize,
    /// The bytes that were parsed in this turn, of snapshots that a takeover found. They are counted apart, so that rooms
    /// that are needed are loaded however many others are found meanwhile.
    parsed: usize,
    /// Snapshots that takeovers read, with their places in `order`.
    kept: BTreeMap<(Partition, RoomId), (u64, StoredValue)>,
    /// The kept snapshots, oldest first.
    order: BTreeMap<u64, (Partition, RoomId)>,
    kept_bytes: usize,
    max_kept_bytes: usize,
    next: u64,
}

impl Loads {
    pub(crate) fn new(max_kept_bytes: usize) -> Self {
        Self {
            read: VecDeque::new(),
            decoded: 0,
            parsed: 0,
            kept: BTreeMap::new(),
            order: BTreeMap::new(),
            kept_bytes: 0,
            max_kept_bytes,
            next: 0,
        }
    }

    /// Keeps a snapshot that a takeover read. The oldest ones make space for it.
    pub(crate) fn keep(&mut self, partition: Partition, id: &RoomId, revision: u64, value: &Bytes) {
        self.take_kept(partition, id);
        let key = (partition, id.clone());
        // The value may be a part of a larger buffer, so it is copied.
        let value = Some(Bytes::copy_from_slice(value));
        let stored = StoredValue { value, revision };
        self.kept_bytes += size(&stored);
        self.order.insert(self.next, key.clone());
        self.kept.insert(key, (self.next, stored));
        self.next += 1;
        while self.kept_bytes > self.max_kept_bytes
            && let Some((_, oldest)) = self.order.pop_first()
            && let Some((_, stored)) = self.kept.remove(&oldest)
        {
            self.kept_bytes -= size(&stored);
        }
    }

    /// Returns a kept snapshot, which is kept no longer.
    pub(crate) fn take_kept(&mut self, partition: Partition, id: &RoomId) -> Option<StoredValue> {
        if self.kept.is_empty() {
            return None;
        }
        let (at, stored) = self.kept.remove(&(partition, id.clone()))?;
        self.order.remove(&at);
        self.kept_bytes -= size(&stored);
        Some(stored)
    }

    /// Whether another snapshot may be read, besides those that wait here and `reads` that are in flight.
    pub(crate) fn can_read(&self, reads: usize, urgency: Urgency) -> bool {
        let max = match urgency {
            Urgency::Now => MAX_LOADS,
            Urgency::Later => MAX_LATER_LOADS,
        };
        self.read.len() + reads < max
    }

    /// Adds a snapshot that was read.
    pub(crate) fn add(&mut self, load: Load) {
        self.read.push_back(load);
    }

    /// Returns the next snapshot to decode, unless this turn has decoded enough.
    pub(crate) fn next(&mut self) -> Option<Load> {
        let load = self.read.front()?;
        let value = load.stored.as_ref().and_then(|s| s.value.as_ref());
        let bytes = value.map_or(0, Bytes::len);
        if self.decoded > 0 && self.decoded + bytes > TURN_BYTES {
            return None;
        }
        self.decoded += bytes;
        self.read.pop_front()
    }

    /// Whether snapshots wait to be decoded.
    pub(crate) fn has_next(&self) -> bool {
        !self.read.is_empty()
    }

    /// Notes that this turn parsed as many bytes of snapshots that a takeover found.
    pub(crate) fn note_parsed(&mut self, bytes: usize) {
        self.parsed += bytes;
    }

    /// Whether this turn has parsed enough.
    pub(crate) fn is_turn_full(&self) -> bool {
        self.parsed >= TURN_BYTES
    }

    pub(crate) fn begin_turn(&mut self) {
        (self.decoded, self.parsed) = (0, 0);
    }

    /// Drops everything of a partition.
    pub(crate) fn forget(&mut self, partition: Partition) {
        self.read.retain(|load| load.partition != partition);
        self.order.retain(|_, (of, _)| *of != partition);
        let kept_bytes = &mut self.kept_bytes;
        self.kept.retain(|(of, _), (_, stored)| {
            let stays = *of != partition;
            *kept_bytes -= if stays { 0 } else { size(stored) };
            stays
        });
    }
}

/// The bytes that a kept snapshot takes.
fn size(stored: &StoredValue) -> usize {
    stored.value.as_ref().map_or(0, Bytes::len) + KEPT_OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;

    const P: Partition = Partition(3);

    fn room(n: usize) -> RoomId {
        format!("echo-{n}").parse().unwrap()
    }

    fn load(n: usize, bytes: usize) -> Load {
        let value = Some(vec![0; bytes].into());
        Load {
            partition: P,
            room: room(n),
            stored: Some(StoredValue { value, revision: 1 }),
        }
    }

    #[test]
    fn d25_a_turn_decodes_256_kib_or_one_larger_snapshot() {
        let mut loads = Loads::new(32 * 1024 * 1024);
        for (n, kib) in [100, 100, 100, 700, 1].into_iter().enumerate() {
            loads.add(load(n, kib * 1024));
        }
        let mut turns = Vec::new();
        while loads.has_next() {
            loads.begin_turn();
            let turn = std::iter::from_fn(|| loads.next());
            turns.push(turn.map(|load| load.room).collect::<Vec<_>>());
        }
        let wanted: [&[usize]; 4] = [&[0, 1], &[2], &[3], &[4]];
        let rooms = |turn: &[usize]| turn.iter().copied().map(room).collect::<Vec<_>>();
        assert_eq!(turns, wanted.map(rooms));
    }

    #[test]
    fn d25_a_needed_room_is_loaded_while_others_are_found() {
        let mut loads = Loads::new(32 * 1024 * 1024);
        loads.add(load(1, 1024));
        loads.note_parsed(TURN_BYTES);
        assert!(loads.is_turn_full());
        assert!(loads.next().is_some());
    }

    #[test]
    fn d25_the_latest_32_mib_of_snapshots_are_kept() {
        let mut loads = Loads::new(32 * 1024 * 1024);
        let value = Bytes::from(vec![0; 1024 * 1024]);
        for n in 0..40 {
            loads.keep(P, &room(n), 5, &value);
        }
        let kept: Vec<_> = (0..40).map(|n| loads.take_kept(P, &room(n))).collect();
        assert!(kept[..9].iter().all(Option::is_none));
        assert!(kept[9..].iter().all(Option::is_some));
        assert_eq!(loads.kept_bytes, 0);
        assert!(loads.order.is_empty());
    }

    #[test]
    fn nothing_of_a_dropped_partition_is_kept() {
        let mut loads = Loads::new(32 * 1024 * 1024);
        loads.keep(P, &room(1), 5, &Bytes::from_static(b"abc"));
        loads.keep(Partition(4), &room(1), 5, &Bytes::from_static(b"abc"));
        loads.add(load(2, 3));
        loads.forget(P);
        assert!(!loads.has_next());
        assert!(loads.take_kept(P, &room(1)).is_none());
        assert!(loads.take_kept(Partition(4), &room(1)).is_some());
        assert_eq!(loads.kept_bytes, 0);
    }

    #[test]
    fn less_urgent_loads_leave_space_for_urgent_ones() {
        let mut loads = Loads::new(32 * 1024 * 1024);
        loads.add(load(1, 1));
        assert!(loads.can_read(30, Urgency::Later));
        assert!(!loads.can_read(31, Urgency::Later));
        assert!(loads.can_read(31, Urgency::Now));
        assert!(!loads.can_read(63, Urgency::Now));
    }
}
