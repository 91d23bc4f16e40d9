//! The items that one room has sent out, until they are acked.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use crate::stored::outlet::PendingItem;

/// The items that are not acked from which on the room gets no entries.
const MAX_ITEMS: usize = 1_024;
/// The bytes of such items from which on the room gets no entries.
const MAX_BYTES: usize = 256 * 1024;
/// The most items of a room on their way.
const IN_FLIGHT: usize = 64;
/// The delay before an item is sent again that was not acked. It doubles with each failure in a row, up to `MAX_RETRY`.
const RETRY: Duration = Duration::from_millis(250);
const MAX_RETRY: Duration = Duration::from_secs(5);

/// The items of a room that are not acked, and the entries that wait for acks.
#[derive(Debug, Default)]
pub(super) struct Outlet {
    items: VecDeque<Queued>,
    bytes: usize,
    in_flight: usize,
    next_place: u64,
    /// Failures since the last ack.
    failures: u32,
    /// No item is sent before.
    not_before: Option<Instant>,
    /// Whether the last snapshot that was written has items.
    is_stored: bool,
    hold: Option<Hold>,
}

#[derive(Debug)]
struct Queued {
    /// Tells the items of the room apart, as long as this worker has the partition.
    place: u64,
    item: PendingItem,
    is_in_flight: bool,
}

/// The entries that the room has not got, because too many items were not acked.
#[derive(Debug)]
struct Hold {
    /// The first one.
    from: u64,
    /// The last one that the reader of the partition's log has delivered.
    last: u64,
    /// Whether the last one is an entry of this room.
    is_exact: bool,
    /// The number of the reader that delivers them again.
    reader: Option<u64>,
}

impl Outlet {
    /// Adds an item.
    pub(super) fn push(&mut self, item: PendingItem) {
        self.bytes += item.bytes();
        self.items.push_back(Queued {
            place: self.next_place,
            item,
            is_in_flight: false,
        });
        self.next_place += 1;
    }

