//! Keeps the limits that all shards share: removes what is not needed any more, measures the memory, and publishes what was
//! refused.

use std::rc::Rc;
use std::time::Duration;

use tokio::sync::watch;

use super::config::LimitsSection;
use super::memory::Memory;
use crate::limits::{Limit, Pressure, SharedLimits};
use crate::server::ServerLimits;
use crate::shard::handle::Shard;
use crate::shard::limit_metrics::LimitMetrics;

/// The time between two turns.
const TURN: Duration = Duration::from_millis(250);

/// The parts of the tables that are swept in one turn: all of them within 4 s.
const SWEEPS: usize = SharedLimits::SWEEPS / 16;

/// Keeps the limits, forever. `settings` has the section in use.
pub(super) async fn drive_limits(
    limits: SharedLimits,
    settings: watch::Receiver<LimitsSection>,
    metrics: LimitMetrics,
) {
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
        let (percent, bytes) = {
            let settings = settings.borrow();
            metrics.max_connections.set(settings.connections.into());
            (settings.memory_percent, settings.memory_bytes)
        };
        measure(&limits, percent, bytes, &metrics);
    }
}

/// Applies new limits to a shard and its server, forever.
pub(super) async fn drive_new_limits(
    shard: Rc<Shard>,
    server: ServerLimits,
    mut settings: watch::Receiver<LimitsSection>,
) {
    while settings.changed().await.is_ok() {
        let (new, handshakes, route) = {
            let settings = settings.borrow_and_update();
            (settings.core(), settings.handshakes(), settings.route())
        };
        shard.run(|core, _, _| core.set_limits(new));
        server.set(handshakes, route);
    }
    // The process has dropped the sender, so it ends.
    std::future::pending().await
}

/// Measures the memory, and sets what is shed.
fn measure(limits: &SharedLimits, percent: u8, bytes: u64, metrics: &LimitMetrics) {
    let Some(usage) = Memory::of_this_process(bytes).measure() else {
        return;
    };
    metrics.memory_used.set(usage.used as i64);
    metrics.memory_limit.set(usage.limit as i64);
    let before = limits.pressure();
    let now = before.next(usage.percent(), percent);
    if now == before {
        return;
    }
    limits.set_pressure(now);
    let (used, limit) = (usage.used >> 20, usage.limit >> 20);
    match now.words() {
        Some(words) if now > before || now > Pressure::None => {
            tracing::warn!(
                used_mib = used,
                limit_mib = limit,
                "memory is short: {words}"
            );
        }
        _ => tracing::info!(
            used_mib = used,
            limit_mib = limit,
            "memory is no longer short"
        ),
    }
}
