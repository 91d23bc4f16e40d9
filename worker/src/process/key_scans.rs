//! Reads the keys of partitions, those of many partitions with one reader (D25).
//!
//! For each reader, NATS looks at all keys of a bucket. With a reader for each partition, a takeover would look at all keys
//! as often as it has partitions. So partitions that are opened while others are read wait, and are read together.

use std::collections::BTreeMap;
use std::rc::{Rc, Weak};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::OptionFuture;
use futures_util::stream::FuturesUnordered;
use grandstand_common::bus::{Bus, KvEntry, Read};
use grandstand_common::id::Partition;
use grandstand_common::subject;
use grandstand_common::supervisor::Supervisor;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, sleep_until};

use super::work_queue::{Work, WorkSender};
use crate::command::KvSource;

/// The time for which partitions are gathered before their rooms are read. A room that is needed earlier is read by itself,
/// and with players in it that is within this time: a takeover must not make NATS look at all rooms at the same moment.
/// Only rooms at rest, their timers and the first snapshots wait.
const GATHER: Duration = Duration::from_millis(500);

/// The pause before a failed read is tried again.
const RETRY: Duration = Duration::from_millis(100);

/// The entries after which closed partitions are looked for.
const ENTRIES_PER_LOOK: u32 = 1024;

/// A partition whose keys are read as long as this exists.
pub(super) type OpenKeys = Rc<()>;

/// The tasks that read keys, one for each bucket. They end when this is dropped.
#[derive(Debug)]
pub(super) struct KeyScans {
    bus: Bus,
    work: WorkSender,
    supervisor: Supervisor,
    /// The task of each source and stream, and the channel that opens partitions there.
    tasks: BTreeMap<(KvSource, u16), (mpsc::UnboundedSender<Member>, AbortHandle)>,
}

impl KeyScans {
    pub(super) fn new(bus: Bus, work: WorkSender, supervisor: Supervisor) -> Self {
        Self {
            bus,
            work,
            supervisor,
            tasks: BTreeMap::new(),
        }
    }

    /// Starts to read the keys of a partition, and sends them with the number `task`.
    pub(super) fn open(&mut self, partition: Partition, source: KvSource, task: u64) -> OpenKeys {
        let stream = match source {
            KvSource::Rooms => self.bus.layout().stream_of(partition),
            KvSource::Quarantine => 0,
        };
        let (opened, _) = self.tasks.entry((source, stream)).or_insert_with(|| {
            // A partition is opened again only after it was closed, so that few wait.
            let (sender, opened) = mpsc::unbounded_channel();
            let reading = drive(self.bus.clone(), source, opened, self.work.clone());
            (sender, self.supervisor.keep_local("keys", reading))
        });
        let open = OpenKeys::default();
        let member = Member {
            partition,
            task,
            open: Rc::downgrade(&open),
            is_behind: true,
        };
        // The task runs as long as this.
        opened.send(member).ok();
        open
    }
}

impl Drop for KeyScans {
    fn drop(&mut self) {
        self.tasks.values().for_each(|(_, task)| task.abort());
    }
}

/// Reads the keys of a bucket: one group of partitions after the other to the end of what is stored, and beyond that
/// until they are closed.
async fn drive(
    bus: Bus,
    source: KvSource,
    mut opened: mpsc::UnboundedReceiver<Member>,
    work: WorkSender,
) {
    let gather = match source {
        KvSource::Rooms => GATHER,
        // A takeover waits for these.
        KvSource::Quarantine => Duration::ZERO,
    };
    let mut groups = FuturesUnordered::new();
    let mut at_end: Option<oneshot::Receiver<()>> = None;
    let mut waiting = Vec::new();
    let mut gathered = Instant::now();
    loop {
        let is_next = at_end.is_none() && !waiting.is_empty();
        tokio::select! {
            member = opened.recv() => {
                let Some(member) = member else {
                    return;
                };
                if waiting.is_empty() {
                    gathered = Instant::now() + gather;
                }
                waiting.push(member);
            }
            () = sleep_until(gathered), if is_next => {
                let group = Group::new(source, std::mem::take(&mut waiting));
                let (sender, receiver) = oneshot::channel();
                at_end = Some(receiver);
                groups.push(group.read(&bus, &work, sender));
            }
            // A group that has ended has dropped its sender.
            Some(_) = OptionFuture::from(at_end.as_mut()) => at_end = None,
            Some(()) = groups.next() => {}
        }
    }
}

