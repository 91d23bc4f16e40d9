//! The place of a consumer in the stream of what games send out, whose items are completed in any order.

use std::collections::BTreeSet;

use grandstand_common::bus::OutPosition;
use serde::{Deserialize, Serialize};

/// The place of a consumer: how far it has read, and which items of those are not completed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// The time when the stream was created, Unix milliseconds.
    created_ms: u64,
    /// The sequence of the last item that was read.
    read: u64,
    /// The sequences of those that are not completed.
    open: BTreeSet<u64>,
    /// The sequence up to which items come again, of which the completed ones are skipped.
    #[serde(skip)]
    again: u64,
}

impl Place {
    /// A place behind this position.
    pub(super) fn behind(position: OutPosition) -> Self {
        Self {
            created_ms: position.created_ms,
            read: position.seq,
            ..Self::default()
        }
    }

    /// The position behind which to read, so that all items come that are not completed.
    pub(super) fn resume(&mut self) -> OutPosition {
        self.again = self.read;
        let first = self.open.first().map(|first| first - 1);
        OutPosition {
            created_ms: self.created_ms,
            seq: first.unwrap_or(self.read),
        }
    }

    /// Begins an item. Returns whether it is to be delivered.
    pub(super) fn begin(&mut self, seq: u64) -> bool {
        if seq <= self.again {
            return self.open.contains(&seq);
        }
        self.read = self.read.max(seq);
        self.open.insert(seq)
    }

    /// Completes an item.
    pub(super) fn end(&mut self, seq: u64) {
        self.open.remove(&seq);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_that_were_not_completed_come_again_and_others_do_not() {
        let mut place = Place::behind(OutPosition {
            created_ms: 70,
            seq: 4,
        });
        for seq in [5, 7, 8, 9] {
            assert!(place.begin(seq));
        }
        place.end(5);
        place.end(8);
        let stored = serde_json::to_string(&place).unwrap();
        let mut place: Place = serde_json::from_str(&stored).unwrap();
        assert_eq!(place.resume().seq, 6);
        let again: Vec<_> = (7..=11).filter(|seq| place.begin(*seq)).collect();
        assert_eq!(again, [7, 9, 10, 11]);
        for seq in again {
            place.end(seq);
        }
        assert!(place.open.is_empty());
        assert_eq!(place.resume().seq, 11);
    }
}
