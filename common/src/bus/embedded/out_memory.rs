//! The bound of what games emit on a bus without a folder.

use std::collections::VecDeque;

/// The bytes that an item costs beside its key and body.
const ITEM_BYTES: usize = 256;

/// The items of a bus without a folder, oldest first, with their sizes.
#[derive(Debug, Default)]
pub(super) struct OutMemory {
    items: VecDeque<(u64, usize)>,
    bytes: usize,
}

impl OutMemory {
    /// Counts an item, and returns the sequences of those that must go so that all fit into `max` bytes.
    pub(super) fn add(&mut self, seq: u64, bytes: usize, max: usize) -> Vec<u64> {
        self.items.push_back((seq, bytes + ITEM_BYTES));
        self.bytes += bytes + ITEM_BYTES;
        let mut gone = Vec::new();
        while self.bytes > max
            && self.items.len() > 1
            && let Some((seq, bytes)) = self.items.pop_front()
        {
            self.bytes -= bytes;
            gone.push(seq);
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_items_go_when_the_memory_is_full() {
        let mut memory = OutMemory::default();
        let max = 3 * (ITEM_BYTES + 100);
        for seq in 1..=3 {
            assert!(memory.add(seq, 100, max).is_empty());
        }
        assert_eq!(memory.add(4, 100, max), [1]);
        assert_eq!(memory.add(5, 200 + ITEM_BYTES, max), [2, 3]);
        assert_eq!(memory.add(6, max, max), [4, 5], "the newest one stays");
    }
}
