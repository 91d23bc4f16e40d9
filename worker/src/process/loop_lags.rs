//! The lateness of the timers of a worker's loops.

use grandstand_common::histogram::{Histogram, LATENCY, LocalHistogram};
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// A histogram for each loop.
type ByLoop = Family<[(&'static str, String); 1], Histogram, fn() -> Histogram>;

/// The lags by loop. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct LoopLags(ByLoop);

impl Default for LoopLags {
    fn default() -> Self {
        Self(Family::new_with_constructor(|| Histogram::new(&LATENCY)))
    }
}

impl LoopLags {
    /// Registers the lags with a registry whose prefix is `grandstand_worker`.
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "loop_lag_seconds",
            "How late a timer of a loop's thread fires, every 100 ms; without load up to a millisecond",
            self.0.clone(),
        );
    }

    /// The lag of the loop with this name, for its thread.
    pub(super) fn of(&self, name: &str) -> LocalHistogram {
        let labels = [("loop", name.to_owned())];
        self.0.get_or_create(&labels).local()
    }
}
