//! The cost of replaying entries, measured while entries are applied (D32).

use std::time::Duration;

/// The least time that the replay of an entry is taken to need: it must also be read from the log.
const MIN_PER_ENTRY: Duration = Duration::from_micros(5);
/// The weight of what was measured before, each time that more is measured.
const MEMORY: f64 = 0.99;

/// A number of entries and their bytes in the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ReplaySize {
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
}

impl ReplaySize {
    pub(crate) fn add_entry(&mut self, bytes: u64) {
        self.entries += 1;
        self.bytes += bytes;
    }

    /// Subtracts entries that are written.
    pub(crate) fn subtract(&mut self, other: Self) {
        self.entries = self.entries.saturating_sub(other.entries);
        self.bytes = self.bytes.saturating_sub(other.bytes);
    }

    /// Whether it has more entries or more bytes than `limit`.
    pub(crate) fn exceeds(self, limit: Self) -> bool {
        self.entries > limit.entries || self.bytes > limit.bytes
    }
}

/// The time that applying entries took lately.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReplayCost {
    entries: f64,
    bytes: f64,
    seconds: f64,
}

impl Default for ReplayCost {
    /// Until more is known, a replay does 50,000 entries or 10 MB a second.
    fn default() -> Self {
        Self {
            entries: 50_000.0,
            bytes: 10_000_000.0,
            seconds: 1.0,
        }
    }
}

impl ReplayCost {
    /// Notes that applying entries took a time.
    pub(crate) fn note(&mut self, size: ReplaySize, busy: Duration) {
        let entries = size.entries as f64;
        let bytes = size.bytes as f64;
        self.entries = self.entries * MEMORY + entries;
        self.bytes = self.bytes * MEMORY + bytes;
        let least = MIN_PER_ENTRY.as_secs_f64() * entries;
        self.seconds = self.seconds * MEMORY + busy.as_secs_f64().max(least);
    }

    /// Returns how much is replayed within a time.
    pub(crate) fn limit(&self, within: Duration) -> ReplaySize {
        let share = within.as_secs_f64() / self.seconds;
        ReplaySize {
            entries: (self.entries * share) as u64,
            bytes: (self.bytes * share) as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d32_the_limit_follows_what_was_measured() {
        let mut cost = ReplayCost::default();
        let second = Duration::from_secs(1);
        assert_eq!(cost.limit(second).entries, 50_000);
        let size = ReplaySize {
            entries: 1_000,
            bytes: 100_000,
        };
        for _ in 0..2_000 {
            cost.note(size, second / 10);
        }
        let limit = cost.limit(second / 2);
        assert!((4_990..=5_010).contains(&limit.entries), "{limit:?}");
        assert!((499_000..=501_000).contains(&limit.bytes), "{limit:?}");
        for _ in 0..2_000 {
            cost.note(size, Duration::ZERO);
        }
        let limit = cost.limit(second / 2);
        assert!((99_900..=100_100).contains(&limit.entries), "{limit:?}");
    }
}