    pub(super) fn items(&self) -> impl Iterator<Item = &PendingItem> {
        self.items.iter().map(|queued| &queued.item)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether the room gets no entries.
    pub(super) fn is_full(&self) -> bool {
        self.items.len() >= MAX_ITEMS || self.bytes >= MAX_BYTES
    }

    /// Whether entries that were held may come.
    pub(super) fn has_space(&self) -> bool {
        self.items.len() <= MAX_ITEMS / 2 && self.bytes <= MAX_BYTES / 2
    }

    /// Whether nothing has to be known of the room.
    pub(super) fn is_forgotten(&self) -> bool {
        self.items.is_empty() && self.hold.is_none() && !self.is_stored
    }

    /// Begins to send the next item that may be sent. Messages to a room go one after the other, so that it recognizes
    /// repeats by their numbers.
    pub(super) fn begin(&mut self, now: Instant) -> Option<(u64, PendingItem)> {
        if self.in_flight == IN_FLIGHT || self.not_before.is_some_and(|at| at > now) {
            return None;
        }
        let mut busy = BTreeSet::new();
        for queued in &mut self.items {
            let is_free = queued.item.to.as_ref().is_none_or(|to| busy.insert(to));
            if is_free && !queued.is_in_flight {
                queued.is_in_flight = true;
                self.in_flight += 1;
                return Some((queued.place, queued.item.clone()));
            }
        }
        None
    }

    /// Returns when items that were not acked are sent again, if that is later than `now`.
    pub(super) fn retry_at(&self, now: Instant) -> Option<Instant> {
        self.not_before.filter(|at| *at > now)
    }

    /// Ends the sending of an item. Returns when the next one may be sent.
    pub(super) fn end(&mut self, place: u64, is_acked: bool, now: Instant) -> Option<Instant> {
        let at = self.items.iter().position(|queued| queued.place == place);
        if let Some(at) = at {
            self.in_flight -= 1;
            if is_acked {
                let queued = self.items.remove(at);
                self.bytes -= queued.map_or(0, |queued| queued.item.bytes());
            } else {
                self.items[at].is_in_flight = false;
            }
        }
        if is_acked {
            self.failures = 0;
            self.not_before = None;
            return Some(now).filter(|_| !self.items.is_empty());
        }
        // Those that failed together count once.
        if self.not_before.is_none_or(|before| before <= now) {
            let retry = RETRY * 2_u32.saturating_pow(self.failures.min(8));
            self.not_before = Some(now + retry.min(MAX_RETRY));
            self.failures += 1;
        }
        self.not_before
    }

    /// Sets whether the snapshot that is being written has items. Returns whether the one before had some.
    pub(super) fn set_stored(&mut self, is_stored: bool) -> bool {
        std::mem::replace(&mut self.is_stored, is_stored)
    }

    pub(super) fn is_stored(&self) -> bool {
        self.is_stored
    }

    /// Holds an entry of the partition's log back. Returns whether it is the first one.
    pub(super) fn hold(&mut self, seq: u64) -> bool {
        match &mut self.hold {
            Some(hold) => {
                (hold.last, hold.is_exact) = (hold.last.max(seq), true);
                false
            }
            None => {
                self.hold = Some(Hold {
                    from: seq,
                    last: seq,
                    is_exact: true,
                    reader: None,
                });
                true
            }
        }
    }

    /// Holds the entries from `from` to `last` back, of which some may be the room's.
    pub(super) fn hold_all(&mut self, from: u64, last: u64) {
        self.hold = Some(Hold {
            from,
            last,
            is_exact: false,
            reader: None,
        });
    }

    /// The first entry that is held back.
    pub(super) fn held_from(&self) -> Option<u64> {
        self.hold.as_ref().map(|hold| hold.from)
    }

    /// The number of the reader of the entries that were held back.
    pub(super) fn reader(&self) -> Option<u64> {
        self.hold.as_ref()?.reader
    }

    /// Begins or (`None`) interrupts the reading of the entries that were held back.
    pub(super) fn set_reader(&mut self, reader: Option<u64>) {
        if let Some(hold) = &mut self.hold {
            hold.reader = reader;
        }
    }

    /// Whether the entry is one of those that were held back, which the partition's log does not deliver again.
    pub(super) fn is_held(&self, seq: u64) -> bool {
        self.hold.as_ref().is_some_and(|hold| seq <= hold.last)
    }

    /// Moves past an entry that was held back. Returns whether there are more.
    pub(super) fn pass(&mut self, seq: u64) -> bool {
        let Some(hold) = &mut self.hold else {
            return false;
        };
        hold.from = seq + 1;
        hold.from <= hold.last
    }

    /// Ends the hold. Returns the first entry that was not passed, if there is one.
    pub(super) fn end_hold(&mut self) -> Option<u64> {
        let hold = self.hold.take()?;
        (hold.is_exact && hold.from <= hold.last).then_some(hold.from)
    }

    /// Notes that the log lost the entries from `cut` on (D11).
    pub(super) fn cut(&mut self, cut: u64) {
        if let Some(hold) = &mut self.hold {
            (hold.from, hold.last) = (hold.from.min(cut), hold.last.min(cut));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(no: u64, to: Option<&str>) -> PendingItem {
        PendingItem {
            id: format!("7f.{no}"),
            at_ms: 5,
            to: to.map(|to| to.parse().unwrap()),
            topic: "results".parse().unwrap(),
            due_ms: None,
            data: "1".to_owned(),
        }
    }

    fn begun(outlet: &mut Outlet, now: Instant) -> Vec<String> {
        let all = std::iter::from_fn(|| outlet.begin(now));
        all.map(|(place, item)| format!("{place} {}", item.id))
            .collect()
    }

    #[allow(clippy::disallowed_methods)]
    fn now() -> Instant {
        Instant::now()
    }

    #[test]
    fn messages_to_a_room_go_one_after_the_other_and_other_items_together() {
        let mut outlet = Outlet::default();
        for (no, to) in [
            (1, Some("a-1")),
            (2, None),
            (3, Some("a-1")),
            (4, Some("b-1")),
            (5, None),
        ] {
            outlet.push(item(no, to));
        }
        let now = now();
        assert_eq!(
            begun(&mut outlet, now),
            ["0 7f.1", "1 7f.2", "3 7f.4", "4 7f.5"]
        );
        outlet.end(1, true, now);
        assert!(begun(&mut outlet, now).is_empty());
        outlet.end(0, true, now);
        assert_eq!(begun(&mut outlet, now), ["2 7f.3"]);
    }

    #[test]
    fn items_that_are_not_acked_are_sent_again_later_and_later() {
        let mut outlet = Outlet::default();
        let mut now = now();
        outlet.push(item(1, None));
        for wait in [250, 500, 1_000, 2_000, 4_000, 5_000, 5_000] {
            assert_eq!(begun(&mut outlet, now), ["0 7f.1"]);
            let again = now + Duration::from_millis(wait);
            assert_eq!(outlet.end(0, false, now), Some(again));
            assert!(begun(&mut outlet, now).is_empty());
            now = again;
        }
        assert_eq!(begun(&mut outlet, now).len(), 1);
        assert_eq!(outlet.end(0, true, now), None);
        assert!(outlet.is_forgotten());
    }

    #[test]
    fn d26_a_room_is_full_by_items_or_by_bytes_until_half_are_acked() {
        let mut outlet = Outlet::default();
        let now = now();
        for no in 1..=1_024 {
            assert!(!outlet.is_full());
            outlet.push(item(no, None));
        }
        assert!(outlet.is_full());
        assert_eq!(begun(&mut outlet, now).len(), IN_FLIGHT);
        for place in 0..512 {
            assert!(!outlet.has_space());
            outlet.end(place, true, now);
            begun(&mut outlet, now);
        }
        assert!(outlet.has_space());
        let mut outlet = Outlet::default();
        outlet.push(PendingItem {
            data: "x".repeat(MAX_BYTES),
            ..item(1, None)
        });
        assert!(outlet.is_full());
    }

    #[test]
    fn entries_that_were_held_back_are_passed_one_by_one() {
        let mut outlet = Outlet::default();
        assert!(outlet.hold(5) && !outlet.hold(9));
        assert_eq!(outlet.held_from(), Some(5));
        assert!(outlet.is_held(9) && !outlet.is_held(10));
        assert!(outlet.pass(5));
        assert_eq!(outlet.held_from(), Some(6));
        assert!(!outlet.pass(9));
        assert_eq!(outlet.end_hold(), None);
        outlet.hold(5);
        assert_eq!(outlet.end_hold(), Some(5), "an entry is gone");
    }
}
