//! The thread that writes changes to the folder: group commit, one fsync for all changes that wait, then their acks.

use std::sync::Arc;
use std::time::Duration;

use crate::bus::embedded::disk::{Disk, Persisted};
use crate::bus::embedded::format::DiskError;
use crate::bus::embedded::state::{Change, PendingWrite, State};
use crate::bus::embedded::store::Shared;
use grandstand_types::id::Partition;

/// The interval at which expired markers and old entries are removed.
const TIDY_EVERY: Duration = Duration::from_secs(1);

/// Runs until it is stopped and has written everything, or the disk fails.
pub(super) fn run(shared: &Arc<Shared>) {
    let Some(disk) = &shared.disk else { return };
    let mut tidied = tokio::time::Instant::now();
    loop {
        let (ops, created) = {
            let mut state = shared.state.lock();
            if state.queue.is_empty() && !state.stop {
                shared.work.wait_for(&mut state, TIDY_EVERY);
            }
            if state.queue.is_empty() && state.stop {
                return;
            }
            let created = state.log.streams.iter().map(|stream| stream.created_ms);
            let created: Vec<_> = created.collect();
            (std::mem::take(&mut state.queue), created)
        };
        let mut result = Ok(());
        if !ops.is_empty() {
            let persisted = Persisted::by(&ops, created.len());
            result = disk.commit(&ops, &persisted, &created);
            if result.is_ok() {
                publish(&mut shared.state.lock(), &ops, &persisted);
                ops.into_iter()
                    .filter_map(|op| op.ack)
                    .for_each(|ack| ack.send());
            }
        }
        if result.is_ok() && tidied.elapsed() >= TIDY_EVERY {
            tidied = tokio::time::Instant::now();
            result = tidy(shared, disk);
        }
        if let Err(error) = result {
            tracing::error!(%error, "cannot write to the data folder: the bus accepts nothing more");
            fail(&mut shared.state.lock());
            return;
        }
    }
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
            Change::Append(partition, _) => {
                state.log.partitions[usize::from(partition.0)]
                    .wake
                    .send_replace(());
            }
            Change::Put(bucket, key, record) => {
                state.buckets[*bucket].release(key, record.revision)
            }
            Change::Remove(..) => {}
        }
    }
}

/// Removes expired markers and old entries.
fn tidy(shared: &Shared, disk: &Disk) -> Result<(), DiskError> {
    let cutoff_ms = {
        let mut state = shared.state.lock();
        for bucket in 0..state.buckets.len() {
            state.expire(bucket);
        }
        let now_ms = state.clock.now_ms();
        state.log.trim(now_ms);
        now_ms.saturating_sub(shared.options.log_max_age.as_millis() as u64)
    };
    for partition in (0..shared.options.partitions).map(Partition) {
        let Some(last) = disk.too_old(partition, cutoff_ms)? else {
            continue;
        };
        {
            // Readers must not look there before the entries are removed.
            let mut state = shared.state.lock();
            let stream = state.log.stream_of(partition);
            let partition_log = &mut state.log.partitions[usize::from(partition.0)];
            partition_log.gone_before = partition_log.gone_before.max(last + 1);
            let stream = &mut state.log.streams[stream];
            stream.first = stream.first.max(last + 1);
        }
        disk.remove_entries(partition, last)?;
    }
    Ok(())
}

fn fail(state: &mut State) {
    state.failed = true;
    // Dropping an ack reports that the outcome is unknown.
    state.queue.clear();
    for partition_log in &state.log.partitions {
        partition_log.wake.send_replace(());
    }
    for bucket in &state.buckets {
        bucket.wake.send_replace(());
    }
}
