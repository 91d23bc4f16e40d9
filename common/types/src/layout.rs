//! The distribution of rooms over partitions, and of partitions over streams.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::id::{Partition, RoomId};

/// The partitions and streams of a cluster.
///
/// Each layout of a cluster has numbers of its own, so that a process that has missed a change of the layout never names
/// a partition or a stream of another one: the subjects, keys and leases of two layouts are disjoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// The number of partitions that rooms are hashed to.
    pub partitions: u16,
    /// The number of streams, and of buckets of rooms, that partitions are spread over.
    pub streams: u16,
    /// The first partition.
    #[serde(default)]
    pub first_partition: u16,
    /// The first stream.
    #[serde(default)]
    pub first_stream: u16,
}

impl Layout {
    /// The most partitions.
    pub const MAX_PARTITIONS: u16 = 4096;

    /// The first layout of a cluster.
    pub const fn new(partitions: u16, streams: u16) -> Self {
        Self {
            partitions,
            streams,
            first_partition: 0,
            first_stream: 0,
        }
    }

    /// A layout that follows this one and shares no number with it. Numbers grow, and begin again at 0 when they are
    /// used up.
    pub fn successor(&self, partitions: u16, streams: u16) -> Self {
        let behind = |first: u16, count: u16, next: u16| {
            let behind = first.checked_add(count);
            behind.filter(|first| first.checked_add(next).is_some())
        };
        let first_partition = behind(self.first_partition, self.partitions, partitions);
        let first_stream = behind(self.first_stream, self.streams, streams);
        Self {
            partitions,
            streams,
            first_partition: first_partition.unwrap_or(0),
            first_stream: first_stream.unwrap_or(0),
        }
    }

    /// Whether the numbers are usable.
    pub fn is_valid(&self) -> bool {
        (1..=Self::MAX_PARTITIONS).contains(&self.partitions)
            && (1..=self.partitions).contains(&self.streams)
            && self.first_partition.checked_add(self.partitions).is_some()
            && self.first_stream.checked_add(self.streams).is_some()
    }

    /// The partition of a room.
    pub fn partition_of(&self, room: &RoomId) -> Partition {
        Partition(self.first_partition + room.partition(self.partitions).0)
    }

    /// The partition at `index`.
    pub fn partition(&self, index: usize) -> Partition {
        Partition(self.first_partition + index as u16)
    }

    /// The index of a partition among those of the layout, if it is one of them.
    pub fn index_of(&self, partition: Partition) -> Option<usize> {
        let index = partition.0.checked_sub(self.first_partition)?;
        (index < self.partitions).then_some(usize::from(index))
    }

    /// All partitions.
    pub fn all_partitions(&self) -> impl Iterator<Item = Partition> + use<> {
        let first = self.first_partition;
        (0..self.partitions).map(move |index| Partition(first + index))
    }

    /// All streams.
    pub fn all_streams(&self) -> Range<u16> {
        self.first_stream..self.first_stream + self.streams
    }

    /// The stream that holds a partition's log.
    pub fn stream_of(&self, partition: Partition) -> u16 {
        let index = partition.0.saturating_sub(self.first_partition);
        self.first_stream + index % self.streams.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d33_layouts_that_follow_each_other_share_no_number() {
        let mut layout = Layout::new(64, 4);
        for partitions in [256, 16, 4096, 4096].into_iter().cycle().take(100) {
            let next = layout.successor(partitions, 4);
            assert!(next.is_valid(), "{next:?}");
            for partition in next.all_partitions() {
                assert_eq!(layout.index_of(partition), None, "{layout:?} {next:?}");
            }
            for stream in next.all_streams() {
                assert!(layout.all_streams().all(|s| s != stream));
            }
            layout = next;
        }
    }

    #[test]
    fn a_room_is_in_a_partition_of_its_layout_and_a_partition_in_a_stream() {
        let layout = Layout::new(64, 4).successor(8, 3);
        assert_eq!((layout.first_partition, layout.first_stream), (64, 4));
        let room: RoomId = "memory-42".parse().unwrap();
        let partition = layout.partition_of(&room);
        assert_eq!(
            layout.partition(layout.index_of(partition).unwrap()),
            partition
        );
        assert_eq!(layout.stream_of(Partition(64)), 4);
        assert_eq!(layout.stream_of(Partition(66)), 6);
        assert_eq!(layout.stream_of(Partition(67)), 4);
    }

    #[test]
    fn a_record_without_first_numbers_is_the_first_layout() {
        let layout: Layout = serde_json::from_str(r#"{"partitions":64,"streams":4}"#).unwrap();
        assert_eq!(layout, Layout::new(64, 4));
    }
}
