//! Moves all rooms of a cluster to another number of partitions (D33). The cluster's processes follow the record that
//! each step changes; no process restarts.
//!
//! 1. The record names the next layout. Workers release their partitions, edges hold the entries of their players.
//! 2. Every lease is taken from its worker for good, also from dead ones.
//! 3. Rooms, quarantine records and the entries that no snapshot covers are copied to the streams of the next layout.
//! 4. The record names the next layout as the cluster's. Workers take its partitions, edges append their windows again.
//! 5. The streams of the former layout are deleted.
//!
//! Each step can be repeated. A run that was interrupted is continued by another one, or undone up to step 4 by
//! [`abort`].

mod error;

mod step;

mod listing;

mod stored_record;

mod leases;

mod rooms;

mod tail;

mod former;

pub use error::RepartitionError;
pub use step::{Step, Tell};

use std::time::Duration;

use grandstand_common::bus::{Bus, nats::Nats};
use grandstand_common::layout::Layout;
use grandstand_common::record::{Checkpoint, Cut, Lease, StuckEntry};
use tokio::time::Instant;

use step::LOOK_EVERY;
use stored_record::StoredRecord;

/// The time for which the first owners of the next layout are awaited before the former streams are deleted all the
/// same.
const OWNERS_WITHIN: Duration = Duration::from_secs(60);

/// The layout to move all rooms to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// The number of partitions.
    pub partitions: u16,
    /// The number of streams; `None` for as many as before, as far as there are as many partitions.
    pub streams: Option<u16>,
    /// Keep the streams of the former layout.
    pub keep_old: bool,
    /// The time that the former streams stay after the move: NATS writes to its disks only once in its `sync_interval`,
    /// and the copies must outlive a power cut.
    pub keep_for: Duration,
}

/// The result of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// The cluster has this layout already.
    Nothing(Layout),
    /// The rooms were moved.
    Moved {
        /// The former layout.
        from: Layout,
        /// The names of the streams of the former layout, if they are kept.
        kept: Vec<String>,
        /// The layout of the cluster.
        to: Layout,
        /// The rooms that were copied.
        rooms: u64,
        /// The entries of the log that were copied.
        entries: u64,
        /// Whether all partitions have an owner.
        owned: bool,
    },
}

/// Moves all rooms to another number of partitions, or continues to.
///
/// # Errors
/// See [`RepartitionError`]. Nothing is lost; another run continues.
pub async fn repartition(
    bus: &Bus,
    request: Request,
    tell: Tell<'_>,
) -> Result<Done, RepartitionError> {
    let nats = nats(bus)?;
    let mut record = StoredRecord::read(bus).await?;
    if record.value().next.is_none() {
        delete_former(bus, &mut record, request.keep_for, tell).await?;
    }
    let from = record.value().layout;
    let streams = request
        .streams
        .unwrap_or(from.streams.min(request.partitions));
    let to = match record.value().next {
        Some(next) if (next.partitions, next.streams) == (request.partitions, streams) => next,
        Some(next) => return Err(RepartitionError::OtherUnderWay { next }),
        None if (from.partitions, from.streams) == (request.partitions, streams) => {
            return Ok(Done::Nothing(from));
        }
        None => from.successor(request.partitions, streams),
    };
    if !to.is_valid() {
        return Err(RepartitionError::Numbers(to));
    }
    if record.value().next.is_none() {
        leases::check_workers(bus).await?;
        nats.check_permissions(&to).await?;
        record.change(bus, |record| record.next = Some(to)).await?;
    }
    let old = bus.with_layout(from);
    let new = bus.with_layout(to);
    let taken = leases::take_all(&old, &record, tell).await?;
    nats.with_layout(from).create_layout(&to).await?;
    let checkpoints = rooms::checkpoints(&old).await?;
    let rooms = rooms::copy(&old, &new, tell).await?;
    let former = tail::FormerLog {
        bus: &old,
        checkpoints: &checkpoints,
        stuck: &taken.stuck,
    };
    let tail = tail::copy(former, &new, nats, tell).await?;
    prepare(&new, &checkpoints, &taken, &tail.stuck).await?;
    leases::verify(&old, &taken).await?;
    let switch = |record: &mut grandstand_common::record::ClusterRecord| {
        record.layout = to;
        record.next = None;
        record.previous = Some(from);
    };
    record.change(bus, switch).await?;
    let owned = owners(&new, tell).await;
    let mut kept = Vec::new();
    if request.keep_old {
        kept = nats.with_layout(from).stream_names();
        leases::delete(&old).await?;
        record.change(bus, |record| record.previous = None).await?;
    } else {
        delete_former(bus, &mut record, request.keep_for, tell).await?;
    }
    Ok(Done::Moved {
        from,
        kept,
        to,
        rooms,
        entries: tail.entries,
        owned,
    })
}

