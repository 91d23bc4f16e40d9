//! Reads the embedded log and buckets.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use grandstand_types::id::Partition;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::bus::embedded::format::DiskError;
use crate::bus::embedded::kv;
use crate::bus::embedded::log::Found;
use crate::bus::embedded::state::State;
use crate::bus::embedded::store::{Shared, StoreHandle};
use crate::bus::key_filter::KeyFilter;
use crate::bus::options::IDLE_HEARTBEAT;
use crate::bus::types::{ConnectionState, KvEntry, LogEntry, Read};

/// The most entries that one lookup returns.
const BATCH: usize = 64;
/// The most lookups in a row that find no entry of the wanted subject.
const FILTERED: usize = 256;
/// The pause before looking again for a write in progress, unless its end is signalled before.
const SETTLE: Duration = Duration::from_millis(10);

/// The result of a lookup at a position.
pub(crate) enum Lookup<T> {
    /// Items in order, and whether more follow.
    Items(Vec<T>, bool),
    /// The position is gone.
    Lost,
}

/// A position in the log or a bucket.
pub(crate) trait Position {
    /// The type of items.
    type Item;
    /// Returns the next items and moves past them.
    fn read_next(&mut self, shared: &Shared, state: &mut State) -> Lookup<Self::Item>;
}

/// A position in a partition's log.
#[derive(Debug)]
pub(crate) struct LogPosition {
    pub(super) partition: Partition,
    /// The only subject to read; `None` for all.
    pub(super) subject: Option<String>,
    pub(super) next: u64,
    /// Whether an entry was read; then the log cannot end before the position.
    pub(super) read: bool,
}

/// A position among a bucket's revisions.
#[derive(Debug)]
pub(crate) struct KvPosition {
    pub(super) bucket: usize,
    pub(super) filter: KeyFilter,
    pub(super) next: u64,
    /// A key not read yet is being overwritten; it is invisible until this revision is visible.
    pub(super) waits_for: u64,
}

impl LogPosition {
    /// Returns the next entries of all subjects.
    fn read_any_subject(&mut self, shared: &Shared, state: &mut State) -> Lookup<LogEntry> {
        let (entries, more) = match state.log.find(self.partition, self.next, BATCH) {
            Found::Entries(entries, more) => (entries, more),
            Found::Gone => return Lookup::Lost,
            Found::OnDisk { until, visible } => {
                let end = until.min(visible + 1);
                let read = match &shared.disk {
                    Some(disk) => disk.entries(self.partition, self.next, end, BATCH + 1),
                    None => Ok(Vec::new()),
                };
                match read {
                    Ok(entries) if entries.is_empty() => {
                        self.next = until;
                        return self.read_any_subject(shared, state);
                    }
                    Ok(mut entries) => {
                        let more = entries.len() > BATCH;
                        entries.truncate(BATCH);
                        let here = || state.log.find(self.partition, until, 1);
                        let more_here = || !matches!(here(), Found::Entries(e, _) if e.is_empty());
                        (entries, more || more_here())
                    }
                    Err(error) => {
                        shared.fail(state, &error);
                        return Lookup::Lost;
                    }
                }
            }
        };
        let stream = &state.log.streams[state.log.stream_of(self.partition)];
        if self.read && self.next > stream.last + 1 {
            return Lookup::Lost;
        }
        if let Some(last) = entries.last() {
            self.next = last.seq + 1;
            self.read = true;
        }
        Lookup::Items(entries, more)
    }
}

impl Position for LogPosition {
    type Item = LogEntry;

    fn read_next(&mut self, shared: &Shared, state: &mut State) -> Lookup<LogEntry> {
        let mut found = Vec::new();
        for _ in 0..FILTERED {
            let (entries, more) = match self.read_any_subject(shared, state) {
                Lookup::Items(entries, more) => (entries, more),
                Lookup::Lost => return Lookup::Lost,
            };
            let Some(subject) = &self.subject else {
                return Lookup::Items(entries, more);
            };
            for entry in entries.into_iter().filter(|e| e.subject == *subject) {
                if found.len() == BATCH {
                    self.next = entry.seq;
                    return Lookup::Items(found, true);
                }
                found.push(entry);
            }
            if !more {
                return Lookup::Items(found, false);
            }
        }
        // Other threads need the lock too.
        Lookup::Items(found, true)
    }
}

