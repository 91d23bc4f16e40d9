//! The tasks that read the bus for a room loop. Each sends its items through one bounded channel and waits while that is
//! full.

use std::collections::BTreeMap;
use std::time::Duration;

use grandstand_common::bus::{Bus, BusError, LogEntry, LogReader, Read};
use grandstand_common::id::{Partition, RoomId, WorkerId};
use grandstand_common::subject;
use grandstand_common::supervisor::Supervisor;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::key_scans::{KeyScans, OpenKeys};
use super::subscribe::subscribe;
use super::work_queue::{Work, WorkSender};
use crate::command::KvSource;

/// The pause before a failed read is tried again.
const RETRY: Duration = Duration::from_millis(100);

/// The subject of a task. A new task with the same key replaces the earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ReaderKey {
    /// Reads a partition's log.
    Log(Partition),
    /// Reads the log of a room, with this number.
    Room(Partition, u64),
    /// Reads the keys of a partition.
    Kv(Partition, KvSource),
    /// Listens to `ctl.{p}` and `live.{p}`.
    Listen(Partition),
}

/// The task or reader for a key, until it is dropped.
#[derive(Debug)]
enum Reading {
    /// A task of its own.
    Task(AbortHandle),
    /// A share of a reader of many partitions.
    Keys { _open: OpenKeys },
}

impl Drop for Reading {
    fn drop(&mut self) {
        if let Self::Task(task) = self {
            task.abort();
        }
    }
}

/// The reading tasks of a room loop. They end when this is dropped.
#[derive(Debug)]
pub(super) struct Readers {
    bus: Bus,
    work: WorkSender,
    tasks: BTreeMap<ReaderKey, (u64, Reading)>,
    key_scans: KeyScans,
    /// The tasks that run for as long as the loop.
    fixed: Vec<AbortHandle>,
    next: u64,
    supervisor: Supervisor,
}

impl Readers {
    pub(super) fn new(bus: Bus, work: WorkSender, supervisor: Supervisor) -> Self {
        Self {
            key_scans: KeyScans::new(bus.clone(), work.clone(), supervisor.clone()),
            supervisor,
            bus,
            work,
            tasks: BTreeMap::new(),
            fixed: Vec::new(),
            next: 1,
        }
    }

    /// Whether an item is from the current task of its key. Items of earlier tasks are void.
    pub(super) fn is_current(&self, task: u64, work: &Work) -> bool {
        let key = match work {
            Work::Log(partition, _) => ReaderKey::Log(*partition),
            Work::Room(partition, reader, _) => ReaderKey::Room(*partition, *reader),
            Work::Kv(partition, source, _) => ReaderKey::Kv(*partition, *source),
            Work::Listening(p) | Work::Live(p, _) | Work::Ctl(p, _) => ReaderKey::Listen(*p),
            Work::LinkRequest(_) => return true,
        };
        self.tasks.get(&key).is_some_and(|(id, _)| *id == task)
    }

    /// Starts to read a partition's log from the sequence `from` on.
    pub(super) fn open_log(&mut self, partition: Partition, from: u64) {
        let open = async move |bus: &Bus| bus.read_log(partition, from).await;
        let key = ReaderKey::Log(partition);
        self.read(key, open, move |read| Work::Log(partition, read));
    }

    /// Starts to read the entries of a room from the sequence `from` on.
    pub(super) fn open_room(&mut self, partition: Partition, room: RoomId, from: u64, reader: u64) {
        let open = async move |bus: &Bus| bus.read_room(&room, from).await;
        let key = ReaderKey::Room(partition, reader);
        self.read(key, open, move |read| Work::Room(partition, reader, read));
    }

    /// Starts to read a log.
    fn read(
        &mut self,
        key: ReaderKey,
        open: impl AsyncFn(&Bus) -> Result<LogReader, BusError> + 'static,
        work_of: impl Fn(Read<LogEntry>) -> Work + 'static,
    ) {
        let (id, bus, work) = self.task();
        let task = async move {
            let mut reader = loop {
                match open(&bus).await {
                    Ok(reader) => break reader,
                    Err(error) => {
                        tracing::debug!(?key, %error, "cannot read the log");
                        sleep(RETRY).await;
                    }
                }
            };
            loop {
                let read = reader.next().await;
                let lost = read == Read::Lost;
                if !work.send(id, work_of(read)).await || lost {
                    return;
                }
            }
        };
        let task = self.supervisor.run_local("log", task);
        self.start(key, id, task);
    }

    /// Starts to read the keys of a partition.
    pub(super) fn open_kv(&mut self, partition: Partition, source: KvSource) {
        self.next += 1;
        let open = self.key_scans.open(partition, source, self.next);
        let reading = Reading::Keys { _open: open };
        let key = ReaderKey::Kv(partition, source);
        self.tasks.insert(key, (self.next, reading));
    }

    /// Subscribes to the requests and live messages of edges for a partition.
    pub(super) fn listen(&mut self, partition: Partition) {
        let (id, bus, work) = self.task();
        let task = async move {
            let mut ctl = subscribe(&bus, &subject::ctl(partition)).await;
            let mut live = subscribe(&bus, &subject::live(partition)).await;
            let mut next = Some(Work::Listening(partition));
            while let Some(item) = next {
                if !work.send(id, item).await {
                    return;
                }
                next = tokio::select! {
                    message = ctl.next() => message.map(|message| Work::Ctl(partition, message)),
                    message = live.next() => message.map(|message| Work::Live(partition, message)),
                };
            }
        };
        let task = self.supervisor.keep_local("listen", task);
        self.start(ReaderKey::Listen(partition), id, task);
    }

    /// Ends the task of a key.
    pub(super) fn close(&mut self, key: ReaderKey) {
        self.tasks.remove(&key);
    }

    /// Ends all tasks of a partition.
    pub(super) fn close_partition(&mut self, partition: Partition) {
        for key in [
            ReaderKey::Log(partition),
            ReaderKey::Kv(partition, KvSource::Rooms),
            ReaderKey::Kv(partition, KvSource::Quarantine),
            ReaderKey::Listen(partition),
        ] {
            self.close(key);
        }
        let is_of_room =
            |key: &ReaderKey| matches!(key, ReaderKey::Room(of, _) if *of == partition);
        self.tasks.retain(|key, _| !is_of_room(key));
    }

    /// Passes on requests about gaps in the numbers of this sender's batches.
    pub(super) fn serve_link(&mut self, sender: &WorkerId) {
        let bus = self.bus.clone();
        let subject = subject::worker_link(sender);
        let work = self.work.clone();
        let link = async move {
            let mut requests = subscribe(&bus, &subject).await;
            while let Some(message) = requests.next().await {
                if !work.send(0, Work::LinkRequest(message)).await {
                    return;
                }
            }
        };
        let task = self.supervisor.keep_local("link", link);
        self.fixed.push(task);
    }

    fn task(&mut self) -> (u64, Bus, WorkSender) {
        self.next += 1;
        (self.next, self.bus.clone(), self.work.clone())
    }

    fn start(&mut self, key: ReaderKey, id: u64, task: AbortHandle) {
        self.tasks.insert(key, (id, Reading::Task(task)));
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.fixed.iter().for_each(AbortHandle::abort);
    }
}