/// A partition whose keys are read.
#[derive(Debug)]
struct Member {
    partition: Partition,
    task: u64,
    open: Weak<()>,
    /// Whether it has not been told that all its stored keys were delivered.
    is_behind: bool,
}

impl Member {
    fn is_open(&self) -> bool {
        self.open.strong_count() > 0
    }
}

/// Partitions that one reader reads.
#[derive(Debug)]
struct Group {
    source: KvSource,
    members: BTreeMap<Partition, Member>,
    entries: u32,
}

impl Group {
    /// Makes a group. Of a partition that was opened twice, the first is closed.
    fn new(source: KvSource, members: Vec<Member>) -> Self {
        let members = members.into_iter();
        Self {
            source,
            members: members.map(|member| (member.partition, member)).collect(),
            entries: 0,
        }
    }

    /// Reads the keys until all partitions are closed. Sends to `at_end` when all stored keys were delivered.
    async fn read(mut self, bus: &Bus, work: &WorkSender, at_end: oneshot::Sender<()>) {
        let mut at_end = Some(at_end);
        let mut reader = loop {
            self.drop_closed();
            let Some(first) = self.members.keys().next() else {
                return;
            };
            let bucket = self.source.bucket(*first);
            let prefixes = self.members.keys().copied().map(subject::partition_prefix);
            match bus.watch_all(bucket, &prefixes.collect::<Vec<_>>()).await {
                Ok(reader) => break reader,
                Err(error) => {
                    tracing::debug!(?bucket, %error, "cannot read the bucket");
                    sleep(RETRY).await;
                }
            }
        };
        loop {
            let read = reader.next().await;
            let lost = read == Read::Lost;
            let ends = matches!(read, Read::Idle | Read::Item(_, 0));
            for (task, work_item) in self.shares(read) {
                if !work.send(task, work_item).await {
                    return;
                }
            }
            if lost || self.members.is_empty() {
                return;
            }
            if ends {
                at_end.take();
            }
        }
    }

    /// Returns what follows from a read for each partition, with the number of its task.
    fn shares(&mut self, read: Read<KvEntry>) -> Vec<(u64, Work)> {
        let source = self.source;
        match read {
            Read::Item(entry, behind) => {
                self.entries += 1;
                if self.entries.is_multiple_of(ENTRIES_PER_LOOK) {
                    self.drop_closed();
                }
                let mut shares = Vec::new();
                if let Some(member) = self.member_of(&entry.key) {
                    member.is_behind = behind > 0;
                    let item = Work::Kv(member.partition, source, Read::Item(entry, behind));
                    shares.push((member.task, item));
                }
                if behind == 0 {
                    shares.extend(self.told(false, || Read::Idle));
                }
                shares
            }
            Read::Idle => {
                self.drop_closed();
                self.told(true, || Read::Idle)
            }
            Read::Lost => self.told(true, || Read::Lost),
        }
    }

    /// Tells all members, or those that are behind, that all stored keys were delivered, or that the reader was lost.
    fn told(&mut self, all: bool, read: impl Fn() -> Read<KvEntry>) -> Vec<(u64, Work)> {
        let members = self.members.values_mut();
        let told = members.filter(|member| all || member.is_behind);
        let share = |member: &mut Member| {
            member.is_behind = false;
            (member.task, Work::Kv(member.partition, self.source, read()))
        };
        told.map(share).collect()
    }

    fn member_of(&mut self, key: &str) -> Option<&mut Member> {
        let (partition, _) = key.split_once('.')?;
        self.members.get_mut(&Partition(partition.parse().ok()?))
    }

    fn drop_closed(&mut self) {
        self.members.retain(|_, member| member.is_open());
    }
}

#[cfg(test)]
mod tests {
    use grandstand_common::bus::{Bucket, BusOptions};
    use tokio::task::LocalSet;

    use super::*;
    use crate::process::work_queue::work_queue;