impl Position for KvPosition {
    type Item = KvEntry;

    fn read_next(&mut self, shared: &Shared, state: &mut State) -> Lookup<KvEntry> {
        state.expire(self.bucket);
        let kv = &state.buckets[self.bucket];
        let (found, next) = kv.find(&self.filter, self.next, BATCH);
        let mut entries = Vec::with_capacity(found.len());
        for (key, record) in &found {
            match read_record(shared, self.bucket, key, record) {
                Ok(entry) => entries.push(entry),
                Err(error) => {
                    shared.fail(state, &error);
                    return Lookup::Lost;
                }
            }
        }
        if next.is_none() {
            let hidden = kv.hidden(&self.filter, self.next);
            self.waits_for = self.waits_for.max(hidden);
        }
        self.next = next.unwrap_or(self.next.max(kv.visible + 1));
        Lookup::Items(entries, next.is_some() || self.waits_for > kv.visible)
    }
}

/// A key's entry, with its value from the folder if it is there.
pub(super) fn read_record(
    shared: &Shared,
    bucket: usize,
    key: &str,
    record: &kv::KeyRecord,
) -> Result<KvEntry, DiskError> {
    let on_disk = match (&record.value, &shared.disk) {
        (kv::Value::OnDisk, Some(disk)) => Some(disk.value(bucket, key)?),
        _ => None,
    };
    Ok(record.entry(key, on_disk))
}

/// Reads from a position on.
#[derive(Debug)]
pub(crate) struct Cursor<P: Position> {
    store: Arc<StoreHandle>,
    position: P,
    ready: VecDeque<(P::Item, u64)>,
    wake: watch::Receiver<()>,
    connection_state: watch::Receiver<ConnectionState>,
    idle_at: Instant,
    lost: bool,
}

impl<P: Position> Cursor<P> {
    pub(super) fn new(
        store: Arc<StoreHandle>,
        connection_state: watch::Receiver<ConnectionState>,
        wake: watch::Receiver<()>,
        position: P,
    ) -> Self {
        Self {
            store,
            position,
            ready: VecDeque::new(),
            wake,
            connection_state,
            idle_at: Instant::now(),
            lost: false,
        }
    }

    /// Cancel safe: items taken from the position wait in `ready`.
    pub(crate) async fn next(&mut self) -> Read<P::Item> {
        // A reader in a loop must let other tasks run now and then.
        tokio::task::coop::consume_budget().await;
        loop {
            if let Some(read) = self.try_next() {
                return read;
            }
            let connected = *self.connection_state.borrow_and_update() != ConnectionState::Down;
            let changed = tokio::select! {
                changed = self.wake.changed() => changed,
                changed = self.connection_state.changed() => changed,
                () = tokio::time::sleep_until(self.idle_at), if connected => Ok(()),
            };
            if changed.is_err() {
                self.lost = true;
            }
        }
    }

    pub(crate) fn try_next(&mut self) -> Option<Read<P::Item>> {
        if self.lost {
            return Some(Read::Lost);
        }
        if *self.connection_state.borrow() == ConnectionState::Down {
            return None;
        }
        if self.ready.is_empty() {
            self.wake.mark_unchanged();
            let shared = &self.store.shared;
            let mut state = shared.state.lock();
            match self.position.read_next(shared, &mut state) {
                Lookup::Lost => {
                    self.lost = true;
                    return Some(Read::Lost);
                }
                Lookup::Items(items, true) if items.is_empty() => {
                    self.idle_at = self.idle_at.max(Instant::now() + SETTLE);
                    return None;
                }
                Lookup::Items(items, more) => {
                    let behind = (items.len() as u64 + u64::from(more)).saturating_sub(1);
                    let pending = |i: usize| behind - i as u64;
                    let numbered = items.into_iter().enumerate();
                    self.ready
                        .extend(numbered.map(|(i, item)| (item, pending(i))));
                }
            }
        }
        let now = Instant::now();
        if let Some((item, pending)) = self.ready.pop_front() {
            self.idle_at = now + IDLE_HEARTBEAT;
            return Some(Read::Item(item, pending));
        }
        if now < self.idle_at {
            return None;
        }
        self.idle_at = now + IDLE_HEARTBEAT;
        Some(Read::Idle)
    }
}
