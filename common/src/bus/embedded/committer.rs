//! The thread that writes changes to the folder: group commit, one fsync for all changes that wait, then their acks.

use std::sync::Arc;
use std::time::Duration;

use grandstand_types::id::Partition;

use crate::bus::embedded::disk::{Disk, Persisted};
use crate::bus::embedded::format::DiskError;
use crate::bus::embedded::marks::Marks;
use crate::bus::embedded::record::Record;
use crate::bus::embedded::state::{PendingWrite, State, StoreChange};
use crate::bus::embedded::store::Shared;

/// The interval at which expired markers, values and old entries are removed.
const TIDY_EVERY: Duration = Duration::from_secs(1);

/// The marks of the folder, and their second place.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) marks: Marks,
    pub(super) record: Record,
}

impl Ledger {
    /// Writes the marks in their second place. Acks wait for it.
    fn record(&mut self, now_ms: u64) -> Result<(), DiskError> {
        Ok(self.record.write(&self.marks, now_ms)?)
    }

    /// Writes the time too, and waits for the disk.
    fn sync(&mut self, now_ms: u64) -> Result<(), DiskError> {
        self.record(now_ms)?;
        Ok(self.record.sync()?)
    }
}

/// Runs until it is stopped and has written everything, or the disk fails.
pub(super) fn run(shared: &Arc<Shared>, mut ledger: Ledger) {
    let Some(disk) = &shared.disk else { return };
    let mut tidied = tokio::time::Instant::now();
    loop {
        let (ops, now_ms, ends) = {
            let mut state = shared.state.lock();
            if state.queue.is_empty() && !state.stop {
                shared.work.wait_for(&mut state, TIDY_EVERY);
            }
            if state.failed {
                return;
            }
            let now_ms = state.clock.now_ms();
            let ops = std::mem::take(&mut state.queue);
            let ends = ops.is_empty() && state.stop;
            (ops, now_ms, ends)
        };
        let result = if ends {
            ledger.sync(now_ms)
        } else {
            commit(shared, disk, &mut ledger, ops, now_ms)
        };
        let is_time = result.is_ok() && !ends && tidied.elapsed() >= TIDY_EVERY;
        let result = if is_time {
            tidied = tokio::time::Instant::now();
            tidy(shared, disk, &mut ledger)
        } else {
            result
        };
        if let Err(error) = &result {
            shared.fail(&mut shared.state.lock(), error);
        }
        if ends || result.is_err() {
            return;
        }
    }
}

fn commit(
    shared: &Shared,
    disk: &Disk,
    ledger: &mut Ledger,
    mut ops: Vec<PendingWrite>,
    now_ms: u64,
) -> Result<(), DiskError> {
    if ops.is_empty() {
        return Ok(());
    }
    let persisted = Persisted::by(&ops, ledger.marks.streams.len());
    disk.commit(&mut ops, &mut ledger.marks)?;
    ledger.record(now_ms)?;
    publish(&mut shared.state.lock(), &ops, &persisted);
    ops.into_iter()
        .filter_map(|op| op.ack)
        .for_each(|ack| ack.send());
    Ok(())
}

/// Makes written changes visible, and drops them from memory.
fn publish(state: &mut State, ops: &[PendingWrite], persisted: &Persisted) {
    let now_ms = state.clock.now_ms();
    for (&stream, &last) in &persisted.streams {
        state.log.set_visible(stream, last);
        state.log.trim_stream(stream, now_ms);
    }
    for (&bucket, &last) in &persisted.buckets {
        state.buckets[bucket].set_visible(last);
        state.buckets[bucket].wake.send_replace(());
    }
    for op in ops {
        match &op.change {
            StoreChange::Append(partition, _) => {
                state.log.partitions[usize::from(partition.0)]
                    .wake
                    .send_replace(());
            }
            StoreChange::Put(change, record) => {
                state.buckets[change.bucket].release(&change.key, record);
            }
            StoreChange::Remove(_) => {}
        }
    }
}

/// Removes expired markers, values and old entries, and brings the record to the disk.
fn tidy(shared: &Shared, disk: &Disk, ledger: &mut Ledger) -> Result<(), DiskError> {
    let now_ms = {
        let mut state = shared.state.lock();
        for bucket in 0..state.buckets.len() {
            state.expire(bucket);
        }
        let now_ms = state.clock.now_ms();
        state.log.trim(now_ms);
        now_ms
    };
    let cutoff_ms = now_ms.saturating_sub(shared.options.log_max_age.as_millis() as u64);
    let mut too_old = Vec::new();
    for partition in (0..shared.options.partitions).map(Partition) {
        let last = disk.too_old(partition, cutoff_ms)?;
        too_old.extend(last.map(|last| (partition, last)));
    }
    {
        // Readers must not look there before the entries are removed.
        let mut state = shared.state.lock();
        for (partition, last) in &too_old {
            let stream = state.log.stream_of(*partition);
            let partition_log = &mut state.log.partitions[usize::from(partition.0)];
            partition_log.gone_before = partition_log.gone_before.max(last + 1);
            let stream = &mut state.log.streams[stream];
            stream.first = stream.first.max(last + 1);
        }
    }
    let Ledger { marks, record } = ledger;
    let write = |marks: &Marks| Ok(record.write(marks, now_ms)?);
    disk.remove_entries(&too_old, marks, write)?;
    ledger.sync(now_ms)
}
