//! A timer wheel for a shard: many coarse deadlines, almost all of which are replaced before they expire.

use std::time::{Duration, Instant};

#[cfg(test)]
mod tests;

/// The time between two slots, and so the most by which a key can expire late.
pub const TICK: Duration = Duration::from_millis(100);

/// The number of slots. A deadline further away than one round (51.2 s) stays in its slot for several rounds.
const SLOTS: usize = 512;

/// Keys that expire at their deadline, in O(1) each.
///
/// A key cannot be removed early. The caller stores the deadline that counts, compares it when the key expires, and drops
/// the key or inserts it again.
#[derive(Debug)]
pub struct TimerWheel<K> {
    start: Instant,
    /// All keys of earlier ticks have expired.
    tick: u64,
    slots: Vec<Vec<Entry<K>>>,
    /// One bit per slot, set if the slot is not empty.
    occupied: [u64; SLOTS / 64],
    /// Expired keys, in reverse order.
    due: Vec<K>,
    len: usize,
}

#[derive(Debug)]
struct Entry<K> {
    /// Wraps after 13 years.
    tick: u32,
    key: K,
}

impl<K> TimerWheel<K> {
    /// Creates an empty wheel whose first tick is at `now`.
    pub fn new(now: Instant) -> Self {
        Self {
            start: now,
            tick: 0,
            slots: (0..SLOTS).map(|_| Vec::new()).collect(),
            occupied: [0; SLOTS / 64],
            due: Vec::new(),
            len: 0,
        }
    }

    /// Inserts a key that expires at `deadline` or at most a [`TICK`] later. If `deadline` has passed, the key expires
    /// at the next tick, so that a loop that inserts expired keys again ends.
    pub fn insert(&mut self, deadline: Instant, key: K) {
        let tick = self.tick_after(deadline).max(self.tick);
        let slot = slot_of(tick);
        self.slots[slot].push(Entry {
            tick: tick as u32,
            key,
        });
        self.occupied[slot / 64] |= 1 << (slot % 64);
        self.len += 1;
    }

    /// Returns the next key whose deadline has passed. Call it until it returns `None`, and again at
    /// [`next_deadline`](Self::next_deadline).
    pub fn poll_expired(&mut self, now: Instant) -> Option<K> {
        if self.due.is_empty() {
            self.collect(now);
        }
        let key = self.due.pop()?;
        self.len -= 1;
        Some(key)
    }

    /// The time of the next poll: the tick of the first deadline or earlier. `None` if the wheel is empty.
    pub fn next_deadline(&self) -> Option<Instant> {
        if !self.due.is_empty() {
            return Some(self.time_of(self.tick - 1));
        }
        if self.len == 0 {
            return None;
        }
        let ahead = (0..SLOTS as u64)
            .find(|ahead| self.is_occupied(slot_of(self.tick + ahead)))
            .unwrap_or(0);
        Some(self.time_of(self.tick + ahead))
    }

    /// The size of one key's entry, in bytes.
    pub const fn entry_bytes() -> usize {
        size_of::<Entry<K>>()
    }

    /// The number of keys.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the wheel has no keys.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Moves the keys of all ticks that have passed to `due`.
    fn collect(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.start).as_nanos();
        let passed = (elapsed / TICK.as_nanos()) as u64;
        if passed < self.tick {
            return;
        }
        // After a long sleep each slot is visited once, not once per tick.
        let last = passed.min(self.tick + SLOTS as u64 - 1);
        for tick in self.tick..=last {
            let slot = slot_of(tick);
            if !self.is_occupied(slot) {
                continue;
            }
            let entries = std::mem::take(&mut self.slots[slot]);
            for entry in entries {
                if u64::from(entry.tick) <= passed {
                    self.due.push(entry.key);
                } else {
                    self.slots[slot].push(entry);
                }
            }
            if self.slots[slot].is_empty() {
                self.occupied[slot / 64] &= !(1 << (slot % 64));
            }
        }
        self.tick = passed + 1;
        self.due.reverse();
    }

    fn is_occupied(&self, slot: usize) -> bool {
        self.occupied[slot / 64] & (1 << (slot % 64)) != 0
    }

    /// The first tick that is not before `deadline`.
    fn tick_after(&self, deadline: Instant) -> u64 {
        let nanos = deadline.saturating_duration_since(self.start).as_nanos();
        nanos.div_ceil(TICK.as_nanos()) as u64
    }

    fn time_of(&self, tick: u64) -> Instant {
        let millis = tick.saturating_mul(TICK.as_millis() as u64);
        self.start + Duration::from_millis(millis)
    }
}

fn slot_of(tick: u64) -> usize {
    (tick % SLOTS as u64) as usize
}
