//! The metrics of limits.

use grandstand_common::process::metrics::{CounterSet, Counters};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::limits::Limit;

/// The metrics of the limits that all shards share.
#[derive(Debug, Clone)]
pub struct LimitMetrics {
    pub(crate) refused: CounterSet<Limit>,
    pub(crate) addresses: Gauge,
    pub(crate) players: Gauge,
    pub(crate) max_connections: Gauge,
    pub(crate) memory_used: Gauge,
    pub(crate) memory_limit: Gauge,
}

impl LimitMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let refused = Counters::register(
            registry,
            "limited",
            "Connections and joins refused, by the limit in `[limits]` that was reached",
        );
        let addresses = Gauge::default();
        let players = Gauge::default();
        registry.register(
            "limited_addresses",
            "Addresses that are counted for the limits",
            addresses.clone(),
        );
        registry.register(
            "limited_players",
            "Players that are counted for the limits",
            players.clone(),
        );
        let max_connections = Gauge::default();
        registry.register(
            "max_connections",
            "The most connections of the process, from `limits.connections`; 0 for no limit",
            max_connections.clone(),
        );
        let memory_used = Gauge::default();
        let memory_limit = Gauge::default();
        registry.register(
            "memory_used_bytes",
            "Memory in use, as `limits.memory_percent` counts it",
            memory_used.clone(),
        );
        registry.register(
            "memory_limit_bytes",
            "Memory that may be used: that of `limits.memory_bytes`, of the cgroup or of the machine",
            memory_limit.clone(),
        );
        Self {
            refused: refused.with_labels(&[]),
            addresses,
            players,
            max_connections,
            memory_used,
            memory_limit,
        }
    }
}
