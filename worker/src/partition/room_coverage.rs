//! The uncovered entries of one room, and its write in flight.

use std::time::{Duration, Instant};

use crate::replay_cost::ReplaySize;

/// The delay before a failed write is repeated.
pub(super) const RETRY: Duration = Duration::from_millis(250);
/// The delay before a write is tried again that the bus does not take, unless its limits change before.
const HELD_RETRY: Duration = Duration::from_secs(30);
/// The bytes of a snapshot after which the next one may wait longer.
const SNAPSHOT_UNIT: u64 = 64 * 1024;

/// The limits of uncovered entries.
#[derive(Debug, Clone, Copy)]
pub(super) struct CoverageLimits {
    /// The number of entries since its last write at which a room is written.
    pub(super) entries: u64,
    /// The bytes of entries since its last write above which a room is written, unless its snapshot is larger.
    pub(super) bytes: u64,
    /// The longest time from an entry to the write of its room, for each begun [`SNAPSHOT_UNIT`] of its snapshot.
    pub(super) delay: Duration,
    /// The longest time from an entry to the write of its room, however large that is.
    pub(super) max_delay: Duration,
}

/// The uncovered entries of a room and its write in flight. A room has one while it has either.
#[derive(Debug, Default)]
pub(super) struct RoomCoverage {
    /// The first uncovered entry. The checkpoint cannot pass it.
    first: Option<u64>,
    /// The first entry after the write in flight began.
    next_first: Option<u64>,
    /// The size of the entries since the last write began.
    size: ReplaySize,
    /// The bytes of the last snapshot.
    snapshot_bytes: u64,
    /// The time of the first entry since the last write began. `None` also while all uncovered entries wait for the
    /// room to be loaded.
    since: Option<Instant>,
    /// The latest time at which the room is written, because a predecessor has left entries uncovered for long.
    latest: Option<Instant>,
    /// Whether a write, a deletion of the key, or the read after a failed write is in flight.
    in_flight: bool,
    /// The earliest time of the next write, after one failed.
    not_before: Option<Instant>,
    /// Whether the room is due at once: it was deleted, is in quarantine, or runs again after one.
    is_urgent: bool,
}

impl RoomCoverage {
    /// Returns when the room is to be written. `None` while no entry is uncovered, a write is in flight, or the entries
    /// wait for the room to be loaded.
    pub(super) fn due(&self, limits: CoverageLimits, writes_all_now: bool) -> Option<Instant> {
        self.first.filter(|_| !self.in_flight)?;
        let since = self.since?;
        let is_large = self.size.entries >= limits.entries
            || self.size.bytes > limits.bytes.max(self.snapshot_bytes);
        let at = if writes_all_now || self.is_urgent || is_large {
            since
        } else {
            let units = self.snapshot_bytes.div_ceil(SNAPSHOT_UNIT).clamp(1, 64);
            since + (limits.delay * units as u32).min(limits.max_delay)
        };
        let at = self.latest.map_or(at, |latest| at.min(latest));
        Some(self.not_before.map_or(at, |before| at.max(before)))
    }

    /// Returns the first uncovered entry.
    pub(super) fn first(&self) -> Option<u64> {
        self.first
    }

    /// Returns the size of the entries since the last write began.
    pub(super) fn size(&self) -> ReplaySize {
        self.size
    }

    /// Whether a write, a deletion of the key, or the read after a failed write is in flight.
    pub(super) fn is_in_flight(&self) -> bool {
        self.in_flight
    }

    /// Whether no entry is uncovered and nothing is in flight.
    pub(super) fn is_clean(&self) -> bool {
        self.first.is_none() && !self.in_flight
    }

    /// Whether the room can be written before it is due.
    pub(super) fn can_write(&self) -> bool {
        !self.in_flight && self.since.is_some() && self.not_before.is_none()
    }

