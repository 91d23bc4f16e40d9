//! Keeps the limits that all shards share: removes what is not needed any more, and publishes what was refused.

use std::time::Duration;

use crate::limits::{Limit, SharedLimits};
use crate::shard::metrics::LimitMetrics;

/// The time between two turns.
const TURN: Duration = Duration::from_millis(250);

/// The parts of the tables that are swept in one turn: all of them within 4 s.
const SWEEPS: usize = SharedLimits::SWEEPS / 16;

/// Keeps the limits, forever.
pub(super) async fn drive_limits(limits: SharedLimits, metrics: LimitMetrics) {
    let mut published = [0; Limit::ALL.len()];
    for turn in 0_usize.. {
        tokio::time::sleep(TURN).await;
        let now = tokio::time::Instant::now().into_std();
        for part in 0..SWEEPS {
            limits.sweep(turn.wrapping_mul(SWEEPS).wrapping_add(part), now);
        }
        for (limit, before) in Limit::ALL.into_iter().zip(&mut published) {
            let count = limits.refused(limit);
            metrics.refused.add(limit, count - *before);
            *before = count;
        }
        let (addresses, players) = limits.counted();
        metrics.addresses.set(addresses as i64);
        metrics.players.set(players as i64);
    }
}