    fn member(partition: u16, open: &OpenKeys) -> Member {
        Member {
            partition: Partition(partition),
            task: 100 + u64::from(partition),
            open: Rc::downgrade(open),
            is_behind: true,
        }
    }

    fn entry(key: &str) -> KvEntry {
        KvEntry {
            key: key.to_owned(),
            value: None,
            revision: 1,
            time_ms: 0,
        }
    }

    /// Each share as the partition's task and what it is told: the number of keys behind, or `i` for the end.
    fn text(shares: Vec<(u64, Work)>) -> Vec<String> {
        let text = |(task, work)| match work {
            Work::Kv(partition, KvSource::Rooms, read) => {
                assert_eq!(task, 100 + u64::from(partition.0));
                match read {
                    Read::Item(entry, behind) => format!("{}+{behind}", entry.key),
                    Read::Idle => format!("{partition} idle"),
                    Read::Lost => format!("{partition} lost"),
                }
            }
            other => panic!("{other:?}"),
        };
        shares.into_iter().map(text).collect()
    }

    fn group(open: &OpenKeys) -> Group {
        let members = [1, 2, 3].map(|partition| member(partition, open));
        Group::new(KvSource::Rooms, members.into())
    }

    #[tokio::test(start_paused = true)]
    async fn d25_partitions_that_are_opened_together_are_read_together() {
        let bus = Bus::embedded(&BusOptions::default()).unwrap();
        let stream = bus.layout().stream_of(Partition(1));
        let all = bus.layout().all_partitions();
        let of_stream = all.filter(|partition| bus.layout().stream_of(*partition) == stream);
        let partitions: Vec<_> = of_stream.take(3).collect();
        for partition in &partitions {
            let (bucket, key) = (Bucket::Rooms(*partition), format!("{partition}.a"));
            bus.put_if(bucket, &key, "x".into(), 0).await.unwrap();
        }
        let test = async {
            let (sender, mut receiver) = work_queue();
            let mut scans = KeyScans::new(bus.clone(), sender, Supervisor::default());
            let mut open = Vec::new();
            for partition in &partitions {
                open.push(scans.open(*partition, KvSource::Rooms, 7));
                sleep(GATHER / 4).await;
            }
            assert!(receiver.try_recv().is_none(), "more may be opened");
            let mut told = Vec::new();
            while told.len() < 3 {
                let (task, work) = receiver.recv().await.unwrap();
                assert_eq!(task, 7);
                match work {
                    Work::Kv(partition, _, Read::Item(..)) => told.push(partition),
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(told, partitions);
        };
        LocalSet::new().run_until(test).await;
    }

    #[test]
    fn d25_each_partition_of_a_reader_is_told_once_that_its_keys_were_delivered() {
        let open = OpenKeys::default();
        let mut group = group(&open);
        let mut read = |key, behind| text(group.shares(Read::Item(entry(key), behind)));
        assert_eq!(read("2.a", 3), ["2.a+3"]);
        assert_eq!(read("1.a", 2), ["1.a+2"]);
        assert!(read("9.a", 1).is_empty(), "of no partition");
        assert_eq!(read("1.b", 0), ["1.b+0", "2 idle", "3 idle"]);
        // Later changes.
        assert_eq!(read("3.a", 0), ["3.a+0"]);
        assert_eq!(read("2.b", 1), ["2.b+1"]);
        assert_eq!(read("3.b", 0), ["3.b+0", "2 idle"]);
        let idle = ["1 idle", "2 idle", "3 idle"];
        assert_eq!(text(group.shares(Read::Idle)), idle);
        let lost = ["1 lost", "2 lost", "3 lost"];
        assert_eq!(text(group.shares(Read::Lost)), lost);
    }

    #[test]
    fn closed_partitions_are_read_no_longer() {
        let (open, other) = (OpenKeys::default(), OpenKeys::default());
        let mut group = group(&open);
        group.members.insert(Partition(4), member(4, &other));
        drop(open);
        assert_eq!(text(group.shares(Read::Idle)), ["4 idle"]);
        drop(other);
        assert!(group.shares(Read::Idle).is_empty());
        assert!(group.members.is_empty());
    }
}