    /// Adds an entry that was applied, with its bytes and those of the room's last snapshot. Returns whether it is the
    /// first uncovered one.
    pub(super) fn mark(&mut self, seq: u64, bytes: u64, snapshot_bytes: u64, now: Instant) -> bool {
        self.size.add_entry(bytes);
        self.snapshot_bytes = snapshot_bytes;
        self.since.get_or_insert(now);
        let is_first = self.mark_waiting(seq);
        if !is_first && self.in_flight {
            self.next_first.get_or_insert(seq);
        }
        is_first
    }

    /// Adds an entry that waits for the room to be loaded. Returns whether it is the first uncovered one.
    pub(super) fn mark_waiting(&mut self, seq: u64) -> bool {
        let is_first = self.first.is_none();
        self.first.get_or_insert(seq);
        is_first
    }

    /// Makes the room due if its uncovered entries waited for it to be loaded.
    pub(super) fn end_waiting(&mut self, now: Instant) {
        if self.first.is_some() && self.since.is_none() {
            self.since = Some(now);
            self.is_urgent = true;
        }
    }

    /// Sets the latest time at which the room is written.
    pub(super) fn set_latest(&mut self, latest: Instant) {
        self.latest = Some(self.latest.map_or(latest, |before| before.min(latest)));
    }

    /// Sets whether the room is due as soon as it has uncovered entries. Returns whether that is new.
    pub(super) fn set_urgent(&mut self, urgent: bool, now: Instant) -> bool {
        if urgent && self.first.is_some() && !self.in_flight {
            self.since.get_or_insert(now);
        }
        std::mem::replace(&mut self.is_urgent, urgent) != urgent
    }

    /// Postpones the write of the room for long, because the bus does not take it.
    pub(super) fn hold(&mut self, now: Instant) {
        self.since.get_or_insert(now);
        self.not_before = Some(now + HELD_RETRY);
    }

    /// Ends the wait for the next write.
    pub(super) fn end_hold(&mut self) {
        self.not_before = None;
    }

    /// Notes that something is in flight. Returns whether nothing was before.
    pub(super) fn begin_flight(&mut self) -> bool {
        !std::mem::replace(&mut self.in_flight, true)
    }

    /// Notes that nothing is in flight. Returns whether something was before.
    pub(super) fn end_flight(&mut self) -> bool {
        std::mem::take(&mut self.in_flight)
    }

    /// Begins to count entries again, because a write of the current state has begun. Returns the size of those that the
    /// write has.
    pub(super) fn begin_write(&mut self) -> ReplaySize {
        (self.since, self.latest) = (None, None);
        self.is_urgent = false;
        self.next_first = None;
        std::mem::take(&mut self.size)
    }

    /// Notes that the write in flight is stored. Returns the first uncovered entry before and after it.
    pub(super) fn on_written(&mut self) -> (Option<u64>, Option<u64>) {
        self.not_before = None;
        let next = self.next_first.take();
        (std::mem::replace(&mut self.first, next), next)
    }

    /// Notes that the write failed and the stored value is being read. After a conflict, the next write need not wait.
    pub(super) fn on_failed(&mut self, conflict: bool, now: Instant) {
        self.next_first = None;
        self.since.get_or_insert(now);
        self.not_before = (!conflict).then_some(now + RETRY);
    }

    /// Notes that the read after a failed write has ended. `read` is whether it succeeded.
    pub(super) fn on_read_back(&mut self, read: bool, now: Instant) {
        if read {
            (self.since, self.is_urgent) = (Some(now), true)
        } else {
            self.not_before = Some(now + RETRY);
        }
    }

    /// Forgets the uncovered entries, and keeps what is in flight. Returns the first of them.
    pub(super) fn clear(&mut self) -> Option<u64> {
        let first = self.first;
        *self = Self {
            in_flight: self.in_flight,
            ..Self::default()
        };
        first
    }

    /// Lowers uncovered entries to `cut`, the next entry after a cut of the log. Returns the first one if it was lowered.
    pub(super) fn cut(&mut self, cut: u64) -> Option<u64> {
        self.next_first = self.next_first.map(|next| next.min(cut));
        let first = self.first.filter(|first| *first > cut)?;
        self.first = Some(cut);
        Some(first)
    }
}