/// Goes back to the layout before a move that has not ended. Returns that layout.
///
/// # Errors
/// See [`RepartitionError`]. [`RepartitionError::NotUnderWay`] if no move is under way.
pub async fn abort(bus: &Bus) -> Result<Layout, RepartitionError> {
    let nats = nats(bus)?;
    let mut record = StoredRecord::read(bus).await?;
    let layout = record.value().layout;
    let old = bus.with_layout(layout);
    match record.value().next {
        Some(next) => {
            let new = bus.with_layout(next);
            leases::delete(&new).await?;
            former::delete_records(&new).await?;
            nats.with_layout(next).delete_layout().await?;
            leases::give_back(&old).await?;
            record.change(bus, |record| record.next = None).await?;
            Ok(layout)
        }
        None => Err(RepartitionError::NotUnderWay { layout }),
    }
}

/// Stores the checkpoints and the leases of the next layout: their logs have a generation of their own, of which stored
/// snapshots cover nothing, and their owners' epochs are above all earlier ones. The leases name the entries at which loops
/// got stuck, and need what all of the former ones needed.
async fn prepare(
    new: &Bus,
    checkpoints: &rooms::Checkpoints,
    taken: &leases::Taken,
    stuck: &[StuckEntry],
) -> Result<(), RepartitionError> {
    let generation = 1 + checkpoints
        .values()
        .map(|c| c.generation)
        .max()
        .unwrap_or(0);
    let claimed = checkpoints.values().map(|c| c.epoch).max();
    let epoch = taken.highest.max(claimed.unwrap_or_default());
    let checkpoint = Checkpoint {
        epoch,
        generation,
        seq: 1,
        created_ms: 0,
        cuts: vec![Cut { generation, seq: 1 }],
        unread_to: None,
    };
    let lease = Lease {
        worker: None,
        epoch,
        ready: false,
        sender: None,
        stuck: Vec::new(),
        needs: taken.needs.clone(),
        moved: false,
    };
    rooms::put_checkpoints(new, &checkpoint).await?;
    leases::put_first(new, &lease, stuck).await
}

/// Waits for the owners of all partitions, for a while. Returns whether there are.
async fn owners(new: &Bus, tell: Tell<'_>) -> bool {
    let until = Instant::now() + OWNERS_WITHIN;
    let of = usize::from(new.layout().partitions);
    while Instant::now() < until {
        if let Ok(done) = leases::ready(new).await {
            tell(&Step::Owners { done, of });
            if done == of {
                return true;
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    false
}

/// Deletes what is left of the layout before the cluster's, if anything is, once the move is long enough ago.
async fn delete_former(
    bus: &Bus,
    record: &mut StoredRecord,
    keep_for: Duration,
    tell: Tell<'_>,
) -> Result<(), RepartitionError> {
    let Some(previous) = record.value().previous else {
        return Ok(());
    };
    let until_ms = record.time_ms() + u64::try_from(keep_for.as_millis()).unwrap_or(u64::MAX / 2);
    loop {
        let left_ms = until_ms.saturating_sub(bus.log_clock().now().log_ms);
        if left_ms == 0 {
            break;
        }
        let left_s = left_ms.div_ceil(1_000);
        tell(&Step::Keeping { left_s });
        tokio::time::sleep(Duration::from_millis(left_ms.min(1_000))).await;
    }
    // NATS may have come back with the former layout meanwhile.
    record.check(bus).await?;
    tell(&Step::Deleting);
    let old = bus.with_layout(previous);
    let new = bus.with_layout(record.value().layout);
    leases::delete(&old).await?;
    former::delete_records(&old).await?;
    let nats = nats(&new)?;
    nats.replace_layout(&previous).await?;
    record.change(bus, |record| record.previous = None).await
}

fn nats(bus: &Bus) -> Result<&Nats, RepartitionError> {
    match bus {
        Bus::Nats(nats) => Ok(nats),
        Bus::Embedded(_) => Err(RepartitionError::Embedded),
    }
}
