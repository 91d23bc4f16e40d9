//! The log of the embedded bus: streams of numbered entries, read by partition.

use std::collections::VecDeque;

use grandstand_types::id::Partition;
use tokio::sync::watch;

use crate::bus::options::BusOptions;
use crate::bus::types::{LogEntry, LogState};

/// All streams.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) streams: Vec<Stream>,
    pub(super) partitions: Vec<PartitionLog>,
    max_age_ms: u64,
    /// The most bytes of a stream in memory.
    max_bytes: usize,
    /// Entries that leave memory stay in the folder.
    pub(super) on_disk: bool,
}

/// A stream: several partitions that share sequence numbers.
#[derive(Debug)]
pub(super) struct Stream {
    /// The first sequence that can be read.
    pub(super) first: u64,
    /// The last assigned sequence.
    pub(super) last: u64,
    /// The last sequence that is stored and therefore visible.
    pub(super) visible: u64,
    pub(super) created_ms: u64,
    /// The entries in memory, oldest first.
    order: VecDeque<EntryMeta>,
    bytes: usize,
}

#[derive(Debug, Clone, Copy)]
struct EntryMeta {
    seq: u64,
    time_ms: u64,
    partition: Partition,
    bytes: usize,
}

/// A partition's entries.
#[derive(Debug)]
pub(super) struct PartitionLog {
    entries: VecDeque<LogEntry>,
    /// Entries before this are not in memory.
    memory_from: u64,
    /// Entries before this no longer exist.
    pub(super) gone_before: u64,
    /// Signalled when entries become visible.
    pub(super) wake: watch::Sender<()>,
}

/// The result of a lookup in a partition.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Entries in order, and whether more follow.
    Entries(Vec<LogEntry>, bool),
    /// Entries before `until` must be read from the folder.
    OnDisk {
        /// The first sequence in memory.
        until: u64,
        /// The last visible sequence.
        visible: u64,
    },
    /// Some of the wanted entries no longer exist.
    Gone,
}

impl Log {
    pub(super) fn new(options: &BusOptions, created_ms: u64, on_disk: bool) -> Self {
        let streams = (0..options.streams).map(|_| Stream {
            first: 1,
            last: 0,
            visible: 0,
            created_ms,
            order: VecDeque::new(),
            bytes: 0,
        });
        let partitions = (0..options.partitions).map(|_| PartitionLog {
            entries: VecDeque::new(),
            memory_from: 0,
            gone_before: 0,
            wake: watch::Sender::new(()),
        });
        Self {
            streams: streams.collect(),
            partitions: partitions.collect(),
            max_age_ms: options.log_max_age.as_millis() as u64,
            max_bytes: options.log_memory / usize::from(options.streams),
            on_disk,
        }
    }

    /// The place of a partition's stream.
    pub(super) fn stream_of(&self, partition: Partition) -> usize {
        usize::from(partition.0) % self.streams.len()
    }

    pub(super) fn has(&self, partition: Partition) -> bool {
        usize::from(partition.0) < self.partitions.len()
    }

    /// Adds an entry and returns its sequence. [`set_visible`](Self::set_visible) makes it visible.
    pub(super) fn push(&mut self, partition: Partition, mut entry: LogEntry) -> u64 {
        let stream = self.stream_of(partition);
        let stream = &mut self.streams[stream];
        stream.last += 1;
        entry.seq = stream.last;
        let bytes = entry.subject.len() + entry.payload.len() + size_of::<LogEntry>();
        stream.bytes += bytes;
        stream.order.push_back(EntryMeta {
            seq: stream.last,
            time_ms: entry.time_ms,
            partition,
            bytes,
        });
        self.partitions[usize::from(partition.0)]
            .entries
            .push_back(entry);
        stream.last
    }

    /// Makes all entries of a stream up to `seq` visible.
    pub(super) fn set_visible(&mut self, stream: usize, seq: u64) {
        self.streams[stream].visible = self.streams[stream].visible.max(seq);
    }

    /// Drops entries that are too old, or exceed the memory.
    pub(super) fn trim(&mut self, now_ms: u64) {
        for stream in 0..self.streams.len() {
            self.trim_stream(stream, now_ms);
        }
    }

    /// Does the same for one stream.
    pub(super) fn trim_stream(&mut self, stream: usize, now_ms: u64) {
        let stream = &mut self.streams[stream];
        let cutoff = now_ms.saturating_sub(self.max_age_ms);
        while let Some(&meta) = stream.order.front()
            && meta.seq <= stream.visible
            && (meta.time_ms < cutoff || stream.bytes > self.max_bytes)
        {
            stream.order.pop_front();
            stream.bytes -= meta.bytes;
            let partition_log = &mut self.partitions[usize::from(meta.partition.0)];
            partition_log.entries.pop_front();
            partition_log.memory_from = meta.seq + 1;
            if !self.on_disk {
                partition_log.gone_before = meta.seq + 1;
                stream.first = meta.seq + 1;
            }
        }
    }

    /// Drops the newest entries of a stream, like a server that loses power, and returns their number.
    pub(super) fn lose_tail(&mut self, stream: usize, from: u64) -> u64 {
        let stream = &mut self.streams[stream];
        let before = stream.last;
        while let Some(&meta) = stream.order.back()
            && meta.seq >= from
        {
            stream.order.pop_back();
            stream.bytes -= meta.bytes;
            stream.last = meta.seq - 1;
            self.partitions[usize::from(meta.partition.0)]
                .entries
                .pop_back();
        }
        stream.visible = stream.visible.min(stream.last);
        before - stream.last
    }

    pub(super) fn state(&self, partition: Partition) -> LogState {
        let stream = &self.streams[self.stream_of(partition)];
        LogState {
            first: stream.first.min(stream.visible + 1),
            last: stream.visible,
            created_ms: stream.created_ms,
        }
    }

    /// Returns at most `limit` visible entries of a partition from `from` on.
    pub(super) fn find(&self, partition: Partition, from: u64, limit: usize) -> Found {
        let partition_log = &self.partitions[usize::from(partition.0)];
        let visible = self.streams[self.stream_of(partition)].visible;
        if from < partition_log.gone_before {
            return Found::Gone;
        }
        if from < partition_log.memory_from && self.on_disk {
            return Found::OnDisk {
                until: partition_log.memory_from,
                visible,
            };
        }
        let begin = partition_log
            .entries
            .partition_point(|entry| entry.seq < from);
        let end = partition_log
            .entries
            .partition_point(|entry| entry.seq <= visible);
        let end = end.max(begin);
        let entries = partition_log.entries.range(begin..end.min(begin + limit));
        Found::Entries(entries.cloned().collect(), end > begin + limit)
    }

    /// The first sequence for a reader that starts at `from`.
    pub(super) fn begin(&self, partition: Partition, from: u64) -> u64 {
        from.max(self.partitions[usize::from(partition.0)].gone_before)
            .max(1)
    }

    /// Restores a stream from the folder: everything up to `last` is on disk.
    pub(super) fn restore(&mut self, stream: usize, first: u64, last: u64, created_ms: u64) {
        let streams = self.streams.len();
        for partition_log in self.partitions.iter_mut().skip(stream).step_by(streams) {
            partition_log.memory_from = last + 1;
        }
        let stream = &mut self.streams[stream];
        (stream.first, stream.last) = (first, last);
        (stream.visible, stream.created_ms) = (last, created_ms);
    }
}
