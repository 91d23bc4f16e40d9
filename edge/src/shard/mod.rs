//! A shard: the core with its sockets and its bus, on one thread.
//!
//! Each event runs to completion in [`handle::Shard::run`]. Tasks pick up the results: `bus` executes commands in order,
//! `flush` writes frames in slices.

pub mod handle;

pub mod bus;

mod flush_meter;

mod latency;

pub(crate) mod flush;

mod hot_rooms;

mod log_refusals;

pub(crate) mod shedding;

pub mod handler;

pub(crate) mod api;

mod ranks;

pub(crate) mod lobby;

pub mod origins;

pub mod admission;

pub(crate) mod revocations;

pub(crate) mod questions;

mod meters;

mod labels;

mod durations;

pub(crate) mod limit_metrics;

pub mod metrics;

#[cfg(test)]
mod tests;

use std::rc::Rc;
use std::time::Duration;

use grandstand_common::bus::BusError;

pub use log_refusals::LogRefusals;

use bus::{BusTasks, ShardBus};
use handle::Shard;
use metrics::ShardMetrics;

/// The times of a shard's flushes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlushOptions {
    /// The time that a flush may run before it yields to other tasks.
    pub slice: Duration,
    /// The minimum time between two flushes. Updates that arrive in between leave in one write per member.
    pub interval: Duration,
}

/// Subscribes the shard and starts its tasks on the running `LocalSet`.
///
/// # Errors
/// If the bus refuses a subscription.
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
