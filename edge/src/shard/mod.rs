//! A shard: the core with its sockets and its bus, on one thread.
//!
//! Everything that happens runs to its end in [`handle::Shard::run`]. Tasks pick up its results: `bus` executes commands in
//! order, `flush` writes frames in slices.

pub mod handle;

pub mod bus;

pub(crate) mod flush;

mod hot_rooms;

pub mod handler;

pub mod admission;

pub mod metrics;

#[cfg(test)]
mod tests;

use std::rc::Rc;
use std::time::Duration;

use grandstand_common::bus::BusError;

use bus::{BusTasks, ShardBus};
use handle::Shard;
use metrics::ShardMetrics;

/// When a shard flushes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlushOptions {
    /// How long a flush may take before others have their turn.
    pub slice: Duration,
    /// The least time from one flush to the next: what comes meanwhile goes out in one write a member.
    pub interval: Duration,
}

/// Subscribes the shard, and starts its tasks on the running `LocalSet`.
///
/// # Errors
/// If the bus cannot be subscribed to.
pub async fn start(
    shard: &Rc<Shard>,
    bus: ShardBus,
    flush: FlushOptions,
    metrics: ShardMetrics,
) -> Result<(), BusError> {
    let tasks = BusTasks::subscribe(bus).await?;
    tasks.start(shard, || {
        flush::start(shard, flush.slice, flush.interval, metrics);
    });
    Ok(())
}
